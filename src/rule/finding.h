#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "model/graph.h"

namespace torchvet {

struct Rule;
struct Tensor;
struct Artifact;

/// What happens if you ship this: `error` fails or gives wrong results, `warning` is a real defect
/// with bounded harm, `note` is sound but could be better.
enum class Severity : std::uint8_t { kNote, kWarning, kError };
/// How sure we are. There is no error of low confidence.
enum class Confidence : std::uint8_t { kLow, kMedium, kHigh };

[[nodiscard]] std::string_view name_of(Severity severity);
[[nodiscard]] std::string_view name_of(Confidence confidence);
[[nodiscard]] std::optional<Severity> severity_from_name(std::string_view name);
[[nodiscard]] std::optional<Confidence> confidence_from_name(std::string_view name);

struct Location {
  std::string artifact;     ///< path of the file; filled by the runner
  std::string member;       ///< archive member, when one is concerned
  std::string object_path;  ///< tensor, module or key
  std::optional<ByteRange> bytes;
  std::optional<SourceLine> source;
};

/// One piece of proof. Kinds in use: "tensor", "graph", "optimizer", "values", "pickle", "bytes",
/// "module", "series".
struct Evidence {
  std::string kind;
  std::string text;
};

/// What a rule says. Strings hold text from the artifact as it is: reports escape it.
struct Finding {
  const Rule* rule = nullptr;  ///< filled by the runner
  Severity severity = Severity::kError;
  Confidence confidence = Confidence::kHigh;
  Location where;
  std::string message;             ///< what is wrong, without a full stop
  std::vector<Evidence> evidence;  ///< what proves it
  std::string why;                 ///< why it matters; empty: the rule's own sentence
  std::string help;                ///< what to do; empty: the rule's own sentence
  /// Tells findings of one rule at one place apart; part of the fingerprint, so it must not hold
  /// offsets, values or versions.
  std::string key;
};

/// Where a tensor is: its path, the pickle that describes it, and the bytes there.
[[nodiscard]] Location location_of(const Artifact& artifact, const Tensor& tensor);

/// Where a node of a program is: the module whose code it is, and the author's source line.
[[nodiscard]] Location location_of(const Node& node);

}  // namespace torchvet
