#include "graph/attribute_numbers.h"

namespace torchvet {

AttributeNumbers::AttributeNumbers(const Artifact& artifact) : objects_(artifact.objects) {
  for (const Module& module : artifact.modules) modules_.emplace(module.path, module.object);
}

std::optional<double> AttributeNumbers::at(std::string_view path) const {
  const std::size_t dot = path.rfind('.');
  const bool in_root = dot == std::string_view::npos;
  const auto module = modules_.find(in_root ? std::string_view() : path.substr(0, dot));
  if (module == modules_.end()) return std::nullopt;
  const ObjectId attributes = objects_.attributes(module->second);
  return objects_.number(objects_.get(attributes, in_root ? path : path.substr(dot + 1)));
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
