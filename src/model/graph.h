#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/storage.h"

namespace torchvet {

/// The neutral intermediate form of a saved program, the same for TorchScript and `.pt2`.
///
/// A graph is one method, inlined. Values, nodes and blocks live in three flat arrays and refer to
/// each other by index. Constants are not nodes: a value carries its literal. Reads of module
/// attributes are not nodes either: a value carries the attribute's path.

using ValueId = std::uint32_t;
using NodeId = std::uint32_t;
using BlockId = std::uint32_t;

/// A place in the author's Python source.
struct SourceLine {
  std::string file;      ///< as recorded: usually an absolute path of another machine
  std::uint64_t line = 0;
  std::string function;  ///< when known
  std::string text;      ///< the source text, when the artifact carries it
};

/// A literal of the program.
struct Literal {
  struct None {};
  struct Device {
    std::string name;  ///< "cpu", "cuda:0"
  };
  /// Element of the graph's constants: index into `Artifact::graph_constants`.
  struct Constant {
    std::uint32_t index = 0;
  };
  std::variant<None, bool, std::int64_t, double, std::string, Device, Constant,
               std::vector<std::int64_t>, std::vector<double>, std::vector<bool>>
      value;
};

enum class ValueType : std::uint8_t {
  kOther, kTensor, kNone, kBool, kInt, kFloat, kString, kDevice, kList, kTuple, kModule, kObject,
};

struct Value {
  std::string name;  ///< as printed: "weight", "input.3"
  ValueType type = ValueType::kOther;
  std::optional<std::vector<std::int64_t>> shape;  ///< when the program states it; -1 = unknown
  std::optional<Literal> literal;
  /// Path of the module attribute this value reads: "fc.weight", "layer.training".
  std::optional<std::string> attribute;
  std::optional<NodeId> producer;   ///< the node it is an output of
  std::optional<BlockId> owner;     ///< the block it is a parameter of
  bool user_input = false;          ///< argument of the method
};

struct NodeInput {
  std::string argument;  ///< schema name: "weight", "train"; empty when there is no schema
  ValueId value = 0;
};

struct Node {
  std::string op;        ///< "aten::linear", "prim::If", "torchvision::nms"
  std::string overload;  ///< "Tensor_out"; empty for the default one
  std::vector<NodeInput> inputs;
  std::vector<ValueId> outputs;
  std::vector<BlockId> blocks;      ///< of prim::If, prim::Loop, higher-order operators
  BlockId block = 0;                ///< the block it stands in
  std::string module_path;          ///< submodule whose code this is; "" for the root
  std::string made_from;            ///< operator that was taken apart into this one: "aten::linear"
  std::vector<SourceLine> frames;   ///< innermost first; empty when unknown
  bool no_grad = false;             ///< runs under no_grad, where the program keeps that
};

struct Block {
  std::vector<ValueId> parameters;
  std::vector<NodeId> nodes;  ///< in order of execution
  std::vector<ValueId> results;
  std::optional<NodeId> node;  ///< the node it belongs to; none for the top block
};

/// Where the value in a slot comes from: the leaves of its whole backward slice.
enum OriginLeaf : std::uint32_t {
  kFromParameter = 1u << 0,
  kFromBuffer = 1u << 1,
  kFromTensorAttribute = 1u << 2,  ///< plain tensor or packed-weight object of a module
  kFromConstant = 1u << 3,         ///< tensor constant of dimension 1 or more
  kFromInput = 1u << 4,            ///< an argument of the method, by value
  kFromRandom = 1u << 5,           ///< rand, uniform_, ... inside the program
  kFromUninitialised = 1u << 6,    ///< empty that nothing else writes to
  kFromDeterministic = 1u << 7,    ///< zeros, arange, eye, windows, ...
  kFromUnknown = 1u << 8,          ///< an operator the analysis does not follow
};

struct Origin {
  std::uint32_t leaves = 0;                 ///< OriginLeaf bits
  std::vector<std::string> attributes;      ///< paths of the attributes among the leaves
  std::vector<std::uint32_t> constants;     ///< indexes of the tensor constants among them
  std::vector<std::string> chain;           ///< for people: "uniform_(-0.25, 0.25)", "empty([4, 16])"
  bool starts_at_empty = false;             ///< random values written into a fresh `empty`
  bool default_bounds = true;               ///< uniform_(0, 1) or normal_(0, 1): not an init scheme
  bool filled = false;                      ///< `empty` then fill_/zero_: ones_/zeros_ of nn.init
  [[nodiscard]] bool any(std::uint32_t mask) const { return (leaves & mask) != 0; }
  [[nodiscard]] bool only(std::uint32_t mask) const { return leaves != 0 && (leaves & ~mask) == 0; }
};

/// A slot of a parametric operator, and what feeds it.
struct WeightSlot {
  NodeId node = 0;
  std::string argument;  ///< "weight", "bias", "running_mean", "params"
  bool certain = true;   ///< false: matmul and the like, where either side may be the weight
  bool statistic = false;         ///< running mean or variance
  std::uint32_t data_leaves = 0;  ///< OriginLeaf bits of what the slot is applied to
  Origin origin;
};

/// A training switch of an operator: dropout's `train`, batch_norm's `training`.
struct TrainingSwitch {
  enum class State : std::uint8_t {
    kOff,        ///< literal False, p = 0, no running statistics, or in a branch never taken
    kOn,         ///< true, or a number above 0, by a literal or a module's number; has an effect
    kAttribute,  ///< reads a module's `training`
    kDynamic,    ///< computed otherwise
  };
  NodeId node = 0;
  std::string argument;  ///< empty: no argument, its module draws random numbers in training only
  State state = State::kDynamic;
  std::string attribute;  ///< "drop.training"
};

struct DeviceLiteral {
  NodeId node = 0;
  std::string device;
};

/// A place where gradients end.
struct GradientCut {
  NodeId node = 0;
  /// Paths of parameters that ask for a gradient, lie behind the cut, and that no gradient of any
  /// result reaches by another way.
  std::vector<std::string> parameters;
};

/// A size that the program states and that is the batch size of the example it was traced with.
struct BakedSize {
  NodeId node = 0;
  std::int64_t size = 0;
};

/// A batch norm with two uses that have nothing in common but its statistics: other layers before
/// each, and other layers or results behind.
struct ReusedNorm {
  std::string statistics;  ///< path of its running mean
  std::size_t uses = 0;    ///< in all
  NodeId first = 0;
  NodeId second = 0;
  std::string before_first;   ///< weight of a layer that feeds the first use
  std::string before_second;  ///< the same of the second
};

/// An operator that makes probabilities of scores, and one that takes them and should not.
struct ScorePair {
  enum class Kind : std::uint8_t {
    kTwice,    ///< makes probabilities again, of probabilities
    kLog,      ///< takes their logarithm, in a second step
    kNeedsLog  ///< takes logarithms of probabilities, and gets probabilities
  };
  NodeId first = 0;
  NodeId second = 0;
  Kind kind = Kind::kTwice;
};

/// Probabilities over the outputs of a layer that has one: each is 1.
struct SingleClass {
  NodeId node = 0;
  std::string weight;  ///< path of the layer's weight
};

/// A branch that the program, as it was saved, never takes.
struct ClosedBranch {
  NodeId node = 0;                      ///< the `if`
  std::string attribute;                ///< the flag that decides: "use_memory"
  bool value = false;                   ///< what it was when the program was saved
  std::vector<std::string> parameters;  ///< paths of those that nothing else in the method reads
};

/// What the graph analysis concludes; the graph rules read only this and the nodes it names.
struct GraphFacts {
  std::vector<WeightSlot> weight_slots;
  std::vector<TrainingSwitch> training_switches;
  std::vector<DeviceLiteral> device_literals;
  /// Attribute paths that some live node, block result or output reads.
  std::vector<std::string> attributes_read;
  /// `training` attributes that a switch or a live prim::If reads.
  std::vector<std::string> training_flags_read;
  /// The node that reads each of them first.
  std::vector<NodeId> training_flag_readers;
  /// Constants of `Artifact::graph_constants` that are read.
  std::vector<std::uint32_t> constants_read;
  std::vector<GradientCut> gradient_cuts;
  std::vector<NodeId> random_in_results;  ///< random numbers in a result, whatever the mode
  std::vector<NodeId> data_conditions;  ///< conditions and numbers taken out of an input's values
  std::vector<NodeId> dead_layers;  ///< operators with registered weights, their results unread
  std::vector<BakedSize> baked_sizes;
  std::vector<ReusedNorm> reused_norms;
  std::vector<ScorePair> score_pairs;
  std::vector<SingleClass> single_classes;
  std::vector<NodeId> thrown_calls;  ///< calls that the author wrote as a statement: nothing reads
                                     ///< the tensor that they return
  std::vector<ClosedBranch> closed_branches;  ///< that hold parameters
};

struct Graph {
  std::string method;  ///< "forward"
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<Block> blocks;  ///< blocks[0] is the top block; its parameters are the inputs
  GraphFacts facts;
};

/// True for a file of torch itself.
[[nodiscard]] bool is_in_torch(std::string_view file);

/// The frame that belongs to the author rather than to torch: the innermost one outside torch's own
/// files, else the innermost one. Null when the node has no frames.
[[nodiscard]] const SourceLine* user_frame(const Node& node);

/// The operator for people: "aten::addmm", or "aten::linear (as aten::addmm)".
[[nodiscard]] std::string operator_text(const Node& node);

/// True when the call was made by the source of a torch.nn module: the innermost frame that is not
/// torch/nn/functional.py or torch/_jit_internal.py lies in torch/nn/modules/.
[[nodiscard]] bool called_by_nn_module(const Node& node);

}  // namespace torchvet
