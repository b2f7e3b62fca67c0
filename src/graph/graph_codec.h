#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/limits.h"
#include "model/graph.h"

namespace torchvet {

/// What torchvet and its worker say to each other: messages of an 8-byte little-endian length and
/// that many bytes of CBOR. The worker has parsed a hostile file, so a reply is as untrusted as the
/// file: `decode_reply` checks every number before it is used.

/// Code of one TorchScript archive. No weights, no constants: only how many there are.
struct GraphRequest {
  struct File {
    std::string name;  ///< "__torch__/net.py"
    std::string text;
  };
  /// A module and its class, by its path below the root.
  struct Module {
    std::string path;
    std::string class_name;
  };
  std::vector<File> code;
  std::vector<Module> modules;         ///< of what class they are where the code names an interface
  std::string root_class;              ///< "__torch__.net.Net"
  std::int64_t version = 0;            ///< of the archive: chooses the meaning of old operators
  std::vector<std::string> constants;  ///< the constant table: "" for a tensor, else a class name
  std::uint64_t max_nodes = 0;         ///< of all graphs together, after inlining
  std::uint64_t cpu_seconds = 0;
};

/// A piece of a code file. Offsets are bytes of its text.
struct CodeRange {
  static constexpr std::uint32_t kNoFile = UINT32_MAX;
  std::uint32_t file = kNoFile;  ///< index into the request's files
  std::uint32_t start = 0;
  std::uint32_t end = 0;
};

/// One call that was inlined: where it stood, and inside which other inlined call.
struct InlinedCall {
  static constexpr std::uint32_t kNoCall = UINT32_MAX;
  std::uint32_t caller = kNoCall;  ///< an earlier call of the same graph; none: the method itself
  CodeRange where;
};

/// A graph together with the places in `code/` that its nodes came from, both parallel to
/// `graph.nodes`. The worker leaves `Node::frames` empty: it has no source maps.
struct LoweredGraph {
  Graph graph;
  std::vector<CodeRange> ranges;
  std::vector<std::uint32_t> calls;  ///< InlinedCall of each node, or kNoCall
  std::vector<InlinedCall> inlined;
};

/// A method that LibTorch would not import, and what it said.
struct Refusal {
  std::string method;  ///< empty: the program as a whole
  std::string reason;
};

struct GraphReply {
  std::string libtorch;  ///< version: "2.13.0"
  std::vector<LoweredGraph> graphs;
  std::vector<Refusal> refusals;
};

[[nodiscard]] std::string encode_request(const GraphRequest& request);
[[nodiscard]] std::string encode_reply(const GraphReply& reply);

/// Errors: kWorkerBadReply.
[[nodiscard]] Result<GraphRequest> decode_request(std::string_view bytes);

/// `files` and `constants` are the counts of the request that this answers.
/// After success every index in the reply is in range, every value has at most one producer or
/// owner, every node stands in exactly one block, and blocks form a tree under blocks[0].
/// Errors: kWorkerBadReply, kLimitExceeded (`graph_nodes`).
[[nodiscard]] Result<GraphReply> decode_reply(std::string_view bytes, std::size_t files,
                                              std::size_t constants, const Limits& limits);

}  // namespace torchvet
