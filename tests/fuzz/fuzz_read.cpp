// Entry point of libFuzzer: coverage-guided damage, beside the seeded one of mutate.cpp.

#include <cstddef>
#include <cstdint>
#include <string>

#include "examine.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  torchvet::examine("fuzz", std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
