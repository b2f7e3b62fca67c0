#include "formats/loaders/archive_route.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace torchvet {
namespace {

constexpr std::string_view kRuntime = "RuntimeError";

LoadOutcome refused(std::string_view message) {
  return LoadOutcome::fails(kRuntime, message, LoadProblem::kContainer);
}

LoadOutcome no_directory(ByteView file) {
  constexpr std::uint64_t kSmallest = 22, kSignature = 4, kLookedThrough = 70'000;
  if (file.size() < kSmallest) {
    return LoadOutcome::fails(kRuntime,
                              "PytorchStreamReader failed reading zip archive: not a ZIP archive.",
                              LoadProblem::kCut);
  }
  std::string_view end =
      file.text().substr(file.size() - std::min<std::uint64_t>(file.size(), kLookedThrough));
  end.remove_suffix(kSmallest - kSignature);  // what is cut off later is no end record
  if (end.find("PK\5\6") != std::string_view::npos) {
    return LoadOutcome::undecided("the archive's directory is damaged");
  }
  return LoadOutcome::fails(
      kRuntime,
      "PytorchStreamReader failed reading zip archive: failed finding central directory.",
      LoadProblem::kCut);
}

/// What torch's readers say to a record for which they refuse the archive.
LoadOutcome outcome_of(const RefusedRecord& record, const ZipDirectory& zip) {
  switch (record.problem) {
    case RecordProblem::kOutsideFolder:
      return refused(fmt::format("file in archive is not in a subdirectory {}: {}", zip.prefix,
                                 zip.members[record.member].name));
    case RecordProblem::kNameNoText:
      return LoadOutcome::undecided("the name of a member is no UTF-8");
    case RecordProblem::kVersionNoNumber:
      return refused("Couldn't parse the version");
    case RecordProblem::kVersionOverflow:
      return LoadOutcome::undecided("the version is negative or too large");
    case RecordProblem::kVersionTooOld:
      return refused(
          fmt::format("Attempted to read a PyTorch file with version {}, but the minimum supported "
                      "version for reading is {}.",
                      record.version, kOldestArchiveVersion));
    case RecordProblem::kVersionTooNew:
      return refused(
          fmt::format("Attempted to read a PyTorch file with version {}, but the maximum supported "
                      "version for reading is {}.",
                      record.version, kNewestArchiveVersion));
    case RecordProblem::kIdNoText:
      return LoadOutcome::fails("UnicodeDecodeError", "'utf-8' codec can't decode",
                                LoadProblem::kContainer);
    case RecordProblem::kAlignmentNoNumber:
      return LoadOutcome::fails("ValueError", "invalid literal for int() with base 10: ",
                                LoadProblem::kContainer);
  }
  return LoadOutcome::undecided("a record is refused");
}

}  // namespace

std::optional<LoadOutcome> OpenedArchive::refusal_of(
    std::initializer_list<RecordProblem> problems) const {
  for (const RefusedRecord& record : refused) {
    if (std::find(problems.begin(), problems.end(), record.problem) != problems.end()) {
      return outcome_of(record, zip);
    }
  }
  return std::nullopt;
}

std::optional<LoadOutcome> OpenedArchive::refusal_of_names() const {
  if (auto end = refusal_of({RecordProblem::kNameNoText})) return end;
  return refusal_of({RecordProblem::kOutsideFolder});
}

std::variant<OpenedArchive, LoadOutcome> open_as_torch(const Source& source, const Limits& limits) {
  using enum RecordProblem;
  const ByteView file = source.bytes();
  Result<ZipDirectory> read = read_zip_directory(file, limits, &source);
  if (!read && read.error().code == ErrorCode::kZipNoCentralDirectory) return no_directory(file);
  if (!read) return LoadOutcome::undecided("the archive's directory is damaged");
  if (!read->faults.empty()) {
    return LoadOutcome::undecided("readers of archives differ in what they make of this one");
  }
  if (read->members.empty()) {
    return refused("archive does not contain any files");
  }
  OpenedArchive archive = {std::move(*read), {}};
  const ZipDirectory& zip = archive.zip;
  if (zip.prefix.empty()) {
    return refused("file in archive is not in a subdirectory: " + zip.members.front().name);
  }
  if (!version_record(zip)) {
    return refused("Expected hasRecord(\"version\") to be true, but got false.");
  }
  archive.refused = find_refused_records(file, zip, limits);
  if (auto end = archive.refusal_of(
          {kVersionNoNumber, kVersionOverflow, kVersionTooOld, kVersionTooNew})) {
    return std::move(*end);
  }
  return archive;
}

LoadOutcome record_missing(std::string_view name) {
  return refused(fmt::format("PytorchStreamReader failed locating file {}: file not found.", name));
}

}  // namespace torchvet
