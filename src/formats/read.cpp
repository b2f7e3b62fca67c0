#include "formats/read.h"

#include <exception>
#include <optional>
#include <string>

#include "core/digest.h"
#include "formats/archive.h"
#include "formats/detect.h"
#include "formats/loaders/predict.h"
#include "formats/reader.h"
#include "formats/shard_names.h"
#include "formats/training_folder.h"

namespace torchvet {
namespace {

/// A zip that is no torch archive: its members are listed, nothing in it is read.
void read_plain_zip(const std::shared_ptr<Source>& source, const ReadOptions& options,
                    Artifact& artifact) {
  (void)open_archive(*source, options, artifact);
}

struct Row {
  Format format;
  Reader reader;
};

constexpr Row kReaders[] = {
    {Format::kTorchZip, read_torch_zip},
    {Format::kTorchLegacy, read_torch_legacy},
    {Format::kTorchScript, read_torchscript},
    {Format::kRawPickle, read_raw_pickle},
    {Format::kExportedProgram, read_exported_program},
    {Format::kSafetensors, read_safetensors},
    {Format::kShardedIndex, read_sharded_index},
    {Format::kDcpMetadata, read_dcp},
    {Format::kTrainingFolder, read_training_folder},
    {Format::kPlainZip, read_plain_zip},
};

/// What is left for a format without a reader.
void explain_unread(Artifact& artifact) {
  switch (artifact.format) {
    case Format::kNotAModel:
    case Format::kLfsPointer:
      return;  // rules report these; there is nothing else to analyse
    case Format::kUnknown:
      artifact.add_gap("file", "its format is not known");
      return;
    default:
      artifact.add_gap("file", "the format " + std::string(name_of(artifact.format)) +
                                   " is recognised but cannot be read yet");
  }
}

void read_into(const std::shared_ptr<Source>& source, const ReadOptions& options,
               Artifact& artifact) {
  Detected detected = detect(source->bytes(), options.limits);
  artifact.format = detected.format;
  artifact.looks_like = std::move(detected.looks_like);
  artifact.lfs_pointer = std::move(detected.lfs_pointer);
  if (is_training_folder(*source)) artifact.format = Format::kTrainingFolder;
  if (const std::optional<Error> lost = missing_index(*source, options.folders)) {
    artifact.add_contradiction("", *lost);
  }
  for (const Row& row : kReaders) {
    if (row.format == artifact.format) return row.reader(source, options, artifact);
  }
  explain_unread(artifact);
}

}  // namespace

Artifact read_artifact(const std::shared_ptr<Source>& source, const ReadOptions& options) {
  Artifact artifact;
  artifact.source = {source->path(), source->bytes().size(), {}};
  if (options.digest) artifact.source.sha256 = sha256_hex(source->bytes().text());
  artifact.keep_alive.push_back(source);
  try {
    read_into(source, options, artifact);
    if (options.loaders_of) {
      predict_loaders(*source, *options.loaders_of, options.limits, artifact);
    }
  } catch (const std::exception& problem) {
    // The limits allow more than this machine has.
    artifact.add_fault("",
                       {ErrorCode::kLimitExceeded, 0,
                        std::string("there is not enough memory to read it: ") + problem.what()});
  }
  if (source->changed_while_read()) {
    artifact.add_fault("", {ErrorCode::kReadFailed, 0, "the file changed while it was read"});
  }
  return artifact;
}

std::vector<std::string> parts_beside(const Source& source, const Limits& limits) {
  if (is_training_folder(source)) return parts_of_training_folder(source);
  switch (detect(source.bytes(), limits).format) {
    case Format::kShardedIndex:
      return shards_of_index(source, limits);
    case Format::kDcpMetadata:
      return files_of_dcp(source);
    default:
      return {};
  }
}

}  // namespace torchvet
