#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/source.h"
#include "model/artifact.h"

namespace torchvet {

/// The names of files in a folder of torch.distributed.checkpoint: `.metadata`, or
/// `__RANK.metadata` of ranks that saved without each other, and `__RANK_NUMBER.distcp`.
[[nodiscard]] bool is_dcp_name(std::string_view file);

/// Of these, those that say what is in the others.
[[nodiscard]] bool is_dcp_metadata_name(std::string_view file);

/// The `.distcp` files beside a metadata file: all, or those of its rank. Beside a `.distcp` file
/// the other ones.
[[nodiscard]] std::vector<std::string> files_of_dcp(const Source& source);

/// Whether a file is a `.distcp` file: told by its name, because its content is one file of
/// torch.save after the other, which most readers take for the last one or for a broken archive.
[[nodiscard]] bool is_dcp_part(const Source& source, Format by_content);

/// Whether a `.distcp` file is the first of a folder in which no metadata say what is in them: the
/// one at which they are reported.
[[nodiscard]] bool stands_for_parts(const Source& source);

}  // namespace torchvet
