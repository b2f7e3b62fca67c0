// Completion scripts for shells, made from the tables of commands and options. Each shell is told
// the same three things: which options a command has, which words a value can be, and which words
// can stand beside options. A word that is no command means `check`, also while it is typed.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/config_keys.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "core/limits.h"
#include "engine/suggest.h"

namespace torchvet {
namespace {

using Words = std::vector<std::string>;

/// What the value of an option can be.
struct Values {
  Words words;                   ///< empty: anything
  bool list = false;             ///< several, with commas between them
  Words second;                  ///< what can follow after "=": then each word needs one
  std::string_view shared = {};  ///< the words are those of this list of the script
  bool then_file = false;        ///< a file can follow after "="
};

constexpr std::string_view kRules = "rules";

Values values_of(const OptionRow& row) {
  const bool list = std::holds_alternative<std::vector<std::string> Options::*>(row.target);
  if (!row.choices.empty()) return {Words(row.choices.begin(), row.choices.end()), list, {}};
  if (!row.words.empty()) {
    return {Words(row.words.begin(), row.words.end()), false, {}, {}, row.takes_path};
  }
  if (row.value == "RULES") return {rule_words(), true, {}, kRules};
  if (row.value == "CODE=LEVEL") return {rule_words(), false, {"note", "warning", "error"}, kRules};
  if (row.value == "NAME=VALUE") {
    Values limits;
    for (const LimitName& limit : limit_names()) limits.words.emplace_back(limit.name);
    limits.second = {""};
    return limits;
  }
  return {};
}

/// Words that can stand beside the options of a command.
Values arguments_of(const VerbRow& row) {
  if (row.verb == Verb::kExplain) return {rule_words(), false, {}, kRules};
  Values values;
  if (row.verb == Verb::kHelp) {
    for (const VerbRow& verb : verb_table()) values.words.emplace_back(verb.name);
  }
  for (std::string_view left = row.words; !left.empty();) {
    const std::size_t space = std::min(left.find(' '), left.size());
    values.words.emplace_back(left.substr(0, space));
    left.remove_prefix(std::min(space + 1, left.size()));
  }
  return values;
}

std::vector<const OptionRow*> options_of(Verb verb) {
  std::vector<const OptionRow*> rows;
  for (const OptionRow& row : option_table()) {
    if ((row.verbs & bit(verb)) != 0) rows.push_back(&row);
  }
  return rows;
}

Words verb_names() {
  Words names;
  for (const VerbRow& row : verb_table()) names.emplace_back(row.name);
  return names;
}

// --- bash --------------------------------------------------------------------------------------

std::string bash_words(const Values& values) {
  return values.shared.empty() ? fmt::format("{}", fmt::join(values.words, " "))
                               : fmt::format("$_torchvet_{}", values.shared);
}

/// A case of what can be said after an option.
std::string bash_case(Verb verb, const OptionRow& row) {
  const Values values = values_of(row);
  std::string say = values.then_file ? "late=1 " : row.takes_path ? "files=1" : "";
  if (!values.words.empty()) say += fmt::format("words=\"{}\"", bash_words(values));
  if (values.list) say += " list=1";
  if (!values.second.empty()) {
    say += fmt::format(" pair=1 second=\"{}\"", fmt::join(values.second, " "));
  }
  std::string names = fmt::format("{}:{}", row_of(verb).name, row.flag);
  if (!row.brief.empty()) names += fmt::format("|{}:{}", row_of(verb).name, row.brief);
  return fmt::format("    {}) value=1 {} ;;\n", names, say);
}

std::string bash() {
  std::string out = fmt::format(
      "# bash completion of torchvet\n"
      "_torchvet_rules=\"{}\"\n\n"
      "_torchvet() {{\n"
      "  local at=$COMP_CWORD cur=\"${{COMP_WORDS[COMP_CWORD]}}\" verb=check first=1 begin=\n"
      "  local value= words= list= pair= second= files= late= flag= key= flags=\n"
      "  COMPREPLY=()\n"
      "  if [ \"$at\" -gt 1 ]; then\n"
      "    case \"${{COMP_WORDS[1]}}\" in\n      {}) verb=\"${{COMP_WORDS[1]}}\" first=2 ;;\n    "
      "esac\n"
      "  fi\n"
      "  # bash takes `--option=value` and `CODE=LEVEL` apart at each equals sign.\n"
      "  if [ \"$cur\" = \"=\" ]; then cur=; else at=$((at - 1)); fi\n"
      "  [ \"${{COMP_WORDS[at]}}\" = \"=\" ] && at=$((at - 1))\n"
      "  flag=\"${{COMP_WORDS[at]}}\"\n"
      "  if [ \"$at\" -gt 1 ] && [ \"${{flag#-}}\" = \"$flag\" ] && [ \"$at\" -lt \"$COMP_CWORD\" "
      "] &&\n"
      "    [ \"${{COMP_WORDS[at + 1]}}\" = \"=\" ]; then\n"
      "    key=\"$flag\" at=$((at - 1))\n"
      "    [ \"${{COMP_WORDS[at]}}\" = \"=\" ] && at=$((at - 1))\n"
      "    flag=\"${{COMP_WORDS[at]}}\"\n"
      "  fi\n"
      "  case \"$verb:$flag\" in\n",
      fmt::join(rule_words(), " "), fmt::join(verb_names(), "|"));
  for (const VerbRow& verb : verb_table()) {
    for (const OptionRow* row : options_of(verb.verb)) {
      if (!row->value.empty()) out += bash_case(verb.verb, *row);
    }
  }
  out +=
      "  esac\n"
      "  if [ -n \"$value\" ]; then\n"
      "    if [ -n \"$key\" ]; then words=\"$second\" pair= list= files=$late; fi\n"
      "    if [ -n \"$list\" ] && [ \"${cur%,*}\" != \"$cur\" ]; then begin=\"${cur%,*},\"; fi\n"
      "    if [ -n \"$files\" ]; then COMPREPLY=($(compgen -f -- \"$cur\"))\n"
      "    else COMPREPLY=($(compgen -P \"$begin\" -S \"${pair:+=}\" -W \"$words\" -- "
      "\"${cur#\"$begin\"}\")); fi\n"
      "    [ -n \"$pair\" ] && compopt -o nospace 2>/dev/null\n"
      "    return\n  fi\n"
      "  case \"$verb\" in\n";
  for (const VerbRow& verb : verb_table()) {
    std::string flags;
    for (const OptionRow* row : options_of(verb.verb)) {
      flags += fmt::format("{}{}", flags.empty() ? "" : " ", row->flag);
      if (!row->brief.empty()) flags += fmt::format(" {}", row->brief);
    }
    const Values values = arguments_of(verb);
    out +=
        fmt::format("    {}) flags=\"{}\" words=\"{}\" ;;\n", verb.name, flags, bash_words(values));
  }
  return out +
         fmt::format(
             "  esac\n"
             "  if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"{}\" flags=\"$flags --version -V\"; fi\n"
             "  case \"$cur\" in\n"
             "    -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\")); return ;;\n"
             "  esac\n"
             "  [ \"$COMP_CWORD\" -eq \"$first\" ] || words=\n"
             "  if [ \"$verb ${{COMP_WORDS[2]}} $COMP_CWORD\" = \"config why 3\" ]; then "
             "words=\"$_torchvet_rules\"; fi\n"
             "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\") $(compgen -f -- \"$cur\"))\n"
             "}}\n"
             "complete -o filenames -F _torchvet torchvet\n",
             fmt::join(verb_names(), " "));
}

// --- zsh ---------------------------------------------------------------------------------------

/// Text inside single quotes and brackets of a specification.
std::string zsh_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out;
}

std::string zsh_action(const Values& values, bool files) {
  if (values.words.empty()) return files ? "_files" : " ";
  if (values.then_file) return "_torchvet_reports";
  if (values.shared == kRules) {
    if (!values.second.empty()) return "_torchvet_levels";
    return values.list ? "_sequence _torchvet_rules" : "_torchvet_rules";
  }
  if (!values.second.empty()) return fmt::format("compadd -S= - {}", fmt::join(values.words, " "));
  return fmt::format(fmt::runtime(values.list ? "_sequence compadd - {}" : "({})"),
                     fmt::join(values.words, " "));
}

std::string zsh_option(std::string_view name, const OptionRow& row) {
  const bool long_one = name.starts_with("--");
  const std::string_view joint = row.value.empty() ? "" : long_one ? "=" : "+";
  std::string value;
  if (!row.value.empty()) {
    value =
        fmt::format(":{}:{}", zsh_quoted(row.value), zsh_action(values_of(row), row.takes_path));
  }
  return fmt::format("        '*{}{}[{}]{}' \\\n", name, joint, zsh_quoted(row.help), value);
}

std::string zsh() {
  std::string out = fmt::format(
      "#compdef torchvet\n"
      "_torchvet_rule_words() {{ compadd \"$@\" - {} }}\n"
      "_torchvet_levels() {{\n"
      "  if compset -P '*='; then compadd - note warning error; else _torchvet_rules -S=; fi\n"
      "}}\n"
      "_torchvet_reports() {{\n"
      "  if compset -P '*='; then _files; else compadd -S '' - {}; fi\n"
      "}}\n"
      "_torchvet() {{\n  local -a verbs\n  verbs=(\n",
      fmt::join(rule_words(), " "), fmt::join(values_of(*row_of_flag("--report")).words, " "));
  for (const VerbRow& row : verb_table()) {
    out += fmt::format("    '{}:{}'\n", row.name, zsh_quoted(row.help));
  }
  out +=
      "  )\n  local verb=check\n"
      "  if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then\n"
      "    _describe command verbs\n    _files\n    return\n  fi\n"
      "  if (( CURRENT > 2 )) && (( ${verbs[(I)${words[2]}:*]} )); then\n"
      "    verb=${words[2]}\n    shift words\n    (( CURRENT-- ))\n  fi\n"
      "  case $verb in\n";
  for (const VerbRow& row : verb_table()) {
    out += fmt::format("    {})\n      _arguments -s -S \\\n", row.name);
    for (const OptionRow* option : options_of(row.verb)) {
      out += zsh_option(option->flag, *option);
      if (!option->brief.empty()) out += zsh_option(option->brief, *option);
    }
    const Values values = arguments_of(row);
    if (!values.words.empty()) {
      out += fmt::format("        '1:word:{}' \\\n", zsh_action(values, false));
    }
    out += "        '*:path:_files' ;;\n";
  }
  return out + "  esac\n}\n_torchvet \"$@\"\n";
}

// --- fish --------------------------------------------------------------------------------------

/// Text inside single quotes.
std::string fish_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// What fish looks at before it offers something of a command.
std::string fish_condition(const VerbRow& row) {
  if (row.verb != Verb::kCheck) return fmt::format("__fish_seen_subcommand_from {}", row.name);
  Words others = verb_names();
  others.erase(std::remove(others.begin(), others.end(), "check"), others.end());
  return fmt::format("not __fish_seen_subcommand_from {}", fmt::join(others, " "));
}

std::string fish_option(const VerbRow& verb, const OptionRow& row) {
  std::string out =
      fmt::format("complete -c torchvet -n '{}' -l {}", fish_condition(verb), row.flag.substr(2));
  if (!row.brief.empty()) out += fmt::format(" -s {}", row.brief.substr(1));
  Values values = values_of(row);
  if (!values.second.empty()) {
    for (std::string& word : values.words) word += '=';
  }
  if (!values.words.empty() && values.list) {
    out += fmt::format(" -x -a '(__fish_append , {})'", fmt::join(values.words, " "));
  } else if (!values.words.empty()) {
    out +=
        fmt::format(" {} -a '{}'", values.then_file ? "-r -F" : "-x", fmt::join(values.words, " "));
  } else if (!row.value.empty()) {
    out += row.takes_path ? " -r -F" : " -x";
  }
  return out + fmt::format(" -d '{}'\n", fish_quoted(row.help));
}

std::string fish() {
  std::string out = "# fish completion of torchvet\n";
  for (const VerbRow& row : verb_table()) {
    out += fmt::format("complete -c torchvet -n __fish_use_subcommand -a {} -d '{}'\n", row.name,
                       fish_quoted(row.help));
  }
  for (const VerbRow& row : verb_table()) {
    const Words words = arguments_of(row).words;
    if (!words.empty()) {
      out += fmt::format("complete -c torchvet -n '{}' -a '{}'\n", fish_condition(row),
                         fmt::join(words, " "));
    }
    for (const OptionRow* option : options_of(row.verb)) out += fish_option(row, *option);
  }
  return out;
}

}  // namespace

int run_completions(const Options& options) {
  const std::vector<std::string> shells = {"bash", "zsh", "fish"};
  const std::string shell = options.paths.empty() ? "" : options.paths.front();
  if (shell == "bash") return print(bash()) ? kExitPass : kExitError;
  if (shell == "zsh") return print(zsh()) ? kExitPass : kExitError;
  if (shell == "fish") return print(fish()) ? kExitPass : kExitError;
  complain(shell.empty() ? "which shell? bash, zsh or fish"
                         : "no completions for `" + shell + "`" + did_you_mean(shell, shells));
  return kExitError;
}

}  // namespace torchvet
