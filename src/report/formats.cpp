#include "report/formats.h"

#include "report/json.h"

namespace torchvet {
namespace {

template <std::string (*write)(const Report&)>
std::string alike(const Report& report, const TextOptions&) {
  return write(report);
}

constexpr ReportFormat kFormats[] = {
    {"text", "for people", text_report},
    {"concise", "a line for each finding", concise_report},
    {"json", "everything, for programs", alike<json_report>},
};

}  // namespace

std::span<const ReportFormat> report_formats() { return kFormats; }

const ReportFormat* find_report_format(std::string_view name) {
  for (const ReportFormat& format : report_formats()) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

}  // namespace torchvet
