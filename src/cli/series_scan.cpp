#include "cli/series_scan.h"

#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "cli/parallel.h"
#include "cli/scan.h"
#include "cli/series_reader.h"
#include "cli/shown_model.h"
#include "terminal/progress.h"

namespace torchvet {
namespace {

class SeriesScan {
 public:
  SeriesScan(const std::vector<Input>& inputs, const Settings& settings)
      : inputs_(inputs), settings_(settings), reader_(settings) {
    scanned_.artifacts.resize(inputs.size());
  }

  ScannedSeries run() {
    Progress progress(use_progress(settings_.progress), inputs_.size());
    std::vector<std::optional<SeriesPlace>> surveyed(inputs_.size());
    for_each_parallel(inputs_.size(), settings_.jobs,
                      [&](std::size_t i) { surveyed[i] = survey(i); });
    std::vector<std::size_t> files;
    std::vector<SeriesPlace> places;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (surveyed[i]) {
        files.push_back(i);
        places.push_back(std::move(*surveyed[i]));
      } else {
        progress.end(scanned_.artifacts[i].size);
      }
    }
    follow(order_series(places), files, progress);
    return std::move(scanned_);
  }

 private:
  std::optional<SeriesPlace> survey(std::size_t i) {
    const std::unique_ptr<Opened> opened = reader_.open(inputs_[i], scanned_.artifacts[i]);
    if (!opened) return std::nullopt;
    Artifact& artifact = opened->artifact;
    if (model_of(artifact).entries.empty()) {
      artifact.add_gap("series", "there is no model in it that could be compared");
      scanned_.artifacts[i] = describe(inputs_[i], artifact);
      return std::nullopt;
    }
    return reader_.place(*opened);
  }

  void follow(const SeriesOrder& order, const std::vector<std::size_t>& files, Progress& progress) {
    SeriesBuilder builder(order.text);
    std::unique_ptr<Opened> before_last, last;
    std::size_t newest = 0;
    std::future<std::unique_ptr<Opened>> next;
    for (std::size_t place = 0; place < order.index.size(); ++place) {
      const std::size_t i = files[order.index[place]];
      progress.begin(inputs_[i].shown);
      std::unique_ptr<Opened> opened =
          next.valid() ? next.get() : reader_.open(inputs_[i], scanned_.artifacts[i]);
      if (place + 1 < order.index.size()) {
        next = open_ahead(files[order.index[place + 1]], std::move(before_last));
      }
      if (opened) {
        reader_.add(*opened, last.get(), order.steps[place], builder);
        if (last) scanned_.artifacts[newest].gaps = last->artifact.gaps;
        scanned_.artifacts[i] = describe(inputs_[i], opened->artifact);
        before_last = std::move(last);
        last = std::move(opened);
        newest = i;
      }
      progress.end(scanned_.artifacts[i].size);
    }
    if (!last) return;
    scanned_.series = builder.series(last->artifact);
    if (settings_.show_models) {
      scanned_.artifacts[newest].model =
          read_shown_model(last->artifact, {}, settings_, reader_.deadline());
    }
  }

  /// Lets go of a checkpoint that is done and opens the next while the numbers between the two are
  /// looked at. Where no thread is to be had it is done by the one that waits.
  std::future<std::unique_ptr<Opened>> open_ahead(std::size_t i, std::unique_ptr<Opened> done) {
    const std::launch how =
        settings_.jobs > 1 ? std::launch::async | std::launch::deferred : std::launch::deferred;
    return std::async(how, [this, i, done = std::move(done)]() mutable {
      done.reset();
      return reader_.open(inputs_[i], scanned_.artifacts[i]);
    });
  }

  const std::vector<Input>& inputs_;
  const Settings& settings_;
  const SeriesReader reader_;
  ScannedSeries scanned_;
};

}  // namespace

ScannedSeries scan_series(const std::vector<Input>& inputs, const Settings& settings) {
  return SeriesScan(inputs, settings).run();
}

}  // namespace torchvet
