#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "model/dtype.h"
#include "model/object.h"

namespace torchvet {

/// Reads the arguments of calls in torch's pickles. Every function answers with nothing when the
/// object is not what the call needs.

/// Elements of the tuple of arguments; empty for anything else.
[[nodiscard]] std::span<const ObjectId> arguments_of(const ObjectTree& tree, ObjectId tuple);
/// Sizes or strides: a tuple or list of integers, or `torch.Size` of one.
[[nodiscard]] std::optional<std::vector<std::int64_t>> sizes_of(const ObjectTree& tree, ObjectId id,
                                                                const Limits& limits);
/// From the imported name `torch.float32`.
[[nodiscard]] std::optional<DType> dtype_of(const ObjectTree& tree, ObjectId id);
/// "cuda:1" from `torch.device('cuda', 1)`, or the text itself.
[[nodiscard]] std::optional<std::string> device_of(const ObjectTree& tree, ObjectId id);
[[nodiscard]] std::optional<bool> boolean_of(const ObjectTree& tree, ObjectId id);
/// "sparse_coo" from `torch.serialization._get_layout('torch.sparse_coo')` or `torch.sparse_coo`.
[[nodiscard]] std::string layout_of(const ObjectTree& tree, ObjectId id);
/// Whether torch 2.13 has a layout of this name, as `layout_of` gives it.
[[nodiscard]] bool is_layout_name(std::string_view name);

}  // namespace torchvet
