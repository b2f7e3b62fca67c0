#include "engine/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/suggest.h"

namespace torchvet {
namespace {

/// How narrowly a word names rules: the narrower word wins.
enum class Width { kNone, kAll, kFamily, kExact };

std::string upper(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

Width width_of(std::string_view word, const Rule& rule) {
  const std::string code = upper(word);
  if (code == rule.code || word == rule.name) return Width::kExact;
  if (code == rule.code.substr(0, 3)) return Width::kFamily;
  return code == "ALL" ? Width::kAll : Width::kNone;
}

/// The narrowest width with which any of the words names each rule.
Result<std::map<const Rule*, Width>> widths(const std::vector<std::string>& words,
                                            std::span<const Rule* const> table) {
  std::map<const Rule*, Width> out;
  for (const std::string& word : words) {
    const Result<std::vector<const Rule*>> rules = match_rules(word, table);
    if (!rules) return tl::unexpected<Error>(rules.error());
    for (const Rule* rule : *rules) out[rule] = std::max(out[rule], width_of(word, *rule));
  }
  return out;
}

}  // namespace

Result<std::vector<const Rule*>> match_rules(std::string_view word,
                                             std::span<const Rule* const> table) {
  std::vector<const Rule*> found;
  for (const Rule* rule : table) {
    if (width_of(word, *rule) != Width::kNone) found.push_back(rule);
  }
  if (!found.empty()) return found;

  std::vector<std::string> known = {"ALL"};
  for (const Rule* rule : table) {
    known.emplace_back(rule->code);
    known.emplace_back(rule->name);
    known.emplace_back(rule->code.substr(0, 3));
  }
  return fail(ErrorCode::kConfigInvalid, 0,
              fmt::format("no rule, family or name `{}`{}", word, did_you_mean(word, known)));
}

Result<std::vector<const Rule*>> select_rules(const Selection& selection,
                                              std::span<const Rule* const> table) {
  std::vector<std::string> wanted = selection.select;
  if (wanted.empty()) wanted.push_back("ALL");
  wanted.insert(wanted.end(), selection.extend_select.begin(), selection.extend_select.end());
  Result<std::map<const Rule*, Width>> chosen = widths(wanted, table);
  if (!chosen) return tl::unexpected<Error>(chosen.error());
  Result<std::map<const Rule*, Width>> ignored = widths(selection.ignore, table);
  if (!ignored) return tl::unexpected<Error>(ignored.error());

  std::vector<const Rule*> rules;
  for (const Rule* rule : table) {
    const Width chosen_by = (*chosen)[rule];
    if (chosen_by == Width::kNone || chosen_by <= (*ignored)[rule]) continue;
    if (rule->status == Status::kPreview && chosen_by != Width::kExact) continue;
    rules.push_back(rule);
  }
  std::sort(rules.begin(), rules.end(),
            [](const Rule* a, const Rule* b) { return a->code < b->code; });
  return rules;
}

}  // namespace torchvet
