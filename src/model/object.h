#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/boxed.h"
#include "core/bytes.h"
#include "model/storage.h"

namespace torchvet {

using ObjectId = std::uint32_t;
inline constexpr ObjectId kNoObject = UINT32_MAX;

/// Module of the stand-in for what EXT1, EXT2 and EXT4 take from the registry of `copyreg`; its
/// name is the code.
inline constexpr std::string_view kExtensionModule = "copyreg.extension";

/// Whether a call of this name makes a dict of the standard library: OrderedDict, defaultdict,
/// Counter, or dict itself.
[[nodiscard]] bool is_dict_type(std::string_view module, std::string_view name);

/// What a pickle builds, without building it: a graph of plain values. Objects are kept in one
/// arena and refer to each other by id, so sharing and cycles are kept and nothing recurses.
///
/// A checkpoint may have millions of them, nearly all numbers, tuples, dicts and calls: what is
/// larger than those lies in a box of its own, so that each takes 48 bytes.
struct Object {
  struct None {};
  struct BigInt {
    std::string decimal;  ///< too large for 64 bits; digits, or "0x..." when very long
  };
  struct Bytes {
    std::string data;
    bool is_array = false;  ///< a bytearray
  };
  struct List {
    std::vector<ObjectId> items;
  };
  struct Tuple {
    std::vector<ObjectId> items;
  };
  /// set or frozenset
  struct Set {
    std::vector<ObjectId> items;
    bool frozen = false;
  };
  /// A dict that the pickle makes with EMPTY_DICT or DICT.
  struct Dict {
    std::vector<std::pair<ObjectId, ObjectId>> items;
  };
  /// An imported name, with Python 2 spellings mapped to today's ("__builtin__" to "builtins").
  struct Global {
    std::string module;
    std::string name;
    /// The pickle computes the name by a call; module and name are renderings of that.
    bool computed = false;
  };
  /// The opcode that calls. kChange calls nothing new: BUILD, APPENDS, SETITEMS or ADDITEMS on what
  /// exists before the pickle runs, such as an imported class; `callable` is what is changed.
  enum class How : std::uint8_t { kReduce, kNewObject, kNewObjectEx, kInstance, kObject, kChange };
  /// The result of a call that was not made: which callable, its arguments, and what the pickle
  /// then does to the result (BUILD, APPENDS, SETITEMS, ADDITEMS).
  struct Call {
    How how = How::kReduce;
    ObjectId callable = kNoObject;
    ObjectId arguments = kNoObject;  ///< a tuple, where the pickle is sane
    ObjectId state = kNoObject;      ///< argument of the last BUILD

    /// For NEWOBJ_EX.
    [[nodiscard]] ObjectId keyword_arguments() const { return more().keyword_arguments; }
    [[nodiscard]] const std::vector<ObjectId>& appended() const { return more().appended; }
    [[nodiscard]] const std::vector<std::pair<ObjectId, ObjectId>>& items() const {
      return more().items;
    }

    /// What most calls do not have.
    struct More {
      ObjectId keyword_arguments = kNoObject;
      std::vector<ObjectId> appended;
      std::vector<std::pair<ObjectId, ObjectId>> items;
    };
    [[nodiscard]] const More& more() const {
      static const More kNothing;
      return boxed_more.get() ? *boxed_more.get() : kNothing;
    }
    Boxed<More> boxed_more;
  };
  /// Persistent id that no reader has resolved.
  struct Persistent {
    ObjectId id = kNoObject;
  };
  struct TensorRef {
    TensorId tensor = 0;
  };
  struct StorageRef {
    StorageId storage = 0;
  };

  /// The value as a `T`; null when it is something else.
  template <typename T>
  [[nodiscard]] const T* as() const {
    if constexpr (kIsBoxed<T>) {
      const Boxed<T>* box = std::get_if<Boxed<T>>(&value);
      return box ? box->get() : nullptr;
    } else {
      return std::get_if<T>(&value);
    }
  }
  template <typename T>
  [[nodiscard]] T* as() {
    return const_cast<T*>(std::as_const(*this).as<T>());
  }

  template <typename T>
  static constexpr bool kIsBoxed =
      std::is_same_v<T, BigInt> || std::is_same_v<T, std::string> || std::is_same_v<T, Bytes> ||
      std::is_same_v<T, Set> || std::is_same_v<T, Global>;

  std::variant<None, bool, std::int64_t, double, Boxed<BigInt>, Boxed<std::string>, Boxed<Bytes>,
               List, Tuple, Boxed<Set>, Dict, Boxed<Global>, Call, Persistent, TensorRef,
               StorageRef>
      value;
  ByteRange where;  ///< the opcode that made it
};
static_assert(sizeof(Object) == 48);

/// All objects of an artifact, with typed look-ups that never fail loudly: a wrong id or a wrong
/// type is a null pointer or an empty result.
class ObjectTree {
 public:
  ObjectId add(Object object);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const Object& at(ObjectId id) const { return blocks_[id / kBlock][id % kBlock]; }
  [[nodiscard]] Object& at(ObjectId id) { return blocks_[id / kBlock][id % kBlock]; }
  [[nodiscard]] bool contains(ObjectId id) const { return id < size_; }

  template <typename T>
  [[nodiscard]] const T* as(ObjectId id) const {
    return contains(id) ? at(id).as<T>() : nullptr;
  }

  /// The text of a str object.
  [[nodiscard]] std::optional<std::string_view> text(ObjectId id) const;
  [[nodiscard]] std::optional<std::int64_t> integer(ObjectId id) const;
  /// A float, or an integer as a float.
  [[nodiscard]] std::optional<double> number(ObjectId id) const;

  /// Key and value pairs of anything that acts like a dict: a dict, or a call of OrderedDict,
  /// defaultdict, Counter or an unknown dict subclass, with the items the pickle set on it.
  /// Null when it is none.
  [[nodiscard]] const std::vector<std::pair<ObjectId, ObjectId>>* mapping(ObjectId id) const;
  /// Elements of a list or tuple, of a call that items were appended to, or of the list inside
  /// `torch.Size(...)` and TorchScript's `build_intlist(...)`. Null when it is none.
  [[nodiscard]] const std::vector<ObjectId>* sequence(ObjectId id) const;
  /// The value under a str key of a mapping; kNoObject when there is none. The last one wins.
  [[nodiscard]] ObjectId get(ObjectId mapping_id, std::string_view key) const;
  /// "module.name" of the callable of a call, or of a Global itself; empty when it is neither.
  [[nodiscard]] std::string qualified_name(ObjectId id) const;
  /// The attributes of an instance: the state of its BUILD as a mapping (the first of a
  /// (dict, slots) pair). kNoObject when there is none.
  [[nodiscard]] ObjectId attributes(ObjectId id) const;

  /// A short Python-like rendering for evidence: "('echo hi',)". Nested values are cut.
  [[nodiscard]] std::string render(ObjectId id, std::size_t limit = 200) const;

 private:
  /// Full blocks never move: growing by millions of objects copies none of them.
  static constexpr std::size_t kBlock = 4096;
  std::vector<std::vector<Object>> blocks_;
  std::size_t size_ = 0;
};

}  // namespace torchvet
