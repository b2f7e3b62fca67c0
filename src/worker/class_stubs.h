#pragma once

#include <ATen/core/class_type.h>
#include <ATen/core/function.h>
#include <torch/csrc/jit/api/compilation_unit.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "worker/code_text.h"

namespace torchvet {

/// Stand-ins for the C++ classes of other libraries (`__torch__.torch.classes.NS.NAME`), whose
/// objects a program may hold. Which methods they have is known from the calls alone: every stub
/// has every method that the program calls on anything, takes any arguments, and is never run.
class ClassStubs {
 public:
  ClassStubs();

  /// Notes every class of such a name that a text mentions and LibTorch does not have.
  void add_from_code(std::string_view code);
  void add_class(std::string_view qualified_name);
  /// Notes every call of a method: `(x).name(`. After all classes are known.
  void add_methods_from_code(std::string_view code);
  /// After all methods are known, once.
  void define();

  /// Makes the classes known to a program's unit, which must not outlive this.
  void register_in(torch::jit::CompilationUnit& unit) const;

  /// The type that a call's surroundings declare for its result; Tensor when they declare none.
  [[nodiscard]] c10::TypePtr result_of(const CallSite& site) const;

 private:
  void define_method(const c10::ClassTypePtr& type, const std::string& name, const CallSite& site);

  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  std::set<std::string> names_;
  std::map<std::string, CallSite> methods_;
  std::vector<c10::ClassTypePtr> types_;
  std::vector<std::unique_ptr<torch::jit::Function>> functions_;
};

}  // namespace torchvet
