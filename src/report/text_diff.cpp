// What differs between two files, a line each, those that break first.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/diff_rows.h"
#include "report/text.h"
#include "report/words.h"
#include "terminal/terminal.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

constexpr std::size_t kLongestName = 200;
constexpr std::size_t kWidestName = 48;

std::string escaped(std::string_view raw) { return printed(raw, kLongestName); }

std::string name_column(const ReportedChange& row) {
  return row.count > 1 ? plural(row.count, "tensor") : escaped(row.name);
}

std::string text_of(const ReportedChange& row) {
  if (row.kind == "names") {
    return fmt::format("`{}` is `{}` here", escaped(row.name), escaped(row.renamed));
  }
  std::string text = escaped(row.before);
  if (!row.before.empty() && !row.after.empty()) text += " -> ";
  text += escaped(row.after);
  if (!row.renamed.empty()) {
    text += fmt::format("; {} `{}`{}?", row.kind == "missing" ? "now" : "before",
                        escaped(row.renamed), row.same_numbers ? ", with the same numbers" : "");
  }
  return text;
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t wide = display_width(text);
  return wide >= width ? text : text + std::string(width - wide, ' ');
}

}  // namespace

std::string diff_table(const ReportedDiff& diff, const TextOptions& options) {
  const Palette& paint = palette(options.color);
  const auto color_of = [&](Compatibility compatibility) {
    if (compatibility == Compatibility::kBreaking) return paint.error;
    return compatibility == Compatibility::kUnknown ? paint.warning : paint.good;
  };
  std::string out = fmt::format("{}{}{} against {}\n  {}\n", paint.strong, escaped(diff.path),
                                paint.reset, escaped(diff.against), sizes_text(diff));
  const std::vector<ReportedChange> rows = diff_rows(diff);
  const std::size_t shown = options.verbose ? rows.size() : std::min(rows.size(), kFewDiffRows);
  std::size_t width = 0;
  for (std::size_t i = 0; i < shown; ++i) {
    width = std::max(width, display_width(name_column(rows[i])));
  }
  width = std::min(width, kWidestName);
  for (std::size_t i = 0; i < shown; ++i) {
    const ReportedChange& row = rows[i];
    out += fmt::format("  {}{:<10}{}  {:<10}  {}  {}\n", color_of(row.compatibility),
                       name_of(row.compatibility), paint.reset, row.kind,
                       padded(name_column(row), width), text_of(row));
  }
  if (shown < rows.size()) {
    out += fmt::format("  and {} more; --verbose shows all\n", rows.size() - shown);
  }
  return out + fmt::format("  {}{}{}: {}\n", color_of(diff.compatibility),
                           name_of(diff.compatibility), paint.reset, answer_of(diff.compatibility));
}

}  // namespace torchvet
