#include "formats/dcp/items.h"

#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/torch_objects.h"
#include "formats/torch_records.h"
#include "formats/zip.h"

namespace torchvet {

DcpFiles::File& DcpFiles::open(const DcpItem& item, const DcpEntry& entry) {
  File& file = files_[item.file];
  if (file.tried) return file;
  file.tried = true;
  const std::string& path = metadata_.files[item.file];
  const Result<std::shared_ptr<Source>> source = folder_.sibling(path);
  if (!source) {
    const bool unsafe = source.error().code == ErrorCode::kUnsafePath;
    artifact_.add_fault(path, {unsafe ? ErrorCode::kUnsafePath : ErrorCode::kShardMissing, 0,
                               (unsafe ? "" : "the shard is missing: ") + source.error().detail +
                                   "; `" + entry.name + "` should be in it"});
    return file;
  }
  file.source = *source;
  file.member = static_cast<MemberId>(artifact_.members.size());
  Member member;
  member.name = path;
  member.data = file.source->bytes().range();
  member.size = file.source->bytes().size();
  artifact_.source.size += member.size;
  artifact_.members.push_back(std::move(member));
  return file;
}

/// Each item that was looked at keeps the pages around its head and its end in memory.
void DcpFiles::forget_pages() {
  for (const File& file : files_) {
    if (file.source) file.source->forget_pages();
  }
}

/// An item that cannot be read: a file that is cut off loses thousands of them, which are one gap.
void DcpFiles::lose(const DcpItem& item, Error error) {
  constexpr std::uint64_t kMost = 100;
  File& file = files_[item.file];
  if (file.lost == 0) file.first_loss = error.detail;
  if (file.lost++ < kMost)
    artifact_.add_contradiction(metadata_.files[item.file], std::move(error));
}

std::optional<ByteView> DcpFiles::bytes_of(const DcpItem& item, const DcpEntry& entry) {
  constexpr std::size_t kBetween = 64;
  if (++looked_at_ % kBetween == 0) forget_pages();
  File& file = open(item, entry);
  if (!file.source) return std::nullopt;
  const ByteView whole = file.source->bytes();
  const Result<ByteView> bytes = whole.slice(item.offset, item.length);
  if (!bytes) {
    lose(item, {ErrorCode::kTruncated, whole.size(),
                "`" + entry.name + "` should lie at byte " + std::to_string(item.offset) + ": it " +
                    bytes.error().detail});
    return std::nullopt;
  }
  file.items.push_back({ByteRange{item.offset, item.length}, &entry});
  return *bytes;
}

std::optional<DcpFiles::Description> DcpFiles::describe(ByteView pickle) const {
  Artifact scratch;
  PickleProgram program;
  if (!run_pickle(pickle, limits_, scratch.objects, program)) return std::nullopt;
  Description description;
  const StorageResolver resolve = [&](const StorageRequest& request) {
    description.key = request.key;
    description.location = request.location;
    description.declared_bytes =
        checked_mul(request.numel, request.untyped ? 1 : item_size(request.dtype))
            .value_or(UINT64_MAX);
    scratch.storages.emplace_back().dtype = request.dtype;
    return static_cast<StorageId>(scratch.storages.size() - 1);
  };
  resolve_torch_objects(scratch, 0, std::nullopt, resolve, limits_);
  const auto* tensor = scratch.objects.as<Object::TensorRef>(program.root);
  if (!tensor || scratch.storages.size() != 1 || !scratch.faults.empty()) return std::nullopt;
  description.tensor = scratch.tensors[tensor->tensor];
  return description;
}

std::optional<DcpFiles::Shard> DcpFiles::shard(ByteView bytes, const DcpItem& item,
                                               const DcpEntry& entry) {
  const auto wrong = [&](const std::string& why) {
    lose(item,
         {ErrorCode::kDcpBadMetadata, bytes.offset(), "the item of `" + entry.name + "` " + why});
    return std::nullopt;
  };
  const Result<ZipDirectory> zip = read_zip_directory(bytes, limits_);
  if (!zip) return wrong("is no file of torch.save: " + zip.error().detail);
  if (!zip->faults.empty()) {
    return wrong("is a damaged archive: " + zip->faults.front().error.detail);
  }
  if (const std::vector<Fault> refused = refused_records(bytes, *zip, limits_); !refused.empty()) {
    return wrong("is refused by torch.load: " + refused.front().error.detail);
  }
  const Result<bool> big_endian = is_big_endian(bytes, *zip, limits_);
  if (!big_endian) return wrong("is refused by torch.load: " + big_endian.error().detail);
  const std::optional<MemberId> pickle = find_member(*zip, "data.pkl");
  std::string buffer;
  const Result<ByteView> text =
      pickle ? member_bytes(bytes, zip->members[*pickle], limits_, buffer)
             : fail(ErrorCode::kZipMemberMissing, bytes.offset(), "it has no data.pkl");
  if (!text) return wrong("cannot be read: " + text.error().detail);

  const auto [known, added] = described_.emplace(std::string(text->text()), std::nullopt);
  if (added) known->second = describe(*text);
  const std::optional<Description>& described = known->second;
  if (!described) return wrong("holds no tensor");
  const Tensor& tensor = described->tensor;
  const std::optional<MemberId> data = find_member(*zip, "data/" + described->key);
  if (!data) return wrong("lacks the record data/" + described->key);
  const Result<ByteView> record = stored_bytes(bytes, zip->members[*data]);
  if (!record) return wrong("cannot be read: " + record.error().detail);
  const auto reached = tensor.elements_reached();
  const auto needed = reached ? checked_mul(*reached, item_size(tensor.dtype)) : std::nullopt;
  if (record->size() != described->declared_bytes || !needed || *needed > record->size()) {
    return wrong("has a record of " + std::to_string(record->size()) +
                 " bytes, not the ones that its pickle says");
  }
  Shard shard{tensor.dtype, tensor.shape, tensor.strides, described->location, *record,
              *big_endian && item_size(tensor.dtype) > 1};
  const std::uint64_t begin =
      static_cast<std::uint64_t>(tensor.storage_offset) * item_size(tensor.dtype);
  if (*needed > 0) shard.bytes = *record->slice(begin, *needed - begin);
  return shard;
}

void DcpFiles::check_overlaps(const std::string& name, std::vector<File::Item>& items) {
  std::sort(items.begin(), items.end(), [](const File::Item& a, const File::Item& b) {
    return a.where.offset < b.where.offset;
  });
  for (std::size_t i = 1; i < items.size(); ++i) {
    const auto& [before, earlier] = items[i - 1];
    const auto& [range, later] = items[i];
    // Both lie inside the file, so their ends fit.
    if (before.offset + before.length <= range.offset) continue;
    artifact_.add_contradiction(name, {ErrorCode::kIndexDisagrees, range.offset,
                                       "`" + earlier->name + "` and `" + later->name +
                                           "` lie over each other in the file"});
    return;
  }
}

void DcpFiles::finish() {
  for (std::size_t id = 0; id < files_.size(); ++id) {
    File& file = files_[id];
    const std::string& name = metadata_.files[id];
    check_overlaps(name, file.items);
    if (file.lost == 1) artifact_.add_gap(name, file.first_loss);
    if (file.lost < 2) continue;
    artifact_.add_gap(name, std::to_string(file.lost) +
                                " items in it could not be read, the first: " + file.first_loss);
  }
}

}  // namespace torchvet
