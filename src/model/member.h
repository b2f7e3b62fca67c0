#pragma once

#include <cstdint>
#include <string>

#include "core/bytes.h"

namespace torchvet {

/// One member of an archive, as its directory describes it. Nothing of it has been read.
struct Member {
  std::string name;      ///< as stored; with the archive's common prefix
  ByteRange data;        ///< its (compressed) bytes in the file
  std::uint64_t size = 0;             ///< inflated size
  std::uint32_t crc32 = 0;
  std::uint16_t method = 0;           ///< 0 stored, 8 deflated
  std::uint16_t flags = 0;
  std::uint64_t header_offset = 0;    ///< of its local header
};

}  // namespace torchvet
