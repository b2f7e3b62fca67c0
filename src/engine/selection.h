#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "rule/rule.h"

namespace torchvet {

/// Which rules the user asked for. Each word is a code ("REG002"), a family ("REG"), a rule's name
/// or "ALL".
struct Selection {
  std::vector<std::string> select;  ///< empty: every stable rule
  std::vector<std::string> ignore;
  std::vector<std::string> extend_select;  ///< on top of `select`
  bool preview = false;                    ///< rules in preview count as stable ones
};

/// The rules that one word means.
/// Errors: kConfigInvalid, with a suggestion, when it means none.
[[nodiscard]] Result<std::vector<const Rule*>> match_rules(std::string_view word,
                                                           std::span<const Rule* const> table);

/// Why a rule runs or does not.
struct Decision {
  bool runs = false;
  std::string chosen_by;    ///< the narrowest word that chose it; "ALL" when there was none at all
  std::string ignored_by;   ///< the narrowest word that left it out
  bool in_preview = false;  ///< it would run, were it not in preview
};
[[nodiscard]] Decision decide(const Rule& rule, const Selection& selection);

/// The rules to run, sorted by code. The more specific word wins (`--ignore REG --select REG002`
/// runs REG002); between equals, `ignore` does. Rules in preview run when named by code or name, or
/// with `preview`. Errors: as `match_rules`.
[[nodiscard]] Result<std::vector<const Rule*>> select_rules(const Selection& selection,
                                                            std::span<const Rule* const> table);

}  // namespace torchvet
