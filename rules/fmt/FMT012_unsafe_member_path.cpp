#include <fmt/format.h>

#include <array>

#include "rule/fault_finding.h"
#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a checkpoint of several files that names one outside its own folder (a path instead of a plain
name, a symbolic link that leads out), and an archive with a member whose name leads out of the folder
that it is unpacked into: `..` as a part, a root or a drive at the front.

## Why it matters
Whoever opens the checkpoint reads another file than the one that was published; whoever unpacks the
archive with a careless tool writes one. torch itself never unpacks an archive.

## Example
```
"weight_map": {"fc.weight": "../../private/model.safetensors"}
```

## What to do
Do not use the file. If you made it yourself, name plain files that lie beside the index.

## Limits
A link is followed without a word where the index itself is one, as in the cache of the Hugging Face hub.
Keys of storages are free text for torch and never paths: `data/a/b` is silent.

## References
Measured with torch 2.13: a member `archive/../../x` loads without a word.
)md";

constexpr std::array kCodes = {ErrorCode::kUnsafePath};

bool has_drive(std::string_view name) {
  return name.size() > 2 && name[1] == ':' && (name[2] == '/' || name[2] == '\\');
}

/// True for names that a tool which unpacks by name would follow out of its folder.
bool leads_out(std::string_view name) {
  if (name.starts_with('/') || name.starts_with('\\') || has_drive(name)) return true;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find_first_of("/\\"), name.size());
    if (name.substr(0, end) == "..") return true;
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return false;
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings =
      findings_of_faults(artifact, kCodes, [](const std::string& member, const Fault&) {
        return fmt::format("the file `{}` is outside the folder of the checkpoint", member);
      });
  if (artifact.format == Format::kShardedIndex) return findings;
  for (const Member& member : artifact.members) {
    if (!leads_out(member.name)) continue;
    Finding finding;
    finding.where.member = member.name;
    finding.where.bytes = member.data;
    finding.message = fmt::format("the member `{}` leads out of the archive", member.name);
    finding.evidence.push_back(
        {"bytes", fmt::format("its header is at byte {}", member.header_offset)});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT012 = define_rule({
    .code = "FMT012",
    .name = "unsafe-member-path",
    .summary = "a checkpoint names a file outside its own folder",
    .why = "opening or unpacking it touches files outside its folder",
    .help = "do not use it; if it is yours, name plain files that lie beside each other",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
