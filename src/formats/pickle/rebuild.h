#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// Where a rebuilt tensor comes from.
struct RebuildContext {
  Artifact& artifact;
  std::optional<MemberId> member;
  const Limits& limits;
  ByteRange where;
};

/// True for the functions of torch._utils and torch._tensor that make a tensor from a pickle.
[[nodiscard]] bool is_rebuild_function(std::string_view qualified_name);
/// True for what is named like one of them and is none: of another release of torch, or of none.
[[nodiscard]] bool is_unknown_rebuild_function(std::string_view qualified_name);

/// What the rebuild function would return: a tensor that is added to the artifact, or, for those
/// that wrap one (`_rebuild_parameter`), the tensor that was given, changed. Its arguments must
/// have been resolved before. Nothing when they are not what the function takes.
[[nodiscard]] std::optional<TensorId> rebuild_tensor(const RebuildContext& context,
                                                     std::string_view qualified_name,
                                                     std::span<const ObjectId> arguments);

}  // namespace torchvet
