#include "model/optimizer_shapes.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "model/optimizer_alignment.h"

// What can be proven about a shape without a name. If an optimizer lists parameters of the model,
// the shapes of its state are among the shapes of the model, each at most as often. So a shape that
// occurs more often in the state than in the model is wrong somewhere, whatever the order. Where
// the order is beyond doubt, because all the others stand where they should, it is known at whose
// place.
namespace torchvet {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::size_t kMostModels = 16;

constexpr std::array<std::string_view, 12> kShapedSlots = {
    "exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg", "sum", "max_exp_avg_sq",
    "exp_inf", "acc_delta",  "grad_avg",        "prev",       "ax",  "step_size"};
/// Single numbers that torch's optimizers keep beside them.
constexpr std::array<std::string_view, 3> kNumberSlots = {"mu_product", "eta", "mu"};

bool known_slot(std::string_view slot) {
  return has_parameter_shape(slot) ||
         std::find(kNumberSlots.begin(), kNumberSlots.end(), slot) != kNumberSlots.end();
}

bool as_torch_makes_it(const OptimizerEntry& entry) {
  return std::all_of(entry.slots.begin(), entry.slots.end(),
                     [](const auto& slot) { return known_slot(slot.first); }) &&
         std::all_of(entry.others.begin(), entry.others.end(), known_slot);
}

/// The sizes above 1 of the one are some of the other's, in order: a number for each row or column,
/// or for all.
bool is_reduction(const Shape& small, const Shape& large) {
  std::size_t at = 0;
  for (const std::int64_t size : small) {
    if (size == 1) continue;
    while (at < large.size() && large[at] != size) ++at;
    if (at == large.size()) return false;
    ++at;
  }
  return true;
}

bool compatible(const Shape& a, const Shape& b) { return is_reduction(a, b) || is_reduction(b, a); }

/// An entry that is judged, with the slot that speaks for its shape.
struct Shaped {
  const OptimizerEntry* entry = nullptr;
  std::string_view slot;
  const Shape* shape = nullptr;
};

/// State that does not fit, and what stands at its place.
using Wrong = std::vector<std::pair<const Shaped*, StateEntry>>;

class Judge {
 public:
  Judge(const Artifact& artifact, const OptimizerState& optimizer)
      : artifact_(artifact), optimizer_(optimizer) {}

  std::vector<ShapeMismatch> run();

 private:
  void collect();
  bool judge_by_name();
  bool judge_by_position();
  std::optional<Wrong> wrong_by_position(const std::vector<StateEntry>& kept) const;
  void judge_by_presence();
  const Shape& shape_of(const StateEntry& entry) const {
    return artifact_.tensors[entry.tensor].shape;
  }
  void add_places(const Wrong& wrong) {
    for (const auto& [shaped, parameter] : wrong) {
      found_.push_back({ShapeMismatch::Kind::kPlace, shaped->entry, std::string(shaped->slot),
                        *shaped->shape, "", shape_of(parameter), parameter});
    }
  }

  const Artifact& artifact_;
  const OptimizerState& optimizer_;
  std::unordered_map<std::string_view, Shaped> shaped_;  ///< by key
  std::vector<ShapeMismatch> found_;
};

void Judge::collect() {
  for (const OptimizerEntry& entry : optimizer_.state) {
    if (!as_torch_makes_it(entry)) continue;
    Shaped widest{&entry};
    bool differ = false;
    for (const auto& [slot, id] : entry.slots) {
      const Tensor& tensor = artifact_.tensors[id];
      if (!has_parameter_shape(slot) || tensor.layout != Layout::kStrided) continue;
      if (widest.shape && !compatible(tensor.shape, *widest.shape)) {
        found_.push_back({ShapeMismatch::Kind::kSlots, &entry, std::string(slot), tensor.shape,
                          std::string(widest.slot), *widest.shape, std::nullopt});
        differ = true;
        break;
      }
      if (!widest.shape || tensor.shape.size() > widest.shape->size()) {
        widest.slot = slot;
        widest.shape = &tensor.shape;
      }
    }
    if (!differ && widest.shape) shaped_.emplace(entry.key, widest);
  }
}

/// By the names that the optimizer keeps, in the model that most of them fit. True when these tell
/// the places.
bool Judge::judge_by_name() {
  Wrong least;
  std::size_t most = 0;
  std::size_t tried = 0;
  for (const StateDict& model : artifact_.state_dicts) {
    if (++tried > kMostModels) break;
    std::unordered_map<std::string_view, const StateEntry*> by_name;
    for (const StateEntry& entry : model.entries) by_name.emplace(entry.name, &entry);
    Wrong wrong;
    std::size_t right = 0;
    for (const ParamGroup& group : optimizer_.groups) {
      const bool named = group.param_names.size() == group.params.size();
      for (std::size_t i = 0; i < group.params.size(); ++i) {
        const auto shaped = shaped_.find(group.params[i]);
        const auto entry = by_name.find(named ? group.param_names[i] : group.params[i]);
        if (shaped == shaped_.end() || entry == by_name.end()) continue;
        if (compatible(*shaped->second.shape, shape_of(*entry->second))) {
          ++right;
        } else {
          wrong.emplace_back(&shaped->second, *entry->second);
        }
      }
    }
    if (wrong.size() > right || right < most) continue;
    if (right == most && wrong.size() >= least.size()) continue;
    most = right;
    least = std::move(wrong);
  }
  add_places(least);
  return most > 0;
}

/// What differs when the candidates are what the only group lists, in its order; nothing when that
/// cannot be.
std::optional<Wrong> Judge::wrong_by_position(const std::vector<StateEntry>& kept) const {
  const std::vector<ParameterKey>& listed = optimizer_.groups.front().params;
  Wrong wrong;
  std::map<Shape, std::int64_t> surplus;  // how much more often in the state than in the model
  std::size_t known = 0;
  for (const StateEntry& entry : kept) --surplus[shape_of(entry)];
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto shaped = shaped_.find(listed[i]);
    if (shaped == shaped_.end()) continue;
    ++known;
    ++surplus[*shaped->second.shape];
    if (!compatible(*shaped->second.shape, shape_of(kept[i]))) {
      wrong.emplace_back(&shaped->second, kept[i]);
    }
  }
  if (wrong.size() * 3 > known) return std::nullopt;
  for (const auto& [shaped, entry] : wrong) {
    if (surplus[*shaped->shape] <= 0) return std::nullopt;  // it may stand somewhere else
  }
  return wrong;
}

bool Judge::judge_by_position() {
  if (optimizer_.groups.size() != 1) return false;
  const std::size_t count = optimizer_.groups.front().params.size();
  std::optional<Wrong> least;
  std::size_t tried = 0;
  for (const StateDict& model : artifact_.state_dicts) {
    if (++tried > kMostModels) break;
    for (const CandidateFilter filter : kCandidateFilters) {
      for (const bool tied_once : {false, true}) {
        const std::vector<StateEntry> kept =
            parameter_candidates(artifact_, model, filter, tied_once);
        if (kept.size() != count) continue;
        std::optional<Wrong> wrong = wrong_by_position(kept);
        if (wrong && (!least || wrong->size() < least->size())) least = std::move(wrong);
      }
    }
  }
  if (least) add_places(*least);
  return least.has_value();
}

/// Shapes that no tensor outside the optimizer has.
void Judge::judge_by_presence() {
  std::set<Shape> present;
  std::size_t tensors = 0, listed = 0;
  for (const Tensor& tensor : artifact_.tensors) {
    if (tensor.role == TensorRole::kOptimizer) continue;
    present.insert(tensor.shape);
    ++tensors;
  }
  for (const ParamGroup& group : optimizer_.groups) listed += group.params.size();
  if (listed > tensors) return;  // a part of the model is missing as a whole
  std::vector<const Shaped*> absent;
  for (const OptimizerEntry& entry : optimizer_.state) {
    const auto shaped = shaped_.find(entry.key);
    if (shaped == shaped_.end() || shaped->second.entry != &entry) continue;
    const Shape& shape = *shaped->second.shape;
    const bool number =
        std::all_of(shape.begin(), shape.end(), [](auto size) { return size <= 1; });
    if (!number && !present.contains(shape)) absent.push_back(&shaped->second);
  }
  if (absent.size() * 4 > shaped_.size()) return;  // flattened, or of a model that is elsewhere
  for (const Shaped* shaped : absent) {
    found_.push_back({ShapeMismatch::Kind::kNowhere,
                      shaped->entry,
                      std::string(shaped->slot),
                      *shaped->shape,
                      "",
                      {},
                      std::nullopt});
  }
}

std::vector<ShapeMismatch> Judge::run() {
  collect();
  const OptimizerAlignment alignment = align_optimizer(artifact_, optimizer_);
  const bool decided =
      std::all_of(alignment.parameters.begin(), alignment.parameters.end(),
                  [](const AlignedParameter& listed) { return !listed.shape || listed.parameter; });
  const bool whole = artifact_.faults.empty() && alignment.model != nullptr;
  if (whole && !decided && !judge_by_name() && !judge_by_position()) judge_by_presence();
  std::stable_sort(found_.begin(), found_.end(), [](const auto& a, const auto& b) {
    return a.entry < b.entry;  // entries lie in one vector
  });
  return std::move(found_);
}

}  // namespace

bool has_parameter_shape(std::string_view slot) {
  return std::find(kShapedSlots.begin(), kShapedSlots.end(), slot) != kShapedSlots.end();
}

std::vector<ShapeMismatch> shape_mismatches(const Artifact& artifact,
                                            const OptimizerState& optimizer) {
  return Judge(artifact, optimizer).run();
}

}  // namespace torchvet
