// Where the weights of operators go, and what makes them behave as in training.
//
// A slot takes nothing but a weight by the meaning of the operator, or is one side of a product.
// Arguments of losses, optimizers, histograms and `lerp` that happen to be called `weight` are not
// here on purpose. scripts/op_coverage holds this file against torch's own registry: what it lacks,
// and what torch does not have. It reads the two tables at the end line by line.
#include <unordered_map>

#include "core/split.h"
#include "graph/op_names.h"
#include "graph/op_table.h"

namespace torchvet {
namespace {

constexpr SlotRow::Kind kStatistic = SlotRow::Kind::kStatistic;
constexpr SlotRow::Kind kWeightSide = SlotRow::Kind::kWeightSide;
constexpr SlotRow::Kind kBiasSide = SlotRow::Kind::kBiasSide;
constexpr SlotRow::Kind kEitherSide = SlotRow::Kind::kEitherSide;

// Layers. Names are those of the arguments, numbers their positions.
constexpr SlotRow kWeight0[] = {{"weight", 0}};
constexpr SlotRow kWeight1[] = {{"weight", 1}};
constexpr SlotRow kWeight2[] = {{"weight", 2}};
constexpr SlotRow kWeight1Bias2[] = {{"weight", 1}, {"bias", 2}};
constexpr SlotRow kWeight1Bias3[] = {{"weight", 1}, {"bias", 3}};
constexpr SlotRow kWeight1Bias4[] = {{"weight", 1}, {"bias", 4}};
constexpr SlotRow kWeight2Bias3[] = {{"weight", 2}, {"bias", 3}};
constexpr SlotRow kTrilinear[] = {{"i2", 1}};
constexpr SlotRow kBatchNorm[] = {{"weight", 1},
                                  {"bias", 2},
                                  {"running_mean", 3, kStatistic},
                                  {"running_var", 4, kStatistic}};
constexpr SlotRow kStatistics1[] = {{"running_mean", 1, kStatistic},
                                    {"running_var", 2, kStatistic}};
constexpr SlotRow kStatistics3[] = {{"running_mean", 3, kStatistic},
                                    {"running_var", 4, kStatistic}};
constexpr SlotRow kRecurrent[] = {{"params", 2}};
constexpr SlotRow kCell[] = {{"w_ih", 2}, {"w_hh", 3}, {"b_ih", 4}, {"b_hh", 5}};
constexpr SlotRow kPackedCell[] = {{"w_ih", 2}, {"w_hh", 3},      {"b_ih", 4},
                                   {"b_hh", 5}, {"packed_ih", 6}, {"packed_hh", 7}};
constexpr SlotRow kLstmCell[] = {{"w_ih", 2}, {"w_hh", 3}, {"bias_ih", 4}, {"bias_hh", 5}};
constexpr SlotRow kGates[] = {{"input_bias", 3}, {"hidden_bias", 4}};
constexpr SlotRow kRnnLayer[] = {{"weight0", 1}, {"weight1", 2}, {"weight2", 3}, {"weight3", 4}};
constexpr SlotRow kAttention[] = {
    {"qkv_weight", 5}, {"qkv_bias", 6}, {"proj_weight", 7}, {"proj_bias", 8}};
constexpr SlotRow kQkvBias[] = {{"qkv_bias", 1}};
constexpr SlotRow kEncoderLayer[] = {
    {"qkv_weight", 3},     {"qkv_bias", 4},     {"proj_weight", 5},    {"proj_bias", 6},
    {"norm_weight_1", 10}, {"norm_bias_1", 11}, {"norm_weight_2", 12}, {"norm_bias_2", 13},
    {"ffn_weight_1", 14},  {"ffn_bias_1", 15},  {"ffn_weight_2", 16},  {"ffn_bias_2", 17}};

// Quantized layers and those of other backends, with packed weights as objects or tensors.
constexpr SlotRow kPrepack1[] = {{"W_prepack", 1}};
constexpr SlotRow kPrepack3[] = {{"W_prepack", 3}};
constexpr SlotRow kPacked1[] = {{"packed_weight", 1}};
constexpr SlotRow kPacked1Old[] = {{"packed_weight", 1}, {"weight", 1}};
constexpr SlotRow kPacked1Bias2[] = {{"packed_weight", 1}, {"bias", 2}};
constexpr SlotRow kPacked2[] = {{"packed_weight", 2}};
constexpr SlotRow kPacked3[] = {{"packed_weight", 3}};
constexpr SlotRow kPackedWeights1[] = {{"packed_weights", 1}};
constexpr SlotRow kInt8Linear[] = {{"weight", 1}, {"packed", 2}, {"bias", 6}};
constexpr SlotRow kW1B2[] = {{"W", 1}, {"B", 2}};
constexpr SlotRow kW2B3[] = {{"W", 2}, {"B", 3}};
constexpr SlotRow kW3B6[] = {{"W", 3}, {"B", 6}};
constexpr SlotRow kMklLinear[] = {{"MKL_W", 1}, {"ORI_W", 2}, {"B", 3}};
constexpr SlotRow kFp16Linear[] = {{"w", 1}, {"bias", 2}};
constexpr SlotRow kPointwise[] = {{"qw", 3}, {"bias", 6}};
constexpr SlotRow kOneDnnNorm[] = {
    {"weight", 3}, {"bias", 4}, {"mean", 5, kStatistic}, {"var", 6, kStatistic}};

// Products: the weight is one side of them, told by the other side being an activation.
constexpr SlotRow kAddmm[] = {{"mat2", 2, kWeightSide, 1}, {"self", 0, kBiasSide, 1}};
constexpr SlotRow kMm[] = {{"mat2", 1, kWeightSide, 0}};
constexpr SlotRow kMmBias3[] = {{"mat2", 1, kWeightSide, 0}, {"bias", 3, kBiasSide, 0}};
constexpr SlotRow kMmBias4[] = {{"mat2", 1, kWeightSide, 0}, {"bias", 4, kBiasSide, 0}};
constexpr SlotRow kMmBias5[] = {{"mat2", 1, kWeightSide, 0}, {"bias", 5, kBiasSide, 0}};
constexpr SlotRow kMmBias8[] = {{"mat2", 1, kWeightSide, 0}, {"bias", 8, kBiasSide, 0}};
constexpr SlotRow kMmBias9[] = {{"mat2", 1, kWeightSide, 0}, {"bias", 9, kBiasSide, 0}};
constexpr SlotRow kSparseMm[] = {{"compressed_A", 0, kWeightSide, 1}, {"bias", 2, kBiasSide, 1}};
constexpr SlotRow kMatmul[] = {{"self", 0, kEitherSide}, {"other", 1, kEitherSide}};
constexpr SlotRow kBmm[] = {{"self", 0, kEitherSide}, {"mat2", 1, kEitherSide}};
constexpr SlotRow kBaddbmm[] = {{"batch1", 1, kEitherSide}, {"batch2", 2, kEitherSide}};
constexpr SlotRow kEinsum[] = {{"tensors", 1, kEitherSide}};

constexpr SwitchRow kDropoutFlag{SwitchRow::Kind::kDropout, "train", 2, "p", 1};
constexpr SwitchRow kQuantizedDropout{SwitchRow::Kind::kDropout, "training", 4, "p", 3};
constexpr SwitchRow kAlwaysNormalises{SwitchRow::Kind::kAlways, "", 0, "", 0};
constexpr SwitchRow kAlwaysDrops{SwitchRow::Kind::kAlways, "", 0, "p", 1};
constexpr SwitchRow kBatchStatistics{SwitchRow::Kind::kStatistics, "training", 5, "", 0};
constexpr SwitchRow kInputStatistics{SwitchRow::Kind::kStatistics, "use_input_stats", 5, "", 0};
constexpr SwitchRow kBetweenLayers{SwitchRow::Kind::kDropout, "train", 6, "dropout", 5};
constexpr SwitchRow kMiopenLayers{SwitchRow::Kind::kDropout, "train", 10, "dropout", 9};
constexpr SwitchRow kCudnnLayers{SwitchRow::Kind::kDropout, "train", 12, "dropout", 11};
constexpr SwitchRow kFlag3{SwitchRow::Kind::kFlag, "training", 3, "", 0};
constexpr SwitchRow kFlag4{SwitchRow::Kind::kFlag, "training", 4, "", 0};
constexpr SwitchRow kProbability3{SwitchRow::Kind::kProbability, "dropout_p", 3, "", 0};
constexpr SwitchRow kProbability4{SwitchRow::Kind::kProbability, "dropout_p", 4, "", 0};
constexpr SwitchRow kProbability5{SwitchRow::Kind::kProbability, "dropout_p", 5, "", 0};
constexpr SwitchRow kProbability7{SwitchRow::Kind::kProbability, "dropout_p", 7, "", 0};
constexpr SwitchRow kProbability8{SwitchRow::Kind::kProbability, "dropout_p", 8, "", 0};
constexpr SwitchRow kProbability9{SwitchRow::Kind::kProbability, "dropout_p", 9, "", 0};

/// Operators, separated by spaces, that have the same slots.
struct SlotLine {
  std::string_view ops;
  std::span<const SlotRow> slots;
};

struct SwitchLine {
  std::string_view ops;
  const SwitchRow& row;
};

constexpr SlotLine kSlots[] = {
    {"linear conv1d conv2d conv3d", kWeight1Bias2},
    {"conv_transpose1d conv_transpose2d conv_transpose3d", kWeight1Bias2},
    {"_convolution _convolution_mode convolution convolution_overrideable conv_tbc", kWeight1Bias2},
    {"mkldnn_linear mkldnn_convolution prim::mkldnn_convolution", kWeight1Bias2},
    {"_mps_convolution _nnpack_spatial_convolution", kWeight1Bias2},
    {"cudnn_convolution_relu miopen_convolution miopen_convolution_relu", kWeight1Bias2},
    {"miopen_convolution_transpose miopen_depthwise_convolution", kWeight1Bias2},
    {"native_group_norm batch_norm_elemt quantized_batch_norm", kWeight1Bias2},
    {"_conv_depthwise2d conv_depthwise3d slow_conv3d slow_conv3d_forward", kWeight1Bias3},
    {"slow_conv_dilated2d slow_conv_dilated3d slow_conv_transpose2d", kWeight1Bias3},
    {"slow_conv_transpose3d thnn_conv2d _slow_conv2d_forward", kWeight1Bias3},
    {"_mixed_dtypes_linear _sparse_semi_structured_linear", kWeight1Bias3},
    {"cudnn_convolution_add_relu miopen_convolution_add_relu", kWeight1Bias4},
    {"cudnn_convolution cudnn_convolution_transpose _mps_convolution_transpose", kWeight1},
    {"prelu _prelu_kernel", kWeight1},
    {"embedding embedding_bag _embedding_bag _embedding_bag_forward_only", kWeight0},
    {"batch_norm instance_norm native_batch_norm _native_batch_norm_legit", kBatchNorm},
    {"_native_batch_norm_legit_functional _native_batch_norm_legit_no_training", kBatchNorm},
    {"_batch_norm_with_update _batch_norm_with_update_functional", kBatchNorm},
    {"_batch_norm_no_update _batch_norm_impl_index cudnn_batch_norm miopen_batch_norm", kBatchNorm},
    {"batch_norm_update_stats", kStatistics1},
    {"batch_norm_gather_stats batch_norm_gather_stats_with_counts", kStatistics3},
    {"layer_norm native_layer_norm group_norm bilinear", kWeight2Bias3},
    {"prim::MKLDNNLayerNorm prim::MKLDNNLayerNorm_", kWeight2Bias3},
    {"rms_norm _fused_rms_norm", kWeight2},
    {"_trilinear", kTrilinear},
    {"lstm gru rnn_tanh rnn_relu quantized_lstm quantized_gru _lstm_mps", kRecurrent},
    {"lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell", kCell},
    {"_cudnn_rnn miopen_rnn", kWeight1},
    {"_thnn_fused_lstm_cell _thnn_fused_gru_cell", kGates},
    {"mkldnn_rnn_layer", kRnnLayer},
    {"_native_multi_head_attention _triton_multi_head_attention", kAttention},
    {"_transform_bias_rescale_qkv", kQkvBias},
    {"_transformer_encoder_layer_fwd", kEncoderLayer},

    {"quantized::linear quantized::linear_relu quantized::linear_dynamic", kPrepack1},
    {"quantized::linear_relu_dynamic quantized::linear_dynamic_fp16", kPrepack1},
    {"quantized::linear_relu_dynamic_fp16 quantized::linear_leaky_relu", kPrepack1},
    {"quantized::linear_tanh _quantized::linear _quantized::linear_dynamic", kPrepack1},
    {"sparse::qlinear sparse::qlinear_dynamic sparse::qlinear_relu", kPrepack1},
    {"sparse::qlinear_relu_dynamic mkldnn_prepacked::conv2d_run", kPrepack1},
    {"prepacked::linear_clamp_run prepacked::conv2d_clamp_run", kPrepack1},
    {"prepacked::conv2d_transpose_clamp_run", kPrepack1},
    {"quantized::linear_with_input_q_dq_qweight_dq_output_fp32", kPrepack3},
    {"quantized::linear_with_input_q_dq_qweight_dq_relu_output_fp32", kPrepack3},
    {"_quantized::_wrapped_quantized_linear_prepacked", kPrepack3},
    {"quantized::conv2d quantized::conv2d_relu quantized::conv3d", kPacked1Old},
    {"quantized::conv3d_relu", kPacked1Old},
    {"quantized::conv1d quantized::conv1d_relu quantized::conv1d_dynamic", kPacked1},
    {"quantized::conv2d_dynamic quantized::conv3d_dynamic", kPacked1},
    {"quantized::conv_transpose1d quantized::conv_transpose1d_dynamic", kPacked1},
    {"quantized::conv_transpose2d quantized::conv_transpose2d_dynamic", kPacked1},
    {"quantized::conv_transpose3d quantized::conv_transpose3d_dynamic", kPacked1},
    {"_quantized::conv2d _quantized::conv2d_relu _quantized::conv3d", kPacked1},
    {"_quantized::conv3d_relu _quantized::conv_transpose1d", kPacked1},
    {"_quantized::conv_transpose2d", kPacked1},
    {"quantized::conv2d_add quantized::conv2d_add_relu", kPacked2},
    {"_wrapped_quantized_linear_prepacked", kPacked3},
    {"fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation", kPacked1Bias2},
    {"fbgemm_linear_int8_weight fbgemm_linear_int8_weight_fp32_activation", kInt8Linear},
    {"_dyn_quant_matmul_4bit", kPackedWeights1},
    {"quantized::linear_dynamic_fp16_unpacked_weight", kWeight1Bias2},
    {"_quantized::wrapped_fbgemm_linear_fp16_weight", kW1B2},
    {"_quantized::wrapped_quantized_linear", kW3B6},
    {"mkldnn::_linear_pointwise mkldnn::_convolution_pointwise", kW1B2},
    {"mkldnn::_convolution_transpose_pointwise", kW1B2},
    {"mkldnn::_convolution_pointwise_", kW2B3},
    {"mkl::_mkl_linear", kMklLinear},
    {"onednn::linear_dynamic_fp16 onednn::linear_relu_dynamic_fp16", kFp16Linear},
    {"onednn::qlinear_pointwise onednn::qconv_pointwise onednn::qconv1d_pointwise", kPointwise},
    {"onednn::qconv2d_pointwise onednn::qconv3d_pointwise", kPointwise},
    {"onednn::qbatch_norm2d", kOneDnnNorm},
    {"quantized::batch_norm quantized::batch_norm_relu quantized::batch_norm1d", kWeight1Bias2},
    {"quantized::batch_norm1d_relu quantized::batch_norm2d", kWeight1Bias2},
    {"quantized::batch_norm2d_relu quantized::batch_norm3d", kWeight1Bias2},
    {"quantized::batch_norm3d_relu quantized::instance_norm", kWeight1Bias2},
    {"quantized::layer_norm quantized::group_norm", kWeight2Bias3},
    {"quantized::prelu", kWeight1},
    {"quantized::embedding_byte quantized::embedding_4bit", kWeight0},
    {"quantized::embedding_bag_byte quantized::embedding_bag_4bit", kWeight0},
    {"quantized::embedding_bag_byte_rowwise_offsets", kWeight0},
    {"quantized::embedding_bag_4bit_rowwise_offsets", kWeight0},
    {"quantized::embedding_bag_2bit_rowwise_offsets", kWeight0},
    {"quantized::quantized_gru_cell_dynamic quantized::quantized_rnn_relu_cell_dynamic", kCell},
    {"quantized::quantized_rnn_tanh_cell_dynamic", kCell},
    {"quantized::quantized_lstm_cell_dynamic", kLstmCell},
    {"quantized_lstm_cell quantized_gru_cell quantized_rnn_relu_cell", kPackedCell},
    {"quantized_rnn_tanh_cell", kPackedCell},

    {"addmm addmm_ _addmm_activation", kAddmm},
    {"mm _weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu", kMm},
    {"_weight_int4pack_mm_with_scales_and_zeros quantized::int4mm_packed_weight_cpu", kMm},
    {"_grouped_mm", kMmBias3},
    {"_scaled_mm", kMmBias4},
    {"_scaled_grouped_mm", kMmBias5},
    {"_scaled_mm_v2", kMmBias8},
    {"_scaled_grouped_mm_v2", kMmBias9},
    {"_cslt_sparse_mm", kSparseMm},
    {"matmul linalg_matmul", kMatmul},
    {"bmm _int_mm", kBmm},
    {"baddbmm", kBaddbmm},
    {"einsum", kEinsum},
};

constexpr SwitchLine kSwitches[] = {
    {"dropout dropout_ feature_dropout feature_dropout_ alpha_dropout", kDropoutFlag},
    {"alpha_dropout_ feature_alpha_dropout feature_alpha_dropout_ native_dropout", kDropoutFlag},
    {"quantized::dropout", kQuantizedDropout},
    {"_fused_dropout", kAlwaysDrops},
    {"batch_norm native_batch_norm _native_batch_norm_legit", kBatchStatistics},
    {"_native_batch_norm_legit_functional _batch_norm_impl_index", kBatchStatistics},
    {"cudnn_batch_norm miopen_batch_norm", kBatchStatistics},
    {"_batch_norm_with_update _batch_norm_with_update_functional", kAlwaysNormalises},
    {"instance_norm", kInputStatistics},
    {"lstm gru rnn_tanh rnn_relu quantized_lstm quantized_gru _lstm_mps", kBetweenLayers},
    {"miopen_rnn", kMiopenLayers},
    {"_cudnn_rnn", kCudnnLayers},
    {"rrelu rrelu_", kFlag3},
    {"rrelu_with_noise rrelu_with_noise_ rrelu_with_noise_functional", kFlag4},
    {"_scaled_dot_product_flash_attention _triton_scaled_dot_attention", kProbability3},
    {"_scaled_dot_product_flash_attention_for_cpu", kProbability3},
    {"scaled_dot_product_attention _scaled_dot_product_attention_math", kProbability4},
    {"_scaled_dot_product_attention_math_for_mps", kProbability4},
    {"_scaled_dot_product_fused_attention_overrideable", kProbability4},
    {"_scaled_dot_product_efficient_attention", kProbability5},
    {"_scaled_dot_product_cudnn_attention", kProbability5},
    {"_flash_attention_forward", kProbability7},
    {"_efficient_attention_forward", kProbability8},
    {"_cudnn_attention_forward", kProbability9},
};

}  // namespace

std::span<const SlotRow> slots_of(std::string_view op) {
  static const std::unordered_map<std::string_view, std::span<const SlotRow>> rows = [] {
    std::unordered_map<std::string_view, std::span<const SlotRow>> made;
    for (const SlotLine& line : kSlots) {
      for_each_part(line.ops, ' ', [&](std::string_view name) { made.emplace(name, line.slots); });
    }
    return made;
  }();
  const auto at = rows.find(short_name(op));
  return at == rows.end() ? std::span<const SlotRow>() : at->second;
}

const SwitchRow* switch_of(std::string_view op) {
  static const std::unordered_map<std::string_view, const SwitchRow*> rows = [] {
    std::unordered_map<std::string_view, const SwitchRow*> made;
    for (const SwitchLine& line : kSwitches) {
      for_each_part(line.ops, ' ', [&](std::string_view name) { made.emplace(name, &line.row); });
    }
    return made;
  }();
  const auto at = rows.find(short_name(op));
  return at == rows.end() ? nullptr : at->second;
}

}  // namespace torchvet
