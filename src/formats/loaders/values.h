#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "formats/loaders/allowed_names.h"
#include "model/dtype.h"

namespace torchvet {

using LoadedId = std::uint32_t;

enum class LoadedKind : std::uint8_t {
  kNone,
  kBool,    ///< `number`
  kInt,     ///< `number`
  kBigInt,  ///< `text`: two's complement, little-endian, more than 8 bytes
  kFloat,
  kComplex,
  kText,   ///< `text`: UTF-8 in which surrogates may be
  kBytes,  ///< contents not kept
  kByteArray,
  kTuple,  ///< `items`
  kSize,   ///< `items`: torch.Size
  kList,   ///< `items`
  kSet,
  kDict,         ///< `items`: key, value, key, value, ...
  kOrderedDict,  ///< the same
  kCounter,      ///< the same
  kDevice,
  kLayout,   ///< `text`: "torch.strided"
  kStorage,  ///< `number`: index of a storage
  kTensor,   ///< `number`: index of a tensor
  kParameter,
  kGlobal,   ///< `allowed`
  kForeign,  ///< what this machine does not follow: no decision may rest on it
};

/// What becomes of a value that is the key of a dict or the element of a set.
enum class Hash : std::uint8_t {
  kIs,
  kIsNot,    ///< TypeError
  kUnknown,  ///< it depends on an object that is not followed
  kTooMany,  ///< a tuple of tuples with so many elements that the answer is not followed
};

/// What the restricted unpickler has on its stack, as far as a decision can depend on it.
struct Loaded {
  LoadedKind kind = LoadedKind::kNone;
  std::int64_t number = 0;  ///< of a tuple: the values that its hash looks at
  std::string_view text;
  std::vector<LoadedId> items;
  const AllowedName* allowed = nullptr;
  Hash tuple_hash = Hash::kIs;
};

/// A list, a tuple, or a torch.Size, which is a tuple.
[[nodiscard]] bool is_sequence(LoadedKind kind);

/// Whether Python can go through the value: what it says of that needs nothing but its type.
[[nodiscard]] bool is_no_iterable(const Loaded& value);

/// The class as Python prints it, "dict" of <class 'dict'>; empty where the type is not followed.
[[nodiscard]] std::string_view type_name(const Loaded& value);

/// The name as C prints it in "'X' object is not callable": without the module for the classes that are
/// written in Python.
[[nodiscard]] std::string_view short_type_name(const Loaded& value);

struct LoadedStorage {
  DType dtype = DType::kUnknown;
  std::uint64_t bytes = 0;
  bool is_meta = false;
  bool can_grow = false;
};

struct LoadedTensor {
  DType dtype = DType::kUnknown;
  std::vector<std::int64_t> size;
  bool is_meta = false;  ///< made without a storage
};

}  // namespace torchvet
