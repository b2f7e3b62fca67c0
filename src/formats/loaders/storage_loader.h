#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "formats/loaders/outcome.h"
#include "formats/loaders/values.h"

namespace torchvet {

/// What the tuple of a persistent id asks of a loader.
struct StorageQuestion {
  std::string_view key;
  DType dtype = DType::kUnknown;
  std::uint64_t numel = 0;
  std::string_view location;
};

/// The storages of one container, as its loader gives them to the unpickler.
class StorageLoader {
 public:
  virtual ~StorageLoader() = default;

  /// How many items follow "storage" in the tuple: 4, and a view in the stream of before 1.6.
  [[nodiscard]] virtual std::size_t items() const = 0;
  /// Whether a persistent id means anything here: false for the small pickles of a stream.
  [[nodiscard]] virtual bool has_storages() const { return true; }
  /// The storage, or how the load ends.
  [[nodiscard]] virtual std::variant<LoadedStorage, LoadOutcome> load(
      const StorageQuestion& question) = 0;
};

/// How torch.load without map_location ends at the location of a storage, on a machine that has a
/// CPU and nothing else; nothing when it goes on.
[[nodiscard]] std::optional<LoadOutcome> refusal_of_location(std::string_view location);

}  // namespace torchvet
