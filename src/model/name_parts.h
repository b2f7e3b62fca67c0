#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// A name of a state_dict cut at its dots: views into the name.
using NameParts = std::vector<std::string_view>;
[[nodiscard]] NameParts parts_of(std::string_view name);
/// The parts from `first` to before `last`, with dots between them.
[[nodiscard]] std::string joined(const NameParts& parts, std::size_t first, std::size_t last);
[[nodiscard]] std::string joined(const NameParts& parts, std::size_t first = 0);
[[nodiscard]] bool is_number(std::string_view part);

/// A part of names that is private to the wrapper of a model that adds it.
struct PrivatePart {
  std::string_view part;
  std::string_view maker;
};
inline constexpr std::array<PrivatePart, 4> kPrivateParts = {{
    {"_orig_mod", "torch.compile"},
    {"_fsdp_wrapped_module", "FullyShardedDataParallel"},
    {"_checkpoint_wrapped_module", "the wrapper for activation checkpointing"},
    {"_forward_module", "Lightning's wrapper below DeepSpeed"},
}};
/// Null for all other parts.
[[nodiscard]] const PrivatePart* private_part(std::string_view part);
/// The part that wrappers for data parallel training add, and that is a usual name for an
/// attribute.
inline constexpr std::string_view kModulePart = "module";

/// Without the private parts; with `last_stays` the last part, a tensor's own name, is kept.
[[nodiscard]] NameParts without_private(const NameParts& parts, bool last_stays);

/// The name that FSDP gives to the parameters of a module that it made flat.
[[nodiscard]] bool is_flat_parameter(std::string_view leaf);

}  // namespace torchvet
