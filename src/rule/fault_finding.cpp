#include "rule/fault_finding.h"

#include <algorithm>
#include <map>

#include "model/artifact.h"

namespace torchvet {

std::vector<Finding> findings_of_faults(
    const Artifact& artifact, std::span<const ErrorCode> codes,
    const std::function<std::string(const std::string&, const Fault&)>& message) {
  constexpr std::size_t kShown = 5;
  std::vector<Finding> findings;
  std::map<std::string, std::size_t> of_member;
  for (const Fault& fault : artifact.faults) {
    if (std::find(codes.begin(), codes.end(), fault.error.code) == codes.end()) continue;
    const auto [at, added] = of_member.emplace(fault.member, findings.size());
    if (added) {
      Finding& made = findings.emplace_back();
      made.where.member = fault.member;
      made.message = message(fault.member, fault);
      if (fault.error.offset != 0) made.where.bytes = ByteRange{fault.error.offset, 0};
    }
    std::vector<Evidence>& evidence = findings[at->second].evidence;
    if (evidence.size() < kShown) {
      evidence.push_back({"bytes", fault.error.detail});
    } else if (evidence.size() == kShown) {
      evidence.push_back({"bytes", "and more of the kind"});
    }
  }
  return findings;
}

}  // namespace torchvet
