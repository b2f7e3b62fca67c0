#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/weights.h"
#include "rule/contract_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
With `--expect FILE`, and in `torchvet diff`: reports tensors whose shape or element type is not as expected.
A contract is taken by its word. In `diff` it matters what `load_state_dict` does: another shape raises (error);
another type is converted (one finding for all of a type), which is an error where it takes away more than precision (float to integer, complex
to real) or where torch does not convert (quantized and bits types), else a warning. `diff` also tells tensors
that are sparse or without numbers (meta) in only one of the two (error), and tensors that share their memory in
the old file and not in the new (warning): loaded into a model that ties them, the last one wins.

## Why it matters
"size mismatch for ...: copying a param with shape ... from checkpoint, the shape in current model is ...". A
type is converted without a word: a model in float32 takes weights in float16 and keeps what these lost; one
that is loaded with `assign=True` runs in another type than it was tested in.

## Example
```
`emb.weight`: float32 [50304, 768], and float32 [50257, 768] in gpt2.pt
```

## What to do
Make the file anew with the right model or type (`model.float()`, `model.half()`). If only the number of
classes or words changed, load the rest with `strict=False` after taking that layer out of the state.

## Limits
Whether a larger table begins with the rows of the smaller one is not looked at. What a module does in
a `_load_from_state_dict` of its own is not known.

## References
`torch.nn.Module.load_state_dict`, `torch.Tensor.copy_`.
)md";

constexpr std::size_t kMostNamed = 4;  ///< of tensors of one type

const Tensor& tensor_of(const Artifact& artifact, const Comparison& comparison,
                        const Change& change) {
  return artifact.tensors[comparison.model.entries[*change.entry].tensor];
}

/// "only the first size differs, 16 before and 20 now: a larger vocabulary?"
std::optional<std::string> other_length(const ExpectedTensor& expected, const Tensor& tensor) {
  const ShapePattern& before = *expected.shape;
  if (before.empty() || before.size() != tensor.shape.size() || !before.front())
    return std::nullopt;
  ShapePattern rest = before;
  rest.front() = tensor.shape.front();
  if (!matches(rest, tensor.shape)) return std::nullopt;
  std::string text = fmt::format("only the first size differs, {} before and {} now",
                                 *before.front(), tensor.shape.front());
  if (is_table_name(expected.name)) {
    text += fmt::format(": a {} vocabulary?",
                        tensor.shape.front() > *before.front() ? "larger" : "smaller");
  }
  return text;
}

Finding finding_of(const Artifact& artifact, const Expectation& expectation,
                   const Comparison& comparison, const Change& change) {
  const ExpectedTensor& expected = expectation.tensors[*change.expected];
  const Tensor& tensor = tensor_of(artifact, comparison, change);
  Finding finding = location_of(artifact, tensor).object_path.empty()
                        ? finding_at(artifact, comparison, change.name)
                        : Finding{.where = location_of(artifact, tensor)};
  finding.key = name_of(change.kind);
  if (change.fit != Compatibility::kBreaking) finding.severity = Severity::kWarning;
  finding.message = fmt::format("`{}`: {}, and {} {}", change.name, form_text(tensor),
                                form_text(expected), by_whom(expectation));
  if (change.kind == ChangeKind::kShape) {
    if (const auto length = other_length(expected, tensor)) {
      finding.evidence.push_back({"tensor", *length});
    }
  }
  if (change.kind == ChangeKind::kType && change.fit == Compatibility::kUnknown) {
    const bool cut = cuts_numbers(*expected.dtype, tensor.dtype);
    if (cut) finding.severity = Severity::kError;
    finding.why = cut ? "load_state_dict converts the numbers and takes away a part of each"
                      : "load_state_dict converts the numbers without a word; with assign=True "
                        "the model changes its type";
  }
  if (change.kind == ChangeKind::kLayout) {
    finding.message = fmt::format(
        "`{}` is stored in another way than {}: dense, sparse, or "
        "without numbers",
        change.name, by_whom(expectation));
  }
  if (change.kind == ChangeKind::kTie) {
    finding.message =
        fmt::format("`{}` has numbers of its own, and those of `{}` {}", change.name,
                    expectation.tensors[*expected.tied_to].name, by_whom(expectation));
    finding.why = "a model that ties the two keeps the one that is loaded last";
    finding.help = "tie them before saving, or untie them in the model too";
  }
  return finding;
}

/// Tensors that have one type and should have another: a model that was cast as a whole is one
/// finding.
Finding finding_of_types(const Artifact& artifact, const Expectation& expectation,
                         const Comparison& comparison, const std::vector<const Change*>& changes) {
  const Change& first = *changes.front();
  if (changes.size() == 1) return finding_of(artifact, expectation, comparison, first);
  Finding finding = finding_of(artifact, expectation, comparison, first);
  const DType wanted = *expectation.tensors[*first.expected].dtype;
  const DType found = tensor_of(artifact, comparison, first).dtype;
  finding.where = finding_at(artifact, comparison, "").where;
  finding.key = fmt::format("{} {}", name_of(wanted), name_of(found));
  finding.message = fmt::format("{} tensors are {}, and {} {}", changes.size(), name_of(found),
                                name_of(wanted), by_whom(expectation));
  for (std::size_t i = 0; i < changes.size() && i < kMostNamed; ++i) {
    const Change& change = *changes[i];
    finding.evidence.push_back(
        {"tensor",
         fmt::format("`{}`, {}", change.name, form_text(tensor_of(artifact, comparison, change)))});
  }
  if (changes.size() > kMostNamed) {
    finding.evidence.push_back({"tensor", fmt::format("and {} more", changes.size() - kMostNamed)});
  }
  return finding;
}

std::vector<Finding> check(const Artifact& artifact, const Intent& intent) {
  if (!intent.expected) return {};
  const Expectation& expectation = *intent.expected;
  const Comparison comparison = compare_with(expectation, artifact);
  std::map<std::pair<DType, DType>, std::vector<const Change*>> types;
  std::vector<Finding> findings;
  for (const Change& change : comparison.changes) {
    const bool differs = change.kind == ChangeKind::kShape || change.kind == ChangeKind::kType ||
                         change.kind == ChangeKind::kLayout || change.kind == ChangeKind::kTie;
    if (!differs || change.fit == Compatibility::kCompatible) continue;
    if (change.kind == ChangeKind::kType) {
      const DType wanted = *expectation.tensors[*change.expected].dtype;
      types[{wanted, tensor_of(artifact, comparison, change).dtype}].push_back(&change);
      continue;
    }
    findings.push_back(finding_of(artifact, expectation, comparison, change));
  }
  for (const auto& [pair, changes] : types) {
    findings.push_back(finding_of_types(artifact, expectation, comparison, changes));
  }
  if (expectation.terms == Expectation::Terms::kContract) {
    for (Finding& finding : findings) finding.severity = Severity::kError;
  }
  return findings;
}

}  // namespace

extern constexpr Rule CTR003 = define_rule({
    .code = "CTR003",
    .name = "shape-or-dtype-differs",
    .summary = "a tensor has another shape or element type than expected",
    .why = "load_state_dict raises for another shape, and converts another type without a word",
    .help = "make the file anew with the right model and type; if the change is meant, bring the "
            "contract or the code that loads it up to date",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
    .needs_expectation = true,
});

}  // namespace torchvet::rules
