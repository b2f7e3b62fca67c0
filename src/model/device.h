#pragma once

#include <string_view>

namespace torchvet {

/// Whether torch knows the type of device by itself: "cuda" of "cuda:0". Extensions bring others along.
/// Source: c10/core/Device.cpp, 2.13.
[[nodiscard]] bool is_device_type(std::string_view type);

}  // namespace torchvet
