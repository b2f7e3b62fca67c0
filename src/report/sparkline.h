#pragma once

#include <string>
#include <vector>

namespace torchvet {

/// Draws rows of numbers with one character each, on one logarithmic scale for all of them.
class SparkScale {
 public:
  /// `blocks`: with the eight blocks of Unicode, else in ASCII.
  explicit SparkScale(bool blocks) : blocks_(blocks) {}

  /// Widens the scale to the positive numbers of a row.
  void include(const std::vector<float>& row);
  /// At most `columns` characters: of neighbours that share one, the largest is drawn. 0 has a
  /// character of its own, as has what is not known (NaN) or infinite.
  [[nodiscard]] std::string draw(const std::vector<float>& row, std::size_t columns) const;
  /// What the characters mean: "`.` 0.02 to `@` 4.1, `_` none".
  [[nodiscard]] std::string legend() const;

 private:
  [[nodiscard]] std::string_view level(std::size_t i) const;
  [[nodiscard]] std::string_view glyph(float number) const;

  bool blocks_;
  double low_ = 0, high_ = 0;  ///< both 0: nothing positive yet
};

}  // namespace torchvet
