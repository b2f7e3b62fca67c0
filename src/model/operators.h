#pragma once

#include <string_view>

namespace torchvet {

/// "aten" of "aten::linear"; all of it when there is no namespace.
[[nodiscard]] std::string_view namespace_of(std::string_view op);

/// True for operators of torch that compute from their arguments.
[[nodiscard]] bool is_built_in_operator(std::string_view op);

/// True for these and for all others that torch registers, those that talk to other processes among
/// them; what is left is known only where another library is loaded.
[[nodiscard]] bool comes_with_torch(std::string_view op);

/// True for the classes of C++ that torch registers, in this build of it or another; without
/// `__torch__.torch.classes.`: "quantized.LinearPackedParamsBase", "__backends__.nnapi".
[[nodiscard]] bool class_comes_with_torch(std::string_view name);

}  // namespace torchvet
