#include "report/sparkline.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace torchvet {
namespace {

constexpr std::size_t kLevels = 8;
constexpr std::array<std::string_view, kLevels> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, kLevels> kAscii = {".", ":", "-", "=", "+", "*", "#", "@"};
/// A narrower range is noise, and drawn in the middle of this one.
constexpr double kNarrowest = 10;

/// The one of two numbers that is drawn: what is not known comes last.
float larger(float a, float b) {
  if (std::isnan(a)) return b;
  return std::isnan(b) ? a : std::max(a, b);
}

}  // namespace

void SparkScale::include(const std::vector<float>& row) {
  for (const float number : row) {
    if (!(number > 0) || !std::isfinite(number)) continue;
    low_ = low_ > 0 ? std::min<double>(low_, number) : number;
    high_ = std::max<double>(high_, number);
  }
}

std::string_view SparkScale::level(std::size_t i) const { return blocks_ ? kBlocks[i] : kAscii[i]; }

std::string_view SparkScale::glyph(float number) const {
  if (!std::isfinite(number)) return "?";
  if (!(number > 0)) return blocks_ ? "·" : "_";
  const double spare = std::sqrt(std::max(1.0, kNarrowest * low_ / high_));
  const double bottom = std::log(low_ / spare), top = std::log(high_ * spare);
  const double part = (std::log(static_cast<double>(number)) - bottom) / (top - bottom);
  const double at = std::floor(part * static_cast<double>(kLevels));
  return level(static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(kLevels - 1))));
}

std::string SparkScale::draw(const std::vector<float>& row, std::size_t columns) const {
  const std::size_t count = std::min(row.size(), columns);
  std::string line;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * row.size() / count, end = (i + 1) * row.size() / count;
    float shown = row[begin];
    for (std::size_t at = begin + 1; at < end; ++at) shown = larger(shown, row[at]);
    line += glyph(shown);
  }
  return line;
}

std::string SparkScale::legend() const {
  const std::string_view none = blocks_ ? "·" : "_";
  if (!(high_ > 0)) return fmt::format("`{}` none", none);
  return fmt::format("`{}` {:.2g} to `{}` {:.2g}, `{}` none", glyph(static_cast<float>(low_)), low_,
                     glyph(static_cast<float>(high_)), high_, none);
}

}  // namespace torchvet
