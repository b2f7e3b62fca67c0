#include "rules/registry.h"

namespace torchvet {
namespace rules {
#define RULE(code, name) extern const Rule code;
#include "rules/registry.def"
#undef RULE
}  // namespace rules

std::span<const Rule* const> all_rules() {
  static const Rule* const kAll[] = {
#define RULE(code, name) &rules::code,
#include "rules/registry.def"
#undef RULE
  };
  return kAll;
}

}  // namespace torchvet
