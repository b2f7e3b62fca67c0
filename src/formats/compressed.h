#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "core/bytes.h"
#include "core/limits.h"
#include "io/source.h"

namespace torchvet {

enum class Compression : std::uint8_t { kGzip, kZstd };
[[nodiscard]] std::string_view name_of(Compression compression);

/// By the first bytes.
[[nodiscard]] std::optional<Compression> compression_of(ByteView file);

/// A path without the ending that says how the file is compressed, ".gz" or ".zst" in any case; the
/// whole path when it has none.
[[nodiscard]] std::string_view without_compression(std::string_view path);

struct Decompressed {
  /// All that was compressed; null when it could not all be had, and `error` says why.
  std::shared_ptr<Source> contents;
  /// kTruncated, kZipBadDeflate for bytes that are no compressed data, kZipChecksum,
  /// kLimitExceeded, kWriteFailed, kReadFailed, kFormatUnsupported for a window of more than 128
  /// MiB (zstd); with contents: kZipStrayBytes for what follows their end. Offsets are those of the
  /// compressed file.
  std::optional<Error> error;
};

/// Decompresses a whole file into a temporary one, with a few MiB of memory (zstd: its window of up
/// to 128 MiB). At most `Limits::decompressed_bytes` come out, and beyond 64 MiB at most
/// `Limits::inflate_ratio` times what went in.
[[nodiscard]] Decompressed decompress(const Source& file, Compression compression,
                                      const Limits& limits);

}  // namespace torchvet
