#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"
#include "engine/report.h"
#include "io/source.h"

namespace torchvet {

/// One file to look at.
struct Input {
  std::string path;   ///< to open
  std::string shown;  ///< in reports, with the prefix of `--path-prefix`
  /// Logical path: relative to the folder that `Options::root` names when it lies below, or what
  /// the user calls it.
  std::string id;
  std::shared_ptr<Source> source;  ///< given already: standard input
  std::string error;               ///< why it cannot be looked at
};

/// The files that the paths mean, each once, sorted by shown path within a directory. A file named
/// explicitly is always among them; in a directory those with a model's extension, or a model's
/// content. A path that does not exist is an input with an error, so that it is reported beside the
/// others' findings. What lies in a directory besides and was not excluded by name is counted in
/// `passed_over`.
[[nodiscard]] std::vector<Input> collect_inputs(const Options& options,
                                                ReportedPassedOver* passed_over = nullptr);

/// The one file that a path means: itself, or the only model in the directory.
/// Errors: kConfigInvalid, with the path, when there is none or several.
[[nodiscard]] Result<Input> the_input(const Options& options, const std::string& path);

/// A file under the names that the options give it.
[[nodiscard]] Input input_named(const std::string& path, const Options& options);

/// The logical path of a file, without a name that the user gave it.
[[nodiscard]] std::string logical_path(const std::string& path, const std::string& root);

/// Two files with one logical path could not be told apart; empty when there are none, else which.
[[nodiscard]] std::string shared_id(const std::vector<Input>& inputs);

/// Opens an input.
[[nodiscard]] Result<std::shared_ptr<Source>> open_input(const Input& input);

}  // namespace torchvet
