#pragma once

#include <memory>
#include <optional>

#include "cli/deadline.h"
#include "cli/inputs.h"
#include "cli/settings.h"
#include "engine/report.h"
#include "model/series_builder.h"
#include "model/series_order.h"

namespace torchvet {

/// A checkpoint of a series and the file that its tensors point into.
struct Opened {
  std::shared_ptr<Source> source;
  Artifact artifact;
};

/// Reads the checkpoints of a series. All calls are thread-safe.
class SeriesReader {
 public:
  explicit SeriesReader(const Settings& settings)
      : settings_(settings), deadline_(settings.timeout) {}

  /// The file's metadata; nothing when it could not be read, which `reported` then says.
  [[nodiscard]] std::unique_ptr<Opened> open(const Input& input, ReportedArtifact& reported) const;

  /// Where a checkpoint stands in its run.
  [[nodiscard]] SeriesPlace place(Opened& opened) const;

  /// Reads the numbers of a checkpoint, compares them with those of the one before, if there is
  /// one, and adds it to the series. Both may get gaps.
  void add(Opened& opened, Opened* last, std::optional<double> step,
           SeriesBuilder& builder) const;

  [[nodiscard]] const Deadline& deadline() const { return deadline_; }

 private:
  const Settings& settings_;
  const Deadline deadline_;
};

}  // namespace torchvet
