#include "cli/acceptance.h"

#include <fmt/format.h>

namespace torchvet {
namespace {

constexpr std::size_t kMostStale = 10;  ///< that are named

std::string note_of(const ReportedSuppression& reported) {
  const Suppression& one = reported.suppression;
  const std::string what =
      fmt::format("note: {}: the suppression of {} in {}", one.origin, one.code, one.artifact);
  switch (reported.state) {
    case SuppressionState::kExpired:
      return fmt::format("{} expired on {} and suppresses nothing", what, one.expires);
    case SuppressionState::kUnused:
      return fmt::format("{} is not needed: there is no such finding", what);
    case SuppressionState::kOtherSha256:
      return fmt::format("{} suppresses nothing: the file is not the one with that sha256", what);
    case SuppressionState::kUsed:
    case SuppressionState::kUntried:
      break;
  }
  return "";
}

}  // namespace

std::vector<std::string> acceptance_notes(const Report& report) {
  std::vector<std::string> notes;
  for (const ReportedSuppression& reported : report.suppressions) {
    if (std::string note = note_of(reported); !note.empty()) notes.push_back(std::move(note));
  }
  if (!report.baseline || report.baseline->stale.empty()) return notes;
  const ReportedBaseline& baseline = *report.baseline;
  for (std::size_t i = 0; i < baseline.stale.size() && i < kMostStale; ++i) {
    const BaselineEntry& entry = baseline.stale[i];
    notes.push_back(fmt::format("note: {}: stale, its finding is gone: {} in {}{}{}", baseline.file,
                                entry.code, entry.artifact, entry.object_path.empty() ? "" : ", ",
                                entry.object_path));
  }
  const std::size_t count = baseline.stale.size();
  notes.push_back(fmt::format("note: {}: {} stale {}; `torchvet baseline prune` removes {}",
                              baseline.file, count, count == 1 ? "entry" : "entries",
                              count == 1 ? "it" : "them"));
  return notes;
}

}  // namespace torchvet
