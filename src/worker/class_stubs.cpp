#include "worker/class_stubs.h"

#include <ATen/core/builtin_function.h>
#include <ATen/core/stack.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/script_type_parser.h>
#include <torch/custom_class.h>

#include <exception>
#include <stdexcept>
#include <utility>

namespace torchvet {
namespace {

namespace jit = torch::jit;

constexpr std::string_view kClasses = "__torch__.torch.classes.";
/// Compiled delegates of torch's backends: their interface is torch's, whatever their name.
constexpr std::string_view kBackends = "__torch__.torch.classes.__backends__.";

/// One function is made for each pair of them. A program of more is refused by LibTorch, which then
/// misses what was left out.
constexpr std::size_t kMostClasses = 256;
constexpr std::size_t kMostMethods = 256;

/// Finds the stubs and LibTorch's own classes; the types of Python itself need no resolver.
struct ClassResolver : public jit::Resolver {
  explicit ClassResolver(const std::vector<c10::ClassTypePtr>& types) : types_(types) {}

  c10::TypePtr resolveType(const std::string& name, const jit::SourceRange&) override {
    for (const c10::ClassTypePtr& type : types_) {
      if (type->name()->qualifiedName() == name) return type;
    }
    return torch::getCustomClass(name);
  }

 private:
  const std::vector<c10::ClassTypePtr>& types_;
};

c10::TypePtr backend_result(std::string_view class_name, const std::string& method) {
  if (!class_name.starts_with(kBackends)) return nullptr;
  if (method == "is_available") return c10::BoolType::get();
  if (method == "compile")
    return c10::DictType::create(c10::StringType::get(), c10::AnyType::get());
  if (method == "execute") return c10::ListType::create(c10::AnyType::get());
  return nullptr;
}

/// Where `x` of `(x).name(` begins, given where the `)` stands; npos when it is no plain name.
std::size_t receiver_start(std::string_view code, std::size_t end) {
  std::size_t at = end;
  while (at > 0 && code[at - 1] != '(' && code[at - 1] != ')' && code[at - 1] != '\n') --at;
  return at > 0 && code[at - 1] == '(' ? at - 1 : std::string_view::npos;
}

}  // namespace

ClassStubs::ClassStubs() : unit_(std::make_shared<jit::CompilationUnit>()) {}

void ClassStubs::add_from_code(std::string_view code) {
  for (std::size_t at = code.find(kClasses); at != std::string_view::npos;
       at = code.find(kClasses, at + kClasses.size())) {
    std::string_view rest = code.substr(at + kClasses.size());
    if (take_name(rest).empty() || !rest.starts_with('.')) continue;
    rest.remove_prefix(1);
    if (take_name(rest).empty()) continue;
    add_class(code.substr(at, code.size() - at - rest.size()));
  }
}

void ClassStubs::add_class(std::string_view qualified_name) {
  const std::string name(qualified_name);
  if (names_.size() == kMostClasses || !name.starts_with(kClasses)) return;
  if (!torch::getCustomClass(name)) names_.insert(name);
}

void ClassStubs::add_methods_from_code(std::string_view code) {
  if (names_.empty()) return;
  constexpr std::string_view kCall = ").";
  for (std::size_t at = code.find(kCall); at != std::string_view::npos;
       at = code.find(kCall, at + kCall.size())) {
    std::string_view rest = code.substr(at + kCall.size());
    const std::string name(take_name(rest));
    if (name.empty() || !rest.starts_with('(') || methods_.size() == kMostMethods) continue;
    const std::size_t start = receiver_start(code, at);
    if (start == std::string_view::npos) {
      methods_.try_emplace(name);
      continue;
    }
    CallSite site = call_site(code, start, code.size() - rest.size());
    CallSite& known = methods_[name];
    if (known.type.empty() && !known.unpacked) known = std::move(site);
  }
}

void ClassStubs::define() {
  for (const std::string& name : names_) {
    const c10::ClassTypePtr type = c10::ClassType::create(c10::QualifiedName(name), unit_);
    type->addAttribute("capsule", c10::CapsuleType::get());  // as every class of C++ has
    types_.push_back(type);
  }
  for (const c10::ClassTypePtr& type : types_) {
    for (const auto& [name, site] : methods_) define_method(type, name, site);
  }
}

void ClassStubs::define_method(const c10::ClassTypePtr& type, const std::string& name,
                               const CallSite& site) {
  c10::TypePtr result = backend_result(type->name()->qualifiedName(), name);
  if (!result && name == "__init__") result = c10::NoneType::get();
  if (!result) result = result_of(site);
  if (site.unpacked && result == c10::TensorType::get()) result = c10::ListType::ofTensors();
  std::vector<c10::Argument> arguments;
  for (const std::string& keyword : site.keywords) {
    arguments.emplace_back(keyword, c10::AnyType::get(), std::nullopt, std::nullopt, true);
  }
  c10::FunctionSchema schema(name, "", std::move(arguments), {c10::Argument("", result)},
                             /*is_vararg=*/true);
  functions_.push_back(std::make_unique<jit::BuiltinOpFunction>(
      c10::QualifiedName(*type->name(), name), std::move(schema),
      [](jit::Stack&) { throw std::logic_error("a stub is never run"); }));
  type->addMethod(functions_.back().get());
}

void ClassStubs::register_in(jit::CompilationUnit& unit) const {
  for (const c10::ClassTypePtr& type : types_) unit.register_type(type);
}

c10::TypePtr ClassStubs::result_of(const CallSite& site) const {
  if (site.type.empty()) return c10::TensorType::get();
  try {
    return jit::ScriptTypeParser(std::make_shared<ClassResolver>(types_)).parseType(site.type);
  } catch (const std::exception&) {
    return c10::TensorType::get();  // a class of the program itself, or no type at all
  }
}

}  // namespace torchvet
