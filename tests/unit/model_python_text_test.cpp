// What lines of Python say, told from their text.
#include "model/python_text.h"

#include <string>

#include "unit/catch.h"

namespace torchvet {
namespace {

std::string receivers(std::string_view text) {
  std::string all;
  for (const ForwardCall& call : forward_calls(text)) all += "[" + call.receiver + "]";
  return all;
}

}  // namespace

TEST_CASE("Calls of forward on something else are found with their receiver") {
  CHECK(receivers("x = self.fc.forward(x)") == "[self.fc]");
  CHECK(receivers("return self.heads[0].forward(x)") == "[self.heads[0]]");
  CHECK(receivers("return self.heads['Big'].forward(x)") == "[self.heads['Big']]");
  CHECK(receivers("y = layer.forward(x) + self.Wide.forward(x)") == "[layer][self.Wide]");
  CHECK(receivers("y = self.a.forward(self.b.forward(x))") == "[self.a][self.b]");
  CHECK(receivers("y = self.pick(x).forward(x)") == "[self.pick(x)]");
}

TEST_CASE("Calls of forward that pass no hook by are not found") {
  for (const std::string_view line :
       {"return super().forward(x)", "return super(Net, self).forward(x)", "self.forward(x)",
        "Base.forward(self, x)", "nn.Module.forward(self, x)", "base.forward(self)",
        "Scale.forward(ctx, x)", "self.fc(x)  # self.fc.forward(x)", "raise E('a.forward(x)')",
        "def forward(self, x):", "self.forward_features(x)", "self.fc.forward", "y = (.forward(x)",
        "run(self.fc.forward, x)", ".forward(", ""}) {
    INFO(line);
    CHECK(receivers(line).empty());
  }
}

TEST_CASE("Comments and strings over several lines are passed over, and lines are counted") {
  const auto calls = forward_calls(
      "class Net:\n"
      "    \"\"\"self.a.forward(x)\n"
      "    'self.b.forward(x)\"\"\"\n"
      "    def run(self, x):\n"
      "        # it's self.c.forward(x)\n"
      "        return self.d.forward(x)  # last\n");
  REQUIRE(calls.size() == 1);
  CHECK(calls[0].receiver == "self.d");
  CHECK(calls[0].line == 5);
  CHECK(calls[0].text == "return self.d.forward(x)  # last");
}

TEST_CASE("Texts that no author wrote cost little") {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "a).forward(";
  CHECK(forward_calls(text).size() <= 64);
  CHECK(forward_calls(std::string(1'000'000, 'a') + ".forward(x)").empty());
  CHECK(called_in_statement(std::string(1'000'000, '(')).empty());
}

TEST_CASE("A statement that only calls is told from others") {
  CHECK(called_in_statement("x.relu()") == "relu");
  CHECK(called_in_statement("  torch.relu(x)  # twice") == "relu");
  CHECK(called_in_statement("x.clamp(") == "clamp");
  CHECK(called_in_statement("x[:, 'a)'].masked_fill(x > 2, 0.0)") == "masked_fill");
  CHECK(called_in_statement("x.sum(0).relu()") == "relu");
  for (const std::string_view line :
       {"y = x.relu()", "return x.relu()", "x.relu(),", "x.relu() + 1", "x.relu().shape", "x.relu",
        "-x.relu()", "x.relu()[0]", "x.relu() if a else b", "assert x.relu()", "x: T = f()", "])",
        "", "# x.relu()", "x.relu(); y"}) {
    INFO(line);
    CHECK(called_in_statement(line).empty());
  }
}

}  // namespace torchvet
