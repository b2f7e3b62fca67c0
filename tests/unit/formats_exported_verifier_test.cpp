// Programs whose graph and signature name the same inputs and outputs, with one thing changed in each.
#include <string>

#include "formats/exported/verifier.h"
#include "unit/catch.h"

namespace torchvet {
namespace {

/// A batch norm that is given one tensor and gives another; the count of its batches is written.
const std::string kSound = R"({
  "graph": {
    "inputs": [{"as_tensor": {"name": "p_weight"}}, {"as_tensor": {"name": "b_count"}},
               {"as_tensor": {"name": "x"}}, {"as_sym_int": {"as_name": "s0"}}, {"as_none": true}],
    "outputs": [{"as_tensor": {"name": "add"}}, {"as_tensor": {"name": "norm"}},
                {"as_tensor": {"name": "mean"}}],
    "nodes": [{"outputs": [{"as_tensors": [{"name": "norm"}, {"name": "mean"}]}]},
              {"outputs": [{"as_tensor": {"name": "add"}}]}]
  },
  "signature": {
    "input_specs": [
      {"parameter": {"arg": {"name": "p_weight"}, "parameter_name": "weight"}},
      {"buffer": {"arg": {"name": "b_count"}, "buffer_name": "count", "persistent": true}},
      {"user_input": {"arg": {"as_tensor": {"name": "x"}}}},
      {"user_input": {"arg": {"as_sym_int": {"as_name": "s0"}}}},
      {"constant_input": {"name": "flag", "value": {"as_none": true}}}],
    "output_specs": [
      {"buffer_mutation": {"arg": {"name": "add"}, "buffer_name": "count"}},
      {"user_output": {"arg": {"as_tensor": {"name": "norm"}}}},
      {"user_output": {"arg": {"as_tensor": {"name": "mean"}}}}]
  },
  "module_call_graph": [
    {"fqn": "", "signature": {"inputs": [{"as_tensor": {"name": "x"}}],
                              "outputs": [{"as_tensor": {"name": "mean"}}]}},
    {"fqn": "inner", "signature": null}]
})";

/// What is at odds once `old` is replaced where it stands first; empty when nothing is.
std::string odds(const std::string& old = "", const std::string& by = "") {
  std::string text = kSound;
  if (!old.empty()) {
    const std::size_t at = text.find(old);
    REQUIRE(at != text.npos);
    text.replace(at, old.size(), by);
  }
  const auto document = JsonDocument::parse(std::string_view(text), Limits{});
  REQUIRE(document);
  const auto error = signature_at_odds(document->root());
  if (error) CHECK(error->code == ErrorCode::kArchiveRefused);
  return error ? error->detail : "";
}

TEST_CASE("A graph and a signature that name the same are not at odds") { CHECK(odds().empty()); }

TEST_CASE("An input has one name, and there are as many in both") {
  CHECK(odds(R"({"parameter": {"arg": {"name": "p_weight"})", R"({"parameter": {"arg": {"name": "self"})") ==
        "the signature calls input 0 `self`, the graph `p_weight`");
  CHECK(odds(R"({"as_tensor": {"name": "x"}})", R"({"as_tensor": {"name": "y"}})") ==
        "the signature calls input 2 `x`, the graph `y`");
  CHECK(odds(R"({"as_name": "s0"})", R"({"as_name": "s1"})") ==
        "the signature calls input 3 `s0`, the graph `s1`");
  CHECK(odds(R"(, {"as_none": true})") == "the graph has 4 inputs, its signature 5");
}

TEST_CASE("An output is written to what the signature says, or is the user's") {
  CHECK(odds(R"({"buffer_mutation": {"arg": {"name": "add"})", R"({"buffer_mutation": {"arg": {"name": "sub"})") ==
        "output 0 of the graph, `add`, is written to nothing");
  CHECK(odds(R"({"user_output": {"arg": {"as_tensor": {"name": "mean"})",
             R"({"user_output": {"arg": {"as_tensor": {"name": "norm"})") ==
        "the signature calls output 2 `norm`, the graph `mean`");
  CHECK(odds(R"("outputs": [{"as_tensor": {"name": "add"}}, )", R"("outputs": [)") ==
        "the graph has 2 outputs, its signature 3");
}

TEST_CASE("A module is given and gives what a node makes") {
  CHECK(odds(R"("signature": {"inputs": [{"as_tensor": {"name": "x"}}])",
             R"("signature": {"inputs": [{"as_tensor": {"name": "z"}}])") ==
        "the module `` names `z` among its inputs, which no node makes");
}

}  // namespace
}  // namespace torchvet
