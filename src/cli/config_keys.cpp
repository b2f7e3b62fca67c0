#include "cli/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>

#include "core/limits.h"
#include "engine/suggest.h"
#include "rules/registry.h"

namespace torchvet {
namespace {

constexpr std::size_t kMostFaults = 20;
constexpr std::string_view kDigits = "0123456789";
const std::vector<std::string> kSeverities = {"note", "warning", "error"};

bool only(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == text.npos;
}

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const std::string_view year = text.substr(0, 4), month = text.substr(5, 2), day = text.substr(8);
  if (!only(year, kDigits) || !only(month, kDigits) || !only(day, kDigits)) return false;
  const auto number = [](std::string_view digits) {
    return std::atoi(std::string(digits).c_str());
  };
  return number(year) > 0 &&
         std::chrono::year_month_day(std::chrono::year(number(year)),
                                     std::chrono::month(static_cast<unsigned>(number(month))),
                                     std::chrono::day(static_cast<unsigned>(number(day))))
             .ok();
}

std::vector<std::string> codes() {
  std::vector<std::string> out;
  for (const Rule* rule : all_rules()) out.emplace_back(rule->code);
  return out;
}

std::vector<std::string> limits() {
  std::vector<std::string> out;
  for (const LimitName& limit : limit_names()) out.emplace_back(limit.name);
  return out;
}

std::vector<std::string> names_of(const std::vector<ConfigKey>& keys) {
  std::vector<std::string> out;
  for (const ConfigKey& key : keys) out.emplace_back(key.name);
  return out;
}

class Checker {
 public:
  explicit Checker(std::string_view file) : file_(file) {}

  void object(const ConfigNode& node, const std::vector<ConfigKey>& keys, std::string_view what) {
    if (node.kind != ConfigNode::Kind::kObject) return say(node, what, "it must be an object");
    for (const ConfigNode& item : node.items) {
      const auto key = std::find_if(keys.begin(), keys.end(),
                                    [&](const ConfigKey& one) { return one.name == item.key; });
      if (key == keys.end()) {
        say(item, what,
            fmt::format("unknown key `{}`{}", item.key, did_you_mean(item.key, names_of(keys))));
      } else {
        value(item, *key);
      }
    }
    for (const ConfigKey& key : keys) {
      if (key.required && node.find(key.name) == nullptr) {
        say(node, what, fmt::format("`{}` is missing: {}", key.name, key.help));
      }
    }
  }

  std::vector<std::string> faults;

 private:
  void value(const ConfigNode& node, const ConfigKey& key) {
    switch (key.type) {
      case ConfigType::kAnyText:
        if (node.kind != ConfigNode::Kind::kText) say(node, key.name, "it must be a text");
        break;
      case ConfigType::kOne:
        if (node.whole != std::uint64_t{1}) say(node, key.name, "this torchvet reads version 1");
        break;
      case ConfigType::kText:
        text(node, key, [](const std::string&) { return true; }, "");
        break;
      case ConfigType::kOption:
        text(node, key, [](const std::string&) { return true; }, "");
        option(node, key);
        break;
      case ConfigType::kTorch:
        text(node, key, is_torch_version, "is no version like 2.9");
        break;
      case ConfigType::kDate:
        text(node, key, is_date, "is no day like 2026-01-31");
        break;
      case ConfigType::kSha256:
        text(
            node, key,
            [](const std::string& t) { return t.size() == 64 && only(t, "0123456789abcdef"); },
            "is no sha256 of 64 hexadecimal digits in lower case");
        break;
      case ConfigType::kRule:
        choice(node, node.text, key.name, codes(), "no rule `{}`");
        break;
      case ConfigType::kRules:
        if (node.kind != ConfigNode::Kind::kList) say(node, key.name, "it must be a list of texts");
        for (const ConfigNode& item : node.items) rule_word(item, item.text, key.name);
        break;
      case ConfigType::kSeverities:
        if (!is_object(node, key)) break;
        for (const ConfigNode& item : node.items) {
          rule_word(item, item.key, key.name);
          choice(item, item.text, key.name, kSeverities, "`{}` is none of note, warning, error");
        }
        break;
      case ConfigType::kLimits:
        if (!is_object(node, key)) break;
        for (const ConfigNode& item : node.items) {
          choice(item, item.key, key.name, limits(), "no limit `{}`");
          if (!item.whole) say(item, key.name, fmt::format("{} must be a whole number", item.key));
        }
        break;
      case ConfigType::kRuleOptions:
        if (!is_object(node, key)) break;
        for (const ConfigNode& item : node.items) {
          choice(item, item.key, key.name, codes(), "no rule `{}`");
          object(item, {}, fmt::format("{}: {}", key.name, item.key));
        }
        break;
      case ConfigType::kEntries:
        if (node.kind != ConfigNode::Kind::kList)
          say(node, key.name, "it must be a list of objects");
        for (const ConfigNode& item : node.items) object(item, key.fields, key.name);
        break;
    }
  }

  bool is_object(const ConfigNode& node, const ConfigKey& key) {
    const bool good = node.kind == ConfigNode::Kind::kObject;
    if (!good) say(node, key.name, "it must be an object");
    return good;
  }

  void text(const ConfigNode& node, const ConfigKey& key,
            const std::function<bool(const std::string&)>& good, std::string_view otherwise) {
    if (node.kind != ConfigNode::Kind::kText) return say(node, key.name, "it must be a text");
    if (only(node.text, " \t\n\r\f\v")) return say(node, key.name, "it must not be empty");
    if (!good(node.text)) say(node, key.name, fmt::format("`{}` {}", node.text, otherwise));
  }

  void option(const ConfigNode& node, const ConfigKey& key) {
    const std::vector<std::string_view>& allowed = row_of_flag(key.flag)->choices;
    const std::vector<std::string> choices(allowed.begin(), allowed.end());
    if (choices.empty() || node.kind != ConfigNode::Kind::kText) return;
    choice(node, node.text, key.name, choices,
           "`{}` is none of " + fmt::format("{}", fmt::join(choices, ", ")));
  }

  void rule_word(const ConfigNode& node, const std::string& word, std::string_view what) {
    choice(node, word, what, rule_words(), "no rule, family or name `{}`");
  }

  void choice(const ConfigNode& node, const std::string& word, std::string_view what,
              const std::vector<std::string>& choices, const std::string& otherwise) {
    const bool is_text = node.kind == ConfigNode::Kind::kText || &word == &node.key;
    if (!is_text) return say(node, what, "it must be a text");
    if (std::find(choices.begin(), choices.end(), word) != choices.end()) return;
    say(node, what, fmt::format(fmt::runtime(otherwise), word) + did_you_mean(word, choices));
  }

  void say(const ConfigNode& node, std::string_view what, const std::string& reason) {
    if (faults.size() == kMostFaults) return;
    faults.push_back(
        fmt::format("{}:{}: {}{}{}", file_, node.line, what, what.empty() ? "" : ": ", reason));
  }

  std::string_view file_;
};

}  // namespace

bool is_torch_version(std::string_view text) {
  std::size_t parts = 0;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    if (part.empty() || !only(part, kDigits)) return false;
    ++parts;
    if (dot == text.npos) return parts > 1;
    text.remove_prefix(dot + 1);
  }
}

const OptionRow* row_of_flag(std::string_view flag) {
  for (const OptionRow& row : option_table()) {
    if (row.flag == flag && (row.verbs & bit(Verb::kCheck)) != 0) return &row;
  }
  return nullptr;
}

std::vector<std::string> rule_words() {
  std::vector<std::string> words = {"ALL"};
  for (const Rule* rule : all_rules()) {
    const std::string family(rule->code.substr(0, 3));
    if (std::find(words.begin(), words.end(), family) == words.end()) words.push_back(family);
    words.emplace_back(rule->code);
    words.emplace_back(rule->name);
  }
  return words;
}

const std::vector<ConfigKey>& config_keys() {
  using enum ConfigType;
  static const std::vector<ConfigKey> kKeys = {
      {"$schema", kAnyText, "address of the JSON schema of this file", false, "", {}},
      {"version", kOne, "version of this format: 1", false, "", {}},
      {"select", kRules, "", false, "--select", {}, R"(["ALL"])"},
      {"ignore", kRules, "", false, "--ignore", {}, R"(["VER003", "NUM"])"},
      {"severity", kSeverities, "", false, "--severity", {}, R"({"STO001": "error"})"},
      {"fail_on", kOption, "", false, "--fail-on", {}, R"("warning")"},
      {"for", kOption, "", false, "--for", {}, R"("inference")"},
      {"target_device", kOption, "", false, "--target-device", {}, R"("cuda")"},
      {"target_torch", kTorch, "", false, "--target-torch", {}, R"("2.9")"},
      {"limits", kLimits, "", false, "--limit", {}, R"({"worker-seconds": 300})"},
      {"paths",
       kEntries,
       "other settings for some files, in order",
       false,
       "",
       {{"match", kText, "glob for the files, relative to the repository", true, "", {}},
        {"select",
         kRules,
         "run these there, in place of the rules selected in general",
         false,
         "",
         {}},
        {"ignore", kRules, "leave these out there, too", false, "", {}},
        {"severity", kSeverities, "what a rule or family counts for there", false, "", {}},
        {"artifact_id", kText, "what the one file is called in fingerprints", false, "", {}}},
       R"([{"match": "models/old/*", "ignore": ["MOD"], "severity": {"REG": "note"}}])"},
      {"options", kRuleOptions, "options of rules, by code; no rule has any yet", false, "", {}},
      {"suppressions",
       kEntries,
       "findings that were looked at and are accepted",
       false,
       "",
       {{"code", kRule, "the rule", true, "", {}},
        {"artifact", kText, "glob for the file, relative to the repository", true, "", {}},
        {"reason", kText, "a suppression says why the finding is accepted", true, "", {}},
        {"object_path", kText, "glob for the tensor or module; without it any", false, "", {}},
        {"sha256", kSha256, "only while the file is this one", false, "", {}},
        {"expires", kDate, "the last day on which it counts", false, "", {}},
        {"owner", kText, "whom to ask", false, "", {}}},
       R"([{"code": "REG007", "artifact": "models/a.pt", "reason": "its encoder is frozen"}])"},
  };
  return kKeys;
}

const std::vector<ConfigKey>& baseline_keys() {
  using enum ConfigType;
  static const std::vector<ConfigKey> kKeys = {
      {"version", kOne, "version of this format: 1", true, "", {}},
      {"entries",
       kEntries,
       "the findings that are known",
       true,
       "",
       {{"artifact", kText, "the file", true, "", {}},
        {"code", kText, "the rule", true, "", {}},
        {"object_path", kAnyText, "the tensor or module", true, "", {}},
        {"fingerprint", kText, "what names the finding", true, "", {}}}}};
  return kKeys;
}

std::vector<std::string> config_faults(const ConfigNode& root, const std::vector<ConfigKey>& keys,
                                       std::string_view file) {
  Checker checker(file);
  checker.object(root, keys, "");
  return std::move(checker.faults);
}

}  // namespace torchvet
