// Types of at most 8 bits have so few values that a pass over them only counts how often each byte
// occurs; the tables of what the bytes mean are made while compiling.
//
// Sources: the Open Compute Project's OFP8 and MX formats, and torch/headeronly/util/Float8_*.h and
// Float4_e2m1fn_x2.h. Of packed types the lowest bits of a byte come first, as torch packs them.
#include "values/byte_codes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace torchvet {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// What a small floating-point type does with its largest codes.
enum class Specials : std::uint8_t {
  kInfinityAndNan,  ///< as IEEE 754: the top exponent holds infinity and NaN
  kNanOnly,         ///< "fn": only the all-ones code is NaN
  kNegativeZero,    ///< "fnuz": the code of negative zero is the one NaN
  kNone,            ///< every code is a finite number
};

constexpr float scaled(float value, int exponent) {
  for (; exponent < 0; ++exponent) value /= 2;
  for (; exponent > 0; --exponent) value *= 2;
  return value;
}

/// A number of sign, exponent and mantissa in the lowest `bits` of `code`.
constexpr CodeMeaning small_float(int code, int bits, int exponent_bits, int bias,
                                  Specials specials) {
  const int mantissa_bits = bits - 1 - exponent_bits;
  const int top = (1 << exponent_bits) - 1;
  const int sign = 1 << (bits - 1);
  const int exponent = (code >> mantissa_bits) & top;
  const int mantissa = code & ((1 << mantissa_bits) - 1);
  const bool implicit_one = exponent > 0;
  float value = scaled(static_cast<float>(mantissa + (implicit_one ? 1 << mantissa_bits : 0)),
                       (implicit_one ? exponent : 1) - bias - mantissa_bits);
  if (specials == Specials::kInfinityAndNan && exponent == top) {
    value = mantissa == 0 ? kInfinity : kNan;
  } else if (specials == Specials::kNanOnly && (code & (sign - 1)) == sign - 1) {
    value = kNan;
  } else if (specials == Specials::kNegativeZero && code == sign) {
    value = kNan;
  }
  const bool subnormal = exponent == 0 && mantissa != 0;
  return {(code & sign) != 0 ? -value : value, subnormal};
}

constexpr std::array<CodeMeaning, 256> float8(int exponent_bits, int bias, Specials specials) {
  std::array<CodeMeaning, 256> table{};
  for (int code = 0; code < 256; ++code) {
    table[static_cast<std::size_t>(code)] = small_float(code, 8, exponent_bits, bias, specials);
  }
  return table;
}

/// Powers of two, 2^(code - 127); 255 is NaN. No zero, no sign, and nothing below normal.
constexpr std::array<CodeMeaning, 256> powers_of_two() {
  std::array<CodeMeaning, 256> table{};
  for (int code = 0; code < 255; ++code) {
    table[static_cast<std::size_t>(code)].value = scaled(1.0f, code - 127);
  }
  table[255].value = kNan;
  return table;
}

constexpr std::array<CodeMeaning, 512> float4_pairs() {
  std::array<CodeMeaning, 512> table{};
  for (std::size_t code = 0; code < 256; ++code) {
    for (std::size_t part = 0; part < 2; ++part) {
      table[2 * code + part] =
          small_float(static_cast<int>(code >> (4 * part)) & 15, 4, 2, 1, Specials::kNone);
    }
  }
  return table;
}

/// Unsigned integers of 8 / kParts bits.
template <std::size_t kParts>
constexpr std::array<CodeMeaning, 256 * kParts> unsigned_parts() {
  constexpr std::size_t kBits = 8 / kParts;
  std::array<CodeMeaning, 256 * kParts> table{};
  for (std::size_t at = 0; at < table.size(); ++at) {
    const std::size_t code = at / kParts, part = at % kParts;
    table[at].value = static_cast<float>((code >> (kBits * part)) & ((1u << kBits) - 1));
  }
  return table;
}

constexpr std::array<CodeMeaning, 256> signed_bytes() {
  std::array<CodeMeaning, 256> table{};
  for (int code = 0; code < 256; ++code) {
    table[static_cast<std::size_t>(code)].value =
        static_cast<float>(code < 128 ? code : code - 256);
  }
  return table;
}

constexpr std::array<CodeMeaning, 256> truths() {
  std::array<CodeMeaning, 256> table{};
  for (std::size_t code = 1; code < 256; ++code) table[code].value = 1;
  return table;
}

constexpr auto kE4m3fn = float8(4, 7, Specials::kNanOnly);
constexpr auto kE5m2 = float8(5, 15, Specials::kInfinityAndNan);
constexpr auto kE4m3fnuz = float8(4, 8, Specials::kNegativeZero);
constexpr auto kE5m2fnuz = float8(5, 16, Specials::kNegativeZero);
constexpr auto kE8m0fnu = powers_of_two();
constexpr auto kE2m1Pairs = float4_pairs();
constexpr auto kSigned = signed_bytes();
constexpr auto kUnsigned = unsigned_parts<1>();
constexpr auto kNibbles = unsigned_parts<2>();
constexpr auto kQuarters = unsigned_parts<4>();
constexpr auto kBits = unsigned_parts<8>();
constexpr auto kTruths = truths();

using Counts = std::array<std::uint64_t, 256>;

/// Four tables, so that equal bytes in a row do not wait for each other.
Counts counts_of(const std::uint8_t* bytes, std::uint64_t size) {
  std::array<Counts, 4> parts{};
  std::uint64_t at = 0;
  for (; at + 4 <= size; at += 4) {
    for (std::size_t part = 0; part < 4; ++part) ++parts[part][bytes[at + part]];
  }
  for (; at < size; ++at) ++parts[0][bytes[at]];
  for (std::size_t code = 0; code < 256; ++code) {
    for (std::size_t part = 1; part < 4; ++part) parts[0][code] += parts[part][code];
  }
  return parts[0];
}

}  // namespace

std::span<const CodeMeaning> codes_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat8E4m3fn:
      return kE4m3fn;
    case DType::kFloat8E5m2:
      return kE5m2;
    case DType::kFloat8E4m3fnuz:
      return kE4m3fnuz;
    case DType::kFloat8E5m2fnuz:
      return kE5m2fnuz;
    case DType::kFloat8E8m0fnu:
      return kE8m0fnu;
    case DType::kFloat4E2m1fnX2:
      return kE2m1Pairs;
    case DType::kInt8:
    case DType::kQint8:
      return kSigned;
    case DType::kUint8:
    case DType::kQuint8:
      return kUnsigned;
    case DType::kQuint4x2:
    case DType::kBits4x2:
      return kNibbles;
    case DType::kQuint2x4:
    case DType::kBits2x4:
      return kQuarters;
    case DType::kBits1x8:
      return kBits;
    case DType::kBool:
      return kTruths;
    default:
      return {};
  }
}

void count_byte_codes(std::span<const CodeMeaning> codes, const std::uint8_t* bytes,
                      std::uint64_t size, Numbers& numbers) {
  const Counts counts = counts_of(bytes, size);
  const std::size_t parts = codes.size() / 256;
  Numbers here;
  here.count = size * parts;
  for (std::size_t at = 0; at < codes.size(); ++at) {
    const std::uint64_t times = counts[at / parts];
    if (times == 0) continue;
    const CodeMeaning& code = codes[at];
    const double value = static_cast<double>(code.value);
    if (std::isnan(value)) {
      here.nan += times;
      continue;
    }
    if (std::isinf(value)) {
      (value > 0 ? here.positive_infinity : here.negative_infinity) += times;
      continue;
    }
    if (value == 0) here.zero += times;
    if (code.subnormal) here.subnormal += times;
    here.min = std::min(here.min, value);
    here.max = std::max(here.max, value);
    here.sum += static_cast<long double>(value) * static_cast<long double>(times);
    here.squares += static_cast<long double>(value * value) * static_cast<long double>(times);
  }
  numbers.merge(here);
}

void count_byte_magnitudes(std::span<const CodeMeaning> codes, const std::uint8_t* bytes,
                           std::uint64_t size, HistogramCounts& histogram) {
  const Counts counts = counts_of(bytes, size);
  for (std::size_t at = 0; at < codes.size(); ++at) {
    const std::uint64_t times = counts[at / (codes.size() / 256)];
    if (times > 0) histogram.add(static_cast<double>(codes[at].value), times);
  }
}

}  // namespace torchvet
