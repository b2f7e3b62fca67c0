#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "rule/rule.h"

namespace torchvet::rules {
namespace {

constexpr std::string_view kDoc = R"md(
## What it does
Notes a model file whose name ends as that of another format: `.safetensors` on a file of torch.save, `.pt` on
a safetensors file or on an exported program, `.pt2` on anything but one, `.jit`, `.torchscript` or `.ptl` on
anything but TorchScript.

## Why it matters
People and programs choose the loader by the name. torch 2.13 itself hands every path that ends in
`.safetensors` to the safetensors package, whatever is in it, which then says `header too large`;
`torch.load` calls a safetensors file corrupt.

## Example
```
torch.save(model.state_dict(), "model.safetensors")
```

## What to do
Rename the file.

## Limits
`.pt`, `.pth`, `.ckpt` and `.bin` are used for state_dicts, whole modules and TorchScript alike, which is never
reported.

## References
Measured with torch 2.13.
)md";

enum class Content : std::uint8_t { kOther, kPickled, kScript, kExported, kSafetensors };

Content content_of(Format format) {
  switch (format) {
    case Format::kTorchZip:
    case Format::kTorchLegacy:
    case Format::kTorchTar:
      return Content::kPickled;
    case Format::kTorchScript:
      return Content::kScript;
    case Format::kExportedProgram:
      return Content::kExported;
    case Format::kSafetensors:
    case Format::kDcpSafetensors:
      return Content::kSafetensors;
    default:
      return Content::kOther;
  }
}

std::string_view words_for(Content content) {
  switch (content) {
    case Content::kPickled:
      return "a file of torch.save";
    case Content::kScript:
      return "a TorchScript program";
    case Content::kExported:
      return "an exported program, which torch.export.load loads";
    default:
      return "a safetensors file";
  }
}

struct Extension {
  std::string_view ending;
  std::array<bool, 5> holds;  ///< by Content
  std::string_view promise;
};

constexpr std::array kExtensions = {
    Extension{".safetensors", {true, false, false, false, true}, "a safetensors file"},
    Extension{".pt2", {true, false, false, true, false}, "an exported program"},
    Extension{".jit", {true, false, true, false, false}, "a TorchScript program"},
    Extension{".torchscript", {true, false, true, false, false}, "a TorchScript program"},
    Extension{".ptl", {true, false, true, false, false}, "a TorchScript program"},
    Extension{".pt", {true, true, true, false, false}, "a file that torch.load loads"},
    Extension{".pth", {true, true, true, false, false}, "a file that torch.load loads"},
    Extension{".ckpt", {true, true, true, false, false}, "a file that torch.load loads"},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::vector<Finding> check(const Artifact& artifact, const Intent&) {
  const Content content = content_of(artifact.format);
  std::string path = artifact.source.path;
  std::transform(path.begin(), path.end(), path.begin(), lower);
  for (const Extension& extension : kExtensions) {
    if (!path.ends_with(extension.ending)) continue;
    if (extension.holds[static_cast<std::size_t>(content)]) return {};
    Finding finding;
    finding.severity = Severity::kNote;
    finding.message =
        fmt::format("the name promises {}; it is {}", extension.promise, words_for(content));
    finding.evidence.push_back({"bytes", fmt::format("the name ends in {}, the content is {}",
                                                     extension.ending, name_of(artifact.format))});
    return {finding};
  }
  return {};
}

}  // namespace

extern constexpr Rule FMT007 = define_rule({
    .code = "FMT007",
    .name = "extension-mismatch",
    .summary = "the name of a file promises another format than its content",
    .why = "people and programs choose the loader by the name",
    .help = "rename the file",
    .since = "0.1.0",
    .severity = Severity::kNote,
    .confidence = Confidence::kHigh,
    .needs = Needs::kStructure,
    .doc = kDoc,
    .check = check,
});

}  // namespace torchvet::rules
