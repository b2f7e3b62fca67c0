#pragma once

#include "formats/read.h"
#include "io/source.h"

namespace torchvet {

/// Whether a file is the `latest` of DeepSpeed: one line, the name of the folder beside it that a
/// run goes on from. Other files are called so too: it counts where DeepSpeed's `zero_to_fp32.py`,
/// a folder `global_step...` or the folder that is named lies beside it.
[[nodiscard]] bool is_checkpoint_pointer(const Source& source);

/// Says whether the folder is there; what is in it is a checkpoint of its own.
void read_checkpoint_pointer(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);

}  // namespace torchvet
