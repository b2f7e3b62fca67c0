#include "graph/attribute_numbers.h"

namespace torchvet {

AttributeNumbers::AttributeNumbers(const Artifact& artifact) : objects_(artifact.objects) {
  for (const Module& module : artifact.modules) modules_.emplace(module.path, module.object);
}

ObjectId AttributeNumbers::object_at(std::string_view path) const {
  const std::size_t dot = path.rfind('.');
  const bool in_root = dot == std::string_view::npos;
  const auto module = modules_.find(in_root ? std::string_view() : path.substr(0, dot));
  if (module == modules_.end()) return kNoObject;
  return objects_.get(objects_.attributes(module->second), in_root ? path : path.substr(dot + 1));
}

std::optional<double> AttributeNumbers::at(std::string_view path) const {
  return objects_.number(object_at(path));
}

std::optional<bool> AttributeNumbers::flag_at(std::string_view path) const {
  const bool* flag = objects_.as<bool>(object_at(path));
  return flag != nullptr ? std::optional(*flag) : std::nullopt;
}

std::optional<double> AttributeNumbers::of(const Value& value) const {
  if (value.attribute) return at(*value.attribute);
  if (!value.literal) return std::nullopt;
  if (const double* number = std::get_if<double>(&value.literal->value)) return *number;
  if (const std::int64_t* number = std::get_if<std::int64_t>(&value.literal->value)) {
    return static_cast<double>(*number);
  }
  return std::nullopt;
}

}  // namespace torchvet
