#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace torchvet {

/// An attribute that a class declares, with its type as the printer writes it: "Optional[Tensor]".
struct ScriptAttribute {
  std::string name;
  std::string type;
};

/// What the text of a TorchScript class says about the attributes of its objects. The pickle holds
/// their values only; which tensor is a parameter and which a buffer stands nowhere else.
struct ScriptClass {
  bool is_module = false;  ///< `class Net(Module)`
  std::string base;        ///< "Module", "Enum", "NamedTuple", ...; empty for any other class
  std::vector<std::string> parameters;
  std::vector<std::string> buffers;
  std::vector<ScriptAttribute> attributes;  ///< all of them but the constants
  bool gets_state = false, sets_state = false;  ///< has `__getstate__`, `__setstate__`

  [[nodiscard]] bool pickles_itself() const { return gets_state && sets_state; }
};

/// Classes by their name: the one after `class`, or the qualified one, "__torch__.Net".
using ScriptClasses = std::unordered_map<std::string, ScriptClass>;

/// Reads the class headers of a code file as torch's printer writes them:
///
///     class Net(Module):
///       __parameters__ = ["weight", "bias", ]
///       __buffers__ = []
///       weight : Tensor
///       def forward(self: __torch__.Net, x: Tensor) -> Tensor:
///
/// An attribute whose name is no identifier is `__annotations__["0"] = Tensor`; `Final[...]` is the
/// type of constants, which no object holds. Lines of another form are skipped. Below the first `def`
/// of a class only the names of its methods are looked at.
[[nodiscard]] ScriptClasses read_script_classes(std::string_view code);

/// Adds the classes of a file under `code/` by their qualified names: those of
/// "__torch__/torch/nn/modules/linear.py" begin with "__torch__.torch.nn.modules.linear.".
void add_script_classes(std::string_view file, std::string_view code, ScriptClasses& classes);

/// "torch.nn.modules.linear.Linear" of
/// "__torch__.torch.nn.modules.linear.___torch_mangle_4.Linear".
[[nodiscard]] std::string python_class_name(std::string_view qualified);

}  // namespace torchvet
