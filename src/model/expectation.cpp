#include "model/expectation.h"

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "model/key_prefixes.h"
#include "model/series_builder.h"
#include "model/weights.h"

namespace torchvet {
namespace {

/// What tensors have in common that are one: the place and the form of what is stored.
using Place =
    std::tuple<StorageId, std::int64_t, std::vector<std::int64_t>, std::vector<std::int64_t>>;

std::optional<Place> place_of(const Tensor& tensor) {
  if (!tensor.storage || tensor.layout != Layout::kStrided) return std::nullopt;
  return Place{*tensor.storage, tensor.storage_offset, tensor.shape, tensor.strides};
}

/// Keys of a dict of tensors whose values are something else: extra states, packed parameters.
std::vector<std::string> other_keys(const Artifact& artifact, const StateDict& state) {
  std::vector<std::string> others;
  const auto* pairs = artifact.objects.mapping(state.object);
  if (pairs == nullptr) return others;
  for (const auto& [key, value] : *pairs) {
    const std::optional<std::string_view> name = artifact.objects.text(key);
    if (name && !artifact.objects.as<Object::TensorRef>(value)) others.emplace_back(*name);
  }
  return others;
}

std::string qualified(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

std::string form_of(const Tensor& tensor) {
  return tensor.layout == Layout::kSparse && !tensor.parts.empty() ? tensor.parts.front().first
                                                                   : "";
}

}  // namespace

std::vector<ModelView> model_views(const Artifact& artifact) {
  std::vector<ModelView> views;
  std::set<const StateDict*> dicts;
  for (const StateDict* state : saved_state_dicts(artifact)) dicts.insert(state);
  for (const StateDict& state : artifact.state_dicts) {
    if (!is_own_model(artifact, state)) continue;
    ModelView view{state.path, &state, state.entries, {}};
    if (dicts.contains(&state)) view.others = other_keys(artifact, state);
    if (!view.entries.empty()) views.push_back(std::move(view));
  }
  if (views.empty()) {
    StateDict model = model_of(artifact);
    if (!model.entries.empty())
      views.push_back({model.path, nullptr, std::move(model.entries), {}});
  }
  if (views.size() < 2) return views;
  ModelView all;
  for (const ModelView& view : views) {
    for (const StateEntry& entry : view.entries) {
      all.entries.push_back({qualified(view.path, entry.name), entry.tensor});
    }
    for (const std::string& other : view.others) all.others.push_back(qualified(view.path, other));
  }
  views.insert(views.begin(), std::move(all));
  return views;
}

std::optional<std::uint64_t> count_parameters(const Artifact& artifact,
                                              const std::vector<StateEntry>& entries,
                                              const std::vector<std::optional<bool>>& is_buffer) {
  std::set<TensorId> tensors;
  std::set<Place> places;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Tensor& tensor = artifact.tensors[entries[i].tensor];
    const std::optional<bool> told = i < is_buffer.size() ? is_buffer[i] : std::nullopt;
    if (told.value_or(tensor.role != TensorRole::kParameter)) continue;
    if (!tensors.insert(entries[i].tensor).second) continue;
    const std::optional<Place> place = place_of(tensor);
    if (place && !places.insert(*place).second) continue;
    const std::optional<std::uint64_t> elements = tensor.element_count();
    if (!elements || __builtin_add_overflow(count, *elements, &count)) return std::nullopt;
  }
  return count;
}

Expectation expectation_of(const Artifact& artifact, const ModelView& model) {
  Expectation expectation;
  expectation.terms = Expectation::Terms::kLoadable;
  expectation.source = artifact.source.path;
  std::map<Place, std::size_t> places;
  for (const StateEntry& entry : model.entries) {
    const Tensor& tensor = artifact.tensors[entry.tensor];
    ExpectedTensor expected;
    expected.name = entry.name;
    expected.dtype = tensor.dtype;
    expected.shape.emplace(tensor.shape.begin(), tensor.shape.end());
    expected.is_buffer = tensor.role != TensorRole::kParameter;
    expected.tensor = entry.tensor;
    expected.layout = tensor.layout;
    expected.form = form_of(tensor);
    expected.device = tensor.device;
    if (const std::optional<Place> place = place_of(tensor)) {
      const auto [first, fresh] = places.emplace(*place, expectation.tensors.size());
      if (!fresh) expected.tied_to = first->second;
    }
    if (tensor.values) expected.digest = tensor.values->digest;
    expectation.tensors.push_back(std::move(expected));
  }
  for (const std::string& other : model.others) {
    ExpectedTensor expected;
    expected.name = other;
    expected.is_tensor = false;
    expectation.tensors.push_back(std::move(expected));
  }
  expectation.parameters = count_parameters(artifact, model.entries);
  find_plain_names(expectation);
  return expectation;
}

void find_plain_names(Expectation& expectation) {
  StateDict names;
  for (const ExpectedTensor& expected : expectation.tensors) {
    names.entries.push_back({expected.name, 0});
  }
  const std::vector<RenameStep> steps = wrapped_names(Artifact(), names).steps;
  for (ExpectedTensor& expected : expectation.tensors)
    expected.plain = renamed(expected.name, steps);
}

}  // namespace torchvet
