// The manual page, in the macros of man(7), from the same tables as `--help`: one section for each
// command, with its examples before its options.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace torchvet {
namespace {

/// Text as roff takes it: what it would read as a command or as another character is escaped.
std::string roff(std::string_view text) {
  std::string out;
  if (text.starts_with('.') || text.starts_with('\'')) out += "\\&";
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string options_of(Verb verb) {
  std::string out;
  std::string_view group;
  for (const OptionRow& row : option_table()) {
    if ((row.verbs & bit(verb)) == 0) continue;
    if (row.group != group) out += fmt::format(".P\n.I {}\n", row.group);
    group = row.group;
    out += ".TP\n";
    if (!row.brief.empty()) out += fmt::format("\\fB{}\\fR, ", roff(row.brief));
    out += fmt::format("\\fB{}\\fR", roff(row.flag));
    if (!row.value.empty()) out += fmt::format(" \\fI{}\\fR", roff(row.value));
    out += fmt::format("\n{}", roff(row.help));
    const bool told = std::all_of(row.choices.begin(), row.choices.end(), [&](auto choice) {
      return row.help.find(choice) != std::string_view::npos;
    });
    if (!told) out += roff(fmt::format(" ({})", fmt::join(row.choices, ", ")));
    out += '\n';
  }
  return out;
}

std::string section_of(const VerbRow& row) {
  std::string out =
      fmt::format(".SS \\fBtorchvet {}\\fR{}{}\n{}\n", row.name, row.arguments.empty() ? "" : " ",
                  roff(row.arguments), roff(row.help));
  for (const Example& example : row.examples) {
    out += fmt::format(".TP\n\\fC{}\\fR\n", roff(example.command));
    if (!example.what.empty()) out += roff(example.what) + "\n";
  }
  return out + options_of(row.verb);
}

std::string page() {
  std::string out = fmt::format(
      ".TH TORCHVET 1 \"\" \"torchvet {}\" \"User Commands\"\n"
      ".SH NAME\n"
      "torchvet \\- find defects in what PyTorch training leaves on disk, executing nothing in it\n"
      ".SH SYNOPSIS\n"
      ".B torchvet\n.I COMMAND\n.RI [ OPTIONS ]\n.RI [ PATH ...]\n.br\n"
      ".B torchvet\n.IR PATH ...\n"
      ".SH DESCRIPTION\n"
      "Opens TorchScript archives, programs of torch.export, state_dicts, safetensors, checkpoints "
      "and "
      "pickled modules, runs nothing in them, and says what is wrong with them, where, why that "
      "matters "
      "and what to do. A path alone is short for\n.BR \"torchvet check\" .\n"
      "It opens no network connection.\n"
      ".SH COMMANDS\n",
      TORCHVET_VERSION);
  for (const VerbRow& row : verb_table()) out += section_of(row);
  out += ".SH EXIT STATUS\n";
  for (const ExitCodeRow& row : exit_code_table()) {
    out += fmt::format(".TP\n.B {}\n{}\n", row.code, roff(row.meaning));
  }
  return out +
         ".SH ENVIRONMENT\n"
         "Every option is also a variable:\n.B \\-\\-fail\\-on\nis\n.BR TORCHVET_FAIL_ON .\n"
         "Lists are separated by commas, switches are 1 or 0. The command line is stronger; an "
         "empty "
         "variable counts as none.\n"
         ".TP\n.BR NO_COLOR \", \" FORCE_COLOR \", \" CLICOLOR_FORCE\n"
         "without and with colours, where\n.B \\-\\-color\nsays nothing\n"
         ".TP\n.B TORCHVET_WORKER\n"
         "the program that parses TorchScript, where it is not installed beside torchvet\n"
         ".SH FILES\n"
         ".TP\n.I torchvet.json\n"
         "the configuration of a project, looked for from the current directory up to the root of "
         "its "
         "repository;\n.B torchvet config init\nwrites one\n"
         ".TP\n.I ~/.config/torchvet/torchvet.json\n"
         "that of the user, which is weaker; in\n.B XDG_CONFIG_HOME\nwhere that is set\n";
}

}  // namespace

int run_man() { return print(page()) ? kExitPass : kExitError; }

}  // namespace torchvet
