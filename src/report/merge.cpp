#include "report/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

// A model with 32 equal blocks that has a defect in one has it in all, and 32 equal findings hide
// the one that differs. Two findings are "the same" when their object paths become equal once one
// number in them is blanked, and their messages too, once the path (or the path of the module that
// holds the tensor, or either as the model names it, without what leads to the model) is blanked in
// those:
//
//   layers.0.fc.weight   "`layers.0.fc.weight` never received a gradient"
//   layers.1.fc.weight   "`layers.1.fc.weight` never received a gradient"
//   -> layers.{0..1}.fc.weight
//
// Numbers are tried from the left, because the outer one is usually the block.

namespace torchvet {
namespace {

constexpr std::size_t kLongestNumber = 9;

struct Number {
  std::size_t begin = 0;
  std::size_t length = 0;
  std::uint64_t value = 0;
};

/// The components of a path that are numbers: between dots or brackets, or its ends.
std::vector<Number> numbers_in(std::string_view path) {
  std::vector<Number> numbers;
  const auto is_edge = [](char c) { return c == '.' || c == '[' || c == ']'; };
  for (std::size_t i = 0; i < path.size();) {
    std::size_t end = i;
    while (end < path.size() && path[end] >= '0' && path[end] <= '9') ++end;
    const bool whole =
        end > i && (i == 0 || is_edge(path[i - 1])) && (end == path.size() || is_edge(path[end]));
    if (whole && end - i <= kLongestNumber) {
      numbers.push_back({i, end - i, std::stoull(std::string(path.substr(i, end - i)))});
    }
    i = std::max(end, i + 1);
  }
  return numbers;
}

std::string replace_all(std::string text, std::string_view what, std::string_view with) {
  if (what.empty()) return text;
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

/// The message of a finding with its own path replaced; the parent's path too when it holds the
/// number that varies, so that "module `layers.0`" merges like "`layers.0.weight`"; and what is left
/// of either behind the first dots: "`layers.0.weight`" is what the model in `model.layers.0.weight`
/// calls its tensor.
std::string message_with(const Finding& finding, const Number& number, std::string_view with) {
  constexpr std::size_t kMostLeading = 4;
  const std::string_view path = finding.where.object_path;
  std::string blanked(path);
  blanked.replace(number.begin, number.length, with);
  std::string message = replace_all(finding.message, path, blanked);
  std::size_t begin = 0;
  for (std::size_t leading = 0; leading <= kMostLeading && begin <= number.begin; ++leading) {
    for (const std::string_view end_of : {path, parent_of(path)}) {
      if (number.begin + number.length > end_of.size()) continue;
      std::string part(end_of.substr(begin));
      const std::string whole = fmt::format("`{}`", part);
      part.replace(number.begin - begin, number.length, with);
      message = replace_all(std::move(message), whole, fmt::format("`{}`", part));
    }
    const std::size_t dot = path.find('.', begin);
    if (dot == std::string_view::npos) break;
    begin = dot + 1;
  }
  return message;
}

using Key = std::tuple<FindingStatus, std::string_view, std::string_view, std::string_view,
                       Severity, Confidence, std::string_view, std::string_view, std::uint64_t,
                       std::string, std::string>;

Key key_of(const ReportedFinding& reported, const Number& number) {
  const Finding& f = reported.finding;
  std::string blanked = f.where.object_path;
  blanked.replace(number.begin, number.length, "\x01");
  const std::string_view file = f.where.source ? std::string_view(f.where.source->file) : "";
  return {reported.status,
          reported.accepted_because,
          f.where.artifact,
          f.rule->code,
          f.severity,
          f.confidence,
          f.where.member,
          file,
          f.where.source ? f.where.source->line : 0,
          std::move(blanked),
          message_with(f, number, "\x01")};
}

/// "{0..31}" when there is no hole, else "{0,2,5}".
std::string range_text(const std::set<std::uint64_t>& values) {
  const std::uint64_t low = *values.begin();
  const std::uint64_t high = *values.rbegin();
  if (high - low + 1 == values.size()) return fmt::format("{{{}..{}}}", low, high);
  return fmt::format("{{{}}}", fmt::join(values, ","));
}

struct Group {
  std::set<std::uint64_t> values;
  std::vector<std::size_t> members;
};

}  // namespace

MergedFinding unmerged(const ReportedFinding& finding) {
  return {&finding, 1, {&finding}, finding.finding.where.object_path, finding.finding.message};
}

std::vector<MergedFinding> merge_repeated(std::span<const ReportedFinding* const> findings) {
  constexpr std::size_t kMostNumbers = 8;
  std::vector<std::vector<Number>> numbers;
  for (const ReportedFinding* f : findings) {
    numbers.push_back(numbers_in(f->finding.where.object_path));
  }
  std::vector<std::optional<MergedFinding>> merged(findings.size());
  std::vector<bool> taken(findings.size(), false);
  for (std::size_t position = 0; position < kMostNumbers; ++position) {
    std::map<Key, Group> groups;
    for (std::size_t i = 0; i < findings.size(); ++i) {
      if (taken[i] || position >= numbers[i].size()) continue;
      const Number& number = numbers[i][position];
      Group& group = groups[key_of(*findings[i], number)];
      group.values.insert(number.value);
      group.members.push_back(i);
    }
    for (const auto& [key, group] : groups) {
      if (group.members.size() < 2 || group.values.size() != group.members.size()) continue;
      for (const std::size_t i : group.members) taken[i] = true;
      const std::size_t first = group.members.front();
      const Finding& finding = findings[first]->finding;
      const Number& number = numbers[first][position];
      const std::string range = range_text(group.values);
      std::string path = finding.where.object_path;
      path.replace(number.begin, number.length, range);
      merged[first] = MergedFinding{findings[first],
                                    group.members.size(),
                                    {},
                                    std::move(path),
                                    message_with(finding, number, range)};
      for (const std::size_t i : group.members) merged[first]->all.push_back(findings[i]);
    }
  }
  std::vector<MergedFinding> out;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    if (merged[i]) {
      out.push_back(std::move(*merged[i]));
    } else if (!taken[i]) {
      out.push_back(unmerged(*findings[i]));
    }
  }
  return out;
}

}  // namespace torchvet
