// What a run needs to go on: the model, the optimizer with its moments, the schedule of the
// learning rate, the scale of half precision, the place in the run, and the random numbers. Who
// wrote the checkpoint tells where each is. A part counts as missing only where the file shows that
// there was one: a learning rate that a scheduler set, a switch for half precision.
#include "model/resume.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

#include "model/deepspeed.h"
#include "model/resume_objects.h"

namespace torchvet {
namespace {

constexpr std::size_t kNear = 2;  // depth at which an author keeps parts of a checkpoint

ObjectId root_of(const Artifact& artifact) {
  return artifact.pickles.empty() ? kNoObject : artifact.pickles.front().root;
}

bool has_key(const Artifact& artifact, std::string_view key) {
  return artifact.objects.get(root_of(artifact), key) != kNoObject;
}

/// A scheduler writes the rate that it started from into the groups of the optimizer.
bool scheduler_was_used(const Artifact& artifact) {
  return std::any_of(
      artifact.optimizers.begin(), artifact.optimizers.end(), [](const OptimizerState& optimizer) {
        return std::any_of(
            optimizer.groups.begin(), optimizer.groups.end(), [](const ParamGroup& group) {
              return std::any_of(group.numbers.begin(), group.numbers.end(),
                                 [](const auto& option) { return option.first == "initial_lr"; });
            });
      });
}
constexpr std::string_view kSchedulerProof =
    "the optimizer's groups have `initial_lr`, which a scheduler of the learning rate sets";

bool is_scheduler(const ObjectTree& tree, ObjectId id) {
  ObjectId holder = id;
  if (tree.get(holder, "last_epoch") == kNoObject) holder = tree.attributes(id);
  return tree.get(holder, "last_epoch") != kNoObject;
}

bool is_scaler(const ObjectTree& tree, ObjectId id) {
  const auto* pairs = tree.mapping(id);
  return pairs && (pairs->empty() || tree.get(id, "growth_factor") != kNoObject);
}

/// The switch that says that the run scaled its loss, as the author wrote it; "" when there is
/// none.
std::string half_precision(const Artifact& artifact, const std::vector<KeyedObject>& objects) {
  const ObjectTree& tree = artifact.objects;
  for (const auto& [key, value, depth] : objects) {
    const auto* flag = tree.as<bool>(value);
    const bool on =
        flag && *flag && (key == "fp16" || key == "use_fp16" || key == "amp" || key == "use_amp");
    const auto text = tree.text(value);
    const bool named = text && (key == "mixed_precision" || key == "precision") &&
                       (*text == "fp16" || *text == "16" || *text == "16-mixed");
    const bool sixteen = key == "precision" && tree.integer(value) == 16;
    if (on || named || sixteen) {
      return "`" + std::string(key) + "` is " + tree.render(value, 20);
    }
  }
  return "";
}

/// A number that counts how far the run came, and not how far it should go.
bool is_progress(const ObjectTree& tree, const KeyedObject& object) {
  if (!tree.number(object.value) && !tree.as<Object::TensorRef>(object.value)) return false;
  constexpr std::array<std::string_view, 6> kExact = {"epoch",     "step", "global_step",
                                                      "iteration", "iter", "current_epoch"};
  if (object.depth > 0) {
    return std::find(kExact.begin(), kExact.end(), object.key) != kExact.end();
  }
  return has_word(object.key, {"epoch", "epochs", "step", "steps", "iter", "iters", "iteration",
                               "iterations", "batches", "nimg"}) &&
         !has_word(object.key, {"max", "num", "total", "per", "size"});
}

void need_random_states(const RandomStates& has, bool on_accelerator, ResumeParts& parts) {
  const auto miss = [&](const char* what, const char* proof) {
    parts.missing.push_back({what, proof, false});
  };
  if (!has.torch) miss("the state of torch's random numbers (torch.get_rng_state())", "");
  if (!has.cuda && has.torch && on_accelerator) {
    miss("the state of the random numbers of CUDA (torch.cuda.get_rng_state_all())",
         "tensors of the file lie on CUDA");
  }
  // Who keeps one of these draws numbers outside torch, and augmentation uses both.
  if (!has.python && has.numpy) {
    miss("the state of Python's random numbers (random.getstate())", "that of numpy is there");
  }
  if (!has.numpy && has.python) {
    miss("the state of numpy's random numbers (numpy.random.get_state())",
         "that of Python is there");
  }
}

bool lies_on_cuda(const Artifact& artifact) {
  return std::any_of(artifact.storages.begin(), artifact.storages.end(),
                     [](const Storage& storage) { return storage.location.starts_with("cuda"); });
}

ResumeParts plain_parts(const Artifact& artifact) {
  ResumeParts parts;
  parts.profile = ResumeProfile::kPlain;
  parts.has_optimizer = !artifact.optimizers.empty();
  const ObjectTree& tree = artifact.objects;
  const std::vector<KeyedObject> objects = keyed_objects(artifact, kNear);
  const auto any = [&](const auto& is) { return std::any_of(objects.begin(), objects.end(), is); };
  const bool training = artifact.kind == Kind::kCheckpoint;
  if (artifact.state_dicts.empty() && artifact.modules.empty()) {
    parts.missing.push_back({"the parameters of the model", "", false});
  }
  if (!parts.has_optimizer) {
    parts.missing.push_back(
        {"the state of the optimizer", training ? "" : "the file holds only a model", false});
  }
  const bool scheduler = any([&](const KeyedObject& object) {
    return is_scheduler(tree, object.value) ||
           (has_word(object.key, {"scheduler", "schedulers", "sched", "schedule"}) &&
            tree.mapping(object.value));
  });
  if (!scheduler && scheduler_was_used(artifact)) {
    parts.missing.push_back(
        {"the state of the learning rate scheduler", std::string(kSchedulerProof), true});
  }
  const std::string half = half_precision(artifact, objects);
  const bool scaler = any([&](const KeyedObject& object) {
    return has_word(object.key, {"scaler", "scalers", "amp"}) && is_scaler(tree, object.value);
  });
  if (!scaler && !half.empty()) {
    parts.missing.push_back({"the state of the gradient scaler", half, true});
  }
  // Most optimizers count steps too, so that it is missed only by who asks.
  if (!any([&](const KeyedObject& object) { return is_progress(tree, object); })) {
    parts.missing.push_back({"a count of how far the run came",
                             "there is no count under `epoch`, `global_step`, `iteration` or the "
                             "like",
                             false});
  }
  if (training) need_random_states(random_states(artifact), lies_on_cuda(artifact), parts);
  return parts;
}

// ---- Lightning ---------------------------------------------------------------------------------

struct LightningKey {
  std::string_view key;
  std::string_view what;
};
constexpr std::string_view kLightningVersion = "pytorch-lightning_version";
constexpr std::array<LightningKey, 8> kLightningKeys = {{
    {"state_dict", "the parameters of the model"},
    {"optimizer_states", "the states of the optimizers"},
    {"lr_schedulers", "the states of the learning rate schedulers"},
    {"loops", "the state of the loops, with the place in the epoch"},
    {"callbacks", "the states of the callbacks"},
    {"epoch", "the epoch"},
    {"global_step", "the step"},
    {kLightningVersion,
     "the version of Lightning, by which old checkpoints are brought up to date"},
}};

bool is_lightning(const Artifact& artifact) {
  if (has_key(artifact, kLightningVersion)) return true;
  const std::array<std::string_view, 4> own = {"loops", "callbacks", "optimizer_states",
                                               "lr_schedulers"};
  return std::count_if(own.begin(), own.end(),
                       [&](std::string_view key) { return has_key(artifact, key); }) >= 3;
}

ResumeParts lightning_parts(const Artifact& artifact) {
  ResumeParts parts;
  parts.profile = ResumeProfile::kLightning;
  parts.has_optimizer = !artifact.optimizers.empty();
  const ObjectTree& tree = artifact.objects;
  for (const auto& [key, what] : kLightningKeys) {
    if (has_key(artifact, key)) continue;
    parts.missing.push_back(
        {std::string(what), "there is no key `" + std::string(key) + "`", true});
  }
  const ObjectId schedulers = tree.get(root_of(artifact), "lr_schedulers");
  if (const auto* list = tree.sequence(schedulers);
      list && list->empty() && scheduler_was_used(artifact)) {
    parts.missing.push_back(
        {"the states of the learning rate schedulers", std::string(kSchedulerProof), true});
  }
  const std::string half = half_precision(artifact, keyed_objects(artifact, kNear));
  if (!half.empty() && !has_key(artifact, "MixedPrecision")) {
    parts.missing.push_back({"the state of the gradient scaler", half, false});
  }
  return parts;
}

// ---- folders -----------------------------------------------------------------------------------

class Files {
 public:
  explicit Files(const Artifact& artifact) {
    for (const Member& member : artifact.members) names_.insert(member.name);
  }
  [[nodiscard]] bool has(std::initializer_list<std::string_view> names) const {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return names_.contains(name); });
  }
  /// Files of the folder itself, and folders in it, whose names end in a slash.
  [[nodiscard]] bool any_starts_with(std::string_view start) const {
    return std::any_of(names_.begin(), names_.end(), [&](std::string_view name) {
      return name.starts_with(start) && name.find('/') >= name.size() - 1;
    });
  }
  [[nodiscard]] bool has_weights() const {
    return std::any_of(names_.begin(), names_.end(), [&](std::string_view name) {
      const bool start = name.starts_with("model") || name.starts_with("pytorch_model") ||
                         name.starts_with("adapter_model");
      return start && (name.ends_with(".safetensors") || name.ends_with(".bin") ||
                       name.ends_with(".index.json") || name.find('/') == name.size() - 1);
    });
  }
  [[nodiscard]] bool has_ranks() const {
    return has({"rng_state.pth"}) || any_starts_with("rng_state_");
  }

 private:
  std::unordered_set<std::string_view> names_;
};

bool is_deepspeed(const Artifact& artifact) {
  return std::any_of(artifact.members.begin(), artifact.members.end(),
                     [](const Member& member) { return deepspeed_file(member.name).has_value(); });
}

/// Files of which each rank wrote its own, or one for all: then the model's file holds what the
/// optimizer keeps. The schedule is in the model's file as well; it may have had none.
ResumeParts deepspeed_parts(const Artifact& artifact) {
  ResumeParts parts;
  parts.profile = ResumeProfile::kDeepspeed;
  bool model = false;
  for (const Member& member : artifact.members) {
    const std::optional<DeepspeedFile> file = deepspeed_file(member.name);
    if (!file) continue;
    parts.has_optimizer = parts.has_optimizer || file->holds_optimizer;
    model = model || !file->holds_optimizer;
  }
  parts.has_optimizer = parts.has_optimizer || !artifact.optimizers.empty();
  if (!model) {
    parts.missing.push_back(
        {"the parameters of the model", "there is no file `*_model_states.pt`", true});
  }
  if (!parts.has_optimizer) {
    parts.missing.push_back(
        {"the state of the optimizer", "there is no file `*_optim_states.pt`", true});
  }
  return parts;
}

/// Whose folder it is: the two call the same parts differently.
ResumeProfile profile_of(const Files& files) {
  const bool trainer =
      files.has({"trainer_state.json", "training_args.bin", "optimizer.pt"}) || files.has_ranks();
  return trainer ? ResumeProfile::kTrainer : ResumeProfile::kAccelerate;
}

ResumeParts folder_parts(const Artifact& artifact) {
  if (is_deepspeed(artifact)) return deepspeed_parts(artifact);
  const Files files(artifact);
  ResumeParts parts;
  parts.profile = profile_of(files);
  const bool trainer = parts.profile == ResumeProfile::kTrainer;
  // DeepSpeed keeps model, optimizer and schedule in a folder of its own, named in `latest`.
  const bool deepspeed = files.has({"latest"});
  const auto miss = [&](const char* what, std::string proof) {
    parts.missing.push_back({what, std::move(proof), true});
  };
  const auto no_file = [](const char* name) {
    return "there is no file `" + std::string(name) + "`";
  };
  if (!deepspeed && !files.has_weights()) {
    miss("the parameters of the model", no_file("model.safetensors"));
  }
  parts.has_optimizer = deepspeed || files.has({"optimizer.pt", "optimizer.bin"}) ||
                        files.any_starts_with("optimizer_");
  if (!parts.has_optimizer) {
    miss("the state of the optimizer", no_file(trainer ? "optimizer.pt" : "optimizer.bin"));
  }
  const bool scheduler = deepspeed || files.has({"scheduler.pt", "scheduler.bin"});
  if (!scheduler && (trainer || scheduler_was_used(artifact))) {
    miss("the state of the learning rate scheduler",
         trainer ? no_file("scheduler.pt") : std::string(kSchedulerProof));
  }
  if (trainer && !files.has_ranks()) {
    miss("the states of the random numbers", no_file("rng_state.pth"));
  }
  if (!trainer && !files.any_starts_with("random_states_")) {
    miss("the states of the random numbers", no_file("random_states_0.pkl"));
  }
  const std::string half = half_precision(artifact, keyed_objects(artifact, kNear));
  if (!half.empty() && !deepspeed && !files.has({"scaler.pt"})) {
    miss("the state of the gradient scaler", half + ", and " + no_file("scaler.pt"));
  }
  if (trainer && !files.has({"trainer_state.json"})) {
    miss("a count of how far the run came", no_file("trainer_state.json"));
  }
  return parts;
}

/// torch.distributed.checkpoint writes the parts, then the metadata under another name, which it
/// changes at last.
std::string without_metadata(const Artifact& artifact) {
  const auto any = [&](std::string_view ending) {
    return std::any_of(artifact.members.begin(), artifact.members.end(),
                       [&](const Member& member) { return member.name.ends_with(ending); });
  };
  if (any(".metadata")) return "";
  return any(".metadata.tmp")
             ? "there is a `.metadata.tmp` and no `.metadata`, which it becomes when all is written"
             : "there is no `.metadata`, which is written after the other files (and which a copy "
               "of "
               "`*` leaves out)";
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Whether a name is `start`, digits, `end`.
bool is_numbered(std::string_view name, std::string_view start, std::string_view end) {
  return name.size() > start.size() + end.size() && name.starts_with(start) &&
         name.ends_with(end) &&
         is_digits(name.substr(start.size(), name.size() - start.size() - end.size()));
}

/// The first file of a model, else the first of an optimizer.
std::string first_of_deepspeed(const std::vector<std::string>& files) {
  std::string model, optimizer;
  for (const std::string& name : files) {
    const std::optional<DeepspeedFile> file = deepspeed_file(name);
    if (!file) continue;
    std::string& first = file->holds_optimizer ? optimizer : model;
    if (first.empty() || name < first) first = name;
  }
  return model.empty() ? optimizer : model;
}

constexpr std::array<std::string_view, 4> kTrainerParts = {"optimizer.pt", "scheduler.pt",
                                                           "scaler.pt", "rng_state.pth"};
constexpr std::array<std::string_view, 3> kAccelerateParts = {"optimizer.bin", "scheduler.bin",
                                                              "sampler.bin"};

}  // namespace

std::string_view name_of(ResumeProfile profile) {
  switch (profile) {
    case ResumeProfile::kNone:
      return "none";
    case ResumeProfile::kPlain:
      return "a checkpoint";
    case ResumeProfile::kLightning:
      return "a checkpoint of Lightning";
    case ResumeProfile::kTrainer:
      return "a checkpoint of the Trainer of transformers";
    case ResumeProfile::kAccelerate:
      return "a checkpoint of Accelerate";
    case ResumeProfile::kDeepspeed:
      return "a checkpoint of DeepSpeed";
  }
  return "none";
}

ResumeParts resume_parts(const Artifact& artifact) {
  if (artifact.format == Format::kTrainingFolder) return folder_parts(artifact);
  switch (artifact.kind) {
    case Kind::kTorchScript:
    case Kind::kExportedProgram:
    case Kind::kPickledModule:
    case Kind::kStateDict:
      return is_lightning(artifact) ? lightning_parts(artifact) : plain_parts(artifact);
    case Kind::kCheckpoint: {
      // The state of an optimizer alone is a part that lies beside the others.
      const bool part = std::any_of(
          artifact.optimizers.begin(), artifact.optimizers.end(),
          [&](const OptimizerState& optimizer) { return optimizer.object == root_of(artifact); });
      if (part) return {};
      return is_lightning(artifact) ? lightning_parts(artifact) : plain_parts(artifact);
    }
    default:
      return is_lightning(artifact) ? lightning_parts(artifact) : ResumeParts{};
  }
}

std::string unfinished_save(const Artifact& artifact) {
  if (artifact.format == Format::kDcpParts) return without_metadata(artifact);
  // DeepSpeed writes `latest` last, beside the folder; that one is missing after a copy proves
  // nothing.
  if (artifact.format != Format::kTrainingFolder || is_deepspeed(artifact)) return "";
  const Files files(artifact);
  if (profile_of(files) == ResumeProfile::kTrainer) {
    return files.has({"trainer_state.json"})
               ? ""
               : "there is no `trainer_state.json`, which Trainer writes after the other files";
  }
  return files.any_starts_with("random_states_")
             ? ""
             : "there is no `random_states_0.pkl`, which Accelerate writes after the other files";
}

bool is_folder_part(std::string_view file) {
  const auto among = [&](const auto& names) {
    return std::find(names.begin(), names.end(), file) != names.end();
  };
  return file == "trainer_state.json" || among(kTrainerParts) || among(kAccelerateParts) ||
         is_numbered(file, "rng_state_", ".pth") || is_numbered(file, "random_states_", ".pkl") ||
         is_numbered(file, "optimizer_", ".bin") || is_numbered(file, "scheduler_", ".bin") ||
         is_numbered(file, "sampler_", ".bin") || deepspeed_file(file);
}

std::string folder_anchor(const std::vector<std::string>& files) {
  const auto has = [&](std::string_view name) {
    return std::find(files.begin(), files.end(), name) != files.end();
  };
  const auto first_numbered = [&](std::string_view start, std::string_view end) -> std::string {
    std::string first;
    for (const std::string& file : files) {
      const bool shorter =
          file.size() < first.size() || (file.size() == first.size() && file < first);
      if (is_numbered(file, start, end) && (first.empty() || shorter)) first = file;
    }
    return first;
  };
  if (std::string first = first_of_deepspeed(files); !first.empty()) return first;
  const std::string rank = first_numbered("rng_state_", ".pth");
  std::string state = has("rng_state.pth") ? "rng_state.pth" : rank;
  std::size_t parts = state.empty() ? 0 : 1;
  for (const std::string_view part : {"scheduler.pt", "optimizer.pt"}) {
    if (!has(part)) continue;
    ++parts;
    if (state.empty()) state = part;
  }
  if (parts > 0 && has("trainer_state.json")) return "trainer_state.json";
  // Others call files so too; two of Trainer's parts beside its arguments are its own.
  if (parts > 1 && has("training_args.bin")) return state;
  const std::string states = first_numbered("random_states_", ".pkl");
  const auto own = static_cast<std::size_t>(
      std::count_if(kAccelerateParts.begin(), kAccelerateParts.end(), has));
  const bool weights =
      has("model.safetensors") || has("pytorch_model.bin") || has("model.safetensors.index.json");
  if (!states.empty() && own + (weights ? 1 : 0) > 0) return states;
  if (own > 1 && weights && !has("trainer_state.json")) {
    return has("optimizer.bin") ? "optimizer.bin" : std::string("scheduler.bin");
  }
  return "";
}

}  // namespace torchvet
