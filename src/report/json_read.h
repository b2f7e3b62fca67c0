#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "engine/report.h"

namespace torchvet {

/// A report that was read back, with the rules that it names: a report only points to rules.
struct StoredReport {
  Report report;
  std::deque<Rule> rules;  ///< their texts are in `texts`, or those of this program
  std::deque<std::string> texts;
};

/// Reads what `json_report` writes. The bytes may come from anybody: the size is bounded by
/// `Limits::json_bytes`, a key may not stand twice, everything must have the shape that the schema
/// names, and what says the same twice must agree: counts and verdict with the findings, findings
/// with the artifacts and rules. Rules that are among `known` keep their pages.
/// Faults: each with the place of what is wrong.
[[nodiscard]] tl::expected<StoredReport, std::vector<std::string>> read_json_report(
    std::string_view text, std::span<const Rule* const> known, const Limits& limits);

}  // namespace torchvet
