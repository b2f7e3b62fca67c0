#include "values/inflate.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <memory>

#include "core/checked.h"

namespace torchvet {

Result<ByteView> inflate_member(ByteView compressed, const Member& member, const Limits& limits,
                                std::string& buffer) {
  const std::uint64_t most =
      checked_mul(compressed.size(), limits.inflate_ratio).value_or(UINT64_MAX);
  if (member.size > limits.inflated_bytes || member.size > most) {
    return fail(ErrorCode::kLimitExceeded, compressed.offset(),
                fmt::format("a deflated member of {} bytes claims {} bytes", compressed.size(),
                            member.size));
  }
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> inflater(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  buffer.resize(member.size);
  const libdeflate_result result = libdeflate_deflate_decompress(
      inflater.get(), compressed.data(), compressed.size(), buffer.data(), buffer.size(), nullptr);
  if (result != LIBDEFLATE_SUCCESS) {
    return fail(ErrorCode::kZipBadDeflate, compressed.offset(),
                "the deflated bytes are broken or do not fill the size in the directory");
  }
  return ByteView(reinterpret_cast<const std::uint8_t*>(buffer.data()), buffer.size(),
                  compressed.offset());
}

}  // namespace torchvet
