// Programs of torch.export in the layouts of older releases, and files of torch.save inside of
// archives.
#include <string>
#include <vector>

#include "unit/exported_archive.h"

namespace torchvet {
namespace {

using namespace exported;
using namespace std::string_literals;

constexpr const char* kCall = "cos\nsystem\n(Vecho\ntR.";

/// The pickle of {NAME: tensor of 2 by 2 floats in storage 0}.
std::string state_dict(const std::string& name, const std::string& dtype = "Float") {
  return "\x80\x02}X" + std::string(1, static_cast<char>(name.size())) + "\0\0\0"s + name +
         "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\n"s + dtype +
         "Storage\nX\x01\0\0\0"
         "0X\x03\0\0\0cpuK\x04tQK\0(K\x02K\x02t(K\x02K\x01t\x89}tRs."s;
}

std::string saved(const std::string& pickle) {
  ZipBuilder zip;
  zip.add("archive/data.pkl", pickle).add("archive/data/0", std::string(16, '\2'));
  return zip.build();
}

/// What torch.save wrote before it wrote zips, with no storages.
std::string saved_before_zips(const std::string& object) {
  return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}."s +
         object + "\x80\x02].";
}

struct Older {
  std::string program = sound_model();
  std::string state = saved(state_dict("fc.w"));
  std::string constants = saved("}.");
  std::string inputs;
  std::string first;  ///< a member before all others
};

ZipBuilder members_of(const Older& older) {
  ZipBuilder zip;
  if (!older.first.empty()) zip.add(older.first, "x");
  zip.add("serialized_exported_program.json", older.program)
      .add("serialized_state_dict.pt", older.state)
      .add("serialized_constants.pt", older.constants)
      .add("serialized_example_inputs.pt", older.inputs)
      .add("version", "8.1");
  return zip;
}

Artifact read_zip(ZipBuilder zip) {
  return read_artifact(Source::from_bytes("net.pt2", zip.build()), {});
}

Artifact read_older(const Older& older) { return read_zip(members_of(older)); }

Names faults_of(const Artifact& artifact) {
  Names names;
  for (const Fault& fault : artifact.faults) names.emplace_back(name_of(fault.error.code));
  return names;
}

/// Names of the pickles that would call something.
Names calling(const Artifact& artifact) {
  Names names;
  for (const PickleProgram& pickle : artifact.pickles) {
    if (!pickle.calls.empty() &&
        artifact.objects.qualified_name(pickle.calls[0].callable) == "os.system") {
      names.push_back(pickle.name);
    }
  }
  return names;
}

}  // namespace

// --- The layout of torch before 2.8 -------------------------------------------------------------

TEST_CASE("Python compares the checksums of all that it reads of the older layout") {
  for (const std::string_view name : {"version", "serialized_constants.pt", "serialized_state_dict.pt"}) {
    ZipBuilder zip = members_of({});
    for (auto& item : zip.items) {
      if (item.name == name) item.crc32 = 1;
    }
    const Artifact artifact = read_zip(zip);
    REQUIRE(artifact.faults.size() == 1);
    CHECK(artifact.faults[0].error.code == ErrorCode::kZipChecksum);
    CHECK(artifact.faults[0].member == name);
  }
}

TEST_CASE("A program of the older layout has the same tensors and graph") {
  const Artifact artifact = read_older({});
  CHECK(artifact.format == Format::kExportedProgram);
  CHECK(artifact.exported->older_layout);
  CHECK(only_graph(artifact).method == "forward");
  REQUIRE(artifact.tensors.size() == 1);
  const Tensor& tensor = artifact.tensors[0];
  CHECK(tensor.object_path == "fc.w");
  CHECK(tensor.role == TensorRole::kParameter);
  CHECK(tensor.is_parameter);
  CHECK(tensor.shape == std::vector<std::int64_t>{2, 2});
  REQUIRE(tensor.storage.has_value());
  const Storage& storage = artifact.storages[*tensor.storage];
  CHECK(storage.present);
  CHECK(storage.bytes.text() == std::string(16, '\2'));
  REQUIRE(storage.member.has_value());
  CHECK(artifact.members[*storage.member].name == "serialized_state_dict.pt/archive/data/0");
  REQUIRE(artifact.state_dicts.size() == 1);
  CHECK(artifact.state_dicts[0].entries.size() == 1);
}

TEST_CASE("An older program is told by its name, whatever folder comes first") {
  Older older;
  older.first = "extra_files/note.txt";
  const Artifact artifact = read_older(older);
  CHECK(artifact.gaps.empty());
  CHECK(artifact.tensors.size() == 1);
}

TEST_CASE("Of two state dicts the last counts, as for torch, and both pickles are read") {
  ZipBuilder zip = members_of({});
  zip.add("serialized_state_dict.json", saved(state_dict("fc.w", "Int")));
  const Artifact artifact = read_zip(zip);
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].dtype == DType::kInt32);
  CHECK(artifact.pickles.size() == 3);
}

TEST_CASE("Parts that are missing or of another kind are faults") {
  Older older;
  older.state.clear();  // stands for no weights at all
  CHECK(read_older(older).gaps.empty());
  older.state = saved(
      "]K\x01"
      "a.");
  CHECK(faults_of(read_older(older)) == Names{"exported-bad-program"});
  older.state = saved("}X\x01\0\0\0aK\x01s."s);
  CHECK(faults_of(read_older(older)) == Names{"exported-bad-program"});
  older.state = "PK\3\4 no zip";
  CHECK(faults_of(read_older(older)).size() == 1);
  older.state = ZipBuilder().add("archive/other", "").build();
  CHECK(faults_of(read_older(older)) == Names{"zip-member-missing"});
  ZipBuilder zip;
  zip.add("serialized_exported_program.json", sound_model());
  CHECK(faults_of(read_zip(zip)) == Names{"zip-member-missing"});
}

TEST_CASE("Constants and buffers of an older program are told apart by the signature") {
  Older older;
  older.constants = saved(state_dict("shift"));
  Artifact artifact = read_older(older);
  REQUIRE(artifact.tensors.size() == 2);
  CHECK(artifact.tensors[1].object_path == "shift");
  CHECK(artifact.tensors[1].role == TensorRole::kConstant);
  CHECK(artifact.graph_constants == std::vector<TensorId>{1});
  older.program.replace(older.program.find("\"parameter\""), 11, "\"buffer\"");
  older.program.replace(older.program.find("parameter_name"), 14, "buffer_name");
  older.constants = saved(state_dict("fc.w"));
  older.state.clear();
  artifact = read_older(older);
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].role == TensorRole::kBuffer);
  CHECK(artifact.graph_constants.empty());
}

TEST_CASE("A tensor saved without numbers keeps its shape") {
  const std::string text =
      R"({"dtype": 7, "layout": 7, "requires_grad": true, "device": {"type": "cuda", "index": 1},)"
      R"("sizes": [{"as_int": 3}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}})";
  Older older;
  older.state =
      saved("\x80\x03}X\x04\0\0\0fc.wctorch._export.serde.serialize\n_reconstruct_fake_tensor\nC"s +
            static_cast<char>(text.size()) + text + "\x88\x86Rs.");
  const Artifact artifact = read_older(older);
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].shape == std::vector<std::int64_t>{3});
  CHECK(artifact.tensors[0].device == "cuda:1");
  REQUIRE(artifact.storages.size() == 1);
  CHECK_FALSE(artifact.storages[0].present);
  CHECK(artifact.storages[0].declared_bytes == 12);
}

// --- Pickles inside of archives -----------------------------------------------------------------

TEST_CASE("A call is found in every nested file that torch unpickles, with its place") {
  Older older;
  older.state = saved(kCall);
  CHECK(calling(read_older(older)) == Names{"serialized_state_dict.pt/archive/data.pkl"});
  older = {};
  older.inputs = saved_before_zips(kCall);
  CHECK(calling(read_older(older)) == Names{"serialized_example_inputs.pt (object)"});
  for (const std::string name :
       {"data/weights/model.pt", "data/constants/model.pt", "data/sample_inputs/model.pt",
        "data/constants/custom_obj_7", "data/constants/opaque_obj_0"}) {
    Archive archive;
    archive.more = {{name, saved(kCall)}};
    CHECK(calling(read(archive)) == Names{"net/" + name + "/archive/data.pkl"});
    archive.more = {{name, kCall}};
    CHECK(calling(read(archive)) == Names{"net/" + name});
  }
  // torch looks at the name of a constant's record alone, and joins paths like a file system.
  Archive archive;
  archive.constants = entry("helper", "custom_obj_0", meta({"2"}, {"1"}));
  archive.weights = entry("fc.w", "/extra/w", "null", true);
  archive.more = {{"data/constants/custom_obj_0", saved(kCall)}, {"/extra/w", saved(kCall)}};
  CHECK(calling(read(archive)) ==
        Names{"net//extra/w/archive/data.pkl", "net/data/constants/custom_obj_0/archive/data.pkl"});
}

TEST_CASE("An archive that is several things at once hides no pickle") {
  Archive archive;
  archive.more = {{"data.pkl", kCall}, {"constants.pkl", ")."}};
  Artifact artifact = read(archive);
  CHECK(artifact.format == Format::kExportedProgram);
  CHECK(calling(artifact) == Names{"net/data.pkl"});
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "code");
  ZipBuilder zip;
  zip.add("net/data.pkl", "}.").add("net/version", "3");
  for (const ZipBuilder::Item& item : members_of({sound_model(), saved(kCall)}).items) {
    zip.add(item.name, item.data);
  }
  artifact = read_zip(zip);
  CHECK(artifact.format == Format::kExportedProgram);
  CHECK(calling(artifact) == Names{"serialized_state_dict.pt/archive/data.pkl"});
}

TEST_CASE("A pickled weight is the tensor that its file holds") {
  const std::string pickle = state_dict("");
  // Without the dict around it.
  const std::string alone = "\x80\x02" + pickle.substr(8, pickle.size() - 10) + ".";
  Archive archive;
  archive.weights = entry("fc.w", "weight_1", "null", true);
  archive.more = {{"data/weights/weight_1", saved(alone)}};
  Artifact artifact = read(archive);
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].object_path == "fc.w");
  CHECK(artifact.tensors[0].role == TensorRole::kParameter);
  CHECK(artifact.tensors[0].shape == std::vector<std::int64_t>{2, 2});

  // One record under two names; a class that nobody knows has the shape that the config tells.
  archive.weights += ", " + entry("head.w", "weight_1", "null", true) + ", " +
                     entry("odd.w", "weight_2", meta({"5"}, {"1"}), true);
  archive.more.emplace_back("data/weights/weight_2", saved("cmine\nTensor\n)\x81."));
  artifact = read(archive);
  REQUIRE(artifact.tensors.size() == 3);
  CHECK(artifact.tensors[1].object_path == "head.w");
  CHECK(artifact.tensors[1].storage == artifact.tensors[0].storage);
  CHECK(artifact.tensors[2].layout == Layout::kWrapper);
  CHECK(artifact.tensors[2].shape == std::vector<std::int64_t>{5});

  archive.more.clear();
  CHECK(faults_of(read(archive)) == Names{"storage-missing", "storage-missing", "storage-missing"});
}

TEST_CASE("Weights in one file of torch.save take the place of the config") {
  Archive archive;
  archive.more = {{"data/weights/model.pt", saved(state_dict("fc.w", "Int"))}};
  const Artifact artifact = read(archive);
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].dtype == DType::kInt32);
}

// --- Older schemas ------------------------------------------------------------------------------

TEST_CASE("Unions may have all their keys, and null but for one") {
  const std::string wide = R"({"as_none": null, "as_tensor": {"name": "x"}, "as_int": null})";
  const Artifact artifact = read_nodes(
      {node("torch.ops.aten.relu.default", {input("self", wide)},
            {R"({"as_tensor": {"name": "y"}, "as_tensors": null})"}),
       node("torch.ops.aten.index.Tensor",
            {input("self", tensor("y")),
             input("indices", R"({"as_optional_tensors": [{"as_tensor": null, "as_none": []},
                                  {"as_tensor": "x", "as_none": null}]})")},
            {tensor("z")})},
      "z");
  const Graph& program = only_graph(artifact);
  REQUIRE(program.nodes.size() == 3);
  CHECK(program.nodes[0].inputs[0].value == program.blocks[0].parameters[0]);
  CHECK(program.nodes[1].inputs[1].value == program.blocks[0].parameters[0]);
  const std::string two = R"({"as_tensor": {"name": "x"}, "as_int": 3})";
  CHECK(faults_of(read_nodes({node("a.b", {input("self", two)}, {tensor("y")})}, "y")) ==
        Names{"exported-bad-program"});
}

TEST_CASE("The signature of torch 2.1 is a table") {
  const std::string text =
      "{\"graph_module\": {\"graph\": " +
      graph({tensor("a"), tensor("b"), tensor("x")},
            {node("torch.ops.aten.add.Tensor",
                  {input("self", tensor("x")), input("other", tensor("a"))}, {tensor("y")}),
             node("torch.ops.aten.add.Tensor",
                  {input("self", tensor("b")), input("other", tensor("y"))}, {tensor("z")})},
            {tensor("z"), tensor("y")}) +
      R"(, "signature": {"inputs_to_parameters": {"a": "fc.w"}, "inputs_to_buffers": {"b": "fc.n"},
          "user_inputs": ["x"], "user_outputs": ["y"], "buffers_to_mutate": {"z": "fc.n"}}},
          "schema_version": 1})";
  Older older;
  older.program = text;
  const Artifact artifact = read_older(older);
  const Graph& program = only_graph(artifact);
  CHECK(artifact.exported->schema_major == 1);
  CHECK(artifact.exported->decomposed);
  REQUIRE(program.blocks[0].parameters.size() == 1);
  CHECK(program.values[program.blocks[0].parameters[0]].name == "x");
  CHECK(program.values[program.nodes[0].inputs[1].value].attribute == "fc.w");
  CHECK(program.nodes.back().op == "prim::SetAttr");
  CHECK(program.nodes.back().overload == "n");
  REQUIRE(program.blocks[0].results.size() == 1);
  CHECK(program.values[program.blocks[0].results[0]].name == "y");
}

TEST_CASE("Graphs before verifiers are decomposed unless their dialect says otherwise") {
  const auto decomposed = [](const std::string& more) {
    std::string text = sound_model();
    text.replace(text.find("\"major\": 8"), 10, "\"major\": 5");
    text.insert(1, more);
    return read_model(text).exported->decomposed;
  };
  CHECK(decomposed(""));
  CHECK(decomposed(R"("dialect": "ATEN", )"));
  CHECK_FALSE(decomposed(R"("dialect": "TRAINING", )"));
  CHECK_FALSE(decomposed(R"("verifiers": ["TRAINING"], )"));
}

}  // namespace torchvet
