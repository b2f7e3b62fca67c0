#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "formats/loaders/read_budget.h"
#include "formats/loaders/storage_loader.h"
#include "formats/loaders/values.h"

namespace torchvet {

/// Why it is not decided what a call does.
[[nodiscard]] std::string form_of(std::string_view function);

/// torch's restricted unpickler over one pickle, as an abstract machine: the same opcodes, checks
/// and exceptions in the same order, on values that carry only what a check can depend on. Nothing
/// is imported or called. Where torch would do something that is not followed here, the outcome is
/// undecided: never a guess.
class RestrictedUnpickler {
 public:
  RestrictedUnpickler(ByteView bytes, TorchRelease release, const Limits& limits,
                      StorageLoader& storages);

  /// How the load of this pickle ends. The bytes must outlive this.
  [[nodiscard]] LoadOutcome run();
  /// After success: what it built, and how many bytes it took.
  [[nodiscard]] const Loaded& result() const { return values_[result_]; }
  [[nodiscard]] const Loaded& at(LoadedId id) const { return values_[id]; }
  [[nodiscard]] std::uint64_t length() const { return position_; }

 private:
  // Ends. Once `end_` is set nothing below changes anything that matters.
  void fail(std::string_view exception, std::string_view message,
            LoadProblem problem = LoadProblem::kOther);
  /// The restricted unpickler itself says no to what an opcode is used for.
  void refuse(std::string_view message) {
    fail("UnpicklingError", message, LoadProblem::kConstruct);
  }
  void leave(std::string why, LoadProblem problem = LoadProblem::kOther);
  /// To be asked before the contents of a value are gone through for a call.
  bool may_read(std::size_t entries);

  // The stream (weights_only.cpp).
  std::string_view take(std::uint64_t count);
  std::string_view take_line();
  std::optional<std::uint8_t> byte();
  std::optional<std::uint64_t> number(unsigned bytes);
  void step(std::uint8_t code);
  void push_number(std::uint8_t code);
  void push_text(std::uint64_t length, bool surrogates);
  void push_global();

  // The stack.
  LoadedId add(Loaded value);
  void push(LoadedKind kind) { push_value({kind, 0, {}, {}, nullptr}); }
  void push_value(Loaded value);
  LoadedId pop();
  LoadedId top();
  std::vector<LoadedId> pop_mark();
  void make_tuple(std::size_t count);
  void push_tuple(std::vector<LoadedId> items);
  void put(std::optional<std::uint64_t> index);
  void get(std::optional<std::uint64_t> index);

  // What opcodes do to objects (weights_only_objects.cpp).
  void append(std::uint8_t code);
  void set_items(std::uint8_t code);
  void persistent();
  void new_object();
  void reduce();
  void build();
  void set_tensor(LoadedId state);
  void set_parameter(LoadedId state);
  void update_attributes(LoadedId state);
  [[nodiscard]] const LoadedTensor* tensor_at(LoadedId id) const;
  void set_slots(LoadedId target, LoadedId state);
  [[nodiscard]] Hash hash_of(LoadedId id) const;
  bool can_be_key(LoadedId id);
  std::optional<bool> truth(LoadedId id) const;

  // What the functions of the table do (weights_only_calls.cpp, weights_only_tensors.cpp).
  using Arguments = const std::vector<LoadedId>&;
  Loaded call(const AllowedName& name, Arguments arguments);
  Loaded call_class(const AllowedName& name, Arguments arguments);
  Loaded make_ordered_dict(Arguments arguments);
  Loaded make_set(Arguments arguments);
  Loaded encode(Arguments arguments, LoadedKind made);
  Loaded make_parameter(Arguments arguments);
  Loaded make_size(Arguments arguments);
  Loaded make_device(Arguments arguments);
  Loaded layout(Arguments arguments);
  Loaded rebuild_tensor(const AllowedName& name, Arguments arguments);
  Loaded rebuild_parameter(const AllowedName& name, Arguments arguments);
  Loaded rebuild_from_type(Arguments arguments);
  Loaded rebuild_sparse(Arguments arguments);
  Loaded rebuild_compressed(std::string_view layout, const Loaded& data);
  Loaded rebuild_nested(Arguments arguments);
  Loaded rebuild_meta(Arguments arguments);
  Loaded rebuild_quantized(Arguments arguments);
  [[nodiscard]] bool is_known_quantizer(const Loaded& quantizer,
                                        const std::vector<std::int64_t>& size) const;
  // Classes of tensors (weights_only_tensor_types.cpp).
  struct TensorType {
    DType dtype = DType::kUnknown;
    bool is_any = false;  ///< torch.Tensor
    bool is_sparse = false;
  };
  Loaded call_tensor_type(const AllowedName& name, Arguments arguments);
  Loaded made_of(const TensorType& type, std::vector<std::int64_t> size);
  Loaded tensor_of_sizes(const TensorType& type, Arguments sizes);
  Loaded tensor_of_shape(const TensorType& type, std::vector<std::int64_t> numbers);
  Loaded sparse_of(const AllowedName& name, const TensorType& type, LoadedId from);
  Loaded tensor_of_data(const AllowedName& name, const TensorType& type, LoadedId from);
  Loaded tensor_of_elements(const AllowedName& name, const TensorType& type, LoadedId from);
  bool fits_signature(std::string_view function, std::size_t given, std::size_t least,
                      std::size_t most);
  std::optional<std::vector<std::int64_t>> whole_numbers(LoadedId id) const;
  bool are_hooks(LoadedId id) const;
  bool is_plain_state(LoadedId id);
  void set_storage(const LoadedStorage& storage, DType dtype, std::int64_t offset,
                   const std::vector<std::int64_t>& size, const std::vector<std::int64_t>& stride);
  Loaded tensor(DType dtype, std::vector<std::int64_t> size);

  ByteView bytes_;
  TorchRelease release_;
  const Limits& limits_;
  StorageLoader& storages_;
  std::uint64_t position_ = 0;
  std::uint64_t opcodes_ = 0;
  ReadBudget budget_;
  std::optional<LoadOutcome> end_;
  std::vector<Loaded> values_;
  std::vector<LoadedId> stack_;
  std::vector<std::vector<LoadedId>> marks_;
  std::unordered_map<std::uint64_t, LoadedId> memo_;
  std::vector<LoadedStorage> loaded_;
  std::vector<LoadedTensor> tensors_;
  LoadedId result_ = 0;
};

}  // namespace torchvet
