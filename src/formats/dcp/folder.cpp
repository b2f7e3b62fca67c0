#include "formats/dcp/folder.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "formats/reader.h"

// A distributed checkpoint is found at its metadata. This is about folders without them: the save
// was interrupted before its last step, or a copy left out the file, whose name begins with a dot.
namespace torchvet {
namespace {

constexpr std::string_view kMetadata = ".metadata", kPart = ".distcp", kUnfinished = ".tmp";

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// "__3" of "__3.metadata" and "__3_0.distcp".
std::optional<std::string_view> rank_of(std::string_view name) {
  if (!name.starts_with("__")) return std::nullopt;
  const std::size_t end = std::min(name.find_first_not_of("0123456789", 2), name.size());
  if (end == 2) return std::nullopt;
  return name.substr(0, end);
}

bool is_metadata_of_rank(std::string_view name) {
  const std::optional<std::string_view> rank = rank_of(name);
  return rank && name.substr(rank->size()) == kMetadata;
}

bool is_part(std::string_view name) { return name.size() > kPart.size() && name.ends_with(kPart); }

/// Whether a file is the metadata that say what is in a part.
bool describes(std::string_view file, std::string_view part) {
  return file == kMetadata || (is_metadata_of_rank(file) && rank_of(file) == rank_of(part));
}

bool is_described(std::string_view part, const std::vector<std::string>& files) {
  return std::any_of(files.begin(), files.end(),
                     [&](const std::string& file) { return describes(file, part); });
}

}  // namespace

bool is_dcp_metadata_name(std::string_view file) {
  return file == kMetadata || is_metadata_of_rank(file);
}

bool is_dcp_name(std::string_view file) { return is_dcp_metadata_name(file) || is_part(file); }

std::vector<std::string> files_of_dcp(const Source& source) {
  const std::string_view name = file_name(source.path());
  std::vector<std::string> files = source.sibling_names();
  std::erase_if(files, [&](const std::string& file) {
    if (!is_part(file) || file == name) return true;
    return is_metadata_of_rank(name) && rank_of(file) != rank_of(name);
  });
  return files;
}

bool is_dcp_part(const Source& source, Format by_content) {
  if (!is_part(file_name(source.path()))) return false;
  switch (by_content) {
    case Format::kTorchZip:
    case Format::kPlainZip:
    case Format::kSafetensors:
    case Format::kUnknown:
      return true;
    default:
      return false;
  }
}

bool stands_for_parts(const Source& source) {
  const std::string_view name = file_name(source.path());
  if (!is_part(name)) return false;
  const std::vector<std::string> files = source.sibling_names();
  const auto first = std::find_if(files.begin(), files.end(), is_part);
  return first != files.end() && *first == name && !is_described(name, files);
}

void read_dcp_parts(const std::shared_ptr<Source>& source, const ReadOptions&, Artifact& artifact) {
  const std::string name(file_name(source->path()));
  std::vector<std::string> files = source->sibling_names();
  if (files.empty()) files = {name};  // standard input
  const bool described = is_described(name, files);
  for (std::string& file : files) {
    std::string_view finished = file;
    if (finished.ends_with(kUnfinished)) finished.remove_suffix(kUnfinished.size());
    const bool metadata = describes(finished, name);
    if (!metadata && !is_part(file)) continue;
    const Result<std::shared_ptr<Source>> beside =
        file == name ? Result<std::shared_ptr<Source>>(source) : source->sibling(file);
    Member& member = artifact.members.emplace_back();
    member.size = beside ? (*beside)->bytes().size() : 0;
    if (file != name) artifact.source.size += member.size;
    member.name = std::move(file);
  }
  artifact.add_gap("file", described
                               ? "it is a part of a distributed checkpoint: check the `.metadata` "
                                 "beside it, which says what is in it"
                               : "without `.metadata` nothing says which tensors are in it");
}

}  // namespace torchvet
