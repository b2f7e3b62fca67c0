#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"
#include "formats/pickle/literals.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/memo.h"
#include "formats/pickle/opcodes.h"
#include "model/object.h"
#include "model/pickle_program.h"

namespace torchvet {

/// The state of one running pickle; use it through `run_pickle`. machine.cpp holds the loop and the
/// literals, machine_objects.cpp what builds and changes objects.
/// Every step returns false when the program cannot go on; `error_` then says why.
class PickleMachine {
 public:
  PickleMachine(ByteView bytes, const Limits& limits, ObjectTree& tree, PickleProgram& program,
                Integers integers)
      : bytes_(bytes), limits_(limits), tree_(tree), program_(program) {
    if (integers == Integers::kShared) integers_.resize(kKeptIntegers, {0, kNoObject});
  }

  Result<void> run();

 private:
  // --- Failing ---

  bool stop_with(ErrorCode code, std::string detail) {
    error_ = Error{code, bytes_.offset() + start_, std::move(detail)};
    return false;
  }
  bool underflow() {
    return stop_with(ErrorCode::kPickleStackUnderflow,
                     name() + (marks_.empty() ? " finds nothing on the stack"
                                              : " finds nothing above the last MARK"));
  }
  bool bad_number() {
    return stop_with(ErrorCode::kPickleBadNumber, name() + " holds no valid number");
  }
  bool bad_string() {
    return stop_with(ErrorCode::kPickleBadString, name() + " holds no valid text");
  }
  bool bad_target(const char* wanted) {
    return stop_with(ErrorCode::kPickleBadTarget, name() + " needs " + wanted);
  }
  [[nodiscard]] std::string name() const { return std::string(opcode_name(opcode_)); }

  // --- Reading operands ---

  /// CPython keeps a frame in a buffer of its own. An operand that starts in the buffer and does
  /// not fit makes it throw the rest of the buffer away and read the operand from behind the frame.
  /// (Only when it reads from a file, as torch does; `pickle.loads` reads straight on.) No writer
  /// makes such a pickle: it is followed to its end, and then refused.
  void leave_frame() {
    if (!crossing_) {
      crossing_ = Error{ErrorCode::kPickleBadFrame, bytes_.offset() + start_,
                        name() + " reaches over the end of its frame"};
    }
    position_ = frame_end_;
  }
  bool need(std::uint64_t length) {
    if (position_ < frame_end_ && length > frame_end_ - position_) leave_frame();
    if (length <= bytes_.size() - position_) return true;
    return stop_with(ErrorCode::kTruncated,
                     name() + " needs " + std::to_string(length) + " bytes, " +
                         std::to_string(bytes_.size() - position_) + " are left");
  }
  template <typename T>
  bool read(T& value) {
    if (!need(sizeof(T))) return false;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }
  /// The bytes after a length of type `T`, still in the file.
  template <typename T>
  bool read_counted(std::string_view& text) {
    T length = 0;
    if (!read(length) || !need(length)) return false;
    if (length > limits_.string_bytes) {
      return stop_with(ErrorCode::kLimitExceeded,
                       name() + " of " + std::to_string(length) + " bytes exceeds string-bytes");
    }
    text = bytes_.text().substr(position_, length);
    position_ += length;
    return true;
  }
  void leave_frame_without_newline() {
    if (position_ >= frame_end_) return;
    const std::string_view rest = bytes_.text().substr(position_, frame_end_ - position_);
    if (rest.find('\n') == std::string_view::npos) leave_frame();
  }
  bool read_line(std::string_view& line) {
    leave_frame_without_newline();
    const std::string_view rest = bytes_.text().substr(position_);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      return stop_with(ErrorCode::kTruncated, name() + ": its line has no end");
    }
    if (end > limits_.string_bytes) {
      return stop_with(ErrorCode::kLimitExceeded,
                       name() + " of " + std::to_string(end) + " bytes exceeds string-bytes");
    }
    line = rest.substr(0, end);
    position_ += end + 1;
    return true;
  }
  /// The line of a module or class name. CPython reads a last line that has no newline, drops its
  /// last character and still imports (and, for INST, calls) the rest before it fails.
  bool read_name(std::string_view& line) {
    leave_frame_without_newline();
    const std::string_view rest = bytes_.text().substr(position_);
    if (rest.find('\n') != std::string_view::npos || rest.size() < 2) {
      if (!read_line(line)) return false;
    } else {
      line = rest.substr(0, rest.size() - 1);
      position_ = bytes_.size();
    }
    return !line.empty() && is_utf8_with_surrogates(line) ? true : bad_string();
  }

  // --- The stack ---

  [[nodiscard]] std::size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  bool push(ObjectId id) {
    if (stack_.size() >= limits_.pickle_stack) {
      return stop_with(ErrorCode::kLimitExceeded,
                       "more values on the stack than pickle-stack allows");
    }
    stack_.push_back(id);
    return true;
  }
  bool pop(ObjectId& id) {
    if (stack_.size() <= fence()) return underflow();
    id = stack_.back();
    stack_.pop_back();
    return true;
  }
  bool top(ObjectId& id) {
    if (stack_.size() <= fence()) return underflow();
    id = stack_.back();
    return true;
  }
  /// Takes the last MARK away; `start` is where its values begin.
  bool pop_mark(std::size_t& start) {
    if (marks_.empty()) {
      return stop_with(ErrorCode::kPickleNoMark, name() + " needs a MARK and there is none");
    }
    start = marks_.back();
    marks_.pop_back();
    return true;
  }
  std::vector<ObjectId> take_from(std::size_t start) {
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(start);
    std::vector<ObjectId> taken(first, stack_.end());
    stack_.resize(start);
    return taken;
  }
  std::vector<std::pair<ObjectId, ObjectId>> take_pairs_from(std::size_t start) {
    std::vector<std::pair<ObjectId, ObjectId>> pairs;
    pairs.reserve((stack_.size() - start) / 2);
    for (std::size_t i = start; i + 1 < stack_.size(); i += 2) {
      pairs.emplace_back(stack_[i], stack_[i + 1]);
    }
    stack_.resize(start);
    return pairs;
  }

  // --- Objects ---

  [[nodiscard]] ByteRange here() const { return {bytes_.offset() + start_, position_ - start_}; }
  /// Room for `count` more objects, or copied references, which cost about as much.
  bool room_for(std::uint64_t count) {
    if (count <= limits_.pickle_objects &&
        tree_.size() + copied_ <= limits_.pickle_objects - count) {
      return true;
    }
    return stop_with(ErrorCode::kLimitExceeded, "more objects than pickle-objects allows");
  }
  template <typename T>
  bool make(T value, ObjectId& id) {
    if (!room_for(1)) return false;
    Object object;
    object.value = std::move(value);
    object.where = here();
    id = tree_.add(std::move(object));
    return true;
  }
  template <typename T>
  bool push_new(T value) {
    ObjectId id = kNoObject;
    return make(std::move(value), id) && push(id);
  }
  /// None, False, True and the empty tuple cannot change: one object each serves the whole pickle.
  template <typename T>
  bool push_shared(ObjectId& shared, T value) {
    if (shared == kNoObject && !make(std::move(value), shared)) return false;
    return push(shared);
  }
  bool push_integer(std::int64_t value) {
    if (integers_.empty()) return push_new(value);
    auto& [kept, id] = integers_[static_cast<std::uint64_t>(value) % kKeptIntegers];
    if (id == kNoObject || kept != value) {
      if (!make(value, id)) return false;
      kept = value;
    }
    return push(id);
  }
  bool push_number(Object number) {
    return std::visit([this](auto& value) { return push_new(std::move(value)); }, number.value);
  }

  // --- Steps with more than one line ---

  bool step();
  bool step_literal(Opcode opcode);
  bool step_memo(Opcode opcode);
  bool step_container(Opcode opcode);
  bool step_call(Opcode opcode);

  bool import_name(std::string_view module, std::string_view name, ObjectId& id);
  bool stack_global();
  bool extension(std::int64_t code);
  /// The object itself when it is an imported name.
  ObjectId imported(ObjectId id) {
    return tree_.contains(id) && object<Object::Global>(id) ? id : kNoObject;
  }
  bool call(Object::How how, ObjectId callable, ObjectId arguments, ObjectId keywords);
  bool fill_from_arguments(Object::Call& call);
  bool build();
  bool note_change(ObjectId target, Object::Call change);
  bool append_to(ObjectId target, std::vector<ObjectId> values, bool to_set);
  [[nodiscard]] bool is_hashable(ObjectId id) const;
  [[nodiscard]] bool is_dict_instance(ObjectId id) const;
  [[nodiscard]] bool may_be_tuple(ObjectId id) const;
  [[nodiscard]] bool is_no_state(ObjectId state) const;
  [[nodiscard]] bool may_be_attributes(ObjectId state) const;
  bool push_tuple(std::vector<ObjectId> items);
  bool keys_are_hashable(const std::vector<std::pair<ObjectId, ObjectId>>& items);
  bool make_dict(std::vector<std::pair<ObjectId, ObjectId>> items);
  bool set_items(ObjectId target, std::vector<std::pair<ObjectId, ObjectId>> items);
  bool store_element(ObjectId target, std::pair<ObjectId, ObjectId> item);

  template <typename T>
  T* object(ObjectId id) {
    return tree_.at(id).as<T>();
  }
  /// An object that exists only while the pickle runs: what it can do is not known here.
  bool is_foreign(ObjectId id) {
    return object<Object::Global>(id) != nullptr || object<Object::Persistent>(id) != nullptr ||
           object<Object::Call>(id) != nullptr;
  }

  ByteView bytes_;
  const Limits& limits_;
  ObjectTree& tree_;
  PickleProgram& program_;

  std::uint64_t position_ = 0;
  std::uint64_t start_ = 0;  ///< of the opcode at work
  std::uint64_t frame_end_ = 0;
  std::uint8_t opcode_ = 0;
  int protocol_ = 0;  ///< of the last PROTO
  std::vector<ObjectId> stack_;
  std::vector<std::size_t> marks_;
  Memo memo_;
  std::unordered_set<ObjectId> tuples_without_hash_;
  std::uint64_t copied_ = 0;
  /// The last integer made of each remainder; empty when each gets an object of its own.
  static constexpr std::uint64_t kKeptIntegers = 4096;
  std::vector<std::pair<std::int64_t, ObjectId>> integers_;
  ObjectId none_ = kNoObject;
  ObjectId false_ = kNoObject;
  ObjectId true_ = kNoObject;
  ObjectId empty_tuple_ = kNoObject;
  std::optional<Error> error_;
  std::optional<Error> crossing_;  ///< the first operand that reached over the end of a frame
};

}  // namespace torchvet
