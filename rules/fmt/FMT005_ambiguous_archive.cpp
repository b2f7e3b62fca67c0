#include <fmt/format.h>

#include <array>
#include <string>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports an archive in which two readers can see different members: one name for two members; local headers
that contradict the directory in name, method, size or checksum; members that share bytes; members that no
directory names; bytes after the end of the archive; two places that can be taken for the directory; end
records that contradict each other; data behind an entry that is marked as a folder.

## Why it matters
What a scanner, a viewer or Python's `zipfile` shows is then not what torch loads. That is how a file is made
to look harmless, and it is also what a tool leaves behind that wrote into an archive. Of two members with one
name torch takes the one or the other depending on how many members there are; Python takes the last.
Bytes after the end can make `torch.load` fail with `OSError: Invalid argument`.

## Example
```
zipfile.ZipFile("model.pt", "a").writestr("model/data.pkl", other)   # a second data.pkl
```

## What to do
Do not use a file from others. If it is yours, load it, look at what was loaded, and save it again.

## Limits
A comment at the end of the archive is silent, and so are gaps between members that hold no records of an
archive (FMT020 notes them). Names that differ only in case are FMT016.

## References
Measured with torch 2.13: with 4,096 zero bytes behind the archive `torch.load` fails, with 160 or 60,000 it
loads. torch reads members whose local header has another name, which Python's `zipfile` refuses.
)md";

constexpr std::array kCodes = {ErrorCode::kZipDuplicateName,  ErrorCode::kZipLocalDisagrees,
                               ErrorCode::kZipMembersOverlap, ErrorCode::kZipTwoDirectories,
                               ErrorCode::kZipStrayBytes,     ErrorCode::kZipBadCentralDirectory,
                               ErrorCode::kZipBadLocalHeader};

std::string describe(const std::string& member, const Fault& fault) {
  switch (fault.error.code) {
    case ErrorCode::kZipDuplicateName:
      return fmt::format("`{}` stands for two members", member);
    case ErrorCode::kZipLocalDisagrees:
    case ErrorCode::kZipBadLocalHeader:
      return fmt::format("the directory of the archive and the header of `{}` disagree", member);
    case ErrorCode::kZipMembersOverlap:
      return fmt::format("`{}` shares bytes with another member", member);
    case ErrorCode::kZipStrayBytes:
      return "there are bytes in the archive that belong to no member";
    case ErrorCode::kZipTwoDirectories:
      return "readers differ in where the directory of the archive is";
    default:
      return member.empty() ? "the directory of the archive contradicts itself"
                            : fmt::format("the directory contradicts itself about `{}`", member);
  }
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings = findings_of_faults(artifact, kCodes, describe);
  for (Finding& finding : findings) {
    if (!finding.where.member.empty()) continue;
    finding.why = "tools see other members than torch, or torch.load fails with an OSError";
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT005 = define_rule({
    .code = "FMT005",
    .name = "ambiguous-archive",
    .summary = "an archive in which two readers see different members",
    .why = "what a scanner or another tool sees is not what torch loads",
    .help = "do not use it; if it is yours, load it and save it again",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
