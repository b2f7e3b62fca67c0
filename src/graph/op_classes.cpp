#include <unordered_map>

#include "core/split.h"
#include "graph/op_names.h"
#include "graph/op_table.h"
#include "model/operators.h"

namespace torchvet {
namespace {

struct ClassRow {
  OpClass op_class;
  std::string_view names;
};

constexpr ClassRow kClasses[] = {
    {OpClass::kView,
     "view view_as _unsafe_view reshape reshape_as _reshape_alias flatten unflatten ravel squeeze "
     "unsqueeze transpose t permute movedim moveaxis swapaxes swapdims numpy_T mT mH adjoint "
     "view_as_real view_as_complex conj resolve_conj resolve_neg positive alias lift_fresh detach "
     "contiguous detach_ requires_grad_ squeeze_ unsqueeze_ transpose_ t_ resize_ unchecked_cast "
     "prim::unchecked_cast _unwrap_optional prim::data"},
    {OpClass::kPartialView,
     "expand expand_as broadcast_to narrow select slice split split_with_sizes chunk unsafe_chunk "
     "unsafe_split unsafe_split_with_sizes tensor_split hsplit vsplit dsplit unbind unfold "
     "as_strided diagonal real imag"},
    {OpClass::kLookThrough,
     "to _to_copy type_as float half double bfloat16 cpu cuda pin_memory clone index_select flip "
     "roll lift_fresh_copy _autocast_to_reduced_precision _autocast_to_full_precision "
     "quantize_per_tensor quantize_per_channel dequantize fake_quantize_per_tensor_affine "
     "fake_quantize_per_channel_affine repeat view_copy transpose_copy t_copy permute_copy "
     "expand_copy squeeze_copy unsqueeze_copy select_copy slice_copy detach_copy alias_copy "
     "unbind_copy split_copy diagonal_copy as_strided_copy unfold_copy"},
    {OpClass::kShapeOnly,
     "size sym_size numel sym_numel dim len stride sym_stride is_floating_point is_complex "
     "storage_offset prim::NumToTensor prim::device prim::dtype prim::shape prim::layout "
     "prim::requires_grad prim::is_cuda prim::type prim::max prim::min get_device "
     "_shape_as_tensor __range_length __derive_index __is__ __isnot__ is_contiguous is_same_size "
     "is_nested is_quantized is_sparse is_mkldnn"},
    {OpClass::kRandom, "rand randn randint randperm rand_like randn_like randint_like"},
    {OpClass::kRandomWrite,
     "uniform_ normal_ bernoulli_ exponential_ log_normal_ cauchy_ geometric_ random_"},
    {OpClass::kRandomResult,
     "uniform normal_functional exponential log_normal cauchy geometric random"},
    {OpClass::kRandomOf,
     "bernoulli multinomial poisson binomial normal _standard_gamma _sample_dirichlet"},
    {OpClass::kUninitialised,
     "empty empty_like empty_strided empty_permuted new_empty new_empty_strided"},
    {OpClass::kDeterministic,
     "zeros zeros_like ones ones_like full full_like new_zeros new_ones new_full arange linspace "
     "logspace eye tril_indices triu_indices scalar_tensor hann_window hamming_window "
     "blackman_window bartlett_window kaiser_window fft_fftfreq fft_rfftfreq"},
    {OpClass::kFill, "fill_ zero_"},
    {OpClass::kWrite, "append extend insert _set_item prim::SetAttr"},
    {OpClass::kPack, "prim::ListConstruct prim::TupleConstruct"},
    {OpClass::kUnpack, "prim::ListUnpack prim::TupleUnpack"},
    {OpClass::kElement, "__getitem__ prim::TupleIndex prim::TupleSlice"},
    {OpClass::kUnknown,
     "prim::CallMethod prim::CallFunction prim::PythonOp prim::fork prim::rpc_async "
     "prim::GetAttr prim::Uninitialized prim::IgnoredPythonOp"},
};

std::unordered_map<std::string_view, OpClass> make_classes() {
  std::unordered_map<std::string_view, OpClass> classes;
  for (const ClassRow& row : kClasses) {
    for_each_part(row.names, ' ', [&](std::string_view name) { classes.emplace(name, row.op_class); });
  }
  return classes;
}

/// Python's own arithmetic, which exported programs do on sizes: `_operator.mul`, `torch.sym_max`,
/// `math.ceil`.
bool counts_sizes(std::string_view op) {
  return op.starts_with("operator::") || op.starts_with("torch::") || op.starts_with("math::");
}

}  // namespace

OpClass class_of(const Node& node) {
  static const std::unordered_map<std::string_view, OpClass> classes = make_classes();
  const std::string_view name = short_name(node.op);
  if (name == "normal" && node.overload == "float_float") return OpClass::kRandom;
  if (name == "bernoulli" && node.overload == "p") return OpClass::kRandomResult;
  if (const auto at = classes.find(name); at != classes.end()) return at->second;
  if (counts_sizes(node.op)) return OpClass::kShapeOnly;
  if (!is_built_in_operator(node.op)) return OpClass::kUnknown;
  if (node.op.starts_with("aten::") && name.ends_with('_') && !name.ends_with("__")) {
    return OpClass::kWrite;
  }
  return OpClass::kCompute;
}

}  // namespace torchvet
