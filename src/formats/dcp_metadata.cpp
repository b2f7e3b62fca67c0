// `.metadata` is one pickle of a Metadata object, as torch 2.13 writes it:
//
//   Metadata: state_dict_metadata {name: TensorStorageMetadata | BytesStorageMetadata},
//             planner_data {name: tuple of keys}, storage_data {MetadataIndex: _StorageInfo}
//   TensorStorageMetadata: properties (a tuple, the dtype first, requires_grad third), size, chunks
//   ChunkStorageMetadata: offsets, sizes
//   MetadataIndex: fqn, offset (None for what is no tensor)
//   _StorageInfo: relative_path, offset, length, transform_descriptors
//
// All are instances whose state is a dict of these names.
#include "formats/dcp_metadata.h"

#include <map>
#include <unordered_map>
#include <utility>

#include "formats/fault_list.h"
#include "formats/pickle/arguments.h"

namespace torchvet {
namespace {

constexpr std::string_view kModule = "torch.distributed.checkpoint.metadata.";
constexpr std::size_t kMaxKey = 1024;

/// Which chunk of which entry an item belongs to; no offsets for what is no tensor.
using ItemKey = std::pair<std::string, std::vector<std::int64_t>>;

class MetadataReader {
 public:
  MetadataReader(Artifact& artifact, const Limits& limits)
      : artifact_(artifact), tree_(artifact.objects), limits_(limits), faults_(artifact, "") {}

  DcpMetadata read(ObjectId root);

 private:
  void refuse(ObjectId at, std::string why) {
    faults_.add(ErrorCode::kDcpBadMetadata, tree_.contains(at) ? tree_.at(at).where.offset : 0,
                std::move(why));
  }
  ObjectId field(ObjectId instance, std::string_view name) const {
    return tree_.get(tree_.attributes(instance), name);
  }
  bool is(ObjectId instance, std::string_view class_name) const {
    return tree_.qualified_name(instance) == std::string(kModule) + std::string(class_name);
  }
  void read_items(ObjectId storage_data);
  std::optional<DcpEntry> read_entry(std::string_view name, ObjectId value);
  bool read_tensor(ObjectId value, DcpEntry& entry);
  std::vector<DcpEntry::Key> path_of(const std::string& name) const;
  void index_plan(ObjectId planner_data);
  void attach_items(DcpEntry& entry);

  Artifact& artifact_;
  const ObjectTree& tree_;
  const Limits& limits_;
  FaultList faults_;
  std::map<ItemKey, DcpItem> items_;
  std::unordered_map<std::string, ObjectId> planned_;  ///< name -> tuple of keys
};

std::optional<std::uint64_t> natural(std::optional<std::int64_t> number) {
  return number && *number >= 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

void MetadataReader::read_items(ObjectId storage_data) {
  const auto* pairs = tree_.mapping(storage_data);
  if (!pairs) return refuse(storage_data, "the metadata has no storage_data");
  for (const auto& [index, info] : *pairs) {
    const auto name = tree_.text(field(index, "fqn"));
    const ObjectId where = field(index, "offset");
    const bool whole = where == kNoObject || tree_.as<Object::None>(where);
    const auto offsets = whole ? std::vector<std::int64_t>() : sizes_of(tree_, where, limits_);
    const auto file = tree_.text(field(info, "relative_path"));
    const auto offset = natural(tree_.integer(field(info, "offset")));
    const auto length = natural(tree_.integer(field(info, "length")));
    if (!name || !offsets || !file || !offset || !length) {
      refuse(index, "an entry of storage_data is not what torch writes: " + tree_.render(index));
      continue;
    }
    const auto* transforms = tree_.sequence(field(info, "transform_descriptors"));
    const DcpItem item{std::string(file->substr(0, kMaxKey)), *offset, *length,
                       transforms != nullptr && !transforms->empty()};
    if (!items_.emplace(ItemKey(*name, *offsets), item).second) {
      refuse(index, "storage_data names a chunk of `" + std::string(*name) + "` twice");
    }
  }
}

bool MetadataReader::read_tensor(ObjectId value, DcpEntry& entry) {
  const ObjectId properties = field(value, "properties");
  // TensorProperties gives its state as a tuple.
  const auto* call = tree_.as<Object::Call>(properties);
  const auto* state = call ? tree_.sequence(call->state) : nullptr;
  if (state && !state->empty()) {
    entry.dtype = dtype_of(tree_, (*state)[0]).value_or(DType::kUnknown);
    if (state->size() > 2) entry.requires_grad = boolean_of(tree_, (*state)[2]).value_or(false);
  }
  const auto size = sizes_of(tree_, field(value, "size"), limits_);
  const auto* chunks = tree_.sequence(field(value, "chunks"));
  if (entry.dtype == DType::kUnknown || !size || !chunks) return false;
  entry.size = *size;
  for (const ObjectId chunk : *chunks) {
    auto offsets = sizes_of(tree_, field(chunk, "offsets"), limits_);
    auto sizes = sizes_of(tree_, field(chunk, "sizes"), limits_);
    if (!offsets || !sizes || offsets->size() != size->size() || sizes->size() != size->size()) {
      return false;
    }
    entry.chunks.push_back({std::move(*offsets), std::move(*sizes)});
  }
  return true;
}

void MetadataReader::index_plan(ObjectId planner_data) {
  const auto* pairs = tree_.mapping(planner_data);
  if (!pairs) return;
  for (const auto& [key, value] : *pairs) {
    if (const auto name = tree_.text(key)) planned_.insert_or_assign(std::string(*name), value);
  }
}

std::vector<DcpEntry::Key> MetadataReader::path_of(const std::string& name) const {
  std::vector<DcpEntry::Key> path;
  const auto planned = planned_.find(name);
  const auto* keys = planned == planned_.end() ? nullptr : tree_.sequence(planned->second);
  if (keys) {
    for (const ObjectId key : *keys) {
      if (const auto text = tree_.text(key)) {
        path.push_back({std::string(text->substr(0, kMaxKey)), false});
      } else if (const auto number = tree_.integer(key)) {
        path.push_back({std::to_string(*number), true});
      }
    }
  }
  if (path.empty()) path.push_back({name, false});
  return path;
}

std::optional<DcpEntry> MetadataReader::read_entry(std::string_view name, ObjectId value) {
  DcpEntry entry;
  entry.name = name;
  entry.is_tensor = is(value, "TensorStorageMetadata");
  if (entry.is_tensor ? read_tensor(value, entry) : is(value, "BytesStorageMetadata")) return entry;
  refuse(value, "the entry `" + entry.name + "` is not what torch writes: " + tree_.render(value));
  return std::nullopt;
}

void MetadataReader::attach_items(DcpEntry& entry) {
  const auto attach = [&](std::vector<std::int64_t> offsets) {
    const auto item = items_.find({entry.name, std::move(offsets)});
    entry.items.push_back(item == items_.end() ? std::nullopt : std::optional(item->second));
  };
  if (!entry.is_tensor) attach({});
  for (const DcpChunk& chunk : entry.chunks) attach(chunk.offsets);
}

DcpMetadata MetadataReader::read(ObjectId root) {
  DcpMetadata metadata;
  const auto* entries = tree_.mapping(field(root, "state_dict_metadata"));
  if (!is(root, "Metadata") || !entries) {
    refuse(root, "the pickle builds no Metadata of torch.distributed.checkpoint");
    return metadata;
  }
  read_items(field(root, "storage_data"));
  index_plan(field(root, "planner_data"));
  for (const auto& [key, value] : *entries) {
    const auto name = tree_.text(key);
    if (!name) {
      refuse(key, "a name in the metadata is no text");
      continue;
    }
    std::optional<DcpEntry> entry = read_entry(name->substr(0, kMaxKey), value);
    if (!entry) continue;
    entry->path = path_of(entry->name);
    attach_items(*entry);
    metadata.entries.push_back(std::move(*entry));
  }
  return metadata;
}

}  // namespace

DcpMetadata read_dcp_metadata(Artifact& artifact, ObjectId root, const Limits& limits) {
  return MetadataReader(artifact, limits).read(root);
}

}  // namespace torchvet
