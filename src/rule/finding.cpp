#include "rule/finding.h"

#include "model/artifact.h"

namespace torchvet {

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::kNote: return "note";
    case Severity::kWarning: return "warning";
    case Severity::kError: return "error";
  }
  return "error";
}

std::string_view name_of(Confidence confidence) {
  switch (confidence) {
    case Confidence::kLow: return "low";
    case Confidence::kMedium: return "medium";
    case Confidence::kHigh: return "high";
  }
  return "low";
}

std::optional<Severity> severity_from_name(std::string_view name) {
  for (const Severity s : {Severity::kNote, Severity::kWarning, Severity::kError}) {
    if (name_of(s) == name) return s;
  }
  return std::nullopt;
}

std::optional<Confidence> confidence_from_name(std::string_view name) {
  for (const Confidence c : {Confidence::kLow, Confidence::kMedium, Confidence::kHigh}) {
    if (name_of(c) == name) return c;
  }
  return std::nullopt;
}

Location location_of(const Artifact& artifact, const Tensor& tensor) {
  Location where;
  where.object_path = tensor.object_path;
  if (tensor.member && *tensor.member < artifact.members.size()) {
    where.member = artifact.members[*tensor.member].name;
  }
  if (tensor.where.length > 0) where.bytes = tensor.where;
  return where;
}

Location location_of(const Node& node) {
  Location where;
  where.object_path = node.module_path;
  if (const SourceLine* frame = user_frame(node)) where.source = *frame;
  return where;
}

}  // namespace torchvet
