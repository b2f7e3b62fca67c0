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

}  // namespace

std::string series_table(const ReportedSeries& series) {
  std::vector<std::string> labels;
  std::size_t width = 0;
  for (const ReportedInterval& interval : series.intervals) {
    const bool stepped = !interval.from_step.empty() && !interval.to_step.empty();
    labels.push_back(
        stepped ? fmt::format("{} -> {}  (step {} -> {})", escape_text(interval.from),
                              escape_text(interval.to), interval.from_step, interval.to_step)
                : fmt::format("{} -> {}", escape_text(interval.from), escape_text(interval.to)));
    width = std::max(width, display_width(labels.back()));
  }
  std::string out = fmt::format("ordered by {}\n", escape_text(series.order));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const ReportedInterval& interval = series.intervals[i];
    out += fmt::format("  {}  {:>6} moved {:>6} static", padded(labels[i], width), interval.moved,
                       interval.tensors - interval.moved);
    if (interval.unknown > 0) out += fmt::format(" {:>6} not comparable", interval.unknown);
    out += '\n';
  }
  return out;
}

}  // namespace torchvet
