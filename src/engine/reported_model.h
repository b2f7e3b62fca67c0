#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/artifact.h"

namespace torchvet {

/// How the numbers of a tensor are spread, on a linear scale: `counts` has a count for each of the
/// steps of 2^exponent / kStepsEachWay that begin at `first_step` steps from zero. Numbers beyond
/// the scale are counted in `below` and `above`. It is exact, because the steps of the scale that
/// the value pass counts on (`HistogramBucket`) end where these do; see reported_model.cpp.
struct ReportedSpread {
  static constexpr int kStepsEachWay = 16;

  int exponent = 0;    ///< the scale ends at -2^exponent and 2^exponent
  int first_step = 0;  ///< -kStepsEachWay, or 0 when nothing is negative
  std::vector<std::uint64_t> counts;
  std::uint64_t below = 0, above = 0;
};

/// The numbers of a tensor, as `ValueFacts` counts them.
struct ReportedNumbers {
  std::uint64_t numbers = 0;
  std::uint64_t nan = 0, infinite = 0, zero = 0;
  double min = 0, max = 0, mean = 0;  ///< of the finite ones, if there are any
  /// The standard deviation, where the sums tell it: not of numbers whose squares leave the range
  /// of a double, nor of those that differ in their last digits alone.
  std::optional<double> deviation;
  std::optional<ReportedSpread> spread;  ///< none where fewer than two differ

  [[nodiscard]] std::uint64_t finite() const { return numbers - nan - infinite; }
};

struct ReportedTensor {
  std::string path;                  ///< as findings name it
  std::vector<std::string> aliases;  ///< other paths to the same tensor
  TensorRole role = TensorRole::kOther;
  std::string_view dtype;
  std::vector<std::int64_t> shape;
  std::string device;
  std::optional<std::uint64_t> elements;
  std::optional<ReportedNumbers> numbers;  ///< when they were read
};

struct ReportedModule {
  std::string path;
  std::string class_name;
  std::optional<bool> training;
  bool registered = true;
};

/// What an artifact holds: kept of it only when a report was asked for that shows it.
struct ReportedModel {
  std::vector<ReportedTensor> tensors;  ///< all but the optimizer's, in file order
  std::vector<ReportedModule> modules;
  std::string state_path;  ///< of the model's own state_dict, under which series name its tensors
  std::uint64_t optimizer_tensors = 0;
  std::uint64_t left_out = 0;  ///< tensors beyond kMostTensors
  bool numbers_asked = false;  ///< a tensor without numbers is one that has none to be read

  static constexpr std::size_t kMostTensors = 100'000;
  /// Tensors of which the spread is looked at: the counts it is made of take 8 kB each meanwhile.
  static constexpr std::size_t kMostSpreads = 20'000;
};

/// The tensors and modules of an artifact, with what is known of their numbers.
[[nodiscard]] ReportedModel report_of(const Artifact& artifact);

/// What `report_of` shows of the numbers of the tensors that it lists.
[[nodiscard]] ValuePlan plan_of_shown(const Artifact& artifact);

}  // namespace torchvet
