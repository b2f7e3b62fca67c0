#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/report.h"
#include "report/text.h"

namespace torchvet {

/// A form in which `--report` writes a report. This table is the only place where they are listed:
/// the option's check, its help and the completions are made from it.
struct ReportFormat {
  std::string_view name;  ///< as it stands in `--report NAME`
  std::string_view summary;
  /// The whole report, ended by a newline. What machines read does not depend on the options.
  std::string (*write)(const Report& report, const TextOptions& options);
  /// It shows the tensors and modules of every artifact, which the run keeps for it.
  bool shows_models = false;
};

/// In the order in which people are told of them; the first one is the default.
[[nodiscard]] std::span<const ReportFormat> report_formats();

/// Null when there is none of that name.
[[nodiscard]] const ReportFormat* find_report_format(std::string_view name);

}  // namespace torchvet
