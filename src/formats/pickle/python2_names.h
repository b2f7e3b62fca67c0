#pragma once

#include <string_view>

namespace torchvet {

struct PythonName {
  std::string_view module;
  std::string_view name;
};

/// Where Python 3 finds what a pickle below protocol 3 names as Python 2 did: "__builtin__ set" is
/// "builtins set", "commands getoutput" is "subprocess getoutput". Other names come back as given.
/// Source: CPython's Lib/_compat_pickle.py. torch's restricted unpickler has a table of its own.
[[nodiscard]] PythonName from_python2(std::string_view module, std::string_view name);

}  // namespace torchvet
