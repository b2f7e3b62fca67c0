#include "engine/selection.h"

#include <fmt/format.h>

#include <algorithm>

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

/// The narrowest of the words that name a rule; the last one of equals.
struct Named {
  Width width = Width::kNone;
  std::string word;
};
Named named_by(const std::vector<std::string>& words, const Rule& rule) {
  Named best;
  for (const std::string& word : words) {
    const Width width = width_of(word, rule);
    if (width != Width::kNone && width >= best.width) best = {width, word};
  }
  return best;
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

Decision decide(const Rule& rule, const Selection& selection) {
  Named chosen =
      selection.select.empty() ? Named{Width::kAll, "ALL"} : named_by(selection.select, rule);
  const Named extended = named_by(selection.extend_select, rule);
  if (extended.width > chosen.width) chosen = extended;
  const Named ignored = named_by(selection.ignore, rule);
  Decision decision{chosen.width > ignored.width, chosen.word, ignored.word, false};
  decision.in_preview = decision.runs && rule.status == Status::kPreview && !selection.preview &&
                        chosen.width != Width::kExact;
  decision.runs = decision.runs && !decision.in_preview;
  return decision;
}

Result<std::vector<const Rule*>> select_rules(const Selection& selection,
                                              std::span<const Rule* const> table) {
  for (const auto* words : {&selection.select, &selection.extend_select, &selection.ignore}) {
    for (const std::string& word : *words) {
      const Result<std::vector<const Rule*>> known = match_rules(word, table);
      if (!known) return known;
    }
  }
  std::vector<const Rule*> rules;
  for (const Rule* rule : table) {
    if (decide(*rule, selection).runs) rules.push_back(rule);
  }
  std::sort(rules.begin(), rules.end(),
            [](const Rule* a, const Rule* b) { return a->code < b->code; });
  return rules;
}

}  // namespace torchvet
