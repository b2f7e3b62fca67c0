#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace torchvet {

/// Pieces of a code file as torch's printer writes it, for what must be known before the import.

/// Cuts the name off that `text` begins with; empty when it begins with something else.
[[nodiscard]] std::string_view take_name(std::string_view& text);

/// What a call's surroundings tell of its result:
///
///     _0 = ops.ns.f(x)            one result, of an unknown type
///     _1, _2 = ops.ns.f(x)        two results
///     a, b, = (x).f()             a list or a tuple, which is taken apart
///     return ops.ns.f(x)          of the type that the function declares
///     self.kept = ops.ns.f(x)     of the type that the class declares
struct CallSite {
  std::size_t results = 1;
  bool unpacked = false;
  std::string type;                   ///< as written; empty when nothing tells
  std::vector<std::string> keywords;  ///< names of arguments: `f(x, dtype=6)`
};

/// `call` is where the expression begins, `arguments` where its `(` stands.
[[nodiscard]] CallSite call_site(std::string_view code, std::size_t call, std::size_t arguments);

}  // namespace torchvet
