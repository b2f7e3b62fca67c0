#include <string>

#include "formats/exported/graph.h"
#include "unit/catch.h"

namespace torchvet {

TEST_CASE("exported text: the operator that a node was made from") {
  CHECK(exported_first_operator(R"([{"name": "a", "target": "aten.linear.default",
                                     "from_node": []}])") == "aten::linear");
  // The newest entry comes first; what the author called is the last.
  CHECK(exported_first_operator(R"([{"target": "aten.native_dropout.default", "from_node":
                                    [{"target": "aten.dropout_.default"}]}])") == "aten::dropout_");
  CHECK(exported_first_operator("").empty());
  CHECK(exported_first_operator(R"([{"target": "linear_1"}])").empty());
  CHECK(exported_first_operator(R"([{"target": "aten.linear"}])").empty());
  CHECK(exported_first_operator(R"([{"target": "a.b.c.d"}])").empty());
  CHECK(exported_first_operator(R"([{"target": "..)").empty());
  CHECK(exported_first_operator(R"([{"target": ")").empty());
}

}  // namespace torchvet
