#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

/// Writes pickles of protocol 2 by hand, as torch.save would, so that a test can make one thing
/// wrong. Each function returns the opcodes that leave one object on the stack.
namespace torchvet::pickles {

inline std::string le32(std::int32_t value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return bytes;
}
inline std::string le64(std::int64_t value) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &value, 8);
  return bytes;
}
inline std::string str(std::string_view text) {
  return "X" + le32(static_cast<std::int32_t>(text.size())) + std::string(text);
}
inline std::string num(std::int32_t value) { return "J" + le32(value); }
inline std::string none() { return "N"; }
inline std::string yes() { return "\x88"; }
inline std::string no() { return "\x89"; }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(std::initializer_list<std::string> items) {
  std::string all = "(";
  for (const std::string& item : items) all += item;
  return all + "t";
}
inline std::string list(std::initializer_list<std::string> items) {
  std::string all = "](";
  for (const std::string& item : items) all += item;
  return all + "e";
}
/// Keys and values in turn.
inline std::string dict(std::initializer_list<std::string> items) {
  std::string all = "}(";
  for (const std::string& item : items) all += item;
  return all + "u";
}
inline std::string call(std::string_view module, std::string_view name,
                        std::initializer_list<std::string> arguments) {
  return global(module, name) + tuple(arguments) + "R";
}
inline std::string storage(std::string_view key, std::int32_t numel,
                           std::string_view type = "FloatStorage",
                           std::string_view location = "cpu") {
  return tuple({str("storage"), global("torch", type), str(key), str(location), num(numel)}) + "Q";
}
inline std::string tensor(const std::string& storage, std::int32_t offset, const std::string& size,
                          const std::string& stride) {
  return call("torch._utils", "_rebuild_tensor_v2",
              {storage, num(offset), size, stride, no(), call("collections", "OrderedDict", {})});
}
inline std::string whole(const std::string& object) { return "\x80\x02" + object + "."; }

}  // namespace torchvet::pickles
