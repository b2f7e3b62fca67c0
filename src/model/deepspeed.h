#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace torchvet {

/// What the name of a file in a checkpoint of DeepSpeed says about it.
struct DeepspeedFile {
  bool holds_optimizer = false;  ///< `..._optim_states.pt`, else `..._model_states.pt`
  /// Of a file of which each rank of data parallelism writes one (ZeRO): that rank, and the name
  /// around its number: "zero_pp_rank_", "_mp_rank_00_optim_states.pt".
  std::optional<std::uint64_t> rank;
  std::string before, after;
  /// The rank of model parallelism, as it is written: "00". Empty for a layer of a pipeline.
  std::string model_rank;
};

/// Nothing for other files. The names: `mp_rank_00_model_states.pt`, with ZeRO
/// `[bf16_|fp16_]zero_pp_rank_0_mp_rank_00_optim_states.pt` (stage 3: and `..._model_states.pt`),
/// of pipelines `layer_00-model_00-model_states.pt`, of experts
/// `layer_0_expert_0_mp_rank_00_model_states.pt` and `expp_rank_0_mp_rank_00_optim_states.pt`.
[[nodiscard]] std::optional<DeepspeedFile> deepspeed_file(std::string_view name);

}  // namespace torchvet
