#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"
#include "io/source.h"

namespace torchvet {

/// One file to look at.
struct Input {
  std::string path;   ///< to open
  std::string shown;  ///< in reports, with the prefix of `--path-prefix`
  std::string id;     ///< logical path: relative to the current directory where it lies below
  std::shared_ptr<Source> source;  ///< given already: standard input
  std::string error;               ///< why it cannot be looked at
};

/// The files that the paths mean, each once, sorted by shown path within a directory. A file named
/// explicitly is always among them; in a directory those with a model's extension, or a model's
/// content. A path that does not exist is an input with an error, so that it is reported beside the
/// others' findings.
[[nodiscard]] std::vector<Input> collect_inputs(const Options& options);

/// Opens an input.
[[nodiscard]] Result<std::shared_ptr<Source>> open_input(const Input& input);

}  // namespace torchvet
