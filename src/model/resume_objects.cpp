#include "model/resume_objects.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <unordered_set>

namespace torchvet {
namespace {

constexpr std::size_t kMostObjects = 20'000;
constexpr std::size_t kMostInList = 64;
/// Bytes of `torch.get_rng_state()`: today, and before 1.6.
constexpr std::int64_t kTorchState = 5056, kTorchStateBefore = 5048;
/// `torch.cuda.get_rng_state()`: today, and while it held the states of all threads.
constexpr std::int64_t kCudaState = 16, kCudaStateBefore = 816040;
/// Numbers of the Mersenne twister in `random.getstate()`: 624 and a position.
constexpr std::size_t kPythonState = 625;

std::int64_t raw_bytes(const Artifact& artifact, ObjectId id) {
  const auto* reference = artifact.objects.as<Object::TensorRef>(id);
  if (!reference) return 0;
  const Tensor& tensor = artifact.tensors[reference->tensor];
  return tensor.dtype == DType::kUint8 && tensor.shape.size() == 1 ? tensor.shape[0] : 0;
}

bool is_python_state(const ObjectTree& tree, ObjectId id) {
  const auto* parts = tree.sequence(id);
  if (!parts || parts->size() != 3) return false;
  const auto* numbers = tree.sequence((*parts)[1]);
  return tree.integer((*parts)[0]) && numbers && numbers->size() == kPythonState;
}

bool is_numpy_state(const ObjectTree& tree, ObjectId id) {
  if (tree.get(id, "bit_generator") != kNoObject) return true;
  const auto* parts = tree.sequence(id);
  return parts && parts->size() == 5 && tree.text((*parts)[0]) == "MT19937";
}

}  // namespace

bool has_word(std::string_view key, std::initializer_list<std::string_view> words) {
  std::string word;
  for (std::size_t i = 0; i <= key.size(); ++i) {
    const unsigned char c = i < key.size() ? static_cast<unsigned char>(key[i]) : '.';
    if (std::isalpha(c)) {
      word += static_cast<char>(std::tolower(c));
      continue;
    }
    if (std::find(words.begin(), words.end(), word) != words.end()) return true;
    word.clear();
  }
  return false;
}

std::vector<KeyedObject> keyed_objects(const Artifact& artifact, std::size_t depth) {
  std::vector<KeyedObject> found;
  if (artifact.pickles.empty()) return found;
  const ObjectTree& tree = artifact.objects;
  std::unordered_set<ObjectId> seen;
  for (const StateDict& state : artifact.state_dicts) seen.insert(state.object);
  for (const OptimizerState& optimizer : artifact.optimizers) seen.insert(optimizer.object);
  struct Place {
    ObjectId id;
    std::size_t depth;
  };
  std::vector<Place> places;
  for (const PickleProgram& pickle : artifact.pickles) {
    places.push_back({pickle.root, 0});
    if (artifact.format != Format::kTrainingFolder) break;
  }
  for (std::size_t at = 0; at < places.size() && found.size() < kMostObjects; ++at) {
    const Place place = places[at];
    if (!seen.insert(place.id).second) continue;
    if (const auto* items = tree.sequence(place.id)) {
      if (place.depth >= depth || items->size() > kMostInList) continue;
      for (const ObjectId item : *items) places.push_back({item, place.depth + 1});
      continue;
    }
    const auto* pairs = tree.mapping(place.id);
    if (!pairs || pairs->empty()) pairs = tree.mapping(tree.attributes(place.id));
    if (!pairs) continue;
    for (const auto& [key, value] : *pairs) {
      if (found.size() == kMostObjects) break;
      found.push_back({tree.text(key).value_or(""), value, place.depth});
      if (place.depth < depth) places.push_back({value, place.depth + 1});
    }
  }
  return found;
}

RandomStates random_states(const Artifact& artifact) {
  RandomStates states;
  const ObjectTree& tree = artifact.objects;
  const auto look_at = [&](ObjectId id) {
    const std::int64_t bytes = raw_bytes(artifact, id);
    states.torch |= bytes == kTorchState || bytes == kTorchStateBefore;
    states.cuda |= bytes == kCudaState || bytes == kCudaStateBefore;
    states.python |= is_python_state(tree, id);
    states.numpy |= is_numpy_state(tree, id);
  };
  for (const KeyedObject& object : keyed_objects(artifact, 3)) {
    look_at(object.value);
    if (const auto* items = tree.sequence(object.value); items && items->size() <= kMostInList) {
      for (const ObjectId item : *items) look_at(item);
    }
    if (!has_word(object.key, {"rng", "random", "seed", "generator"})) continue;
    const bool state = tree.sequence(object.value) || tree.mapping(object.value) ||
                       tree.as<Object::TensorRef>(object.value);
    if (!state) continue;
    states.cuda |= has_word(object.key, {"cuda", "gpu"});
    states.torch |= has_word(object.key, {"torch", "cpu"}) && !has_word(object.key, {"cuda"});
    states.python |= has_word(object.key, {"python"});
    states.numpy |= has_word(object.key, {"numpy", "np"});
  }
  return states;
}

}  // namespace torchvet
