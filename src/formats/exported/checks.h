#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "json/document.h"

namespace torchvet {

/// What torch.export.load asks of the values in a program that has the form of its schema. Each says
/// what is wrong, as the end of a sentence ("has 2 sizes and 1 strides"); nothing when all is well.

/// A TensorMeta: torch makes each tensor anew, without numbers, by `empty_strided`.
[[nodiscard]] std::optional<std::string> wrong_with_meta(Json meta);
[[nodiscard]] std::optional<std::string> wrong_with_device(Json device);

/// A Node's `metadata`: texts of a form of their own, which torch takes apart.
[[nodiscard]] std::optional<std::string> wrong_with_metadata(Json node);

/// A Graph: torch looks every value up in its tables, and takes no name twice.
[[nodiscard]] std::optional<std::string> wrong_with_names(Json graph);
/// The graph of a GraphModule returns a list of values.
[[nodiscard]] std::optional<std::string> wrong_with_outermost_graph(Json graph_module);

/// The names in the `range_constraints` of an ExportedProgram: torch counts its own symbols, `u0` and
/// `zuf0`, by what follows their first letters.
[[nodiscard]] std::optional<std::string> wrong_with_symbols(Json program);

/// The size that a symbol had in the example lies in the range of the symbol.
class SizeHints {
 public:
  /// From `range_constraints`.
  void read_ranges(Json program);
  /// To be asked of each graph, the outermost one first, which is the one that counts.
  [[nodiscard]] std::optional<std::string> wrong_with(Json graph);

 private:
  [[nodiscard]] std::optional<std::string> wrong_with_hint(std::optional<Json> expression);

  std::unordered_map<std::string_view, std::pair<std::int64_t, std::int64_t>> ranges_;
};

}  // namespace torchvet
