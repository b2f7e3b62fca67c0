// How a model is held to what was expected of it. Names decide: load_state_dict knows nothing else.
// A wrapper or a prefix in front of all of them is one difference, not one for each tensor, so the
// names are compared three times: as they are, without what wrappers add, and with one prefix put
// on or taken off. What then has no counterpart may have been renamed; that is only a guess, which
// the same numbers under another name make good.
#include "model/contract.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "model/moved_tensors.h"

namespace torchvet {
namespace {

using Places = std::unordered_map<std::string_view, std::size_t>;
/// Expected tensors and the entries that they are.
using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

class Comparer {
 public:
  Comparer(const Expectation& expectation, const Artifact& artifact)
      : expectation_(expectation), artifact_(artifact) {}

  Comparison run() {
    choose_model();
    match_names();
    match_plain_names();
    match_prefix();
    compare_matched();
    add_unexpected();
    join_moved(expectation_, artifact_, result_);
    count();
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool loadable() const {
    return expectation_.terms == Expectation::Terms::kLoadable;
  }
  [[nodiscard]] const Tensor& tensor_of(std::size_t entry) const {
    return artifact_.tensors[result_.model.entries[entry].tensor];
  }

  void choose_model();
  void match_names();
  void match_plain_names();
  void match_prefix();
  bool try_prefix(const std::string& prefix, bool in_file);
  bool try_prefixes_of(std::string_view missing);
  void take_renaming(Renaming renaming, const Pairs& pairs);
  void compare_matched();
  [[nodiscard]] Compatibility fit_without(const ExpectedTensor& expected) const;
  void compare_one(std::size_t expected, std::size_t entry);
  void add_missing(std::size_t expected);
  void add_unexpected();
  void count();
  void add(Change change) {
    result_.fit = std::max(result_.fit, change.fit);
    result_.changes.push_back(std::move(change));
  }

  const Expectation& expectation_;
  const Artifact& artifact_;
  Comparison result_;
  std::vector<std::optional<std::size_t>> found_;  ///< by expected tensor: the entry
  std::vector<bool> taken_;                        ///< by entry
  std::unordered_set<std::string> names_;          ///< of the expected tensors
  std::map<std::string, bool> others_;             ///< keys without tensors: expected or not
  std::unordered_set<std::string> present_;        ///< expected ones of these, as expected
};

/// What turns the names of a model into those without wrappers.
std::vector<RenameStep> plain_steps(const ModelView& model, const Artifact& artifact) {
  StateDict names;
  names.entries = model.entries;
  names.modules = model.state != nullptr ? model.state->modules : std::nullopt;
  return wrapped_names(artifact, names).steps;
}

void Comparer::choose_model() {
  std::unordered_set<std::string_view> plain;
  for (const ExpectedTensor& one : expectation_.tensors) {
    names_.insert(one.name);
    plain.insert(one.plain);
  }
  std::int64_t best = -1;
  for (ModelView& view : model_views(artifact_)) {
    const std::vector<RenameStep> steps = plain_steps(view, artifact_);
    const std::int64_t shared =
        std::count_if(view.entries.begin(), view.entries.end(), [&](const StateEntry& entry) {
          return names_.contains(entry.name) || plain.contains(renamed(entry.name, steps));
        });
    if (shared <= best) continue;
    best = shared;
    result_.model = std::move(view);
  }
  found_.resize(expectation_.tensors.size());
  taken_.resize(result_.model.entries.size());
}

void Comparer::match_names() {
  Places places;
  for (std::size_t i = 0; i < result_.model.entries.size(); ++i) {
    places[result_.model.entries[i].name] = i;  // of two with one name Python keeps the last
  }
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (places[result_.model.entries[i].name] != i) taken_[i] = true;
  }
  for (const std::string& other : result_.model.others) others_.emplace(other, false);
  for (std::size_t i = 0; i < found_.size(); ++i) {
    const ExpectedTensor& expected = expectation_.tensors[i];
    if (const auto other = others_.find(expected.name); other != others_.end()) {
      other->second = true;
      present_.insert(expected.name);
    }
    const auto place = places.find(expected.name);
    if (place == places.end() || taken_[place->second]) continue;
    found_[i] = place->second;
    taken_[place->second] = true;
  }
}

void Comparer::take_renaming(Renaming renaming, const Pairs& pairs) {
  for (const auto& [expected, entry] : pairs) {
    found_[expected] = entry;
    taken_[entry] = true;
  }
  for (auto& [name, expected] : others_) {
    const std::string other = renaming.added + renamed(name, renaming.steps);
    if (names_.contains(other)) {
      expected = true;
      present_.insert(other);
    }
  }
  renaming.names = pairs.size();
  renaming.expected_example = expectation_.tensors[pairs.front().first].name;
  renaming.found_example = result_.model.entries[pairs.front().second].name;
  result_.renaming = std::move(renaming);
  result_.fit = Compatibility::kBreaking;
}

void Comparer::match_plain_names() {
  const std::vector<StateEntry>& entries = result_.model.entries;
  if (entries.empty()) return;
  Renaming renaming;
  renaming.steps = plain_steps(result_.model, artifact_);
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!taken_[i]) places.emplace(renamed(entries[i].name, renaming.steps), i);
  }
  Pairs pairs;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (found_[i] || !expectation_.tensors[i].is_tensor) continue;
    const auto place = places.find(expectation_.tensors[i].plain);
    if (place == places.end()) continue;
    pairs.emplace_back(i, place->second);
    places.erase(place);
  }
  if (pairs.empty()) return;
  const ExpectedTensor& first = expectation_.tensors[pairs.front().first];
  if (first.name.ends_with(first.plain)) {
    renaming.added = first.name.substr(0, first.name.size() - first.plain.size());
  }
  const bool one_way = std::all_of(pairs.begin(), pairs.end(), [&](const auto& pair) {
    const ExpectedTensor& expected = expectation_.tensors[pair.first];
    return renaming.added + renamed(entries[pair.second].name, renaming.steps) == expected.name;
  });
  if (!one_way) renaming = {};
  take_renaming(std::move(renaming), pairs);
}

/// Takes the pairs of names that a prefix makes equal, if it does so for most that are missing.
bool Comparer::try_prefix(const std::string& prefix, bool in_file) {
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (taken_[i]) continue;
    const std::string& name = result_.model.entries[i].name;
    if (!in_file) {
      places.emplace(prefix + name, i);
    } else if (name.starts_with(prefix)) {
      places.emplace(name.substr(prefix.size()), i);
    }
  }
  Pairs pairs;
  std::size_t missing = 0;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (found_[i] || !expectation_.tensors[i].is_tensor) continue;
    ++missing;
    const auto place = places.find(expectation_.tensors[i].name);
    if (place != places.end()) pairs.emplace_back(i, place->second);
  }
  constexpr std::size_t kFewest = 2;  // one name may end as another does by chance
  if (pairs.size() < kFewest || pairs.size() * 2 < missing) return false;
  Renaming renaming;
  if (in_file) {
    renaming.steps.push_back({true, prefix, ""});
  } else {
    renaming.added = prefix;
  }
  take_renaming(std::move(renaming), pairs);
  return true;
}

/// Tries the prefixes that turn a missing name into one of the file or the other way round.
bool Comparer::try_prefixes_of(std::string_view missing) {
  constexpr int kMostTries = 4;
  int tries = 0;
  for (std::size_t i = 0; i < taken_.size() && tries < kMostTries; ++i) {
    const std::string_view name = result_.model.entries[i].name;
    if (taken_[i] || name.size() == missing.size()) continue;
    const bool in_file = name.size() > missing.size();
    const std::string_view longer = in_file ? name : missing, shorter = in_file ? missing : name;
    const std::size_t extra = longer.size() - shorter.size();
    if (!longer.ends_with(shorter) || longer[extra - 1] != '.') continue;
    ++tries;
    if (try_prefix(std::string(longer.substr(0, extra)), in_file)) return true;
  }
  return false;
}

void Comparer::match_prefix() {
  if (result_.renaming) return;
  std::vector<std::string_view> missing;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    const ExpectedTensor& expected = expectation_.tensors[i];
    if (!found_[i] && expected.is_tensor) missing.push_back(expected.name);
  }
  // Long names end by chance as others do the least; one of a few of them is not missing in truth.
  constexpr std::size_t kTried = 4;
  const std::size_t tried = std::min(missing.size(), kTried);
  std::partial_sort(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(tried),
                    missing.end(), [](std::string_view a, std::string_view b) {
                      return a.size() != b.size() ? a.size() > b.size() : a < b;
                    });
  for (std::size_t i = 0; i < tried; ++i) {
    if (try_prefixes_of(missing[i])) return;
  }
}

/// BatchNorm fills in a count that is missing when the file does not say that its state is of the
/// version that has one (`_NormBase._load_from_state_dict`): a state_dict without `_metadata`, and
/// that of a program.
Compatibility Comparer::fit_without(const ExpectedTensor& expected) const {
  if (!loadable()) return Compatibility::kBreaking;
  if (!expected.is_tensor) {
    return leaf_of(expected.name) == "_extra_state" ? Compatibility::kBreaking
                                                    : Compatibility::kUnknown;
  }
  const bool is_program =
      artifact_.kind == Kind::kTorchScript || artifact_.kind == Kind::kExportedProgram;
  const bool has_versions =
      artifact_.kind == Kind::kPickledModule ||
      (!is_program && result_.model.state != nullptr && result_.model.state->modules);
  const bool is_count = leaf_of(expected.name) == "num_batches_tracked" &&
                        names_.contains(std::string(module_of(expected.name)) + ".running_mean");
  return is_count && !has_versions && !result_.model.entries.empty() ? Compatibility::kUnknown
                                                                     : Compatibility::kBreaking;
}

void Comparer::add_missing(std::size_t expected) {
  const ExpectedTensor& one = expectation_.tensors[expected];
  if (!one.is_tensor && present_.contains(one.name)) return;
  add({ChangeKind::kMissing, fit_without(one), one.name, expected, std::nullopt, std::nullopt});
}

void Comparer::compare_one(std::size_t at, std::size_t entry) {
  const ExpectedTensor& expected = expectation_.tensors[at];
  if (!expected.is_tensor) return;  // what takes an extra state is the author's code
  const Tensor& tensor = tensor_of(entry);
  const auto differs = [&](ChangeKind kind, Compatibility fit) {
    add({kind, fit, expected.name, at, entry, std::nullopt});
  };
  const std::size_t before = result_.changes.size();
  if (expected.shape && !matches(*expected.shape, tensor.shape)) {
    differs(ChangeKind::kShape,
            loadable() ? fit_of_shapes(*expected.shape, tensor.shape) : Compatibility::kBreaking);
  }
  if (expected.dtype && *expected.dtype != tensor.dtype) {
    differs(ChangeKind::kType, fit_of_types(*expected.dtype, tensor.dtype));
  }
  if (loadable()) {
    const bool same_form = tensor.layout == Layout::kSparse && !tensor.parts.empty() &&
                           expected.form == ".indices" &&
                           tensor.parts.front().first == expected.form;
    const Compatibility layout = fit_of_layouts(expected.layout, tensor.layout, same_form);
    if (layout != Compatibility::kCompatible) differs(ChangeKind::kLayout, layout);
    if (expected.tied_to && found_[*expected.tied_to]) {
      const Tensor& other = tensor_of(*found_[*expected.tied_to]);
      const bool tied = &other == &tensor || (other.storage == tensor.storage &&
                                              other.storage_offset == tensor.storage_offset);
      if (!tied) differs(ChangeKind::kTie, Compatibility::kUnknown);
    }
  }
  if (result_.changes.size() == before) ++result_.same;
  const bool moved = loadable() && !expected.device.empty() && !tensor.device.empty() &&
                     expected.device != tensor.device;
  if (moved) differs(ChangeKind::kDevice, Compatibility::kCompatible);
}

void Comparer::compare_matched() {
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (found_[i]) {
      compare_one(i, *found_[i]);
    } else {
      add_missing(i);
    }
  }
}

void Comparer::add_unexpected() {
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (taken_[i]) continue;
    add({ChangeKind::kUnexpected, Compatibility::kBreaking, result_.model.entries[i].name,
         std::nullopt, i, std::nullopt});
  }
  if (!loadable()) return;
  for (const auto& [name, expected] : others_) {
    if (expected) continue;
    add({ChangeKind::kUnexpected, Compatibility::kBreaking, name, std::nullopt, std::nullopt,
         std::nullopt});
  }
}

void Comparer::count() {
  std::vector<std::optional<bool>> is_buffer(result_.model.entries.size());
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (found_[i]) is_buffer[*found_[i]] = expectation_.tensors[i].is_buffer;
  }
  result_.parameters = count_parameters(artifact_, result_.model.entries, is_buffer);
}

}  // namespace

std::string_view name_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kMissing:
      return "missing";
    case ChangeKind::kUnexpected:
      return "unexpected";
    case ChangeKind::kShape:
      return "shape";
    case ChangeKind::kType:
      return "dtype";
    case ChangeKind::kLayout:
      return "layout";
    case ChangeKind::kDevice:
      return "device";
    case ChangeKind::kTie:
      return "tie";
  }
  return "missing";
}

Comparison compare_with(const Expectation& expectation, const Artifact& artifact) {
  return Comparer(expectation, artifact).run();
}

}  // namespace torchvet
