#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "io/source.h"

namespace torchvet {

/// A file without a name, in the folder for temporary files ($TMPDIR, else /tmp): nobody else can
/// open it, and the system takes it away with its last user, however that ends.
class TemporaryFile {
 public:
  /// Errors: kWriteFailed with the system's reason.
  [[nodiscard]] static Result<TemporaryFile> make();

  ~TemporaryFile();
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;

  /// Errors: kWriteFailed, when the disk is full for one.
  [[nodiscard]] Result<void> append(std::span<const std::uint8_t> bytes);

  /// What was written, to be read under the name of the file that it came from. It has no files
  /// beside it. Errors: kReadFailed.
  [[nodiscard]] Result<std::shared_ptr<Source>> into_source(std::string name) &&;

 private:
  explicit TemporaryFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace torchvet
