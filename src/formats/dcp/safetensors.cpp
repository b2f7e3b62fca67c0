// A distributed checkpoint in safetensors files, as HuggingFaceStorageWriter writes it with
// `save_distributed=True`: each rank one file with its parts of all tensors, under their names, and
// in its `__metadata__` a text `DCP_SHARDING_INFO`, JSON that tells where each part begins:
//
//   {"0.weight": {"saved_offsets": [3, 0]}, ...}
//
// Nothing tells how large the whole tensors are: torch takes the furthest end of all parts. So a
// part that is missing at the end of each tensor is not seen, only one that leaves a hole.
#include "formats/dcp/safetensors.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/checked.h"
#include "formats/dcp/coverage.h"
#include "formats/dcp/pieces.h"
#include "formats/fault_list.h"
#include "formats/reader.h"
#include "formats/safetensors.h"
#include "json/document.h"
#include "model/model_state.h"

namespace torchvet {
namespace {

constexpr std::string_view kStart = "shard-", kEnd = ".safetensors";
constexpr std::string_view kSharding = "DCP_SHARDING_INFO", kOffsets = "saved_offsets";

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// Of a key that is there twice the library takes the last.
std::optional<std::string_view> sharding_of(const Artifact& file) {
  std::optional<std::string_view> text;
  for (const auto& [key, value] : file.metadata) {
    if (key == kSharding) text = value;
  }
  return text;
}

bool has_sharding(const Source& source) {
  Artifact header;
  (void)add_safetensors(source.bytes(), {}, header);
  return sharding_of(header).has_value();
}

/// A tensor that is being put together.
struct Whole {
  std::string name;
  DType dtype = DType::kUnknown;
  std::vector<std::int64_t> size;
  DcpChunks chunks;
  Storage storage;
  bool sound = true;
};

class Joiner {
 public:
  Joiner(Source& first, const Limits& limits, Artifact& artifact)
      : first_(first), limits_(limits), artifact_(artifact) {}

  void read();

 private:
  void read_file(const std::string& name);
  void add_parts(const std::string& file, MemberId member, const Artifact& parts);
  bool add_part(const Tensor& tensor, const Storage& storage, MemberId member,
                std::optional<Json> place);
  void finish();

  Source& first_;
  const Limits& limits_;
  Artifact& artifact_;
  std::vector<Whole> wholes_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

/// False when the part does not fit to its place or to the parts before it.
bool Joiner::add_part(const Tensor& tensor, const Storage& storage, MemberId member,
                      std::optional<Json> place) {
  const auto [known, added] = by_name_.emplace(tensor.object_path, wholes_.size());
  if (added) {
    Whole& made = wholes_.emplace_back();
    made.name = tensor.object_path;
    made.dtype = tensor.dtype;
    made.size.assign(tensor.shape.size(), 0);
    made.chunks = DcpChunks(tensor.shape.size());
    made.storage.key = tensor.object_path;
    made.storage.dtype = tensor.dtype;
    made.storage.location = "cpu";
    made.storage.member = member;
  }
  Whole& whole = wholes_[known->second];
  const auto offsets = json_array(json_field(place, kOffsets));
  if (whole.dtype != tensor.dtype || whole.size.size() != tensor.shape.size() || !offsets ||
      offsets->size() != tensor.shape.size()) {
    whole.sound = false;
    return false;
  }
  std::vector<std::int64_t> begin;
  for (const Json offset : *offsets) {
    const std::optional<std::int64_t> number = json_integer(offset);
    const std::int64_t length = tensor.shape[begin.size()];
    std::int64_t end = 0;
    if (!number || *number < 0 || __builtin_add_overflow(*number, length, &end)) {
      whole.sound = false;
      return false;
    }
    whole.size[begin.size()] = std::max(whole.size[begin.size()], end);
    begin.push_back(*number);
  }
  whole.chunks.add(begin, tensor.shape);
  whole.sound = whole.sound && storage.present;
  whole.storage.pieces.push_back({storage.bytes, std::move(begin), tensor.shape, tensor.strides});
  return true;
}

void Joiner::add_parts(const std::string& file, MemberId member, const Artifact& parts) {
  FaultList faults(artifact_, file);
  const std::optional<std::string_view> text = sharding_of(parts);
  const Result<JsonDocument> places = JsonDocument::parse(text.value_or(""), limits_);
  if (!places) {
    faults.add(ErrorCode::kDcpBadMetadata, 0,
               "DCP_SHARDING_INFO, which says where its tensors lie, cannot be read: " +
                   (text ? places.error().detail : std::string("it is not there")));
    return;
  }
  for (const Tensor& tensor : parts.tensors) {
    const std::optional<Json> place = json_field(places->root(), tensor.object_path);
    if (add_part(tensor, parts.storages[*tensor.storage], member, place)) continue;
    faults.add(ErrorCode::kDcpBadMetadata, 0,
               "the part of `" + tensor.object_path +
                   "` does not fit to its place in DCP_SHARDING_INFO, or to its other parts");
  }
}

void Joiner::read_file(const std::string& name) {
  const bool own = name == file_name(first_.path());
  std::shared_ptr<Source> file;
  if (!own) {
    const Result<std::shared_ptr<Source>> opened = first_.sibling(name);
    if (!opened) {
      artifact_.add_fault(name, opened.error());
      return;
    }
    file = *opened;
    artifact_.source.size += file->bytes().size();
  }
  const ByteView bytes = own ? first_.bytes() : file->bytes();
  Member& member = artifact_.members.emplace_back();
  member.name = name;
  member.size = bytes.size();
  Artifact parts;
  (void)add_safetensors(bytes, limits_, parts);
  for (const Fault& fault : parts.faults) artifact_.add_contradiction(name, fault.error);
  for (const Gap& gap : parts.gaps) artifact_.add_gap(name, gap.why);
  if (artifact_.tensors.size() + parts.tensors.size() > limits_.tensors) {
    artifact_.add_gap(name, "there are more tensors than the limit");
    return;
  }
  add_parts(name, static_cast<MemberId>(artifact_.members.size() - 1), parts);
}

void Joiner::finish() {
  for (Whole& whole : wholes_) {
    const auto problem = coverage_problem(whole.size, whole.chunks);
    if (problem) {
      artifact_.add_fault("", {ErrorCode::kChunkCoverage, 0, "`" + whole.name + "`: " + *problem});
    }
    Tensor tensor;
    tensor.object_path = std::move(whole.name);
    tensor.dtype = whole.dtype;
    tensor.shape = whole.size;
    tensor.strides = row_major_strides(whole.size);
    whole.storage.pieces_shape = std::move(whole.size);
    whole.storage.declared_bytes =
        checked_mul(tensor.element_count().value_or(UINT64_MAX), item_size(tensor.dtype))
            .value_or(UINT64_MAX);
    add_tensor_of_pieces(std::move(tensor), std::move(whole.storage), whole.sound && !problem,
                         artifact_);
  }
}

void Joiner::read() {
  std::vector<std::string> files = files_of_dcp_safetensors(first_);
  files.insert(files.begin(), std::string(file_name(first_.path())));
  for (const std::string& file : files) read_file(file);
  finish();
  describe_named_tensors(artifact_);
}

}  // namespace

bool is_dcp_safetensors_name(std::string_view file) {
  return file.size() > kStart.size() + kEnd.size() && file.starts_with(kStart) &&
         file.ends_with(kEnd);
}

std::vector<std::string> files_of_dcp_safetensors(const Source& source) {
  std::vector<std::string> files = source.sibling_names();
  std::erase_if(files, [&](const std::string& name) {
    return !is_dcp_safetensors_name(name) || name == file_name(source.path());
  });
  return files;
}

bool stands_for_dcp_safetensors(Source& source) {
  if (!is_dcp_safetensors_name(file_name(source.path()))) return false;
  const std::vector<std::string> others = files_of_dcp_safetensors(source);
  if (!others.empty() && others.front() < file_name(source.path())) return false;
  return has_sharding(source) ||
         std::any_of(others.begin(), others.end(), [&](const std::string& name) {
           const Result<std::shared_ptr<Source>> other = source.sibling(name);
           return other && has_sharding(**other);
         });
}

void read_dcp_safetensors(const std::shared_ptr<Source>& source, const ReadOptions& options,
                          Artifact& artifact) {
  Joiner(*source, options.limits, artifact).read();
}

}  // namespace torchvet
