#include <fmt/format.h>

#include <algorithm>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "engine/suggest.h"

namespace torchvet {
namespace {

std::string verb_names() {
  std::string out;
  for (const VerbRow& row : verb_table())
    out += fmt::format("{}{}", out.empty() ? "" : " ", row.name);
  return out;
}

std::string flags_of(Verb verb) {
  std::string out;
  for (const OptionRow& row : option_table()) {
    if ((row.verbs & bit(verb)) == 0) continue;
    out += fmt::format("{}{}", out.empty() ? "" : " ", row.flag);
    if (!row.brief.empty()) out += fmt::format(" {}", row.brief);
  }
  return out;
}

/// What a value can be, or begin with.
const std::vector<std::string_view>& words_of(const OptionRow& row) {
  return row.choices.empty() ? row.words : row.choices;
}

std::string bash() {
  std::string out =
      "# bash completion of torchvet\n"
      "_torchvet() {\n"
      "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" verb=check\n"
      "  COMPREPLY=()\n"
      "  case \"${COMP_WORDS[1]}\" in\n";
  out += fmt::format("    {}) [ \"$COMP_CWORD\" -gt 1 ] && verb=\"${{COMP_WORDS[1]}}\" ;;\n", [] {
    std::string names = verb_names();
    std::replace(names.begin(), names.end(), ' ', '|');
    return names;
  }());
  out += "  esac\n  case \"$prev\" in\n";
  for (const OptionRow& row : option_table()) {
    if (words_of(row).empty()) continue;
    out += fmt::format("    {}) COMPREPLY=($(compgen -W \"{}\" -- \"$cur\")); return ;;\n",
                       row.flag, fmt::join(words_of(row), " "));
  }
  out += "  esac\n  case \"$cur\" in\n    -*)\n      case \"$verb\" in\n";
  for (const VerbRow& row : verb_table()) {
    out += fmt::format("        {}) COMPREPLY=($(compgen -W \"{}\" -- \"$cur\")) ;;\n", row.name,
                       flags_of(row.verb));
  }
  out += "      esac\n      return ;;\n  esac\n";
  std::string words;
  for (const VerbRow& row : verb_table()) {
    if (row.words.empty()) continue;
    words += fmt::format("  [ \"$verb\" = {} ] && COMPREPLY+=($(compgen -W \"{}\" -- \"$cur\"))\n",
                         row.name, row.words);
  }
  out += fmt::format(
      "  [ \"$COMP_CWORD\" -eq 1 ] && COMPREPLY=($(compgen -W \"{}\" -- \"$cur\"))\n"
      "{}  COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
      "}}\n"
      "complete -o filenames -F _torchvet torchvet\n",
      verb_names(), words);
  return out;
}

/// Text inside single quotes of a shell, for the specifications of zsh and fish.
std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':') out += '\\';
      out += c;
    }
  }
  return out;
}

std::string zsh_value(const OptionRow& row) {
  if (row.value.empty()) return "";
  if (!words_of(row).empty()) return fmt::format(":value:({})", fmt::join(words_of(row), " "));
  return row.takes_path ? ":value:_files" : ":value: ";
}

std::string zsh() {
  std::string out = "#compdef torchvet\n_torchvet() {\n  local -a verbs\n  verbs=(\n";
  for (const VerbRow& row : verb_table()) {
    out += fmt::format("    '{}:{}'\n", row.name, quoted(row.help));
  }
  out +=
      "  )\n  local verb=check\n"
      "  (( CURRENT > 2 )) && (( ${verbs[(I)${words[2]}:*]} )) && verb=${words[2]}\n"
      "  if (( CURRENT == 2 )); then\n    _describe command verbs\n    _files\n"
      "    [[ $PREFIX == -* ]] || return\n  fi\n  case $verb in\n";
  for (const VerbRow& row : verb_table()) {
    out += fmt::format("    {})\n      _arguments \\\n", row.name);
    for (const OptionRow& option : option_table()) {
      if ((option.verbs & bit(row.verb)) == 0) continue;
      out += fmt::format("        '*{}[{}]{}' \\\n", option.flag, quoted(option.help),
                         zsh_value(option));
    }
    if (!row.words.empty()) out += fmt::format("        '1:word:({})' \\\n", row.words);
    out += "        '*:path:_files' ;;\n";
  }
  return out + "  esac\n}\n_torchvet \"$@\"\n";
}

std::string fish() {
  std::string out = "# fish completion of torchvet\n";
  for (const VerbRow& row : verb_table()) {
    out += fmt::format("complete -c torchvet -n __fish_use_subcommand -a {} -d '{}'\n", row.name,
                       row.help);
  }
  for (const VerbRow& row : verb_table()) {
    if (!row.words.empty()) {
      out += fmt::format("complete -c torchvet -n '__fish_seen_subcommand_from {}' -a '{}'\n",
                         row.name, row.words);
    }
    for (const OptionRow& option : option_table()) {
      if ((option.verbs & bit(row.verb)) == 0) continue;
      out += fmt::format("complete -c torchvet -n '__fish_seen_subcommand_from {}' -l {}", row.name,
                         option.flag.substr(2));
      if (!option.brief.empty()) out += fmt::format(" -s {}", option.brief.substr(1));
      if (!words_of(option).empty()) {
        out += fmt::format(" -x -a '{}'", fmt::join(words_of(option), " "));
      } else if (!option.value.empty()) {
        out += " -r";
      }
      out += fmt::format(" -d '{}'\n", option.help);
    }
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
