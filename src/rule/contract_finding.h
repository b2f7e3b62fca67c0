#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/contract.h"
#include "rule/finding.h"

namespace torchvet {

/// "float32 [4, 16]"; what may be anything is `*`.
[[nodiscard]] std::string form_text(const Tensor& tensor);
[[nodiscard]] std::string form_text(const ExpectedTensor& expected);

/// "in old.pt", "expected by contract.json".
[[nodiscard]] std::string by_whom(const Expectation& expectation);

/// A finding at a name of the model.
[[nodiscard]] Finding finding_at(const Artifact& artifact, const Comparison& comparison,
                                 std::string_view name);

/// A name of a model, and what is to be said of it if it is part of a finding.
struct NamedChange {
  std::string_view name;
  const Change* change = nullptr;  ///< null for a name without
  std::string evidence;
};

/// One finding for each module of which all names have a change, and for each other name that has
/// one, with the first few as evidence. `verb`: "is missing", for one tensor or one module.
[[nodiscard]] std::vector<Finding> findings_by_module(const Artifact& artifact,
                                                      const Comparison& comparison,
                                                      const std::vector<NamedChange>& names,
                                                      std::string_view verb);

}  // namespace torchvet
