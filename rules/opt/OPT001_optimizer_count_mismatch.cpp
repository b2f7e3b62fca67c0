#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "model/optimizer_shapes.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports an optimizer whose list of parameters cannot be right for the model in the file: it lists a
parameter twice, or none at all, or more parameters than the file has tensors, or, where it keeps names
(`named_parameters`), names that the model does not have beside many that it has.

## Why it matters
A parameter that is listed twice is updated twice at each step. An empty list trains nothing: a
generator was used up before the optimizer got it. A list that is longer than the model was made for
another one, or the file holds a part of the model only; `load_state_dict` of an optimizer made for the
saved model refuses it.

## Example
```
the optimizer lists parameter 2 twice: list(encoder.parameters()) + list(decoder.parameters())
```
Encoder and decoder share a module there, and each of the two lists has it.

## What to do
Give the optimizer `model.parameters()` of the one model that is saved, after the model is complete,
and save the whole model beside it.

## Limits
A list that is shorter than the model is no sign of anything: parameters are frozen, belong to another
optimizer, or are tied. So it is silent about any list that is not empty and could be a part of the
model. A list that is too long is reported only where the file holds at least half as many tensors,
and the shapes of at least half of the state. Which optimizer is whose is not asked: all models in the
file count together. What wrappers put into names (`module.`, `_orig_mod.`) makes no difference.

## References
`torch.optim.Optimizer.add_param_group`, which warns of a parameter that is twice in one group and
refuses it in two; torch 2.13 updates it twice.
)md";

constexpr std::size_t kMostShown = 5;

/// Parts of names that a wrapper adds, to any module of a model.
constexpr std::array<std::string_view, 5> kWrappers = {
    "module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"};

std::string without_wrappers(std::string_view name) {
  std::string kept;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    if (std::find(kWrappers.begin(), kWrappers.end(), part) == kWrappers.end()) {
      if (!kept.empty()) kept += '.';
      kept += part;
    }
    if (dot == std::string_view::npos) return kept;
    name.remove_prefix(dot + 1);
  }
}

bool may_be_listed(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
      return false;
    default:
      return true;
  }
}

struct Listing {
  std::vector<ParameterKey> distinct;
  std::map<ParameterKey, std::uint64_t> repeated;  ///< listed more than once, and how often
  std::uint64_t unreadable = 0;
};

Listing listing_of(const OptimizerState& optimizer) {
  Listing listing;
  std::map<ParameterKey, std::uint64_t> counts;
  for (const ParamGroup& group : optimizer.groups) {
    listing.unreadable += group.unreadable;
    for (const ParameterKey& key : group.params) {
      if (++counts[key] == 1) listing.distinct.push_back(key);
    }
  }
  for (const auto& [key, count] : counts) {
    if (count > 1) listing.repeated.emplace(key, count);
  }
  return listing;
}

std::string listed_some(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMostShown);
  std::string text = fmt::format("`{}`", fmt::join(names.begin(), names.begin() + shown, "`, `"));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

Finding finding_at(const OptimizerState& optimizer, std::string key, std::string message) {
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.where.object_path = optimizer.path;
  finding.key = std::move(key);
  finding.message = std::move(message);
  return finding;
}

void check_repeated(const OptimizerState& optimizer, const Listing& listing,
                    std::vector<Finding>& findings) {
  if (listing.repeated.empty()) return;
  Finding finding =
      finding_at(optimizer, "repeated",
                 fmt::format("the optimizer lists {} parameter{} more than once",
                             listing.repeated.size(), listing.repeated.size() == 1 ? "" : "s"));
  for (const auto& [key, count] : listing.repeated) {
    if (finding.evidence.size() == kMostShown) break;
    finding.evidence.push_back(
        {"optimizer", fmt::format("parameter {} is listed {} times", key, count)});
  }
  finding.why = "each step updates it as often as it is listed";
  finding.help =
      "list each parameter once; modules that are shared come twice when lists are joined";
  findings.push_back(std::move(finding));
}

/// Whether the state speaks for the models in the file: half of its shapes are there.
bool state_fits(const Artifact& artifact, const OptimizerState& optimizer) {
  std::set<std::vector<std::int64_t>> present;
  for (const Tensor& tensor : artifact.tensors) {
    if (tensor.role != TensorRole::kOptimizer) present.insert(tensor.shape);
  }
  std::uint64_t known = 0, found = 0;
  for (const OptimizerEntry& entry : optimizer.state) {
    for (const auto& [slot, tensor] : entry.slots) {
      if (!has_parameter_shape(slot)) continue;
      ++known;
      found += present.contains(artifact.tensors[tensor].shape) ? 1 : 0;
      break;
    }
  }
  return found * 2 >= known;
}

void check_count(const Artifact& artifact, const OptimizerState& optimizer, const Listing& listing,
                 std::vector<Finding>& findings) {
  const auto tensors = static_cast<std::uint64_t>(
      std::count_if(artifact.tensors.begin(), artifact.tensors.end(), [](const Tensor& tensor) {
        return tensor.role != TensorRole::kOptimizer && may_be_listed(tensor.dtype);
      }));
  const std::uint64_t listed = listing.distinct.size();
  if (listed == 0 && listing.unreadable == 0 && optimizer.state.empty() &&
      !optimizer.groups.empty()) {
    Finding finding =
        finding_at(optimizer, "empty", "the optimizer lists no parameter: it trains nothing");
    finding.evidence.push_back(
        {"optimizer",
         fmt::format("{} group{} without parameters; the model has {} tensors",
                     optimizer.groups.size(), optimizer.groups.size() == 1 ? "" : "s", tensors)});
    finding.why = "steps change no weight";
    finding.help = "pass a list, not a generator that was used before: list(model.parameters())";
    findings.push_back(std::move(finding));
    return;
  }
  if (listed <= tensors || listed > tensors * 2 || !state_fits(artifact, optimizer)) return;
  Finding finding = finding_at(
      optimizer, "more",
      fmt::format(
          "the optimizer lists {} parameters; the file has only {} tensors that could be one",
          listed, tensors));
  finding.evidence.push_back(
      {"optimizer", fmt::format("{} parameters in {} group{}", listed, optimizer.groups.size(),
                                optimizer.groups.size() == 1 ? "" : "s")});
  findings.push_back(std::move(finding));
}

void check_names(const Artifact& artifact, const OptimizerState& optimizer,
                 std::vector<Finding>& findings) {
  std::unordered_set<std::string> known;
  for (const StateDict& model : artifact.state_dicts) {
    for (const StateEntry& entry : model.entries) known.insert(without_wrappers(entry.name));
  }
  for (const Tensor& tensor : artifact.tensors) {
    if (tensor.role == TensorRole::kOptimizer) continue;
    known.insert(without_wrappers(tensor.object_path));
    for (const std::string& alias : tensor.aliases) known.insert(without_wrappers(alias));
  }
  std::vector<std::string> missing;
  std::uint64_t named = 0;
  for (const ParamGroup& group : optimizer.groups) {
    if (group.param_names.size() != group.params.size()) continue;
    for (const std::string& name : group.param_names) {
      ++named;
      if (!known.contains(without_wrappers(name))) missing.push_back(name);
    }
  }
  if (missing.empty() || missing.size() * 2 > named) return;
  Finding finding =
      finding_at(optimizer, "names",
                 fmt::format("the optimizer lists {} parameter{} that the model does not have",
                             missing.size(), missing.size() == 1 ? "" : "s"));
  finding.evidence.push_back({"optimizer", fmt::format("it knows {} names; missing in the file: {}",
                                                       named, listed_some(missing))});
  findings.push_back(std::move(finding));
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  for (const OptimizerState& optimizer : artifact.optimizers) {
    const Listing listing = listing_of(optimizer);
    check_repeated(optimizer, listing, findings);
    // Without a model beside it, or with a part of the file unread, a count says nothing.
    if (artifact.state_dicts.empty() || !artifact.faults.empty()) continue;
    const std::size_t before = findings.size();
    check_names(artifact, optimizer, findings);
    if (findings.size() == before) check_count(artifact, optimizer, listing, findings);
  }
  return findings;
}

}  // namespace

extern constexpr Rule OPT001 = define_rule({
    .code = "OPT001",
    .name = "optimizer-count-mismatch",
    .summary = "the optimizer lists other parameters than the model has, or one twice",
    .why = "the optimizer was made for another model, or for more than was saved",
    .help = "make the optimizer for the whole model that is saved, after its last change",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
