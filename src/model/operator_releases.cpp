// With which release of torch each operator came. Written by scripts/operator_releases from the
// published wheels; not to be changed by hand.
#include "model/torch_release.h"

namespace torchvet {

const std::vector<OperatorsOfRelease>& operators_by_release() {
  static const std::vector<OperatorsOfRelease> kTable = {
    {{1, 13},
      "_assert_tensor_metadata _foreach_maximum_ _foreach_minimum_ _fused_adam_ _linalg_det "
      "_linalg_eigh _linalg_slogdet _linalg_solve_ex _nested_tensor_from_mask_left_aligned "
      "_nested_tensor_from_tensor_list _nested_tensor_size _nested_tensor_softmax_with_shape "
      "_nested_tensor_strides _nested_view_from_buffer _nested_view_from_buffer_copy "
      "_scaled_dot_product_attention_math _spdiags _triton_multi_head_attention "
      "_triton_scaled_dot_attention _validate_compressed_sparse_indices as_strided_scatter "
      "concatenate lift_fresh lift_fresh_copy linalg_lu_solve linalg_solve_ex linalg_vecdot "
      "miopen_convolution_add_relu miopen_convolution_relu nested_to_padded_tensor "
      "normal_functional special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 "
      "special_bessel_y1 special_chebyshev_polynomial_t special_chebyshev_polynomial_u "
      "special_chebyshev_polynomial_v special_chebyshev_polynomial_w "
      "special_hermite_polynomial_h special_hermite_polynomial_he special_laguerre_polynomial_l "
      "special_legendre_polynomial_p special_modified_bessel_i0 special_modified_bessel_i1 "
      "special_modified_bessel_k0 special_modified_bessel_k1 special_scaled_modified_bessel_k0 "
      "special_scaled_modified_bessel_k1 special_shifted_chebyshev_polynomial_t "
      "special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v "
      "special_shifted_chebyshev_polynomial_w special_spherical_bessel_j0"},
    {{2, 0},
      "_efficient_attention_forward _flash_attention_forward _foreach_clamp_max "
      "_foreach_clamp_max_ _foreach_clamp_min _foreach_clamp_min_ _foreach_lerp _foreach_lerp_ "
      "_fused_adamw_ _fused_sdp_choice _is_all_true _is_any_true _native_batch_norm_legit "
      "_prelu_kernel _reshape_copy _scaled_dot_product_efficient_attention "
      "_scaled_dot_product_flash_attention _sparse_mm_reduce_impl mkldnn_rnn_layer "
      "scaled_dot_product_attention"},
    {{2, 1},
      "_cslt_compress _cslt_sparse_mm _fill_mem_eff_dropout_mask_ _foreach_copy_ _foreach_pow "
      "_foreach_pow_ _foreach_sign _foreach_sign_ _functional_assert_async "
      "_functional_sym_constrain_range _functional_sym_constrain_range_for_size _int_mm "
      "_make_dep_token _native_batch_norm_legit_no_training _nested_tensor_storage_offsets "
      "_propagate_xla_data _scaled_mm _sparse_mask_projection _sparse_semi_structured_linear "
      "_to_sparse _to_sparse_bsc _to_sparse_bsr _to_sparse_csc _to_sparse_csr "
      "_to_sparse_semi_structured _unsafe_index _unsafe_index_put empty_permuted nonzero_static "
      "quantized_max_pool3d sym_constrain_range sym_constrain_range_for_size"},
    {{2, 2},
      "_convert_weight_to_int4pack _mixed_dtypes_linear _weight_int4pack_mm"},
    {{2, 3},
      "_assert_scalar _chunk_cat _cslt_sparse_mm_search _functional_assert_scalar _fused_sgd_ "
      "_lazy_clone _linalg_eigvals _nested_get_jagged_dummy _nested_get_lengths "
      "_nested_get_offsets _nested_get_ragged_idx _nested_get_values _nested_get_values_copy "
      "_nested_view_from_jagged _nested_view_from_jagged_copy _print "
      "_scaled_dot_product_cudnn_attention _scaled_dot_product_flash_attention_for_cpu "
      "_weight_int8pack_mm slice_inverse"},
    {{2, 4},
      "_batch_norm_no_update _batch_norm_with_update _foreach_max _fused_adagrad_ "
      "_jagged_to_padded_dense_forward _nested_compute_contiguous_strides_offsets "
      "_padded_dense_to_jagged_forward _sparse_compressed_tensor_with_dims "
      "_sparse_semi_structured_addmm _sparse_semi_structured_apply "
      "_sparse_semi_structured_apply_dense _sparse_semi_structured_mm "
      "_sparse_semi_structured_tile rms_norm"},
    {{2, 5},
      "_nested_get_max_seqlen _nested_get_min_seqlen _safe_softmax "
      "_scaled_dot_product_attention_math_for_mps "
      "_scaled_dot_product_fused_attention_overrideable _spsolve _unsafe_masked_index "
      "_unsafe_masked_index_put_accumulate _wrapped_linear_prepack "
      "_wrapped_quantized_linear_prepacked"},
    {{2, 6},
      "_convert_weight_to_int4pack_for_cpu _foreach_rsqrt _foreach_rsqrt_ "
      "_nested_from_padded_tensor _weight_int4pack_mm_for_cpu"},
    {{2, 7},
      "_cudnn_attention_forward _dyn_quant_matmul_4bit _dyn_quant_pack_4bit_weight "
      "_scaled_grouped_mm"},
    {{2, 8},
      "_fused_rms_norm _grouped_mm _weight_int4pack_mm_with_scales_and_zeros"},
    {{2, 9},
      "hash_tensor sym_is_contiguous"},
    {{2, 10},
      "_scaled_grouped_mm_v2 _scaled_mm_v2"},
    {{2, 11},
      "_foreach_powsum _use_miopen_ctc_loss linalg__powsum miopen_ctc_loss"},
    {{2, 12},
      "_flash_attention_forward_no_dropout_inplace _foreach_clone _philox_key_fold_in "
      "_philox_key_split _philox_normal_ _philox_uniform_ _upsample_lanczos2d_aa"},
    {{2, 13},
      "_foreach_mm"},
  };
  return kTable;
}

}  // namespace torchvet
