// Which of the compiled kernels this processor runs.
//
// Highway asks two functions for that, which lie in its shared library. Loading that library costs
// every start of the program 4 ms, because it calibrates a timer for its benchmarks whether or not
// they run; the whole program starts in 3. So the two functions are here, and the library is not
// linked. What they have to promise is in <hwy/targets.h>; the instructions of each target are
// those that <hwy/ops/set_macros-inl.h> compiles it for.
#include <hwy/targets.h>

#include <cstdint>

namespace hwy {
namespace {

/// Never 0: what the whole program is compiled for is always there.
std::int64_t targets_of_this_processor() {
  std::int64_t targets = HWY_STATIC_TARGET;
#if HWY_ARCH_X86
  if (__builtin_cpu_supports("ssse3") == 0) return targets;
  targets |= HWY_SSSE3;
  if (__builtin_cpu_supports("sse4.2") == 0 || __builtin_cpu_supports("pclmul") == 0 ||
      __builtin_cpu_supports("aes") == 0)
    return targets;
  targets |= HWY_SSE4;
  if (__builtin_cpu_supports("avx2") == 0 || __builtin_cpu_supports("bmi") == 0 ||
      __builtin_cpu_supports("bmi2") == 0 || __builtin_cpu_supports("fma") == 0 ||
      __builtin_cpu_supports("f16c") == 0)
    return targets;
  targets |= HWY_AVX2;
  if (__builtin_cpu_supports("avx512f") == 0 || __builtin_cpu_supports("avx512vl") == 0 ||
      __builtin_cpu_supports("avx512dq") == 0 || __builtin_cpu_supports("avx512bw") == 0)
    return targets;
  targets |= HWY_AVX3;
#endif
  return targets;
}

}  // namespace

std::int64_t SupportedTargets() {
  static const std::int64_t targets = targets_of_this_processor();
  return targets;
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy
