#pragma once

#include <torch/library.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "worker/class_stubs.h"
#include "worker/code_text.h"

namespace torchvet {

/// Stand-ins for operators that this LibTorch does not have: those of extensions (torchvision), and
/// those of newer versions. A stub takes anything, is assumed to touch everything, and is never
/// run. They are unregistered when this goes out of scope, so one program cannot change the next.
class OperatorStubs {
 public:
  /// `classes` says which types a result may have beside LibTorch's own, and must live as long.
  explicit OperatorStubs(const ClassStubs& classes) : classes_(classes) {}

  /// Every unknown `ops.NS.NAME(...)` of a code file. What its result is, is read off its
  /// surroundings; nothing tells Tensor from other types where no declaration does.
  void add_from_code(std::string_view code);
  /// The operator that an error message of the importer calls unknown; false when it names none.
  bool add_from_message(std::string_view message);
  /// Those of torch's own that `add_from_message` met, such as "aten::name".
  [[nodiscard]] const std::vector<std::string>& missing_in_torch() const { return missing_; }

 private:
  void add(const std::string& ns, const std::string& name, const CallSite& site);

  const ClassStubs& classes_;
  std::vector<std::unique_ptr<torch::Library>> libraries_;  ///< one an operator
  std::vector<std::string> missing_;
};

}  // namespace torchvet
