#include "model/moved_tensors.h"

#include <algorithm>
#include <map>
#include <utility>

namespace torchvet {
namespace {

using Form = std::pair<DType, std::vector<std::int64_t>>;

/// Changes of one form, by their place in `Comparison::changes`.
struct Candidates {
  std::vector<std::size_t> missing, unexpected;
};

std::optional<Form> form_of(const ExpectedTensor& expected) {
  if (!expected.is_tensor || !expected.dtype || !expected.shape) return std::nullopt;
  std::vector<std::int64_t> shape;
  for (const std::optional<std::int64_t>& size : *expected.shape) {
    if (!size) return std::nullopt;
    shape.push_back(*size);
  }
  return Form{*expected.dtype, std::move(shape)};
}

const Tensor& tensor_of(const Artifact& artifact, const Comparison& comparison,
                        const Change& change) {
  return artifact.tensors[comparison.model.entries[*change.entry].tensor];
}

std::map<Form, Candidates> candidates_of(const Expectation& expectation, const Artifact& artifact,
                                         const Comparison& comparison) {
  std::map<Form, Candidates> forms;
  for (std::size_t i = 0; i < comparison.changes.size(); ++i) {
    const Change& change = comparison.changes[i];
    if (change.kind == ChangeKind::kMissing) {
      const std::optional<Form> form = form_of(expectation.tensors[*change.expected]);
      if (form) forms[*form].missing.push_back(i);
    } else if (change.kind == ChangeKind::kUnexpected && change.entry) {
      const Tensor& tensor = tensor_of(artifact, comparison, change);
      forms[{tensor.dtype, tensor.shape}].unexpected.push_back(i);
    }
  }
  return forms;
}

void join(Comparison& comparison, std::size_t missing, std::size_t unexpected, bool same_numbers) {
  Change &gone = comparison.changes[missing], &come = comparison.changes[unexpected];
  gone.moved = come.entry;
  come.moved = gone.expected;
  gone.same_numbers = come.same_numbers = same_numbers;
}

/// Joins what stands in the same order, when there are as many on both sides and each has the last
/// name of the other, or there is one on each side.
void join_in_order(Comparison& comparison, const std::vector<std::size_t>& missing,
                   const std::vector<std::size_t>& unexpected, bool same_numbers) {
  if (missing.size() != unexpected.size()) return;
  const auto alike = [&](std::size_t a, std::size_t b) {
    return leaf_of(comparison.changes[a].name) == leaf_of(comparison.changes[b].name);
  };
  const bool ordered =
      missing.size() == 1 || std::equal(missing.begin(), missing.end(), unexpected.begin(), alike);
  if (!ordered) return;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    join(comparison, missing[i], unexpected[i], same_numbers);
  }
}

}  // namespace

void join_moved(const Expectation& expectation, const Artifact& artifact, Comparison& comparison) {
  for (const auto& [form, all] : candidates_of(expectation, artifact, comparison)) {
    std::map<Digest, Candidates> equal;
    Candidates unread;
    for (const std::size_t i : all.missing) {
      const std::optional<Digest>& digest =
          expectation.tensors[*comparison.changes[i].expected].digest;
      (digest ? equal[*digest] : unread).missing.push_back(i);
    }
    for (const std::size_t i : all.unexpected) {
      const Tensor& tensor = tensor_of(artifact, comparison, comparison.changes[i]);
      const bool read = tensor.values && tensor.values->digest;
      (read ? equal[*tensor.values->digest] : unread).unexpected.push_back(i);
    }
    // Of those whose numbers are known and differ, others may have the shape by chance only.
    for (const auto& [digest, same] : equal) {
      if (same.missing.empty() || same.unexpected.empty()) {
        unread.missing.insert(unread.missing.end(), same.missing.begin(), same.missing.end());
        unread.unexpected.insert(unread.unexpected.end(), same.unexpected.begin(),
                                 same.unexpected.end());
      } else {
        join_in_order(comparison, same.missing, same.unexpected, true);
      }
    }
    std::sort(unread.missing.begin(), unread.missing.end());
    std::sort(unread.unexpected.begin(), unread.unexpected.end());
    join_in_order(comparison, unread.missing, unread.unexpected, false);
  }
}

MovedPlans plan_moved(const Expectation& expectation, const Comparison& comparison,
                      const Artifact& artifact) {
  MovedPlans plans;
  for (const auto& [form, all] : candidates_of(expectation, artifact, comparison)) {
    if (all.missing.empty() || all.unexpected.empty()) continue;
    for (const std::size_t i : all.missing) {
      const std::optional<TensorId> tensor =
          expectation.tensors[*comparison.changes[i].expected].tensor;
      if (tensor) plans.expected.items.push_back({*tensor, kDigest});
    }
    for (const std::size_t i : all.unexpected) {
      const Change& change = comparison.changes[i];
      plans.file.items.push_back({comparison.model.entries[*change.entry].tensor, kDigest});
    }
  }
  return plans;
}

}  // namespace torchvet
