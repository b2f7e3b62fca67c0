// One file that is the whole report: no request leaves it, whether a reader opens it from a disk, a
// mail or the store of a CI system. Everything that can be said in words is plain HTML and is there
// without a script: the verdict, the findings with their evidence, what was not analysed. The
// script filters the findings, draws the tree of the model and the charts of a series from data
// that lies beside them in the file.
//
// Most strings come from artifacts that nobody trusts. Four things keep them strings: they are
// escaped for HTML in one function (html_text); data for the script is JSON in an element that is
// not executed, without a `<` in it (data_element); the script writes text only through
// textContent; and a Content-Security-Policy allows the one script and the one style sheet by their
// hashes, and nothing else: no other script, no handler in an attribute, no address.
#include "report/html.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "core/digest.h"
#include "report/html_assets.h"
#include "report/html_parts.h"
#include "report/html_text.h"
#include "report/words.h"

namespace torchvet {
namespace {

/// sha256 as a Content-Security-Policy names it.
std::string policy_hash(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string hex = sha256_hex(text);
  std::string out = "'sha256-";
  for (std::size_t at = 0; at < hex.size(); at += 6) {
    const std::string group = hex.substr(at, 6);  // three bytes, of which four digits are made
    std::uint32_t bits = 0;
    for (const char c : group + std::string(6 - group.size(), '0')) {
      bits = bits << 4 | static_cast<std::uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    const std::size_t digits = group.size() * 4 / 6 + (group.size() % 6 == 0 ? 0 : 1);
    for (std::size_t i = 0; i < 4; ++i) {
      out += i < digits ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return out + "'";
}

std::string_view headline_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "Passed";
    case Outcome::kFail:
      return "Failed";
    case Outcome::kIncomplete:
      return "Incomplete";
    case Outcome::kError:
      return "Error";
  }
  return "Error";
}

std::uint64_t gaps_of(const Report& report) {
  std::uint64_t gaps = 0;
  for (const ReportedArtifact& artifact : report.artifacts) {
    gaps += artifact.gaps.size() + (artifact.read_error.empty() ? 0 : 1);
  }
  return gaps;
}

/// Why the verdict is what it is.
std::string reason_of(const Report& report) {
  const std::string level =
      report.fail_on ? fmt::format("at or above the level {}", name_of(*report.fail_on)) : "";
  switch (report.outcome) {
    case Outcome::kPass:
      return report.fail_on ? "All was analysed, and nothing was found " + level + "."
                            : "No level was set at which findings fail the run.";
    case Outcome::kFail:
      return "There are findings " + level + ".";
    case Outcome::kIncomplete:
      return "Part of it was not analysed, so that the run proves nothing about that part.";
    case Outcome::kError:
      return "Something that was asked for could not be done.";
  }
  return "";
}

std::string verdict_section(const Report& report) {
  std::string out = fmt::format(
      "<section class=\"verdict {}\" id=\"verdict\" aria-labelledby=\"verdict-title\">\n"
      "<h1 id=\"verdict-title\"><span class=\"word\">{}</span> <span class=\"sum\">{} in {} ({})"
      "</span></h1>\n<p>{} Exit code {}.</p>\n",
      name_of(report.outcome), headline_of(report.outcome), counts_text(report),
      counted(report.artifacts.size(), "artifact"), size_text(report.bytes), reason_of(report),
      report.exit_code);
  if (const std::uint64_t gaps = gaps_of(report); gaps > 0) {
    out += fmt::format("<p><a href=\"#gaps\">{}</a> {} not analysed.</p>\n", counted(gaps, "part"),
                       gaps == 1 ? "was" : "were");
  }
  return out + "</section>\n";
}

std::string navigation(const std::vector<std::pair<std::string_view, std::string_view>>& places) {
  std::string out = "<nav aria-label=\"Sections\">\n<ul>\n";
  for (const auto& [id, name] : places) {
    out += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", id, name);
  }
  return out + "</ul>\n</nav>\n";
}

std::string head_of(const Report& report) {
  std::string title = fmt::format("{}: {}", headline_of(report.outcome), counts_text(report));
  if (report.artifacts.size() == 1) title += " in " + html_text(report.artifacts.front().path);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {}; "
      "style-src {}; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"referrer\" content=\"no-referrer\">\n"
      "<meta name=\"generator\" content=\"torchvet {}\">\n<title>{}</title>\n<style>{}</style>\n"
      "</head>\n",
      policy_hash(page_script()), policy_hash(page_style()), html_text(report.version), title,
      page_style());
}

}  // namespace

std::string html_report(const Report& report, const TextOptions& options) {
  const PageFindings findings = page_findings(report, options.show);
  const std::string gaps = gaps_section(report);
  const std::string series = series_section(report);
  const std::string diff = diff_section(report);
  std::vector<std::pair<std::string_view, std::string_view>> places = {{"findings", "Findings"}};
  if (!diff.empty()) places.insert(places.begin(), {"diff", "Changes"});
  if (!gaps.empty()) places.insert(places.begin(), {"gaps", "Not analysed"});
  if (!series.empty()) places.emplace_back("series", "Movement");
  places.emplace_back("models", "Models");
  places.emplace_back("artifacts", "Artifacts");
  places.emplace_back("run", "About this run");

  std::string out = head_of(report);
  out +=
      "<body>\n<a class=\"skip\" href=\"#main\">Skip to the report</a>\n"
      "<header>\n<p class=\"brand\">torchvet</p>\n";
  out += navigation(places);
  out +=
      "<button type=\"button\" id=\"theme\" hidden></button>\n</header>\n"
      "<main id=\"main\" tabindex=\"-1\">\n";
  out += verdict_section(report);
  out +=
      "<noscript><p class=\"noscript\">Filters, the tree of the model and the charts need "
      "JavaScript; all findings are below without it.</p></noscript>\n";
  out += gaps;
  out += diff;
  out += findings_section(report, findings);
  out += series;
  out += models_section(report, findings);
  out += artifacts_section(report);
  out += run_section(report);
  out +=
      "</main>\n<footer>\n<p>Made by torchvet, which never executes what is in an artifact. This "
      "page sends nothing and needs no network.</p>\n</footer>\n<script>";
  out += page_script();
  return out + "</script>\n</body>\n</html>\n";
}

}  // namespace torchvet
