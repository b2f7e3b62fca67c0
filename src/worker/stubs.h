#pragma once

#include <ATen/core/function_schema.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// Stand-ins for operators that this LibTorch does not have: those of extensions (torchvision), and
/// those of newer versions. A stub takes anything, is assumed to touch everything, and is never
/// run. They are unregistered when this goes out of scope, so one program cannot change the next.
class OperatorStubs {
 public:
  OperatorStubs() = default;
  ~OperatorStubs();
  OperatorStubs(const OperatorStubs&) = delete;
  OperatorStubs& operator=(const OperatorStubs&) = delete;

  /// Every unknown `ops.NS.NAME(...)` of a code file. How many results it has is read off the
  /// assignment it stands in: `a, b, = ops.ns.f(x)` has two.
  void add_from_code(std::string_view code);
  /// The operator that an error message of the importer calls unknown; false when it names none.
  bool add_from_message(std::string_view message);

 private:
  bool add(const std::string& ns, const std::string& name, std::size_t results);
  std::vector<c10::FunctionSchema> schemas_;
};

}  // namespace torchvet
