#include "model/optimizer_alignment.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "model/optimizer_shapes.h"

namespace torchvet {
namespace {

using Shape = std::vector<std::int64_t>;
using Candidates = std::vector<StateEntry>;

/// State_dicts that are tried as the one the optimizer was made for.
constexpr std::size_t kMostModels = 16;

/// What is known of one listed parameter.
struct Listed {
  ParameterKey key;
  const OptimizerEntry* entry = nullptr;
  const Shape* shape = nullptr;  ///< null: no state tells it
};

const Shape* shape_of(const Artifact& artifact, const OptimizerEntry& entry) {
  for (const auto& [slot, tensor] : entry.slots) {
    if (has_parameter_shape(slot)) return &artifact.tensors[tensor].shape;
  }
  return nullptr;
}

std::vector<Listed> listed_parameters(const Artifact& artifact, const OptimizerState& optimizer) {
  std::unordered_map<std::string_view, const OptimizerEntry*> entries;
  for (const OptimizerEntry& entry : optimizer.state) entries.emplace(entry.key, &entry);
  std::vector<Listed> listed;
  for (const ParamGroup& group : optimizer.groups) {
    for (const ParameterKey& key : group.params) {
      Listed parameter{key};
      if (const auto found = entries.find(key); found != entries.end()) {
        parameter.entry = found->second;
        parameter.shape = shape_of(artifact, *found->second);
      }
      listed.push_back(std::move(parameter));
    }
  }
  return listed;
}

bool is_batch_norm_statistic(std::string_view name) {
  const std::string_view leaf = leaf_of(name);
  return leaf == "running_mean" || leaf == "running_var" || leaf == "num_batches_tracked";
}

bool fits(const Artifact& artifact, const Listed& listed, const StateEntry& entry) {
  return !listed.shape || *listed.shape == artifact.tensors[entry.tensor].shape;
}

using Names = std::vector<std::optional<StateEntry>>;  ///< parallel to the listed parameters

/// The optimizer's own names: `param_names` of the groups, or keys that are names themselves.
bool align_by_name(const Artifact& artifact, const StateDict& model,
                   const OptimizerState& optimizer, const std::vector<Listed>& listed,
                   Names& names) {
  std::unordered_map<std::string_view, const StateEntry*> by_name;
  for (const StateEntry& entry : model.entries) {
    by_name.emplace(entry.name, &entry);
    by_name.emplace(artifact.tensors[entry.tensor].object_path, &entry);
  }
  std::size_t at = 0;
  bool any = false;
  for (const ParamGroup& group : optimizer.groups) {
    for (std::size_t i = 0; i < group.params.size(); ++i, ++at) {
      const std::string& name =
          i < group.param_names.size() ? group.param_names[i] : group.params[i];
      const auto found = by_name.find(name);
      if (found == by_name.end() || !fits(artifact, listed[at], *found->second)) continue;
      names[at] = *found->second;
      any = true;
    }
  }
  return any;
}

/// One group that lists as many parameters as there are candidates, all shapes agreeing.
bool align_by_position(const Artifact& artifact, const StateDict& model,
                       const OptimizerState& optimizer, const std::vector<Listed>& listed,
                       Names& names) {
  if (optimizer.groups.size() != 1) return false;
  for (const CandidateFilter filter : kCandidateFilters) {
    for (const bool tied_once : {false, true}) {
      const Candidates kept = parameter_candidates(artifact, model, filter, tied_once);
      if (kept.size() != listed.size()) continue;
      bool all = true;
      for (std::size_t i = 0; i < kept.size() && all; ++i) {
        all = fits(artifact, listed[i], kept[i]);
      }
      if (!all) continue;
      for (std::size_t i = 0; i < kept.size(); ++i) names[i] = kept[i];
      return true;
    }
  }
  return false;
}

/// For the parameters [begin, end): the candidate each gets when all are placed as early as
/// possible, or as late. Empty when they do not all find a place.
std::vector<std::size_t> place(const Artifact& artifact, const std::vector<Listed>& listed,
                               std::size_t begin, std::size_t end, const Candidates& kept,
                               bool early) {
  std::vector<std::size_t> places(end - begin);
  std::size_t used = 0;  // candidates looked at, from the front or from the back
  for (std::size_t n = 0; n < end - begin; ++n) {
    const std::size_t i = early ? begin + n : end - 1 - n;
    const auto candidate = [&] { return early ? used : kept.size() - 1 - used; };
    while (used < kept.size() && !fits(artifact, listed[i], kept[candidate()])) ++used;
    if (used == kept.size()) return {};
    places[i - begin] = candidate();
    ++used;
  }
  return places;
}

/// Each group matched in order by shape, twice; a name stands where both agree.
void align_by_shape(const Artifact& artifact, const StateDict& model,
                    const OptimizerState& optimizer, const std::vector<Listed>& listed,
                    Names& names) {
  std::vector<std::size_t> taken(model.entries.size(), 0);
  std::vector<std::pair<std::size_t, std::size_t>> decided;  // listed, candidate
  for (const CandidateFilter filter : {CandidateFilter::kNoBuffers, CandidateFilter::kFloats}) {
    const Candidates kept = parameter_candidates(artifact, model, filter, true);
    std::fill(taken.begin(), taken.end(), 0);
    decided.clear();
    std::size_t begin = 0;
    bool placed = true;
    for (const ParamGroup& group : optimizer.groups) {
      const std::size_t end = begin + group.params.size();
      const auto early = place(artifact, listed, begin, end, kept, true);
      const auto late = place(artifact, listed, begin, end, kept, false);
      placed = placed && (begin == end || !early.empty());
      for (std::size_t i = 0; i < early.size() && i < late.size(); ++i) {
        if (early[i] != late[i]) continue;
        decided.emplace_back(begin + i, early[i]);
        ++taken[early[i]];
      }
      begin = end;
    }
    if (!placed) continue;
    for (const auto& [parameter, candidate] : decided) {
      if (taken[candidate] == 1) names[parameter] = kept[candidate];
    }
    return;
  }
}

}  // namespace

std::vector<StateEntry> parameter_candidates(const Artifact& artifact, const StateDict& model,
                                             CandidateFilter filter, bool tied_once) {
  std::vector<StateEntry> kept;
  std::map<std::tuple<StorageId, std::int64_t, Shape>, bool> seen;
  for (const StateEntry& entry : model.entries) {
    const Tensor& tensor = artifact.tensors[entry.tensor];
    const bool complex = tensor.dtype == DType::kComplex64 || tensor.dtype == DType::kComplex128;
    if (!is_floating_point(tensor.dtype) && !complex) continue;
    if (filter != CandidateFilter::kFloats && is_batch_norm_statistic(entry.name)) continue;
    if (filter == CandidateFilter::kNoBuffers &&
        (tensor.element_count() == 0 || tensor.role == TensorRole::kBuffer ||
         is_buffer_like(entry.name))) {
      continue;
    }
    // Tied weights have two names; the optimizer lists them once, at the first.
    if (tied_once && tensor.storage && tensor.element_count() != 0 &&
        !seen.emplace(std::tuple(*tensor.storage, tensor.storage_offset, tensor.shape), true)
             .second) {
      continue;
    }
    kept.push_back(entry);
  }
  return kept;
}

OptimizerAlignment align_optimizer(const Artifact& artifact, const OptimizerState& optimizer) {
  const std::vector<Listed> listed = listed_parameters(artifact, optimizer);
  OptimizerAlignment best;
  Names best_names(listed.size());
  std::size_t best_count = 0;
  std::size_t tried = 0;
  for (const StateDict& model : artifact.state_dicts) {
    if (++tried > kMostModels) break;
    Names names(listed.size());
    const bool whole = align_by_name(artifact, model, optimizer, listed, names) ||
                       align_by_position(artifact, model, optimizer, listed, names);
    if (!whole) align_by_shape(artifact, model, optimizer, listed, names);
    const auto count = static_cast<std::size_t>(
        std::count_if(names.begin(), names.end(), [](const auto& name) { return name; }));
    if (best.model && count <= best_count) continue;
    best.model = &model;
    best_names = std::move(names);
    best_count = count;
  }
  for (std::size_t i = 0; i < listed.size(); ++i) {
    AlignedParameter parameter{listed[i].key, listed[i].entry};
    if (listed[i].shape) parameter.shape = *listed[i].shape;
    parameter.parameter = std::move(best_names[i]);
    best.parameters.push_back(std::move(parameter));
  }
  return best;
}

}  // namespace torchvet
