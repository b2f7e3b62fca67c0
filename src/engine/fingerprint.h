#pragma once

#include <map>
#include <string>

#include "rule/finding.h"

namespace torchvet {

/// Names findings so that a later run finds them again: 32 hexadecimal digits of the sha256 of
/// "v1", code, logical artifact path, member, object path and key, each ended by a zero byte. No
/// offset, value, version or severity goes in, so they may change. Findings that are equal in all
/// of that get ":2", ":3" in the order in which they are asked about.
class Fingerprinter {
 public:
  [[nodiscard]] std::string of(const Finding& finding, const std::string& logical_path);

 private:
  std::map<std::string, std::uint64_t> seen_;
};

}  // namespace torchvet
