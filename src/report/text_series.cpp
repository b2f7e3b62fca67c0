// The table of a series, and below it lines for the tensors that people will want to see: those
// whose numbers went bad or were replaced, those that never moved, those that move far more or less
// than the others. A terminal gets no more of it than leaves the findings in sight; the whole
// matrix is in the JSON report.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/escape.h"
#include "report/series_choice.h"
#include "report/sparkline.h"
#include "report/text.h"
#include "report/words.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostRows = 40;  ///< of the table
constexpr std::size_t kMostLines = 8;  ///< sparklines, below the median's
constexpr std::size_t kFewestIntervals = 2;
constexpr std::size_t kWidestName = 40;
constexpr std::size_t kNarrowestLine = 8, kWidestLine = 60;

/// Pads by what is seen, not by bytes.
std::string padded(const std::string& text, std::size_t width) {
  const std::size_t wide = display_width(text);
  return wide >= width ? text : text + std::string(width - wide, ' ');
}

class SeriesTable {
 public:
  SeriesTable(const ReportedSeries& series, const TextOptions& options)
      : series_(series),
        options_(options),
        folder_(common_folder(series)),
        rows_(options.height > 0 ? std::clamp<std::size_t>(
                                       static_cast<std::size_t>(options.height) / 3, 6, kMostRows)
                                 : kMostRows),
        lines_(options.height > 0 ? std::clamp<std::size_t>(
                                        static_cast<std::size_t>(options.height) / 6, 3, kMostLines)
                                  : kMostLines) {}

  std::string write() {
    out_ = fmt::format("{} checkpoints{}, ordered by {}\n", series_.intervals.size() + 1,
                       folder_.empty() ? "" : " in " + printed(folder_, kMaxPrinted),
                       printed(series_.order, kMaxPrinted));
    write_rows();
    if (series_.intervals.size() >= kFewestIntervals) write_lines();
    return std::move(out_);
  }

 private:
  std::string name(const std::string& path) const {
    return printed(std::string_view(path).substr(folder_.size()), kMaxPrinted);
  }

  void write_rows() {
    struct Row {
      std::string step, name, rest;
    };
    std::vector<Row> rows = {
        {series_.intervals.front().from_step, name(series_.intervals.front().from), ""}};
    for (const ReportedInterval& interval : series_.intervals) {
      Row row{interval.to_step, name(interval.to), ""};
      row.rest = fmt::format("  {:>5}  {:>6}", interval.moved, interval.tensors - interval.moved);
      row.rest += interval.median_update ? fmt::format("  {:>13.2g}", *interval.median_update)
                                         : std::string(15, ' ');
      if (interval.unknown > 0) row.rest += fmt::format("  {} not comparable", interval.unknown);
      while (row.rest.ends_with(' ')) row.rest.pop_back();
      rows.push_back(std::move(row));
    }
    std::size_t step = 0, wide = std::string_view("checkpoint").size();
    for (const Row& row : rows) {
      step = std::max(step, row.step.size());
      wide = std::max(wide, display_width(row.name));
    }
    if (step > 0) step = std::max(step, std::string_view("step").size());
    const auto line = [&](const std::string& number, const std::string& file,
                          const std::string& rest) {
      out_ += step > 0 ? fmt::format("  {:>{}}  ", number, step) : "  ";
      out_ += rest.empty() ? file : padded(file, wide) + rest;
      out_ += '\n';
    };
    line("step", "checkpoint", "  moved  static  median update");
    const std::size_t head = rows.size() > rows_ ? rows_ / 3 : rows.size();
    const std::size_t tail = rows.size() > rows_ ? rows.size() - (rows_ - head - 1) : rows.size();
    for (std::size_t i = 0; i < head; ++i) line(rows[i].step, rows[i].name, rows[i].rest);
    if (tail > head) line("...", fmt::format("({} more)", tail - head), "");
    for (std::size_t i = tail; i < rows.size(); ++i) line(rows[i].step, rows[i].name, rows[i].rest);
  }

  /// The tensors to show, the most remarkable first: half of the room at most is for static ones
  /// when there are others.
  std::vector<RemarkableTrack> choose() const {
    auto [moving, still] = remarkable_tracks(series_);
    const std::size_t kept = std::min(still.size(), lines_ - std::min(moving.size(), lines_ / 2));
    moving.resize(std::min(moving.size(), lines_ - kept));
    still.resize(kept);
    moving.insert(moving.end(), still.begin(), still.end());
    return moving;
  }

  void write_lines() {
    std::vector<float> medians;
    for (const ReportedInterval& interval : series_.intervals) {
      medians.push_back(interval.median_update ? static_cast<float>(*interval.median_update)
                                               : std::nanf(""));
    }
    const std::vector<RemarkableTrack> chosen = choose();
    SparkScale scale(options_.blocks);
    scale.include(medians);
    std::string_view heading = "median matrix";
    std::size_t wide = heading.size();
    std::vector<std::string> names, labels;
    std::size_t around = 8;  // spaces, and the widest label
    for (const RemarkableTrack& one : chosen) {
      scale.include(one.track->updates);
      names.push_back(printed(one.track->name, kWidestName));
      labels.push_back(label_of(series_, folder_, one));
      wide = std::max(wide, display_width(names.back()));
      around = std::max(around, 8 + display_width(labels.back()));
    }
    const std::size_t width = options_.width > 0 ? static_cast<std::size_t>(options_.width) : 0;
    const std::size_t room = width > wide + around ? width - wide - around : 0;
    const std::size_t columns =
        width > 0 ? std::clamp(room, kNarrowestLine, kWidestLine) : kWidestLine;
    out_ += fmt::format("  relative updates, {}\n", scale.legend());
    out_ += fmt::format("    {}  {}\n", padded(std::string(heading), wide),
                        scale.draw(medians, columns));
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      out_ += fmt::format("    {}  {}  {}\n", padded(names[i], wide),
                          scale.draw(chosen[i].track->updates, columns), labels[i]);
    }
  }

  const ReportedSeries& series_;
  const TextOptions& options_;
  const std::string_view folder_;
  const std::size_t rows_, lines_;
  std::string out_;
};

}  // namespace

std::string series_table(const ReportedSeries& series, const TextOptions& options) {
  return series.intervals.empty() ? std::string() : SeriesTable(series, options).write();
}

}  // namespace torchvet
