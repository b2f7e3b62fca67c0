// One accumulator, a template of how an element is decoded. Narrow floating-point types become
// float32 (which holds each of their values exactly): float16 and bfloat16 by arithmetic, the
// 8-bit ones by a table of 256 entries that is computed from the type's parameters while compiling.
#include "values/moments.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace torchvet {
namespace {

/// What an 8-bit floating-point type does with its largest codes.
enum class Specials : std::uint8_t {
  kInfinityAndNan,  ///< as IEEE 754: the top exponent holds infinity and NaN
  kNanOnly,         ///< "fn": only the all-ones code is NaN
  kNegativeZero,    ///< "fnuz": the code of negative zero is the one NaN
};

/// Source: the Open Compute Project's OFP8 for the first two, torch/headeronly/util/Float8_*.h for
/// all of them.
constexpr std::array<float, 256> float8_table(int exponent_bits, int bias, Specials specials) {
  std::array<float, 256> table{};
  const int mantissa_bits = 7 - exponent_bits;
  const int top = (1 << exponent_bits) - 1;
  for (int code = 0; code < 256; ++code) {
    const int exponent = (code >> mantissa_bits) & top;
    const int mantissa = code & ((1 << mantissa_bits) - 1);
    float value = static_cast<float>(mantissa + (exponent > 0 ? 1 << mantissa_bits : 0));
    for (int e = (exponent > 0 ? exponent : 1) - bias - mantissa_bits; e != 0;
         e += e < 0 ? 1 : -1) {
      value = e < 0 ? value / 2 : value * 2;
    }
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    if (specials == Specials::kInfinityAndNan && exponent == top) {
      value = mantissa == 0 ? std::numeric_limits<float>::infinity() : kNan;
    } else if (specials == Specials::kNanOnly && (code & 0x7f) == 0x7f) {
      value = kNan;
    } else if (specials == Specials::kNegativeZero && code == 0x80) {
      value = kNan;
    }
    table[static_cast<std::size_t>(code)] = (code & 0x80) != 0 ? -value : value;
  }
  return table;
}

constexpr std::array<float, 256> kE4m3fn = float8_table(4, 7, Specials::kNanOnly);
constexpr std::array<float, 256> kE5m2 = float8_table(5, 15, Specials::kInfinityAndNan);
constexpr std::array<float, 256> kE4m3fnuz = float8_table(4, 8, Specials::kNegativeZero);
constexpr std::array<float, 256> kE5m2fnuz = float8_table(5, 16, Specials::kNegativeZero);

/// A power of two, 2^(code - 127); 255 is NaN. It has no zero and no sign.
float e8m0fnu_value(std::uint8_t code) {
  return code == 0xff ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, code - 127);
}

float float16_value(std::uint16_t code) {
  const int exponent = (code >> 10) & 0x1f;
  const int mantissa = code & 0x3ff;
  float value = 0;
  if (exponent == 0x1f) {
    value = mantissa == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  } else {
    value = std::ldexp(static_cast<float>(mantissa + (exponent > 0 ? 1024 : 0)),
                       (exponent > 0 ? exponent : 1) - 25);
  }
  return (code & 0x8000) != 0 ? -value : value;
}

float bfloat16_value(std::uint16_t code) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(code) << 16);
}

template <typename T>
T same(T value) {
  return value;
}
std::uint8_t bool_value(std::uint8_t byte) { return byte != 0 ? 1 : 0; }
template <const std::array<float, 256>& kTable>
float table_value(std::uint8_t code) {
  return kTable[code];
}

template <typename Raw, auto kDecode>
class MomentsOf final : public Moments {
  using Number = std::invoke_result_t<decltype(kDecode), Raw>;

 public:
  void update(const std::uint8_t* bytes, std::uint64_t size) override {
    for (std::uint64_t at = 0; at < size; at += sizeof(Raw)) {
      Raw raw;
      std::memcpy(&raw, bytes + at, sizeof(Raw));
      add(kDecode(raw));
    }
  }

  void finish(ValueFacts& facts) const override {
    facts.nan = nan_;
    facts.positive_infinity = positive_infinity_;
    facts.negative_infinity = negative_infinity_;
    facts.zero = zero_;
    facts.min = finite_ ? static_cast<double>(min_) : 0;
    facts.max = finite_ ? static_cast<double>(max_) : 0;
    facts.all_equal = any_ && same_;
    facts.first = any_ ? static_cast<double>(first_) : 0;
  }

 private:
  void add(Number number) {
    if (!any_) {
      any_ = true;
      first_ = number;
    }
    // NaN is the same number as nothing, itself included.
    same_ = same_ && number == first_;
    if constexpr (std::is_floating_point_v<Number>) {
      if (!std::isfinite(number)) {
        if (std::isnan(number)) {
          ++nan_;
        } else {
          ++(number > 0 ? positive_infinity_ : negative_infinity_);
        }
        return;
      }
    }
    if (number == 0) ++zero_;
    min_ = finite_ ? std::min(min_, number) : number;
    max_ = finite_ ? std::max(max_, number) : number;
    finite_ = true;
  }

  bool any_ = false;
  bool finite_ = false;
  bool same_ = true;
  Number first_{};
  Number min_{};
  Number max_{};
  std::uint64_t nan_ = 0;
  std::uint64_t positive_infinity_ = 0;
  std::uint64_t negative_infinity_ = 0;
  std::uint64_t zero_ = 0;
};

template <typename T>
std::unique_ptr<Moments> plain() {
  return std::make_unique<MomentsOf<T, same<T>>>();
}

}  // namespace

std::unique_ptr<Moments> make_moments(DType dtype) {
  switch (dtype) {
    case DType::kUint8:
      return plain<std::uint8_t>();
    case DType::kInt8:
      return plain<std::int8_t>();
    case DType::kInt16:
      return plain<std::int16_t>();
    case DType::kInt32:
      return plain<std::int32_t>();
    case DType::kInt64:
      return plain<std::int64_t>();
    case DType::kUint16:
      return plain<std::uint16_t>();
    case DType::kUint32:
      return plain<std::uint32_t>();
    case DType::kUint64:
      return plain<std::uint64_t>();
    case DType::kFloat32:
      return plain<float>();
    case DType::kFloat64:
      return plain<double>();
    case DType::kBool:
      return std::make_unique<MomentsOf<std::uint8_t, bool_value>>();
    case DType::kFloat16:
      return std::make_unique<MomentsOf<std::uint16_t, float16_value>>();
    case DType::kBFloat16:
      return std::make_unique<MomentsOf<std::uint16_t, bfloat16_value>>();
    case DType::kFloat8E4m3fn:
      return std::make_unique<MomentsOf<std::uint8_t, table_value<kE4m3fn>>>();
    case DType::kFloat8E5m2:
      return std::make_unique<MomentsOf<std::uint8_t, table_value<kE5m2>>>();
    case DType::kFloat8E4m3fnuz:
      return std::make_unique<MomentsOf<std::uint8_t, table_value<kE4m3fnuz>>>();
    case DType::kFloat8E5m2fnuz:
      return std::make_unique<MomentsOf<std::uint8_t, table_value<kE5m2fnuz>>>();
    case DType::kFloat8E8m0fnu:
      return std::make_unique<MomentsOf<std::uint8_t, e8m0fnu_value>>();
    default:
      return nullptr;
  }
}

}  // namespace torchvet
