#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>

#include "model/artifact.h"

namespace torchvet {

/// Numbers and flags that the modules of a program keep as attributes: a probability of dropout, say,
/// that is no literal of the program. The artifact must outlive this.
class AttributeNumbers {
 public:
  explicit AttributeNumbers(const Artifact& artifact);

  /// By the path of the attribute: "encoder.attention.dropout". Nothing when it holds no number.
  [[nodiscard]] std::optional<double> at(std::string_view path) const;
  /// The same of True or False.
  [[nodiscard]] std::optional<bool> flag_at(std::string_view path) const;
  /// Of a value that is such an attribute, or a literal.
  [[nodiscard]] std::optional<double> of(const Value& value) const;

 private:
  [[nodiscard]] ObjectId object_at(std::string_view path) const;

  const ObjectTree& objects_;
  std::unordered_map<std::string_view, ObjectId> modules_;
};

}  // namespace torchvet
