#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/exported.h"
#include "model/gap.h"
#include "model/graph.h"
#include "model/loaders.h"
#include "model/member.h"
#include "model/model_state.h"
#include "model/module.h"
#include "model/object.h"
#include "model/optimizer.h"
#include "model/pickle_program.h"
#include "model/script.h"
#include "model/storage.h"
#include "model/tensor.h"

namespace torchvet {

/// The container, told by content alone.
enum class Format : std::uint8_t {
  kUnknown,          ///< no format we know, and not obviously something else
  kTorchZip,         ///< torch.save since 1.6
  kTorchLegacy,      ///< torch.save before, still written on request
  kTorchScript,      ///< torch.jit.save
  kExportedProgram,  ///< torch.export.save, `.pt2`
  kTorchPackage,
  kTorchTar,  ///< before 0.1.10
  kMobileFlatbuffer,
  kSafetensors,
  kShardedIndex,       ///< the JSON index of a state_dict in several files
  kTrainingFolder,     ///< a training checkpoint that is a folder, at the file that tells it is one
  kDcpMetadata,        ///< `.metadata` of torch.distributed.checkpoint, with its `.distcp` files
  kDcpParts,           ///< `.distcp` files by themselves, without what says what is in them
  kDcpSafetensors,     ///< parts of tensors in safetensors files, one a rank
  kCheckpointPointer,  ///< DeepSpeed's `latest`: the name of a folder
  kPlainZip,           ///< a zip that holds no torch artifact
  kRawPickle,          ///< a pickle that is not torch.save's
  kLfsPointer,
  kNotAModel,  ///< text, HTML, an empty file, another file type (`Artifact::looks_like`)
};
[[nodiscard]] std::string_view name_of(Format format);

/// What the artifact is for, told by what it holds.
enum class Kind : std::uint8_t {
  kUnknown,
  kTorchScript,    ///< a saved program
  kExportedProgram,
  kPickledModule,  ///< a whole nn.Module
  kStateDict,
  kCheckpoint,     ///< model state together with optimizer, scheduler, epoch, ...
  kTensors,        ///< a tensor, or a container of tensors that is no state_dict
  kObjects,        ///< anything else that a pickle builds
};
[[nodiscard]] std::string_view name_of(Kind kind);

struct SourceInfo {
  std::string path;        ///< as the user gave it
  std::uint64_t size = 0;  ///< bytes
  std::string sha256;      ///< of the whole file in hexadecimal, when it was asked for
  std::string compression;  ///< "gzip", "zstd" for a file that is compressed as a whole; else empty
  /// Bytes of what is compressed in it, when that was read: all offsets count in it then.
  std::optional<std::uint64_t> contents;
};

/// What a Git LFS pointer says about the file that should be in its place.
struct LfsPointer {
  std::string oid;                    ///< "sha256:..."
  std::optional<std::uint64_t> size;  ///< bytes
};

/// All that a rule may look at.
struct Artifact {
  SourceInfo source;
  Format format = Format::kUnknown;
  Kind kind = Kind::kUnknown;
  std::string looks_like;               ///< for kNotAModel: "an HTML page", "an empty file"
  std::optional<LfsPointer> lfs_pointer;  ///< for kLfsPointer

  /// What the file says about itself in free text: `__metadata__` of safetensors, small records of
  /// a package, the `config.json` beside the weights.
  std::vector<std::pair<std::string, std::string>> metadata;

  std::vector<Member> members;            ///< of an archive; the files of a checkpoint of several
  std::vector<PickleProgram> pickles;   ///< the main one first
  std::vector<Storage> storages;
  std::vector<Tensor> tensors;
  ObjectTree objects;
  std::vector<Module> modules;          ///< [0] is the root, when there are any
  std::vector<StateDict> state_dicts;   ///< the model's own first
  std::vector<OptimizerState> optimizers;

  std::optional<ScriptInfo> script;
  std::optional<ExportedInfo> exported;
  std::vector<Graph> graphs;
  std::vector<TensorId> graph_constants;

  std::vector<LoaderPrediction> loaders;  ///< when they were asked for

  std::vector<Fault> faults;
  std::vector<Gap> gaps;

  /// Keeps alive what the views point into: the mapped source, and inflated members.
  std::vector<std::shared_ptr<const void>> keep_alive;

  void add_gap(std::string what, std::string why) {
    gaps.push_back({std::move(what), std::move(why)});
  }
  /// A fault and the gap it leaves.
  void add_fault(std::string member, Error error);
  /// A fault in spite of which everything was read: two parts that tell different things. Of one that
  /// no rule reports the engine makes a gap.
  void add_contradiction(std::string member, Error error) {
    faults.push_back({std::move(error), std::move(member)});
  }
};

}  // namespace torchvet
