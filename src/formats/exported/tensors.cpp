#include "formats/exported/tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/checked.h"
#include "formats/pickle/arguments.h"
#include "formats/pickle/torch_objects.h"

namespace torchvet {
namespace {

constexpr std::int64_t kStrided = 7;  // of torch's schema
constexpr std::size_t kMostDimensions = 64;
/// What a tensor under a fake tensor mode is pickled as: a call with its `tensor_meta` in JSON.
constexpr std::string_view kFakeTensor = "torch._export.serde.serialize._reconstruct_fake_tensor";

/// An empty record holds a tensor without elements, or shapes without numbers, saved under a fake
/// tensor mode: then the storage counts as large as what its tensors need.
void need(Storage& storage, std::optional<std::uint64_t> bytes) {
  storage.declared_bytes = std::max(storage.declared_bytes, bytes.value_or(0));
  storage.present = bytes == 0u && storage.declared_bytes == 0;
}

std::optional<std::uint64_t> bytes_reached(const Tensor& tensor) {
  const auto reached = tensor.elements_reached();
  return reached ? checked_mul(*reached, item_size(tensor.dtype)) : std::nullopt;
}

/// torch joins folder and name as paths: a name from the root stands for itself.
std::string record_of(const std::string& folder, std::string_view name) {
  return name.starts_with('/') ? std::string(name) : folder + std::string(name);
}

/// Objects have pickles for records, whatever else the config says of them.
bool is_object(std::string_view folder, std::string_view name) {
  return folder == "data/constants/" &&
         (name.starts_with("custom_obj_") || name.starts_with("opaque_obj_"));
}

}  // namespace

void ExportedTensors::read_weights(Json config, const std::string& member) {
  FaultList faults(artifact_, member);
  const auto entries = json_object(json_field(config, "config"));
  if (!entries) return faults.add(ErrorCode::kExportedBadProgram, 0, "there is no `config` in it");
  for (const auto field : *entries) {
    compare_with_signature(field.key, field.value, faults);
    const auto id = read({field.key, field.value, "data/weights/"}, faults);
    if (!id) continue;
    Tensor& tensor = artifact_.tensors[*id];
    tensor.is_parameter = json_bool(json_field(field.value, "is_param")).value_or(false);
    tensor.role = tensor.is_parameter ? TensorRole::kParameter : TensorRole::kBuffer;
  }
}

/// Source: `_verify_exported_program_signature` of torch/_export/verifier.py, 2.13.
void ExportedTensors::compare_with_signature(std::string_view name, Json payload, FaultList& faults) {
  const std::string key(name);
  const bool pickled = json_bool(json_field(payload, "use_pickle")).value_or(false);
  if (!pickled && registered_.parameters.contains(key) &&
      json_bool(json_field(payload, "is_param")) == false) {
    faults.add_contradiction(
        ErrorCode::kIndexDisagrees, 0,
        fmt::format("the signature calls `{}` a parameter, the config of weights does not", name));
  }
  if (registered_.not_persistent.contains(key)) {
    faults.add_contradiction(
        ErrorCode::kIndexDisagrees, 0,
        fmt::format("the signature says that the buffer `{}` is not saved with the weights, where it is",
                    name));
  }
}

void ExportedTensors::read_constants(Json config, const std::string& member) {
  FaultList faults(artifact_, member);
  const auto entries = json_object(json_field(config, "config"));
  if (!entries) return faults.add(ErrorCode::kExportedBadProgram, 0, "there is no `config` in it");
  for (const auto field : *entries) {
    const auto id = read({field.key, field.value, "data/constants/"}, faults);
    if (id) set_constant_role(*id, field.key);
  }
}

void ExportedTensors::read_weights(ObjectId dict, const std::string& member) {
  FaultList faults(artifact_, member);
  if (dict == kNoObject) return;  // empty, or broken, which is a fault already
  const auto* items = artifact_.objects.mapping(dict);
  if (!items) {
    return faults.add(ErrorCode::kExportedBadProgram, artifact_.objects.at(dict).where.offset,
                      "it holds no names of tensors");
  }
  name_parts(dict, "");
  for (const auto& [key, value] : *items) {
    const auto name = artifact_.objects.text(key);
    const auto id = name ? adopt(*name, value, faults) : std::nullopt;
    if (!id) {
      faults.add(
          ErrorCode::kExportedBadProgram, artifact_.objects.at(value).where.offset,
          artifact_.objects.render(key) + " is no tensor: " + artifact_.objects.render(value));
      continue;
    }
    Tensor& tensor = artifact_.tensors[*id];
    tensor.is_parameter =
        tensor.is_parameter || registered_.parameters.contains(std::string(*name));
    const bool buffer = registered_.buffers.contains(std::string(*name));
    tensor.role = tensor.is_parameter && !buffer ? TensorRole::kParameter : TensorRole::kBuffer;
  }
}

void ExportedTensors::read_constants(ObjectId dict, const std::string& member) {
  FaultList faults(artifact_, member);
  if (dict == kNoObject) return;
  const auto* items = artifact_.objects.mapping(dict);
  if (!items) {
    return faults.add(ErrorCode::kExportedBadProgram, artifact_.objects.at(dict).where.offset,
                      "it holds no names of constants");
  }
  name_parts(dict, "");
  for (const auto& [key, value] : *items) {
    const auto name = artifact_.objects.text(key);
    const auto id = name ? adopt(*name, value, faults) : std::nullopt;
    if (id) set_constant_role(*id, *name);  // others are objects, which are recorded
  }
}

void ExportedTensors::set_constant_role(TensorId id, std::string_view name) {
  Tensor& tensor = artifact_.tensors[id];
  if (registered_.buffers.contains(std::string(name))) {
    tensor.role = TensorRole::kBuffer;
    return;
  }
  tensor.role = TensorRole::kConstant;
  constants_.emplace(std::string(name),
                     static_cast<std::uint32_t>(artifact_.graph_constants.size()));
  artifact_.graph_constants.push_back(id);
}

std::string ExportedTensors::path_of(std::string_view name) const {
  return archive_.prefix + std::string(name);
}

/// Gives paths to all tensors that an object, or a tensor of another class, is made of.
void ExportedTensors::name_parts(ObjectId root, std::string_view name) {
  std::string path = path_of(name);
  if (name.empty() && !path.empty()) path.pop_back();
  name_tensors(artifact_, root, path, archive_.limits);
}

// --- Entries of the configs ---------------------------------------------------------------------

std::optional<TensorId> ExportedTensors::read(const Entry& entry, FaultList& faults) {
  const auto path = json_text(json_field(entry.value, "path_name"));
  if (!path) {
    faults.add(ErrorCode::kExportedBadProgram, 0,
               "`" + std::string(entry.name) + "` has no path_name");
    return std::nullopt;
  }
  const std::string record = record_of(entry.folder, *path);
  if (json_bool(json_field(entry.value, "use_pickle")).value_or(false) ||
      is_object(entry.folder, *path)) {
    return read_pickled(entry, record, faults);
  }
  const auto meta = json_field(entry.value, "tensor_meta");
  if (!json_object(meta)) {
    faults.add(ErrorCode::kExportedBadProgram, 0,
               "`" + std::string(entry.name) + "` has no tensor_meta");
    return std::nullopt;
  }
  std::optional<Tensor> tensor = described(entry.name, meta, faults);
  if (!tensor) return std::nullopt;
  if (tensor->layout == Layout::kStrided) tensor->storage = storage_of(record, *tensor, faults);
  artifact_.tensors.push_back(std::move(*tensor));
  return static_cast<TensorId>(artifact_.tensors.size() - 1);
}

/// A record that is a file of torch.save or a pickle. Of a tensor whose class the machine does not
/// know the config tells the shape.
std::optional<TensorId> ExportedTensors::read_pickled(const Entry& entry, const std::string& record,
                                                      FaultList& faults) {
  const std::optional<MemberId> member = find_member(archive_.zip, record);
  if (!member) {
    faults.add(ErrorCode::kStorageMissing, 0, "the record " + record + " is missing");
    return std::nullopt;
  }
  const ObjectId root = archive_.nested.load(*member);
  if (root != kNoObject) name_parts(root, entry.name);
  if (const auto id = adopt(entry.name, root, faults)) return id;
  const auto meta = json_field(entry.value, "tensor_meta");
  std::optional<Tensor> tensor =
      json_object(meta) ? described(entry.name, meta, faults) : std::nullopt;
  if (!tensor) return std::nullopt;  // an object
  tensor->layout = Layout::kWrapper;
  artifact_.tensors.push_back(std::move(*tensor));
  return static_cast<TensorId>(artifact_.tensors.size() - 1);
}

/// A tensor as a `tensor_meta` describes it, without its storage.
std::optional<Tensor> ExportedTensors::described(std::string_view name, std::optional<Json> meta,
                                                 FaultList& faults) {
  Tensor tensor;
  tensor.object_path = path_of(name);
  tensor.dtype =
      dtype_from_name(exported_dtype(json_integer(json_field(meta, "dtype")).value_or(0)))
          .value_or(DType::kUnknown);
  tensor.requires_grad = json_bool(json_field(meta, "requires_grad")).value_or(false);
  tensor.device = exported_device(json_field(meta, "device"));
  tensor.storage_offset =
      json_integer(json_field(json_field(meta, "storage_offset"), "as_int")).value_or(0);
  const auto sizes = exported_sizes(meta, "sizes", kMostDimensions);
  const auto strides = exported_sizes(meta, "strides", kMostDimensions);
  if (!sizes || !strides || sizes->size() != strides->size()) {
    faults.add(ErrorCode::kTensorBadArguments, 0,
               "`" + tensor.object_path + "` has not one stride a dimension");
    return std::nullopt;
  }
  const auto is_negative = [](std::int64_t number) { return number < 0; };
  if (tensor.storage_offset < 0 || std::any_of(sizes->begin(), sizes->end(), is_negative) ||
      std::any_of(strides->begin(), strides->end(), is_negative)) {
    faults.add(
        ErrorCode::kTensorBadArguments, 0,
        "`" + tensor.object_path + "` has a size, stride or offset that is no number from 0");
    return std::nullopt;
  }
  tensor.shape = *sizes;
  tensor.strides = *strides;
  if (json_integer(json_field(meta, "layout")).value_or(kStrided) != kStrided) {
    tensor.layout = Layout::kSparse;
  }
  return tensor;
}

std::optional<StorageId> ExportedTensors::storage_of(const std::string& path, const Tensor& tensor,
                                                     FaultList& faults) {
  const std::optional<std::uint64_t> needed = bytes_reached(tensor);
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    Storage& shared = artifact_.storages[known->second];
    if (archive_.zip.members[*shared.member].size == 0) need(shared, needed);
    return known->second;
  }
  const std::optional<MemberId> id = find_member(archive_.zip, path);
  if (!id) {
    faults.add(ErrorCode::kStorageMissing, 0, "the record " + path + " is missing");
    return std::nullopt;
  }
  const Member& member = archive_.zip.members[*id];
  Storage storage;
  storage.key = path;
  storage.dtype = tensor.dtype;
  storage.location = tensor.device;
  storage.member = id;
  storage.big_endian = archive_.big_endian;
  storage.declared_bytes = member.size;
  storage.present = member.size > 0;
  if (const std::uint64_t item = item_size(tensor.dtype); item > 0 && member.size % item != 0) {
    faults.add_contradiction(ErrorCode::kRecordTooLong, member.data.offset,
                             "the record " + path + " has " + std::to_string(member.size) +
                                 " bytes, no multiple of its element type's " +
                                 std::to_string(item));
  }
  if (!storage.present) {
    need(storage, needed);
  } else if (member.data.offset <= archive_.file.size() &&
             member.data.length <= archive_.file.size() - member.data.offset) {
    storage.compressed = member.method != 0;
    storage.bytes =
        ByteView(archive_.file.data() + member.data.offset, member.data.length, member.data.offset);
  } else {
    storage.present = false;
  }
  artifact_.storages.push_back(std::move(storage));
  const StorageId made = static_cast<StorageId>(artifact_.storages.size() - 1);
  by_path_.emplace(path, made);
  return made;
}

// --- Objects of nested files --------------------------------------------------------------------

/// The tensor that an object is, under its name in the program. What is already a tensor of the
/// program, under another name, becomes one more that looks into the same storage, as in a config.
std::optional<TensorId> ExportedTensors::adopt(std::string_view name, ObjectId value,
                                               FaultList& faults) {
  const ObjectTree& objects = artifact_.objects;
  const auto* reference = objects.as<Object::TensorRef>(value);
  if (!reference) {
    if (objects.qualified_name(value) != kFakeTensor) return std::nullopt;
    return adopt_fake(name, value, faults);
  }
  Tensor& known = artifact_.tensors[reference->tensor];
  known.aliases.clear();
  if (known.role == TensorRole::kOther) {
    known.object_path = path_of(name);
    return reference->tensor;
  }
  if (artifact_.tensors.size() >= archive_.limits.tensors) return std::nullopt;
  Tensor copy = known;
  copy.object_path = path_of(name);
  artifact_.tensors.push_back(std::move(copy));
  return static_cast<TensorId>(artifact_.tensors.size() - 1);
}

std::optional<TensorId> ExportedTensors::adopt_fake(std::string_view name, ObjectId call,
                                                    FaultList& faults) {
  const ObjectTree& objects = artifact_.objects;
  const auto arguments = arguments_of(objects, objects.as<Object::Call>(call)->arguments);
  const auto* text = arguments.empty() ? nullptr : objects.as<Object::Bytes>(arguments[0]);
  if (!text) return std::nullopt;
  const ByteView bytes(reinterpret_cast<const std::uint8_t*>(text->data.data()), text->data.size(),
                       objects.at(call).where.offset);
  const Result<JsonDocument> meta = JsonDocument::parse(bytes, archive_.limits);
  std::optional<Tensor> tensor =
      meta ? described(name, meta->root(), faults) : std::optional<Tensor>();
  if (!tensor) return std::nullopt;
  tensor->is_parameter = arguments.size() > 1 && boolean_of(objects, arguments[1]).value_or(false);
  Storage storage;
  storage.key = std::string(name);
  storage.dtype = tensor->dtype;
  storage.location = tensor->device;
  need(storage, bytes_reached(*tensor));
  tensor->storage = static_cast<StorageId>(artifact_.storages.size());
  artifact_.storages.push_back(std::move(storage));
  artifact_.tensors.push_back(std::move(*tensor));
  return static_cast<TensorId>(artifact_.tensors.size() - 1);
}

}  // namespace torchvet
