#pragma once

#include <string>

#include "core/error.h"

namespace torchvet {

/// Something that was not analysed. A gap can never become a pass: it makes the exit code 3.
struct Gap {
  std::string what;  ///< "graph of forward", "data.pkl"
  std::string why;
};

/// Something wrong in the bytes that a reader met. A rule turns it into a finding; whether or not
/// one does, the reader also leaves a `Gap` for what it could not read because of it, if anything.
struct Fault {
  Error error;
  std::string member;
  bool left_gap = false;  ///< told of even if no rule knows its code
};

}  // namespace torchvet
