#include <fmt/format.h>

#include <algorithm>

#include "core/escape.h"
#include "report/text.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

/// Pads by what is seen, not by bytes.
std::string padded(const std::string& text, std::size_t width) {
  const std::size_t wide = display_width(text);
  return wide >= width ? text : text + std::string(width - wide, ' ');
}

/// The folder that all of them lie in, with its slash; empty when there is none.
std::string_view common_folder(const ReportedSeries& series) {
  std::string_view common = series.intervals.front().from;
  for (const ReportedInterval& interval : series.intervals) {
    for (const std::string_view path : {std::string_view(interval.from), std::string_view(interval.to)}) {
      const auto [end, ignored] = std::mismatch(common.begin(), common.end(), path.begin(), path.end());
      common = common.substr(0, static_cast<std::size_t>(end - common.begin()));
    }
  }
  return common.substr(0, common.rfind('/') + 1);
}

}  // namespace

std::string series_table(const ReportedSeries& series) {
  if (series.intervals.empty()) return {};
  const std::string_view folder = common_folder(series);
  const auto name = [&](const std::string& path) { return escape_text(path.substr(folder.size())); };
  std::vector<std::string> labels;
  std::size_t width = 0;
  for (const ReportedInterval& interval : series.intervals) {
    labels.push_back(fmt::format("{} -> {}", name(interval.from), name(interval.to)));
    if (!interval.from_step.empty() && !interval.to_step.empty()) {
      labels.back() += fmt::format("  ({} -> {})", interval.from_step, interval.to_step);
    }
    width = std::max(width, display_width(labels.back()));
  }
  std::string out = fmt::format("{} checkpoints{}, ordered by {}\n", series.intervals.size() + 1,
                                folder.empty() ? "" : " in " + escape_text(folder),
                                escape_text(series.order));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const ReportedInterval& interval = series.intervals[i];
    out += fmt::format("  {}  {:>6} moved {:>6} static", padded(labels[i], width), interval.moved,
                       interval.tensors - interval.moved);
    if (interval.median_update) {
      out += fmt::format("   update {:>7.2g}", *interval.median_update);
    }
    if (interval.unknown > 0) out += fmt::format(" {:>6} not comparable", interval.unknown);
    out += '\n';
  }
  return out;
}

}  // namespace torchvet
