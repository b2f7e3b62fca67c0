#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/read.h"
#include "io/source.h"

namespace torchvet {

/// Names of the files that ranks write through HuggingFaceStorageWriter:
/// `shard-00001-model-00001-of-00001.safetensors`.
[[nodiscard]] bool is_dcp_safetensors_name(std::string_view file);

/// Whether a file is the first of such files in its folder, and one of them says where its tensors lie
/// in the whole ones: there the checkpoint is read as one.
[[nodiscard]] bool stands_for_dcp_safetensors(Source& source);

/// The others of them.
[[nodiscard]] std::vector<std::string> files_of_dcp_safetensors(const Source& source);

void read_dcp_safetensors(const std::shared_ptr<Source>&, const ReadOptions&, Artifact&);

}  // namespace torchvet
