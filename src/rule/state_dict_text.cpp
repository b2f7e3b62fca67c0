#include "rule/state_dict_text.h"

#include <algorithm>
#include <cctype>

namespace torchvet {

Location location_of(const Artifact& artifact, const StateDict& state) {
  Location where;
  where.object_path = state.path;
  if (state.object == kNoObject || artifact.pickles.empty()) return where;
  if (const auto member = artifact.pickles.front().member) {
    where.member = artifact.members[*member].name;
  }
  return where;
}

std::string variable_of(const StateDict& state) {
  const auto plain = [](unsigned char c) {
    return c == '_' || c == '.' || (c < 0x80 && std::isalnum(c) != 0);
  };
  if (state.path.empty() || !std::all_of(state.path.begin(), state.path.end(), plain)) {
    return "state";
  }
  std::string text = "checkpoint[\"";
  for (const char c : state.path) {
    if (c == '.') {
      text += "\"][\"";
    } else {
      text += c;
    }
  }
  return text + "\"]";
}

}  // namespace torchvet
