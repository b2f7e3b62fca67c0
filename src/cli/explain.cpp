#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "engine/selection.h"
#include "rules/registry.h"
#include "terminal/terminal.h"

namespace torchvet {
namespace {

/// The page as it was written, with headings strong and code in its colour: Markdown reads well as
/// it is, so nothing is taken away.
std::string styled(std::string_view page, const Palette& paint) {
  std::string out;
  bool in_code = false;
  while (!page.empty()) {
    const std::size_t end = std::min(page.find('\n'), page.size());
    const std::string_view line = page.substr(0, end);
    page.remove_prefix(std::min(end + 1, page.size()));
    const bool fence = line.starts_with("```");
    const std::string_view color = line.starts_with("## ") ? paint.strong
                                   : in_code || fence      ? paint.code
                                                           : std::string_view();
    in_code = in_code != fence;
    out += color.empty() ? fmt::format("{}\n", line)
                         : fmt::format("{}{}{}\n", color, line, paint.reset);
  }
  return out;
}

std::string page_of(const Rule& rule, const Palette& paint) {
  std::string_view doc = rule.doc;
  while (doc.starts_with('\n')) doc.remove_prefix(1);
  return fmt::format("{}{} {}{}\n{}: {} ({} confidence), since {}\n\n{}", paint.strong, rule.code,
                     rule.name, paint.reset, name_of(rule.severity), rule.summary,
                     name_of(rule.confidence), rule.since, styled(doc, paint));
}

}  // namespace

int run_explain(const Options& options) {
  if (options.paths.empty()) {
    complain("which rule? `torchvet rules` lists them");
    return kExitError;
  }
  const Palette& paint = palette(use_color(*when_from_name(options.color), STDOUT_FILENO));
  std::string out;
  for (const std::string& word : options.paths) {
    const Result<std::vector<const Rule*>> rules = match_rules(word, all_rules());
    if (!rules) {
      complain(rules.error().detail);
      return kExitError;
    }
    for (const Rule* rule : *rules) {
      if (!out.empty()) out += '\n';
      out += page_of(*rule, paint);
    }
  }
  return print(out) ? kExitPass : kExitError;
}

}  // namespace torchvet
