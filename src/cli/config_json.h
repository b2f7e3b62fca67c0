#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace torchvet {

/// A value of a JSON text that remembers its line, so that what is wrong with it can be found.
struct ConfigNode {
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kText, kList, kObject };
  Kind kind = Kind::kNull;
  int line = 1;
  std::string key;                     ///< of a value in an object
  std::string text;                    ///< of a text
  std::optional<std::uint64_t> whole;  ///< of a number that is whole and not negative
  std::vector<ConfigNode> items;       ///< of a list or an object, as written

  /// The value of a key; nothing when this is no object or has no such key.
  [[nodiscard]] const ConfigNode* find(std::string_view wanted) const;
};

/// Parses JSON with comments. Bounds: 64 MiB, 2 million values, 16 levels, 10,000 keys in
/// one object.
/// Errors: kConfigInvalid, with "FILE:LINE: " before its text; a key that stands twice is one.
[[nodiscard]] Result<ConfigNode> parse_config_json(std::string_view file, std::string_view text);

}  // namespace torchvet
