// Lines of one character a number.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "report/sparkline.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();

std::string drawn(const std::vector<float>& row, bool blocks, std::size_t columns = 60) {
  SparkScale scale(blocks);
  scale.include(row);
  return scale.draw(row, columns);
}

}  // namespace

TEST_CASE("the scale is logarithmic, from the smallest to the largest number") {
  CHECK(drawn({1e-8F, 1e-7F, 1e-6F, 1e-5F, 1e-4F, 1e-3F, 1e-2F, 1e-1F}, false) == ".:-=+*#@");
  CHECK(drawn({1e-8F, 1e-7F, 1e-6F, 1e-5F, 1e-4F, 1e-3F, 1e-2F, 1e-1F}, true) == "▁▂▃▄▅▆▇█");
}

TEST_CASE("nothing, and what is not known, have characters of their own") {
  CHECK(drawn({0, 1e-3F, kNan, kInfinity, 1}, false) == "_.??@");
  CHECK(drawn({0, 1e-3F, kNan, kInfinity, 1}, true) == "·▁??█");
  CHECK(drawn({0, 0}, false) == "__");
  CHECK(drawn({}, false).empty());
}

TEST_CASE("numbers that hardly differ lie in the middle") {
  for (const char c : drawn({0.0100F, 0.0101F, 0.0102F}, false))
    CHECK(std::string("=+").find(c) != std::string::npos);
}

TEST_CASE("several numbers that share a character show the largest") {
  const std::vector<float> row = {1e-3F, 1, 0, 0, kNan, 1e-3F, kNan, kNan};
  CHECK(drawn(row, false, 4) == "@_.?");
  CHECK(drawn(std::vector<float>(1000, 1.0F), false, 60).size() == 60);
}

TEST_CASE("the legend names both ends of the scale") {
  SparkScale scale(false);
  CHECK(scale.legend() == "`_` none");
  scale.include({0.001F, 4});
  CHECK(scale.legend() == "`.` 0.001 to `@` 4, `_` none");
}
