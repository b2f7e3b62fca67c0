// Reads TorchScript archives and prints, one line of JSON a file, what the reader and the worker
// made of them. Used by graph.py.
//
//   {"gaps": [...], "modules": [{"path": "fc", "class": ..., "training": true, "parameters": [...],
//    "buffers": [...]}], "tensors": {"fc.weight": {"shape": [4], "requires_grad": true}},
//    "graphs": [as graph_json makes them]}
//
// usage: dump_script WORKER FILE...

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "formats/read.h"
#include "graph/worker_client.h"
#include "report/graph_dump.h"

using namespace torchvet;
using Json = nlohmann::ordered_json;

namespace {

Json names_of(const std::vector<ModuleTensor>& tensors) {
  Json names = Json::array();
  for (const ModuleTensor& tensor : tensors) {
    if (tensor.tensor) names.push_back(tensor.name);
  }
  return names;
}

Json dump(const Artifact& artifact) {
  Json out;
  out["gaps"] = Json::array();
  for (const Gap& gap : artifact.gaps) out["gaps"].push_back(gap.what + ": " + gap.why);
  out["modules"] = Json::array();
  for (const Module& module : artifact.modules) {
    Json entry = {{"path", module.path},
                  {"class", module.class_name},
                  {"training", nullptr},
                  {"parameters", names_of(module.parameters)},
                  {"buffers", names_of(module.buffers)},
                  {"attributes", names_of(module.tensor_attributes)}};
    if (module.training) entry["training"] = *module.training;
    out["modules"].push_back(std::move(entry));
  }
  out["tensors"] = Json::object();
  for (const Tensor& tensor : artifact.tensors) {
    const Json entry = {{"shape", tensor.shape},
                        {"dtype", name_of(tensor.dtype)},
                        {"requires_grad", tensor.requires_grad},
                        {"device", tensor.device}};
    out["tensors"][tensor.object_path] = entry;
    for (const std::string& alias : tensor.aliases) out["tensors"][alias] = entry;
  }
  out["graphs"] = Json::array();
  for (const Graph& graph : artifact.graphs) out["graphs"].push_back(graph_json(graph));
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  GraphWorker worker(argv[1]);
  for (int i = 2; i < argc; ++i) {
    Result<std::shared_ptr<Source>> source = Source::open(argv[i]);
    if (!source) return 1;
    Artifact artifact = read_artifact(*source, {});
    worker.read_graphs(artifact, {});
    std::printf("%s\n", dump(artifact).dump().c_str());
  }
  return 0;
}
