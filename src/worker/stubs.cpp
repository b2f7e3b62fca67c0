#include "worker/stubs.h"

#include <torch/csrc/jit/runtime/operator.h>

#include <exception>
#include <optional>
#include <utility>

namespace torchvet {
namespace {

namespace jit = torch::jit;

/// A program with more of them is refused by LibTorch, which then misses what was left out.
constexpr std::size_t kMostStubs = 1000;

bool is_known(const std::string& ns, const std::string& name) {
  return !jit::getAllOperatorsFor(c10::Symbol::fromQualString(ns + "::" + name)).empty();
}

bool continues_name(char c) {
  return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

}  // namespace

void OperatorStubs::add_from_code(std::string_view code) {
  constexpr std::string_view kOps = "ops.";
  for (std::size_t at = code.find(kOps); at != std::string_view::npos;
       at = code.find(kOps, at + kOps.size())) {
    if (at > 0 && continues_name(code[at - 1])) continue;
    std::string_view rest = code.substr(at + kOps.size());
    const std::string ns(take_name(rest));
    if (ns.empty() || !rest.starts_with('.')) continue;
    rest.remove_prefix(1);
    const std::string name(take_name(rest));
    if (name.empty() || !rest.starts_with('(') || libraries_.size() == kMostStubs) continue;
    if (!is_known(ns, name)) add(ns, name, call_site(code, at, code.size() - rest.size()));
  }
}

bool OperatorStubs::add_from_message(std::string_view message) {
  constexpr std::string_view kUnknown = "Unknown builtin op: ";
  const std::size_t at = message.find(kUnknown);
  if (at == std::string_view::npos) return false;
  std::string_view rest = message.substr(at + kUnknown.size());
  const std::string ns(take_name(rest));
  if (ns.empty() || !rest.starts_with("::")) return false;
  rest.remove_prefix(2);
  const std::string name(take_name(rest));
  if (name.empty() || is_known(ns, name)) return false;
  add(ns, name, {});
  if (ns == "aten" || ns == "prim") missing_.push_back(ns + "::" + name);
  return is_known(ns, name);
}

void OperatorStubs::add(const std::string& ns, const std::string& name, const CallSite& site) {
  const std::string qualified = ns + "::" + name;
  std::vector<c10::Argument> arguments;
  for (const std::string& keyword : site.keywords) {
    arguments.emplace_back(keyword, c10::AnyType::get(), std::nullopt, std::nullopt, true);
  }
  std::vector<c10::Argument> results;
  if (site.results == 1) {
    const c10::TypePtr type = classes_.result_of(site);
    results.emplace_back("", site.unpacked ? c10::ListType::ofTensors() : type);
  }
  for (std::size_t i = 0; site.results > 1 && i < site.results; ++i) {
    results.emplace_back("", c10::TensorType::get());
  }
  c10::FunctionSchema schema(qualified, "", std::move(arguments), std::move(results),
                             /*is_vararg=*/true);
  schema.setAliasAnalysis(c10::AliasAnalysisKind::CONSERVATIVE);
  try {
    libraries_.push_back(std::make_unique<torch::Library>(torch::Library::FRAGMENT, ns,
                                                          std::nullopt, "torchvet", 0));
    libraries_.back()->def(std::move(schema));
  } catch (const std::exception&) {
    // A name that LibTorch does not let anyone define: the import says what it misses.
  }
}

}  // namespace torchvet
