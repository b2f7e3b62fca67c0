#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "io/folder_names.h"
#include "model/artifact.h"
#include "model/torch_release.h"

namespace torchvet {

struct ReadOptions {
  Limits limits;
  /// Read what only graph rules need: the graphs of exported programs, the source maps of
  /// TorchScript (whose graphs the worker reads).
  bool graphs = true;
  /// Read every byte once: the checksums of all members of an archive, and the file's sha256.
  bool digest = false;
  /// Predict what loaders of this release would do with the file: those of these names, or all.
  std::optional<TorchRelease> loaders_of;
  std::vector<std::string_view> only_loaders;
  /// Remembers which files lie beside each other, when many files of a folder are read; or nullptr.
  FolderNames* folders = nullptr;
};

/// Opens one file whatever it is: tells the format by content, lets that format's reader fill the
/// model. It cannot fail: what is wrong in the bytes becomes a `Fault`, what could not be analysed
/// a `Gap`. Executes nothing. Touches no storage bytes.
[[nodiscard]] Artifact read_artifact(const std::shared_ptr<Source>& source,
                                     const ReadOptions& options);

/// The files beside one that are parts of its checkpoint: the shards that an index names, the parts
/// of a training checkpoint that is a folder. They are read with it, and need no check of their
/// own. Empty for a file that stands alone.
[[nodiscard]] std::vector<std::string> parts_beside(Source& source, const Limits& limits);

}  // namespace torchvet
