// A graph on the wire: one array of 32-bit words.
//
//   values, nodes, blocks, inlined calls   (four counts)
//   a value:   name, type, flags, then what the flags announce: shape, literal, attribute
//   a node:    op, overload, module path, file, start, end, call,
//              inputs (argument, value)*, outputs value*, blocks block*
//   a block:   parameters value*, nodes node*, results value*
//   a call:    caller, file, start, end
//
// A list is its count and its members; a text is an index into the message's table; 64-bit numbers
// are two words, low one first. Words instead of nested CBOR because a program can have millions of
// nodes: a document tree would take a hundred times the memory, and here one bounded reader is all
// there is to check. What can be derived is not sent (the producer of a value, the block of a node,
// the node of a block), so it cannot contradict: each is set while the lists are read, and a second
// setting is an error.
#include "graph/graph_words.h"

#include <bit>
#include <cstring>

namespace torchvet {
namespace {

enum ValueFlag : std::uint32_t { kShape = 1, kLiteral = 2, kAttribute = 4, kUserInput = 8 };
constexpr std::uint32_t kAllFlags = kShape | kLiteral | kAttribute | kUserInput;

class WordWriter {
 public:
  explicit WordWriter(TextTable& table) : table_(table) {}
  void word(std::uint32_t value) { words_.push_back(value); }
  void count(std::size_t value) { word(static_cast<std::uint32_t>(value)); }
  void wide(std::uint64_t value) {
    word(static_cast<std::uint32_t>(value));
    word(static_cast<std::uint32_t>(value >> 32));
  }
  void text(std::string_view value) { word(table_.index_of(value)); }
  void list(const std::vector<std::uint32_t>& values) {
    count(values.size());
    words_.insert(words_.end(), values.begin(), values.end());
  }
  void range(const CodeRange& range) {
    word(range.file);
    word(range.start);
    word(range.end);
  }
  void operator()(Literal::None) {}
  void operator()(bool value) { word(value ? 1 : 0); }
  void operator()(std::int64_t value) { wide(static_cast<std::uint64_t>(value)); }
  void operator()(double value) { wide(std::bit_cast<std::uint64_t>(value)); }
  void operator()(const std::string& value) { text(value); }
  void operator()(const Literal::Device& value) { text(value.name); }
  void operator()(Literal::Constant value) { word(value.index); }
  template <typename T>
  void operator()(const std::vector<T>& values) {
    count(values.size());
    for (const T value : values) (*this)(value);
  }
  [[nodiscard]] std::string bytes() const {
    return {reinterpret_cast<const char*>(words_.data()), words_.size() * sizeof(std::uint32_t)};
  }

 private:
  TextTable& table_;
  std::vector<std::uint32_t> words_;
};

/// Reads words until something is wrong; from then on every read gives 0 and `error` tells why, so
/// that the code below checks once a record instead of once a word.
class WordReader {
 public:
  WordReader(std::string_view bytes, const std::vector<std::string>& texts)
      : bytes_(bytes), texts_(texts) {}

  [[nodiscard]] bool ok() const { return why_ == nullptr; }
  [[nodiscard]] const char* why() const { return why_; }
  void wrong(const char* why) {
    if (why_ == nullptr) why_ = why;
  }
  [[nodiscard]] std::size_t remaining() const { return (bytes_.size() - at_) / 4; }

  std::uint32_t word() {
    if (remaining() == 0) wrong("ends early");
    if (!ok()) return 0;
    std::uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  /// A word that must be below `bound`.
  std::uint32_t below(std::size_t bound, const char* why) {
    const std::uint32_t value = word();
    if (value < bound) return value;
    wrong(why);
    return 0;
  }
  /// How many records follow that take at least `words` each: never more than can be there.
  std::size_t count(std::size_t words) {
    const std::uint32_t value = word();
    if (value <= remaining() / words) return value;
    wrong("a count is larger than the message");
    return 0;
  }
  std::uint64_t wide() {
    const std::uint64_t low = word();
    return low | std::uint64_t{word()} << 32;
  }
  const std::string& text() {
    static const std::string none;
    const std::uint32_t index = below(texts_.size(), "a text that is not there");
    return ok() ? texts_[index] : none;
  }
  std::vector<std::uint32_t> list(std::size_t bound, const char* why) {
    std::vector<std::uint32_t> values(count(1));
    for (std::uint32_t& value : values) value = below(bound, why);
    return values;
  }
  CodeRange range(std::size_t files) {
    CodeRange range;
    range.file = word();
    range.start = word();
    range.end = word();
    if (range.file != CodeRange::kNoFile && range.file >= files) wrong("a file that is not there");
    return range;
  }

 private:
  std::string_view bytes_;
  const std::vector<std::string>& texts_;
  std::size_t at_ = 0;
  const char* why_ = nullptr;
};

Literal read_literal(WordReader& in, std::size_t constants) {
  switch (in.word()) {
    case 0:
      return {Literal::None{}};
    case 1:
      return {in.below(2, "a bool that is none") == 1};
    case 2:
      return {static_cast<std::int64_t>(in.wide())};
    case 3:
      return {std::bit_cast<double>(in.wide())};
    case 4:
      return {in.text()};
    case 5:
      return {Literal::Device{in.text()}};
    case 6:
      return {Literal::Constant{in.below(constants, "a constant that is not there")}};
    case 7: {
      std::vector<std::int64_t> values(in.count(2));
      for (std::int64_t& value : values) value = static_cast<std::int64_t>(in.wide());
      return {std::move(values)};
    }
    case 8: {
      std::vector<double> values(in.count(2));
      for (double& value : values) value = std::bit_cast<double>(in.wide());
      return {std::move(values)};
    }
    case 9: {
      std::vector<bool> values(in.count(1));
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = in.below(2, "a bool that is none") == 1;
      }
      return {std::move(values)};
    }
    default:
      in.wrong("a literal of an unknown type");
      return {Literal::None{}};
  }
}

Value read_value(WordReader& in, std::size_t constants) {
  Value value;
  value.name = in.text();
  value.type = static_cast<ValueType>(
      in.below(static_cast<std::size_t>(ValueType::kObject) + 1, "a type that is not there"));
  const std::uint32_t flags = in.below(kAllFlags + 1, "an unknown flag");
  if (flags & kShape) {
    std::vector<std::int64_t> shape(in.count(2));
    for (std::int64_t& size : shape) size = static_cast<std::int64_t>(in.wide());
    value.shape = std::move(shape);
  }
  if (flags & kLiteral) value.literal = read_literal(in, constants);
  if (flags & kAttribute) value.attribute = in.text();
  value.user_input = (flags & kUserInput) != 0;
  return value;
}

void read_node(WordReader& in, NodeId id, std::size_t block_count, const WordLimits& limits,
               LoweredGraph& out) {
  Graph& graph = out.graph;
  Node& node = graph.nodes[id];
  node.op = in.text();
  node.overload = in.text();
  node.module_path = in.text();
  out.ranges[id] = in.range(limits.files);
  out.calls[id] = in.word();
  node.inputs.resize(in.count(2));
  for (NodeInput& input : node.inputs) {
    input.argument = in.text();
    input.value = in.below(graph.values.size(), "a value that is not there");
  }
  node.outputs = in.list(graph.values.size(), "a value that is not there");
  if (!in.ok()) return;
  for (const ValueId output : node.outputs) {
    if (graph.values[output].producer) in.wrong("a value with two producers");
    graph.values[output].producer = id;
  }
  node.blocks = in.list(block_count, "a block that is not there");
  if (!in.ok()) return;
  for (const BlockId block : node.blocks) {
    if (block == 0 || graph.blocks[block].node) in.wrong("a block with two nodes");
    graph.blocks[block].node = id;
  }
}

void read_block(WordReader& in, BlockId id, std::vector<bool>& placed, Graph& graph) {
  Block& block = graph.blocks[id];
  block.parameters = in.list(graph.values.size(), "a value that is not there");
  block.nodes = in.list(graph.nodes.size(), "a node that is not there");
  block.results = in.list(graph.values.size(), "a value that is not there");
  if (!in.ok()) return;
  for (const ValueId parameter : block.parameters) {
    Value& value = graph.values[parameter];
    if (value.producer || value.owner) in.wrong("a parameter that something else makes");
    value.owner = id;
  }
  for (const NodeId node : block.nodes) {
    if (placed[node]) in.wrong("a node in two blocks");
    placed[node] = true;
    graph.nodes[node].block = id;
  }
}

/// A block's number is above that of the block its node stands in: so blocks form a tree.
void check_tree(WordReader& in, const std::vector<bool>& placed, const Graph& graph) {
  for (const bool in_block : placed) {
    if (!in_block) in.wrong("a node outside of all blocks");
  }
  for (BlockId id = 1; id < graph.blocks.size(); ++id) {
    const std::optional<NodeId> node = graph.blocks[id].node;
    if (!node || graph.nodes[*node].block >= id) in.wrong("blocks that are no tree");
  }
}

}  // namespace

std::uint32_t TextTable::index_of(std::string_view text) {
  const auto [at, is_new] =
      index_.try_emplace(std::string(text), static_cast<std::uint32_t>(texts_.size()));
  if (is_new) texts_.emplace_back(text);
  return at->second;
}

std::string graph_to_words(const LoweredGraph& lowered, TextTable& table) {
  const Graph& graph = lowered.graph;
  WordWriter out(table);
  out.count(graph.values.size());
  out.count(graph.nodes.size());
  out.count(graph.blocks.size());
  out.count(lowered.inlined.size());
  for (const Value& value : graph.values) {
    out.text(value.name);
    out.word(static_cast<std::uint32_t>(value.type));
    out.word((value.shape ? kShape : 0u) | (value.literal ? kLiteral : 0u) |
             (value.attribute ? kAttribute : 0u) | (value.user_input ? kUserInput : 0u));
    if (value.shape) out(*value.shape);
    if (value.literal) {
      out.count(value.literal->value.index());
      std::visit(out, value.literal->value);
    }
    if (value.attribute) out.text(*value.attribute);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    out.text(node.op);
    out.text(node.overload);
    out.text(node.module_path);
    out.range(lowered.ranges[i]);
    out.word(lowered.calls[i]);
    out.count(node.inputs.size());
    for (const NodeInput& input : node.inputs) {
      out.text(input.argument);
      out.word(input.value);
    }
    out.list(node.outputs);
    out.list(node.blocks);
  }
  for (const Block& block : graph.blocks) {
    out.list(block.parameters);
    out.list(block.nodes);
    out.list(block.results);
  }
  for (const InlinedCall& call : lowered.inlined) {
    out.word(call.caller);
    out.range(call.where);
  }
  return out.bytes();
}

Result<LoweredGraph> graph_from_words(std::string_view bytes, const std::vector<std::string>& texts,
                                      const WordLimits& limits) {
  WordReader in(bytes, texts);
  LoweredGraph out;
  Graph& graph = out.graph;
  const std::size_t values = in.word();
  const std::size_t nodes = in.word();
  const std::size_t blocks = in.word();
  const std::size_t calls = in.word();
  constexpr std::size_t kValueWords = 3, kNodeWords = 10, kBlockWords = 3, kCallWords = 4;
  if (values > in.remaining() / kValueWords || nodes > in.remaining() / kNodeWords ||
      blocks > in.remaining() / kBlockWords || calls > in.remaining() / kCallWords) {
    in.wrong("a count is larger than the message");
  }
  if (blocks == 0) in.wrong("no block");
  if (in.ok() && nodes > limits.nodes) {
    return fail(ErrorCode::kLimitExceeded, 0,
                "the graph has " + std::to_string(nodes) + " nodes, more than the limit of " +
                    std::to_string(limits.nodes));
  }
  if (in.ok()) {
    graph.values.reserve(values);
    graph.nodes.resize(nodes);
    graph.blocks.resize(blocks);
    out.ranges.resize(nodes);
    out.calls.resize(nodes);
    out.inlined.resize(calls);
  }
  for (std::size_t i = 0; i < values && in.ok(); ++i) {
    graph.values.push_back(read_value(in, limits.constants));
  }
  for (NodeId i = 0; i < nodes && in.ok(); ++i) {
    read_node(in, i, blocks, limits, out);
    if (out.calls[i] != InlinedCall::kNoCall && out.calls[i] >= calls) in.wrong("a bad call");
  }
  std::vector<bool> placed(in.ok() ? nodes : 0);
  for (BlockId i = 0; i < blocks && in.ok(); ++i) read_block(in, i, placed, graph);
  for (std::size_t i = 0; i < calls && in.ok(); ++i) {
    InlinedCall& call = out.inlined[i];
    call.caller = in.word();
    call.where = in.range(limits.files);
    if (call.caller != InlinedCall::kNoCall && call.caller >= i) in.wrong("a bad call");
  }
  if (in.ok()) check_tree(in, placed, graph);
  if (in.ok() && in.remaining() != 0) in.wrong("goes on after its end");
  if (!in.ok()) {
    return fail(ErrorCode::kWorkerBadReply, 0, std::string("a graph in the reply: ") + in.why());
  }
  return out;
}

}  // namespace torchvet
