#include <fmt/format.h>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a file that is no PyTorch artifact but plainly something else: an HTML or error page, a text,
JSON, an empty file, an archive around a model, a model of another framework, a compressed file. What gzip or
zstd made of a model is looked into where the name says so (`model.pt.gz`, `model.pt.zst`) or says nothing;
called `model.pt`, no loader opens it.

## Why it matters
Loading fails with a message that only describes the first byte: `Unsupported operand 60` and
`invalid load key, '<'` are an HTML page, an `EOFError` without text is an empty file. The page is
mostly what a server sent in the place of the model: a login form, `Entry not found`, a rate limit.

## Example
```
this is an HTML page, not a model
```

## What to do
Look at the file: an error page says what went wrong with the download. Unpack what is compressed or
inside another archive. Make downloads fail loudly (`curl --fail`) and compare checksums.

## Limits
The file type is told by the first bytes. Bytes that fit no known type are not judged: they leave the
run incomplete. In a directory only files with the ending of a model are looked at for this.

## References
The magic numbers of the file types; `torch.load` takes a zip only when the file begins with `PK\3\4`
and every member is in one common folder.
)md";

std::string help_for(const Artifact& artifact) {
  const std::string_view what = artifact.looks_like;
  if (what.find("compressed") != std::string_view::npos) return "decompress it first";
  if (what.find("archive with `") != std::string_view::npos) return "unpack the archive first";
  if (artifact.source.size == 0) return "save or fetch it again: nothing was written";
  return "";
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  // A zip whose directory cannot be read may have been anything; that it is broken is said already.
  const bool other_zip = artifact.format == Format::kPlainZip && artifact.faults.empty();
  if (artifact.format != Format::kNotAModel && !other_zip) return {};
  Finding finding;
  finding.message = fmt::format("this is {}, not a model", artifact.looks_like);
  finding.evidence.push_back({"bytes", fmt::format("the file has {} bytes", artifact.source.size)});
  if (other_zip && !artifact.members.empty()) {
    finding.evidence.push_back(
        {"bytes", fmt::format("its first member is `{}`, of {} in all",
                              artifact.members.front().name, artifact.members.size())});
  }
  finding.help = help_for(artifact);
  return {finding};
}

}  // namespace

extern constexpr Rule FMT003 = define_rule({
    .code = "FMT003",
    .name = "not-a-model",
    .summary = "the file is plainly something other than a PyTorch artifact",
    .why = "no loader can read it, and their messages do not say what it is",
    .help = "look at the file: a page or text says what went wrong where it came from",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
