#include "model/operators.h"

#include <algorithm>
#include <array>

namespace torchvet {
namespace {

/// `operator`, `torch` and `math` are Python's own arithmetic, which exported programs do on sizes.
constexpr std::string_view kBuiltIn[] = {
    "aten",     "prim",     "prims",        "quantized",      "_quantized", "quantized_decomposed",
    "mkldnn",   "mkl",      "onednn",       "higher_order",   "profiler",   "mkldnn_prepacked",
    "inductor", "sparse",   "prepacked",    "static_runtime", "export",     "_c10d_functional",
    "operator", "torch",    "math"};

}  // namespace

std::string_view namespace_of(std::string_view op) { return op.substr(0, op.find("::")); }

bool is_built_in_operator(std::string_view op) {
  return std::find(std::begin(kBuiltIn), std::end(kBuiltIn), namespace_of(op)) !=
         std::end(kBuiltIn);
}

}  // namespace torchvet
