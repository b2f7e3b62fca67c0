// What every reader promises about the model, whatever the bytes were: an index points at something
// that exists, and a view lies inside the file. Rules rely on it without checking again.

#include <algorithm>
#include <type_traits>
#include <variant>

#include "examine.h"

namespace torchvet {
namespace {

/// Two parts of a file that tell different things, after which all of it was read.
bool leaves_no_gap(const Fault& fault) {
  switch (fault.error.code) {
    case ErrorCode::kZipLocalDisagrees:
    case ErrorCode::kZipMembersOverlap:
    case ErrorCode::kZipChecksum:
    case ErrorCode::kZipRepacked:
    case ErrorCode::kZipOffsetsMoved:
    case ErrorCode::kStorageTwoTypes:
    case ErrorCode::kRecordTooShort:
    case ErrorCode::kRecordTooLong:
    case ErrorCode::kByteOrderUnknown:
    case ErrorCode::kArchiveRefused:
    case ErrorCode::kIndexDisagrees:
    case ErrorCode::kPickleBadName:
      return true;
    default:
      return false;
  }
}

class Checker {
 public:
  Checker(const Artifact& artifact, ByteView file) : artifact_(artifact), file_(file) {}

  std::string run() {
    for (const Storage& storage : artifact_.storages) check(storage);
    for (const Tensor& tensor : artifact_.tensors) check(tensor);
    for (ObjectId id = 0; id < artifact_.objects.size(); ++id) check(artifact_.objects.at(id));
    for (const PickleProgram& pickle : artifact_.pickles) check(pickle);
    for (const Module& module : artifact_.modules) check(module);
    for (const StateDict& dict : artifact_.state_dicts) check(dict);
    for (const OptimizerState& optimizer : artifact_.optimizers) check(optimizer);
    for (const TensorId id : artifact_.graph_constants) tensor(id, "graph constant");
    for (const Graph& graph : artifact_.graphs) check(graph);
    for (const Fault& fault : artifact_.faults) {
      require(!fault.error.detail.empty(), "a fault says nothing");
    }
    for (const Gap& gap : artifact_.gaps) {
      require(!gap.what.empty() && !gap.why.empty(), "a gap says nothing");
    }
    const bool whole = std::all_of(artifact_.faults.begin(), artifact_.faults.end(), leaves_no_gap);
    require(whole || !artifact_.gaps.empty(), "a fault left no gap");
    return problem_;
  }

 private:
  void require(bool condition, const char* what) {
    if (!condition && problem_.empty()) problem_ = what;
  }
  void object(ObjectId id, const char* what) {
    require(id == kNoObject || artifact_.objects.contains(id), what);
  }
  void tensor(TensorId id, const char* what) { require(id < artifact_.tensors.size(), what); }
  void member(const std::optional<MemberId>& id, const char* what) {
    require(!id || *id < artifact_.members.size(), what);
  }

  void check(const Storage& storage) {
    member(storage.member, "a storage names a member that does not exist");
    if (storage.bytes.empty()) return;
    const std::uint64_t begin = storage.bytes.offset();
    require(storage.present, "an absent storage has bytes");
    // Of a file that is compressed as a whole they lie in its contents.
    if (!artifact_.source.compression.empty()) return;
    require(storage.inflated != file_.contains(storage.bytes),
            "a storage lies in the file exactly when it is not inflated");
    if (storage.inflated) return;
    require(begin <= file_.size() && storage.bytes.size() <= file_.size() - begin,
            "a storage lies outside the file");
    require(storage.bytes.data() == file_.data() + begin, "a storage's offset is not its place");
  }

  void check(const Tensor& tensor) {
    require(!tensor.storage || *tensor.storage < artifact_.storages.size(),
            "a tensor names a storage that does not exist");
    require(tensor.layout != Layout::kStrided || tensor.shape.size() == tensor.strides.size(),
            "a strided tensor has not one stride a dimension");
    member(tensor.member, "a tensor names a member that does not exist");
  }

  void check(const Object& object_value) {
    if (const Object::Set* set = object_value.as<Object::Set>()) {
      for (const ObjectId id : set->items) object(id, "a set holds no object");
    }
    std::visit(
        [&](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, Object::List> || std::is_same_v<T, Object::Tuple>) {
            for (const ObjectId id : value.items) object(id, "a container holds no object");
          } else if constexpr (std::is_same_v<T, Object::Dict>) {
            pairs(value.items);
          } else if constexpr (std::is_same_v<T, Object::Call>) {
            for (const ObjectId id :
                 {value.callable, value.arguments, value.keyword_arguments(), value.state}) {
              object(id, "a call refers to no object");
            }
            for (const ObjectId id : value.appended()) object(id, "a call appended no object");
            pairs(value.items());
          } else if constexpr (std::is_same_v<T, Object::Persistent>) {
            object(value.id, "a persistent id is no object");
          } else if constexpr (std::is_same_v<T, Object::TensorRef>) {
            tensor(value.tensor, "an object stands for a tensor that does not exist");
          } else if constexpr (std::is_same_v<T, Object::StorageRef>) {
            require(value.storage < artifact_.storages.size(),
                    "an object stands for a storage that does not exist");
          }
        },
        object_value.value);
  }
  void pairs(const std::vector<std::pair<ObjectId, ObjectId>>& items) {
    for (const auto& [key, value] : items) {
      object(key, "a key is no object");
      object(value, "a value is no object");
    }
  }

  void check(const PickleProgram& pickle) {
    member(pickle.member, "a pickle names a member that does not exist");
    object(pickle.root, "the root of a pickle is no object");
    for (const PickleProgram::Call& call : pickle.calls) {
      object(call.object, "a recorded call is no object");
      object(call.callable, "the callable of a recorded call is no object");
    }
  }

  void check(const Module& module) {
    require(!module.parent || *module.parent < artifact_.modules.size(),
            "the parent of a module does not exist");
    for (const auto& [name, child] : module.children) {
      require(child < artifact_.modules.size(), "the child of a module does not exist");
    }
    for (const std::vector<ModuleTensor>* list :
         {&module.parameters, &module.buffers, &module.tensor_attributes}) {
      for (const ModuleTensor& item : *list) {
        if (item.tensor) tensor(*item.tensor, "a module holds a tensor that does not exist");
      }
    }
    object(module.object, "the object of a module does not exist");
  }

  void check(const StateDict& dict) {
    for (const StateEntry& entry : dict.entries) tensor(entry.tensor, "a state_dict entry is none");
    object(dict.object, "the object of a state_dict does not exist");
  }

  void check(const OptimizerState& optimizer) {
    for (const OptimizerEntry& entry : optimizer.state) {
      if (entry.step_tensor) tensor(*entry.step_tensor, "an optimizer's step is no tensor");
      for (const auto& [name, id] : entry.slots) tensor(id, "an optimizer's slot is no tensor");
    }
    object(optimizer.object, "the object of an optimizer does not exist");
  }

  void values(const Graph& graph, const std::vector<ValueId>& ids, const char* what) {
    for (const ValueId id : ids) require(id < graph.values.size(), what);
  }

  /// Indexes in range; each node stands once, in its own block; each block but the top one belongs
  /// to one node, which stands in an earlier block: together they are a tree.
  void check(const Graph& graph) {
    require(!graph.blocks.empty() && !graph.blocks[0].node, "a graph has no top block");
    for (const Value& value : graph.values) {
      require(!value.producer || *value.producer < graph.nodes.size(), "a value's node is none");
      require(!value.owner || *value.owner < graph.blocks.size(), "a value's block is none");
      const auto* constant =
          value.literal ? std::get_if<Literal::Constant>(&value.literal->value) : nullptr;
      require(constant == nullptr || constant->index < artifact_.graph_constants.size(),
              "a literal is no constant of the program");
    }
    std::vector<bool> placed(graph.nodes.size()), held(graph.blocks.size());
    for (BlockId id = 0; id < graph.blocks.size(); ++id) {
      const Block& block = graph.blocks[id];
      values(graph, block.parameters, "a parameter of a block is no value");
      values(graph, block.results, "a result of a block is no value");
      for (const NodeId node : block.nodes) {
        require(node < graph.nodes.size() && !placed[node] && graph.nodes[node].block == id,
                "a block holds a node that is not its own");
        if (node < graph.nodes.size()) placed[node] = true;
      }
    }
    for (NodeId id = 0; id < graph.nodes.size(); ++id) {
      const Node& node = graph.nodes[id];
      require(placed[id], "a node stands in no block");
      for (const NodeInput& input : node.inputs) {
        require(input.value < graph.values.size(), "an input of a node is no value");
      }
      values(graph, node.outputs, "an output of a node is no value");
      for (const BlockId block : node.blocks) {
        require(block < graph.blocks.size() && block > node.block && !held[block] &&
                    graph.blocks[block].node == id,
                "the blocks of a graph are no tree");
        if (block < graph.blocks.size()) held[block] = true;
      }
    }
    require(std::count(held.begin(), held.end(), false) == 1, "a block belongs to no node");
  }

  const Artifact& artifact_;
  ByteView file_;
  std::string problem_;
};

}  // namespace

std::string broken_promise(const Artifact& artifact, ByteView file) {
  return Checker(artifact, file).run();
}

}  // namespace torchvet
