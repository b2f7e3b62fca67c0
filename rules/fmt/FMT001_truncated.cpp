#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <unordered_map>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Reports a file, or a member of an archive, whose bytes end before its structure does: an archive
without the directory that closes it, a member that reaches past the end of the data, a pickle
without its last opcode, a storage with fewer bytes than it declares, compressed data without their end.

## Why it matters
The file cannot be loaded, or loads partly. The usual causes are a full disk, a job that was killed
while it saved, and a download or copy that stopped; the errors that loaders give for it name none of
them: `failed finding central directory`, `unexpected EOF, expected 4096 more bytes`, an `EOFError`
without text.

## Example
```
the archive is cut off: its directory is missing
  because  at byte 1048576 of 1048576: the archive has no central directory at its end
```

## What to do
Fetch or copy the file again and compare sizes with the original, or go back to the checkpoint before
it. To keep it from happening, save under another name and rename when the save has finished.

## Limits
How many bytes are missing is said only where the file itself declares a size. In an archive that is
cut off nothing else is analysed, because only its directory says where the members are. A file that
was cut and then padded to its old size is not found here.

## References
`torch.save` writes the directory of the archive last, so every cut of the file loses it. In the
legacy format each storage is preceded by its number of elements.
)md";

constexpr std::array kCodes = {ErrorCode::kTruncated, ErrorCode::kZipNoCentralDirectory,
                               ErrorCode::kZipMemberOutside, ErrorCode::kPickleNoStop};

bool is_truncation(ErrorCode code) {
  return std::find(kCodes.begin(), kCodes.end(), code) != kCodes.end();
}

std::string describe(const Artifact& artifact, const Fault& fault) {
  if (artifact.format == Format::kTorchLegacy && !fault.member.empty()) {
    return fmt::format("the file is cut off in its pickle `{}`", fault.member);
  }
  if (!fault.member.empty()) return fmt::format("`{}` is cut off", fault.member);
  if (fault.error.code == ErrorCode::kZipNoCentralDirectory) {
    return "the archive is cut off: its directory is missing";
  }
  return "the file is cut off";
}

/// The sizes of the files that faults lie in. A checkpoint of several files has them as members.
class FileSizes {
 public:
  explicit FileSizes(const Artifact& artifact)
      : several_(artifact.format == Format::kShardedIndex ||
                 artifact.format == Format::kDcpMetadata ||
                 artifact.format == Format::kDcpSafetensors ||
                 artifact.format == Format::kTrainingFolder),
        whole_(artifact.source.contents.value_or(artifact.source.size)) {
    if (!several_) return;
    for (const Member& member : artifact.members) sizes_.emplace(member.name, member.size);
  }

  /// A fault is named by the file, or by what lies in it: "FILE/archive/data.pkl", "FILE (item)".
  [[nodiscard]] std::optional<std::uint64_t> of(std::string_view member) const {
    if (!several_) return whole_;
    for (std::size_t end = 0; end < member.size(); ++end) {
      end = std::min({member.find('/', end), member.find(" (", end), member.size()});
      if (const auto known = sizes_.find(member.substr(0, end)); known != sizes_.end()) {
        return known->second;
      }
    }
    return std::nullopt;
  }

 private:
  bool several_;
  std::uint64_t whole_;
  std::unordered_map<std::string_view, std::uint64_t> sizes_;
};

std::string place_of(const FileSizes& sizes, const Fault& fault) {
  const std::optional<std::uint64_t> size = sizes.of(fault.member);
  if (!size) return fmt::format("at byte {}", fault.error.offset);
  return fmt::format("at byte {} of {}", fault.error.offset, *size);
}

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  std::vector<Finding> findings;
  const FileSizes sizes(artifact);
  std::set<std::string_view> reported;
  for (const Fault& fault : artifact.faults) {
    if (!is_truncation(fault.error.code) || !reported.insert(fault.member).second) continue;
    Finding finding;
    finding.where.member = fault.member;
    finding.where.bytes = ByteRange{fault.error.offset, 0};
    finding.message = describe(artifact, fault);
    finding.evidence.push_back(
        {"bytes", fmt::format("{}: {}", place_of(sizes, fault), fault.error.detail)});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

extern constexpr Rule FMT001 = define_rule({
    .code = "FMT001",
    .name = "truncated",
    .summary = "a file or a member of an archive ends before its structure does",
    .why = "it cannot be loaded, or only in part; a save, a download or a copy was interrupted",
    .help = "fetch or copy the file again, or use the checkpoint before it",
    .since = "0.1.0",
    .severity = Severity::kError,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .faults = kCodes,
    .check = check,
});

}  // namespace torchvet::rules
