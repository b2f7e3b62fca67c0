#include <fmt/format.h>

#include <string>
#include <vector>

#include "model/tensor_overlap.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Compares, element by element, where the parameters of a model lie in memory. It reports two of them
that have elements in common while each has others of its own, and a parameter whose own elements
share memory: an expanded one, or windows made by `as_strided` or `unfold`.

## Why it matters
An optimizer that updates one of the two changes a part of the other behind its back. A step writes
twice to an element that a parameter holds twice, and which of the updates stays is undefined; where
the parameter was expanded, torch refuses the step, and `load_state_dict` as well.

## Example
```
`b.weight`, shape [100], offset 90, and `a.weight`, shape [100], offset 0, share 40 bytes
```

## What to do
Look at where the storage was divided: an offset or a length is wrong. If the overlap is not wanted,
clone the parameters. Instead of an expanded parameter, register the small one and expand it in
`forward()`.

## Limits
Parameters that are the same memory (tied weights), one inside the other (a slice that is used on its
own), or apart in one flat storage are silent; so are buffers and frozen parameters, such as the two
ends of a table of bins. In a bare state_dict only the names of torch.nn tell what is a parameter; there
an expanded one is a note. Views of more than 65536 pieces are not compared.

## References
`torch.Tensor.expand` ("more than one element of an expanded tensor may refer to a single memory
location"); torch 2.13 raises in `step()` and in `load_state_dict()` for such a parameter.
)md";

std::string view_of(const Tensor& tensor) {
  return fmt::format("`{}`, shape [{}], strides [{}], offset {}", tensor.object_path,
                     fmt::join(tensor.shape, ", "), fmt::join(tensor.strides, ", "),
                     tensor.storage_offset);
}

Finding self_finding(const Artifact& artifact, const SelfOverlap& overlap) {
  const Tensor& tensor = artifact.tensors[overlap.tensor.tensor];
  Finding finding;
  finding.where = location_of(artifact, tensor);
  finding.severity = overlap.tensor.certain ? Severity::kWarning : Severity::kNote;
  finding.confidence = overlap.tensor.certain ? Confidence::kHigh : Confidence::kMedium;
  finding.message =
      fmt::format("elements of `{}` share memory with each other", tensor.object_path);
  finding.evidence.push_back(
      {"tensor", fmt::format("{}: {} elements in {} place{}", view_of(tensor), overlap.elements,
                             overlap.places, overlap.places == 1 ? "" : "s")});
  finding.why = overlap.expanded
                    ? "torch refuses to write to it: step() and load_state_dict() of a model that "
                      "registers it fail"
                    : "an update writes to an element more than once; which write stays is "
                      "undefined";
  finding.help = "register one element for each place, and expand or unfold it in forward()";
  finding.key = "within";
  return finding;
}

Finding pair_finding(const Artifact& artifact, const PartialOverlap& overlap) {
  const Tensor& first = artifact.tensors[overlap.first.tensor];
  const Tensor& second = artifact.tensors[overlap.second.tensor];
  Finding finding;
  finding.where = location_of(artifact, second);
  finding.severity = Severity::kWarning;
  finding.confidence =
      overlap.first.certain && overlap.second.certain ? Confidence::kHigh : Confidence::kMedium;
  finding.message =
      fmt::format("`{}` and `{}` overlap partly in memory", first.object_path, second.object_path);
  finding.evidence.push_back({"tensor", view_of(first)});
  finding.evidence.push_back({"tensor", view_of(second)});
  finding.evidence.push_back(
      {"tensor", fmt::format("they share {} bytes of storage \"{}\"; {} belong to the first alone "
                             "and {} to the second",
                             overlap.shared, artifact.storages[overlap.root].key,
                             overlap.only_first, overlap.only_second)});
  if (const std::uint64_t more = overlap.pairs - 1; more > 0) {
    finding.evidence.push_back(
        {"tensor", fmt::format("{} more pair{} in this storage overlap{} partly", more,
                               more == 1 ? "" : "s", more == 1 ? "s" : "")});
  }
  return finding;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  const Overlaps overlaps = find_overlaps(artifact);
  for (const SelfOverlap& overlap : overlaps.within) {
    findings.push_back(self_finding(artifact, overlap));
  }
  for (const PartialOverlap& overlap : overlaps.between) {
    findings.push_back(pair_finding(artifact, overlap));
  }
  return findings;
}

}  // namespace

extern constexpr Rule STO003 = define_rule({
    .code = "STO003",
    .name = "partial-overlap",
    .summary = "parameters share a part of their memory",
    .why = "training one parameter changes a part of the other",
    .help = "check how the storage was divided; clone the parameters if they are meant to be apart",
    .since = "0.1.0",
    .severity = Severity::kWarning,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
