#include "cli/options.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "report/formats.h"

namespace torchvet {
namespace {

// `config` takes what `check` does, to show what would come of it.
constexpr Verbs kCheck = bit(Verb::kCheck) | bit(Verb::kBaseline) | bit(Verb::kConfig);
constexpr Verbs kIntent = kCheck | bit(Verb::kDrift);
constexpr Verbs kScan = kIntent | bit(Verb::kDiff);
constexpr Verbs kJudge =
    bit(Verb::kCheck) | bit(Verb::kDrift) | bit(Verb::kDiff) | bit(Verb::kConfig);
constexpr Verbs kTell = kJudge | bit(Verb::kConvert);
constexpr Verbs kRead = kScan | bit(Verb::kInspect);
constexpr Verbs kPrint = kRead | bit(Verb::kConvert) | bit(Verb::kExplain) | bit(Verb::kRules);

const std::vector<std::string_view> kSeverities = {"note", "warning", "error"};
const std::vector<std::string_view> kWhens = {"auto", "always", "never"};

std::vector<std::string_view> report_names() {
  std::vector<std::string_view> names;
  for (const ReportFormat& format : report_formats()) names.push_back(format.name);
  return names;
}

std::string_view report_help() {
  static const std::string kHelp = [] {
    std::vector<std::string> formats;
    for (const ReportFormat& format : report_formats()) {
      formats.push_back(fmt::format("{} ({})", format.name, format.summary));
    }
    return fmt::format("write a report, to standard output or a file; repeatable. FMT is {}",
                       fmt::join(formats, ", "));
  }();
  return kHelp;
}

}  // namespace

const std::vector<OptionRow>& option_table() {
  static const std::vector<OptionRow> kTable = {
      {"--select", "", "RULES", "run only these: codes, families, names or ALL", "Rules", kScan,
       &Options::select},
      {"--ignore", "", "RULES", "leave these out", "Rules", kScan, &Options::ignore},
      {"--extend-select", "", "RULES", "run these too", "Rules", kScan, &Options::extend_select},
      {"--preview", "", "", "run rules in preview too", "Rules", kScan, &Options::preview},
      {"--severity", "", "CODE=LEVEL", "report a rule (or family) as note, warning or error",
       "Rules", kScan, &Options::severity},
      {"--no-values", "", "", "never read weight bytes; rules that need them do not run", "Rules",
       kCheck | bit(Verb::kDiff), &Options::no_values},
      {"--digest", "", "", "read every byte: checksums of all members, sha256 of each file",
       "Rules", kCheck, &Options::digest},

      {"--for",
       "",
       "PURPOSE",
       "what the artifact is for; by default told by what it is",
       "Intent",
       kIntent,
       &Options::purpose,
       {"inference", "training", "resume"}},
      {"--target-device", "", "DEVICE", "device it will run on: cpu, cuda, ...", "Intent", kIntent,
       &Options::target_device},
      {"--target-torch", "", "X.Y", "torch version it will be loaded with", "Intent",
       kIntent | bit(Verb::kInspect), &Options::target_torch},
      {"--expect",
       "",
       "FILE",
       "a contract of names, shapes, types and the number of parameters: what `inspect --what "
       "tensors --format json` prints, or a shorter one",
       "Intent",
       kCheck,
       &Options::expect,
       {},
       true},
      {"--against",
       "",
       "OLD",
       "the file to compare with",
       "Intent",
       bit(Verb::kDiff) | bit(Verb::kBaseline),
       &Options::against,
       {},
       true},

      {"--fail-on",
       "",
       "LEVEL",
       "lowest severity that makes the exit code 1 (default: error)",
       "Gate",
       kJudge,
       &Options::fail_on,
       {"note", "warning", "error", "never"}},
      {"--min-confidence",
       "",
       "LEVEL",
       "drop findings below this confidence (default: low)",
       "Gate",
       kScan,
       &Options::min_confidence,
       {"low", "medium", "high"}},
      {"--allow-incomplete", "", "", "exit 0, not 3, when only parts were analysed", "Gate", kRead,
       &Options::allow_incomplete},
      {"--allow-empty", "", "", "exit 0, not 2, when no file matched", "Gate", kCheck,
       &Options::allow_empty},

      {"--baseline",
       "",
       "FILE",
       "findings that stand in this file are known: they do not count",
       "Accept",
       kScan,
       &Options::baseline,
       {},
       true},
      {"--series", "", "", "take the paths as a series of checkpoints, as `drift` does", "Accept",
       bit(Verb::kBaseline), &Options::series},
      {"--suppressions",
       "",
       "FILE",
       "a file with more suppressions; repeatable",
       "Accept",
       kScan,
       &Options::suppression_files,
       {},
       true},
      {"--no-suppressions", "", "", "suppress nothing", "Accept", kScan, &Options::no_suppressions},
      {"--show-suppressed", "", "", "show findings that were accepted, too", "Accept", kTell,
       &Options::show_suppressed},

      {"--report",
       "",
       "FMT[=FILE]",
       report_help(),
       "Report",
       kTell,
       &Options::report,
       {},
       true,
       report_names()},
      {"--json", "", "", "short for --report json", "Report",
       kTell | bit(Verb::kInspect) | bit(Verb::kRules) | bit(Verb::kVersion), &Options::json},
      {"--reproducible", "", "", "leave out times, so that equal runs give equal reports", "Report",
       kTell, &Options::reproducible},
      {"--schema", "", "", "print the JSON schema of the JSON report instead", "Report",
       bit(Verb::kConvert), &Options::schema},
      {"--show", "", "LEVEL",
       "lowest severity that reports for people show; never changes the exit code", "Report", kTell,
       &Options::show, kSeverities},
      {"--statistics", "", "", "count the findings of each rule", "Report", kTell,
       &Options::statistics},
      {"--quiet", "-q", "", "one line a finding, nothing else", "Report", kTell, &Options::quiet},
      {"--verbose", "-v", "",
       "merge nothing; list fingerprints, artifacts, files passed over and rules", "Report", kTell,
       &Options::verbose},

      {"--what",
       "",
       "PARTS",
       "what to print (default: summary): summary, members, tensors, modules, graph, optimizer, "
       "pickle, loaders",
       "Print",
       bit(Verb::kInspect),
       &Options::what,
       {"summary", "members", "tensors", "modules", "graph", "optimizer", "pickle", "loaders"}},
      {"--format",
       "",
       "FORMAT",
       "text, json, or dot: a picture for Graphviz, with --what graph",
       "Print",
       bit(Verb::kInspect),
       &Options::format,
       {"text", "json", "dot"}},
      {"--format",
       "",
       "FORMAT",
       "text or json",
       "Print",
       bit(Verb::kRules) | bit(Verb::kConfig),
       &Options::format,
       {"text", "json"}},
      {"--digests", "", "", "also read the weights and print a digest of each tensor", "Print",
       bit(Verb::kInspect), &Options::digests},
      {"--values", "", "", "also read the weights and print what is in each tensor", "Print",
       bit(Verb::kInspect), &Options::values},

      {"--include", "", "GLOB", "in directories, look at the files that match, and no others",
       "Files", kScan, &Options::include},
      {"--exclude", "", "GLOB", "in directories, pass over the files that match", "Files", kScan,
       &Options::exclude},
      {"--stdin-name", "", "NAME", "name for what comes through `-`", "Files",
       kCheck | bit(Verb::kDiff) | bit(Verb::kInspect), &Options::stdin_name},
      {"--artifact-id", "", "ID", "what the one file is called in fingerprints, wherever it lies",
       "Files", kCheck | bit(Verb::kDiff), &Options::artifact_id},
      {"--path-prefix", "", "PREFIX", "put this before every path in reports", "Files", kScan,
       &Options::path_prefix},
      {"--follow-symlinks", "", "", "follow symbolic links in directories", "Files", kScan,
       &Options::follow_symlinks},

      {"--follow", "", "", "watch a running training and judge each checkpoint once it is complete",
       "Watch", bit(Verb::kDrift), &Options::follow},
      {"--idle", "", "SECONDS", "with --follow: end when no checkpoint has come for this long",
       "Watch", bit(Verb::kDrift), &Options::idle},

      {"--limit", "", "NAME=VALUE", "change a limit; their names are in the JSON report", "Cost",
       kRead | bit(Verb::kConvert), &Options::limit},
      {"--timeout", "", "SECONDS", "begin no further work after this long", "Cost", kRead,
       &Options::timeout},
      {"--max-memory", "", "SIZE",
       "take no more memory than this (512M, 4G); what does not fit is not analysed", "Cost", kRead,
       &Options::max_memory},
      {"--jobs", "-j", "N", "files looked at in parallel (default: one for each processor)", "Cost",
       kScan, &Options::jobs},

      {"--config",
       "",
       "FILE",
       "read this file in place of torchvet.json",
       "Configuration",
       kRead,
       &Options::config,
       {},
       true},
      {"--isolated", "", "", "use nothing but this command line: no found file, no environment",
       "Configuration", kRead, &Options::isolated},

      {"--color", "", "WHEN", "auto, always or never", "Manners", kPrint, &Options::color, kWhens},
      {"--progress",
       "",
       "WHEN",
       "auto or never",
       "Manners",
       kScan,
       &Options::progress,
       {"auto", "never"}},
      {"--help", "-h", "", "print this", "Manners", ~Verbs{0}, &Options::help},
      {"--version", "-V", "", "print the version", "Manners", bit(Verb::kHelp), &Options::version},
  };
  return kTable;
}

std::string variable_of(const OptionRow& row) {
  if (row.flag == "--help" || row.flag == "--version") return "";
  std::string name = "TORCHVET_";
  for (const char c : row.flag.substr(2)) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

}  // namespace torchvet
