#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "model/dtype.h"
#include "model/object.h"
#include "model/storage.h"
#include "model/value_facts.h"

namespace torchvet {

enum class TensorRole : std::uint8_t {
  kOther,        ///< anywhere in an object tree, purpose unknown
  kParameter,    ///< registered parameter, or an entry of a state_dict that is not buffer-like
  kBuffer,       ///< registered buffer, or a state_dict entry named like one
  kConstant,     ///< constant of a graph
  kAttribute,    ///< plain tensor attribute of a module
  kOptimizer,    ///< slot of an optimizer
  kExampleInput  ///< example input kept beside a traced graph
};

enum class Layout : std::uint8_t { kStrided, kSparse, kNested, kMeta, kWrapper };

/// One tensor object. Sizes, strides and the offset are in elements, as torch counts them.
struct Tensor {
  /// Where it hangs in the artifact: keys joined by dots, list positions and integer keys in
  /// brackets: "model.fc.weight", "optimizer.state[0].exp_avg". The first path when several lead
  /// to the same object; the others are in `aliases`.
  std::string object_path;
  std::vector<std::string> aliases;
  DType dtype = DType::kUnknown;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  std::int64_t storage_offset = 0;
  std::optional<StorageId> storage;  ///< none: meta, wrapper subclass, or a broken reference
  bool requires_grad = false;
  bool is_parameter = false;  ///< an nn.Parameter object
  bool conjugate = false;     ///< the values are the conjugate of the bytes
  bool negative = false;      ///< the values are the negative of the bytes
  /// Of a sparse tensor: an element may be named more than once, and is the sum of what is named.
  bool uncoalesced = false;
  TensorRole role = TensorRole::kOther;
  Layout layout = Layout::kStrided;
  std::string device;              ///< location of its storage, else what the file says
  std::optional<MemberId> member;  ///< pickle that describes it
  ByteRange where;                 ///< the bytes in that pickle that do
  /// What a tensor that is more than one block of bytes is made of, and attributes set on it:
  /// ".indices" and ".values" of a sparse tensor; "" for a dict of attributes. Each is appended to
  /// the tensor's own path.
  std::vector<std::pair<std::string, ObjectId>> parts;
  std::optional<ValueFacts> values;  ///< filled by the value pass, when a rule asked

  /// Product of the shape; nothing when it does not fit into 64 bits or a size is negative.
  [[nodiscard]] std::optional<std::uint64_t> element_count() const;
  /// Elements of the storage that the tensor reaches: offset + 1 + sum((size - 1) * stride), 0 for
  /// an empty tensor; nothing on overflow or a negative number.
  [[nodiscard]] std::optional<std::uint64_t> elements_reached() const;
};

/// Strides of a row-major tensor of this shape. A size of 0 counts as 1, as in torch; a stride that
/// does not fit into 64 bits is 0.
[[nodiscard]] std::vector<std::int64_t> row_major_strides(const std::vector<std::int64_t>& shape);

}  // namespace torchvet
