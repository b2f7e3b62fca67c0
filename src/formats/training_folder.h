#pragma once

#include <string>
#include <vector>

#include "io/source.h"

namespace torchvet {

/// Whether a file stands for the whole training checkpoint whose folder it lies in: the folder
/// `checkpoint-N` of the Trainer of transformers, or the one that `Accelerator.save_state` writes.
/// Told by the names of the files beside it.
[[nodiscard]] bool is_training_folder(const Source& source);

/// The files of such a folder that are read with it, by name. The shards of an index are not among
/// them: the index names them.
[[nodiscard]] std::vector<std::string> parts_of_training_folder(const Source& source);

}  // namespace torchvet
