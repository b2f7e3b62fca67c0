#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/storage_reach.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Adds up, for every storage in the file, which of its bytes the tensors in the file reach, and reports
when more than 10 % of all stored bytes, and at least 1 MiB, are reached by none. Tensors of
optimizers, averages and buffers count as well as those of the model.

## Why it matters
torch saves the whole storage of a tensor, whatever part of it the tensor shows. So a file with the
first ten rows of a large matrix holds the large matrix. It costs space and loading time and memory,
and it may hand out what was not meant to leave: the other rows.

## Example
```
storage "0" stores 4000000 bytes; `codes.weight`, shape [10, 100], reaches 4000 of them
```

## What to do
Save a copy: `x[:10].clone()`. To mend a file: load it, clone every tensor, save it again.

## Limits
Bytes between the columns of a strided tensor are counted only where no other tensor lies across
them, so the number is a lower bound. A storage that the file also holds directly, or that an object
of unknown meaning holds, is not judged; neither is a file that could not be read whole. A flat
storage that views cover is full, whoever holds the views.

## References
The notes on serialization in torch's documentation ("Saving and loading tensors preserves views").
)md";

constexpr std::uint64_t kLeastWaste = 1ull << 20;
constexpr std::uint64_t kShare = 10;  // one in ten
constexpr std::size_t kMostStorages = 3;

std::uint64_t wasted(const StorageReach& reach) { return reach.stored - reach.reached; }

std::string described(const Artifact& artifact, const StorageReach& reach) {
  const Tensor& tensor = artifact.tensors[reach.widest];
  std::string others;
  if (reach.tensors > 1) {
    others = fmt::format(" and {} other view{}", reach.tensors - 1, reach.tensors > 2 ? "s" : "");
  }
  return fmt::format("storage \"{}\" stores {} bytes; `{}`, shape [{}],{} reach{} {} of them",
                     artifact.storages[reach.storage].key, reach.stored, tensor.object_path,
                     fmt::join(tensor.shape, ", "), others, reach.tensors > 1 ? "" : "es",
                     reach.reached);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<StorageReach> all = storage_reach(artifact);
  std::uint64_t stored = 0, lost = 0;
  for (const StorageReach& reach : all) {
    if (__builtin_add_overflow(stored, reach.stored, &stored)) return {};
    lost += wasted(reach);
  }
  if (lost < kLeastWaste || lost <= stored / kShare) return {};

  std::stable_sort(all.begin(), all.end(), [](const StorageReach& a, const StorageReach& b) {
    return wasted(a) > wasted(b);
  });
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.where = location_of(artifact, artifact.tensors[all.front().widest]);
  finding.message =
      fmt::format("{:.0f} % of the stored bytes, {} of {}, are reached by no tensor",
                  100.0 * static_cast<double>(lost) / static_cast<double>(stored), lost, stored);
  const auto wasteful = static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(), [](const auto& reach) { return wasted(reach) > 0; }));
  for (std::size_t i = 0; i < std::min(wasteful, kMostStorages); ++i) {
    finding.evidence.push_back({"tensor", described(artifact, all[i])});
  }
  if (wasteful > kMostStorages) {
    finding.evidence.push_back(
        {"tensor", fmt::format("{} more storages are not full", wasteful - kMostStorages)});
  }
  return {std::move(finding)};
}

}  // namespace

extern constexpr Rule STO001 = define_rule({
    .code = "STO001",
    .name = "storage-waste",
    .summary = "the file stores bytes that no tensor reaches",
    .why =
        "torch saves the whole storage behind a view: the file is larger than what is in it, and "
        "holds numbers that were cut away",
    .help = "save copies instead of views: x[:10].clone()",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
