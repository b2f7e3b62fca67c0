#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace torchvet {

/// Caps that keep a hostile file from costing more than an honest one. They are checked before
/// anything is allocated. Reaching one leaves a `Gap`, so the run is incomplete, never green. They
/// are printed in the JSON report and set by `--limit NAME=VALUE`, with the names of `limit_names`.
struct Limits {
  std::uint64_t zip_members = 1'000'000;
  std::uint64_t member_name_bytes = 4096;
  std::uint64_t inflated_bytes = 1ull << 30;     ///< of one deflated member that is held in memory
  std::uint64_t decompressed_bytes = 8ull << 30;  ///< of a file that is compressed as a whole
  std::uint64_t inflate_ratio = 1100;            ///< of both; deflate cannot exceed 1032
  std::uint64_t pickle_opcodes = 50'000'000;
  std::uint64_t pickle_objects = 20'000'000;
  std::uint64_t pickle_stack = 1'000'000;
  std::uint64_t pickle_memo = 20'000'000;
  std::uint64_t string_bytes = 64ull << 20;      ///< of one string or bytes object in a pickle
  std::uint64_t object_depth = 10'000;           ///< of nesting when paths are given to tensors
  std::uint64_t tensors = 5'000'000;
  std::uint64_t tensor_dimensions = 64;
  std::uint64_t json_bytes = 128ull << 20;       ///< of one JSON text in an archive
  std::uint64_t code_bytes = 256ull << 20;       ///< TorchScript source text of one archive
  std::uint64_t graph_nodes = 5'000'000;
  std::uint64_t worker_reply_bytes = 2ull << 30;
  std::uint64_t worker_seconds = 120;            ///< for the graphs of one artifact
  std::uint64_t value_ratio = 16;                ///< bytes walked for values, per byte of storage
  std::uint64_t findings_per_rule = 10'000;      ///< in one artifact
};

struct LimitName {
  std::string_view name;
  std::uint64_t Limits::*field;
};

/// Every limit by the name users know it by, in the order of the struct.
[[nodiscard]] std::span<const LimitName> limit_names();

}  // namespace torchvet
