#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"
#include "formats/loaders/libtorch_names.h"
#include "formats/loaders/outcome.h"
#include "formats/loaders/read_budget.h"
#include "formats/torchscript_classes.h"
#include "model/dtype.h"

namespace torchvet {

/// How LibTorch is to read a pickle.
struct LibtorchReading {
  /// How the load ends at the record of a storage, by its key; nothing where it can be read.
  using RefusalOfRecord = std::function<std::optional<LoadOutcome>(std::string_view key)>;
  enum class Root : std::uint8_t { kAny, kTuple, kModule };

  RefusalOfRecord refusal_of_record;
  /// Those of the program by their qualified names; null where no program is at hand, so that no name
  /// but LibTorch's own is known.
  const ScriptClasses* classes = nullptr;
  Root root = Root::kAny;  ///< what the pickle is to build
};

/// The unpickler of LibTorch over one pickle, as an abstract machine: the same opcodes, checks and
/// exceptions in the same order, on values that carry only what a check can depend on. Where
/// LibTorch would do something that is not followed here, the outcome is undecided.
class LibtorchUnpickler {
 public:
  LibtorchUnpickler(ByteView bytes, const Limits& limits, LibtorchReading reading);

  /// How the load of this pickle ends. The bytes must outlive this.
  [[nodiscard]] LoadOutcome run();

  /// Where the opcode begins that was read last, in the file.
  [[nodiscard]] std::uint64_t offset() const { return bytes_.offset() + start_; }

  /// What is wrong there, where the text of the exception does not name it; else empty.
  [[nodiscard]] const std::string& cause() const { return cause_; }

 private:
  using Id = std::uint32_t;

  /// As c10::IValue tells its values apart.
  enum class Kind : std::uint8_t {
    kNone,
    kBool,    ///< `number`
    kInt,     ///< `number`
    kDouble,
    kComplexDouble,
    kString,       ///< `text`
    kTuple,        ///< `items`
    kGenericList,  ///< `element`
    kGenericDict,  ///< `items`: key, value, key, value, ...
    kTensor,       ///< `dtype`; `number`: bytes of its storage
    kDevice,
    kObject,  ///< `type`; `items`: the values of its attributes, in their order
    kEnum,
  };
  enum class Element : std::uint8_t { kAny, kInt, kTensor, kDouble, kBool };

  struct Value {
    Kind kind = Kind::kNone;
    std::int64_t number = 0;
    std::string_view text;
    std::vector<Id> items;
    Element element = Element::kAny;
    DType dtype = DType::kUnknown;
    std::uint32_t depth = 0;    ///< of the containers in it
    bool is_contained = false;  ///< in another container
    const ScriptClass* type = nullptr;
  };

  /// LibTorch takes a container apart by recursion, and dies where that is too deep.
  static constexpr std::uint32_t kDeepest = 5'000;

  using Function = LibtorchFunction;
  /// What stands behind a number on the stack: a name that was looked up.
  struct Callee {
    Function function;
    const ScriptClass* type = nullptr;  ///< of which an object is made; null: one that torch registers
    std::string_view class_name = {};
  };

  // Ends. Once `end_` is set nothing below changes anything that matters.
  void fail(std::string_view message, LoadProblem problem = LoadProblem::kConstruct);
  void leave(std::string why);
  bool may_read(std::size_t entries);

  // The stream (libtorch_unpickler.cpp).
  std::string_view read(std::uint64_t count);
  std::optional<std::uint64_t> number(unsigned bytes);
  std::string_view read_string(std::uint64_t length);
  std::string_view read_line();
  void step(std::uint8_t code);

  // The stack.
  static Value of(Kind kind, std::int64_t number = 0);
  static std::string_view name_of(Kind kind);
  Id add(Value value);
  void push(Value value);
  Id pop();
  void put(std::optional<std::uint64_t> index);
  void get(std::optional<std::uint64_t> index);
  void make_tuple(std::size_t count);
  void push_tuple(std::size_t start);
  void contain(Id container, Id item);
  std::optional<std::size_t> pop_mark();
  void append(Id list, std::size_t start);
  void set_items(Id dict, std::size_t start);

  // What is asked of a value; the message of the exception is that of c10::IValue.
  bool expect(Id id, Kind kind);
  std::optional<std::int64_t> integer(Id id);
  Id element(Id tuple, std::size_t index);

  // Names and what they do (libtorch_calls.cpp).
  void push_global(std::string_view module, std::string_view name);
  void push_function(Callee callee);
  void push_class(std::string_view module, std::string_view name);
  bool push_enumeration(std::string_view name);
  void call(std::uint64_t index);
  void run_function(std::uint64_t index);
  void build_list(Element element);
  void restore_type_tag();
  void rebuild_from_type(std::uint64_t index);
  void make_complex();

  // The objects of a program (libtorch_objects.cpp).
  void make_object(const Callee& maker);
  void check_root();
  void check_submodules(Id root);

  // Tensors (libtorch_tensors.cpp).
  void persistent();
  /// The type of a device as its text names it; nothing when the load ends there.
  std::optional<std::string_view> device_type(Id text);
  void move_to(std::string_view type, std::string_view device);
  std::optional<std::vector<std::int64_t>> integers(Id tuple);
  void rebuild_tensor(bool quantized);
  void rebuild_parameter();
  bool may_require_gradients(Id flag, DType dtype);
  bool check_quantizer(Id quantizer, DType dtype);
  bool set_metadata(Id metadata, DType dtype);

  ByteView bytes_;
  const Limits& limits_;
  LibtorchReading reading_;
  std::uint64_t start_ = 0;  ///< of the opcode
  std::uint64_t position_ = 0;
  std::uint64_t buffered_until_ = 0;  ///< LibTorch reads 256 bytes at a time
  std::uint64_t opcodes_ = 0;
  ReadBudget budget_;
  std::optional<LoadOutcome> end_;
  std::string cause_;
  std::vector<Value> values_;
  std::vector<Id> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Id> memo_;
  std::uint64_t memo_size_ = 0;
  std::vector<Callee> functions_;
  int names_to_skip_ = 0;  ///< of the two that follow torch._tensor._rebuild_from_type_v2
};

}  // namespace torchvet
