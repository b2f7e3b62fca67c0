#include "graph/origin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "graph/op_table.h"

namespace torchvet {
namespace {

using Kind = Definition::Kind;

constexpr std::size_t kMaxNamed = 64;    ///< attributes and constants listed of one slot
constexpr std::size_t kMaxChain = 8;     ///< entries of a chain
constexpr std::size_t kMaxBases = 64;    ///< overwritten definitions followed back
constexpr std::size_t kMaxSteps = 1000;  ///< definitions passed while looking for a chain

std::optional<double> number_at(const Graph& graph, const Node& node, std::string_view argument,
                                std::size_t position) {
  const NodeInput* input = input_of(node, argument, position);
  if (input == nullptr || !graph.values[input->value].literal) return std::nullopt;
  const auto& literal = graph.values[input->value].literal->value;
  if (const double* number = std::get_if<double>(&literal)) return *number;
  if (const std::int64_t* number = std::get_if<std::int64_t>(&literal)) {
    return static_cast<double>(*number);
  }
  return std::nullopt;
}

/// The literals that say what an operator makes: its sizes, its bounds.
std::string arguments_text(const Graph& graph, const Node& node) {
  std::vector<std::string> parts;
  for (const NodeInput& input : node.inputs) {
    const std::optional<Literal>& literal = graph.values[input.value].literal;
    if (!literal || parts.size() == 3) continue;
    static constexpr std::string_view kIncidental[] = {
        "dtype", "layout", "pin_memory", "alpha", "device", "requires_grad", "memory_format"};
    if (std::find(std::begin(kIncidental), std::end(kIncidental), input.argument) !=
        std::end(kIncidental)) {
      continue;
    }
    if (const double* number = std::get_if<double>(&literal->value)) {
      parts.push_back(fmt::format("{:.6g}", *number));
    } else if (const std::int64_t* integer = std::get_if<std::int64_t>(&literal->value)) {
      parts.push_back(std::to_string(*integer));
    } else if (const auto* list = std::get_if<std::vector<std::int64_t>>(&literal->value)) {
      const std::size_t shown = std::min<std::size_t>(list->size(), 8);
      parts.push_back(fmt::format("[{}{}]", fmt::join(list->begin(), list->begin() + shown, ", "),
                                  shown < list->size() ? ", ..." : ""));
    }
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string_view short_name(std::string_view op) {
  const std::size_t colons = op.find("::");
  return colons == std::string_view::npos ? op : op.substr(colons + 2);
}

/// The leaf that a chain should lead to: the one that says most about the slot.
std::uint32_t target_of(std::uint32_t leaves) {
  for (const std::uint32_t leaf :
       {kFromRandom, kFromUninitialised, kFromParameter, kFromBuffer, kFromTensorAttribute,
        kFromConstant, kFromDeterministic, kFromInput, kFromUnknown}) {
    if ((leaves & leaf) != 0) return leaf;
  }
  return 0;
}

}  // namespace

OriginReader::OriginReader(const Graph& graph, const Flow& flow)
    : graph_(graph),
      flow_(flow),
      visited_(flow.definitions.size()),
      budget_(16 * flow.definitions.size() + 10'000'000) {}

Origin OriginReader::origin_of(DefId definition) {
  Origin origin;
  if (definition == kNoDef) return origin;
  origin.leaves = flow_.definitions[definition].leaves;
  if (origin.leaves == 0 || origin.any(kFromInput)) return origin;
  collect(definition, origin);
  origin.chain = chain_from(definition);
  return origin;
}

void OriginReader::collect(DefId start, Origin& origin) {
  ++round_;
  std::vector<DefId> open = {start};
  while (!open.empty()) {
    const DefId id = open.back();
    open.pop_back();
    if (visited_[id] == round_) continue;
    visited_[id] = round_;
    if (budget_ == 0) {
      complete_ = false;
      return;
    }
    --budget_;
    const Definition& definition = flow_.definitions[id];
    switch (definition.kind) {
      case Kind::kAttribute:
        if (origin.attributes.size() < kMaxNamed) {
          origin.attributes.push_back(*graph_.values[definition.value].attribute);
        }
        break;
      case Kind::kConstant:
        if (origin.constants.size() < kMaxNamed) {
          origin.constants.push_back(
              std::get<Literal::Constant>(graph_.values[definition.value].literal->value).index);
        }
        break;
      case Kind::kRandom:
      case Kind::kRandomWrite:
        mark_random(definition, origin);
        break;
      case Kind::kUninitialised:
        origin.starts_at_empty = true;
        break;
      case Kind::kFill:
        if (begins_at_empty(definition.base)) origin.filled = true;
        break;
      default:
        break;
    }
    for (const DefId input : definition.inputs) open.push_back(input);
  }
  std::sort(origin.attributes.begin(), origin.attributes.end());
  std::sort(origin.constants.begin(), origin.constants.end());
  origin.constants.erase(std::unique(origin.constants.begin(), origin.constants.end()),
                         origin.constants.end());
}

void OriginReader::mark_random(const Definition& definition, Origin& origin) const {
  const Node& node = graph_.nodes[definition.node];
  if (definition.kind == Kind::kRandomWrite && begins_at_empty(definition.base)) {
    origin.starts_at_empty = true;
  }
  const std::string_view name = short_name(node.op);
  if (name.starts_with("uniform")) {
    const bool is_default =
        number_at(graph_, node, "from", 1) == 0.0 && number_at(graph_, node, "to", 2) == 1.0;
    origin.default_bounds = origin.default_bounds && is_default;
  } else if (name.starts_with("normal")) {
    const std::size_t std_position = definition.kind == Kind::kRandom ? 1 : 2;
    const bool is_default = number_at(graph_, node, "std", std_position) == 1.0;
    origin.default_bounds = origin.default_bounds && is_default;
  }
}

bool OriginReader::begins_at_empty(DefId base) const {
  for (std::size_t step = 0; step < kMaxBases && base != kNoDef; ++step) {
    const Definition& definition = flow_.definitions[base];
    if (definition.kind == Kind::kUninitialised) return true;
    if (definition.base != kNoDef) {
      base = definition.base;
    } else if (!definition.inputs.empty()) {
      base = definition.inputs.front();
    } else {
      return false;
    }
  }
  return false;
}

std::vector<std::string> OriginReader::chain_from(DefId start) const {
  std::vector<std::string> chain;
  const std::uint32_t target = target_of(flow_.definitions[start].leaves);
  DefId at = start;
  for (std::size_t step = 0; step < kMaxSteps && chain.size() < kMaxChain; ++step) {
    const Definition& definition = flow_.definitions[at];
    if (definition.kind == Kind::kAttribute) {
      chain.push_back(*graph_.values[definition.value].attribute);
    } else if (definition.kind == Kind::kConstant) {
      chain.push_back("a tensor constant");
    } else if (definition.kind != Kind::kJoined && definition.kind != Kind::kNothing &&
               definition.node != Definition::kNoNode) {
      const Node& node = graph_.nodes[definition.node];
      chain.push_back(fmt::format("{}({})", short_name(node.op), arguments_text(graph_, node)));
    }
    if (definition.base != kNoDef) {
      at = definition.base;
      continue;
    }
    DefId next = kNoDef;
    for (const DefId input : definition.inputs) {
      if ((flow_.definitions[input].leaves & target) != 0) next = input;
      if (next != kNoDef) break;
    }
    if (next == kNoDef) return chain;
    at = next;
  }
  return chain;
}

}  // namespace torchvet
