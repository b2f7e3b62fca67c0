#include "report/formats.h"

#include "report/github.h"
#include "report/gitlab.h"
#include "report/html.h"
#include "report/json.h"
#include "report/jsonl.h"
#include "report/junit.h"
#include "report/markdown.h"
#include "report/sarif.h"

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
    {"jsonl", "the same as JSON Lines", alike<jsonl_report>},
    {"sarif", "for code scanning", alike<sarif_report>},
    {"junit", "a test case for each rule", alike<junit_report>},
    {"github", "annotations of GitHub Actions", github_report},
    {"gitlab", "Code Quality of GitLab", alike<gitlab_report>},
    {"markdown", "for the summary of a CI run", markdown_report},
    {"html", "a page to look at, with the tensors of each model", html_report, true},
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
