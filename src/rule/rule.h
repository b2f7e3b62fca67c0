#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"
#include "model/expectation.h"
#include "model/series.h"
#include "rule/finding.h"

namespace torchvet {

/// What a rule needs. The engine prepares only what an enabled rule needs.
enum class Needs : std::uint8_t {
  kStructure,  ///< members, pickles, tensors, modules: no weight is read
  kGraph,      ///< the programs: for TorchScript the worker is started
  kValues,     ///< numbers of the tensors that `wants` names
  kSeries,     ///< several checkpoints of one run
  kLoaders,    ///< what torch's loaders would do with the file: `Artifact::loaders`
};

enum class Status : std::uint8_t { kPreview, kStable, kDeprecated };

/// What the user says the artifact is for.
enum class Purpose : std::uint8_t { kByKind, kInference, kTraining, kResume };

struct Intent {
  Purpose purpose = Purpose::kByKind;
  std::string target_device;  ///< "cpu", "cuda"; empty: unknown
  std::string target_torch;   ///< "2.9"; empty: the newest known
  std::shared_ptr<const Expectation> expected;  ///< what the model should hold; null: not told
};

using Check = std::vector<Finding> (*)(const Artifact&, const Intent&);
using CheckSeries = std::vector<Finding> (*)(const Series&, const Intent&);
/// Which tensors' values the check will look at; their facts are in `Tensor::values` when it runs.
using Wants = ValuePlan (*)(const Artifact&);
/// What the way in which this program was made hides from the rule, as the end of "a trace does not
/// show ..."; empty when the rule can see all that it looks for.
using Unseen = std::string_view (*)(const Artifact&);

/// One rule: metadata, documentation and check, in one file rules/<family>/<CODE>_<name>.cpp.
struct Rule {
  std::string_view code;     ///< "REG002": three capitals, three digits
  std::string_view name;     ///< "parameter-created-in-forward": reads as "allow <name>"
  std::string_view summary;  ///< one sentence, no full stop
  std::string_view why;      ///< why it matters, one sentence, for the report
  std::string_view help;     ///< what to do, one sentence, for the report
  std::string_view since;    ///< version that brought it
  Severity severity = Severity::kError;  ///< the highest it reports
  Confidence confidence = Confidence::kHigh;
  Needs needs = Needs::kStructure;
  Status status = Status::kStable;
  std::string_view doc;      ///< the page of `explain`, Markdown, with the headings below
  /// The faults of readers that it turns into findings. One that no rule has here is a gap.
  std::span<const ErrorCode> faults = {};
  Check check = nullptr;
  CheckSeries check_series = nullptr;
  Wants wants = nullptr;
  Unseen unseen = nullptr;
  bool judges_without_program = false;  ///< of kGraph: has something to say of modules alone, too
  std::string_view loader = {};        ///< of kLoaders: the one whose prediction it looks at
  bool needs_expectation = false;  ///< it has nothing to say without `Intent::expected`
};

inline constexpr std::string_view kDocHeadings[] = {
    "## What it does", "## Why it matters", "## Example",
    "## What to do",   "## Limits",         "## References"};

/// Checks a rule's metadata while it is compiled: a bad one does not build.
consteval Rule define_rule(Rule rule) {
  const auto require = [](bool condition, const char* message) {
    if (!condition) throw message;  // reaching this in a consteval call is a compile error
  };
  require(rule.code.size() == 6, "code: three capitals and three digits");
  for (int i = 0; i < 3; ++i) require(rule.code[i] >= 'A' && rule.code[i] <= 'Z', "code: capitals");
  for (int i = 3; i < 6; ++i) require(rule.code[i] >= '0' && rule.code[i] <= '9', "code: digits");
  require(!rule.name.empty(), "name is empty");
  for (const char c : rule.name) {
    require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-', "name: kebab-case");
  }
  for (const std::string_view text : {rule.summary, rule.why, rule.help}) {
    require(!text.empty() && text.back() != '.', "summary, why, help: a sentence, no full stop");
  }
  require(!rule.since.empty(), "since is empty");
  require((rule.check != nullptr) != (rule.check_series != nullptr), "exactly one check");
  require((rule.needs == Needs::kSeries) == (rule.check_series != nullptr), "series: check_series");
  require((rule.needs == Needs::kValues) == (rule.wants != nullptr) ||
              (rule.needs == Needs::kGraph && rule.wants != nullptr),
          "values: say which tensors in `wants`");
  require((rule.needs == Needs::kLoaders) == !rule.loader.empty(), "loaders: say which");
  require(!rule.judges_without_program || rule.needs == Needs::kGraph,
          "judges_without_program: of a rule that needs graphs");
  require(!(rule.severity == Severity::kError && rule.confidence == Confidence::kLow),
          "an error of low confidence does not exist");
  std::size_t at = 0;
  for (const std::string_view heading : kDocHeadings) {
    at = rule.doc.find(heading, at);
    require(at != std::string_view::npos, "doc: a heading is missing or out of order");
  }
  return rule;
}

}  // namespace torchvet
