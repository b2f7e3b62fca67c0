#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "core/bytes.h"
#include "formats/fault_list.h"
#include "formats/pickle/torch_objects.h"
#include "formats/zip.h"
#include "model/artifact.h"

namespace torchvet {

/// The storages that one pickle of a torch archive names by key: `FOLDER/KEY` are their members,
/// with `ending` behind the key. Each key is one storage, whatever the number of tensors in it. No
/// byte of them is touched.
class ZipStorages {
 public:
  struct Place {
    std::string_view folder = "data";  ///< "constants", "traced_inputs"
    std::string pickle;                ///< name of the pickle's member, for faults
    bool big_endian = false;
    /// traced_inputs: the writer leaves the bytes out on purpose, so their absence is no fault.
    bool bytes_optional = false;
    std::string_view ending = {};  ///< of the members' names, behind the key
  };

  /// All references must outlive this.
  ZipStorages(ByteView file, const ZipDirectory& zip, Place place, Artifact& artifact);

  /// The storage of a key; leaves a fault when its bytes are missing or have another size than the
  /// pickle says, or when two mentions disagree about the element type.
  [[nodiscard]] StorageId resolve(const StorageRequest& request);

 private:
  void locate(Storage& storage, std::uint64_t offset);

  ByteView file_;
  const ZipDirectory& zip_;
  Place place_;
  Artifact& artifact_;
  FaultList faults_;
  std::unordered_map<std::string, StorageId> by_key_;
};

}  // namespace torchvet
