// The flow of values through a graph: which definition each weight slot reads.
//
// The values of a graph are assigned once, but tensors are not: TorchScript writes in place.
//
//   %w = aten::empty([4, 16])
//   %d = aten::detach(%w)          a view: the same numbers
//   %u = aten::uniform_(%d, -0.25, 0.25)
//   %y = aten::linear(%x, %w)      reads what uniform_ wrote
//
// So a value stands for a `Cell`, the root of its views, and a cell holds a definition that changes
// over time: here `empty`, then `uniform_` over that `empty`. We run over the nodes in order of
// execution and keep for every cell its current definition. A parametric node notes the definitions
// that it reads. Nothing is expanded: the leaves of a definition ("some parameter", "random
// numbers") are bits, spread afterwards over the finished definitions, so the cost is linear.
//
// Lists and tuples keep their elements apart, as cells, as long as nothing changes the list.
//
// Blocks: a branch starts from the cells as they are before the `if` and its changes are undone at
// its end; behind the `if` a changed cell holds the join of what the branches left. A loop's
// carried values are joins of the start and the end of the body; what the body writes in place is
// joined with what was there before when the loop is over. A branch under a literal condition that
// says otherwise is dead: nothing in it counts.
#include "graph/flow.h"

#include <optional>
#include <utility>

#include "graph/flow_state.h"
#include "graph/op_table.h"

namespace torchvet {
namespace {

using Kind = Definition::Kind;

class Walk {
 public:
  Walk(const Graph& graph, const FlowContext& context) : graph_(graph), context_(context) {
    places_.resize(graph.values.size());
    flow_.live_nodes.resize(graph.nodes.size());
    flow_.live_blocks.resize(graph.blocks.size());
    // Lists that are read again and again cost their length each time; an honest program stays far
    // below this.
    budget_ = 64 * (graph.nodes.size() + graph.values.size()) + 10'000'000;
    nothing_ = define({});
  }

  Flow run() {
    frames_.push_back({0, 0});
    flow_.live_blocks[0] = true;
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      const Block& block = graph_.blocks[frame.block];
      if (frame.next == block.nodes.size()) {
        leave_block();
        continue;
      }
      const NodeId id = block.nodes[frame.next++];
      flow_.live_nodes[id] = true;
      visit(id);
    }
    spread_leaves(flow_.definitions);
    return std::move(flow_);
  }

 private:
  DefId define(Definition definition) {
    flow_.definitions.push_back(std::move(definition));
    return static_cast<DefId>(flow_.definitions.size() - 1);
  }

  CellId new_cell(DefId definition) {
    Cell cell;
    cell.definition = definition;
    cells_.push_back(std::move(cell));
    return static_cast<CellId>(cells_.size() - 1);
  }

  bool spend(std::size_t work) {
    if (work > budget_) {
      flow_.complete = false;
      return false;
    }
    budget_ -= work;
    return true;
  }

  /// The place of a value; values that no node makes get one at their first use.
  Place place_of(ValueId id) {
    Place& place = places_[id];
    if (place.cell == UINT32_MAX) {
      place.cell = new_cell(initial(id));
      cells_[place.cell].lasting = graph_.values[id].attribute || graph_.values[id].user_input;
    }
    return place;
  }

  DefId initial(ValueId id) {
    const Value& value = graph_.values[id];
    if (value.user_input)
      return define({Kind::kInput, Definition::kNoNode, id, kNoDef, kFromInput, {}});
    if (value.attribute) {
      const auto known = context_.attributes->find(*value.attribute);
      std::uint32_t leaf = known == context_.attributes->end() ? 0u : known->second;
      if (leaf == 0 && may_hold_tensors(value.type)) leaf = kFromTensorAttribute;
      if (leaf != 0) return define({Kind::kAttribute, Definition::kNoNode, id, kNoDef, leaf, {}});
      return nothing_;
    }
    if (value.literal) {
      const Literal::Constant* constant = std::get_if<Literal::Constant>(&value.literal->value);
      if (constant == nullptr) return nothing_;
      const std::vector<bool>& dimensions = *context_.constant_has_dimensions;
      if (constant->index < dimensions.size() && !dimensions[constant->index]) return nothing_;
      return define({Kind::kConstant, Definition::kNoNode, id, kNoDef, kFromConstant, {}});
    }
    return nothing_;
  }

  static bool may_hold_tensors(ValueType type) {
    return type == ValueType::kTensor || type == ValueType::kObject || type == ValueType::kList ||
           type == ValueType::kTuple || type == ValueType::kOther;
  }

  /// The definition of everything a cell holds now.
  DefId read_cell(CellId id) {
    Cell& cell = cells_[id];
    if (cell.elements.empty() || cell.joined_at == writes_) return cell.definition;
    if (!spend(cell.elements.size())) return cell.definition;
    Definition joined{Kind::kJoined, Definition::kNoNode, 0, kNoDef, 0, {}};
    for (const CellId element : cell.elements) joined.inputs.push_back(cells_[element].definition);
    cell.definition = define(std::move(joined));
    cell.joined_at = writes_;
    return cell.definition;
  }

  DefId read(ValueId id) { return read_cell(place_of(id).cell); }

  void write(CellId id, DefId definition) {
    Cell& cell = cells_[id];
    if (!regions_.empty()) log_.emplace_back(id, cell.definition);
    cell.definition = definition;
    cell.elements.clear();
    ++writes_;
  }

  void bind(ValueId value, DefId definition) { places_[value] = {new_cell(definition), false}; }

  void bind_outputs(const Node& node, DefId definition) {
    for (const ValueId output : node.outputs) bind(output, definition);
  }

  void alias_outputs(const Node& node, bool partial) {
    if (node.inputs.empty()) return bind_outputs(node, nothing_);
    Place place = place_of(node.inputs[0].value);
    place.partial = place.partial || partial;
    for (const ValueId output : node.outputs) places_[output] = place;
  }

  Definition computed(NodeId id, std::size_t first_input = 0) {
    const Node& node = graph_.nodes[id];
    Definition made{Kind::kComputed, id, 0, kNoDef, 0, {}};
    for (std::size_t i = first_input; i < node.inputs.size(); ++i) {
      const DefId input = read(node.inputs[i].value);
      if (input != nothing_) made.inputs.push_back(input);
    }
    return made;
  }

  Definition made_by(NodeId id, Kind kind, std::uint32_t leaves) {
    return {kind, id, 0, kNoDef, leaves, {}};
  }

  void note_reads(NodeId id) {
    const Node& node = graph_.nodes[id];
    if (slots_of(node.op).empty()) return;
    std::vector<Read>& reads = flow_.reads[id];
    for (const NodeInput& input : node.inputs) {
      Read made{read(input.value), {}};
      const Place place = place_of(input.value);
      const Cell& cell = cells_[place.cell];
      if (!place.partial && spend(cell.elements.size())) {
        for (const CellId element : cell.elements) {
          made.elements.push_back(cells_[element].definition);
        }
      }
      reads.push_back(std::move(made));
    }
  }

  void visit(NodeId id) {
    const Node& node = graph_.nodes[id];
    if (!node.blocks.empty()) return enter_region(id);
    note_reads(id);
    switch (class_of(node)) {
      case OpClass::kCompute:
        return bind_outputs(node, define(computed(id)));
      case OpClass::kView:
        return alias_outputs(node, false);
      case OpClass::kPartialView:
        return alias_outputs(node, true);
      case OpClass::kLookThrough: {
        Definition copy = made_by(id, Kind::kJoined, 0);
        if (!node.inputs.empty()) copy.inputs.push_back(read(node.inputs[0].value));
        return bind_outputs(node, define(std::move(copy)));
      }
      case OpClass::kShapeOnly:
        return bind_outputs(node, nothing_);
      case OpClass::kRandom:
        return bind_outputs(node, define(made_by(id, Kind::kRandom, kFromRandom)));
      case OpClass::kRandomWrite:
        return overwrite(id, Kind::kRandomWrite, kFromRandom);
      case OpClass::kRandomResult: {
        Definition made = made_by(id, Kind::kRandomWrite, kFromRandom);
        if (!node.inputs.empty()) made.base = read(node.inputs[0].value);
        return bind_outputs(node, define(std::move(made)));
      }
      case OpClass::kRandomOf: {
        Definition made = computed(id);
        made.kind = Kind::kRandom;
        made.leaves = kFromRandom;
        return bind_outputs(node, define(std::move(made)));
      }
      case OpClass::kUninitialised:
        return bind_outputs(node, define(made_by(id, Kind::kUninitialised, kFromUninitialised)));
      case OpClass::kDeterministic: {
        Definition made = made_by(id, Kind::kDeterministic, kFromDeterministic);
        for (const NodeInput& input : node.inputs) {
          if (input.argument == "fill_value") made.inputs.push_back(read(input.value));
        }
        return bind_outputs(node, define(std::move(made)));
      }
      case OpClass::kFill:
        return overwrite(id, Kind::kFill, kFromDeterministic);
      case OpClass::kWrite:
        return write_in_place(id);
      case OpClass::kPack:
        return pack(id);
      case OpClass::kUnpack:
        return unpack(id);
      case OpClass::kElement:
        return take_element(id);
      case OpClass::kUnknown: {
        Definition made = computed(id);
        made.leaves = kFromUnknown;
        return bind_outputs(node, define(std::move(made)));
      }
    }
  }

  void overwrite(NodeId id, Kind kind, std::uint32_t leaves) {
    const Node& node = graph_.nodes[id];
    if (node.inputs.empty()) return bind_outputs(node, nothing_);
    const Place place = place_of(node.inputs[0].value);
    const DefId before = read_cell(place.cell);
    Definition made = computed(id, 1);
    made.kind = kind;
    made.leaves = leaves;
    made.base = before;
    DefId definition = define(std::move(made));
    if (place.partial || cells_[place.cell].lasting) {
      definition = define({Kind::kJoined, id, 0, kNoDef, 0, {before, definition}});
    }
    write(place.cell, definition);
    alias_outputs(node, false);
  }

  void write_in_place(NodeId id) {
    const Node& node = graph_.nodes[id];
    if (node.inputs.empty()) return bind_outputs(node, nothing_);
    Place place = place_of(node.inputs[0].value);
    if (node.op == "prim::SetAttr") place = attribute_place(node);
    read_cell(place.cell);
    Definition made = computed(id);
    if (made.inputs.empty()) made.inputs.push_back(cells_[place.cell].definition);
    write(place.cell, define(std::move(made)));
    alias_outputs(node, false);
  }

  /// The cell of the attribute that a SetAttr writes, so that later reads see it.
  Place attribute_place(const Node& node) {
    const Value& owner = graph_.values[node.inputs[0].value];
    if (!owner.attribute) return place_of(node.inputs[0].value);
    if (attribute_values_.empty()) {
      for (ValueId id = 0; id < graph_.values.size(); ++id) {
        if (graph_.values[id].attribute)
          attribute_values_.emplace(*graph_.values[id].attribute, id);
      }
    }
    const std::string path =
        owner.attribute->empty() ? node.overload : *owner.attribute + "." + node.overload;
    const auto at = attribute_values_.find(path);
    return at == attribute_values_.end() ? Place{new_cell(nothing_), false} : place_of(at->second);
  }

  void pack(NodeId id) {
    const Node& node = graph_.nodes[id];
    if (node.outputs.size() != 1) return bind_outputs(node, define(computed(id)));
    Cell cell;
    for (const NodeInput& input : node.inputs) {
      const Place place = place_of(input.value);
      cell.elements.push_back(place.cell);
    }
    Definition made = computed(id);
    made.kind = Kind::kJoined;
    cell.definition = define(std::move(made));
    cell.joined_at = writes_;
    cells_.push_back(std::move(cell));
    places_[node.outputs[0]] = {static_cast<CellId>(cells_.size() - 1), false};
  }

  void unpack(NodeId id) {
    const Node& node = graph_.nodes[id];
    if (node.inputs.empty()) return bind_outputs(node, nothing_);
    const Place place = place_of(node.inputs[0].value);
    const std::vector<CellId>& elements = cells_[place.cell].elements;
    if (elements.size() != node.outputs.size()) return alias_outputs(node, true);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      places_[node.outputs[i]] = {elements[i], place.partial};
    }
  }

  void take_element(NodeId id) {
    const Node& node = graph_.nodes[id];
    if (node.inputs.size() < 2 || node.outputs.size() != 1) return alias_outputs(node, true);
    const Place place = place_of(node.inputs[0].value);
    const std::vector<CellId>& elements = cells_[place.cell].elements;
    const std::int64_t size = static_cast<std::int64_t>(elements.size());
    const std::optional<Literal>& literal = graph_.values[node.inputs[1].value].literal;
    const std::int64_t* index = literal ? std::get_if<std::int64_t>(&literal->value) : nullptr;
    if (index == nullptr || *index < -size || *index >= size) return alias_outputs(node, true);
    const std::int64_t at = *index < 0 ? *index + size : *index;
    places_[node.outputs[0]] = {elements[static_cast<std::size_t>(at)], place.partial};
  }

  void enter_region(NodeId id) {
    const Node& node = graph_.nodes[id];
    Region region;
    region.node = id;
    region.blocks = node.blocks;
    if (is_conditional(node.op) && node.blocks.size() == 2 && !node.inputs.empty()) {
      const std::optional<Literal>& condition = graph_.values[node.inputs[0].value].literal;
      const bool* taken = condition ? std::get_if<bool>(&condition->value) : nullptr;
      if (taken != nullptr) region.blocks = {node.blocks[*taken ? 0 : 1]};
    }
    if (const LoopShape* loop = loop_shape_of(node)) {
      carry(node, *loop, region);
    } else {
      for (const BlockId block : region.blocks) {
        for (const ValueId parameter : graph_.blocks[block].parameters) {
          bind(parameter, define(computed(id)));
        }
      }
    }
    regions_.push_back(std::move(region));
    start_block();
  }

  /// What a loop carries from turn to turn: the join of its start and of the end of the body.
  void carry(const Node& node, const LoopShape& loop, Region& region) {
    for (const BlockId block : node.blocks) {
      const std::vector<ValueId>& parameters = graph_.blocks[block].parameters;
      for (std::size_t i = loop.parameters; i < parameters.size(); ++i) {
        const std::size_t turn = i - loop.parameters;
        if (turn == region.carried.size()) {
          Definition carried{Kind::kJoined, Definition::kNoNode, 0, kNoDef, 0, {}};
          const std::size_t input = turn + loop.inputs;
          if (input < node.inputs.size()) carried.inputs.push_back(read(node.inputs[input].value));
          region.carried.push_back(define(std::move(carried)));
        }
        bind(parameters[i], region.carried[turn]);
      }
    }
  }

  void start_block() {
    Region& region = regions_.back();
    region.log_mark = log_.size();
    const BlockId block = region.blocks[region.at];
    flow_.live_blocks[block] = true;
    frames_.push_back({block, 0});
  }

  void leave_block() {
    const BlockId block = frames_.back().block;
    frames_.pop_back();
    if (regions_.empty()) return;
    Region& region = regions_.back();
    std::vector<DefId> results;
    for (const ValueId result : graph_.blocks[block].results) results.push_back(read(result));
    std::unordered_map<CellId, DefId> ends;
    for (std::size_t i = region.log_mark; i < log_.size(); ++i) {
      ends.emplace(log_[i].first, cells_[log_[i].first].definition);
    }
    std::vector<std::pair<CellId, DefId>> changes;
    for (std::size_t i = log_.size(); i > region.log_mark; --i) {
      cells_[log_[i - 1].first].definition = log_[i - 1].second;
    }
    for (std::size_t i = region.log_mark; i < log_.size(); ++i) {
      const auto end = ends.find(log_[i].first);
      if (end == ends.end()) continue;
      changes.emplace_back(end->first, end->second);
      ends.erase(end);
    }
    log_.resize(region.log_mark);
    ++writes_;
    region.results.push_back(std::move(results));
    region.changes.push_back(std::move(changes));
    ++region.at;
    if (region.at < region.blocks.size()) return start_block();
    const Region done = std::move(regions_.back());
    regions_.pop_back();
    leave_region(done);
  }

  void leave_region(const Region& region) {
    const Node& node = graph_.nodes[region.node];
    const bool is_if = is_conditional(node.op);
    const LoopShape* loop = loop_shape_of(node);
    std::unordered_map<CellId, Definition> joins;
    std::vector<CellId> order;
    std::unordered_map<CellId, std::size_t> branches;
    for (const std::vector<std::pair<CellId, DefId>>& changes : region.changes) {
      for (const auto& [cell, definition] : changes) {
        const auto [at, is_new] = joins.try_emplace(cell);
        if (is_new) order.push_back(cell);
        at->second.kind = Kind::kJoined;
        at->second.inputs.push_back(definition);
        ++branches[cell];
      }
    }
    for (const CellId cell : order) {
      Definition& join = joins[cell];
      const bool everywhere = is_if && branches[cell] == region.blocks.size();
      if (!everywhere) join.inputs.push_back(cells_[cell].definition);
      if (join.inputs.size() == 1) {
        write(cell, join.inputs[0]);
      } else {
        write(cell, define(std::move(join)));
      }
    }
    if (loop != nullptr && loop->body < region.results.size()) {
      const std::vector<DefId>& results = region.results[loop->body];
      for (std::size_t i = 0; i < region.carried.size(); ++i) {
        if (i + loop->results >= results.size()) break;
        flow_.definitions[region.carried[i]].inputs.push_back(results[i + loop->results]);
      }
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (i < region.carried.size()) {
        bind(node.outputs[i], region.carried[i]);
        continue;
      }
      Definition joined{Kind::kJoined, Definition::kNoNode, 0, kNoDef, 0, {}};
      for (const std::vector<DefId>& results : region.results) {
        if (i < results.size()) joined.inputs.push_back(results[i]);
      }
      bind(node.outputs[i],
           joined.inputs.size() == 1 ? joined.inputs[0] : define(std::move(joined)));
    }
  }

  const Graph& graph_;
  const FlowContext& context_;
  Flow flow_;
  std::vector<Place> places_;
  std::vector<Cell> cells_;
  std::vector<Frame> frames_;
  std::vector<Region> regions_;
  std::vector<std::pair<CellId, DefId>>
      log_;  ///< cells written in open regions, and what they held
  std::unordered_map<std::string_view, ValueId> attribute_values_;
  std::uint64_t writes_ = 1;
  std::uint64_t budget_ = 0;
  DefId nothing_ = kNoDef;
};

}  // namespace

Flow follow_values(const Graph& graph, const FlowContext& context) {
  return Walk(graph, context).run();
}

}  // namespace torchvet
