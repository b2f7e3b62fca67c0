#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "core/limits.h"
#include "formats/loaders/outcome.h"
#include "formats/torch_records.h"
#include "formats/zip.h"
#include "io/source.h"

namespace torchvet {

/// An archive that torch's reader (PyTorchStreamReader, which all loaders of archives use) opens.
struct OpenedArchive {
  ZipDirectory zip;
  std::vector<RefusedRecord> refused;

  /// How a load ends at a record with one of the problems; nothing when there is none.
  [[nodiscard]] std::optional<LoadOutcome> refusal_of(
      std::initializer_list<RecordProblem> problems) const;
  /// How it ends when Python asks for the names of all members.
  [[nodiscard]] std::optional<LoadOutcome> refusal_of_names() const;
};

/// The archive, or how every loader ends that opens it.
[[nodiscard]] std::variant<OpenedArchive, LoadOutcome> open_as_torch(const Source& source,
                                                                     const Limits& limits);

/// What the reader says of a record that is not there.
[[nodiscard]] LoadOutcome record_missing(std::string_view name);

}  // namespace torchvet
