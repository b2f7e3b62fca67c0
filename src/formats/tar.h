#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/limits.h"

namespace torchvet {

/// One member of a tar archive.
struct TarMember {
  std::string name;  ///< without a slash at its end
  char type = '0';   ///< as in its header: '0' a file, '1' and '2' links, '5' a folder
  std::string link;  ///< where a link leads
  std::uint64_t header_offset = 0;  ///< absolute, of its first header block
  std::uint64_t size = 0;           ///< bytes that its header claims
  ByteView data;                    ///< those that the file has: fewer where it is cut off
  bool is_padded = true;            ///< the file has the whole of the last block, too

  /// tarfile takes the end of the file inside the last block for one that is cut off, as well.
  [[nodiscard]] bool is_cut_off() const {
    return has_data() && (data.size() != size || !is_padded);
  }
  /// Links, folders and devices have none, whatever their header claims.
  [[nodiscard]] bool has_data() const { return type < '1' || type > '6'; }

  /// What Python takes for a regular file.
  [[nodiscard]] bool is_file() const { return type == '0' || type == '\0' || type == '7'; }
};

/// Reads the headers of a tar archive one after the other, as Python's tarfile does, which is what
/// torch.load opens it with: POSIX ustar, its PAX headers (path, linkpath, size) and GNU's long
/// names. No data is touched but that of such extra headers.
class TarReader {
 public:
  TarReader(ByteView file, const Limits& limits) : file_(file), limits_(limits) {}

  /// The next member; nothing at the end of the archive, which is a block of zeros, the end of the
  /// file, or, behind the first member, any block that is no header.
  /// Errors: kTarBadHeader when the first block is no header or an extra header is not followed by
  /// one, kTruncated inside an extra header, kLimitExceeded, kFormatUnsupported for what tarfile
  /// reads and this does not (sparse files, numbers in other than octal digits). After an error
  /// there is no next member.
  [[nodiscard]] Result<std::optional<TarMember>> next();

  /// Where the headers ended, relative to the file.
  [[nodiscard]] std::uint64_t position() const { return position_; }

 private:
  struct Extra {
    std::optional<std::string> name, link;
    std::optional<std::uint64_t> size;
  };

  Result<std::optional<TarMember>> end_of_headers(const Extra* extra, std::string why);
  Result<std::string_view> extra_data(std::uint64_t size);
  Result<void> read_pax(std::string_view records, Extra& extra) const;

  ByteView file_;
  const Limits& limits_;
  std::uint64_t position_ = 0;
};

/// Whether Python's tarfile opens a file as an archive: when its first block is a header, or the
/// end of an empty archive. Nothing where that is not certain.
[[nodiscard]] std::optional<bool> opens_as_tar(ByteView file, const Limits& limits);

}  // namespace torchvet
