#include "report/diff_rows.h"

#include <fmt/format.h>

#include <map>
#include <tuple>

#include "report/words.h"

namespace torchvet {
namespace {

std::string size_of(std::uint64_t tensors, const std::optional<std::uint64_t>& parameters) {
  return parameters
             ? fmt::format("{} in {}", plural(*parameters, "parameter"), plural(tensors, "tensor"))
             : plural(tensors, "tensor");
}

}  // namespace

std::vector<ReportedChange> diff_rows(const ReportedDiff& diff) {
  std::vector<ReportedChange> rows;
  std::map<std::tuple<std::string_view, Compatibility, std::string_view, std::string_view>,
           std::size_t>
      counting;
  for (const ReportedChange& change : diff.changes) {
    if (change.kind == "device" || change.kind == "dtype") {
      const auto [row, fresh] = counting.try_emplace(
          {change.kind, change.compatibility, change.before, change.after}, rows.size());
      if (!fresh) {
        rows[row->second].count += change.count;
        continue;
      }
    }
    rows.push_back(change);
  }
  return rows;
}

std::string sizes_text(const ReportedDiff& diff) {
  return fmt::format("{} before, {} now; {} the same in name, shape and type",
                     size_of(diff.tensors_before, diff.parameters_before),
                     size_of(diff.tensors, diff.parameters), diff.same);
}

std::string_view answer_of(Compatibility compatibility) {
  switch (compatibility) {
    case Compatibility::kCompatible:
      return "load_state_dict takes it, and every number arrives as it is stored";
    case Compatibility::kUnknown:
      return "load_state_dict takes it, but not every number arrives as it is stored";
    case Compatibility::kBreaking:
      return "load_state_dict raises";
  }
  return "";
}

}  // namespace torchvet
