// A state_dict in several files, as Hugging Face libraries write it: `model.safetensors.index.json`
// (or `pytorch_model.bin.index.json`) maps each name to the shard that holds it:
//
//   {"metadata": {"total_size": 32}, "weight_map": {"a": "model-00001-of-00002.safetensors", ...}}
//
// The shards lie beside the index. Each becomes a member of the artifact; together their tensors
// are one state_dict. What index and shards tell differently is a fault of the member.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "formats/detect.h"
#include "formats/fault_list.h"
#include "formats/nested_files.h"
#include "formats/pickle/torch_objects.h"
#include "formats/reader.h"
#include "formats/safetensors.h"
#include "formats/shard_names.h"
#include "json/document.h"

namespace torchvet {
namespace {

/// "`a`, `b`, `c` and 4 more".
std::string list_of(const std::vector<std::string_view>& names) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "`" : ", `") + std::string(names[i].substr(0, 200)) + "`";
  }
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

class ShardedReader {
 public:
  ShardedReader(Source& index, const Limits& limits, Artifact& artifact)
      : index_(index),
        limits_(limits),
        artifact_(artifact),
        faults_(artifact, ""),
        nested_(index.bytes(), no_zip_, limits, artifact) {}

  void read();

 private:
  using Names = std::vector<std::string_view>;

  void read_weight_map(simdjson::dom::object map);
  void read_shard(const std::string& file, const Names& names);
  void read_contents(const Source& shard, MemberId member);
  void compare_names(const std::string& file, const Names& mapped, TensorId first);
  void check_numbering();
  void check_total(std::optional<Json> metadata);

  Source& index_;
  const Limits& limits_;
  Artifact& artifact_;
  FaultList faults_;
  const ZipDirectory no_zip_;
  NestedFiles nested_;
  std::vector<std::pair<std::string, Names>> shards_;  ///< in the order of first mention
  std::unordered_set<std::string> found_;              ///< names in the shards so far
  std::uint64_t tensor_bytes_ = 0;
  bool whole_ = true;  ///< every shard could be read
};

void ShardedReader::read_weight_map(simdjson::dom::object map) {
  std::unordered_map<std::string_view, std::size_t> position;
  std::unordered_set<std::string_view> seen;
  for (const auto field : map) {
    const auto file = json_text(field.value);
    if (!file) {
      faults_.add(ErrorCode::kIndexDisagrees, 0,
                  "the index maps `" + std::string(field.key) + "` to no file name");
      continue;
    }
    if (!seen.insert(field.key).second) {
      artifact_.add_contradiction("", {ErrorCode::kJsonDuplicateKey, 0,
                                       "the index has `" + std::string(field.key) + "` twice"});
      continue;
    }
    const auto [at, added] = position.emplace(*file, shards_.size());
    if (added) shards_.emplace_back(std::string(*file), Names());
    shards_[at->second].second.push_back(field.key);
  }
}

void ShardedReader::read_contents(const Source& shard, MemberId member) {
  const Detected detected = detect(shard.bytes(), limits_);
  const std::string name = artifact_.members[member].name;
  switch (detected.format) {
    case Format::kSafetensors:
      (void)add_safetensors(shard.bytes(), limits_, artifact_, member);
      return;
    case Format::kTorchZip:
    case Format::kTorchLegacy: {
      const ObjectId root = nested_.load(shard.bytes(), member);
      if (root != kNoObject) name_tensors(artifact_, root, "", limits_);
      return;
    }
    default:
      break;
  }
  whole_ = false;
  if (shard.bytes().empty()) {
    artifact_.add_fault(name, {ErrorCode::kTruncated, 0, "the shard is empty"});
  } else if (name.ends_with(".safetensors") && detected.format == Format::kUnknown) {
    (void)add_safetensors(shard.bytes(), limits_, artifact_, member);
  } else {
    artifact_.add_fault(name,
                        {ErrorCode::kShardReplaced, 0,
                         "in the place of the shard is " +
                             (detected.looks_like.empty()
                                  ? "a file of the format " + std::string(name_of(detected.format))
                                  : detected.looks_like)});
  }
}

/// The names of a shard against those that the index maps to it.
void ShardedReader::compare_names(const std::string& file, const Names& mapped, TensorId first) {
  std::unordered_set<std::string_view> here;
  Names unknown, twice;
  const std::unordered_set<std::string_view> wanted(mapped.begin(), mapped.end());
  const auto take = [&](const std::string& name) {
    here.insert(name);
    if (!wanted.contains(name)) unknown.push_back(name);
    if (!found_.insert(name).second) twice.push_back(name);
  };
  for (TensorId id = first; id < artifact_.tensors.size(); ++id) {
    take(artifact_.tensors[id].object_path);
    for (const std::string& alias : artifact_.tensors[id].aliases) take(alias);
  }
  Names missing;
  std::copy_if(mapped.begin(), mapped.end(), std::back_inserter(missing),
               [&](std::string_view name) { return !here.contains(name); });
  const auto disagree = [&](const Names& names, const std::string& before, const char* after) {
    if (names.empty()) return;
    artifact_.add_contradiction(file,
                                {ErrorCode::kIndexDisagrees, 0, before + list_of(names) + after});
  };
  disagree(missing, "the index expects ", " in this shard, where they are not");
  disagree(unknown, "the shard holds ", ", which the index does not map to it");
  disagree(twice, "the shard holds ", ", which another shard holds too");
}

void ShardedReader::read_shard(const std::string& file, const Names& names) {
  const Result<std::shared_ptr<Source>> shard = index_.sibling(file);
  if (!shard) {
    whole_ = false;
    const bool unsafe = shard.error().code == ErrorCode::kUnsafePath;
    const std::string needs = std::to_string(names.size()) + " tensors should be in it: ";
    artifact_.add_fault(file, {unsafe ? ErrorCode::kUnsafePath : ErrorCode::kShardMissing, 0,
                               (unsafe ? shard.error().detail
                                       : "the shard is missing (" + shard.error().detail + ")") +
                                   "; " + needs + list_of(names)});
    return;
  }
  const ByteView bytes = (*shard)->bytes();
  artifact_.source.size += bytes.size();
  Member member;
  member.name = file;
  member.data = bytes.range();
  member.size = bytes.size();
  artifact_.members.push_back(std::move(member));
  const TensorId first = static_cast<TensorId>(artifact_.tensors.size());
  const std::size_t faults = artifact_.faults.size();
  read_contents(**shard, static_cast<MemberId>(artifact_.members.size() - 1));
  // Of a shard that cannot be read all names are missing: one fault says that better.
  if (artifact_.tensors.size() == first && artifact_.faults.size() > faults) {
    whole_ = false;
    return;
  }
  for (TensorId id = first; id < artifact_.tensors.size(); ++id) {
    const Tensor& tensor = artifact_.tensors[id];
    const auto size = checked_mul(tensor.element_count().value_or(0), item_size(tensor.dtype));
    tensor_bytes_ = checked_add(tensor_bytes_, size.value_or(0)).value_or(UINT64_MAX);
  }
  compare_names(file, names, first);
}

/// Shards that lie beside the others, by their numbers, and are in no entry of the index.
void ShardedReader::check_numbering() {
  std::set<std::string> mapped;
  std::map<std::pair<std::string, std::string>, std::uint64_t> counts;
  for (const auto& [file, names] : shards_) {
    mapped.insert(file);
    if (const auto name = shard_name(file)) {
      std::uint64_t& count = counts[{name->stem, name->ending}];
      count = std::max(count, name->count);
    }
  }
  for (const std::string& file : index_.sibling_names()) {
    const auto name = shard_name(file);
    if (!name || mapped.contains(file)) continue;
    const auto known = counts.find({name->stem, name->ending});
    if (known == counts.end()) continue;
    artifact_.add_contradiction(
        file,
        {ErrorCode::kIndexDisagrees, 0,
         name->count == known->second ? "the index maps no name to this shard"
                                      : "it is shard " + std::to_string(name->number) + " of " +
                                            std::to_string(name->count) + "; the index knows " +
                                            std::to_string(known->second) + " shards"});
  }
}

void ShardedReader::check_total(std::optional<Json> metadata) {
  const auto total = json_integer(json_field(metadata, "total_size"));
  if (!total || !whole_ || static_cast<std::uint64_t>(*total) == tensor_bytes_) return;
  artifact_.add_contradiction(
      "", {ErrorCode::kIndexTotal, 0,
           "the index says that the tensors have " + std::to_string(*total) + " bytes, they have " +
               std::to_string(tensor_bytes_)});
}

void ShardedReader::read() {
  const Result<JsonDocument> document = JsonDocument::parse(index_.bytes(), limits_);
  if (!document) {
    artifact_.add_fault("", document.error());
    return;
  }
  const auto map = json_object(json_field(document->root(), "weight_map"));
  if (!map) {
    faults_.add(ErrorCode::kIndexDisagrees, 0, "the index has no `weight_map`");
    return;
  }
  read_weight_map(*map);
  for (const auto& [file, names] : shards_) read_shard(file, names);
  check_numbering();
  check_total(json_field(document->root(), "metadata"));
  describe_named_tensors(artifact_);
}

}  // namespace

std::vector<std::string> shards_of_index(const Source& source, const Limits& limits) {
  std::set<std::string> files;
  const Result<JsonDocument> document = JsonDocument::parse(source.bytes(), limits);
  const auto map =
      document ? json_object(json_field(document->root(), "weight_map")) : std::nullopt;
  if (!map) return {};
  for (const auto field : *map) {
    if (const auto file = json_text(field.value)) files.emplace(*file);
  }
  return {files.begin(), files.end()};
}

void read_sharded_index(const std::shared_ptr<Source>& source, const ReadOptions& options,
                        Artifact& artifact) {
  ShardedReader(*source, options.limits, artifact).read();
}

}  // namespace torchvet
