#include <fmt/format.h>

#include <string>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Compares the model in each checkpoint of a series with the one before and reports tensors that are new,
gone, or have another shape or element type.

## Why it matters
The checkpoints are not of one model: `load_state_dict` fails between them, or, with `strict=False`,
leaves what does not fit as the initialisation drew it.

## Example
```
2 tensors are new, 1 has another shape: this is not the model of runs/step_100.pt
```

## What to do
Compare the code or the configuration that wrote the two files. If the change is meant, compare only the
checkpoints on one side of it.

## Limits
A prefix before every name (`module.`, `_orig_mod.`) is no change. A checkpoint without a model is passed
over and reported as not analysed; where all that is missing in one may lie in a part of it that was
not analysed (a shard that is not there), it is a warning of low confidence.

## References
`torch.nn.Module.load_state_dict`.
)md";

constexpr std::size_t kMaxNamed = 4;  ///< of each kind of change

std::string form_text(const TensorForm& form) {
  return fmt::format("{} [{}]", name_of(form.dtype), fmt::join(form.shape, ", "));
}

struct Changes {
  std::vector<std::string> added, gone, shape, type;
};

Changes changes(const Series& series, std::size_t to) {
  Changes found;
  for (const Track& track : series.tracks) {
    const TrackPoint &before = track.points[to - 1], &after = track.points[to];
    if (before.form == after.form) continue;
    if (!before.form || !after.form) {
      (before.form ? found.gone : found.added).push_back(fmt::format("`{}`", track.name));
      continue;
    }
    const TensorForm &then = series.form(before), &now = series.form(after);
    (then.shape != now.shape ? found.shape : found.type)
        .push_back(
            fmt::format("`{}`, {} before, {} now", track.name, form_text(then), form_text(now)));
  }
  return found;
}

void describe(Finding& finding, std::string_view what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  finding.message +=
      fmt::format("{}{} {}", finding.message.empty() ? "" : ", ", names.size(), what);
  std::string listed;
  for (std::size_t i = 0; i < names.size() && i < kMaxNamed; ++i) {
    listed += fmt::format("{}{}", i > 0 ? "; " : "", names[i]);
  }
  if (names.size() > kMaxNamed) listed += fmt::format("; and {} more", names.size() - kMaxNamed);
  finding.evidence.push_back({"series", fmt::format("{}: {}", what, listed)});
}

/// Whether all that changed may lie in what was not analysed of the one or the other.
bool may_be_unread(const Series& series, std::size_t to, const Changes& found) {
  return found.shape.empty() && found.type.empty() &&
         (found.gone.empty() || series.snapshots[to].partly_read) &&
         (found.added.empty() || series.snapshots[to - 1].partly_read);
}

std::vector<Finding> check(const Series& series, const Intent&) {
  std::vector<Finding> findings;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    const Changes found = changes(series, to);
    Finding finding;
    describe(finding, "new", found.added);
    describe(finding, "gone", found.gone);
    describe(finding, "of another shape", found.shape);
    describe(finding, "of another element type", found.type);
    if (finding.message.empty()) continue;
    finding.message = fmt::format("tensors of the model changed since {}: {}",
                                  series.snapshots[to - 1].path, finding.message);
    if (may_be_unread(series, to, found)) {
      finding.severity = Severity::kWarning;
      finding.confidence = Confidence::kLow;
      finding.why = "a part of the checkpoint that lacks them was not analysed, and may hold them";
      finding.help = "look at what was not analysed";
    }
    finding.where.artifact = series.snapshots[to].path;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule DRF005 = define_rule({
    .code = "DRF005",
    .name = "structure-changed",
    .summary = "names, shapes or element types of the model differ within a series",
    .why = "these are not checkpoints of one model: loading one into the other fails, or leaves "
           "layers as they were initialised",
    .help = "compare the code that wrote the two files; if the change is meant, compare only the "
            "checkpoints on one side of it",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kSeries,
    .doc = kDoc,
    .check_series = check,
});

}  // namespace torchvet::rules
