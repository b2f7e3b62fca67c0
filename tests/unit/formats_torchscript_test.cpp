// Archives written by hand in the text opcodes of pickle's protocol 0, so that a test can say what
// torch.jit.save would never write.
#include <algorithm>
#include <string>

#include "formats/debug_pkl.h"
#include "formats/read.h"
#include "formats/torchscript_classes.h"
#include "unit/catch.h"
#include "unit/zip_builder.h"

namespace torchvet {
namespace {

ByteView view(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), 0};
}

/// One record of the older form: the code from `offset` on came from text[start, end).
std::string record(int offset, const std::string& source, int start, int end) {
  return "(I" + std::to_string(offset) + "\n(" + source + "I" + std::to_string(start) + "\nI" +
         std::to_string(end) + "\ntI0\nt";
}

std::string tensor(const std::string& key, const std::string& memo) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV" + key +
         "\nVcpu\nI4\ntQI0\n(I4\nt(I1\ntI01\nccollections\nOrderedDict\n(tRtRp" + memo + "\n";
}

/// An object of a class without constructor arguments, its attributes as given.
std::string object(const std::string& module, const std::string& name, const std::string& state) {
  return "c" + module + "\n" + name + "\n(t\x81(" + state + "db";
}

constexpr const char* kCode = R"(class Net(Module):
  __parameters__ = ["weight", ]
  __buffers__ = ["running", ]
  training : bool
  def forward(self: __torch__.Net, x: Tensor) -> Tensor:
    return x
)";

Artifact read(const std::string& data_pkl, const std::string& code = kCode) {
  ZipBuilder zip;
  zip.add("net/data.pkl", data_pkl)
      .add("net/code/__torch__.py", code)
      .add("net/constants.pkl", "(t.")
      .add("net/version", "3\n")
      .add("net/data/0", std::string(16, '\0'))
      .add("net/data/1", std::string(16, '\0'));
  return read_artifact(Source::from_bytes("net.pt", zip.build()), {});
}

const Tensor& tensor_at(const Artifact& artifact, const std::string& path) {
  const auto at = std::find_if(artifact.tensors.begin(), artifact.tensors.end(),
                               [&](const Tensor& t) { return t.object_path == path; });
  REQUIRE(at != artifact.tensors.end());
  return *at;
}

}  // namespace

TEST_CASE("Bytecode for the lite interpreter: the pickle is read, its instructions are a gap") {
  const std::string bytecode =
      "(I8\n(V__torch__.Net.forward\n((Vinstructions\n((VRET\nI0\nI0\nttt(Vconstants\n(" +
      tensor("0", "9") + "ttttcposix\nsystem\n(Vtrue\ntRt.";
  ZipBuilder zip;
  zip.add("net/data.pkl", object("__torch__", "Net", "Vweight\n" + tensor("0", "1")) + ".")
      .add("net/data/0", std::string(16, '\0'))
      .add("net/constants.pkl", "(t.")
      .add("net/constants/0", std::string(16, '\0'))
      .add("net/bytecode.pkl", bytecode)
      .add("net/mobile_debug_handles.pkl", "(I8\ncposix\nputenv\nt.")
      .add("net/version", "3\n");
  SECTION("beside code") {
    zip.add("net/code/__torch__.py", kCode);
    const Artifact artifact = read_artifact(Source::from_bytes("net.ptl", zip.build()), {});
    REQUIRE(artifact.gaps.size() == 1);
    CHECK(artifact.gaps[0].what == "net/bytecode.pkl");
    CHECK(artifact.gaps[0].why.find("in place of code/") != std::string::npos);
    REQUIRE(artifact.pickles.size() == 4);
    CHECK(artifact.pickles[2].name == "net/bytecode.pkl");
    CHECK(artifact.pickles[2].calls.size() == 3);  // the tensor, its hooks, and the command
    CHECK(artifact.pickles[3].imports.at(0).name == "putenv");
    const auto constant = std::find_if(
        artifact.tensors.begin(), artifact.tensors.end(),
        [](const Tensor& one) { return one.object_path.starts_with("bytecode["); });
    REQUIRE(constant != artifact.tensors.end());
    CHECK(constant->role == TensorRole::kConstant);
    CHECK(artifact.storages.at(*constant->storage).present);
  }
  SECTION("alone") {
    const Artifact artifact = read_artifact(Source::from_bytes("net.ptl", zip.build()), {});
    REQUIRE_FALSE(artifact.gaps.empty());
    const bool named = std::any_of(artifact.gaps.begin(), artifact.gaps.end(), [](const Gap& gap) {
      return gap.what == "net/bytecode.pkl" && gap.why.find("bytecode alone") != std::string::npos;
    });
    CHECK(named);
  }
}

TEST_CASE("The class text tells parameters from buffers") {
  const ScriptClasses classes = read_script_classes(
      "class A(Module):\n  __parameters__ = [\"w\", \"odd\\\"name\", ]\n  __buffers__ = []\n"
      "  def f(self) -> int:\n  __buffers__ = [\"no\", ]\n"
      "class B(NamedTuple):\n  x : int\n");
  REQUIRE(classes.size() == 2);
  CHECK(classes.at("A").is_module);
  CHECK(classes.at("A").parameters == std::vector<std::string>{"w", "odd\"name"});
  CHECK(classes.at("A").buffers.empty());
  CHECK_FALSE(classes.at("B").is_module);
}

TEST_CASE("The class text tells which attributes an object has, and whether it pickles itself") {
  ScriptClasses classes;
  add_script_classes("__torch__/net/layers.py", R"(class List(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  size : Final[int] = 3
  __annotations__ = []
  __annotations__["0"] = __torch__.net.layers.Packed
  __annotations__["1"] = Final[str]
  def forward(self: __torch__.net.layers.List, x: Tensor) -> Tensor:
    y : Tensor = x
    return x
class Packed:
  bits : Dict[str, List[int]]
  def __getstate__(self: __torch__.net.layers.Packed) -> int:
    return 3
  def __setstate__(self: __torch__.net.layers.Packed, state: int) -> NoneType:
    return None
class Colour(Enum):
  red = 1
)", classes);
  REQUIRE(classes.size() == 3);
  const ScriptClass& list = classes.at("__torch__.net.layers.List");
  REQUIRE(list.attributes.size() == 2);
  CHECK(list.attributes[0].name == "training");
  CHECK(list.attributes[0].type == "bool");
  CHECK(list.attributes[1].name == "0");
  CHECK(list.attributes[1].type == "__torch__.net.layers.Packed");
  CHECK_FALSE(list.pickles_itself());
  const ScriptClass& packed = classes.at("__torch__.net.layers.Packed");
  REQUIRE(packed.attributes.size() == 1);
  CHECK(packed.attributes[0].type == "Dict[str, List[int]]");
  CHECK(packed.pickles_itself());
  CHECK(packed.base.empty());
  CHECK(classes.at("__torch__.net.layers.Colour").base == "Enum");
}

TEST_CASE("Class names lose what TorchScript adds") {
  CHECK(python_class_name("__torch__.torch.nn.modules.linear.___torch_mangle_4.Linear") ==
        "torch.nn.modules.linear.Linear");
  CHECK(python_class_name("__torch__.Net") == "Net");
}

TEST_CASE("A source map without a string table") {
  const std::string source = "(Vdef f(x):\\u000a  return x\nVnet.py\nI10\nt";
  const std::string bytes =
      "(" + record(0, "(V\nV\nI0\nt", 0, 0) + record(20, source, 13, 21) + "t.";
  const Result<SourceMap> map = read_source_map(view(bytes), {});
  REQUIRE(map);
  CHECK(map->frames_at(19).empty());
  const std::vector<SourceLine> frames = map->frames_at(25);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].file == "net.py");
  CHECK(frames[0].line == 11);
  CHECK(frames[0].text == "return x");
}

TEST_CASE("A source map with a string table") {
  const std::string source = "(ctorch.jit._pickle\nbuild_intlist\n((I1\nI2\nltRI0\nI10\nt";
  const std::string bytes =
      "(VFORMAT_WITH_STRING_TABLE\n(Vnet.py\nVdef f(x):\\u000a\nV  return x\nt(" +
      record(0, source, 13, 21) + "tt.";
  const Result<SourceMap> map = read_source_map(view(bytes), {});
  REQUIRE(map);
  REQUIRE(map->frames_at(0).size() == 1);
  CHECK(map->frames_at(0)[0].line == 11);
}

TEST_CASE("A source map that is none is refused") {
  const auto code_of = [](const std::string& bytes, const Limits& limits = {}) {
    const Result<SourceMap> map = read_source_map(view(bytes), limits);
    return map ? std::string("accepted") : std::string(name_of(map.error().code));
  };
  CHECK(code_of("I5\n.") == "debug-info-invalid");
  CHECK(code_of("((I0\nI1\ntt.") == "debug-info-invalid");
  CHECK(code_of("(VFORMAT_WITH_STRING_TABLE\n(Vnet.py\nt(" +
                record(0, "(ctorch.jit._pickle\nbuild_intlist\n((I7\nltRI0\nI1\nt", 0, 0) +
                "tt.") == "debug-info-invalid");
  Limits small;
  small.code_bytes = 4;
  CHECK(code_of("(" + record(0, "(Vabcdefgh\nVnet.py\nI1\nt", 0, 0) + "t.", small) ==
        "limit-exceeded");
}

TEST_CASE("Tensors of a module get the roles that its class gives them") {
  const Artifact artifact =
      read(object("__torch__", "Net",
                  "Vweight\n" + tensor("0", "1") + "Vrunning\n" + tensor("1", "2") +
                      "Vplain\ng1\n" + "Vtraining\nI01\n") +
           ".");
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.modules.size() == 1);
  const Module& module = artifact.modules[0];
  CHECK(module.training == true);
  REQUIRE(module.parameters.size() == 1);
  CHECK(module.parameters[0].name == "weight");
  REQUIRE(module.buffers.size() == 1);
  REQUIRE(module.tensor_attributes.size() == 1);
  const Tensor& weight = tensor_at(artifact, "weight");
  CHECK(weight.is_parameter);
  CHECK(weight.requires_grad);
  CHECK(weight.aliases == std::vector<std::string>{"plain"});
  CHECK(tensor_at(artifact, "running").role == TensorRole::kBuffer);
  REQUIRE(artifact.state_dicts.size() == 1);
  CHECK(artifact.state_dicts[0].entries.size() == 2);
}

TEST_CASE("A module under two paths is one module, and its tensors have two names") {
  const std::string shared = object("__torch__", "Net", "Vweight\n" + tensor("0", "1"));
  const Artifact artifact =
      read(object("__torch__", "Net", "Va\n" + shared + "p9\nVb\ng9\nVtraining\nI00\n") + ".");
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.modules.size() == 2);
  CHECK(artifact.modules[1].path == "a");
  CHECK(artifact.modules[0].children.size() == 2);
  CHECK(tensor_at(artifact, "a.weight").aliases == std::vector<std::string>{"b.weight"});
}

TEST_CASE("A module that contains itself ends") {
  const Artifact artifact =
      read("c__torch__\nNet\n(t\x81p9\n(Vself\ng9\nVtwin\ng9\nVtraining\nI01\ndb.");
  CHECK(artifact.modules.size() == 1);
  CHECK_FALSE(artifact.gaps.empty());
}

TEST_CASE("A class without code is a gap") {
  const Artifact artifact = read(object("__torch__.gone", "Net", "Vtraining\nI01\n") + ".");
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "class __torch__.gone.Net");
}

TEST_CASE("Code beyond the limit is a gap") {
  ZipBuilder zip;
  zip.add("net/data.pkl", object("__torch__", "Net", "") + ".")
      .add("net/code/__torch__.py", kCode)
      .add("net/constants.pkl", "(t.")
      .add("net/version", "3\n");
  ReadOptions options;
  options.limits.code_bytes = 10;
  const Artifact artifact = read_artifact(Source::from_bytes("net.pt", zip.build()), options);
  REQUIRE_FALSE(artifact.gaps.empty());
  CHECK(artifact.gaps[0].what == "code");
  CHECK(artifact.script->code.empty());
}

TEST_CASE("a program of torch before 1.2 is recognised, and leaves one gap") {
  ZipBuilder zip;
  zip.add("net/version", "1\n")
      .add("net/code/net.py", "op_version_set = 0\ndef forward(self, x: Tensor) -> Tensor:\n")
      .add("net/tensors/0", std::string(16, '\0'))
      .add("net/model.json", "{}");
  const Artifact artifact = read_artifact(Source::from_bytes("net.pt", zip.build()), {});
  CHECK(artifact.kind == Kind::kTorchScript);
  CHECK(artifact.faults.empty());
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].why.find("before 1.2") != std::string::npos);
  CHECK(artifact.script->code.empty());
}

}  // namespace torchvet
