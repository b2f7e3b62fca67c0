#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/diff_rows.h"
#include "report/html_parts.h"
#include "report/html_text.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostRows = 1000;

/// The word with its sign, so that colour is not all that tells it.
std::string badge(Compatibility compatibility) {
  std::string_view tone = "good";
  if (compatibility == Compatibility::kBreaking) tone = "error";
  if (compatibility == Compatibility::kUnknown) tone = "warning";
  return fmt::format("<span class=\"badge {}\">{}</span>", tone, name_of(compatibility));
}

std::string code(std::string_view raw) { return fmt::format("<code>{}</code>", html_text(raw)); }

/// What one of the files has. Where it has nothing of that name: what may have taken its place.
std::string side(const ReportedChange& row, std::string_view has) {
  if (!has.empty()) return html_text(has);
  if (row.renamed.empty()) return "";
  return fmt::format("{}{}?", code(row.renamed), row.same_numbers ? ", with the same numbers" : "");
}

std::string row_of(const ReportedChange& row) {
  const bool names = row.kind == "names";
  return fmt::format(
      "<tr><td>{}</td><td>{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
      badge(row.compatibility), row.kind,
      row.count > 1 ? counted(row.count, "tensor") : html_text(row.name),
      names ? code(row.name) : side(row, row.before),
      names ? code(row.renamed) : side(row, row.after));
}

}  // namespace

std::string diff_section(const Report& report) {
  if (!report.diff) return "";
  const ReportedDiff& diff = *report.diff;
  const std::vector<ReportedChange> changes = diff_rows(diff);
  std::string rows;
  for (std::size_t i = 0; i < std::min(changes.size(), kMostRows); ++i) rows += row_of(changes[i]);
  std::string out = fmt::format(
      "<section id=\"diff\" aria-labelledby=\"diff-title\"{}>\n"
      "<h2 id=\"diff-title\">What changed</h2>\n<p>{} against {}: {}.</p>\n<p>{} {}.</p>\n",
      many_mark(std::min(changes.size(), kMostRows)), code(diff.path), code(diff.against),
      sizes_text(diff), badge(diff.compatibility), answer_of(diff.compatibility));
  if (!changes.empty()) {
    out += table("Changes",
                 "<th scope=\"col\">means</th><th scope=\"col\">change</th>"
                 "<th scope=\"col\">tensor</th><th scope=\"col\">before</th>"
                 "<th scope=\"col\">now</th>",
                 rows);
  }
  if (changes.size() > kMostRows) {
    out += fmt::format("<p>and {} more; the JSON report has all of them.</p>\n",
                       grouped(changes.size() - kMostRows));
  }
  return out + "</section>\n";
}

}  // namespace torchvet
