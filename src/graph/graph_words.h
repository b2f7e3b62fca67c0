#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/graph_codec.h"

namespace torchvet {

/// Texts of a message, each kept once and named by its index.
class TextTable {
 public:
  std::uint32_t index_of(std::string_view text);
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
  std::unordered_map<std::string, std::uint32_t> index_;
};

/// One graph as little-endian 32-bit words; texts go to `table`.
[[nodiscard]] std::string graph_to_words(const LoweredGraph& graph, TextTable& table);

struct WordLimits {
  std::size_t files = 0;      ///< of the request
  std::size_t constants = 0;  ///< of the request
  std::uint64_t nodes = 0;
};

/// The way back, with every number checked; see `decode_reply`.
/// Errors: kWorkerBadReply, kLimitExceeded.
[[nodiscard]] Result<LoweredGraph> graph_from_words(std::string_view bytes,
                                                    const std::vector<std::string>& texts,
                                                    const WordLimits& limits);

}  // namespace torchvet
