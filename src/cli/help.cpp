#include <fmt/format.h>

#include <algorithm>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "terminal/wrap.h"

namespace torchvet {
namespace {

constexpr std::size_t kColumn = 30;
constexpr int kWidth = 100;

std::string entry(const std::string& head, std::string_view help) {
  std::string out = "  " + head;
  std::size_t at = out.size();
  if (at + 2 > kColumn) {
    out += '\n';
    at = 0;
  }
  bool first = true;
  for (const std::string& part : wrap(help, kWidth - static_cast<int>(kColumn))) {
    out += std::string(first ? kColumn - at : kColumn, ' ') + part + "\n";
    first = false;
  }
  return out;
}

std::string head_of(const OptionRow& row) {
  std::string head =
      row.brief.empty() ? std::string(row.flag) : fmt::format("{}, {}", row.brief, row.flag);
  return row.value.empty() ? head : fmt::format("{} {}", head, row.value);
}

std::string options_of(Verb verb) {
  std::string out;
  std::string_view group;
  for (const OptionRow& row : option_table()) {
    if ((row.verbs & bit(verb)) == 0) continue;
    if (row.group != group) out += fmt::format("\n{}:\n", row.group);
    group = row.group;
    out += entry(head_of(row), row.help);
  }
  return out;
}

std::string examples_of(const VerbRow& row) {
  std::size_t wide = 0;
  for (const Example& example : row.examples) wide = std::max(wide, example.command.size());
  std::string out = "\nExamples:\n";
  for (const Example& example : row.examples) {
    out += example.what.empty()
               ? fmt::format("  {}\n", example.command)
               : fmt::format("  {:<{}}  {}\n", example.command, wide, example.what);
  }
  return row.examples.empty() ? "" : out;
}

std::string exit_codes() {
  std::string out = "\nExit codes:\n";
  for (const ExitCodeRow& row : exit_code_table()) {
    out += fmt::format("  {:<3}  {}\n", row.code, row.meaning);
  }
  return out;
}

}  // namespace

std::span<const ExitCodeRow> exit_code_table() {
  static constexpr ExitCodeRow kTable[] = {
      {kExitPass, "everything asked for was analysed; no finding at or above --fail-on"},
      {kExitFail, "at least one finding at or above --fail-on"},
      {kExitError,
       "wrong usage or configuration, unreadable or unwritable file, nothing matched, bug"},
      {kExitIncomplete, "part of it was not analysed"},
      {kExitInterrupted, "interrupted; the report is partial and says so"},
  };
  return kTable;
}

std::string help_text(Verb verb) {
  if (verb != Verb::kHelp) {
    const VerbRow& row = row_of(verb);
    std::string out = fmt::format("usage: torchvet {}{}{}\n\n{}\n", row.name,
                                  row.arguments.empty() ? "" : " ", row.arguments, row.help);
    out += examples_of(row) + options_of(verb);
    if (verb == Verb::kCheck || verb == Verb::kDrift || verb == Verb::kDiff) out += exit_codes();
    return out;
  }
  std::string out =
      "usage: torchvet COMMAND ...\n"
      "       torchvet PATH...          short for `torchvet check PATH...`\n\n"
      "Finds defects in what PyTorch training leaves on disk. Executes nothing in it.\n\n"
      "Commands:\n";
  for (const VerbRow& row : verb_table()) out += entry(std::string(row.name), row.help);
  out += options_of(verb);
  out += "\n`torchvet help COMMAND` lists the options of a command.\n";
  return out;
}

}  // namespace torchvet
