#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/zip.h"

namespace torchvet {

/// Fills `by_name` for `find_member`, and reports names that stand for more than one member
/// (kZipDuplicateName, kZipCaseDuplicate).
void index_names(ZipDirectory& zip);

/// Adds a fault of a member ("": the archive as a whole), up to a cap: an archive of a million
/// broken members needs no million sentences.
void report_member(std::vector<Fault>& faults, ErrorCode code, std::uint64_t offset,
                   const std::string& member, std::string why);

}  // namespace torchvet
