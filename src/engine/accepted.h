#pragma once

#include <string>
#include <vector>

namespace torchvet {

/// A finding that somebody looked at and accepts, with the reason. It comes from the configuration
/// of whoever runs the program, never from an artifact.
struct Suppression {
  std::string code;      ///< of the rule
  std::string artifact;  ///< glob for the logical path
  std::string reason;
  std::string object_path;  ///< glob; empty: any place in the artifact
  std::string sha256;       ///< of the artifact, in lower case; empty: whatever is in the file
  std::string expires;      ///< the last day on which it counts, YYYY-MM-DD; empty: none
  std::string owner;
  std::string origin;  ///< where it is written: "torchvet.json:12"
};

/// A finding of an earlier run, by its fingerprint. The rest is for people who read the file.
struct BaselineEntry {
  std::string fingerprint;
  std::string code;
  std::string artifact;  ///< logical path
  std::string object_path;
};

/// The findings that a baseline file accepts.
struct Baseline {
  std::string file;
  std::vector<BaselineEntry> entries;
};

}  // namespace torchvet
