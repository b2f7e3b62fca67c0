// The pickle machine.
//
// A pickle is a program for a stack machine. Its values lie on a stack; MARK remembers a height of
// the stack so that a later opcode can take "everything above the mark"; a memo keeps values under
// numbers so that they can be used again. Two opcodes reach out of the stack: GLOBAL (and its
// relatives) imports a name, REDUCE (and its relatives) calls something. For example
//
//   cos\nsystem\n (V echo hi\n t R .      imports os.system and calls it with ('echo hi',)
//
// This machine does all that with the stack and none of the reaching out: an import becomes a
// `Global`, a call becomes a `Call` that remembers what would have been called with what, and what
// the pickle then does to the result is noted on it.
//
// Which programs stop where is taken from CPython's `_pickle.c`: a program that CPython refuses at
// some opcode has no effect after it, and one that it runs has to be seen to its end. Where
// CPython's answer depends on values that exist only at run time (BUILD on an imported object,
// APPENDS on the result of a call), this machine goes on: what it then records is what could run.

#include "formats/pickle/machine.h"

#include <algorithm>
#include <cstdio>

#include "formats/pickle/literals.h"
#include "formats/pickle/machine_state.h"

namespace torchvet {

Result<void> PickleMachine::run() {
  program_.where = {bytes_.offset(), 0};
  bool running = true;
  while (running) {
    start_ = position_;
    if (position_ >= bytes_.size()) {
      stop_with(ErrorCode::kPickleNoStop, "the pickle ends without STOP");
      break;
    }
    if (++program_.opcodes > limits_.pickle_opcodes) {
      stop_with(ErrorCode::kLimitExceeded, "more opcodes than pickle-opcodes allows");
      break;
    }
    opcode_ = bytes_[position_++];
    if (opcode_ == static_cast<std::uint8_t>(Opcode::kStop)) {
      pop(program_.root);
      break;
    }
    running = step();
  }
  program_.where.length = error_ ? start_ : position_;
  if (!error_ && crossing_) error_ = std::move(crossing_);
  if (error_) return tl::unexpected<Error>(std::move(*error_));
  return {};
}

bool PickleMachine::step() {
  const Opcode opcode = static_cast<Opcode>(opcode_);
  switch (opcode) {
    case Opcode::kProto: {
      std::uint8_t version = 0;
      if (!read(version)) return false;
      protocol_ = version;
      if (program_.protocol < protocol_) program_.protocol = protocol_;
      return true;
    }
    case Opcode::kFrame: {
      // An inner frame that fits into the buffer of the outer one changes nothing.
      std::uint64_t length = 0;
      if (!read(length) || !need(length)) return false;
      if (length > 0 && position_ + length > frame_end_) frame_end_ = position_ + length;
      return true;
    }
    case Opcode::kMark:
      if (marks_.size() >= limits_.pickle_stack) {
        return stop_with(ErrorCode::kLimitExceeded, "more MARKs than pickle-stack allows");
      }
      marks_.push_back(stack_.size());
      return true;
    case Opcode::kPop: {
      ObjectId ignored = kNoObject;
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
        return true;
      }
      return pop(ignored);
    }
    case Opcode::kPopMark: {
      std::size_t start = 0;
      if (!pop_mark(start)) return false;
      stack_.resize(start);
      return true;
    }
    case Opcode::kDup: {
      ObjectId id = kNoObject;
      return top(id) && push(id);
    }
    case Opcode::kPut:
    case Opcode::kBinPut:
    case Opcode::kLongBinPut:
    case Opcode::kMemoize:
    case Opcode::kGet:
    case Opcode::kBinGet:
    case Opcode::kLongBinGet:
      return step_memo(opcode);
    case Opcode::kEmptyTuple:
    case Opcode::kTuple:
    case Opcode::kTuple1:
    case Opcode::kTuple2:
    case Opcode::kTuple3:
    case Opcode::kEmptyList:
    case Opcode::kList:
    case Opcode::kAppend:
    case Opcode::kAppends:
    case Opcode::kEmptyDict:
    case Opcode::kDict:
    case Opcode::kSetItem:
    case Opcode::kSetItems:
    case Opcode::kEmptySet:
    case Opcode::kAddItems:
    case Opcode::kFrozenSet:
      return step_container(opcode);
    case Opcode::kGlobal:
    case Opcode::kStackGlobal:
    case Opcode::kInst:
    case Opcode::kObj:
    case Opcode::kReduce:
    case Opcode::kNewObj:
    case Opcode::kNewObjEx:
    case Opcode::kBuild:
    case Opcode::kExt1:
    case Opcode::kExt2:
    case Opcode::kExt4:
    case Opcode::kPersId:
    case Opcode::kBinPersId:
      return step_call(opcode);
    default:
      return step_literal(opcode);
  }
}

bool PickleMachine::step_literal(Opcode opcode) {
  std::string_view text;
  switch (opcode) {
    case Opcode::kNone:
      return push_shared(none_, Object::None{});
    case Opcode::kNewTrue:
      return push_shared(true_, true);
    case Opcode::kNewFalse:
      return push_shared(false_, false);
    case Opcode::kBinInt: {
      std::int32_t value = 0;
      return read(value) && push_integer(value);
    }
    case Opcode::kBinInt1: {
      std::uint8_t value = 0;
      return read(value) && push_integer(value);
    }
    case Opcode::kBinInt2: {
      std::uint16_t value = 0;
      return read(value) && push_integer(value);
    }
    case Opcode::kInt:
    case Opcode::kLong: {
      if (!read_line(text)) return false;
      std::optional<Object> number = integer_from_text(text, opcode == Opcode::kLong);
      return number ? push_number(std::move(*number)) : bad_number();
    }
    case Opcode::kLong1:
      return read_counted<std::uint8_t>(text) && push_number(integer_from_bytes(text));
    case Opcode::kLong4: {
      std::int32_t length = 0;
      if (!read(length)) return false;
      if (length < 0) return bad_number();
      position_ -= sizeof(length);
      return read_counted<std::uint32_t>(text) && push_number(integer_from_bytes(text));
    }
    case Opcode::kFloat: {
      if (!read_line(text)) return false;
      const std::optional<double> number = float_from_text(text);
      return number ? push_new(*number) : bad_number();
    }
    case Opcode::kBinFloat: {
      std::uint64_t bits = 0;
      if (!read(bits)) return false;
      bits = __builtin_bswap64(bits);
      double value = 0;
      std::memcpy(&value, &bits, sizeof(value));
      return push_new(value);
    }
    case Opcode::kString: {
      if (!read_line(text)) return false;
      std::optional<std::string> value = string_from_quoted(text);
      return value ? push_new(std::move(*value)) : bad_string();
    }
    case Opcode::kUnicode: {
      if (!read_line(text)) return false;
      std::optional<std::string> value = string_from_raw_unicode(text);
      return value ? push_new(std::move(*value)) : bad_string();
    }
    case Opcode::kShortBinString:
      return read_counted<std::uint8_t>(text) && push_new(std::string(text));
    case Opcode::kBinString: {
      std::int32_t length = 0;
      if (!read(length)) return false;
      if (length < 0) return bad_string();
      position_ -= sizeof(length);
      return read_counted<std::uint32_t>(text) && push_new(std::string(text));
    }
    case Opcode::kShortBinUnicode:
    case Opcode::kBinUnicode:
    case Opcode::kBinUnicode8: {
      const bool there = opcode == Opcode::kShortBinUnicode ? read_counted<std::uint8_t>(text)
                         : opcode == Opcode::kBinUnicode    ? read_counted<std::uint32_t>(text)
                                                            : read_counted<std::uint64_t>(text);
      if (!there) return false;
      return is_utf8_with_surrogates(text) ? push_new(std::string(text)) : bad_string();
    }
    case Opcode::kShortBinBytes:
      return read_counted<std::uint8_t>(text) && push_new(Object::Bytes{std::string(text)});
    case Opcode::kBinBytes:
      return read_counted<std::uint32_t>(text) && push_new(Object::Bytes{std::string(text)});
    case Opcode::kBinBytes8:
      return read_counted<std::uint64_t>(text) && push_new(Object::Bytes{std::string(text)});
    case Opcode::kByteArray8:
      return read_counted<std::uint64_t>(text) && push_new(Object::Bytes{std::string(text), true});
    case Opcode::kNextBuffer:
      // A buffer handed to the unpickler beside the file: nothing in the file tells what it holds.
      return push_new(Object::Persistent{});
    case Opcode::kReadonlyBuffer: {
      ObjectId ignored = kNoObject;
      return top(ignored);
    }
    default: {
      char text_of_byte[8];
      std::snprintf(text_of_byte, sizeof(text_of_byte), "0x%02x", opcode_);
      return stop_with(ErrorCode::kPickleUnknownOpcode,
                       std::string("no opcode has the byte ") + text_of_byte);
    }
  }
}

bool PickleMachine::step_memo(Opcode opcode) {
  std::uint64_t index = 0;
  if (opcode == Opcode::kMemoize) {
    index = memo_.count();
  } else if (opcode == Opcode::kPut || opcode == Opcode::kGet) {
    std::string_view line;
    if (!read_line(line)) return false;
    const std::optional<std::uint64_t> number = index_from_text(line);
    if (!number) return bad_number();
    index = *number;
  } else if (opcode == Opcode::kBinPut || opcode == Opcode::kBinGet) {
    std::uint8_t number = 0;
    if (!read(number)) return false;
    index = number;
  } else {
    std::uint32_t number = 0;
    if (!read(number)) return false;
    index = number;
  }

  ObjectId id = kNoObject;
  if (opcode == Opcode::kGet || opcode == Opcode::kBinGet || opcode == Opcode::kLongBinGet) {
    id = memo_.get(index);
    if (id == kNoObject) {
      return stop_with(ErrorCode::kPickleMemoMissing,
                       "nothing was stored under the number " + std::to_string(index));
    }
    return push(id);
  }
  if (!top(id)) return false;
  if (memo_.count() >= limits_.pickle_memo) {
    return stop_with(ErrorCode::kLimitExceeded, "more stored values than pickle-memo allows");
  }
  memo_.put(index, id);
  program_.highest_put = std::max(program_.highest_put, index);
  return true;
}

Result<void> run_pickle(ByteView bytes, const Limits& limits, ObjectTree& tree,
                        PickleProgram& program, Integers integers) {
  return PickleMachine(bytes, limits, tree, program, integers).run();
}

Result<void> check_protocol(const PickleProgram& program) {
  constexpr int kHighestProtocol = 5;  // of Python 3.8 to 3.14
  if (program.protocol <= kHighestProtocol) return {};
  return fail(ErrorCode::kPickleBadNumber, program.where.offset,
              "the protocol is " + std::to_string(program.protocol) + ", and Python knows 0 to " +
                  std::to_string(kHighestProtocol));
}

}  // namespace torchvet
