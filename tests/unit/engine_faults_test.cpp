// Nothing that a reader found wrong passes in silence: every code is a finding of some rule, or a gap.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "engine/runner.h"
#include "rules/registry.h"
#include "unit/catch.h"

namespace torchvet {
namespace {

std::vector<ErrorCode> every_code() {
  std::vector<ErrorCode> codes;
  for (std::uint16_t number = 0;; ++number) {
    const ErrorCode code = static_cast<ErrorCode>(number);
    if (name_of(code) == "unknown") return codes;
    codes.push_back(code);
  }
}

std::vector<Format> every_format() {
  std::vector<Format> formats;
  for (std::uint8_t number = 0; number <= static_cast<std::uint8_t>(Format::kNotAModel); ++number) {
    formats.push_back(static_cast<Format>(number));
  }
  return formats;
}

Artifact sound(Format format) {
  Artifact artifact;
  artifact.source = {"model.pt", 1000, ""};
  artifact.format = format;
  return artifact;
}

/// Read whole, but for two parts that tell different things.
Artifact contradictory(Format format, ErrorCode code) {
  Artifact artifact = sound(format);
  artifact.add_contradiction("data.pkl", {code, 17, "two parts differ"});
  return artifact;
}

std::vector<Finding> found_by(std::span<const Rule* const> rules, Artifact& artifact) {
  return run_rules(rules, artifact, {}, {});
}

std::size_t count_of(const std::vector<Finding>& findings, const Rule* rule) {
  return static_cast<std::size_t>(std::count_if(
      findings.begin(), findings.end(), [&](const Finding& one) { return one.rule == rule; }));
}

bool knows(const Rule* rule, ErrorCode code) {
  return std::find(rule->faults.begin(), rule->faults.end(), code) != rule->faults.end();
}

}  // namespace

TEST_CASE("the codes are listed to their end") {
  const std::vector<ErrorCode> codes = every_code();
  REQUIRE_FALSE(codes.empty());
  CHECK(codes.back() == ErrorCode::kGraphRefused);
}

TEST_CASE("a fault of any code in any format is a finding or a gap") {
  for (const Format format : every_format()) {
    Artifact healthy = sound(format);
    found_by(all_rules(), healthy);
    for (const ErrorCode code : every_code()) {
      INFO(name_of(format) << ", " << name_of(code));
      Artifact contradiction = contradictory(format, code);
      const std::vector<Finding> findings = found_by(all_rules(), contradiction);
      const bool found = std::any_of(findings.begin(), findings.end(), [&](const Finding& one) {
        return knows(one.rule, code);
      });
      CHECK((found || contradiction.gaps.size() > healthy.gaps.size()));
      Artifact fault = sound(format);
      fault.add_fault("data.pkl", {code, 17, "it is cut off"});
      found_by(all_rules(), fault);
      CHECK(fault.gaps.size() == healthy.gaps.size() + 1);
    }
  }
}

TEST_CASE("a rule has the codes that it reports, and reports those that it has") {
  for (const Rule* rule : all_rules()) {
    const std::array<const Rule*, 1> alone = {rule};
    for (const ErrorCode code : every_code()) {
      INFO(rule->code << ", " << name_of(code));
      bool reports = false;
      for (const Format format : every_format()) {
        Artifact healthy = sound(format);
        Artifact artifact = contradictory(format, code);
        reports = reports || count_of(found_by(alone, artifact), rule) >
                                 count_of(found_by(alone, healthy), rule);
      }
      CHECK(reports == knows(rule, code));
    }
  }
}

TEST_CASE("a contradiction that no rule knows is a gap with its name") {
  Artifact artifact = contradictory(Format::kTorchZip, ErrorCode::kOverflow);
  CHECK(found_by(all_rules(), artifact).empty());
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "data.pkl");
  CHECK(artifact.gaps[0].why == "two parts differ (overflow), of which no rule tells");
  found_by(all_rules(), artifact);
  CHECK(artifact.gaps.size() == 1);
}

TEST_CASE("one that its rule keeps silent about in this format is a gap") {
  Artifact artifact = contradictory(Format::kTorchZip, ErrorCode::kSafetensorsBadHeader);
  CHECK(found_by(all_rules(), artifact).empty());
  CHECK(artifact.gaps.size() == 1);
}

TEST_CASE("a rule that was not asked makes no gap") {
  std::vector<const Rule*> asked(all_rules().begin(), all_rules().end());
  std::erase_if(asked, [](const Rule* rule) { return knows(rule, ErrorCode::kZipChecksum); });
  REQUIRE(asked.size() + 1 == all_rules().size());
  Artifact artifact = contradictory(Format::kTorchZip, ErrorCode::kZipChecksum);
  CHECK(found_by(asked, artifact).empty());
  CHECK(artifact.gaps.empty());
}

}  // namespace torchvet
