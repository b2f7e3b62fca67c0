#include "worker/fold.h"

#include <cstdint>
#include <string>

namespace torchvet {
namespace {

/// True or false when the value certainly is or is not None; nothing for an Optional.
std::optional<bool> is_none(const Value& value) {
  if (value.type == ValueType::kNone) return true;
  if (value.literal) return std::holds_alternative<Literal::None>(value.literal->value);
  if (value.type == ValueType::kOther) return std::nullopt;
  return false;
}

template <typename T>
const T* literal_of(const Value& value) {
  return value.literal ? std::get_if<T>(&value.literal->value) : nullptr;
}

/// An integer or a float; integers beyond 2^53 are not compared.
std::optional<double> number_of(const Value& value) {
  if (const double* number = literal_of<double>(value)) return *number;
  const std::int64_t* number = literal_of<std::int64_t>(value);
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  if (!number || *number > kExact || *number < -kExact) return std::nullopt;
  return static_cast<double>(*number);
}

std::optional<bool> compare(std::string_view op, double a, double b) {
  if (op == "aten::eq") return a == b;
  if (op == "aten::ne") return a != b;
  if (op == "aten::lt") return a < b;
  if (op == "aten::le") return a <= b;
  if (op == "aten::gt") return a > b;
  if (op == "aten::ge") return a >= b;
  return std::nullopt;
}

std::optional<bool> combine(std::string_view op, bool a, bool b) {
  if (op == "aten::__and__") return a && b;
  if (op == "aten::__or__") return a || b;
  if (op == "aten::eq") return a == b;
  if (op == "aten::ne" || op == "aten::__xor__") return a != b;
  return std::nullopt;
}

std::optional<bool> fold_pair(std::string_view op, const Value& a, const Value& b) {
  if (op == "aten::__is__" || op == "aten::__isnot__") {
    const std::optional<bool> first = is_none(a);
    const std::optional<bool> second = is_none(b);
    if (!first || !second || (!*first && !*second)) return std::nullopt;
    return (*first && *second) == (op == "aten::__is__");
  }
  const bool* flag_a = literal_of<bool>(a);
  const bool* flag_b = literal_of<bool>(b);
  if (flag_a && flag_b) return combine(op, *flag_a, *flag_b);
  const std::string* text_a = literal_of<std::string>(a);
  const std::string* text_b = literal_of<std::string>(b);
  if (text_a && text_b) {
    if (op == "aten::eq") return *text_a == *text_b;
    if (op == "aten::ne") return *text_a != *text_b;
    return std::nullopt;
  }
  const std::optional<double> number_a = number_of(a);
  const std::optional<double> number_b = number_of(b);
  if (number_a && number_b) return compare(op, *number_a, *number_b);
  return std::nullopt;
}

}  // namespace

std::optional<Literal> fold_operator(std::string_view op, const std::vector<const Value*>& inputs) {
  std::optional<bool> result;
  if (inputs.size() == 2) {
    result = fold_pair(op, *inputs[0], *inputs[1]);
  } else if (inputs.size() == 1 && op == "aten::__not__") {
    if (const bool* flag = literal_of<bool>(*inputs[0])) result = !*flag;
  }
  if (!result) return std::nullopt;
  return Literal{*result};
}

}  // namespace torchvet
