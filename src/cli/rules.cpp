#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "rules/registry.h"
#include "terminal/terminal.h"

namespace torchvet {
namespace {

std::string_view name_of(Needs needs) {
  switch (needs) {
    case Needs::kStructure:
      return "structure";
    case Needs::kGraph:
      return "graph";
    case Needs::kValues:
      return "values";
    case Needs::kSeries:
      return "series";
    case Needs::kLoaders:
      return "loaders";
  }
  return "structure";
}

std::string_view name_of(Status status) {
  switch (status) {
    case Status::kPreview:
      return "preview";
    case Status::kStable:
      return "stable";
    case Status::kDeprecated:
      return "deprecated";
  }
  return "stable";
}

std::string as_json() {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const Rule* rule : all_rules()) {
    out.push_back({{"code", rule->code},
                   {"name", rule->name},
                   {"severity", torchvet::name_of(rule->severity)},
                   {"confidence", torchvet::name_of(rule->confidence)},
                   {"needs", name_of(rule->needs)},
                   {"status", name_of(rule->status)},
                   {"since", rule->since},
                   {"summary", rule->summary},
                   {"why", rule->why},
                   {"help", rule->help}});
  }
  return out.dump(2) + "\n";
}

std::string as_table(const Palette& paint) {
  std::size_t width = 0;
  for (const Rule* rule : all_rules()) width = std::max(width, rule->name.size());
  std::string out;
  for (const Rule* rule : all_rules()) {
    out += fmt::format("{}{}{}  {:<{}}  {:<7}  {:<6}  {:<9}  {}\n", paint.strong, rule->code,
                       paint.reset, rule->name, width, torchvet::name_of(rule->severity),
                       torchvet::name_of(rule->confidence), name_of(rule->needs), rule->summary);
  }
  return out;
}

}  // namespace

int run_rule_list(const Options& options) {
  const bool json = options.json || options.format == "json";
  const Palette& paint = palette(use_color(*when_from_name(options.color), STDOUT_FILENO));
  return print(json ? as_json() : as_table(paint)) ? kExitPass : kExitError;
}

}  // namespace torchvet
