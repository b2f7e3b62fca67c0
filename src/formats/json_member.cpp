#include "formats/json_member.h"

#include <string>
#include <utility>

namespace torchvet {

std::optional<JsonDocument> json_member(ByteView file, const Member& member, const Limits& limits,
                                        Artifact& artifact) {
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(file, member, limits, buffer);
  if (!bytes) {
    artifact.add_fault(member.name, bytes.error());
    return std::nullopt;
  }
  Result<JsonDocument> parsed = JsonDocument::parse(*bytes, limits);
  if (!parsed) {
    artifact.add_fault(member.name, parsed.error());
    return std::nullopt;
  }
  if (const std::optional<std::string> key = parsed->duplicate_key()) {
    artifact.add_fault(member.name, {ErrorCode::kJsonDuplicateKey, bytes->offset(),
                                     "an object has the key `" + *key + "` twice"});
  }
  return std::move(*parsed);
}

}  // namespace torchvet
