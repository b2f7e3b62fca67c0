#pragma once

#include <string>

#include "cli/options.h"
#include "engine/policy.h"

namespace torchvet {

/// What is in force, a line each, with where it comes from. Texts from files are escaped.
[[nodiscard]] std::string config_text(const Options& options);
/// The same as JSON, ended by a newline.
[[nodiscard]] std::string config_json(const Options& options);

/// Whether a rule runs, on whose word, and what its findings count for; for an artifact when its
/// logical path is given.
[[nodiscard]] std::string why_text(const Rule& rule, const Options& options, const Policy& policy,
                                   const std::string& artifact_id);

/// A first torchvet.json, with a comment for every key.
[[nodiscard]] std::string first_config();

}  // namespace torchvet
