#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "json/document.h"
#include "model/graph.h"

namespace torchvet {

/// Index into `Artifact::graph_constants` by the name that the program's signature uses.
using ConstantIndex = std::unordered_map<std::string, std::uint32_t>;

/// What a program is called.
struct ExportedNames {
  std::string method;  ///< of the graph
  std::string root;    ///< path of the model's own module, before all others: mostly ""
};

/// Lowers the `graph_module` of a torch.export program (schema 1 to 8) into the neutral form:
/// parameters and buffers become reads of attributes, literals become literals, lists of tensors
/// prim::ListConstruct. Sub graphs that run once where they stand (`wrap_with_set_grad_enabled`,
/// `wrap_with_autocast`) are put in place; those of `cond`, `while_loop` and `map` become blocks
/// that see the values of the graph around them. What a mutated buffer holds at the end is a
/// prim::SetAttr.
/// Errors: kExportedBadProgram (a reference to a value that nothing defines, a missing part),
/// kLimitExceeded.
[[nodiscard]] Result<Graph> lower_exported_graph(Json graph_module, const ExportedNames& names,
                                                 const ConstantIndex& constants,
                                                 const Limits& limits);

/// "fc,fc,torch.nn.Linear" ends a node's `nn_module_stack`: path and class of the module that it
/// belongs to. Both are empty when the stack is.
struct ExportedModule {
  std::string_view path;
  std::string_view class_name;
};
[[nodiscard]] std::vector<ExportedModule> exported_module_stack(std::string_view text);

/// The frames of a node's `stack_trace`, a Python traceback, innermost first.
[[nodiscard]] std::vector<SourceLine> exported_frames(std::string_view text);

/// The operator at the end of a node's `from_node`, a history in JSON, newest entry first: what the
/// author called before run_decompositions() took it apart, as "aten::linear". Empty when it is no
/// operator.
[[nodiscard]] std::string exported_first_operator(std::string_view text);

/// The name of an element type, memory format or layout by its number in torch's schema (not
/// ATen's): 7 is "float32".
[[nodiscard]] std::string_view exported_dtype(std::int64_t number);

/// "cuda:1" of {"type": "cuda", "index": 1}; empty when it is no device.
[[nodiscard]] std::string exported_device(std::optional<Json> device);

/// Sizes of a `tensor_meta`, -1 for a symbolic one; nothing when there are none.
[[nodiscard]] std::optional<std::vector<std::int64_t>> exported_sizes(
    std::optional<Json> tensor_meta, std::string_view key, std::size_t most);

}  // namespace torchvet
