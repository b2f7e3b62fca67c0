#pragma once

#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cli/deadline.h"
#include "cli/inputs.h"
#include "cli/settings.h"
#include "engine/runner.h"
#include "engine/verdict.h"
#include "graph/worker_client.h"
#include "io/folder_names.h"
#include "terminal/progress.h"

namespace torchvet {

/// Takes files through the whole way of the data: source, format, artifact, graphs, values,
/// findings. Files are independent: what goes wrong with one stays with it.
class Scanner {
 public:
  explicit Scanner(const Settings& settings);

  /// Results in the order of the inputs, whatever the number of threads.
  [[nodiscard]] std::vector<Checked> check(const std::vector<Input>& inputs);

  /// Version of LibTorch, when a graph was read.
  [[nodiscard]] std::string libtorch_version() const { return worker_.libtorch_version(); }

 private:
  Checked check_one(const Input& input, Progress& progress);
  void analyse(const std::shared_ptr<Source>& source, Checked& checked);
  void read_graphs(Artifact& artifact);
  /// The numbers that the rules ask about; and the model, when a report shows it.
  std::optional<ReportedModel> read_values(const std::vector<const Rule*>& rules,
                                           Artifact& artifact, Preparation& prepared);

  const Settings& settings_;
  Deadline deadline_;
  FolderNames folders_;
  GraphWorker worker_;
  std::mutex worker_mutex_;
};

/// What could not be looked at for a reason that lies in the program or in the machine.
[[nodiscard]] Gap gap_of(const std::exception& error);

/// What a report says about an artifact that was read.
[[nodiscard]] ReportedArtifact describe(const Input& input, const Artifact& artifact);

/// Elements of the parameters of all models in a file, those that share their memory counted once;
/// nothing when there is no model.
[[nodiscard]] std::optional<std::uint64_t> parameter_count(const Artifact& artifact);

}  // namespace torchvet
