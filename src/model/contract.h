#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/expectation.h"
#include "model/key_prefixes.h"

namespace torchvet {

enum class ChangeKind : std::uint8_t {
  kMissing,     ///< expected and not there
  kUnexpected,  ///< there and not expected
  kShape,
  kType,
  kLayout,
  kDevice,
  kTie,  ///< expected to be stored in the same place as another, and stored by itself
};
/// "missing", "unexpected", "shape", "dtype", "layout", "device", "tie".
[[nodiscard]] std::string_view name_of(ChangeKind kind);

/// One thing in which a model differs from what was expected.
struct Change {
  ChangeKind kind = ChangeKind::kMissing;
  Compatibility fit = Compatibility::kBreaking;
  std::string name;                     ///< as expected; of kUnexpected as in the file
  std::optional<std::size_t> expected;  ///< in `Expectation::tensors`
  std::optional<std::size_t> entry;     ///< in `ModelView::entries`
  /// Of kMissing: the entry that may be it under another name, of kUnexpected the expected tensor
  /// that it may be: alike in shape and type, and told from others by numbers or by place.
  std::optional<std::size_t> moved;
  bool same_numbers = false;  ///< the numbers of the two are bit by bit the same
};

/// All names of the file that are not as expected differ in one way.
struct Renaming {
  std::vector<RenameStep> steps;  ///< from the file's names to those expected, after `added`
  std::string added;              ///< what is to be put before each name of the file
  std::uint64_t names = 0;
  std::string expected_example, found_example;
  [[nodiscard]] bool is_short() const { return added.empty() != steps.empty(); }
};

/// A model beside what was expected of it.
struct Comparison {
  ModelView model;              ///< without entries when the file holds none
  std::vector<Change> changes;  ///< of expected tensors in their order, then of unexpected ones
  std::optional<Renaming> renaming;
  std::uint64_t same = 0;                   ///< tensors without a difference but for their device
  std::optional<std::uint64_t> parameters;  ///< counted as the expectation does
  Compatibility fit = Compatibility::kCompatible;  ///< the worst of all
};

/// Holds a model to an expectation. Of several in the file the one that shares the most names is
/// taken. A name that is the same is the same tensor; what is left is the same when all of it
/// differs by what a wrapper adds, or by one prefix. `Change::moved` joins the rest by shape and
/// type: tensors of the same numbers where the digests of both are known, else those that stand in
/// the same order and have the same last name, or are the only ones of their form.
[[nodiscard]] Comparison compare_with(const Expectation& expectation, const Artifact& artifact);

/// The tensors whose digests tell more of what moved: of the file, and of the one that the
/// expectation was made from.
struct MovedPlans {
  ValuePlan file, expected;
};
[[nodiscard]] MovedPlans plan_moved(const Expectation& expectation, const Comparison& comparison,
                                    const Artifact& artifact);

}  // namespace torchvet
