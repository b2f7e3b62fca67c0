#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Follows the averages of the model that checkpoints keep beside it (`ema`, `ema_state_dict`, `model_ema`,
`averaged`, `swa`, ...) and reports one whose matrices are bitwise the same in all checkpoints while those of
the model move, one that followed and then stopped, and single matrices that do not follow while the others do.

## Why it matters
The average is what is evaluated and shipped in the end. One that does not follow is an old model: the first one,
or that of the day when its updates stopped.

## Example
```
step_400.pt: DRF010 warning: `ema` stands still: none of its 6 matrices moved in 5 checkpoints, and those of the
model did
```

## What to do
Call the update of the average (`ema.update(model)`, `AveragedModel.update_parameters(model)`) after every
`optimizer.step()`, after a resume too, and with the model that is trained. Keep the average in float32: in
bfloat16 a step of `1 - decay` of the distance is lost in rounding as soon as the distance is small.

## Limits
Matrices of 64 elements or more are judged, buffers never: that the batch norm statistics of a copy stand still is
common. Only intervals count in which the model's own matrix moved by a thousandth of its norm or more, since the
share of a smaller move that reaches the average may be below its rounding. When the average counts its updates
(`n_averaged`, `num_updates`), only intervals in which it counted; one that counts none has not begun: silence. One
by the name of `swa` that does not count may not have begun either: a note. Three checkpoints are needed, and to say
that it stopped, two intervals in which it moved and three in which it did not. An average inside the model's own
state_dict is followed as a part of the model; one without names (`shadow_params`, a list) is not followed.

## References
`torch.optim.swa_utils.AveragedModel`. Measured on MLP, CNN with batch norm, transformer and LSTM, with SGD, Adam
and AdamW at five learning rates, one step between checkpoints: of 5760 pairs of matrices a float32 average stood
still in 640, and in these the model's own matrix had moved by 5e-7 of its norm at most with a decay of 0.999, by
5e-6 with 0.9999 and by 5e-5 with 0.99999, so that a thousandth is twenty times the largest; in bfloat16, with a decay
of 0.9999, in 1352 of 1440, up to a move of 0.035. False findings: none in 768 healthy trainings with an average,
decay 0.9 to 0.99999. All of 12 with an average in bfloat16 and a decay of 0.9999 were found.
)md";

constexpr std::size_t kFewest = 3;  ///< checkpoints
constexpr std::uint64_t kElements = 64;
constexpr float kUpdate = 1e-3F;         ///< of the model's matrix
constexpr std::size_t kFewestMoved = 2;  ///< intervals before it stopped
constexpr std::size_t kFewestStill = 3;  ///< and after
constexpr std::size_t kMaxNamed = 6;

/// A matrix of an average over the intervals in which it should have moved.
struct Judged {
  const AverageCopy::Member* member = nullptr;
  const Track* track = nullptr;
  std::vector<std::size_t> moved, still;  ///< ends of the intervals
};

/// The average was updated in this interval, as far as it counts that.
bool is_due(const AverageCopy& average, std::size_t to) {
  const auto &before = average.updates[to - 1], &after = average.updates[to];
  return !before || !after || *after > *before;
}

std::uint64_t elements_of(const TensorForm& form) {
  std::uint64_t count = 1;
  for (const std::int64_t size : form.shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

std::vector<Judged> judge(const Series& series, const AverageCopy& average) {
  std::vector<Judged> all;
  for (const AverageCopy::Member& member : average.members) {
    const Track& track = series.tracks[member.track];
    if (!track.is_parameter || !is_matrix(series, track)) continue;
    if (elements_of(series.form(track.points.back())) < kElements) continue;
    Judged one{&member, &track, {}, {}};
    for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
      const bool asked = track.points[to].update >= kUpdate && is_due(average, to);
      if (!asked || member.moved[to] == Movement::kUnknown) continue;
      (member.moved[to] == Movement::kMoved ? one.moved : one.still).push_back(to);
    }
    if (one.moved.size() + one.still.size() + 1 >= kFewest) all.push_back(std::move(one));
  }
  return all;
}

bool never_moved(const Judged& one) { return one.moved.empty(); }

/// It moved for some time, and then never again.
bool stopped(const Judged& one) {
  return one.moved.size() >= kFewestMoved && one.still.size() >= kFewestStill &&
         one.still.front() > one.moved.back();
}

std::string names_of(const std::vector<const Judged*>& matrices) {
  std::string names;
  for (std::size_t i = 0; i < matrices.size() && i < kMaxNamed; ++i) {
    names += fmt::format("{}`{}`", i > 0 ? ", " : "", matrices[i]->track->name);
  }
  if (matrices.size() > kMaxNamed)
    names += fmt::format(" and {} more", matrices.size() - kMaxNamed);
  return names;
}

/// How far the model's matrix moved at least in an interval in which the average did not.
float least_update(const std::vector<const Judged*>& matrices) {
  float least = HUGE_VALF;
  for (const Judged* one : matrices) {
    for (const std::size_t to : one->still) least = std::min(least, one->track->points[to].update);
  }
  return least;
}

void explain(Finding& finding, const AverageCopy& average,
             const std::vector<const Judged*>& still) {
  finding.evidence.push_back({"series", fmt::format("still: {}", names_of(still))});
  finding.evidence.push_back(
      {"series", fmt::format("in those intervals the model's own moved by {:.2g} of their norm or "
                             "more",
                             least_update(still))});
  const auto &first = average.updates.front(), &last = average.updates.back();
  if (first && last) {
    finding.evidence.push_back(
        {"series", fmt::format("it counts its updates, from {} to {}", *first, *last)});
  }
  if (std::all_of(still.begin(), still.end(),
                  [](const Judged* one) { return one->member->narrow; })) {
    finding.evidence.push_back({"values",
                                "it is kept in 16 bits: (1 - decay) of the distance to the "
                                "model is lost in rounding"});
  }
}

std::optional<Finding> check_one(const Series& series, const AverageCopy& average) {
  const std::vector<Judged> all = judge(series, average);
  std::vector<const Judged*> still, ended;
  for (const Judged& one : all) {
    if (never_moved(one)) still.push_back(&one);
    if (stopped(one)) ended.push_back(&one);
  }
  Finding finding;
  finding.where.object_path = average.path;
  finding.severity = Severity::kWarning;
  if (!still.empty() && still.size() == all.size()) {
    finding.message = fmt::format(
        "`{}` stands still: none of its {} matrices moved in {} "
        "checkpoints, and those of the model did",
        average.path, all.size(), series.snapshots.size());
    const bool may_not_have_begun =
        average.path.find("swa") != std::string::npos && !average.updates.back();
    if (may_not_have_begun) finding.severity = Severity::kNote;
    finding.confidence = Confidence::kHigh;
    explain(finding, average, still);
    return finding;
  }
  if (!ended.empty() && ended.size() == all.size()) {
    const std::size_t first = ended.front()->still.front();
    finding.where.artifact = series.snapshots[first].path;
    finding.message =
        fmt::format("`{}` does not follow the model any more: it stands still since {}",
                    average.path, series.snapshots[first - 1].path);
    finding.confidence = Confidence::kMedium;
    finding.key = "stopped";
    explain(finding, average, ended);
    return finding;
  }
  if (still.empty()) return std::nullopt;
  finding.message =
      fmt::format("{} of the {} matrices of `{}` stand still, and those of the model move",
                  still.size(), all.size(), average.path);
  finding.confidence = Confidence::kMedium;
  finding.key = "some";
  explain(finding, average, still);
  return finding;
}

std::vector<Finding> check(const Series& series, const Intent&) {
  std::vector<Finding> findings;
  if (series.snapshots.size() < kFewest) return findings;
  for (const AverageCopy& average : series.averages) {
    if (std::optional<Finding> finding = check_one(series, average)) {
      findings.push_back(std::move(*finding));
    }
  }
  return findings;
}

}  // namespace

extern constexpr Rule DRF010 = define_rule({
    .code = "DRF010",
    .name = "average-stands-still",
    .summary = "an average of the model (EMA, SWA) stands still while the model moves",
    .why = "what is evaluated and shipped as the average is an old model",
    .help = "update the average after every optimizer.step(), after a resume too, and keep it in "
            "float32",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kSeries,
    .doc = kDoc,
    .check_series = check,
});

}  // namespace torchvet::rules
