// The stream and the stack of LibTorch's unpickler.
//
// It reads protocol 2 alone and has no classes but those of a program: a name that it knows becomes a
// number, the place of a function in a list, and that number lies on the stack as any other number
// does. So NEWOBJ has
// nothing to make and only drops the arguments; REDUCE and BUILD are one opcode, which takes the
// number below the top and calls what stands there. collections.OrderedDict is a function that
// gives None: items that are then set in it, as in every state_dict, end the load.
//
// Source: torch/csrc/jit/serialization/unpickler.cpp of torch 2.13, and runs of that release.
#include "formats/loaders/libtorch_unpickler.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "formats/pickle/opcodes.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kBuffer = 256;
constexpr std::string_view kCutOff = "Unexpected end of pickler archive.";

bool may_stand_in_name(char c) {
  return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

/// The opcode as LibTorch prints it: as an address, whose sign goes through, and as a number.
std::string unknown_opcode(std::uint8_t code) {
  const auto address = static_cast<std::uint64_t>(static_cast<std::int8_t>(code));
  return fmt::format("Unknown opcode for unpickling at {}: {}",
                     code == 0 ? "0" : fmt::format("{:#x}", address), code);
}

}  // namespace

LibtorchUnpickler::LibtorchUnpickler(ByteView bytes, const Limits& limits,
                                     LibtorchReading reading)
    : bytes_(bytes), limits_(limits), reading_(std::move(reading)), budget_(bytes.size()) {
  values_.emplace_back();  // None; and what a failed step gives
}

void LibtorchUnpickler::fail(std::string_view message, LoadProblem problem) {
  if (!end_) end_ = LoadOutcome::fails("c10::Error", message, problem);
}

void LibtorchUnpickler::leave(std::string why) {
  if (!end_) end_ = LoadOutcome::undecided(std::move(why));
}

bool LibtorchUnpickler::may_read(std::size_t entries) {
  if (!budget_.take(entries)) leave("too many calls share what they get");
  return !end_;
}

// ---- the stream ------------------------------------------------------------------------------

/// A number or a short text: from the buffer, or through the next one.
std::string_view LibtorchUnpickler::read(std::uint64_t count) {
  if (end_) return {};
  if (count > bytes_.size() - position_) {
    fail(kCutOff);
    return {};
  }
  const std::string_view taken = bytes_.text().substr(static_cast<std::size_t>(position_),
                                                      static_cast<std::size_t>(count));
  position_ += count;
  if (position_ > buffered_until_) {
    buffered_until_ = std::min<std::uint64_t>(buffered_until_ + kBuffer, bytes_.size());
  }
  return taken;
}

std::optional<std::uint64_t> LibtorchUnpickler::number(unsigned bytes) {
  const std::string_view taken = read(bytes);
  if (end_) return std::nullopt;
  std::uint64_t value = 0;
  for (unsigned i = bytes; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(taken[i]);
  return value;
}

std::string_view LibtorchUnpickler::read_string(std::uint64_t length) {
  constexpr std::uint64_t kShort = 64;
  if (end_) return {};
  if (length > limits_.string_bytes) {
    leave("a text is longer than the limit string-bytes");
    return {};
  }
  const bool past_buffer = length > buffered_until_ - position_ && length > kShort;
  if (!past_buffer) return read(length);
  buffered_until_ = position_;
  const std::string_view taken = read(length);
  buffered_until_ = position_;  // read at once; the next opcode fills the buffer again
  return taken;
}

/// Up to the newline. What lies in a buffer without one has to look like a name. A buffer that the rest of
/// the pickle does not fill still holds what it held before, which is searched for a newline, too.
std::string_view LibtorchUnpickler::read_line() {
  if (end_) return {};
  const std::string_view rest = bytes_.text().substr(static_cast<std::size_t>(position_));
  const std::size_t newline = rest.find('\n');
  const std::uint64_t end = newline == rest.npos ? bytes_.size() : position_ + newline;
  for (std::uint64_t at = position_; buffered_until_ <= end && buffered_until_ < bytes_.size();) {
    for (; at < buffered_until_; ++at) {
      const char c = rest[static_cast<std::size_t>(at - position_)];
      if (may_stand_in_name(c)) continue;
      fail(fmt::format("Found character '{}' in string, strings must be qualified Python "
                       "identifiers",
                       static_cast<std::uint8_t>(c)));
      return {};
    }
    buffered_until_ = std::min<std::uint64_t>(buffered_until_ + kBuffer, bytes_.size());
  }
  if (newline == rest.npos) {
    leave("a name is cut off, behind which LibTorch reads what its buffer held before");
    return {};
  }
  position_ = end + 1;
  return rest.substr(0, newline);
}

// ---- the stack -------------------------------------------------------------------------------

LibtorchUnpickler::Value LibtorchUnpickler::of(Kind kind, std::int64_t number) {
  Value value;
  value.kind = kind;
  value.number = number;
  return value;
}

LibtorchUnpickler::Id LibtorchUnpickler::add(Value value) {
  if (end_) return 0;
  if (values_.size() >= limits_.pickle_objects) {
    leave("the pickle has more objects than the limit pickle-objects");
    return 0;
  }
  values_.push_back(std::move(value));
  return static_cast<Id>(values_.size() - 1);
}

void LibtorchUnpickler::push(Value value) {
  const Id id = add(std::move(value));
  if (!end_) stack_.push_back(id);
}

LibtorchUnpickler::Id LibtorchUnpickler::pop() {
  if (end_) return 0;
  if (stack_.empty()) {
    leave("LibTorch takes a value from an empty stack");
    return 0;
  }
  const Id id = stack_.back();
  stack_.pop_back();
  return id;
}

void LibtorchUnpickler::put(std::optional<std::uint64_t> index) {
  if (!index || end_) return;
  if (stack_.empty()) return fail("!stack_.empty() INTERNAL ASSERT FAILED");
  if (*index >= limits_.pickle_memo) {
    return leave("a value has a number beyond the limit pickle-memo");
  }
  memo_size_ = std::max(memo_size_, *index + 1);
  memo_.insert_or_assign(*index, stack_.back());
}

void LibtorchUnpickler::get(std::optional<std::uint64_t> index) {
  if (!index || end_) return;
  if (*index >= memo_size_) {
    return fail(fmt::format("Parsing error: out of bounds access at {} to memo_table_ which is of "
                            "size {}",
                            *index, memo_size_));
  }
  const auto found = memo_.find(*index);
  stack_.push_back(found == memo_.end() ? Id{0} : found->second);  // a gap in the table is None
}

/// Containers are filled before they go into another one, but for those that hold themselves: so
/// that a depth, once noted, stays right.
void LibtorchUnpickler::contain(Id container, Id item) {
  if (end_) return;
  const auto is_container = [](const Value& value) {
    return value.kind == Kind::kTuple || value.kind == Kind::kGenericList ||
           value.kind == Kind::kGenericDict || value.kind == Kind::kObject;
  };
  if (!is_container(values_[item])) return;
  if (values_[container].is_contained) {
    return leave("a container is put into one that lies in another already");
  }
  values_[item].is_contained = true;
  values_[container].depth = std::max(values_[container].depth, values_[item].depth + 1);
  if (values_[container].depth > kDeepest) leave("containers nest so deep that LibTorch may die");
}

void LibtorchUnpickler::push_tuple(std::size_t start) {
  if (end_) return;
  Value tuple = of(Kind::kTuple);
  tuple.items.assign(stack_.begin() + static_cast<std::ptrdiff_t>(start), stack_.end());
  stack_.resize(start);
  const Id id = add(std::move(tuple));
  if (end_) return;
  for (std::size_t i = 0; i < values_[id].items.size(); ++i) contain(id, values_[id].items[i]);
  stack_.push_back(id);
}

void LibtorchUnpickler::make_tuple(std::size_t count) {
  if (stack_.size() < count) {
    return fail(fmt::format("Parsing error: stack_ contains {} elements, at least {} expected",
                            stack_.size(), count));
  }
  push_tuple(stack_.size() - count);
}

/// How many values lay on the stack at the mark: more than now, when some below it were taken.
std::optional<std::size_t> LibtorchUnpickler::pop_mark() {
  if (marks_.empty()) {
    fail("Parsing error: marks_ is empty");
    return std::nullopt;
  }
  const std::size_t start = marks_.back();
  marks_.pop_back();
  return start;
}

void LibtorchUnpickler::append(Id list, std::size_t start) {
  if (start > stack_.size()) return leave("values below a mark were taken");
  const std::vector<Id> items(stack_.begin() + static_cast<std::ptrdiff_t>(start), stack_.end());
  if (values_[list].kind != Kind::kGenericList) {
    return fail(fmt::format("Unknown IValue list kind: {}", name_of(values_[list].kind)));
  }
  for (const Id item : items) {
    switch (values_[list].element) {
      case Element::kInt:
        (void)integer(item);
        break;
      case Element::kTensor:
        (void)expect(item, Kind::kTensor);
        break;
      case Element::kDouble:
        (void)expect(item, Kind::kDouble);
        break;
      case Element::kBool:
        (void)expect(item, Kind::kBool);
        break;
      case Element::kAny:
        contain(list, item);
        break;
    }
  }
  if (!end_) stack_.resize(start);
}

void LibtorchUnpickler::set_items(Id dict, std::size_t start) {
  if (!expect(dict, Kind::kGenericDict)) return;
  if ((stack_.size() - start) % 2 != 0) {
    return fail(fmt::format("Parsing error: stack_ is of size {} and start index is {}, but stack_ "
                            "is iterated by two elements at a time",
                            stack_.size(), start));
  }
  for (std::size_t i = start; i < stack_.size() && !end_; i += 2) {
    const Id key = stack_[i], value = stack_[i + 1];
    switch (values_[key].kind) {
      case Kind::kNone:
      case Kind::kTuple:
      case Kind::kGenericList:
      case Kind::kGenericDict:
      case Kind::kObject:
      case Kind::kEnum:
        return fail(fmt::format("Can't hash IValues with tag '{}'", name_of(values_[key].kind)));
      default:
        break;
    }
    contain(dict, value);
    values_[dict].items.push_back(key);
    values_[dict].items.push_back(value);
  }
  if (!end_) stack_.resize(start);
}

// ---- the opcodes -----------------------------------------------------------------------------

void LibtorchUnpickler::step(std::uint8_t code) {
  switch (static_cast<Opcode>(code)) {
    case Opcode::kEmptyList:
      return push(of(Kind::kGenericList));
    case Opcode::kEmptyTuple:
      return push(of(Kind::kTuple));
    case Opcode::kEmptyDict:
      return push(of(Kind::kGenericDict));
    case Opcode::kNone:
      return push(of(Kind::kNone));
    case Opcode::kNewTrue:
      return push(of(Kind::kBool, 1));
    case Opcode::kNewFalse:
      return push(of(Kind::kBool, 0));
    case Opcode::kBinInt1:
      return push(of(Kind::kInt, static_cast<std::int64_t>(number(1).value_or(0))));
    case Opcode::kBinInt2:
      return push(of(Kind::kInt, static_cast<std::int64_t>(number(2).value_or(0))));
    case Opcode::kBinInt:
      return push(of(Kind::kInt, static_cast<std::int32_t>(number(4).value_or(0))));
    case Opcode::kLong1: {
      const auto length = number(1);
      if (length && *length != 8) {
        return fail(fmt::format("Expected length to be 8, got {}", *length));
      }
      return push(of(Kind::kInt, static_cast<std::int64_t>(number(8).value_or(0))));
    }
    case Opcode::kBinFloat:
      (void)number(8);
      return push(of(Kind::kDouble));
    case Opcode::kBinUnicode:
    case Opcode::kBinUnicode8: {
      Value value = of(Kind::kString);
      const unsigned width = code == static_cast<std::uint8_t>(Opcode::kBinUnicode) ? 4 : 8;
      value.text = read_string(number(width).value_or(0));
      return push(std::move(value));
    }
    case Opcode::kBinPut:
      return put(number(1));
    case Opcode::kLongBinPut:
      return put(number(4));
    case Opcode::kBinGet:
      return get(number(1));
    case Opcode::kLongBinGet:
      return get(number(4));
    case Opcode::kMark:
      marks_.push_back(stack_.size());
      if (marks_.size() > limits_.pickle_stack) leave("the pickle nests deeper than the limit");
      return;
    case Opcode::kTuple: {
      const auto start = pop_mark();
      if (!start) return;
      if (*start > stack_.size()) {
        return fail(fmt::format("Parsing error: wrong start index {} for stack_ of size {}", *start,
                                stack_.size()));
      }
      return push_tuple(*start);
    }
    case Opcode::kTuple1:
      return make_tuple(1);
    case Opcode::kTuple2:
      return make_tuple(2);
    case Opcode::kTuple3:
      return make_tuple(3);
    case Opcode::kList: {
      const auto start = pop_mark();
      const Id list = add(of(Kind::kGenericList));
      if (!start) return;
      append(list, *start);
      if (!end_) stack_.push_back(list);
      return;
    }
    case Opcode::kAppends: {
      const auto start = pop_mark();
      if (!start) return;
      if (*start == 0 || *start > stack_.size()) {
        return fail(fmt::format("Parsing error: wrong start index {} for stack_ of size {}", *start,
                                stack_.size()));
      }
      return append(stack_[*start - 1], *start);
    }
    case Opcode::kAppend:
      if (stack_.size() < 2) return fail("Parsing error: missing elements in stack_.");
      return append(stack_[stack_.size() - 2], stack_.size() - 1);
    case Opcode::kDict: {
      const auto start = pop_mark();
      if (!start) return;
      if (stack_.size() <= *start) {
        return fail(fmt::format("Parsing error: wrong start index {} for stack_ which of size {}",
                                *start, stack_.size()));
      }
      const Id dict = add(of(Kind::kGenericDict));
      set_items(dict, *start);
      if (!end_) stack_.push_back(dict);
      return;
    }
    case Opcode::kSetItems: {
      const auto start = pop_mark();
      if (!start) return;
      if (*start == 0 || *start > stack_.size()) {
        return fail("Parsing error: wrong start index for stack_");
      }
      return set_items(stack_[*start - 1], *start);
    }
    case Opcode::kSetItem:
      if (stack_.size() < 3) return fail("Parsing error: stack doesn't have enough elements");
      return set_items(stack_[stack_.size() - 3], stack_.size() - 2);
    case Opcode::kGlobal: {
      const std::string_view module = read_line();
      const std::string_view name = read_line();
      if (!end_) push_global(module, name);
      return;
    }
    case Opcode::kNewObj:
      if (stack_.empty()) return fail("Parsing error: stack_ is empty");
      stack_.pop_back();
      return;
    case Opcode::kReduce:
    case Opcode::kBuild: {
      if (stack_.size() < 2) {
        return fail(fmt::format("Parsing error: stack_ contains {} elements, at least 2 expected",
                                stack_.size()));
      }
      std::swap(stack_[stack_.size() - 2], stack_.back());
      const auto index = integer(stack_.back());
      if (!index) return;
      stack_.pop_back();
      return call(static_cast<std::uint64_t>(*index));
    }
    case Opcode::kBinPersId:
      return persistent();
    default:
      return fail(unknown_opcode(code), LoadProblem::kOpcode);
  }
}

LoadOutcome LibtorchUnpickler::run() {
  const auto proto = number(1);
  if (proto && *proto != static_cast<std::uint8_t>(Opcode::kProto)) {
    fail(fmt::format("Expected PROTO opcode at the start of pickle archive, found {}", *proto));
  }
  const auto protocol = number(1);
  if (protocol && *protocol != 2) {
    fail("Only Pickle protocol 2 is supported", LoadProblem::kOpcode);
  }
  while (!end_) {
    start_ = position_;
    const auto code = number(1);
    if (!code) break;
    if (*code == static_cast<std::uint8_t>(Opcode::kStop)) {
      if (stack_.size() != 1) {
        fail(fmt::format("Unpickler expected 1 element on the stack, but found {}", stack_.size()));
      }
      if (!end_) check_root();
      if (!end_) end_ = LoadOutcome::opened();
    } else if (++opcodes_ > limits_.pickle_opcodes) {
      leave("the pickle has more opcodes than the limit pickle-opcodes");
    } else {
      step(static_cast<std::uint8_t>(*code));
    }
  }
  return *end_;
}

}  // namespace torchvet
