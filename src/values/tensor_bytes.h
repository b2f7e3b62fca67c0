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

/// Why the values of a tensor cannot be had when its storage is not in the file.
inline constexpr std::string_view kAbsent = "the file does not hold its bytes";

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
  std::shared_ptr<const std::string> held;
  /// They are inflated while they are read, by `TensorOpener::read` alone.
  bool streamed = false;
};

/// Opens the tensors of an artifact, one after the other in the order of `reading_order`.
///
/// A deflated storage is read as a stream, which goes on where the tensor before ended, and begins
/// anew for one that lies before that. For a tensor whose elements jump back in the storage
/// (transposed, expanded, overlapping itself) the whole storage is inflated, up to
/// `Limits::inflated_bytes`, and held until a tensor of another storage is opened. Together no more
/// is inflated than `allowed_bytes` of the file.
class TensorOpener {
 public:
  TensorOpener(const Artifact& artifact, const Limits& limits);
  ~TensorOpener();

  /// The error says, for people, why the values cannot be read.
  [[nodiscard]] tl::expected<TensorBytes, std::string> open(const Tensor& tensor);

  /// Inflates a part of the tensor that was opened last, which is streamed; parts are to be asked
  /// for in ascending order.
  [[nodiscard]] tl::expected<void, std::string> read(const TensorBytes& tensor, std::uint64_t at,
                                                     std::uint64_t size, std::uint8_t* to);

  /// Ends with the storage that is open: inflates what no tensor reached, as only the end of a
  /// stream tells whether it holds what its archive says.
  void close();

  /// Deflated storages of which something is wrong, each once and with its member, as far as it was
  /// seen. Whoever opened a tensor of one was told as well, except of what shows only at its end.
  [[nodiscard]] const std::vector<Fault>& faults() const { return faults_; }

  /// Ends, and adds the faults to the artifact, with the gaps that they leave; those that it has
  /// already are not repeated.
  void tell(Artifact& artifact);

  /// Why a tensor has no storage that could be opened; empty when it has one.
  [[nodiscard]] static std::string_view without_storage(const Artifact& artifact,
                                                        const Tensor& tensor);

 private:
  struct OpenStorage;

  void open_storage(const Storage& storage);
  void open_deflated(const Storage& storage);
  void give_up(const Error& error);
  [[nodiscard]] Result<void> spend(std::uint64_t inflated);
  [[nodiscard]] std::string stream_from(const StorageSpan& span);
  [[nodiscard]] std::string hold();

  const Artifact& artifact_;
  const Limits& limits_;
  std::uint64_t inflated_left_;
  std::optional<StorageId> opened_;
  std::unique_ptr<OpenStorage> open_;
  std::vector<Fault> faults_;
};

}  // namespace torchvet
