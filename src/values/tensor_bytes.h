#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <tuple>
#include <vector>

#include "core/limits.h"
#include "model/artifact.h"
#include "values/logical_bytes.h"

namespace torchvet {

/// Everything in one artifact that the values of a tensor depend on, its name apart.
using View = std::tuple<std::optional<StorageId>, DType, std::int64_t, std::vector<std::int64_t>,
                        std::vector<std::int64_t>, bool, bool>;
[[nodiscard]] View view_of(const Tensor& tensor);

/// Logical bytes that may be walked when the storages have `stored` bytes: `ratio` times as many
/// (`Limits::value_ratio`), and a quarter of a GiB in any case.
[[nodiscard]] std::uint64_t allowed_bytes(std::uint64_t stored, std::uint64_t ratio);

/// The values of one tensor, and what keeps them alive when they are not in the mapped file.
struct TensorBytes {
  LogicalBytes logical;
  /// Of the logical bytes; UINT64_MAX when they are more. A view with stride 0 names one element a
  /// billion times: to be bounded before any of it is read.
  std::uint64_t size = 0;
  std::shared_ptr<const std::string> inflated;
};

/// Opens the tensors of an artifact. A deflated storage is inflated when the first of its tensors
/// is opened and let go when one of another storage is, so ask for them storage by storage.
class TensorOpener {
 public:
  TensorOpener(const Artifact& artifact, const Limits& limits)
      : artifact_(artifact), limits_(limits) {}

  /// The error says, for people, why the values cannot be read.
  [[nodiscard]] tl::expected<TensorBytes, std::string> open(const Tensor& tensor);

  /// Why a tensor has no storage that could be opened; empty when it has one.
  [[nodiscard]] static std::string_view without_storage(const Artifact& artifact,
                                                        const Tensor& tensor);

 private:
  [[nodiscard]] Result<ByteView> open_storage(const Storage& storage);

  const Artifact& artifact_;
  const Limits& limits_;
  std::optional<StorageId> opened_;
  Result<ByteView> open_;
  std::shared_ptr<const std::string> inflated_;
};

}  // namespace torchvet
