#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "model/pickle_reports.h"
#include "model/storage_reach.h"
#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a pickle that stops at an error: a byte that is no opcode, a stack or memo that lacks what an opcode
needs, a text that is no number or no UTF-8, a frame that an operand crosses. Also what only torch refuses: a
storage that is not named as torch names one, a tensor that is built from arguments of the wrong kind, that is
called, or that gets elements or a state which tensors do not take, another function of torch that refuses what
it is called with, a legacy stream without its magic number, protocol or list of keys. And a name to import that cannot be there:
one that is no identifier of Python, or one that is a letter away from a name of torch; in a package of
torch.package, one of a module that the package neither has nor lists as one from outside.

## Why it matters
The file cannot be loaded. It was damaged or edited; a pickle that stops on purpose after it has run what it
came for looks the same, and PKL001 says so.

## Example
```
`archive/data.pkl`: GET takes number 7, under which nothing was stored
```

## What to do
Fetch the file again, or use the checkpoint before it.

## Limits
A pickle that ends too early is FMT001. The source map of a TorchScript program is optional: torch loads the
program without it, so there it is a warning.

## References
Which programs stop where is as in CPython's `_pickle.c`.
)md";

constexpr std::array kCodes = {ErrorCode::kPickleUnknownOpcode, ErrorCode::kPickleStackUnderflow,
                               ErrorCode::kPickleNoMark,        ErrorCode::kPickleMemoMissing,
                               ErrorCode::kPickleBadNumber,     ErrorCode::kPickleBadString,
                               ErrorCode::kPickleBadTarget,     ErrorCode::kPickleBadFrame,
                               ErrorCode::kPickleBadName,
                               ErrorCode::kStorageBadReference, ErrorCode::kTensorBadArguments,
                               ErrorCode::kLegacyBadMagic,      ErrorCode::kLegacyBadProtocol,
                               ErrorCode::kLegacyBadKeys};

std::string describe(const std::string& member, const Fault& fault) {
  const std::string where = member.empty() ? "the pickle" : fmt::format("the pickle `{}`", member);
  switch (fault.error.code) {
    case ErrorCode::kStorageBadReference:
    case ErrorCode::kTensorBadArguments:
      return where + " builds tensors in a way that torch does not";
    case ErrorCode::kPickleBadName:
      return where + " imports what is not there";
    case ErrorCode::kLegacyBadMagic:
    case ErrorCode::kLegacyBadProtocol:
    case ErrorCode::kLegacyBadKeys:
      return "the file is no stream that torch.save writes";
    default:
      return where + " stops at an error";
  }
}

/// A pickle that runs to its end, of which one of torch's own functions refuses what it is called with. A
/// tensor that is larger than its storage is told by STO005.
std::optional<Finding> refused_call(const Artifact& artifact) {
  const LoaderPrediction* said = refused_by_weights_only(artifact);
  const bool refused = said != nullptr && said->problem == LoadProblem::kOther;
  if (!refused || artifact.pickles.empty()) return std::nullopt;
  if (std::any_of(artifact.tensors.begin(), artifact.tensors.end(), [&](const Tensor& tensor) {
        return reaches_past_storage(artifact, tensor);
      })) {
    return std::nullopt;
  }
  Finding finding;
  finding.where.member = artifact.pickles.front().name;
  finding.message =
      fmt::format("torch.load cannot build what the pickle `{}` asks for", finding.where.member);
  finding.evidence.push_back({"pickle", "torch says: " + said->error});
  return finding;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings = findings_of_faults(artifact, kCodes, describe);
  std::erase_if(findings, [](const Finding& finding) {
    return finding.where.member.ends_with(".json");  // a config of an exported program: no pickle
  });
  for (Finding& finding : findings) {
    if (!finding.where.member.ends_with(".debug_pkl")) continue;
    finding.severity = Severity::kWarning;
    finding.why = "errors of the program cannot name the lines of its Python source";
  }
  if (std::optional<Finding> finding = refused_call(artifact)) {
    findings.push_back(std::move(*finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule PKL007 = define_rule({
    .code = "PKL007",
    .name = "malformed-pickle",
    .summary = "a pickle stops at an error",
    .why = "the file cannot be loaded",
    .help = "fetch the file again, or use the checkpoint before it",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kLoaders,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
    .loader = kWeightsOnlyLoader,
});

}  // namespace torchvet::rules
