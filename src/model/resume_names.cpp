// Names that are nearly right. A loader looks a key up by its name; with a letter lost it finds
// nothing, and many go on without that part.
#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "model/resume.h"
#include "model/resume_objects.h"

namespace torchvet {
namespace {

/// What stands under a key.
enum class Holds : std::uint8_t { kTensors, kDict, kList, kDictOrList, kNumber, kText, kAnything };

struct Known {
  std::string_view key;
  Holds holds;
};
/// Keys by which training loops, and those of Lightning, find the parts of a checkpoint.
constexpr std::array<Known, 33> kKnownKeys = {{
    {"model", Holds::kTensors},
    {"model_state", Holds::kTensors},
    {"model_state_dict", Holds::kTensors},
    {"state_dict", Holds::kTensors},
    {"optimizer", Holds::kDictOrList},
    {"optimizer_state", Holds::kDictOrList},
    {"optimizer_state_dict", Holds::kDictOrList},
    {"optimizer_states", Holds::kList},
    {"param_groups", Holds::kList},
    {"scheduler", Holds::kDictOrList},
    {"scheduler_state", Holds::kDictOrList},
    {"scheduler_state_dict", Holds::kDictOrList},
    {"lr_scheduler", Holds::kDictOrList},
    {"lr_scheduler_state_dict", Holds::kDictOrList},
    {"lr_schedulers", Holds::kList},
    {"scaler", Holds::kDict},
    {"grad_scaler", Holds::kDict},
    {"scaler_state_dict", Holds::kDict},
    {"epoch", Holds::kNumber},
    {"global_step", Holds::kNumber},
    {"iteration", Holds::kNumber},
    {"rng_state", Holds::kAnything},
    {"rng_states", Holds::kAnything},
    {"torch_rng_state", Holds::kAnything},
    {"cuda_rng_state", Holds::kAnything},
    {"numpy_rng_state", Holds::kAnything},
    {"python_rng_state", Holds::kAnything},
    {"random_state", Holds::kAnything},
    {"loops", Holds::kDict},
    {"callbacks", Holds::kDict},
    {"hyper_parameters", Holds::kAnything},
    {"hparams_name", Holds::kText},
    {"pytorch-lightning_version", Holds::kText},
}};

constexpr std::array<std::string_view, 14> kKnownFiles = {"model.safetensors",
                                                          "pytorch_model.bin",
                                                          "model.safetensors.index.json",
                                                          "optimizer.pt",
                                                          "scheduler.pt",
                                                          "scaler.pt",
                                                          "rng_state.pth",
                                                          "trainer_state.json",
                                                          "training_args.bin",
                                                          "optimizer.bin",
                                                          "scheduler.bin",
                                                          "sampler.bin",
                                                          "random_states_0.pkl",
                                                          "adapter_model.safetensors"};

/// Words of their own, or names that loops of other authors use.
constexpr std::array<std::string_view, 8> kOtherWords = {
    "modal", "scale", "scaled", "scales", "scalar", "schedule", "rng_stats", "loop"};

constexpr std::size_t kMostKeyLength = 64;

/// Whether a character may be the letter in question: a slip changes letters, a name of an own kind
/// has other digits, signs or capitals.
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

/// The place where a letter must go to make `shorter` of `longer`; npos when there is none.
std::size_t extra_letter(std::string_view shorter, std::string_view longer) {
  const auto at = static_cast<std::size_t>(
      std::mismatch(shorter.begin(), shorter.end(), longer.begin()).first - shorter.begin());
  return shorter.substr(at) == longer.substr(at + 1) ? at : std::string_view::npos;
}

bool ends_word(std::string_view text, std::size_t at) {
  return at + 1 == text.size() || !is_letter(text[at + 1]);
}

bool one_letter_apart(std::string_view found, std::string_view meant) {
  if (found.size() + 1 == meant.size()) {
    const std::size_t at = extra_letter(found, meant);
    if (at == std::string_view::npos || !is_letter(meant[at])) return false;
    return meant[at] != 's' || !ends_word(meant, at);  // a singular
  }
  if (found.size() == meant.size() + 1) {
    const std::size_t at = extra_letter(meant, found);
    if (at == std::string_view::npos || !is_letter(found[at])) return false;
    // A letter before or after a word makes another name: `doptimizer`, `models`, `optimizer_b`.
    const bool begins_word = at == 0 || !is_letter(found[at - 1]);
    const bool doubled = at > 0 && found[at - 1] == found[at];
    return !begins_word && (doubled || !ends_word(found, at));
  }
  if (found.size() != meant.size()) return false;
  const auto [a, b] = std::mismatch(found.begin(), found.end(), meant.begin());
  if (a == found.end()) return false;
  const auto at = static_cast<std::size_t>(a - found.begin());
  if (!is_letter(*a) || !is_letter(*b)) return false;
  if ((*a == 's' && *b == 'z') || (*a == 'z' && *b == 's')) return false;  // optimiser
  if (found.substr(at + 1) == meant.substr(at + 1)) return true;
  return at + 1 < found.size() && *a == meant[at + 1] && *b == found[at + 1] &&
         found.substr(at + 2) == meant.substr(at + 2);
}

bool holds(const Artifact& artifact, ObjectId value, Holds what) {
  const ObjectTree& tree = artifact.objects;
  const bool dict = tree.mapping(value) != nullptr;
  const bool list = tree.sequence(value) != nullptr;
  switch (what) {
    case Holds::kTensors:
      return std::any_of(artifact.state_dicts.begin(), artifact.state_dicts.end(),
                         [&](const StateDict& state) { return state.object == value; });
    case Holds::kDict:
      return dict;
    case Holds::kList:
      return list;
    case Holds::kDictOrList:
      return dict || list;
    case Holds::kNumber:
      return tree.number(value) || tree.as<Object::TensorRef>(value);
    case Holds::kText:
      return tree.text(value).has_value();
    case Holds::kAnything:
      return true;
  }
  return false;
}

void look_at_dict(const Artifact& artifact, ObjectId dict, const std::string& place,
                  std::vector<NearMiss>& found) {
  const auto* pairs = artifact.objects.mapping(dict);
  if (!pairs) return;
  std::unordered_set<std::string_view> keys;
  for (const auto& [key, value] : *pairs) keys.insert(artifact.objects.text(key).value_or(""));
  for (const auto& [key, value] : *pairs) {
    const std::string_view name = artifact.objects.text(key).value_or("");
    if (name.size() < 4 || name.size() > kMostKeyLength) continue;
    const bool right = std::any_of(kKnownKeys.begin(), kKnownKeys.end(),
                                   [&](const Known& known) { return known.key == name; });
    if (right || std::find(kOtherWords.begin(), kOtherWords.end(), name) != kOtherWords.end()) {
      continue;
    }
    for (const Known& known : kKnownKeys) {
      if (keys.contains(known.key) || !one_letter_apart(name, known.key) ||
          !holds(artifact, value, known.holds)) {
        continue;
      }
      found.push_back({place, std::string(name), std::string(known.key), false});
      break;
    }
  }
}

/// The two keys of an optimizer's state_dict, one of them misspelled: no optimizer is known then.
void look_at_optimizers(const Artifact& artifact, std::vector<NearMiss>& found) {
  const ObjectTree& tree = artifact.objects;
  for (const KeyedObject& object : keyed_objects(artifact, 1)) {
    const bool state = tree.get(object.value, "state") != kNoObject;
    const bool groups = tree.get(object.value, "param_groups") != kNoObject;
    const auto* pairs = tree.mapping(object.value);
    if (!pairs || state == groups) continue;
    const std::string_view meant = state ? "param_groups" : "state";
    for (const auto& [key, value] : *pairs) {
      const std::string_view name = tree.text(key).value_or("");
      const bool kind = state ? tree.sequence(value) != nullptr : tree.mapping(value) != nullptr;
      if (kind && (one_letter_apart(name, meant) || std::string(name) + "s" == meant)) {
        found.push_back({std::string(object.key), std::string(name), std::string(meant), false});
      }
    }
  }
}

void look_at_files(const Artifact& artifact, std::vector<NearMiss>& found) {
  std::unordered_set<std::string_view> files;
  for (const Member& member : artifact.members) files.insert(member.name);
  for (const Member& member : artifact.members) {
    if (member.name.size() > kMostKeyLength) continue;
    for (const std::string_view known : kKnownFiles) {
      if (files.contains(known) || !one_letter_apart(member.name, known)) continue;
      found.push_back({"", member.name, std::string(known), true});
      break;
    }
  }
}

// ---- ranks -------------------------------------------------------------------------------------

/// "rng_state_3.pth" is 3 of "rng_state_" and ".pth".
struct Numbered {
  std::string start, end;
  std::uint64_t number = 0;
};

std::optional<Numbered> numbered(std::string_view name) {
  const std::size_t last = name.find_last_of("0123456789");
  if (last == std::string_view::npos) return std::nullopt;
  std::size_t first = last;
  while (first > 0 && std::isdigit(static_cast<unsigned char>(name[first - 1])) != 0) --first;
  if (last - first >= 5) return std::nullopt;
  return Numbered{std::string(name.substr(0, first)), std::string(name.substr(last + 1)),
                  std::stoull(std::string(name.substr(first, last - first + 1)))};
}

class Ranks {
 public:
  /// A name that holds one rank's state; others are passed over.
  void take(std::string_view name) {
    const auto parts = numbered(name);
    if (parts) families_[{parts->start, parts->end}].insert(parts->number);
  }

  /// `count`: how many ranks there were, when something tells; else only a gap between two ranks
  /// counts, because each machine may have saved its own.
  void report(const std::optional<std::uint64_t>& count, const std::string& proof,
              std::vector<MissingRanks>& found) const {
    for (const auto& [name, present] : families_) {
      const bool known = count && *count > *present.rbegin();
      if (present.size() < 2 || found.size() == kMostFamilies) continue;
      const std::uint64_t ranks = known ? *count : *present.rbegin() + 1;
      MissingRanks missing;
      for (std::uint64_t rank = known ? 0 : *present.begin();
           rank < ranks && missing.missing.size() < kMostRanks; ++rank) {
        if (!present.contains(rank)) missing.missing.push_back(rank);
      }
      if (missing.missing.empty()) continue;
      missing.what = name.first + "*" + name.second;
      missing.present.assign(present.begin(), present.end());
      missing.proof = known ? proof : "there are ranks below and above";
      found.push_back(std::move(missing));
    }
  }

 private:
  static constexpr std::size_t kMostRanks = 1024;
  static constexpr std::size_t kMostFamilies = 16;
  std::map<std::pair<std::string, std::string>, std::set<std::uint64_t>> families_;
};

bool is_rank_file(std::string_view name) {
  if (name.find('/') != std::string_view::npos) return false;  // a member of the file
  return (name.starts_with("rng_state_") && name.ends_with(".pth")) ||
         (name.starts_with("random_states_") && name.ends_with(".pkl"));
}

struct WorldSize {
  std::optional<std::uint64_t> ranks;
  std::string proof;
};

WorldSize world_size(const Artifact& artifact) {
  for (const KeyedObject& object : keyed_objects(artifact, 2)) {
    if (object.key != "world_size" && object.key != "num_processes") continue;
    const auto ranks = artifact.objects.integer(object.value);
    if (!ranks || *ranks < 1 || *ranks > 100'000) continue;
    return {static_cast<std::uint64_t>(*ranks),
            "`" + std::string(object.key) + "` is " + std::to_string(*ranks)};
  }
  return {};
}

/// Ranks in a dict of the author's own: one key a rank, or a list under one key.
void look_at_rank_keys(const Artifact& artifact, const WorldSize& world,
                       std::vector<MissingRanks>& found) {
  const ObjectTree& tree = artifact.objects;
  Ranks ranks;
  for (const KeyedObject& object : keyed_objects(artifact, 2)) {
    if (!has_word(object.key, {"rng", "random"}) || tree.number(object.value)) continue;
    ranks.take(object.key);
    const auto* list = tree.sequence(object.value);
    const bool a_rank_each = list && has_word(object.key, {"states"}) &&
                             std::none_of(list->begin(), list->end(), [&](ObjectId item) {
                               return tree.number(item) || tree.text(item);
                             });
    if (!a_rank_each || !world.ranks || list->size() >= *world.ranks || list->size() < 2) continue;
    MissingRanks missing;
    missing.what = object.key;
    for (std::uint64_t rank = 0; rank < *world.ranks; ++rank) {
      (rank < list->size() ? missing.present : missing.missing).push_back(rank);
    }
    missing.proof = world.proof;
    found.push_back(std::move(missing));
  }
  ranks.report(world.ranks, world.proof, found);
}

}  // namespace

std::vector<NearMiss> near_misses(const Artifact& artifact) {
  std::vector<NearMiss> found;
  if (artifact.format == Format::kTrainingFolder) {
    look_at_files(artifact, found);
  } else if (!artifact.pickles.empty() && !artifact.tensors.empty()) {
    look_at_dict(artifact, artifact.pickles.front().root, "", found);
    look_at_optimizers(artifact, found);
  }
  return found;
}

std::vector<MissingRanks> missing_ranks(const Artifact& artifact) {
  std::vector<MissingRanks> found;
  if (artifact.format != Format::kTrainingFolder) {
    if (artifact.kind == Kind::kCheckpoint) {
      look_at_rank_keys(artifact, world_size(artifact), found);
    }
    return found;
  }
  Ranks ranks;
  for (const Member& member : artifact.members) {
    if (is_rank_file(member.name)) ranks.take(member.name);
  }
  ranks.report(std::nullopt, "", found);
  return found;
}

}  // namespace torchvet
