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
};

/// The rules that one word means.
/// Errors: kConfigInvalid, with a suggestion, when it means none.
[[nodiscard]] Result<std::vector<const Rule*>> match_rules(std::string_view word,
                                                           std::span<const Rule* const> table);

/// The rules to run, sorted by code. The more specific word wins (`--ignore REG --select REG002`
/// runs REG002); between equals, `ignore` does. Preview rules run only when named by code or name.
/// Errors: as `match_rules`.
[[nodiscard]] Result<std::vector<const Rule*>> select_rules(const Selection& selection,
                                                            std::span<const Rule* const> table);

}  // namespace torchvet
