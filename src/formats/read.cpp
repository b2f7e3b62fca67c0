#include "formats/read.h"

#include <exception>
#include <optional>
#include <string>

#include "core/digest.h"
#include "formats/archive.h"
#include "formats/checkpoint_pointer.h"
#include "formats/compressed.h"
#include "formats/dcp/folder.h"
#include "formats/dcp/safetensors.h"
#include "formats/detect.h"
#include "formats/loaders/missing_names.h"
#include "formats/loaders/predict.h"
#include "formats/model_config.h"
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
    {Format::kTorchTar, read_torch_tar},
    {Format::kTorchScript, read_torchscript},
    {Format::kRawPickle, read_raw_pickle},
    {Format::kExportedProgram, read_exported_program},
    {Format::kTorchPackage, read_torch_package},
    {Format::kSafetensors, read_safetensors},
    {Format::kShardedIndex, read_sharded_index},
    {Format::kDcpMetadata, read_dcp},
    {Format::kDcpParts, read_dcp_parts},
    {Format::kDcpSafetensors, read_dcp_safetensors},
    {Format::kTrainingFolder, read_training_folder},
    {Format::kCheckpointPointer, read_checkpoint_pointer},
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
  if (is_dcp_part(*source, artifact.format)) artifact.format = Format::kDcpParts;
  if (stands_for_dcp_safetensors(*source)) artifact.format = Format::kDcpSafetensors;
  if (is_checkpoint_pointer(*source)) {
    artifact.format = Format::kCheckpointPointer;
    artifact.looks_like.clear();
  }
  if (const std::optional<Error> lost = missing_index(*source, options.folders)) {
    artifact.add_contradiction("", *lost);
  }
  add_model_config(*source, options.limits, artifact);
  for (const Row& row : kReaders) {
    if (row.format != artifact.format) continue;
    row.reader(source, options, artifact);
    // A package names the code that lies beside its pickles.
    if (row.format != Format::kTorchPackage) check_imported_names(artifact);
    return;
  }
  explain_unread(artifact);
}

/// A file that its name says to be compressed, or that promises nothing else. One that is called
/// `model.pt` and is compressed is no file that torch.load loads.
std::optional<Compression> compression_to_undo(const Source& source) {
  const bool said = without_compression(source.path()) != source.path();
  if (!said && has_model_extension(source.path())) return std::nullopt;
  return compression_of(source.bytes());
}

/// Reads what is compressed in a file. What did not come out whole is not read: its readers would
/// only say once more that it is cut off.
void read_compressed(const std::shared_ptr<Source>& source, Compression compression,
                     const ReadOptions& options, Artifact& artifact) {
  artifact.source.compression = name_of(compression);
  artifact.looks_like = "a " + artifact.source.compression + "-compressed file";
  const Decompressed unpacked = decompress(*source, compression, options.limits);
  if (!unpacked.contents) {
    artifact.add_fault("", *unpacked.error);
    return;
  }
  artifact.keep_alive.push_back(unpacked.contents);
  artifact.source.contents = unpacked.contents->bytes().size();
  if (unpacked.error) artifact.add_fault("", *unpacked.error);
  read_into(unpacked.contents, options, artifact);
}

}  // namespace

Artifact read_artifact(const std::shared_ptr<Source>& source, const ReadOptions& options) {
  Artifact artifact;
  artifact.source.path = source->path();
  artifact.source.size = source->bytes().size();
  if (options.digest) artifact.source.sha256 = sha256_hex(source->bytes().text());
  artifact.keep_alive.push_back(source);
  try {
    if (const std::optional<Compression> compression = compression_to_undo(*source)) {
      read_compressed(source, *compression, options, artifact);
    } else {
      read_into(source, options, artifact);
    }
    if (options.loaders_of) {
      predict_loaders(*source, *options.loaders_of, options.only_loaders, options.limits, artifact);
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

std::vector<std::string> parts_beside(Source& source, const Limits& limits) {
  if (is_training_folder(source)) return parts_of_training_folder(source);
  switch (detect(source.bytes(), limits).format) {
    case Format::kShardedIndex:
      return shards_of_index(source, limits);
    case Format::kDcpMetadata:
      return files_of_dcp(source);
    default:
      break;
  }
  // Broken metadata are reported as what they are, and once.
  const std::string_view path = source.path();
  const bool metadata = is_dcp_metadata_name(path.substr(path.rfind('/') + 1));
  if (metadata || stands_for_parts(source)) return files_of_dcp(source);
  if (stands_for_dcp_safetensors(source)) return files_of_dcp_safetensors(source);
  return {};
}

}  // namespace torchvet
