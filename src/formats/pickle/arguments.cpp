#include "formats/pickle/arguments.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace torchvet {

std::span<const ObjectId> arguments_of(const ObjectTree& tree, ObjectId tuple) {
  const Object::Tuple* arguments = tree.as<Object::Tuple>(tuple);
  if (!arguments) return {};
  return arguments->items;
}

std::optional<std::vector<std::int64_t>> sizes_of(const ObjectTree& tree, ObjectId id,
                                                  const Limits& limits) {
  if (const Object::Call* call = tree.as<Object::Call>(id)) {
    const std::span<const ObjectId> arguments = arguments_of(tree, call->arguments);
    if (tree.qualified_name(call->callable) != "torch.Size" || arguments.size() != 1) {
      return std::nullopt;
    }
    id = arguments[0];
  }
  const std::vector<ObjectId>* items = tree.sequence(id);
  if (!items || items->size() > limits.tensor_dimensions) return std::nullopt;
  std::vector<std::int64_t> sizes;
  sizes.reserve(items->size());
  for (const ObjectId item : *items) {
    const std::optional<std::int64_t> size = tree.integer(item);
    if (!size) return std::nullopt;
    sizes.push_back(*size);
  }
  return sizes;
}

std::optional<DType> dtype_of(const ObjectTree& tree, ObjectId id) {
  const Object::Global* global = tree.as<Object::Global>(id);
  if (!global || global->module != "torch") return std::nullopt;
  return dtype_from_name(global->name);
}

std::optional<std::string> device_of(const ObjectTree& tree, ObjectId id) {
  if (const std::optional<std::string_view> text = tree.text(id)) return std::string(*text);
  const Object::Call* call = tree.as<Object::Call>(id);
  if (!call || tree.qualified_name(call->callable) != "torch.device") return std::nullopt;
  const std::span<const ObjectId> arguments = arguments_of(tree, call->arguments);
  if (arguments.empty()) return std::nullopt;
  const std::optional<std::string_view> type = tree.text(arguments[0]);
  if (!type) return std::nullopt;
  std::string device(*type);
  if (arguments.size() > 1) {
    if (const auto index = tree.integer(arguments[1])) device += ":" + std::to_string(*index);
  }
  return device;
}

std::optional<bool> boolean_of(const ObjectTree& tree, ObjectId id) {
  const bool* value = tree.as<bool>(id);
  return value ? std::optional<bool>(*value) : std::nullopt;
}

bool is_layout_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"strided",    "sparse_coo", "sparse_csr", "sparse_csc",
                                         "sparse_bsr", "sparse_bsc", "jagged",     "_mkldnn"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

std::string layout_of(const ObjectTree& tree, ObjectId id) {
  constexpr std::string_view kPrefix = "torch.";
  std::string name;
  if (const Object::Call* call = tree.as<Object::Call>(id)) {
    const std::span<const ObjectId> arguments = arguments_of(tree, call->arguments);
    if (tree.qualified_name(call->callable) == "torch.serialization._get_layout" &&
        arguments.size() == 1) {
      name = tree.text(arguments[0]).value_or("");
    }
  } else {
    name = tree.qualified_name(id);
  }
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

}  // namespace torchvet
