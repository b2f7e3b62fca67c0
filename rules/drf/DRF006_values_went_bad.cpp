#include <fmt/format.h>

#include <string>
#include <vector>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Follows every tensor of the model, buffers too, and names the first checkpoint in which it holds a NaN or an
infinity, when it held none in the one before.

## Why it matters
Training does not recover from a NaN: every later checkpoint of the run is lost, and so is the computing time
that went into it. The last good checkpoint is the one before.

## Example
```
step_300.pt: DRF006 error: 6 tensors of the model hold NaN or infinities, and none in step_200.pt
```

## What to do
Go back to the last good checkpoint. Look for the cause between the two: a learning rate that is too high, a
division or a logarithm of zero, float16 without a gradient scaler, a bad sample. `torch.autograd.set_detect_anomaly`
finds the operator.

## Limits
A tensor that is not finite in the first checkpoint already (an attention mask of `-inf`) is not judged here.
Checkpoints that were not saved hide when it happened: the error lies between the two.

## References
`torch.isfinite`, `torch.nn.utils.clip_grad_norm_`, `torch.amp.GradScaler`.
)md";

constexpr std::size_t kMaxNamed = 4;

struct Bad {
  std::string name;
  std::uint64_t elements = 0;
};

/// Tensors that were finite in the checkpoint before and are not any more.
std::vector<Bad> went_bad(const Series& series, std::size_t to) {
  std::vector<Bad> found;
  for (const Track& track : series.tracks) {
    const TrackPoint &before = track.points[to - 1], &after = track.points[to];
    if (!before.counted || !after.counted || before.not_finite > 0) continue;
    if (after.not_finite > 0) found.push_back({track.name, after.not_finite});
  }
  return found;
}

std::vector<Finding> check(const Series& series, const Intent&) {
  std::vector<Finding> findings;
  for (std::size_t to = 1; to < series.snapshots.size(); ++to) {
    const std::vector<Bad> bad = went_bad(series, to);
    if (bad.empty()) continue;
    Finding finding;
    finding.where.artifact = series.snapshots[to].path;
    finding.where.object_path = bad.front().name;
    finding.message =
        fmt::format("{} of the model {} NaN or infinities, and none in {}",
                    bad.size() == 1 ? "a tensor" : fmt::format("{} tensors", bad.size()),
                    bad.size() == 1 ? "holds" : "hold", series.snapshots[to - 1].path);
    std::string named;
    for (std::size_t i = 0; i < bad.size() && i < kMaxNamed; ++i) {
      named += fmt::format("{}`{}` ({} element{})", i > 0 ? ", " : "", bad[i].name, bad[i].elements,
                           bad[i].elements == 1 ? "" : "s");
    }
    if (bad.size() > kMaxNamed) named += fmt::format(" and {} more", bad.size() - kMaxNamed);
    finding.evidence.push_back({"values", "not finite here: " + named});
    finding.key = bad.front().name;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule DRF006 = define_rule({
    .code = "DRF006",
    .name = "values-went-bad",
    .summary = "numbers of the model become NaN or infinite",
    .why = "training does not recover from a NaN: this and every later checkpoint are lost",
    .help = "go back to the checkpoint before, and look for the cause between the two",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kSeries,
    .doc = kDoc,
    .check_series = check,
});

}  // namespace torchvet::rules
