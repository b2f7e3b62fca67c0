// JSON texts of which torch.export.load makes no dataclasses.
#include "formats/exported/schema.h"
#include "unit/exported_archive.h"

using namespace torchvet;

namespace {

/// Why the text is no config of weights; "" when it is one.
std::string wrong_with(const std::string& text) {
  const Result<JsonDocument> document = JsonDocument::parse(std::string_view(text), Limits{});
  REQUIRE(document);
  const std::optional<Error> error = against_schema(document->root(), SchemaRoot::kPayloads);
  return error ? error->detail : "";
}

std::string config(const std::string& meta, const std::string& more = R"("use_pickle": false)") {
  return R"({"config": {"w": {"path_name": "weight_0", "is_param": true, )" + more +
         R"(, "tensor_meta": )" + meta + "}}}";
}

std::string changed(const std::string& from, const std::string& to) {
  std::string text = exported::meta({"2"}, {"1"});
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return config(text.replace(at, from.size(), to));
}

}  // namespace

TEST_CASE("a config that torch reads is as the schema says") {
  CHECK(wrong_with(config(exported::meta({"2"}, {"1"}))).empty());
  CHECK(wrong_with(config("null")).empty());
  CHECK(wrong_with(R"({"config": {}})").empty());
  CHECK(wrong_with(config("null", R"("use_pickle": true, "of_a_newer_torch": [1])")).empty());
}

TEST_CASE("what is missing, or of another kind, is told with its place") {
  CHECK(wrong_with("{}") == "PayloadConfig has no `config`");
  CHECK(wrong_with("[]") == "PayloadConfig is no object");
  CHECK(wrong_with(R"({"config": []})") == "PayloadConfig has a `config` that is no object");
  CHECK(wrong_with(config("null", R"("pickled": false)")) == "PayloadMeta at `w` has no `use_pickle`");
  CHECK(wrong_with(config("[]")) == "TensorMeta at `w` is no object");
  CHECK(wrong_with(changed("\"requires_grad\": true", "\"requires_grad\": 1")) ==
        "TensorMeta at `w` has a `requires_grad` that is no truth value");
  CHECK(wrong_with(changed("\"dtype\": 7", "\"dtype\": 77")) ==
        "TensorMeta at `w` has a `dtype` that is no element type of torch");
  CHECK(wrong_with(changed("{\"as_int\": 2}", "{\"as_real\": 2}")) ==
        "SymInt at `w` has no member `as_real`");
  CHECK(wrong_with(changed("{\"as_int\": 2}", "{}")) ==
        "SymInt at `w` has not one member, as a union must");
  CHECK(wrong_with(changed("{\"as_int\": 2}", "{\"as_int\": -2}")) ==
        "TensorMeta at `w` has `sizes` below 0");
  CHECK(wrong_with(changed("{\"as_int\": 2}", "{\"as_int\": 2}, {\"as_int\": 2}")) ==
        "TensorMeta at `w` has 2 sizes and 1 strides");
  CHECK(wrong_with(changed("{\"as_int\": 2}", "{\"as_int\": 9223372036854775807}")).empty());
  CHECK(wrong_with(changed("\"type\": \"cpu\"", "\"type\": \"cpv\"")) ==
        "Device at `w` has a type that torch does not have: cpv");
  CHECK(wrong_with(changed("\"index\": null", "\"index\": -1")) == "Device at `w` has an index below 0");
  CHECK(wrong_with(changed("\"index\": null", "\"index\": 3")).empty());
  const std::string much = "4294967296";
  CHECK(wrong_with(config(exported::meta({much, much}, {"1", "1"}))) ==
        "TensorMeta at `w` has more elements than can be counted");
  CHECK(wrong_with(config(exported::meta({"0", much, "2147483647"}, {"1", "1", "1"}))).empty());
}
