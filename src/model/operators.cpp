#include "model/operators.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace torchvet {
namespace {

/// `operator`, `torch` and `math` are Python's own arithmetic, which exported programs do on sizes.
constexpr std::string_view kBuiltIn[] = {
    "aten",     "prim",   "prims",     "quantized",      "_quantized", "quantized_decomposed",
    "mkldnn",   "mkl",    "onednn",    "higher_order",   "profiler",   "mkldnn_prepacked",
    "inductor", "sparse", "prepacked", "static_runtime", "export",     "_c10d_functional",
    "operator", "torch",  "math"};

/// Those that do something else, or that only torch's own tools write.
constexpr std::string_view kOthersOfTorch[] = {
    "c10d",       "c10d_functional", "_c10d_functional_autograd",
    "symm_mem",   "_dtensor",        "fsdp",
    "onnx",       "onnx_symbolic",   "inductor_prims",
    "debugprims", "rngprims",        "streams",
    "flex_lib",   "quantization",    "debug_mode_ops",
    "_native",    "metal",           "vulkan",
    "_test",      "_inductor_test"};

/// Packed weights of quantized, sparse and mobile kernels, streams, and what talks to other
/// processes.
constexpr std::string_view kClassesOfTorch[] = {
    "quantized", "rnn",      "sparse",   "xnnpack",    "mkldnn",
    "onednn",    "vulkan",   "metal",    "cuda",       "_nnapi",
    "dist_c10d", "dist_rpc", "profiler", "profiling",  "inductor",
    "aten",      "c10d",     "mps",      "tensorexpr", "_TorchScriptTesting"};

/// Delegates that torch's own builds have.
constexpr std::string_view kBackendsOfTorch[] = {
    "coreml", "nnapi", "xnnpack", "vulkan", "nnc", "test_backend", "backend_with_compiler_demo"};

template <std::size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace

std::string_view namespace_of(std::string_view op) { return op.substr(0, op.find("::")); }

bool is_built_in_operator(std::string_view op) { return contains(kBuiltIn, namespace_of(op)); }

bool comes_with_torch(std::string_view op) {
  return is_built_in_operator(op) || contains(kOthersOfTorch, namespace_of(op));
}

bool class_comes_with_torch(std::string_view name) {
  const std::string_view space = name.substr(0, name.find('.'));
  if (contains(kClassesOfTorch, space)) return true;
  constexpr std::string_view kBackends = "__backends__.";
  return name.starts_with(kBackends) && contains(kBackendsOfTorch, name.substr(kBackends.size()));
}

}  // namespace torchvet
