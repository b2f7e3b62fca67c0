// torch.export.load asks the reader of archives first. If that says anything (a RuntimeError), or
// there is no program in the archive, it opens the file as a plain zip, as torch wrote before 2.8,
// and wants a member `version` there.
#include "formats/loaders/export_load.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "formats/loaders/allowed_names.h"
#include "formats/loaders/archive_route.h"

namespace torchvet {
namespace {

constexpr TorchRelease kKnown = {2, 13};

LoadOutcome load_program(const Artifact& artifact) {
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
  if (artifact.format == Format::kExportedProgram) return load_program(artifact);
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
