#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// A tensor of a model that training writes to.
struct Trainable {
  TensorId tensor = 0;
  bool certain = false;  ///< a registered parameter with gradients, or one that an optimizer lists
};

/// The tensors that training writes to, by id: registered parameters that want gradients, those
/// that an optimizer's list is aligned with, and, when the artifact has no modules to tell, the
/// entries of state_dicts whose names torch.nn gives to parameters (`weight`, `bias_hh_l0`).
[[nodiscard]] std::vector<Trainable> trainable_tensors(const Artifact& artifact);

/// Elements of one tensor that share memory with others of its own.
struct SelfOverlap {
  Trainable tensor;
  std::uint64_t elements = 0;
  std::uint64_t places = 0;  ///< distinct elements of the storage behind them
  bool expanded = false;     ///< a stride of 0, which torch refuses to write to
};

/// Two tensors with bytes in common, each with bytes that the other does not have: the first such
/// pair in a storage.
struct PartialOverlap {
  Trainable first, second;
  std::uint64_t shared = 0, only_first = 0, only_second = 0;  ///< bytes
  StorageId root = 0;
  std::uint64_t pairs = 1;  ///< like this one, in the same storage
};

struct Overlaps {
  std::vector<SelfOverlap> within;
  std::vector<PartialOverlap> between;  ///< at most one a storage
};

/// What shares memory among the tensors that training writes to. Exact, element by element; views
/// of more than 2^16 pieces, and what lies beyond a fixed amount of work, are passed over.
[[nodiscard]] Overlaps find_overlaps(const Artifact& artifact);

}  // namespace torchvet
