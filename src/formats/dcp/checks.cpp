// Source: torch/distributed/checkpoint/metadata.py, `set_element` of _traverse.py and `flatten_state_dict`
// of _nested_dict.py beside it, 2.13.
#include "formats/dcp/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "formats/pickle/arguments.h"

namespace torchvet {
namespace {

/// Dataclasses that have fields without defaults: pickle makes them by NEWOBJ, without a call.
constexpr std::string_view kDataclasses[] = {"Metadata", "TensorStorageMetadata", "ChunkStorageMetadata",
                                             "MetadataIndex"};
constexpr std::string_view kMemoryFormats[] = {"TORCH_CONTIGUOUS_FORMAT", "TORCH_CHANNELS_LAST",
                                               "TORCH_PRESERVE_FORMAT"};
constexpr std::string_view kMemoryFormat = "MEM_FORMAT_ENCODING";  // older ones have no underscore

template <std::size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// A member of the enum: `_MEM_FORMAT_ENCODING(0)`; Python 3.11.0 to 3.11.3 wrote `getattr(
/// _MEM_FORMAT_ENCODING, 'TORCH_CONTIGUOUS_FORMAT')`.
bool is_memory_format(const ObjectTree& tree, ObjectId id) {
  const Object::Call* call = tree.as<Object::Call>(id);
  if (call == nullptr) return false;
  const std::string callee = tree.qualified_name(call->callable);
  const std::span<const ObjectId> arguments = arguments_of(tree, call->arguments);
  if (callee.ends_with(kMemoryFormat)) {
    const auto number = arguments.size() == 1 ? tree.integer(arguments[0]) : std::nullopt;
    return number && *number >= 0 && *number < static_cast<std::int64_t>(std::size(kMemoryFormats));
  }
  return callee == "builtins.getattr" && arguments.size() == 2 &&
         tree.qualified_name(arguments[0]).ends_with(kMemoryFormat) &&
         contains(kMemoryFormats, tree.text(arguments[1]).value_or(""));
}

}  // namespace

bool are_tensor_properties(const ObjectTree& tree, ObjectId id) {
  const Object::Call* call = tree.as<Object::Call>(id);
  if (call == nullptr || !tree.qualified_name(call->callable).ends_with(".TensorProperties")) return false;
  const std::span<const ObjectId> state = arguments_of(tree, call->state);
  return state.size() == 5 && dtype_of(tree, state[0]) && is_layout_name(layout_of(tree, state[1])) &&
         boolean_of(tree, state[2]) && is_memory_format(tree, state[3]) && boolean_of(tree, state[4]);
}

std::optional<std::pair<ObjectId, std::string>> bad_dcp_call(const ObjectTree& tree,
                                                             const PickleProgram& program) {
  for (const PickleProgram::Call& record : program.calls) {
    if (record.how == Object::How::kChange) continue;
    const Object::Call* call = tree.as<Object::Call>(record.object);
    if (call == nullptr) continue;
    if (!call->items().empty() || !call->appended().empty()) {
      return std::pair(record.object, "it puts elements into " + tree.render(record.object));
    }
    const Object::Global* callee = tree.as<Object::Global>(call->callable);
    if (callee == nullptr) {
      return std::pair(record.object, "it calls " + tree.render(call->callable) + ", which is no class");
    }
    if (tree.as<Object::Tuple>(call->arguments) == nullptr) {
      return std::pair(record.object, "it calls " + tree.render(call->callable) + " with no tuple of arguments");
    }
    if (callee->module == "torch.distributed.checkpoint.metadata" && contains(kDataclasses, callee->name) &&
        call->how == Object::How::kReduce && arguments_of(tree, call->arguments).empty()) {
      return std::pair(record.object, fmt::format("it calls {} without arguments", callee->name));
    }
  }
  return std::nullopt;
}

std::optional<std::string> DcpPlan::add(std::string_view name, const std::vector<DcpEntry::Key>& path) {
  std::string joined, way;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (i > 0) {
      const auto [container, added] = is_list_.try_emplace(way, path[i].in_list);
      if (!added && container->second != path[i].in_list) {
        return fmt::format("`{}` lies in a list and in a dict at once: the keys to it in planner_data", name);
      }
      joined += '.';
    }
    joined += path[i].text;
    way += (path[i].in_list ? "i" : "s") + std::to_string(path[i].text.size()) + path[i].text;
  }
  if (joined == name) return std::nullopt;
  return fmt::format("the keys to `{}` in planner_data lead to `{}`", name, joined);
}

}  // namespace torchvet
