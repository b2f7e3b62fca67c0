// From LibTorch's graph of a method to one flat graph of the neutral model.
//
// LibTorch keeps one graph a function; `self.fc.forward(x)` is a GetAttr and a CallMethod:
//
//   %fc = prim::GetAttr[name="fc"](%self)
//   %y  = prim::CallMethod[name="forward"](%fc, %x)
//
// We want `aten::linear(%x, attribute "fc.weight", ...)` with the module path "fc" and the places
// of both the call and the operator. LibTorch's own Inline pass would do the first half, but it has
// no bound (ten functions that call the next one ten times make 10^10 nodes) and tells only the
// last name of each module. So the calls are followed here: a walk over the functions' graphs with
// an explicit stack. A `Scope` is one expansion of a function: which of our values each of its
// values is. Entering a call binds the callee's inputs to the caller's values; leaving it binds the
// call's output to the callee's result. No node is made for either.
//
// Reads of module attributes and constants become values, not nodes. A list of literals becomes a
// literal too, unless something in its function changes it (`x = [1]; x.append(2)`). What the
// arguments of a call settle is settled here, as LibTorch's own inlining does: an `if` on a literal
// is replaced by the branch taken, a part of a tuple by what was put into it.
#include "worker/flatten.h"

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/fold.h"
#include "worker/value_types.h"

namespace torchvet {
namespace {

namespace jit = torch::jit;

/// One expansion of a function.
struct Scope {
  std::unordered_map<const jit::Value*, ValueId> values;
  std::uint32_t call = InlinedCall::kNoCall;
  std::uint32_t depth = 0;
  std::string module_path;
};

/// A place in the walk: the next node of a block, and what to do at the block's end.
struct Position {
  std::shared_ptr<Scope> scope;
  jit::Block* block = nullptr;
  jit::Node* next = nullptr;
  BlockId into = 0;
  /// For a function's top block and for a branch that is certainly taken: the node whose outputs
  /// are the results, and the scope it stands in.
  jit::Node* call = nullptr;
  std::shared_ptr<Scope> caller;
};

constexpr std::uint32_t kMaxCallDepth = 1000;

/// True when some node of the same function changes the list in place.
bool is_changed(const jit::Value* list) {
  static constexpr std::array<std::string_view, 12> kChanging = {
      "aten::append", "aten::extend", "aten::insert",  "aten::pop",
      "aten::clear",  "aten::remove", "aten::reverse", "aten::sort",
      "aten::Delete", "aten::add_",   "aten::mul_",    "aten::_set_item"};
  for (const jit::Use& use : list->uses()) {
    const std::string_view op = use.user->kind().toQualString();
    for (const std::string_view changing : kChanging) {
      if (op == changing) return true;
    }
    if (op == "prim::Loop" || op == "prim::Return") return true;
  }
  return false;
}

class Flattener {
 public:
  Flattener(const ProgramTables& tables, std::uint64_t& nodes_left)
      : tables_(tables), nodes_left_(nodes_left) {}

  LoweredGraph run(jit::GraphFunction& method) {
    const std::shared_ptr<jit::Graph> graph = method.graph();
    graph_.method = method.name();
    graph_.blocks.emplace_back();
    const std::shared_ptr<Scope> scope = std::make_shared<Scope>();
    bool is_self = true;
    for (jit::Value* input : graph->inputs()) {
      const ValueId id = make_value(*scope, input);
      Value& value = graph_.values[id];
      if (is_self) {
        value.attribute = "";
        attributes_.emplace("", id);
      } else {
        value.user_input = true;
      }
      is_self = false;
      graph_.blocks[0].parameters.push_back(id);
    }
    enter({scope, graph->block(), nullptr, 0, nullptr, nullptr});
    while (!stack_.empty()) step();
    return std::move(out_);
  }

 private:
  void enter(Position position) {
    position.next = *position.block->nodes().begin();
    stack_.push_back(std::move(position));
  }

  void step() {
    Position& top = stack_.back();
    if (top.next == top.block->return_node()) {
      leave();
      return;
    }
    jit::Node* node = top.next;
    top.next = node->next();
    // `node_step` may push: it gets copies, never a reference into the stack.
    node_step(node, top.scope, top.into);
  }

  void leave() {
    const Position done = std::move(stack_.back());
    stack_.pop_back();
    const at::ArrayRef<jit::Value*> results = done.block->outputs();
    if (done.call == nullptr) {
      for (jit::Value* result : results) {
        graph_.blocks[done.into].results.push_back(lookup(*done.scope, result));
      }
      return;
    }
    for (std::size_t i = 0; i < done.call->outputs().size() && i < results.size(); ++i) {
      done.caller->values[done.call->outputs()[i]] = lookup(*done.scope, results[i]);
    }
  }

  void node_step(jit::Node* node, const std::shared_ptr<Scope>& scope, BlockId into) {
    switch (node->kind()) {
      case c10::prim::Constant:
        bind_constant(*scope, node);
        return;
      case c10::prim::GetAttr:
        if (read_attribute(*scope, node)) return;
        break;
      case c10::prim::ListConstruct:
        if (fold_list(*scope, node)) return;
        break;
      case c10::prim::unchecked_cast:
        if (pass_through(*scope, node)) return;
        break;
      case c10::prim::TupleUnpack:
      case c10::prim::TupleIndex:
        if (open_tuple(*scope, node)) return;
        break;
      case c10::prim::If:
        if (take_branch(scope, node, into)) return;
        break;
      case c10::prim::CallMethod:
      case c10::prim::CallFunction:
        if (follow_call(node, scope, into)) return;
        break;
      default:
        if (fold(*scope, node)) return;
    }
    add_node(node, scope, into);
  }

  bool fold(Scope& scope, jit::Node* node) {
    if (node->outputs().size() != 1 || node->inputs().size() > 2 || !node->blocks().empty()) {
      return false;
    }
    for (jit::Value* input : node->inputs()) lookup(scope, input);
    std::vector<const Value*> inputs;
    for (jit::Value* input : node->inputs()) inputs.push_back(&graph_.values[lookup(scope, input)]);
    std::optional<Literal> result = fold_operator(node->kind().toQualString(), inputs);
    if (!result) return false;
    graph_.values[make_value(scope, node->output())].literal = std::move(result);
    return true;
  }

  /// A cast that only tells the compiler what our value's type says already.
  bool pass_through(Scope& scope, jit::Node* node) {
    const ValueId input = lookup(scope, node->input());
    if (graph_.values[input].type == ValueType::kOther) return false;
    scope.values[node->output()] = input;
    return true;
  }

  bool open_tuple(Scope& scope, jit::Node* node) {
    const auto known = tuples_.find(lookup(scope, node->input(0)));
    if (known == tuples_.end()) return false;
    const std::vector<ValueId>& items = known->second;
    if (node->kind() == c10::prim::TupleUnpack) {
      if (items.size() != node->outputs().size()) return false;
      for (std::size_t i = 0; i < items.size(); ++i) scope.values[node->outputs()[i]] = items[i];
      return true;
    }
    const Value& position = graph_.values[lookup(scope, node->input(1))];
    const std::int64_t* index =
        position.literal ? std::get_if<std::int64_t>(&position.literal->value) : nullptr;
    const std::int64_t size = static_cast<std::int64_t>(items.size());
    if (index == nullptr || *index < -size || *index >= size) return false;
    scope.values[node->output()] =
        items[static_cast<std::size_t>(*index < 0 ? *index + size : *index)];
    return true;
  }

  bool take_branch(const std::shared_ptr<Scope>& scope, jit::Node* node, BlockId into) {
    const Value& condition = graph_.values[lookup(*scope, node->input())];
    const bool* taken = condition.literal ? std::get_if<bool>(&condition.literal->value) : nullptr;
    if (taken == nullptr || node->blocks().size() != 2) return false;
    enter({scope, node->blocks()[*taken ? 0 : 1], nullptr, into, node, scope});
    return true;
  }

  ValueId make_value(Scope& scope, const jit::Value* from) {
    Value value;
    value.type = type_of(*from->type());
    value.shape = shape_of(*from->type());
    value.name = unique_name(*from);
    return bind(scope, from, std::move(value));
  }

  ValueId bind(Scope& scope, const jit::Value* from, Value value) {
    const ValueId id = static_cast<ValueId>(graph_.values.size());
    graph_.values.push_back(std::move(value));
    scope.values[from] = id;
    return id;
  }

  /// Names are unique in a function only; the same function inlined twice needs new ones.
  std::string unique_name(const jit::Value& value) {
    if (!value.hasDebugName()) return std::to_string(graph_.values.size());
    const std::string name = value.debugNameBase();
    const std::uint64_t seen = names_[name]++;
    return seen == 0 ? name : name + "." + std::to_string(seen);
  }

  ValueId lookup(Scope& scope, const jit::Value* value) {
    const auto at = scope.values.find(value);
    return at != scope.values.end() ? at->second : make_value(scope, value);
  }

  void bind_constant(Scope& scope, jit::Node* node) {
    const ValueId id = make_value(scope, node->output());
    Value& value = graph_.values[id];
    const std::optional<c10::IValue> constant = jit::toIValue(node->output());
    if (!constant) return;
    if (constant->isNone()) {
      value.literal = Literal{Literal::None{}};
    } else if (constant->isBool()) {
      value.literal = Literal{constant->toBool()};
    } else if (constant->isInt()) {
      value.literal = Literal{constant->toInt()};
    } else if (constant->isDouble()) {
      value.literal = Literal{constant->toDouble()};
    } else if (constant->isString()) {
      value.literal = Literal{constant->toStringRef()};
    } else if (constant->isDevice()) {
      value.literal = Literal{Literal::Device{constant->toDevice().str()}};
    } else if (constant->isIntList()) {
      value.literal = Literal{constant->toIntVector()};
    } else if (constant->isDoubleList()) {
      value.literal = Literal{constant->toDoubleVector()};
    } else if (constant->isBoolList()) {
      const c10::List<bool> list = constant->toBoolList();
      value.literal = Literal{std::vector<bool>(list.begin(), list.end())};
    } else {
      bind_table_constant(*constant, value);
    }
  }

  void bind_table_constant(const c10::IValue& constant, Value& value) {
    if (constant.isTensor()) {
      const auto at = tables_.constants.find(constant.toTensor().unsafeGetTensorImpl());
      if (at == tables_.constants.end()) return;
      value.shape.reset();  // of the stand-in, not of the tensor in the file
      value.literal = Literal{Literal::Constant{at->second}};
    } else if (constant.isObject() && !constant.toObject()->slots().empty()) {
      const c10::IValue& index = constant.toObject()->slots()[0];
      if (index.isInt()) value.attribute = "CONSTANTS.c" + std::to_string(index.toInt());
    }
  }

  /// `self.a.b`: one value a path, whatever the number of reads. False when the owner is no
  /// attribute itself (an object made in the program).
  bool read_attribute(Scope& scope, jit::Node* node) {
    const ValueId owner = lookup(scope, node->input());
    if (!graph_.values[owner].attribute) return false;
    const std::string& name = node->s(c10::attr::name);
    const std::string& prefix = *graph_.values[owner].attribute;
    std::string path = prefix.empty() ? name : prefix + "." + name;
    if (const auto at = attributes_.find(path); at != attributes_.end()) {
      scope.values[node->output()] = at->second;
      return true;
    }
    const ValueId id = make_value(scope, node->output());
    graph_.values[id].attribute = path;
    attributes_.emplace(std::move(path), id);
    return true;
  }

  template <typename T>
  std::optional<Literal> collect(Scope& scope, jit::Node* node) {
    std::vector<T> items;
    for (jit::Value* input : node->inputs()) {
      const Value& item = graph_.values[lookup(scope, input)];
      const T* literal = item.literal ? std::get_if<T>(&item.literal->value) : nullptr;
      if (literal == nullptr) return std::nullopt;
      items.push_back(*literal);
    }
    return Literal{std::move(items)};
  }

  bool fold_list(Scope& scope, jit::Node* node) {
    const c10::ListTypePtr list = node->output()->type()->cast<c10::ListType>();
    if (!list || is_changed(node->output())) return false;
    std::optional<Literal> literal;
    switch (list->getElementType()->kind()) {
      case c10::TypeKind::IntType:
        literal = collect<std::int64_t>(scope, node);
        break;
      case c10::TypeKind::FloatType:
        literal = collect<double>(scope, node);
        break;
      case c10::TypeKind::BoolType:
        literal = collect<bool>(scope, node);
        break;
      default:
        break;
    }
    if (!literal) return false;
    graph_.values[make_value(scope, node->output())].literal = std::move(literal);
    return true;
  }

  /// The class of the object whose method is called: of an interface, that of the module which the
  /// file holds in its place.
  c10::ClassTypePtr owner_of(Scope& scope, jit::Node* node) {
    const c10::TypePtr type = node->input(0)->type();
    if (type->kind() != c10::TypeKind::InterfaceType) return type->cast<c10::ClassType>();
    const Value& owner = graph_.values[lookup(scope, node->input(0))];
    const auto at = tables_.modules.find(owner.attribute.value_or(""));
    return at == tables_.modules.end() ? nullptr : at->second;
  }

  jit::GraphFunction* callee_of(Scope& scope, jit::Node* node) {
    const c10::TypePtr type = node->input(0)->type();
    if (node->kind() == c10::prim::CallFunction) {
      const c10::FunctionTypePtr function = type->cast<c10::FunctionType>();
      return function ? jit::tryToGraphFunction(*function->function()) : nullptr;
    }
    const c10::ClassTypePtr owner = owner_of(scope, node);
    jit::Function* method = owner ? owner->findMethod(node->s(c10::attr::name)) : nullptr;
    return method ? jit::tryToGraphFunction(*method) : nullptr;
  }

  bool follow_call(jit::Node* node, const std::shared_ptr<Scope>& scope, BlockId into) {
    jit::GraphFunction* callee = callee_of(*scope, node);
    if (callee == nullptr || scope->depth >= kMaxCallDepth) return false;
    callee->ensure_defined();
    const std::shared_ptr<jit::Graph> graph = callee->graph();
    const std::size_t skipped = node->kind() == c10::prim::CallFunction ? 1 : 0;
    if (graph->inputs().size() + skipped != node->inputs().size()) return false;

    const std::shared_ptr<Scope> inner = std::make_shared<Scope>();
    for (std::size_t i = 0; i < graph->inputs().size(); ++i) {
      inner->values[graph->inputs()[i]] = lookup(*scope, node->inputs()[i + skipped]);
    }
    inner->depth = scope->depth + 1;
    inner->module_path = scope->module_path;
    if (skipped == 0) {
      const Value& self = graph_.values[lookup(*scope, node->input(0))];
      if (self.attribute && self.type == ValueType::kModule) inner->module_path = *self.attribute;
    }
    inner->call = static_cast<std::uint32_t>(out_.inlined.size());
    out_.inlined.push_back({scope->call, range_of(*node)});
    count_one();
    enter({inner, graph->block(), nullptr, into, node, scope});
    return true;
  }

  CodeRange range_of(const jit::Node& node) const {
    const jit::SourceRange range = node.sourceRange();
    const auto at = tables_.files.find(range.source().get());
    if (at == tables_.files.end()) return {};
    return {at->second, static_cast<std::uint32_t>(range.start()),
            static_cast<std::uint32_t>(range.end())};
  }

  /// Calls count as well as nodes: an empty function called a billion times makes no node.
  void count_one() {
    if (nodes_left_ == 0)
      throw std::runtime_error("the graph is larger than the limit graph_nodes");
    --nodes_left_;
  }

  void add_node(jit::Node* from, const std::shared_ptr<Scope>& scope, BlockId into) {
    count_one();
    const NodeId id = static_cast<NodeId>(graph_.nodes.size());
    Node node;
    node.op = from->kind().toQualString();
    node.module_path = scope->module_path;
    node.block = into;
    const c10::FunctionSchema* schema = from->maybeSchema();
    if (schema != nullptr) node.overload = schema->overload_name();
    if (from->hasAttribute(c10::attr::name) &&
        from->kindOf(c10::attr::name) == jit::AttributeKind::s) {
      node.overload = from->s(c10::attr::name);  // GetAttr, SetAttr, CallMethod: which one
    }
    for (std::size_t i = 0; i < from->inputs().size(); ++i) {
      const bool named = schema != nullptr && i < schema->arguments().size();
      node.inputs.push_back({named ? schema->arguments()[i].name() : std::string(),
                             lookup(*scope, from->inputs()[i])});
    }
    for (jit::Value* output : from->outputs()) {
      const ValueId value = make_value(*scope, output);
      graph_.values[value].producer = id;
      node.outputs.push_back(value);
    }
    std::vector<Position> blocks;
    for (jit::Block* block : from->blocks()) {
      const BlockId inner = static_cast<BlockId>(graph_.blocks.size());
      graph_.blocks.emplace_back();
      for (jit::Value* parameter : block->inputs()) {
        const ValueId value = make_value(*scope, parameter);
        graph_.values[value].owner = inner;
        graph_.blocks[inner].parameters.push_back(value);
      }
      graph_.blocks[inner].node = id;
      node.blocks.push_back(inner);
      blocks.push_back({scope, block, nullptr, inner, nullptr, nullptr});
    }
    if (from->kind() == c10::prim::TupleConstruct && node.outputs.size() == 1) {
      std::vector<ValueId>& items = tuples_[node.outputs[0]];
      for (const NodeInput& input : node.inputs) items.push_back(input.value);
    }
    graph_.nodes.push_back(std::move(node));
    graph_.blocks[into].nodes.push_back(id);
    out_.ranges.push_back(range_of(*from));
    out_.calls.push_back(scope->call);
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) enter(std::move(*block));
  }

  const ProgramTables& tables_;
  std::uint64_t& nodes_left_;
  LoweredGraph out_;
  Graph& graph_ = out_.graph;
  std::vector<Position> stack_;
  std::unordered_map<std::string, ValueId> attributes_;
  std::unordered_map<ValueId, std::vector<ValueId>> tuples_;  ///< items of those made here
  std::unordered_map<std::string, std::uint64_t> names_;
};

}  // namespace

LoweredGraph flatten_method(jit::GraphFunction& method, const ProgramTables& tables,
                            std::uint64_t& nodes_left) {
  return Flattener(tables, nodes_left).run(method);
}

}  // namespace torchvet
