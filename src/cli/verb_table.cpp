#include "cli/options.h"

namespace torchvet {
namespace {

constexpr Example kCheck[] = {
    {"torchvet check model.pt", "look at one file"},
    {"torchvet check exported/ --fail-on warning", "at a folder; stop on warnings"},
    {"torchvet check exported/ --select REG,MOD", "with two families of rules"},
    {"torchvet check model.pt --report text --report json=vet.json", "for people and for machines"},
    {"torchvet check model.pt --expect contract.json", "is it the model that was agreed on?"},
    {"torchvet check - --stdin-name model.pt", "at standard input"},
};
constexpr Example kDrift[] = {
    {"torchvet drift run/", "compare the checkpoints in a folder"},
    {"torchvet drift step_100.pt step_200.pt step_300.pt", "compare these"},
    {"torchvet drift --follow run/ --idle 600", "beside a training that goes on"},
};
constexpr Example kConvert[] = {
    {"torchvet convert vet.json --report sarif=vet.sarif", "without a second look at the models"},
    {"torchvet convert vet.json", "as text"},
    {"torchvet convert --schema", "the JSON schema of the JSON report"},
};
constexpr Example kDiff[] = {
    {"torchvet diff new.pt --against old.pt", "does new.pt fit where old.pt runs?"},
    {"torchvet diff model.safetensors --against last.ckpt", "the same in other formats"},
    {"torchvet diff new.pt --against old.pt --fail-on warning", "stop on converted types too"},
};
constexpr Example kBaseline[] = {
    {"torchvet baseline write exported/ --baseline known.json", "accept what is there today"},
    {"torchvet check exported/ --baseline known.json", "then new findings alone count"},
    {"torchvet baseline prune exported/ --baseline known.json", "take out what was repaired"},
};
constexpr Example kInspect[] = {
    {"torchvet inspect model.pt", "what is in it, in a few lines"},
    {"torchvet inspect model.pt --what tensors,optimizer", "its tensors and optimizer states"},
    {"torchvet inspect model.pt --what graph --format dot",
     "its programs as pictures for Graphviz"},
    {"torchvet inspect model.pt --what tensors --format json", "for machines"},
};
constexpr Example kExplain[] = {
    {"torchvet explain REG002", "what a rule finds, why it matters, what to do"},
    {"torchvet explain REG", "the pages of a family"},
};
constexpr Example kRules[] = {
    {"torchvet rules", "a line for each"},
    {"torchvet rules --format json", "for machines"},
};
constexpr Example kConfig[] = {
    {"torchvet config init", "write a torchvet.json with a comment for every key"},
    {"torchvet config check", "is anything wrong in it?"},
    {"torchvet config show --fail-on note", "what would be in force, and who says so"},
    {"torchvet config why REG002 model.pt", "does this rule look at this file, on whose word?"},
    {"torchvet config schema", "a JSON schema of torchvet.json for editors"},
};
constexpr Example kVersion[] = {
    {"torchvet version --json", "with the number of rules and the version of the report"},
};
constexpr Example kCompletions[] = {
    {"torchvet completions bash > ~/.local/share/bash-completion/completions/torchvet", ""},
};
constexpr Example kMan[] = {
    {"torchvet man > torchvet.1", "as it is installed"},
};

constexpr VerbRow kTable[] = {
    {Verb::kCheck, "check", "[OPTIONS] PATH...",
     "look for defects in files, directories or standard input (-)", "", kCheck},
    {Verb::kDrift, "drift", "[OPTIONS] PATH PATH...",
     "look for defects in a series of checkpoints of one training run", "", kDrift},
    {Verb::kDiff, "diff", "[OPTIONS] NEW --against OLD",
     "compare the models of two files: names, shapes, types, devices", "", kDiff},
    {Verb::kConvert, "convert", "[OPTIONS] REPORT.json", "make other reports from a JSON report",
     "", kConvert},
    {Verb::kBaseline, "baseline", "write|prune --baseline FILE [OPTIONS] PATH...",
     "accept the findings of today, so that only new ones count", "write prune", kBaseline},
    {Verb::kInspect, "inspect", "[OPTIONS] PATH", "print what is in a file, executing nothing", "",
     kInspect},
    {Verb::kExplain, "explain", "CODE", "print the page of a rule", "", kExplain},
    {Verb::kRules, "rules", "[OPTIONS]", "list the rules", "", kRules},
    {Verb::kConfig, "config", "show|check [FILE]|why CODE [PATH]|init|schema [OPTIONS]",
     "show, check, explain or begin the configuration of a project, torchvet.json",
     "show check why init schema", kConfig},
    {Verb::kVersion, "version", "[--json]", "print the version", "", kVersion},
    {Verb::kCompletions, "completions", "bash|zsh|fish", "print a completion script for a shell",
     "bash zsh fish", kCompletions},
    {Verb::kMan, "man", "", "print the manual page", "", kMan},
    {Verb::kHelp, "help", "[COMMAND]", "print help", "", {}},
};

}  // namespace

std::span<const VerbRow> verb_table() { return kTable; }

const VerbRow& row_of(Verb verb) {
  for (const VerbRow& row : verb_table()) {
    if (row.verb == verb) return row;
  }
  return verb_table().back();
}

}  // namespace torchvet
