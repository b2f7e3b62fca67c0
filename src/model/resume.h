#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// Who wrote a training checkpoint; it says where its parts are.
enum class ResumeProfile : std::uint8_t {
  kNone,        ///< it holds no model, or is a part of a checkpoint: nothing to resume from
  kPlain,       ///< a dict of the author's own
  kLightning,   ///< `.ckpt` of Lightning's Trainer
  kTrainer,     ///< the folder `checkpoint-N` of the Trainer of transformers
  kAccelerate,  ///< the folder that `Accelerator.save_state` writes
  kDeepspeed,   ///< the folder that the engine of DeepSpeed writes
};
[[nodiscard]] std::string_view name_of(ResumeProfile profile);

/// Something that a run needs to go on as if it had not stopped.
struct MissingPart {
  std::string what;   ///< "the state of the learning rate scheduler"
  std::string proof;  ///< why it is needed here, or where it should be; may be empty
  /// The checkpoint says of itself that it wants to be resumed from and needs the part. Otherwise
  /// it is missed only by who asks for an exact resume.
  bool expected = true;
};

struct ResumeParts {
  ResumeProfile profile = ResumeProfile::kNone;
  bool has_optimizer = false;
  std::vector<MissingPart> missing;
};
[[nodiscard]] ResumeParts resume_parts(const Artifact& artifact);

/// A key, or a file of a folder, one letter away from the name that loaders look for.
struct NearMiss {
  std::string place;  ///< the dict: "", "optimizer"; for a file ""
  std::string found;  ///< "optimizer_state_dit"
  std::string meant;  ///< "optimizer_state_dict"
  bool file = false;
};
/// Only where the name that is meant is absent and the value is of its kind: words of their own
/// (`mode` beside `model`), plurals, numbers and other spellings (`optimiser`) do not count.
[[nodiscard]] std::vector<NearMiss> near_misses(const Artifact& artifact);

/// States of single ranks, of which some are missing.
struct MissingRanks {
  std::string what;  ///< "rng_state_*.pth"
  std::vector<std::uint64_t> present, missing;
  std::string proof;
};
[[nodiscard]] std::vector<MissingRanks> missing_ranks(const Artifact& artifact);

/// Why a save ended before it was done; empty when nothing tells.
[[nodiscard]] std::string unfinished_save(const Artifact& artifact);

/// Whether a name stands for a part of a checkpoint that is a folder, which Trainer or Accelerate
/// write: "optimizer.pt", "rng_state_3.pth", "random_states_0.pkl"; or DeepSpeed.
[[nodiscard]] bool is_folder_part(std::string_view file);

/// The file of a folder that stands for the whole checkpoint, by the names of the files in it; ""
/// when it is none. "trainer_state.json" where there is one, else a part that shows that one is
/// missing.
[[nodiscard]] std::string folder_anchor(const std::vector<std::string>& files);

}  // namespace torchvet
