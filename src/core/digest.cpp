#include "core/digest.h"

#include <fmt/format.h>
#include <openssl/sha.h>
#include <xxhash.h>

namespace torchvet {

std::string to_hex(const Digest& digest) {
  return fmt::format("{:016x}{:016x}", digest.high, digest.low);
}

struct Digester::State {
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> xxh{XXH3_createState(), XXH3_freeState};
};

Digester::Digester() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(state_->xxh.get());
}

Digester::~Digester() = default;

void Digester::update(const void* data, std::size_t size) {
  XXH3_128bits_update(state_->xxh.get(), data, size);
}

Digest Digester::finish() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh.get());
  return {hash.low64, hash.high64};
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  std::string hex;
  for (const unsigned char byte : hash) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace torchvet
