// The stream and the stack. A value is never freed: what a pickle builds is bounded by its own
// length and by the limits on opcodes and objects. Python raises from inside whatever it was doing;
// here `end_` is set, and every step leaves as soon as it is.
#include "formats/loaders/weights_only.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <variant>

#include "formats/pickle/literals.h"
#include "formats/pickle/opcodes.h"

namespace torchvet {
namespace {

constexpr std::uint8_t code_of(Opcode opcode) { return static_cast<std::uint8_t>(opcode); }

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

}  // namespace

RestrictedUnpickler::RestrictedUnpickler(ByteView bytes, TorchRelease release, const Limits& limits,
                                         StorageLoader& storages)
    : bytes_(bytes), release_(release), limits_(limits), storages_(storages), budget_(bytes.size()) {
  values_.emplace_back();  // what a failed step gives
}

void RestrictedUnpickler::fail(std::string_view exception, std::string_view message,
                               LoadProblem problem) {
  if (!end_) end_ = LoadOutcome::fails(exception, message, problem);
}

void RestrictedUnpickler::leave(std::string why, LoadProblem problem) {
  if (!end_) end_ = LoadOutcome::undecided(std::move(why), problem);
}

bool RestrictedUnpickler::may_read(std::size_t entries) {
  if (!budget_.take(entries)) leave("too many calls share what they get");
  return !end_;
}

// ---- the stream ------------------------------------------------------------------------------

/// Python's read(n): as many bytes as there are.
std::string_view RestrictedUnpickler::take(std::uint64_t count) {
  const std::uint64_t left = bytes_.size() - position_;
  const std::string_view taken = bytes_.text().substr(
      static_cast<std::size_t>(position_), static_cast<std::size_t>(std::min(count, left)));
  position_ += taken.size();
  return taken;
}

/// readline()[:-1]: at the end of the bytes, where there is no newline, it costs a character.
std::string_view RestrictedUnpickler::take_line() {
  const std::string_view rest = bytes_.text().substr(static_cast<std::size_t>(position_));
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, std::min(end + 1, rest.size()));
  position_ += line.size();
  if (!line.empty()) line.remove_suffix(1);
  return line;
}

std::optional<std::uint8_t> RestrictedUnpickler::byte() {
  const std::string_view taken = take(1);
  if (taken.empty()) {
    fail("IndexError", "index out of range");
    return std::nullopt;
  }
  return static_cast<std::uint8_t>(taken.front());
}

std::optional<std::uint64_t> RestrictedUnpickler::number(unsigned bytes) {
  const std::string_view taken = take(bytes);
  if (taken.size() < bytes) {
    fail("struct.error", fmt::format("unpack requires a buffer of {} bytes", bytes));
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (unsigned i = bytes; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(taken[i]);
  return value;
}

void RestrictedUnpickler::push_number(std::uint8_t code) {
  Loaded value;
  value.kind = LoadedKind::kInt;
  if (code == code_of(Opcode::kBinFloat)) {
    value.kind = LoadedKind::kFloat;
    const auto bits = number(8);
    if (bits) value.number = (*bits << 1) == 0 ? 0 : 1;  // only its truth is asked for
  } else if (code == code_of(Opcode::kBinInt)) {
    value.number = static_cast<std::int32_t>(number(4).value_or(0));
  } else if (code == code_of(Opcode::kBinInt2)) {
    value.number = static_cast<std::int64_t>(number(2).value_or(0));
  } else if (code == code_of(Opcode::kBinInt1)) {
    value.number = byte().value_or(0);
  } else {
    const auto length = byte();
    const std::string_view data = take(length.value_or(0));
    if (data.size() <= sizeof(std::int64_t)) {
      value.number = std::get<std::int64_t>(integer_from_bytes(data).value);
    } else {
      value.kind = LoadedKind::kBigInt;
      value.text = data;
    }
  }
  push_value(std::move(value));
}

void RestrictedUnpickler::push_text(std::uint64_t length, bool surrogates) {
  if (end_) return;
  Loaded value;
  value.kind = LoadedKind::kText;
  value.text = take(length);
  if (surrogates ? !is_utf8_with_surrogates(value.text) : !is_utf8(value.text))
    return fail("UnicodeDecodeError", "'utf-8' codec can't decode");
  push_value(std::move(value));
}

void RestrictedUnpickler::push_global() {
  const std::string_view old_module = take_line();
  if (!is_utf8(old_module)) return fail("UnicodeDecodeError", "'utf-8' codec can't decode");
  const std::string_view old_name = take_line();
  if (!is_utf8(old_name)) return fail("UnicodeDecodeError", "'utf-8' codec can't decode");
  const auto [module, name] = name_for_torch(old_module, old_name);
  if (auto refusal = refusal_of_global(module, name, release_)) {
    if (!end_) end_ = std::move(refusal);
    return;
  }
  Loaded value;
  value.allowed = find_allowed(fmt::format("{}.{}", module, name), release_);
  value.kind = value.allowed != nullptr ? LoadedKind::kGlobal : LoadedKind::kForeign;
  push_value(std::move(value));
}

// ---- the stack -------------------------------------------------------------------------------

LoadedId RestrictedUnpickler::add(Loaded value) {
  if (end_) return 0;
  if (values_.size() >= limits_.pickle_objects) {
    leave("the pickle has more objects than the limit pickle-objects");
    return 0;
  }
  values_.push_back(std::move(value));
  return static_cast<LoadedId>(values_.size() - 1);
}

void RestrictedUnpickler::push_value(Loaded value) {
  const LoadedId id = add(std::move(value));
  if (!end_) stack_.push_back(id);
}

LoadedId RestrictedUnpickler::pop() {
  if (end_) return 0;
  if (stack_.empty()) {
    fail("IndexError", "pop from empty list");
    return 0;
  }
  const LoadedId id = stack_.back();
  stack_.pop_back();
  return id;
}

LoadedId RestrictedUnpickler::top() {
  if (end_) return 0;
  if (stack_.empty()) {
    fail("IndexError", "list index out of range");
    return 0;
  }
  return stack_.back();
}

std::vector<LoadedId> RestrictedUnpickler::pop_mark() {
  if (marks_.empty()) {
    fail("IndexError", "pop from empty list");
    return {};
  }
  std::vector<LoadedId> items = std::exchange(stack_, std::move(marks_.back()));
  marks_.pop_back();
  return items;
}

void RestrictedUnpickler::make_tuple(std::size_t count) {
  if (stack_.size() < count) return fail("IndexError", "list index out of range");
  std::vector<LoadedId> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  push_tuple(std::move(items));
}

void RestrictedUnpickler::put(std::optional<std::uint64_t> index) {
  const LoadedId id = top();
  if (index && !end_) memo_.insert_or_assign(*index, id);
}

void RestrictedUnpickler::get(std::optional<std::uint64_t> index) {
  if (!index || end_) return;
  const auto found = memo_.find(*index);
  if (found == memo_.end()) return fail("KeyError", std::to_string(*index));
  stack_.push_back(found->second);
}

// ---- the opcodes -----------------------------------------------------------------------------

void RestrictedUnpickler::step(std::uint8_t code) {
  switch (static_cast<Opcode>(code)) {
    case Opcode::kProto:
      (void)byte();
      return;
    case Opcode::kGlobal:
      return push_global();
    case Opcode::kNewObj:
      return new_object();
    case Opcode::kReduce:
      return reduce();
    case Opcode::kBuild:
      return build();
    case Opcode::kAppend:
    case Opcode::kAppends:
      return append(code);
    case Opcode::kSetItem:
    case Opcode::kSetItems:
      return set_items(code);
    case Opcode::kBinPersId:
      return persistent();
    case Opcode::kMark:
      marks_.push_back(std::exchange(stack_, {}));
      if (marks_.size() > limits_.pickle_stack) leave("the pickle nests deeper than the limit");
      return;
    case Opcode::kTuple:
      return push_tuple(pop_mark());
    case Opcode::kTuple1:
      return make_tuple(1);
    case Opcode::kTuple2:
      return make_tuple(2);
    case Opcode::kTuple3:
      return make_tuple(3);
    case Opcode::kEmptyTuple:
      return push(LoadedKind::kTuple);
    case Opcode::kEmptyList:
      return push(LoadedKind::kList);
    case Opcode::kEmptyDict:
      return push(LoadedKind::kDict);
    case Opcode::kEmptySet:
      return push(LoadedKind::kSet);
    case Opcode::kNone:
      return push(LoadedKind::kNone);
    case Opcode::kNewTrue:
    case Opcode::kNewFalse:
      return push_value(
          {LoadedKind::kBool, code == code_of(Opcode::kNewTrue) ? 1 : 0, {}, {}, nullptr});
    case Opcode::kBinInt:
    case Opcode::kBinInt1:
    case Opcode::kBinInt2:
    case Opcode::kLong1:
    case Opcode::kBinFloat:
      return push_number(code);
    case Opcode::kBinUnicode:
      return push_text(number(4).value_or(0), true);
    case Opcode::kShortBinString:
      return push_text(byte().value_or(0), false);
    case Opcode::kBinGet:
      return get(byte());
    case Opcode::kLongBinGet:
      return get(number(4));
    case Opcode::kBinPut:
      return put(byte());
    case Opcode::kLongBinPut:
      return put(number(4));
    default:
      return fail("UnpicklingError", fmt::format("Unsupported operand {}", code),
                  LoadProblem::kOpcode);
  }
}

LoadOutcome RestrictedUnpickler::run() {
  while (!end_) {
    const std::string_view code = take(1);
    if (code.empty()) {
      fail("EOFError", "");
    } else if (code.front() == static_cast<char>(Opcode::kStop)) {
      result_ = pop();
      if (!end_) end_ = LoadOutcome::opened();
    } else if (++opcodes_ > limits_.pickle_opcodes) {
      leave("the pickle has more opcodes than the limit pickle-opcodes");
    } else {
      step(static_cast<std::uint8_t>(code.front()));
    }
  }
  return *end_;
}

}  // namespace torchvet
