#pragma once

#include <cstdint>
#include <functional>

#include "core/bytes.h"
#include "model/tensor.h"

namespace torchvet {

/// Elements of one block handed out by `for_each_block`: a multiple of 16 except in the last block,
/// so that whoever looks at groups of 16 logical elements never has to join two blocks.
inline constexpr std::uint64_t kBlockBytes = 64ull * 1024;

/// Called with the bytes of the next logical elements, little-endian, row by row. They lie in the
/// mapped file or in a scratch buffer and are valid during the call only; they may be unaligned.
using BlockSink = std::function<void(const std::uint8_t* bytes, std::uint64_t size)>;

/// Hands out the values of a strided tensor in logical (row-major) order: the bytes that
/// `tensor.resolve_conj().resolve_neg().contiguous()` would have in memory. A contiguous tensor is
/// passed straight from `storage`; any other is gathered block by block, so memory stays bounded
/// whatever the tensor claims. Preconditions: `elements_reached()` has a value, and that many
/// elements lie inside `storage`.
void for_each_block(const Tensor& tensor, ByteView storage, bool big_endian, const BlockSink& sink);

}  // namespace torchvet
