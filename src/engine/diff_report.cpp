#include "engine/diff_report.h"

#include <algorithm>

#include "rule/contract_finding.h"

namespace torchvet {
namespace {

ReportedChange reported(const Change& change, const Expectation& expectation,
                        const Comparison& comparison, const Artifact& artifact) {
  ReportedChange out;
  out.kind = name_of(change.kind);
  out.compatibility = change.fit;
  out.name = change.name;
  const ExpectedTensor* expected =
      change.expected ? &expectation.tensors[*change.expected] : nullptr;
  const Tensor* tensor =
      change.entry ? &artifact.tensors[comparison.model.entries[*change.entry].tensor] : nullptr;
  if (change.kind == ChangeKind::kDevice) {
    out.before = expected->device;
    out.after = tensor->device;
  } else if (change.kind == ChangeKind::kTie) {
    out.before = "tied to " + expectation.tensors[*expected->tied_to].name;
  } else if (change.kind == ChangeKind::kType) {
    out.before = name_of(*expected->dtype);
    out.after = name_of(tensor->dtype);
  } else {
    if (expected != nullptr) out.before = form_text(*expected);
    if (tensor != nullptr) out.after = form_text(*tensor);
  }
  if (change.kind == ChangeKind::kMissing && change.moved) {
    out.renamed = comparison.model.entries[*change.moved].name;
  } else if (change.kind == ChangeKind::kUnexpected && change.moved) {
    out.renamed = expectation.tensors[*change.moved].name;
  }
  out.same_numbers = change.same_numbers;
  return out;
}

}  // namespace

ReportedDiff report_of(const Expectation& expectation, const Comparison& comparison,
                       const Artifact& artifact) {
  ReportedDiff diff;
  diff.path = artifact.source.path;
  diff.against = expectation.source;
  diff.compatibility = comparison.fit;
  diff.tensors_before = expectation.tensors.size();
  diff.tensors = comparison.model.entries.size();
  diff.same = comparison.same;
  diff.parameters_before = expectation.parameters;
  diff.parameters = comparison.parameters;
  if (const std::optional<Renaming>& renaming = comparison.renaming) {
    ReportedChange names;
    names.kind = "names";
    names.compatibility = Compatibility::kBreaking;
    names.name = renaming->expected_example;
    names.renamed = renaming->found_example;
    names.count = renaming->names;
    diff.changes.push_back(std::move(names));
  }
  for (const Change& change : comparison.changes) {
    diff.changes.push_back(reported(change, expectation, comparison, artifact));
  }
  std::stable_sort(diff.changes.begin(), diff.changes.end(),
                   [](const ReportedChange& a, const ReportedChange& b) {
                     return a.compatibility > b.compatibility;
                   });
  return diff;
}

}  // namespace torchvet
