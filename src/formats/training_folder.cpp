// A training checkpoint that is a folder. Trainer and Accelerate write each part of a run into a
// file of its own:
//
//   checkpoint-500/model.safetensors  optimizer.pt  scheduler.pt  rng_state.pth  trainer_state.json
//   state/model.safetensors  optimizer.bin  scheduler.bin  random_states_0.pkl
//
// and DeepSpeed one for each rank, whose folder the file `latest` beside it names:
//
//   global_step500/mp_rank_00_model_states.pt  zero_pp_rank_0_mp_rank_00_optim_states.pt  ...
//
// All of them become one artifact, as if they were one dict with the files' names as keys. A member
// of the artifact is a file, also one that is not read, or a folder, whose name ends in a slash:
// what is there and what is not tells whether a run can go on.
#include "formats/training_folder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "formats/deepspeed_ranks.h"
#include "formats/detect.h"
#include "formats/nested_files.h"
#include "formats/pickle/torch_objects.h"
#include "formats/reader.h"
#include "formats/safetensors.h"
#include "model/deepspeed.h"
#include "model/resume.h"

namespace torchvet {
namespace {

/// Names in a folder that are listed; a folder of a checkpoint has a few dozen.
constexpr std::size_t kMostFiles = 4096;

constexpr std::string_view kWeights[] = {
    "model.safetensors",         "model.safetensors.index.json",
    "pytorch_model.bin",         "pytorch_model.bin.index.json",
    "adapter_model.safetensors", "adapter_model.bin"};
constexpr std::string_view kArguments = "training_args.bin";

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// Accelerate numbers the models from the second on, and one optimizer may be for all of them: then
/// which belongs to which is not told, and each file is looked at by itself.
bool has_several_models(const std::vector<std::string>& files) {
  return std::any_of(files.begin(), files.end(), [](std::string_view file) {
    return file == "model_1.safetensors" || file == "pytorch_model_1.bin";
  });
}

std::optional<std::string> weights_of(const std::vector<std::string>& files) {
  for (const std::string_view name : kWeights) {
    if (std::find(files.begin(), files.end(), name) != files.end()) return std::string(name);
  }
  return std::nullopt;
}

std::vector<std::string> torch_parts(const std::vector<std::string>& files) {
  std::vector<std::string> parts;
  const bool several = has_several_models(files);
  for (const std::string& file : files) {
    const bool own = is_folder_part(file) || file == kArguments;
    if (!own || file.ends_with(".json") || (several && file.starts_with("optimizer"))) continue;
    parts.push_back(file);
  }
  return parts;
}

class FolderReader {
 public:
  FolderReader(Source& anchor, const ReadOptions& options, Artifact& artifact)
      : anchor_(anchor),
        options_(options),
        artifact_(artifact),
        nested_(anchor.bytes(), no_zip_, options.limits, artifact) {}

  void read();

 private:
  std::shared_ptr<Source> open(const std::string& file);
  MemberId add_member(const std::string& file, ByteView bytes);
  void read_weights(const std::string& file);
  void read_torch(const std::string& file);
  void list_others(const std::vector<std::string>& files);

  Source& anchor_;
  const ReadOptions& options_;
  Artifact& artifact_;
  const ZipDirectory no_zip_;
  NestedFiles nested_;
  Object::Dict parts_;       ///< what each file holds, by its name without the ending
  Object::Dict flat_parts_;  ///< the same of files that hold no parameters of the model
};

std::shared_ptr<Source> FolderReader::open(const std::string& file) {
  Result<std::shared_ptr<Source>> source = anchor_.sibling(file);
  if (source) return *source;
  artifact_.add_fault(file, source.error());
  return nullptr;
}

MemberId FolderReader::add_member(const std::string& file, ByteView bytes) {
  Member member;
  member.name = file;
  member.data = bytes.range();
  member.size = bytes.size();
  if (file != file_name(anchor_.path())) artifact_.source.size += bytes.size();
  artifact_.members.push_back(std::move(member));
  return static_cast<MemberId>(artifact_.members.size() - 1);
}

void FolderReader::read_weights(const std::string& file) {
  if (!file.ends_with(".safetensors") && !file.ends_with(".json")) return read_torch(file);
  const std::shared_ptr<Source> source = open(file);
  if (!source) return;
  const MemberId member = add_member(file, source->bytes());
  if (file.ends_with(".json")) {
    read_sharded_index(source, options_, artifact_);
    return;
  }
  (void)add_safetensors(source->bytes(), options_.limits, artifact_, member);
  describe_named_tensors(artifact_);
}

void FolderReader::read_torch(const std::string& file) {
  const std::shared_ptr<Source> source = open(file);
  if (!source) return;
  const ByteView bytes = source->bytes();
  const MemberId member = add_member(file, bytes);
  const Detected detected = detect(bytes, options_.limits);
  switch (detected.format) {
    case Format::kTorchZip:
    case Format::kTorchLegacy:
    case Format::kRawPickle:
      break;
    default:
      if (bytes.empty()) {
        artifact_.add_fault(file, {ErrorCode::kTruncated, 0, "the file is empty"});
      } else {
        artifact_.add_fault(
            file, {ErrorCode::kShardReplaced, 0,
                   "in its place is " + (detected.looks_like.empty() ? "a file of another format"
                                                                     : detected.looks_like)});
      }
      return;
  }
  const ObjectId root = nested_.load(bytes, member);
  if (root == kNoObject) return;
  const std::string key = file.substr(0, file.rfind('.'));
  name_tensors(artifact_, root, key, options_.limits);
  Object text;
  text.value = key;
  const ObjectId name = artifact_.objects.add(std::move(text));
  // What ZeRO keeps are flat parts of all parameters together, which no rule may compare with these.
  const std::optional<DeepspeedFile> deepspeed = deepspeed_file(file);
  const bool flat = deepspeed && deepspeed->rank && deepspeed->holds_optimizer;
  (flat ? flat_parts_ : parts_).items.emplace_back(name, root);
}

/// The other files, of which only the names say something.
void FolderReader::list_others(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    const bool listed = std::any_of(artifact_.members.begin(), artifact_.members.end(),
                                    [&](const Member& member) { return member.name == file; });
    if (listed || artifact_.members.size() >= kMostFiles) continue;
    const Result<std::shared_ptr<Source>> source = anchor_.sibling(file);
    add_member(file, source ? (*source)->bytes() : ByteView());
  }
  for (const std::string& folder : anchor_.sibling_folders()) {
    if (artifact_.members.size() < kMostFiles) add_member(folder + "/", ByteView());
  }
}

void FolderReader::read() {
  const std::vector<std::string> files = anchor_.sibling_names();
  const std::optional<std::string> weights = weights_of(files);
  if (weights && !has_several_models(files)) read_weights(*weights);
  for (const std::string& file : torch_parts(files)) read_torch(file);
  list_others(files);
  check_deepspeed_ranks(parts_.items, flat_parts_.items, artifact_);
  Object whole;
  whole.value = std::move(parts_);
  describe_objects(artifact_, artifact_.objects.add(std::move(whole)));
  artifact_.kind = Kind::kCheckpoint;
}

}  // namespace

bool is_training_folder(const Source& source) {
  const std::string_view name = file_name(source.path());
  return is_folder_part(name) && folder_anchor(source.sibling_names()) == name;
}

std::vector<std::string> parts_of_training_folder(const Source& source) {
  const std::vector<std::string> files = source.sibling_names();
  std::vector<std::string> parts = torch_parts(files);
  const std::optional<std::string> weights = weights_of(files);
  if (weights && !has_several_models(files)) parts.push_back(*weights);
  std::erase(parts, std::string(file_name(source.path())));
  return parts;
}

void read_training_folder(const std::shared_ptr<Source>& source, const ReadOptions& options,
                          Artifact& artifact) {
  FolderReader(*source, options, artifact).read();
}

}  // namespace torchvet
