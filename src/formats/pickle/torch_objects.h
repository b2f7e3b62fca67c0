#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// What a persistent id of torch's pickles says about a storage.
struct StorageRequest {
  std::string key;
  DType dtype = DType::kUnknown;
  bool untyped = false;  ///< numel counts bytes
  std::string location;
  std::uint64_t numel = 0;
  /// A part of another storage, in its elements: only in old files of the legacy format. `key`,
  /// `numel` and so on are those of the root storage.
  struct View {
    std::string key;
    std::uint64_t offset = 0;
    std::uint64_t numel = 0;
  };
  std::optional<View> view;
  bool has_sixth_part = false;  ///< as only the legacy format writes it
  std::uint64_t offset = 0;  ///< where in the file the pickle says so
};

/// Finds or makes the storage that a persistent id names. The container's reader knows where its
/// bytes are: `data/KEY` in a zip, a place in the stream of the legacy format.
using StorageResolver = std::function<StorageId(const StorageRequest&)>;

/// Turns the calls that torch's own pickles make into what they mean: persistent ids become
/// storages, `_rebuild_tensor_v2` and its relatives become tensors, numpy scalars become numbers.
/// Works on the objects from `first` on, in place, without recursion. A call with wrong arguments
/// stays a call and leaves a fault.
void resolve_torch_objects(Artifact& artifact, ObjectId first, std::optional<MemberId> member,
                           const StorageResolver& resolve, const Limits& limits = {});

/// Gives every tensor reachable from `root` its object path (keys joined by dots, positions in
/// brackets), in the order of the file. In an nn.Module the dicts `_parameters`, `_buffers` and
/// `_modules` add nothing to the path: "layers.0.weight". A tensor that already has a path keeps it
/// and gets this one as an alias. Each container is walked once, so cycles end and shared parts
/// cost nothing; depth is limited by `limits.object_depth`, the number of names by
/// `limits.tensors`.
void name_tensors(Artifact& artifact, ObjectId root, const std::string& prefix,
                  const Limits& limits);

/// Fills `artifact.modules` from a whole pickled nn.Module: registered modules through `_modules`,
/// and those reachable only through containers, which the module system does not know. Modules that
/// stand in a checkpoint's dict are found too. Gives their tensors paths and roles, so it comes
/// before `name_tensors`.
void find_pickled_modules(Artifact& artifact, ObjectId root, const Limits& limits);

/// All of the above for the main pickle of a torch.save file, and what `describe_objects` tells.
void describe_torch_pickle(Artifact& artifact, ObjectId root, const Limits& limits);

}  // namespace torchvet
