#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/exported/graph.h"
#include "json/document.h"
#include "model/graph.h"

namespace torchvet {

/// Names of one (sub) graph of an exported program and the values that they stand for.
struct ExportedScope {
  std::unordered_map<std::string_view, ValueId> values;
  std::unordered_map<std::string_view, Json> tensors;  ///< `tensor_values`
  BlockId block = 0;
  bool no_grad = false;
};

/// A graph that grows while a program is lowered: values by name, arguments as values.
/// Errors everywhere: kExportedBadProgram, kLimitExceeded.
class ExportedBuilder {
 public:
  ExportedBuilder(Graph& graph, const Limits& limits) : graph_(graph), limits_(limits) {}

  [[nodiscard]] static tl::unexpected<Error> bad(std::string detail) {
    return fail(ErrorCode::kExportedBadProgram, 0, std::move(detail));
  }

  ValueId new_value(Value value);
  /// Fills `scope.tensors` from a graph's table of tensors.
  static void read_tensor_values(Json graph, ExportedScope& scope);
  /// A new value under a name that a node or an input defines, with what the table says of it.
  ValueId define(ExportedScope& scope, std::string_view name, ValueType type);
  [[nodiscard]] static Result<ValueId> named(const ExportedScope& scope,
                                             std::optional<std::string_view> name);

  /// The value of an argument; a list of tensors becomes a node that packs them.
  Result<ValueId> argument(const JsonUnion& arg, ExportedScope& scope);
  /// The values that a graph returns.
  Result<void> read_results(Json graph, ExportedScope& scope, std::vector<ValueId>& results);
  /// Puts a node at the end of the scope's block.
  Result<NodeId> add_node(Node node, const ExportedScope& scope);

  /// The names that a node defines, lists opened; optional tensors that are absent are left out.
  using Outputs = std::vector<std::pair<std::string_view, ValueType>>;
  [[nodiscard]] static Outputs output_names(simdjson::dom::array outputs);
  /// Names of a sub graph's placeholders, in order.
  [[nodiscard]] static std::vector<std::string_view> placeholders_of(Json graph);

 private:
  Result<ValueId> list_of(std::string_view tag, Json list, ExportedScope& scope);
  Result<ValueId> element_of(std::string_view tag, Json item, ExportedScope& scope);
  ValueId constant(const JsonUnion& arg);
  template <typename T>
  ValueId literal(ValueType type, T value);
  template <typename T, typename Read>
  ValueId list_literal(Json list, Read read);

  Graph& graph_;
  const Limits& limits_;
};

}  // namespace torchvet
