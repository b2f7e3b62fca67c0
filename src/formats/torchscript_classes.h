#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace torchvet {

/// What the text of a TorchScript class says about the attributes of its objects. The pickle holds
/// their values only; which tensor is a parameter and which a buffer stands nowhere else.
struct ScriptClass {
  bool is_module = false;  ///< `class Net(Module)`
  std::vector<std::string> parameters;
  std::vector<std::string> buffers;
};

/// Classes of one code file, by the name after `class`.
using ScriptClasses = std::unordered_map<std::string, ScriptClass>;

/// Reads the class headers of a code file as torch's printer writes them:
///
///     class Net(Module):
///       __parameters__ = ["weight", "bias", ]
///       __buffers__ = []
///       weight : Tensor
///       def forward(self: __torch__.Net, x: Tensor) -> Tensor:
///
/// Lines of another form are skipped. Nothing below the first `def` of a class is looked at.
[[nodiscard]] ScriptClasses read_script_classes(std::string_view code);

/// "torch.nn.modules.linear.Linear" of
/// "__torch__.torch.nn.modules.linear.___torch_mangle_4.Linear".
[[nodiscard]] std::string python_class_name(std::string_view qualified);

}  // namespace torchvet
