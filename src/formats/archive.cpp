#include "formats/archive.h"

#include <utility>

namespace torchvet {

std::optional<ZipDirectory> open_archive(const Source& source, const Limits& limits,
                                         Artifact& artifact) {
  Result<ZipDirectory> zip = read_zip_directory(source.bytes(), limits, &source);
  if (!zip) {
    artifact.add_fault("", zip.error());
    return std::nullopt;
  }
  artifact.members = zip->members;
  for (const Fault& fault : zip->faults) artifact.add_fault(fault.member, fault.error);
  return std::move(*zip);
}

}  // namespace torchvet
