#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Follows what the optimizer and the learning rate scheduler count through a series of checkpoints: the
highest `step` in the optimizer's state, `last_epoch` of the scheduler. Reports an optimizer that counts no
step while the weights move, a scheduler that was never stepped while the epochs went by, either when it
counts less than one checkpoint before, and a `global_step` or `num_updates` beside the model that is the same
in all files while the optimizer counts on.

## Why it matters
The state in the file is not that of the training that moved the weights. A resume goes on with moments of
another time, or of none; a scheduler that stands still trains the whole run with its first learning rate,
one that was made anew starts its warm-up again in the middle of the run.

## Example
```
step_300.pt: DRF007 warning: `optimizer` counts fewer steps than in step_200.pt: 20, and 200 before
```

## What to do
Save `optimizer.state_dict()` and `scheduler.state_dict()` of the objects that are stepped, together with the
model. When a run is resumed, load both. Call `scheduler.step()` after `optimizer.step()`.

## Limits
An optimizer that counts nothing (SGD), beside others too, is not judged: it may be the one that trains. Of
several optimizers or schedulers all must stand still, since they may take turns. Weights move when a
parameter matrix does; two checkpoints of the same place in the run, and averages of the weights (`ema` or
`swa` in the name of the file), are no sign of a step. A scheduler that stands still is judged over three
checkpoints or more, only by the `epoch` in the files (two or more must go by), and only when it was never
stepped: one that has stepped before may have come to its end. `ReduceLROnPlateau` is not judged. Falling
counts are judged only where the numbers that order the checkpoints rise; an optimizer that lists another
number of parameters than before was made anew on purpose, and is a note.

## References
`torch.optim.Optimizer.state_dict`, `torch.optim.lr_scheduler.LRScheduler.state_dict`. No threshold: steps are
whole numbers, and Adam counts one for every update. False findings: none in 1824 healthy trainings (MLP, CNN with
batch norm, transformer and LSTM; SGD, Adam and AdamW; with warm-up, schedule, resume, averages, frozen layers,
bfloat16), five checkpoints each, one step or twenty apart.
)md";

constexpr std::size_t kFewestForAll =
    3;                               ///< checkpoints, to judge what stands still in all of them
constexpr double kFewestEpochs = 2;  ///< that must go by without a step of the scheduler

using Kind = Counter::Kind;

std::vector<const Counter*> counters_of(const Series::Snapshot& snapshot, Kind kind) {
  std::vector<const Counter*> found;
  for (const Counter& counter : snapshot.counters) {
    if (counter.kind == kind) found.push_back(&counter);
  }
  return found;
}

/// Whether training went on from the checkpoint before, as far as the two tell.
bool may_have_trained(const Series& series, std::size_t to) {
  return matrices_moved(series, to) && !same_place(series, to) &&
         series.snapshots[to - 1].named_average == series.snapshots[to].named_average;
}

/// True when every optimizer of a checkpoint counts as many steps as in the one before.
bool optimizers_stand_still(const Series& series, std::size_t to) {
  const auto now = counters_of(series.snapshots[to], Kind::kOptimizer);
  return !now.empty() && std::all_of(now.begin(), now.end(), [&](const Counter* counter) {
    const Counter* before =
        find_counter(series.snapshots[to - 1].counters, counter->kind, counter->name);
    return before && before->value == counter->value;
  });
}

void add_standing_optimizer(const Series& series, std::vector<Finding>& findings) {
  std::vector<std::size_t> in;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    if (may_have_trained(series, to) && optimizers_stand_still(series, to)) in.push_back(to);
  }
  if (in.empty()) return;
  const Series::Snapshot& first = series.snapshots[in.front()];
  const Counter& counter = *counters_of(first, Kind::kOptimizer).front();
  Finding finding;
  finding.where.artifact = first.path;
  finding.where.object_path = counter.name;
  finding.message = fmt::format("`{}` counts no step since {}, while the weights move",
                                counter.name, series.snapshots[in.front() - 1].path);
  finding.evidence.push_back(
      {"optimizer", fmt::format("it stands at {} in both; so in {} of {} intervals", counter.value,
                                in.size(), series.snapshots.size() - 1)});
  finding.evidence.push_back({"series", "the checkpoints go " + span_text(series)});
  finding.confidence = in.size() > 1 ? Confidence::kHigh : Confidence::kMedium;
  finding.key = "stands";
  findings.push_back(std::move(finding));
}

struct Counted {
  std::string name;
  double from = 0, to = 0;
};

/// An optimizer that counts more steps in the last checkpoint than in the first that has its count.
std::optional<Counted> steps_counted(const Series& series) {
  for (const Counter* last : counters_of(series.snapshots.back(), Kind::kOptimizer)) {
    for (const Series::Snapshot& snapshot : series.snapshots) {
      const Counter* first = find_counter(snapshot.counters, Kind::kOptimizer, last->name);
      if (!first) continue;
      if (first->value < last->value) return Counted{last->name, first->value, last->value};
      break;
    }
  }
  return std::nullopt;
}

/// A step in the files that is the same in all of them, although the optimizers count on.
void add_standing_step(const Series& series, std::vector<Finding>& findings) {
  if (series.snapshots.size() < kFewestForAll) return;
  for (const Counter& counter : series.snapshots.front().counters) {
    if (counter.kind != Kind::kStored || !is_step_of_run(counter.name)) continue;
    const bool stands = std::all_of(
        series.snapshots.begin(), series.snapshots.end(), [&](const Series::Snapshot& snapshot) {
          const Counter* here = find_counter(snapshot.counters, counter.kind, counter.name);
          return here && here->value == counter.value;
        });
    const std::optional<Counted> counted = steps_counted(series);
    if (!stands || !counted) continue;
    Finding finding;
    finding.where.object_path = counter.name;
    finding.message =
        fmt::format("`{}` stands at {} in all {} checkpoints, while the optimizer steps",
                    counter.name, counter.value, series.snapshots.size());
    finding.evidence.push_back({"optimizer", fmt::format("`{}` counts from {} to {}", counted->name,
                                                         counted->from, counted->to)});
    finding.why =
        "a resume starts from a step that is wrong: it repeats a part of the training, and the "
        "warm-up with it";
    finding.help = "count it once for each optimizer.step(), and save what was counted";
    finding.confidence = Confidence::kMedium;
    finding.key = counter.name;
    findings.push_back(std::move(finding));
  }
}

/// Optimizers and schedulers that count less than in the checkpoint before.
void add_falling(const Series& series, std::size_t to, std::vector<Finding>& findings) {
  const Series::Snapshot &before = series.snapshots[to - 1], &after = series.snapshots[to];
  if (!before.step || !after.step || *after.step <= *before.step) return;
  for (const Counter& counter : after.counters) {
    if (counter.kind == Kind::kStored) continue;
    const Counter* last = find_counter(before.counters, counter.kind, counter.name);
    if (!last || counter.value >= last->value) continue;
    const bool optimizer = counter.kind == Kind::kOptimizer;
    Finding finding;
    finding.where.artifact = after.path;
    finding.where.object_path = counter.name;
    finding.message =
        fmt::format("`{}` counts fewer {} than in {}: {}, and {} before", counter.name,
                    optimizer ? "steps" : "calls", before.path, counter.value, last->value);
    finding.evidence.push_back({"series", fmt::format("the run went on, from {} to {}, {}",
                                                      *before.step, *after.step, series.order)});
    if (optimizer && counter.listed != last->listed) {
      finding.severity = Severity::kNote;
      finding.evidence.push_back({"optimizer", fmt::format("it lists {} parameters, and {} before",
                                                           counter.listed, last->listed)});
    }
    finding.why =
        "it was made anew in the middle of the run, as by a resume that does not load its "
        "state: moments, or the course of the learning rate, are lost";
    finding.help = "load the state of optimizer and scheduler when a run is resumed";
    finding.confidence = Confidence::kMedium;
    finding.key = "falls";
    findings.push_back(std::move(finding));
  }
}

bool any_matrix_moved(const Series& series) {
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    if (matrices_moved(series, to)) return true;
  }
  return false;
}

std::optional<double> epoch_of(const Series::Snapshot& snapshot) {
  const Counter* epoch = find_counter(snapshot.counters, Kind::kStored, "epoch");
  return epoch ? std::optional(epoch->value) : std::nullopt;
}

void add_unused_scheduler(const Series& series, std::vector<Finding>& findings) {
  if (series.snapshots.size() < kFewestForAll) return;
  const std::optional<double> first = epoch_of(series.snapshots.front());
  const std::optional<double> last = epoch_of(series.snapshots.back());
  if (!first || !last || !(*last - *first >= kFewestEpochs)) return;
  for (const Series::Snapshot& snapshot : series.snapshots) {
    const auto schedulers = counters_of(snapshot, Kind::kScheduler);
    const bool unused = std::all_of(schedulers.begin(), schedulers.end(),
                                    [](const Counter* counter) { return counter->value == 0; });
    if (schedulers.empty() || !unused) return;
  }
  if (!any_matrix_moved(series)) return;
  const Counter& counter = *counters_of(series.snapshots.back(), Kind::kScheduler).front();
  Finding finding;
  finding.where.object_path = counter.name;
  finding.message = fmt::format("`{}` was never stepped in {} checkpoints, while the weights move",
                                counter.name, series.snapshots.size());
  finding.evidence.push_back(
      {"series", fmt::format("its `last_epoch` is 0 in all of them; `epoch` goes from {} to {}",
                             *first, *last)});
  finding.why = "the whole run trains with the first learning rate of its schedule";
  finding.help = "call scheduler.step() after optimizer.step(), or once an epoch";
  finding.key = "scheduler";
  findings.push_back(std::move(finding));
}

std::vector<Finding> check(const Series& series, const Intent&) {
  std::vector<Finding> findings;
  add_standing_optimizer(series, findings);
  add_standing_step(series, findings);
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) add_falling(series, to, findings);
  add_unused_scheduler(series, findings);
  for (Finding& finding : findings) {
    if (finding.severity != Severity::kNote) finding.severity = Severity::kWarning;
  }
  return findings;
}

}  // namespace

extern constexpr Rule DRF007 = define_rule({
    .code = "DRF007",
    .name = "counter-not-advancing",
    .summary = "the optimizer or the scheduler counts no steps, or fewer, while the weights move",
    .why =
        "the optimizer's state in the file is not that of the training that moves the weights: a "
        "resume goes on with moments of another time",
    .help = "save the state of the optimizer that is stepped, together with the model",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kSeries,
    .doc = kDoc,
    .check_series = check,
});

}  // namespace torchvet::rules
