#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/bytes.h"

namespace torchvet {

struct MappedRange;

/// A file mapped read-only, or bytes held in memory (standard input, tests). Views into it stay
/// valid as long as the Source lives. Nothing is read until a byte is looked at, so opening a file
/// of any size costs the same.
///
/// A file that shrinks while it is mapped would end the process with SIGBUS; `open` installs a
/// handler once that turns the missing pages into zeros and sets `changed_while_read`.
class Source {
 public:
  /// An empty file opens; its view is empty.
  /// Errors: kFileNotFound, kPermissionDenied, kNotAFile (directory, device, pipe), kReadFailed.
  [[nodiscard]] static Result<std::shared_ptr<Source>> open(const std::string& path);
  /// An open file, which is closed with the source. `alone`: it lies in no folder, so that it has
  /// no siblings. Errors: kNotAFile, kReadFailed; the descriptor is closed then, too.
  [[nodiscard]] static Result<std::shared_ptr<Source>> of_descriptor(std::string name,
                                                                     int descriptor, bool alone);
  /// Bytes under a name: what came through standard input, or a test made.
  [[nodiscard]] static std::shared_ptr<Source> from_bytes(std::string name, std::string bytes);

  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] ByteView bytes() const { return bytes_; }

  /// A file in the same folder, by its plain name: one more part of a checkpoint of several files.
  /// It lives as long as this source. A symbolic link that leads out of the folder is followed only
  /// when this file is reached through one too, as all files of a download cache are.
  /// Errors: those of `open`; kUnsafePath for a name that is a path, and for such a link.
  [[nodiscard]] Result<std::shared_ptr<Source>> sibling(const std::string& name);
  /// Names of the regular files, and links to files, in the same folder, sorted. Empty for bytes
  /// and for what stands alone.
  [[nodiscard]] std::vector<std::string> sibling_names() const;
  /// The same of the folders in it.
  [[nodiscard]] std::vector<std::string> sibling_folders() const;

  /// Copies the bytes at an absolute offset without mapping their pages: for single small records
  /// scattered over a large file, where each look through the mapping would bring a neighbourhood
  /// of 64 KiB into the process. False when they are not all there.
  [[nodiscard]] bool read_at(std::uint64_t offset, std::span<std::uint8_t> out) const;

  /// Says that `read_at` will ask for these bytes soon. With many small reads announced first and
  /// done afterwards, a disk serves them side by side instead of one after the other.
  void will_read(ByteRange range) const;

  /// Gives the memory of pages that were looked at back. They stay in the system's cache, and a
  /// look at them brings them back: views stay valid. For files of which much is looked at once.
  void forget_pages() const;

  /// True when the size or modification time of the file, or of a sibling that was opened, is no
  /// longer what it was at `open`.
  [[nodiscard]] bool changed_while_read() const;

 private:
  Source() = default;

  std::string path_;
  ByteView bytes_;
  std::vector<std::shared_ptr<Source>> siblings_;
  std::string held_;                ///< bytes of `from_bytes`
  MappedRange* mapping_ = nullptr;  ///< entry in the table of the SIGBUS handler
  int descriptor_ = -1;
  bool alone_ = true;
  std::int64_t modified_ns_ = 0;
};

}  // namespace torchvet
