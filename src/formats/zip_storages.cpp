#include "formats/zip_storages.h"

#include <optional>
#include <utility>

#include "core/checked.h"

namespace torchvet {

ZipStorages::ZipStorages(ByteView file, const ZipDirectory& zip, Place place, Artifact& artifact)
    : file_(file),
      zip_(zip),
      place_(std::move(place)),
      artifact_(artifact),
      faults_(artifact, place_.pickle) {}

StorageId ZipStorages::resolve(const StorageRequest& request) {
  const auto id = static_cast<StorageId>(artifact_.storages.size());
  const auto [known, added] = by_key_.emplace(request.key, id);
  if (!added) {
    const Storage& first = artifact_.storages[known->second];
    if (first.dtype != request.dtype) {
      faults_.add_contradiction(
          ErrorCode::kStorageTwoTypes, request.offset,
          "storage \"" + request.key + "\" is named with two element types, " +
              std::string(name_of(first.dtype)) + " and " + std::string(name_of(request.dtype)));
    }
    return known->second;
  }
  if (request.has_sixth_part) {
    faults_.add(ErrorCode::kStorageBadReference, request.offset,
                "storage \"" + request.key +
                    "\" is named in six parts, which torch.load refuses in an archive");
  }
  Storage storage;
  storage.key = request.key;
  storage.dtype = request.dtype;
  storage.location = request.location;
  storage.big_endian = place_.big_endian && !request.untyped && item_size(request.dtype) > 1;
  if (const auto bytes = checked_mul(request.numel, item_size(request.dtype))) {
    storage.declared_bytes = *bytes;
    locate(storage, request.offset);
  } else {
    faults_.add(ErrorCode::kOverflow, request.offset,
                "storage \"" + request.key + "\" is said to have " + std::to_string(request.numel) +
                    " elements");
  }
  artifact_.storages.push_back(std::move(storage));
  return id;
}

void ZipStorages::locate(Storage& storage, std::uint64_t offset) {
  const std::string name =
      std::string(place_.folder) + "/" + storage.key + std::string(place_.ending);
  storage.member = find_member(zip_, name);
  if (place_.bytes_optional && (!storage.member || zip_.members[*storage.member].size == 0)) return;
  if (!storage.member) {
    faults_.add(ErrorCode::kStorageMissing, offset,
                "the archive has no member " + zip_.prefix + name);
    return;
  }
  const Member& member = zip_.members[*storage.member];
  Result<ByteView> bytes = file_.slice(member.data.offset - file_.offset(), member.data.length);
  if (!bytes) {
    faults_.add(bytes.error().code, bytes.error().offset, member.name + " " + bytes.error().detail);
    return;
  }
  storage.present = true;
  storage.compressed = member.method != 0;
  storage.bytes = *bytes;
  if (place_.bytes_optional || member.size == storage.declared_bytes) return;
  faults_.add_contradiction(
      member.size < storage.declared_bytes ? ErrorCode::kRecordTooShort : ErrorCode::kRecordTooLong,
      member.data.offset,
      "`" + member.name + "` has " + std::to_string(member.size) + " bytes, the pickle says " +
          std::to_string(storage.declared_bytes));
}

}  // namespace torchvet
