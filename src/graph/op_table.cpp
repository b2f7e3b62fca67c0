#include "graph/op_table.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <vector>

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
     "_shape_as_tensor __range_length __derive_index"},
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

using Kind = SlotRow::Kind;

// Certain slots take nothing but weights by the meaning of the operator. Arguments of losses,
// optimizers, histograms and `lerp` that happen to be called `weight` are not here on purpose.
constexpr SlotRow kSlots[] = {
    {"linear", "weight", 1},
    {"linear", "bias", 2},
    {"conv1d", "weight", 1},
    {"conv1d", "bias", 2},
    {"conv2d", "weight", 1},
    {"conv2d", "bias", 2},
    {"conv3d", "weight", 1},
    {"conv3d", "bias", 2},
    {"conv_transpose1d", "weight", 1},
    {"conv_transpose1d", "bias", 2},
    {"conv_transpose2d", "weight", 1},
    {"conv_transpose2d", "bias", 2},
    {"conv_transpose3d", "weight", 1},
    {"conv_transpose3d", "bias", 2},
    {"_convolution", "weight", 1},
    {"_convolution", "bias", 2},
    {"_convolution_mode", "weight", 1},
    {"_convolution_mode", "bias", 2},
    {"convolution", "weight", 1},
    {"convolution", "bias", 2},
    {"conv_tbc", "weight", 1},
    {"conv_tbc", "bias", 2},
    {"embedding", "weight", 0},
    {"embedding_bag", "weight", 0},
    {"_embedding_bag", "weight", 0},
    {"_embedding_bag_forward_only", "weight", 0},
    {"batch_norm", "weight", 1},
    {"batch_norm", "bias", 2},
    {"batch_norm", "running_mean", 3, Kind::kStatistic},
    {"batch_norm", "running_var", 4, Kind::kStatistic},
    {"instance_norm", "weight", 1},
    {"instance_norm", "bias", 2},
    {"instance_norm", "running_mean", 3, Kind::kStatistic},
    {"instance_norm", "running_var", 4, Kind::kStatistic},
    {"native_batch_norm", "weight", 1},
    {"native_batch_norm", "bias", 2},
    {"native_batch_norm", "running_mean", 3, Kind::kStatistic},
    {"native_batch_norm", "running_var", 4, Kind::kStatistic},
    {"_native_batch_norm_legit", "weight", 1},
    {"_native_batch_norm_legit", "bias", 2},
    {"_native_batch_norm_legit_functional", "weight", 1},
    {"_native_batch_norm_legit_functional", "bias", 2},
    {"_native_batch_norm_legit_no_training", "weight", 1},
    {"_native_batch_norm_legit_no_training", "bias", 2},
    {"_batch_norm_with_update", "weight", 1},
    {"_batch_norm_with_update", "bias", 2},
    {"_batch_norm_with_update_functional", "weight", 1},
    {"_batch_norm_with_update_functional", "bias", 2},
    {"_batch_norm_no_update", "weight", 1},
    {"_batch_norm_no_update", "bias", 2},
    {"layer_norm", "weight", 2},
    {"layer_norm", "bias", 3},
    {"native_layer_norm", "weight", 2},
    {"native_layer_norm", "bias", 3},
    {"group_norm", "weight", 2},
    {"group_norm", "bias", 3},
    {"native_group_norm", "weight", 1},
    {"native_group_norm", "bias", 2},
    {"rms_norm", "weight", 2},
    {"_fused_rms_norm", "weight", 2},
    {"bilinear", "weight", 2},
    {"bilinear", "bias", 3},
    {"_trilinear", "i2", 1},
    {"prelu", "weight", 1},
    {"_prelu_kernel", "weight", 1},
    {"lstm", "params", 2},
    {"gru", "params", 2},
    {"rnn_tanh", "params", 2},
    {"rnn_relu", "params", 2},
    {"quantized_lstm", "params", 2},
    {"quantized_gru", "params", 2},
    {"lstm_cell", "w_ih", 2},
    {"lstm_cell", "w_hh", 3},
    {"lstm_cell", "b_ih", 4},
    {"lstm_cell", "b_hh", 5},
    {"gru_cell", "w_ih", 2},
    {"gru_cell", "w_hh", 3},
    {"gru_cell", "b_ih", 4},
    {"gru_cell", "b_hh", 5},
    {"rnn_tanh_cell", "w_ih", 2},
    {"rnn_tanh_cell", "w_hh", 3},
    {"rnn_tanh_cell", "b_ih", 4},
    {"rnn_tanh_cell", "b_hh", 5},
    {"rnn_relu_cell", "w_ih", 2},
    {"rnn_relu_cell", "w_hh", 3},
    {"rnn_relu_cell", "b_ih", 4},
    {"rnn_relu_cell", "b_hh", 5},
    {"mkldnn_rnn_layer", "weight0", 1},
    {"mkldnn_rnn_layer", "weight1", 2},
    {"mkldnn_rnn_layer", "weight2", 3},
    {"mkldnn_rnn_layer", "weight3", 4},
    {"_native_multi_head_attention", "qkv_weight", 5},
    {"_native_multi_head_attention", "qkv_bias", 6},
    {"_native_multi_head_attention", "proj_weight", 7},
    {"_native_multi_head_attention", "proj_bias", 8},
    {"_transformer_encoder_layer_fwd", "qkv_weight", 3},
    {"_transformer_encoder_layer_fwd", "qkv_bias", 4},
    {"_transformer_encoder_layer_fwd", "proj_weight", 5},
    {"_transformer_encoder_layer_fwd", "proj_bias", 6},
    {"_transformer_encoder_layer_fwd", "norm_weight_1", 10},
    {"_transformer_encoder_layer_fwd", "norm_bias_1", 11},
    {"_transformer_encoder_layer_fwd", "norm_weight_2", 12},
    {"_transformer_encoder_layer_fwd", "norm_bias_2", 13},
    {"_transformer_encoder_layer_fwd", "ffn_weight_1", 14},
    {"_transformer_encoder_layer_fwd", "ffn_bias_1", 15},
    {"_transformer_encoder_layer_fwd", "ffn_weight_2", 16},
    {"_transformer_encoder_layer_fwd", "ffn_bias_2", 17},
    {"quantized::linear", "W_prepack", 1},
    {"quantized::linear_relu", "W_prepack", 1},
    {"quantized::linear_dynamic", "W_prepack", 1},
    {"quantized::linear_relu_dynamic", "W_prepack", 1},
    {"quantized::linear_dynamic_fp16", "W_prepack", 1},
    {"quantized::conv1d", "packed_weight", 1},
    {"quantized::conv1d_relu", "packed_weight", 1},
    {"quantized::conv2d", "packed_weight", 1},
    {"quantized::conv2d_relu", "packed_weight", 1},
    {"quantized::conv3d", "packed_weight", 1},
    {"quantized::conv3d_relu", "packed_weight", 1},
    {"quantized::conv_transpose1d", "packed_weight", 1},
    {"quantized::conv_transpose2d", "packed_weight", 1},
    {"quantized::conv_transpose3d", "packed_weight", 1},
    {"quantized::conv2d_add", "packed_weight", 2},
    {"quantized::conv2d_add_relu", "packed_weight", 2},
    {"quantized::batch_norm1d", "weight", 1},
    {"quantized::batch_norm1d", "bias", 2},
    {"quantized::batch_norm2d", "weight", 1},
    {"quantized::batch_norm2d", "bias", 2},
    {"quantized::batch_norm3d", "weight", 1},
    {"quantized::batch_norm3d", "bias", 2},
    {"quantized::embedding_byte", "weight", 0},
    {"quantized::embedding_4bit", "weight", 0},
    {"quantized::embedding_bag_byte", "weight", 0},
    {"quantized::embedding_bag_4bit", "weight", 0},
    {"quantized::quantized_lstm_cell_dynamic", "w_ih", 2},
    {"quantized::quantized_lstm_cell_dynamic", "w_hh", 3},
    {"quantized::quantized_gru_cell_dynamic", "w_ih", 2},
    {"quantized::quantized_gru_cell_dynamic", "w_hh", 3},
    {"mkldnn_prepacked::conv2d_run", "W_prepack", 1},
    {"prepacked::linear_clamp_run", "W_prepack", 1},
    {"prepacked::conv2d_clamp_run", "W_prepack", 1},
    {"addmm", "mat2", 2, Kind::kWeightSide, 1},
    {"addmm", "self", 0, Kind::kBiasSide, 1},
    {"mm", "mat2", 1, Kind::kWeightSide, 0},
    {"_int_mm", "mat2", 1, Kind::kEitherSide},
    {"_int_mm", "self", 0, Kind::kEitherSide},
    {"_grouped_mm", "mat2", 1, Kind::kWeightSide, 0},
    {"matmul", "self", 0, Kind::kEitherSide},
    {"matmul", "other", 1, Kind::kEitherSide},
    {"bmm", "self", 0, Kind::kEitherSide},
    {"bmm", "mat2", 1, Kind::kEitherSide},
    {"baddbmm", "batch1", 1, Kind::kEitherSide},
    {"baddbmm", "batch2", 2, Kind::kEitherSide},
    {"einsum", "tensors", 1, Kind::kEitherSide},
};

using SwitchKind = SwitchRow::Kind;

constexpr SwitchRow kSwitches[] = {
    {"dropout", SwitchKind::kDropout, "train", 2, "p", 1},
    {"dropout_", SwitchKind::kDropout, "train", 2, "p", 1},
    {"feature_dropout", SwitchKind::kDropout, "train", 2, "p", 1},
    {"feature_dropout_", SwitchKind::kDropout, "train", 2, "p", 1},
    {"alpha_dropout", SwitchKind::kDropout, "train", 2, "p", 1},
    {"alpha_dropout_", SwitchKind::kDropout, "train", 2, "p", 1},
    {"feature_alpha_dropout", SwitchKind::kDropout, "train", 2, "p", 1},
    {"feature_alpha_dropout_", SwitchKind::kDropout, "train", 2, "p", 1},
    {"native_dropout", SwitchKind::kDropout, "train", 2, "p", 1},
    {"quantized::dropout", SwitchKind::kDropout, "training", 4, "p", 3},
    {"_fused_dropout", SwitchKind::kAlways, "", 0, "p", 1},
    {"batch_norm", SwitchKind::kStatistics, "training", 5, "", 0},
    {"native_batch_norm", SwitchKind::kStatistics, "training", 5, "", 0},
    {"_native_batch_norm_legit", SwitchKind::kStatistics, "training", 5, "", 0},
    {"_native_batch_norm_legit_functional", SwitchKind::kStatistics, "training", 5, "", 0},
    {"instance_norm", SwitchKind::kStatistics, "use_input_stats", 5, "", 0},
    {"lstm", SwitchKind::kDropout, "train", 6, "dropout", 5},
    {"gru", SwitchKind::kDropout, "train", 6, "dropout", 5},
    {"rnn_tanh", SwitchKind::kDropout, "train", 6, "dropout", 5},
    {"rnn_relu", SwitchKind::kDropout, "train", 6, "dropout", 5},
    {"rrelu", SwitchKind::kFlag, "training", 3, "", 0},
    {"rrelu_", SwitchKind::kFlag, "training", 3, "", 0},
    {"rrelu_with_noise", SwitchKind::kFlag, "training", 4, "", 0},
    {"rrelu_with_noise_", SwitchKind::kFlag, "training", 4, "", 0},
    {"rrelu_with_noise_functional", SwitchKind::kFlag, "training", 4, "", 0},
    {"scaled_dot_product_attention", SwitchKind::kProbability, "dropout_p", 4, "", 0},
    {"_scaled_dot_product_attention_math", SwitchKind::kProbability, "dropout_p", 4, "", 0},
    {"_scaled_dot_product_flash_attention", SwitchKind::kProbability, "dropout_p", 3, "", 0},
    {"_scaled_dot_product_flash_attention_for_cpu", SwitchKind::kProbability, "dropout_p", 3, "",
     0},
    {"_scaled_dot_product_efficient_attention", SwitchKind::kProbability, "dropout_p", 5, "", 0},
};

/// Namespaces that come with torch itself: their operators compute from their arguments.
constexpr std::string_view kBuiltIn[] = {"aten",
                                         "prim",
                                         "prims",
                                         "quantized",
                                         "_quantized",
                                         "quantized_decomposed",
                                         "higher_order",
                                         "profiler",
                                         "mkldnn_prepacked",
                                         "prepacked",
                                         "onednn",
                                         "inductor",
                                         "static_runtime",
                                         "sparse",
                                         "export",
                                         "mkldnn",
                                         "_c10d_functional"};

constexpr std::string_view kAten = "aten::";

std::string_view short_name(std::string_view op) {
  return op.starts_with(kAten) ? op.substr(kAten.size()) : op;
}

std::unordered_map<std::string_view, OpClass> make_classes() {
  std::unordered_map<std::string_view, OpClass> classes;
  for (const ClassRow& row : kClasses) {
    std::string_view rest = row.names;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      classes.emplace(rest.substr(0, end), row.op_class);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return classes;
}

bool is_built_in(std::string_view op) {
  const std::string_view space = op.substr(0, op.find("::"));
  return std::find(std::begin(kBuiltIn), std::end(kBuiltIn), space) != std::end(kBuiltIn);
}

/// Python's own arithmetic, which exported programs do on sizes: `_operator.mul`, `torch.sym_max`,
/// `math.ceil`.
bool counts_sizes(std::string_view op) {
  return op.starts_with("operator::") || op.starts_with("torch::") || op.starts_with("math::");
}

}  // namespace

bool is_conditional(std::string_view op) {
  return op == "prim::If" || op == "higher_order::cond";
}

const LoopShape* loop_shape_of(const Node& node) {
  // (trip count, condition, carried...) -> block (index, carried...) -> (condition, carried...)
  static constexpr LoopShape kScriptLoop = {.inputs = 2, .parameters = 1, .results = 1, .body = 0};
  // (carried..., more...) -> block (carried...) -> (condition), block (carried...) -> (carried...)
  static constexpr LoopShape kWhileLoop = {.body = 1};
  if (node.op == "prim::Loop" && node.blocks.size() == 1) return &kScriptLoop;
  if (node.op == "higher_order::while_loop" && node.blocks.size() == 2) return &kWhileLoop;
  return nullptr;
}

OpClass class_of(const Node& node) {
  static const std::unordered_map<std::string_view, OpClass> classes = make_classes();
  const std::string_view name = short_name(node.op);
  if (name == "normal" && node.overload == "float_float") return OpClass::kRandom;
  if (name == "bernoulli" && node.overload == "p") return OpClass::kRandomResult;
  if (const auto at = classes.find(name); at != classes.end()) return at->second;
  if (counts_sizes(node.op)) return OpClass::kShapeOnly;
  if (!is_built_in(node.op)) return OpClass::kUnknown;
  if (node.op.starts_with(kAten) && name.ends_with('_') && !name.ends_with("__")) {
    return OpClass::kWrite;
  }
  return OpClass::kCompute;
}

std::span<const SlotRow> slots_of(std::string_view op) {
  static const std::unordered_map<std::string_view, std::span<const SlotRow>> rows = [] {
    std::unordered_map<std::string_view, std::span<const SlotRow>> made;
    for (std::size_t i = 0; i < std::size(kSlots);) {
      std::size_t end = i;
      while (end < std::size(kSlots) && kSlots[end].op == kSlots[i].op) ++end;
      made.emplace(kSlots[i].op, std::span(kSlots + i, end - i));
      i = end;
    }
    return made;
  }();
  const auto at = rows.find(short_name(op));
  return at == rows.end() ? std::span<const SlotRow>() : at->second;
}

const SwitchRow* switch_of(std::string_view op) {
  static const std::unordered_map<std::string_view, const SwitchRow*> rows = [] {
    std::unordered_map<std::string_view, const SwitchRow*> made;
    for (const SwitchRow& row : kSwitches) made.emplace(row.op, &row);
    return made;
  }();
  const auto at = rows.find(short_name(op));
  return at == rows.end() ? nullptr : at->second;
}

const NodeInput* input_of(const Node& node, std::string_view name, std::size_t position) {
  bool named = false;
  for (const NodeInput& input : node.inputs) {
    if (input.argument == name) return &input;
    named = named || !input.argument.empty();
  }
  return named || position >= node.inputs.size() ? nullptr : &node.inputs[position];
}

}  // namespace torchvet
