#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

// Which rule speaks of a pickle. One file can be dangerous, a whole module, refused by
// weights_only=True and full of unknown names at once; what is said then is the worst of it, once.
namespace torchvet {

/// Whether the fault is that an archive is not laid out as torch does it, so that a member lies
/// elsewhere: all there is can be read.
[[nodiscard]] bool is_of_layout(const Fault& fault);

/// Whether the module is one that PKL004 reports: pickled itself, and not as a part of another.
[[nodiscard]] bool is_pickled_whole(const Module& module);

/// Whether the artifact is a pickle of torch or Python in which a whole module lies.
[[nodiscard]] bool holds_whole_module(const Artifact& artifact);

/// Whether loading the artifact without restrictions does what PKL001 reports.
[[nodiscard]] bool does_more_than_load(const Artifact& artifact);

/// What is predicted of the loader of this name; null when that was not asked.
[[nodiscard]] const LoaderPrediction* prediction_of(const Artifact& artifact,
                                                    std::string_view loader);

/// What is predicted of torch.load(weights_only=True) when it refuses what torch.save wrote because
/// of what the pickle asks for, and no other rule has a worse thing to say of that; else null. A
/// pickle that is damaged is not refused for what it asks.
[[nodiscard]] const LoaderPrediction* refused_by_weights_only(const Artifact& artifact);

/// What is predicted of torch.jit.load when it refuses a program because of what its pickles ask for,
/// with the place; else null. A pickle that is damaged is not refused for what it asks.
[[nodiscard]] const LoaderPrediction* refused_by_script_loader(const Artifact& artifact);

/// The name as torch's messages and its list of allowed names spell it: "argparse.Namespace", and
/// "set" of a builtin.
[[nodiscard]] std::string shown_name(const PickleProgram::Import& import);

/// "`a.B`, `c.d` and 3 more".
[[nodiscard]] std::string listed_names(const std::vector<std::string>& names, std::size_t most);

}  // namespace torchvet
