#pragma once

#include <string>

#include "core/limits.h"
#include "formats/torchscript_classes.h"
#include "model/artifact.h"

namespace torchvet {

/// Fills `artifact.modules` and the one state_dict of a TorchScript program from the object that
/// data.pkl builds, and gives registered tensors their paths and roles. `classes` are those of all
/// code files, by qualified name ("__torch__.net.Net"); a module whose class is not there leaves a
/// gap, because then nothing tells its parameters from its buffers.
///
/// A module that is reachable by several paths is one Module, under the first of them; its tensors
/// get the other paths as aliases.
void find_script_modules(Artifact& artifact, ObjectId root, const ScriptClasses& classes,
                         const Limits& limits);

}  // namespace torchvet
