#pragma once

#include <string>
#include <utility>
#include <vector>

#include "formats/read.h"
#include "unit/catch.h"
#include "unit/zip_builder.h"

// Programs of torch.export written by hand, so that a test can say what torch.export.save would
// never write. A program here is what is left of torch's JSON when everything is gone that nobody
// reads; its schema is newer than what is known, so that nothing more is asked for.
namespace torchvet::exported {

inline std::string quoted(const std::string& text) { return "\"" + text + "\""; }

inline std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

inline std::string integers(const std::vector<std::string>& numbers) {
  std::vector<std::string> parts;
  for (const std::string& number : numbers) parts.push_back("{\"as_int\": " + number + "}");
  return "[" + joined(parts) + "]";
}

inline std::string meta(const std::vector<std::string>& sizes,
                        const std::vector<std::string>& strides,
                        const std::string& device = R"({"type": "cpu", "index": null})") {
  return R"({"dtype": 7, "layout": 7, "requires_grad": true, "storage_offset": {"as_int": 0}, )"
         "\"device\": " +
         device + ", \"sizes\": " + integers(sizes) + ", \"strides\": " + integers(strides) + "}";
}

inline std::string entry(const std::string& name, const std::string& record,
                         const std::string& tensor_meta, bool pickle = false) {
  return quoted(name) + R"(: {"path_name": ")" + record + R"(", "is_param": true, "use_pickle": )" +
         (pickle ? "true" : "false") + ", \"tensor_meta\": " + tensor_meta + "}";
}

inline std::string tensor(const std::string& name) {
  return R"({"as_tensor": {"name": ")" + name + "\"}}";
}

inline std::string input(const std::string& name, const std::string& arg) {
  return "{\"name\": " + quoted(name) + ", \"arg\": " + arg + ", \"kind\": 1}";
}

/// {"as_tensors": [...]}
inline std::string tensors(const std::vector<std::string>& names) {
  std::vector<std::string> parts;
  for (const std::string& name : names) parts.push_back("{\"name\": " + quoted(name) + "}");
  return "{\"as_tensors\": [" + joined(parts) + "]}";
}

inline std::string node(const std::string& target, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs,
                        const std::string& metadata = "{}") {
  return "{\"target\": " + quoted(target) + ", \"inputs\": [" + joined(inputs) +
         "], \"outputs\": [" + joined(outputs) + "], \"metadata\": " + metadata + "}";
}

inline std::string graph(const std::vector<std::string>& inputs,
                         const std::vector<std::string>& nodes,
                         const std::vector<std::string>& outputs) {
  return "{\"inputs\": [" + joined(inputs) + "], \"nodes\": [" + joined(nodes) +
         "], \"outputs\": [" + joined(outputs) + "], \"tensor_values\": {}}";
}

inline std::string sub_graph(const std::string& graph_text) {
  return R"({"as_graph": {"name": "g", "graph": )" + graph_text + "}}";
}

inline constexpr const char* kNewerSchema = R"({"major": 8, "minor": 1000})";

/// Of the parameter `p_w` and the input `x`, and of what the user gets.
inline std::string signature(const std::vector<std::string>& outputs) {
  std::vector<std::string> specs;
  for (const std::string& output : outputs) {
    specs.push_back("{\"user_output\": {\"arg\": " + output + "}}");
  }
  return R"({"input_specs": [
  {"parameter": {"arg": {"name": "p_w"}, "parameter_name": "fc.w"}},
  {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}], "output_specs": [)" + joined(specs) + "]}";
}

/// A program with the parameter `p_w` and the input `x`.
inline std::string model(const std::vector<std::string>& nodes,
                         const std::vector<std::string>& outputs) {
  return "{\"graph_module\": {\"graph\": " + graph({tensor("p_w"), tensor("x")}, nodes, outputs) +
         ", \"signature\": " + signature(outputs) + "}, \"schema_version\": " + kNewerSchema + "}";
}

inline std::string sound_node() {
  return node("torch.ops.aten.add.Tensor",
              {input("self", tensor("x")), input("other", tensor("p_w"))}, {tensor("add")});
}

inline std::string sound_model() { return model({sound_node()}, {tensor("add")}); }

struct Archive {
  std::string model_json = sound_model();
  std::string weights = entry("fc.w", "weight_0", meta({"2", "2"}, {"2", "1"}));
  std::string constants;
  std::string sample_inputs;
  std::vector<std::pair<std::string, std::string>> more;  ///< further members
};

inline std::string bytes_of(const Archive& archive) {
  ZipBuilder zip;
  zip.add("net/data/weights/weight_0", std::string(16, '\1'))
      .add("net/data/weights/model_weights_config.json", "{\"config\": {" + archive.weights + "}}")
      .add("net/data/constants/model_constants_config.json",
           "{\"config\": {" + archive.constants + "}}")
      .add("net/models/model.json", archive.model_json)
      .add("net/data/sample_inputs/model.pt", archive.sample_inputs)
      .add("net/archive_format", "pt2")
      .add("net/archive_version", "0")
      .add("net/version", "3\n");
  for (const auto& [name, data] : archive.more) zip.add("net/" + name, data);
  return zip.build();
}

inline Artifact read(const Archive& archive) {
  return read_artifact(Source::from_bytes("net.pt2", bytes_of(archive)), {});
}

inline Artifact read_model(std::string model_json) {
  Archive archive;
  archive.model_json = std::move(model_json);
  return read(archive);
}

inline Artifact read_nodes(const std::vector<std::string>& nodes, const std::string& result) {
  return read_model(model(nodes, {tensor(result)}));
}

using Names = std::vector<std::string>;

inline const Graph& only_graph(const Artifact& artifact) {
  REQUIRE(artifact.gaps.empty());
  REQUIRE(artifact.graphs.size() == 1);
  return artifact.graphs[0];
}

}  // namespace torchvet::exported
