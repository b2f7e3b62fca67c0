#include "worker/stubs.h"

#include <ATen/core/stack.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <exception>
#include <stdexcept>

namespace torchvet {
namespace {

namespace jit = torch::jit;

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view take_name(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_name_char(text[length])) ++length;
  const std::string_view name = text.substr(0, length);
  text.remove_prefix(length);
  return name;
}

/// Number of names before the `=` of `a, b, = `; 1 when the line has another form.
std::size_t names_assigned(std::string_view line) {
  const std::size_t equals = line.rfind('=');
  if (equals == std::string_view::npos) return 1;
  std::size_t names = 0;
  bool in_name = false;
  for (const char c : line.substr(0, equals)) {
    if (!is_name_char(c) && c != ' ' && c != ',') return 1;
    if (is_name_char(c) && !in_name) ++names;
    in_name = is_name_char(c);
  }
  return std::max<std::size_t>(names, 1);
}

}  // namespace

OperatorStubs::~OperatorStubs() {
  for (const c10::FunctionSchema& schema : schemas_) {
    try {
      jit::deregisterOperator(schema);
    } catch (const std::exception&) {
      // It stays registered: a program with the same unknown operator gets the same stub.
    }
  }
}

void OperatorStubs::add_from_code(std::string_view code) {
  constexpr std::string_view kOps = "ops.";
  for (std::size_t at = code.find(kOps); at != std::string_view::npos;
       at = code.find(kOps, at + kOps.size())) {
    if (at > 0 && (is_name_char(code[at - 1]) || code[at - 1] == '.')) continue;
    std::string_view rest = code.substr(at + kOps.size());
    const std::string ns(take_name(rest));
    if (ns.empty() || !rest.starts_with('.')) continue;
    rest.remove_prefix(1);
    const std::string name(take_name(rest));
    if (name.empty() || !rest.starts_with('(')) continue;
    const std::size_t newline = code.rfind('\n', at);
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    add(ns, name, names_assigned(code.substr(line, at - line)));
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
  return !name.empty() && add(ns, name, 1);
}

bool OperatorStubs::add(const std::string& ns, const std::string& name, std::size_t results) {
  const std::string qualified = ns + "::" + name;
  if (!jit::getAllOperatorsFor(c10::Symbol::fromQualString(qualified)).empty()) return false;
  std::string schema = qualified + "(...) -> ";
  if (results == 1) {
    schema += "Tensor";
  } else {
    schema += "(Tensor";
    for (std::size_t i = 1; i < results; ++i) schema += ", Tensor";
    schema += ")";
  }
  jit::registerOperator(jit::Operator(
      schema, [](jit::Stack&) { throw std::logic_error("a stub is never run"); },
      c10::AliasAnalysisKind::CONSERVATIVE));
  schemas_.push_back(jit::getAllOperatorsFor(c10::Symbol::fromQualString(qualified))[0]->schema());
  return true;
}

}  // namespace torchvet
