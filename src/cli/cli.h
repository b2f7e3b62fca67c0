#pragma once

namespace torchvet {

/// The whole program: parses, dispatches to a verb, returns the exit code. Throws nothing.
[[nodiscard]] int run_cli(int argc, char** argv);

}  // namespace torchvet
