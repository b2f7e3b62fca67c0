// torch.export.load looks every operator up by its name, takes the arguments that its schema has out of
// those that the program gives, and lets a verifier look at the functions of Python that are called.
//
// Source: `deserialize_operator`, `deserialize_node` and `deserialize_inputs` of
// torch/_export/serde/serialize.py, `Verifier` of torch/_export/verifier.py, 2.13. The table of operators
// is operators_of_torch.tsv; what it holds says scripts/operator_schemas.
#include "formats/exported/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "core/split.h"
#include "formats/exported/operator_table.h"
#include "formats/exported/signature.h"
#include "formats/loaders/missing_names.h"

namespace torchvet {
namespace {

constexpr std::string_view kOps = "torch.ops.";
/// The namespaces that every torch has in full. Of others a build may have more operators.
constexpr std::string_view kComplete[] = {"aten", "prims", "higher_order"};

struct Operator {
  std::string_view name;
  std::string_view arguments;  ///< separated by spaces, with their marks
  bool mutates = false;
};

std::vector<Operator> read_table() {
  std::vector<Operator> table;
  for_each_part(operators_of_torch(), '\n', [&](std::string_view line) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) return;
    Operator row{line.substr(0, tab), line.substr(tab + 1)};
    row.mutates = row.name.ends_with('!');
    if (row.mutates) row.name.remove_suffix(1);
    table.push_back(row);
  });
  std::sort(table.begin(), table.end(),
            [](const Operator& a, const Operator& b) { return a.name < b.name; });
  return table;
}

const Operator* find_operator(std::string_view name) {
  static const std::vector<Operator> kTable = read_table();
  const auto at = std::lower_bound(
      kTable.begin(), kTable.end(), name,
      [](const Operator& row, std::string_view wanted) { return row.name < wanted; });
  return at != kTable.end() && at->name == name ? &*at : nullptr;
}

Error refused(std::string detail) { return {ErrorCode::kArchiveRefused, 0, std::move(detail)}; }

/// Whether a namespace that torch does not have is one of torch's with a letter or two wrong, because
/// what follows is an operator of it.
bool is_misspelt(std::string_view space, std::string_view rest) {
  return std::any_of(std::begin(kComplete), std::end(kComplete), [&](std::string_view own) {
    return space.size() <= own.size() + 2 && letters_off(space, own) <= 2 &&
           find_operator(fmt::format("{}{}{}", kOps, own, rest)) != nullptr;
  });
}

/// "demo.scale.default": three parts, none of them empty.
bool is_overload(std::string_view name) {
  constexpr std::size_t kParts = 3;
  std::size_t parts = name.ends_with('.') ? kParts : 0;  // of which the last is empty
  for_each_part(name, '.', [&](std::string_view part) { parts += part.empty() ? kParts + 1 : 1; });
  return parts == kParts;
}

/// Letters, and what stands between the parts of a name.
bool is_odd(char c) {
  constexpr std::string_view kBetween = "._#:<>-";
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x80 && std::isalnum(byte) == 0 && kBetween.find(c) == std::string_view::npos;
}

/// Why torch finds nothing under a name that is not in the table.
std::optional<Error> unknown_target(std::string_view target) {
  if (std::any_of(target.begin(), target.end(), is_odd)) {
    return Error{ErrorCode::kExportedBadProgram, 0,
                 fmt::format("a node calls what is no name: {}", target.substr(0, 40))};
  }
  if (target.starts_with('#')) return std::nullopt;  // of an extension, which brings its own reader
  if (!target.starts_with(kOps)) {
    return refused(fmt::format("`{}` is no function that a program may call", target));
  }
  const std::string_view name = target.substr(kOps.size());
  const std::size_t dot = std::min(name.find('.'), name.size());
  const std::string_view space = name.substr(0, dot);
  const bool complete =
      std::find(std::begin(kComplete), std::end(kComplete), space) != std::end(kComplete);
  if (!complete && is_overload(name) && !is_misspelt(space, name.substr(dot))) return std::nullopt;
  return refused(fmt::format("torch 2.13 has no operator `{}`", name));
}

bool has_word(std::string_view words, std::string_view wanted) {
  bool found = false;
  for_each_part(words, ' ', [&](std::string_view word) {
    if (word.ends_with('?')) word.remove_suffix(1);
    found = found || word == wanted;
  });
  return found;
}

std::optional<Error> arguments_at_odds(const Operator& called, simdjson::dom::array inputs) {
  std::vector<std::string_view> given;
  for (const Json input : inputs) given.push_back(json_text(json_field(input, "name")).value_or(""));
  std::optional<Error> odds;
  for_each_part(called.arguments, ' ', [&](std::string_view word) {
    if (odds || word.empty() || word.ends_with('?')) return;
    if (std::find(given.begin(), given.end(), word) != given.end()) return;
    odds = refused(fmt::format("`{}` is called without its argument `{}`", called.name, word));
  });
  if (odds) return odds;
  for (const std::string_view name : given) {
    if (has_word(called.arguments, name)) continue;
    return Error{ErrorCode::kExportedBadProgram, 0,
                 fmt::format("`{}` is called with an argument `{}`, which it does not have: "
                             "torch.export.load drops it",
                             called.name, name)};
  }
  return std::nullopt;
}

std::optional<Error> call_at_odds(Json node, bool for_training) {
  const auto target = json_text(json_field(node, "target"));
  const auto inputs = json_array(json_field(node, "inputs"));
  if (!target || !inputs) return std::nullopt;
  const Operator* called = find_operator(*target);
  if (called == nullptr) return unknown_target(*target);
  if (!target->starts_with(kOps) || target->starts_with("torch.ops.higher_order.")) return std::nullopt;
  if (called->mutates && !for_training) {
    return refused(fmt::format("`{}` changes its arguments, which only a graph for training may do",
                               called->name));
  }
  // It may give a symbolic number, and its arguments are taken as they come.
  if (*target == "torch.ops.aten.item.default") return std::nullopt;
  return arguments_at_odds(*called, *inputs);
}

}  // namespace

std::optional<Error> calls_at_odds(Json graph_module, bool for_training) {
  std::vector<Json> graphs;
  if (const auto graph = json_field(graph_module, "graph")) graphs.push_back(*graph);
  while (!graphs.empty()) {
    const auto nodes = json_array(json_field(graphs.back(), "nodes"));
    graphs.pop_back();
    if (!nodes) continue;
    for (const Json node : *nodes) {
      if (auto odds = call_at_odds(node, for_training)) return odds;
      const auto inputs = json_array(json_field(node, "inputs"));
      if (!inputs) continue;
      for (const Json input : *inputs) {
        const auto inner = json_field(json_field(json_field(input, "arg"), "as_graph"), "graph");
        if (inner) graphs.push_back(*inner);
      }
    }
  }
  return std::nullopt;
}

}  // namespace torchvet
