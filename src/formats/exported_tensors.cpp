#include "formats/exported_tensors.h"

#include <algorithm>
#include <utility>

#include "core/checked.h"

namespace torchvet {
namespace {

constexpr std::int64_t kStrided = 7;  // of torch's schema
constexpr std::size_t kMostDimensions = 64;

/// An empty record holds a tensor without elements, or shapes without numbers, saved under a fake
/// tensor mode: then the storage counts as large as what its tensors need.
void need(Storage& storage, std::optional<std::uint64_t> bytes) {
  storage.declared_bytes = std::max(storage.declared_bytes, bytes.value_or(0));
  storage.present = bytes == 0u && storage.declared_bytes == 0;
}

}  // namespace

void ExportedTensors::read_weights(Json config, const std::string& member,
                                   std::vector<MemberId>& pickles) {
  FaultList faults(artifact_, member);
  const auto entries = json_object(json_field(config, "config"));
  if (!entries) return faults.add(ErrorCode::kExportedBadProgram, 0, "there is no `config` in it");
  for (const auto field : *entries) {
    const auto id = read({field.key, field.value, "data/weights/"}, faults, pickles);
    if (!id) continue;
    Tensor& tensor = artifact_.tensors[*id];
    tensor.is_parameter = json_bool(json_field(field.value, "is_param")).value_or(false);
    tensor.role = tensor.is_parameter ? TensorRole::kParameter : TensorRole::kBuffer;
  }
}

void ExportedTensors::read_constants(Json config, const std::string& member,
                                     const ExportedSignature& signature,
                                     std::vector<MemberId>& pickles) {
  FaultList faults(artifact_, member);
  const auto entries = json_object(json_field(config, "config"));
  if (!entries) return faults.add(ErrorCode::kExportedBadProgram, 0, "there is no `config` in it");
  for (const auto field : *entries) {
    const auto id = read({field.key, field.value, "data/constants/"}, faults, pickles);
    if (!id) continue;
    Tensor& tensor = artifact_.tensors[*id];
    if (signature.buffers.contains(tensor.object_path)) {
      tensor.role = TensorRole::kBuffer;
      continue;
    }
    tensor.role = TensorRole::kConstant;
    constants_.emplace(tensor.object_path,
                       static_cast<std::uint32_t>(artifact_.graph_constants.size()));
    artifact_.graph_constants.push_back(*id);
  }
}

std::optional<TensorId> ExportedTensors::read(const Entry& entry, FaultList& faults,
                                              std::vector<MemberId>& pickles) {
  const auto path = json_text(json_field(entry.value, "path_name"));
  if (!path) {
    faults.add(ErrorCode::kExportedBadProgram, 0,
               "`" + std::string(entry.name) + "` has no path_name");
    return std::nullopt;
  }
  const std::string record = entry.folder + std::string(*path);
  if (json_bool(json_field(entry.value, "use_pickle")).value_or(false)) {
    if (const auto id = find_member(zip_, record)) pickles.push_back(*id);
  }
  const auto meta = json_field(entry.value, "tensor_meta");
  if (!json_object(meta)) return std::nullopt;  // an object, whose record is a pickle
  Tensor tensor;
  tensor.object_path = std::string(entry.name);
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
  if (json_integer(json_field(meta, "layout")).value_or(kStrided) == kStrided) {
    tensor.storage = storage_of(record, tensor.dtype, tensor.device, tensor, faults);
  } else {
    tensor.layout = Layout::kSparse;
  }
  artifact_.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(artifact_.tensors.size() - 1);
}

std::optional<StorageId> ExportedTensors::storage_of(const std::string& path, DType dtype,
                                                     std::string device, const Tensor& tensor,
                                                     FaultList& faults) {
  const auto reached = tensor.elements_reached();
  const std::optional<std::uint64_t> needed =
      reached ? checked_mul(*reached, item_size(dtype)) : std::nullopt;
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    Storage& shared = artifact_.storages[known->second];
    if (zip_.members[*shared.member].size == 0) need(shared, needed);
    return known->second;
  }
  const std::optional<MemberId> id = find_member(zip_, path);
  if (!id) {
    faults.add(ErrorCode::kStorageMissing, 0, "the record " + path + " is missing");
    return std::nullopt;
  }
  const Member& member = zip_.members[*id];
  Storage storage;
  storage.key = path;
  storage.dtype = dtype;
  storage.location = std::move(device);
  storage.member = id;
  storage.big_endian = big_endian_;
  storage.declared_bytes = member.size;
  storage.present = member.size > 0;
  if (!storage.present) {
    need(storage, needed);
  } else if (member.data.offset <= file_.size() &&
             member.data.length <= file_.size() - member.data.offset) {
    storage.compressed = member.method != 0;
    storage.bytes =
        ByteView(file_.data() + member.data.offset, member.data.length, member.data.offset);
  } else {
    storage.present = false;
  }
  artifact_.storages.push_back(std::move(storage));
  const StorageId made = static_cast<StorageId>(artifact_.storages.size() - 1);
  by_path_.emplace(path, made);
  return made;
}

}  // namespace torchvet
