#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/bytes.h"

namespace torchvet {

/// 128 bits that are equal for equal bytes: XXH3, fast and not cryptographic. Used to compare the
/// values of tensors, never to trust a file.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

/// Thirty-two lower-case hexadecimal digits, high half first.
[[nodiscard]] std::string to_hex(const Digest& digest);

/// Incremental form of the digest: the result depends only on the bytes, not on how they were cut.
class Digester {
 public:
  Digester();
  ~Digester();
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;
  void update(const void* data, std::size_t size);
  [[nodiscard]] Digest finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// sha256 in lower-case hexadecimal: the cryptographic one, for fingerprints and whole files.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace torchvet
