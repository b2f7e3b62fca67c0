// Files inside an archive that torch.load is given: zips, or what torch.save wrote before, five
// pickles in a row. `pickle.loads` is given bare pickles. Which of them a member holds is told by
// its first bytes, as torch does.
//
// An outer member may be deflated. Then its contents live as long as the artifact, because storages
// look into them, and the sum of them all is bounded, not only each.
#include "formats/nested_files.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "core/checked.h"
#include "formats/archive.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/torch_objects.h"
#include "formats/torch_records.h"
#include "formats/zip_storages.h"

namespace torchvet {
namespace {

/// The magic number of torch.save without a zip.
constexpr std::string_view kLegacyMagic = "119547037146038801333356";
constexpr std::array<std::string_view, 4> kLegacyParts = {"protocol", "system information",
                                                          "object", "storage keys"};
constexpr std::size_t kLegacyObject = 2;  // of the parts above

}  // namespace

ObjectId NestedFiles::read(MemberId id, bool tensors) {
  const auto [known, added] = roots_.emplace(id, kNoObject);
  if (!added) return known->second;
  const Member member = zip_.members[id];
  const std::optional<ByteView> bytes = contents(file_, member, member.name);
  if (!bytes || bytes->empty()) return kNoObject;
  const ObjectId root = read_file(*bytes, id, {tensors, !file_.contains(*bytes)});
  roots_[id] = root;
  return root;
}

ObjectId NestedFiles::read_file(ByteView bytes, MemberId id, How how) {
  const std::string name = artifact_.members[id].name;
  return bytes.starts_with("PK\x03\x04") ? read_zip(bytes, name, how)
                                         : read_stream(bytes, id, name, how.tensors);
}

std::optional<ByteView> NestedFiles::contents(const ByteView& file, const Member& member,
                                              const std::string& name) {
  auto buffer = std::make_shared<std::string>();
  Limits limits = limits_;
  limits.inflated_bytes -= std::min(limits.inflated_bytes, inflated_);
  Result<ByteView> bytes = member_bytes(file, member, limits, *buffer);
  if (!bytes) {
    artifact_.add_fault(name, bytes.error());
    return std::nullopt;
  }
  if (!buffer->empty()) {
    inflated_ += buffer->size();
    artifact_.keep_alive.push_back(std::move(buffer));
  }
  return *bytes;
}

ObjectId NestedFiles::read_zip(ByteView bytes, const std::string& name, How how) {
  Result<ZipDirectory> inner = read_zip_directory(bytes, limits_);
  if (!inner) {
    artifact_.add_fault(name, inner.error());
    return kNoObject;
  }
  add_archive_faults(*inner, name + "/", artifact_);
  for (const Fault& fault : refused_records(bytes, *inner, limits_)) {
    artifact_.add_contradiction(name + "/" + fault.member, fault.error);
  }
  if (find_member(*inner, "constants.pkl")) {
    artifact_.add_gap(name, "a TorchScript program as a member of another archive is not read");
  }
  const std::optional<MemberId> data = find_member(*inner, "data.pkl");
  if (!data) {
    artifact_.add_fault(
        name, {ErrorCode::kZipMemberMissing, bytes.offset(), "the archive has no member data.pkl"});
    return kNoObject;
  }
  const std::string whole_name = name + "/" + inner->members[*data].name;
  std::optional<ByteView> pickle = contents(bytes, inner->members[*data], whole_name);
  if (!pickle) return kNoObject;
  const MemberId member = add_member(inner->members[*data], name);
  const ObjectId first = static_cast<ObjectId>(artifact_.objects.size());
  const ObjectId root = run(*pickle, member, whole_name);
  if (root != kNoObject) artifact_.pickles.back().trailing_bytes = pickle->size();
  if (how.tensors) resolve_in_zip(bytes, *inner, first, member, name, how.inflated);
  return root;
}

ObjectId NestedFiles::read_stream(ByteView bytes, MemberId id, const std::string& name,
                                  bool tensors) {
  const ObjectId first = static_cast<ObjectId>(artifact_.objects.size());
  ObjectId root = run(bytes, id, name);
  const Object::BigInt* magic = artifact_.objects.as<Object::BigInt>(root);
  if (!magic || magic->decimal != kLegacyMagic) {
    if (root != kNoObject) artifact_.pickles.back().trailing_bytes = bytes.size();
    return root;
  }
  root = kNoObject;
  for (std::size_t i = 0; i < kLegacyParts.size() && !bytes.empty(); ++i) {
    const ObjectId part = run(bytes, id, name + " (" + std::string(kLegacyParts[i]) + ")");
    if (part == kNoObject) break;
    if (i == kLegacyObject) root = part;
  }
  if (tensors && root != kNoObject) {
    artifact_.add_gap(name,
                      "numbers of a file of torch.save without a zip inside an archive are "
                      "not read");
    resolve_without_bytes(first, id);
  }
  return root;
}

/// Runs the pickle at the begin of `bytes`, which then begin behind it. kNoObject when it fails.
ObjectId NestedFiles::run(ByteView& bytes, MemberId id, std::string name) {
  PickleProgram program;
  program.name = std::move(name);
  program.member = id;
  const Result<void> done = run_pickle(bytes, limits_, artifact_.objects, program);
  const std::uint64_t length = std::min(bytes.size(), program.where.length);
  if (!done) artifact_.add_fault(program.name, done.error());
  const ObjectId root = done ? program.root : kNoObject;
  if (done) bytes = ByteView(bytes.data() + length, bytes.size() - length, bytes.offset() + length);
  artifact_.pickles.push_back(std::move(program));
  return root;
}

void NestedFiles::resolve_in_zip(ByteView bytes, const ZipDirectory& inner, ObjectId first,
                                 MemberId pickle, const std::string& name, bool inflated) {
  const Result<bool> big_endian = is_big_endian(bytes, inner, limits_);
  if (!big_endian) {
    artifact_.add_fault(name + "/" + inner.prefix + "byteorder", big_endian.error());
  }
  const StorageId first_storage = static_cast<StorageId>(artifact_.storages.size());
  ZipStorages storages(bytes, inner, {"data", artifact_.members[pickle].name, big_endian.value_or(false), false},
                       artifact_);
  resolve_torch_objects(
      artifact_, first, pickle,
      [&storages](const StorageRequest& request) { return storages.resolve(request); }, limits_);
  for (StorageId id = first_storage; id < artifact_.storages.size(); ++id) {
    Storage& storage = artifact_.storages[id];
    if (!storage.member) continue;
    storage.inflated = inflated;
    storage.member = add_member(inner.members[*storage.member], name);
    storage.key = artifact_.members[*storage.member].name;
  }
}

/// Storages get their sizes, and no numbers.
void NestedFiles::resolve_without_bytes(ObjectId first, MemberId pickle) {
  std::unordered_map<std::string, StorageId> by_key;
  resolve_torch_objects(
      artifact_, first, pickle,
      [&](const StorageRequest& request) {
        const auto id = static_cast<StorageId>(artifact_.storages.size());
        const auto [known, added] = by_key.emplace(request.key, id);
        if (!added) return known->second;
        Storage storage;
        storage.key = request.key;
        storage.dtype = request.dtype;
        storage.location = request.location;
        storage.declared_bytes =
            checked_mul(request.numel, item_size(request.dtype)).value_or(UINT64_MAX);
        artifact_.storages.push_back(std::move(storage));
        return id;
      },
      limits_);
}

MemberId NestedFiles::add_member(const Member& member, const std::string& outer) {
  Member& added = artifact_.members.emplace_back(member);
  added.name = outer + "/" + member.name;
  return static_cast<MemberId>(artifact_.members.size() - 1);
}

}  // namespace torchvet
