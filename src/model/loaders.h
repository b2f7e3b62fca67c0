#pragma once

#include <optional>
#include <string>

namespace torchvet {

/// What one loader would do with the file.
struct LoaderPrediction {
  std::string loader;         ///< as one writes it: "torch.load(weights_only=True)"
  std::optional<bool> opens;  ///< nothing: undecided, and `error` says why
  std::string error;          ///< the exception and the stable part of its text
  std::string remedy;         ///< what would make it load; empty when nothing is known
};

}  // namespace torchvet
