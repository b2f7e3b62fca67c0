// The kernels of src/values over 1 MiB that stays in the cache, by Google Benchmark: what they cost
// when memory costs nothing. Run bench_kernels --help for its options.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "values/fingerprint_kernels.h"
#include "values/numbers.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kBytes = 1ull << 20;
constexpr std::uint64_t kBlock = 32ull * 1024;

/// Numbers like weights in any of the types: float32 between -0.1 and 0.1, cut to the type's width.
std::vector<std::uint8_t> weights_of(DType dtype) {
  std::vector<std::uint8_t> bytes(kBytes);
  const std::uint64_t item = item_size(dtype);
  for (std::uint64_t i = 0; i < kBytes / item; ++i) {
    const double value = std::sin(static_cast<double>(i) * 1.618) / 10;
    const float narrow = static_cast<float>(value);
    if (dtype == DType::kFloat64) {
      std::memcpy(&bytes[i * item], &value, item);
    } else if (dtype == DType::kFloat32) {
      std::memcpy(&bytes[i * item], &narrow, item);
    } else if (dtype == DType::kBFloat16) {
      std::memcpy(&bytes[i * item], reinterpret_cast<const std::uint8_t*>(&narrow) + 2, item);
    } else {
      const std::uint64_t code = (i * 2654435761u >> 7) & 0x3bff;  // a finite float16
      std::memcpy(&bytes[i * item], &code, item);
    }
  }
  return bytes;
}

void report_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kBytes));
}

void numbers(benchmark::State& state, DType dtype, bool sums) {
  const std::vector<std::uint8_t> bytes = weights_of(dtype);
  for (auto _ : state) {
    Numbers found;
    for (std::uint64_t at = 0; at < kBytes; at += kBlock) {
      count_numbers(dtype, &bytes[at], kBlock, sums, found);
    }
    benchmark::DoNotOptimize(found);
  }
  report_bytes(state);
}

void magnitudes(benchmark::State& state, DType dtype) {
  const std::vector<std::uint8_t> bytes = weights_of(dtype);
  HistogramCounts histogram(dtype);
  for (auto _ : state) {
    count_magnitudes(dtype, bytes.data(), kBytes, histogram);
    benchmark::DoNotOptimize(histogram.counts());
  }
  report_bytes(state);
}

void pairs(benchmark::State& state) {
  const std::vector<std::uint8_t> bytes = weights_of(DType::kFloat32);
  PairAngles angles;
  for (auto _ : state) {
    test_pairs(reinterpret_cast<const float*>(bytes.data()), kBytes / 64, angles);
    benchmark::DoNotOptimize(angles);
  }
  report_bytes(state);
}

/// On its grid from beginning to end: the case in which the test does not stop early.
void uniform(benchmark::State& state) {
  constexpr float kBound = 0.125f;
  std::vector<float> values(kBytes / sizeof(float));
  for (std::uint64_t i = 0; i < values.size(); ++i) {
    const std::uint64_t k = i * 2654435761u & 0xffffff;
    values[i] = static_cast<float>(static_cast<double>(k) * 0x1p-24 * 2 * kBound - kBound);
  }
  for (auto _ : state) {
    UniformGrid grid{.bound = kBound};
    test_uniform(values.data(), values.size(), grid);
    if (!grid.fits()) state.SkipWithError("not on the grid");
    benchmark::DoNotOptimize(grid);
  }
  report_bytes(state);
}

BENCHMARK_CAPTURE(numbers, float32_counts, DType::kFloat32, false);
BENCHMARK_CAPTURE(numbers, float32, DType::kFloat32, true);
BENCHMARK_CAPTURE(numbers, bfloat16, DType::kBFloat16, true);
BENCHMARK_CAPTURE(numbers, float16, DType::kFloat16, true);
BENCHMARK_CAPTURE(numbers, float64, DType::kFloat64, true);
BENCHMARK_CAPTURE(numbers, float8_e4m3fn, DType::kFloat8E4m3fn, true);
BENCHMARK_CAPTURE(numbers, int16, DType::kInt16, true);
BENCHMARK_CAPTURE(numbers, int64, DType::kInt64, true);
BENCHMARK_CAPTURE(magnitudes, float32, DType::kFloat32);
BENCHMARK_CAPTURE(magnitudes, float16, DType::kFloat16);
BENCHMARK_CAPTURE(magnitudes, float64, DType::kFloat64);
BENCHMARK(pairs);
BENCHMARK(uniform);

}  // namespace
}  // namespace torchvet

BENCHMARK_MAIN();
