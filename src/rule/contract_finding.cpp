#include "rule/contract_finding.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/name_groups.h"
#include "rule/state_dict_text.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostNamed = 4;  ///< of the tensors of one finding

std::string path_in(const Comparison& comparison, std::string_view name) {
  const std::string& path = comparison.model.path;
  if (path.empty() || name.empty()) return path.empty() ? std::string(name) : path;
  return fmt::format("{}.{}", path, name);
}

}  // namespace

std::string form_text(const Tensor& tensor) {
  return fmt::format("{} [{}]", name_of(tensor.dtype), fmt::join(tensor.shape, ", "));
}

std::string form_text(const ExpectedTensor& expected) {
  if (!expected.is_tensor) return "no tensor";
  std::string shape = "*";
  if (expected.shape) {
    shape = "[";
    for (std::size_t i = 0; i < expected.shape->size(); ++i) {
      const std::optional<std::int64_t>& size = (*expected.shape)[i];
      shape += fmt::format("{}{}", i > 0 ? ", " : "", size ? std::to_string(*size) : "*");
    }
    shape += "]";
  }
  if (!expected.dtype) return shape == "*" ? "of any form" : shape;
  return fmt::format("{} {}", name_of(*expected.dtype), shape);
}

std::string by_whom(const Expectation& expectation) {
  const bool loadable = expectation.terms == Expectation::Terms::kLoadable;
  return fmt::format("{} {}", loadable ? "in" : "expected by", expectation.source);
}

Finding finding_at(const Artifact& artifact, const Comparison& comparison, std::string_view name) {
  Finding finding;
  if (comparison.model.state != nullptr) {
    finding.where = location_of(artifact, *comparison.model.state);
  }
  finding.where.object_path = path_in(comparison, name);
  return finding;
}

std::vector<Finding> findings_by_module(const Artifact& artifact, const Comparison& comparison,
                                        const std::vector<NamedChange>& names,
                                        std::string_view verb) {
  std::vector<MarkedName> marked;
  for (const NamedChange& one : names) marked.push_back({one.name, one.change != nullptr});
  std::vector<Finding> findings;
  for (const NameGroup& group : group_marked(marked)) {
    const NamedChange& first = names[group.members.front()];
    const bool alone = group.members.size() == 1;
    Finding finding = finding_at(artifact, comparison, alone ? first.name : group.module);
    finding.message =
        alone ? fmt::format("`{}` {}", first.name, verb)
              : fmt::format("`{}` {}: {} tensors", group.module, verb, group.members.size());
    Compatibility worst = Compatibility::kCompatible;
    for (std::size_t i = 0; i < group.members.size(); ++i) {
      const NamedChange& one = names[group.members[i]];
      worst = std::max(worst, one.change->fit);
      if (i < kMostNamed) finding.evidence.push_back({"tensor", one.evidence});
    }
    if (group.members.size() > kMostNamed) {
      finding.evidence.push_back(
          {"tensor", fmt::format("and {} more", group.members.size() - kMostNamed)});
    }
    if (worst != Compatibility::kBreaking) finding.severity = Severity::kWarning;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace torchvet
