#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/pickle_globals.h"
#include "model/pickle_program.h"

namespace torchvet {

/// One thing that loading a pickle would do and that torch's own checkpoints do not need.
struct PickleEffect {
  enum class Kind : std::uint8_t {
    kCallsRisky,     ///< calls a name of the table of dangerous names
    kImportsRisky,   ///< imports one without calling it itself: something else may
    kComputedName,   ///< imports a name that is made by a call
    kChangesGlobal,  ///< changes an imported object: attributes of a class, items of a dict
    kCallsUnknown,   ///< calls a function that nothing is known about
    kCallsResult,    ///< calls what another call returned
  };
  Kind kind = Kind::kCallsUnknown;
  std::string name;   ///< what is called, imported or changed: "os.system"
  std::string shown;  ///< the call with its arguments: "os.system('echo hi')"
  std::string route;  ///< how it comes about: "called by REDUCE"; for an import what
                      ///< uses it: "handed to `functools.partial(os.system)`"
  std::optional<RiskyGlobal> risk;
  ByteRange where;
  bool only_reaches = false;  ///< a getattr that takes it, and does not call it
};

/// Whether no writer of models makes a pickle do it: PKL001 calls it an error. The others may be
/// somebody's own code.
[[nodiscard]] bool is_dangerous(const PickleEffect& effect);

/// The effects of one pickle: calls in its order, then imports; no more than `limit` of a kind.
[[nodiscard]] std::vector<PickleEffect> effects_of(const ObjectTree& tree,
                                                   const PickleProgram& program,
                                                   std::size_t limit = 10'000);

}  // namespace torchvet
