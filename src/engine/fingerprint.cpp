#include "engine/fingerprint.h"

#include "core/digest.h"
#include "rule/rule.h"

namespace torchvet {

std::string Fingerprinter::of(const Finding& finding, const std::string& logical_path) {
  std::string bytes;
  for (const std::string_view part :
       {std::string_view("v1"), finding.rule->code, std::string_view(logical_path),
        std::string_view(finding.where.member), std::string_view(finding.where.object_path),
        std::string_view(finding.key)}) {
    bytes += part;
    bytes += '\0';
  }
  std::string fingerprint = sha256_hex(bytes).substr(0, 32);
  const std::uint64_t count = ++seen_[fingerprint];
  return count == 1 ? fingerprint : fingerprint + ":" + std::to_string(count);
}

}  // namespace torchvet
