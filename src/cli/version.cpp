#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "report/json.h"
#include "rules/registry.h"

namespace torchvet {

int run_version(const Options& options) {
  if (!options.json) {
    return print(fmt::format("torchvet {}\n", TORCHVET_VERSION)) ? kExitPass : kExitError;
  }
  // LibTorch is known only once the worker has run, and starting it costs more than this verb.
  const nlohmann::ordered_json out = {{"name", "torchvet"},
                                      {"version", TORCHVET_VERSION},
                                      {"libtorch", nullptr},
                                      {"rules", all_rules().size()},
                                      {"report_schema", kReportSchemaVersion}};
  return print(out.dump(2) + "\n") ? kExitPass : kExitError;
}

}  // namespace torchvet
