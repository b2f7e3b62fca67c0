#include "formats/loaders/dcp_load.h"

namespace torchvet {

LoadOutcome load_distributed(const Artifact& artifact) {
  const bool part =
      artifact.format == Format::kDcpParts || artifact.format == Format::kDcpSafetensors;
  if (part) return LoadOutcome::undecided("it is a part of a checkpoint");
  if (artifact.format != Format::kDcpMetadata) {
    return LoadOutcome::fails("CheckpointException",
                              "metadata is None; global metadata read failed: [Errno 20] Not a "
                              "directory",
                              LoadProblem::kContainer);
  }
  if (artifact.faults.empty() && artifact.gaps.empty()) return LoadOutcome::opened();
  return LoadOutcome::undecided("parts of the checkpoint could not be read");
}

}  // namespace torchvet
