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
#include "formats/dcp/metadata.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "formats/dcp/checks.h"
#include "formats/fault_list.h"
#include "formats/pickle/arguments.h"
#include "formats/pickle/machine.h"

namespace torchvet {
namespace {

constexpr std::string_view kModule = "torch.distributed.checkpoint.metadata";
constexpr std::size_t kMaxKey = 1024;

/// An item, and the object that tells which chunk it belongs to: kNoObject for what is no tensor.
struct PlacedItem {
  ObjectId offsets = kNoObject;
  DcpItem item;
};

class MetadataReader {
 public:
  MetadataReader(Artifact& artifact, const ObjectTree& tree, const Limits& limits)
      : tree_(tree), limits_(limits), faults_(artifact, "") {}

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
    const Object::Global* type = class_of(instance);
    return type != nullptr && type->module == kModule && type->name == class_name;
  }
  /// Null where the instance is of no imported class. There may be a million: nothing is copied.
  const Object::Global* class_of(ObjectId instance) const {
    const Object::Call* made = tree_.as<Object::Call>(instance);
    return made == nullptr ? nullptr : tree_.as<Object::Global>(made->callable);
  }
  std::uint32_t file_id(std::string_view name);
  void read_items(ObjectId storage_data);
  std::optional<DcpEntry> read_entry(std::string_view name, ObjectId value);
  bool read_tensor(ObjectId value, DcpEntry& entry);
  std::vector<DcpEntry::Key> path_of(const std::string& name) const;
  void index_plan(ObjectId planner_data);
  void attach_items(DcpEntry& entry);

  const ObjectTree& tree_;
  const Limits& limits_;
  FaultList faults_;
  // By name. The texts lie in the tree.
  std::unordered_map<std::string_view, std::vector<PlacedItem>> items_;
  std::unordered_map<std::string_view, ObjectId> planned_;  ///< tuple of keys
  std::unordered_map<std::string_view, std::uint32_t> file_ids_;
  std::vector<std::string> files_;
};

std::optional<std::uint64_t> natural(std::optional<std::int64_t> number) {
  return number && *number >= 0 ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

std::uint32_t MetadataReader::file_id(std::string_view name) {
  const auto [at, added] =
      file_ids_.emplace(name.substr(0, kMaxKey), static_cast<std::uint32_t>(files_.size()));
  if (added) files_.emplace_back(at->first);
  return at->second;
}

void MetadataReader::read_items(ObjectId storage_data) {
  const auto* pairs = tree_.mapping(storage_data);
  if (!pairs) return refuse(storage_data, "the metadata has no storage_data");
  for (const auto& [index, info] : *pairs) {
    const auto name = tree_.text(field(index, "fqn"));
    const ObjectId where = field(index, "offset");
    const bool whole = where == kNoObject || tree_.as<Object::None>(where);
    const auto file = tree_.text(field(info, "relative_path"));
    const auto offset = natural(tree_.integer(field(info, "offset")));
    const auto length = natural(tree_.integer(field(info, "length")));
    // Writers of other libraries have classes of their own.
    const Object::Global* kind = class_of(info);
    const bool of_torch = kind != nullptr && kind->module == "torch.distributed.checkpoint.filesystem" &&
                          kind->name == "_StorageInfo";
    const bool known = of_torch || (kind != nullptr && !kind->module.starts_with("torch."));
    if (!known || !is(index, "MetadataIndex") || !name || !file || !offset || !length ||
        (!whole && !sizes_of(tree_, where, limits_))) {
      refuse(index, "an entry of storage_data is not what torch writes: " + tree_.render(index));
      continue;
    }
    const auto* transforms = tree_.sequence(field(info, "transform_descriptors"));
    const DcpItem item{file_id(*file), transforms != nullptr && !transforms->empty(), *offset,
                       *length};
    items_[name->substr(0, kMaxKey)].push_back({whole ? kNoObject : where, item});
  }
}

bool MetadataReader::read_tensor(ObjectId value, DcpEntry& entry) {
  const ObjectId properties = field(value, "properties");
  if (are_tensor_properties(tree_, properties)) {
    const auto& state = *tree_.sequence(tree_.as<Object::Call>(properties)->state);
    entry.dtype = dtype_of(tree_, state[0]).value_or(DType::kUnknown);
    entry.requires_grad = boolean_of(tree_, state[2]).value_or(false);
  }
  const auto size = sizes_of(tree_, field(value, "size"), limits_);
  const auto* chunks = tree_.sequence(field(value, "chunks"));
  if (entry.dtype == DType::kUnknown || !size || !chunks) return false;
  entry.size = *size;
  entry.chunks = DcpChunks(size->size());
  for (const ObjectId chunk : *chunks) {
    const auto offsets = sizes_of(tree_, field(chunk, "offsets"), limits_);
    const auto sizes = sizes_of(tree_, field(chunk, "sizes"), limits_);
    if (!is(chunk, "ChunkStorageMetadata") || !offsets || !sizes ||
        offsets->size() != size->size() || sizes->size() != size->size()) {
      return false;
    }
    entry.chunks.add(*offsets, *sizes);
  }
  return true;
}

void MetadataReader::index_plan(ObjectId planner_data) {
  const auto* pairs = tree_.mapping(planner_data);
  if (!pairs) return;
  for (const auto& [key, value] : *pairs) {
    if (const auto name = tree_.text(key)) planned_.insert_or_assign(*name, value);
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
  std::map<std::vector<std::int64_t>, DcpItem> by_offsets;
  const auto placed = items_.find(entry.name);
  if (placed != items_.end()) {
    for (const auto& [offsets, item] : placed->second) {
      auto numbers =
          offsets == kNoObject ? std::vector<std::int64_t>() : *sizes_of(tree_, offsets, limits_);
      if (by_offsets.emplace(std::move(numbers), item).second) continue;
      refuse(offsets, "storage_data names a chunk of `" + entry.name + "` twice");
    }
  }
  const auto attach = [&](std::span<const std::int64_t> offsets) {
    const auto item = by_offsets.find({offsets.begin(), offsets.end()});
    entry.items.push_back(item == by_offsets.end() ? DcpItem() : item->second);
  };
  if (!entry.is_tensor) attach({});
  for (std::size_t i = 0; i < entry.chunks.size(); ++i) attach(entry.chunks[i].offsets);
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
  DcpPlan plan;
  for (const auto& [key, value] : *entries) {
    const auto name = tree_.text(key);
    if (!name) {
      refuse(key, "a name in the metadata is no text");
      continue;
    }
    std::optional<DcpEntry> entry = read_entry(name->substr(0, kMaxKey), value);
    if (!entry) continue;
    entry->path = path_of(entry->name);
    const auto lost = plan.add(entry->name, entry->path);
    if (lost && name->size() <= kMaxKey) refuse(key, *lost);
    attach_items(*entry);
    metadata.entries.push_back(std::move(*entry));
  }
  metadata.files = std::move(files_);
  return metadata;
}

/// Whether torch's writer puts this name into the metadata.
bool is_written(const PickleProgram::Import& import) {
  if (import.computed) return false;
  if (import.module == "torch") {
    return import.name == "Size" || dtype_from_name(import.name).has_value();
  }
  if (import.module == "torch.serialization") return import.name == "_get_layout";
  if (import.module == "pathlib" || import.module == "pathlib._local") {
    return import.name == "PosixPath";
  }
  // A name may have dots and lead out of its module, so that only whole names count.
  if (import.module == "torch.distributed.checkpoint.filesystem") {
    return import.name == "_StorageInfo";
  }
  constexpr std::string_view kClasses[] = {
      "Metadata",         "TensorStorageMetadata", "BytesStorageMetadata", "ChunkStorageMetadata",
      "TensorProperties", "MetadataIndex",         "StorageMeta",          "_MEM_FORMAT_ENCODING"};
  return import.module == "torch.distributed.checkpoint.metadata" &&
         std::find(std::begin(kClasses), std::end(kClasses), import.name) != std::end(kClasses);
}

/// Whether the pickle holds nothing but what torch's writer makes: no other names, and no keys that
/// are tuples, whose hashes can be made to take for ever.
bool is_as_written(const ObjectTree& tree, const PickleProgram& program) {
  if (!std::all_of(program.imports.begin(), program.imports.end(), is_written)) return false;
  for (ObjectId id = 0; id < tree.size(); ++id) {
    if (tree.as<Object::Set>(id)) return false;
    const auto* pairs = tree.mapping(id);
    if (!pairs) continue;
    for (const auto& [key, value] : *pairs) {
      if (tree.as<Object::Tuple>(key)) return false;
    }
  }
  return true;
}

/// Keeps the imported names and how often each is called.
void leave_out_objects(const ObjectTree& tree, PickleProgram& program, Artifact& artifact) {
  std::unordered_map<ObjectId, ObjectId> names;
  for (PickleProgram::Call& call : program.calls) {
    call.object = kNoObject;
    if (call.callable == kNoObject) continue;
    const auto [at, added] = names.emplace(call.callable, kNoObject);
    if (added) at->second = artifact.objects.add(tree.at(call.callable));
    call.callable = at->second;
  }
  program.root = kNoObject;
}

}  // namespace

std::optional<DcpMetadata> read_dcp_metadata(ByteView file, Artifact& artifact,
                                             const Limits& limits) {
  ObjectTree tree;
  PickleProgram program;
  program.name = ".metadata";
  const Result<void> run = run_pickle(file, limits, tree, program, Integers::kShared);
  std::optional<DcpMetadata> metadata;
  if (run) {
    metadata = MetadataReader(artifact, tree, limits).read(program.root);
    if (const auto bad = bad_dcp_call(tree, program)) {
      artifact.add_fault("", {ErrorCode::kDcpBadMetadata, tree.at(bad->first).where.offset, bad->second});
    }
  } else {
    artifact.add_fault("", run.error());
  }
  if (run && is_as_written(tree, program)) {
    leave_out_objects(tree, program, artifact);
  } else {
    artifact.objects = std::move(tree);
  }
  artifact.pickles.push_back(std::move(program));
  return metadata;
}

}  // namespace torchvet
