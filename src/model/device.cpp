#include "model/device.h"

#include <algorithm>
#include <array>

namespace torchvet {

bool is_device_type(std::string_view type) {
  constexpr std::array<std::string_view, 20> kTypes = {
      "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve",
      "fpga", "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

}  // namespace torchvet
