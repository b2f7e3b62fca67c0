#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

namespace torchvet {

/// A generator whose numbers depend on nothing but its seed, on every machine (splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

 private:
  std::uint64_t state_;
};

inline std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

/// Changes one place: to a random byte, a flipped bit, a byte at an edge or an opcode that does a
/// lot, or a number of 4 or 8 bytes at an edge. `bytes` must not be empty.
inline void change_once(std::string& bytes, Random& random) {
  static constexpr unsigned char kEdges[] = {0, 1, 0x7f, 0x80, 0xff, '.', '(', 'R', 'Q', 't'};
  const std::uint64_t at = random.below(bytes.size());
  switch (random.below(4)) {
    case 0:
      bytes[at] = static_cast<char>(random.next());
      return;
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      return;
    case 2:
      bytes[at] = static_cast<char>(kEdges[random.below(std::size(kEdges))]);
      return;
    default:
      break;
  }
  const std::uint64_t size = bytes.size();
  const std::uint64_t numbers[] = {0,          1,        0x7fffffff, 0x80000000,     0xffffffff,
                                   size - 1,   size,     size + 1,   UINT64_MAX,     1ull << 32,
                                   1ull << 62, size / 2, 0xffff,     UINT64_MAX / 2, 0x10000};
  const std::uint64_t number = numbers[random.below(std::size(numbers))];
  const std::size_t width = random.below(2) ? 4 : 8;
  std::memcpy(bytes.data() + at, &number, std::min<std::size_t>(width, size - at));
}

/// The copy number `number` of `whole`, changed at 1, 2, 4 or 8 places.
inline std::string changed(const std::string& whole, std::uint64_t seed, std::uint64_t number) {
  if (whole.empty()) return whole;
  Random random(seed ^ (number * 0x9e3779b97f4a7c15u));
  std::string bytes = whole;
  const std::uint64_t times = 1ull << random.below(4);
  for (std::uint64_t i = 0; i < times; ++i) change_once(bytes, random);
  return bytes;
}

}  // namespace torchvet
