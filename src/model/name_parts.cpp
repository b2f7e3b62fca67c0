#include "model/name_parts.h"

#include <algorithm>
#include <cctype>

namespace torchvet {

const PrivatePart* private_part(std::string_view part) {
  const auto* found = std::find_if(kPrivateParts.begin(), kPrivateParts.end(),
                                   [&](const PrivatePart& known) { return known.part == part; });
  return found == kPrivateParts.end() ? nullptr : found;
}

NameParts parts_of(std::string_view name) {
  NameParts parts;
  for (;;) {
    const std::size_t dot = name.find('.');
    parts.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    name.remove_prefix(dot + 1);
  }
}

std::string joined(const NameParts& parts, std::size_t first, std::size_t last) {
  std::string name;
  for (std::size_t i = first; i < last; ++i) {
    if (i > first) name += '.';
    name += parts[i];
  }
  return name;
}

std::string joined(const NameParts& parts, std::size_t first) {
  return joined(parts, first, parts.size());
}

NameParts without_private(const NameParts& parts, bool last_stays) {
  NameParts kept;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool stays = last_stays && i + 1 == parts.size();
    if (stays || !private_part(parts[i])) kept.push_back(parts[i]);
  }
  return kept;
}

bool is_flat_parameter(std::string_view leaf) {
  return leaf.starts_with("_flat_param") || leaf.starts_with("flat_param");
}

bool is_number(std::string_view part) {
  return !part.empty() && std::all_of(part.begin(), part.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace torchvet
