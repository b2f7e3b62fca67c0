#pragma once

#include <optional>

#include "core/error.h"
#include "json/document.h"

namespace torchvet {

/// What torch's verifier of exported programs finds at odds between the graph and its signature, the
/// first thing, as an error (kArchiveRefused): torch.export.load raises a SpecViolationError. Nothing
/// where the parts are missing or of the form of torch 2.1.
[[nodiscard]] std::optional<Error> signature_at_odds(Json graph_module);

}  // namespace torchvet
