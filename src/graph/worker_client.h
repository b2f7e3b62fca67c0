#pragma once

#include <memory>
#include <string>

#include "core/limits.h"
#include "model/artifact.h"

namespace torchvet {

/// The other program, torchvet-graph, which links LibTorch: started at most once a run, kept for
/// all files, and told the code of one archive at a time over a pipe.
class GraphWorker {
 public:
  /// `program` is the path of the worker; empty: the environment's TORCHVET_WORKER, else
  /// torchvet-graph beside this program, else in ../libexec/torchvet. Starts nothing.
  explicit GraphWorker(std::string program = {});
  ~GraphWorker();
  GraphWorker(const GraphWorker&) = delete;
  GraphWorker& operator=(const GraphWorker&) = delete;

  /// Starts the process without waiting, so that its start-up overlaps with reading files.
  void start_early();

  /// Fills `artifact.graphs` of a TorchScript artifact (structure only; see `analyse_graphs`). What
  /// cannot be had is a gap: worker missing, crashed, too slow, program refused by LibTorch.
  void read_graphs(Artifact& artifact, const Limits& limits);

  /// Version of LibTorch that the worker reported; empty when it never ran.
  [[nodiscard]] std::string libtorch_version() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace torchvet
