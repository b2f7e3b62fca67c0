// torch.export.load asks the reader of archives first. If that says anything (a RuntimeError), or
// there is no program in the archive, it opens the file as a plain zip, as torch wrote before 2.8,
// and wants a member `version` there.
#include "formats/loaders/export_load.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "formats/loaders/allowed_names.h"
#include "formats/loaders/archive_route.h"

namespace torchvet {
namespace {

constexpr TorchRelease kKnown = {2, 13};

/// Whether a program in the archive calls operators that torch itself does not have: one that is not
/// registered ends the load.
bool needs_a_library(const Source& source, const Limits& limits) {
  constexpr std::string_view kOps = "torch.ops.";
  constexpr std::string_view kOfTorch[] = {"aten.", "prim.", "prims.", "higher_order."};
  const Result<ZipDirectory> zip = read_zip_directory(source.bytes(), limits, &source);
  if (!zip) return true;
  for (const Member& member : zip->members) {
    if (!member.name.ends_with(".json")) continue;
    std::string buffer;
    const Result<ByteView> bytes = member_bytes(source.bytes(), member, limits, buffer);
    if (!bytes) return true;
    const std::string_view text = bytes->text();
    for (std::size_t at = text.find(kOps); at != text.npos; at = text.find(kOps, at + 1)) {
      const std::string_view name = text.substr(at + kOps.size());
      const bool of_torch = std::any_of(std::begin(kOfTorch), std::end(kOfTorch),
                                        [&](std::string_view own) { return name.starts_with(own); });
      if (!of_torch) return true;
    }
  }
  return false;
}

LoadOutcome load_program(const Source& source, const Artifact& artifact, const Limits& limits) {
  if (!artifact.faults.empty() || !artifact.gaps.empty() || !artifact.exported) {
    return LoadOutcome::undecided("the program could not be read in full");
  }
  if (artifact.exported->older_layout || !artifact.exported->compiled.empty()) {
    return LoadOutcome::undecided("programs of this layout are not followed here");
  }
  // Example inputs and objects are loaded with weights_only=True, and else without.
  if (!allows_all_names(artifact, kKnown)) {
    return LoadOutcome::undecided("it depends on the modules that its pickles import");
  }
  const std::vector<std::string>& models = artifact.exported->models;
  if (std::find(models.begin(), models.end(), "model") == models.end()) {
    return LoadOutcome::undecided("no program of the archive is called `model`");
  }
  if (needs_a_library(source, limits)) {
    return LoadOutcome::undecided("it needs a library that registers operators");
  }
  for (const Storage& storage : artifact.storages) {
    if (!storage.location.empty() && storage.location != "cpu") {
      return LoadOutcome::undecided("a storage lies on " + storage.location);
    }
  }
  return LoadOutcome::opened();
}

}  // namespace

LoadOutcome load_export(const Source& source, const Artifact& artifact, TorchRelease release,
                        const Limits& limits) {
  if (release != kKnown) return LoadOutcome::undecided("of torch.export.load only 2.13 is known");
  if (artifact.format == Format::kExportedProgram) {
    return load_program(source, artifact, limits);
  }
  const Result<ZipDirectory> zip = read_zip_directory(source.bytes(), limits, &source);
  if (!zip) {
    const std::variant<OpenedArchive, LoadOutcome> opened = open_as_torch(source, limits);
    const auto* ended = std::get_if<LoadOutcome>(&opened);
    if (ended != nullptr && ended->problem == LoadProblem::kCut) {
      return LoadOutcome::fails("BadZipFile", "File is not a zip file", LoadProblem::kCut);
    }
    return LoadOutcome::undecided("the archive's directory is damaged");
  }
  if (!zip->faults.empty()) {
    return LoadOutcome::undecided("readers of archives differ in what they make of this one");
  }
  const bool other_layout =
      find_member(*zip, "archive_version").has_value() ||
      std::any_of(zip->members.begin(), zip->members.end(), [](const Member& member) {
        return member.name == "version" || member.name.find("models/") != std::string::npos;
      });
  if (other_layout) return LoadOutcome::undecided("part of a program is there");
  return LoadOutcome::fails("RuntimeError",
                            "We ran into an error when deserializing the saved file. Please check "
                            "the warnings above for possible errors.",
                            LoadProblem::kContainer);
}

}  // namespace torchvet
