// What differs between two files, a line each, those that break first. Tensors that change from one
// device or type to another are counted, not listed: a model that moved has it in every tensor.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "report/text.h"
#include "report/words.h"
#include "terminal/terminal.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostRows = 24;
constexpr std::size_t kLongestName = 200;
constexpr std::size_t kWidestName = 48;

struct Row {
  Compatibility compatibility;
  std::string_view kind;
  std::string name, text;
};

std::string escaped(std::string_view raw) { return printed(raw, kLongestName); }

std::string text_of(const ReportedChange& change) {
  if (change.kind == "names") return fmt::format("`{}` here", escaped(change.renamed));
  std::string text = escaped(change.before);
  if (!change.before.empty() && !change.after.empty()) text += " -> ";
  text += escaped(change.after);
  if (!change.renamed.empty()) {
    text +=
        fmt::format("; {} `{}`{}?", change.kind == "missing" ? "now" : "before",
                    escaped(change.renamed), change.same_numbers ? ", with the same numbers" : "");
  }
  return text;
}

std::vector<Row> rows_of(const ReportedDiff& diff) {
  std::vector<Row> rows;
  struct Group {
    std::size_t row = 0;
    std::uint64_t count = 0;
  };
  std::map<std::tuple<std::string_view, Compatibility, std::string_view, std::string_view>, Group>
      groups;
  for (const ReportedChange& change : diff.changes) {
    const bool counts = change.kind == "device" || change.kind == "dtype";
    if (counts) {
      const auto [known, fresh] =
          groups.try_emplace({change.kind, change.compatibility, change.before, change.after});
      Group& group = known->second;
      ++group.count;
      if (!fresh) {
        rows[group.row].name = plural(group.count, "tensor");
        continue;
      }
      group.row = rows.size();
    }
    const std::string name =
        change.count > 1 ? plural(change.count, "tensor") : escaped(change.name);
    const std::string before =
        change.kind == "names" ? fmt::format("`{}` is ", escaped(change.name)) : "";
    rows.push_back({change.compatibility, change.kind, name, before + text_of(change)});
  }
  return rows;
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t wide = display_width(text);
  return wide >= width ? text : text + std::string(width - wide, ' ');
}

std::string size_of(std::uint64_t tensors, const std::optional<std::uint64_t>& parameters) {
  return parameters
             ? fmt::format("{} in {}", plural(*parameters, "parameter"), plural(tensors, "tensor"))
             : plural(tensors, "tensor");
}

std::string_view answer_of(Compatibility compatibility) {
  switch (compatibility) {
    case Compatibility::kCompatible:
      return "load_state_dict takes it, and every number arrives as it is stored";
    case Compatibility::kUnknown:
      return "load_state_dict takes it, but not every number arrives as it is stored";
    case Compatibility::kBreaking:
      return "load_state_dict raises";
  }
  return "";
}

}  // namespace

std::string diff_table(const ReportedDiff& diff, const TextOptions& options) {
  const Palette& paint = palette(options.color);
  const auto color_of = [&](Compatibility compatibility) {
    if (compatibility == Compatibility::kBreaking) return paint.error;
    return compatibility == Compatibility::kUnknown ? paint.warning : paint.good;
  };
  std::string out = fmt::format("{}{}{} against {}\n", paint.strong, escaped(diff.path),
                                paint.reset, escaped(diff.against));
  out += fmt::format("  {} before, {} now; {} the same in name, shape and type\n",
                     size_of(diff.tensors_before, diff.parameters_before),
                     size_of(diff.tensors, diff.parameters), diff.same);
  const std::vector<Row> rows = rows_of(diff);
  const std::size_t shown = options.verbose ? rows.size() : std::min(rows.size(), kMostRows);
  std::size_t width = 0;
  for (std::size_t i = 0; i < shown; ++i) width = std::max(width, display_width(rows[i].name));
  width = std::min(width, kWidestName);
  for (std::size_t i = 0; i < shown; ++i) {
    const Row& row = rows[i];
    out += fmt::format("  {}{:<10}{}  {:<10}  {}  {}\n", color_of(row.compatibility),
                       name_of(row.compatibility), paint.reset, row.kind, padded(row.name, width),
                       row.text);
  }
  if (shown < rows.size()) {
    out += fmt::format("  and {} more; --verbose shows all\n", rows.size() - shown);
  }
  return out + fmt::format("  {}{}{}: {}\n", color_of(diff.compatibility),
                           name_of(diff.compatibility), paint.reset, answer_of(diff.compatibility));
}

}  // namespace torchvet
