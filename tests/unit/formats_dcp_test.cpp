// Checkpoints of torch.distributed.checkpoint: what is kept of the pickle in `.metadata`.
#include "formats/dcp/checks.h"
#include "formats/read.h"
#include "unit/catch.h"
#include "unit/temporary_folder.h"
#include "unit/torch_pickle.h"

using namespace torchvet;
using namespace torchvet::pickles;

namespace {

constexpr const char* kModule = "torch.distributed.checkpoint.metadata";

std::string instance(const std::string& name, const std::string& state) {
  return global(kModule, name) + ")\x81" + state + "b";
}

/// A `.metadata` without tensors that has one more field.
Artifact read_metadata(const std::string& key, const std::string& value) {
  const TemporaryFolder folder;
  const std::string state =
      dict({str("state_dict_metadata"), "}", str("storage_data"), "}", key, value});
  const auto source =
      Source::open(folder.write(".metadata", "\x80\x02" + instance("Metadata", state) + "."));
  REQUIRE(source);
  return read_artifact(*source, {});
}

}  // namespace

TEST_CASE("what torch writes into .metadata leaves only the names behind") {
  const Artifact artifact = read_metadata(str("version"), str("1.0.0"));
  CHECK(artifact.format == Format::kDcpMetadata);
  CHECK(artifact.faults.empty());
  REQUIRE(artifact.pickles.size() == 1);
  CHECK(artifact.pickles[0].root == kNoObject);
  REQUIRE(artifact.pickles[0].calls.size() == 2);  // NEWOBJ and BUILD
  for (const PickleProgram::Call& call : artifact.pickles[0].calls) {
    CHECK(call.object == kNoObject);
    CHECK(artifact.objects.qualified_name(call.callable) == std::string(kModule) + ".Metadata");
  }
}

TEST_CASE("a .metadata that calls something else keeps all that it builds") {
  const Artifact artifact = read_metadata(str("version"), call("os", "system", {str("echo 1")}));
  REQUIRE(artifact.pickles.size() == 1);
  const PickleProgram& program = artifact.pickles[0];
  CHECK(artifact.objects.qualified_name(program.root) == std::string(kModule) + ".Metadata");
  const Object::Call* made = artifact.objects.as<Object::Call>(program.calls[1].object);
  REQUIRE(made);
  CHECK(artifact.objects.qualified_name(program.calls[1].callable) == "os.system");
  CHECK(artifact.objects.render(made->arguments) == "('echo 1',)");
}

TEST_CASE("a name that leads out of torch's module by dots is none of torch's") {
  const Artifact artifact =
      read_metadata(str("version"), global(kModule, "Metadata.__init__.__globals__"));
  CHECK(artifact.objects.contains(artifact.pickles.at(0).root));
}

TEST_CASE("a .metadata with a tuple as a key keeps all that it builds") {
  const Artifact artifact = read_metadata(tuple({num(1), num(2)}), num(1));
  CHECK(artifact.objects.contains(artifact.pickles.at(0).root));
}

namespace {

struct Described {
  std::string dtype = global("torch", "float32");
  std::string layout = call("torch.serialization", "_get_layout", {str("torch.strided")});
  std::string format = call(kModule, "_MEM_FORMAT_ENCODING", {num(0)});
  std::string more;  ///< further parts of the state
  std::string path = tuple({str("net"), str("w")});
  std::string index = "MetadataIndex";
  std::string info = global("torch.distributed.checkpoint.filesystem", "_StorageInfo");
};

std::string size_of(const std::string& number) { return call("torch", "Size", {tuple({number})}); }

/// The details of the faults of a `.metadata` with one tensor, `net.w`, of two elements. Its item is empty,
/// which is not asked about.
std::string faults_of(const Described& tensor) {
  const std::string properties = instance(
      "TensorProperties", "(" + tensor.dtype + tensor.layout + no() + tensor.format + no() + tensor.more + "t");
  const std::string chunk = instance(
      "ChunkStorageMetadata", dict({str("offsets"), size_of(num(0)), str("sizes"), size_of(num(2))}));
  const std::string entry = instance(
      "TensorStorageMetadata", dict({str("properties"), properties, str("size"), size_of(num(2)),
                                     str("chunks"), list({chunk})}));
  const std::string index =
      instance(tensor.index, dict({str("fqn"), str("net.w"), str("offset"), size_of(num(0))}));
  const std::string info =
      tensor.info + ")\x81" + dict({str("relative_path"), str("__0_0.distcp"), str("offset"), num(0),
                                    str("length"), num(8)}) + "b";
  const std::string state = dict({str("state_dict_metadata"), dict({str("net.w"), entry}),
                                  str("planner_data"), dict({str("net.w"), tensor.path}),
                                  str("storage_data"), dict({index, info})});
  const TemporaryFolder folder;
  folder.write("__0_0.distcp", std::string(8, '\0'));
  const auto source = Source::open(
      folder.write(".metadata", "\x80\x02" + instance("Metadata", state) + "."));
  REQUIRE(source);
  std::string all;
  for (const Fault& fault : read_artifact(*source, {}).faults) {
    const bool of_item = fault.error.detail.starts_with("the item of");
    if (fault.error.code == ErrorCode::kDcpBadMetadata && !of_item) all += fault.error.detail + "\n";
  }
  return all;
}

}  // namespace

TEST_CASE("a tensor in .metadata is as torch's classes ask") {
  CHECK(faults_of({}).empty());
  const auto bad_entry = [](const Described& tensor) {
    return faults_of(tensor).starts_with("the entry `net.w` is not what torch writes");
  };
  Described tensor;
  tensor.layout = call("torch.serialization", "_get_layout", {str("torch.stridmd")});
  CHECK(bad_entry(tensor));
  tensor = {};
  tensor.format = call(kModule, "_MEM_FORMAT_ENCODING", {num(3)});
  CHECK(bad_entry(tensor));
  tensor.format = num(0);
  CHECK(bad_entry(tensor));
  const std::string encoding = global(kModule, "_MEM_FORMAT_ENCODING");
  tensor.format = call("__builtin__", "getattr", {encoding, str("TORCH_CHANNELS_LAST")});
  CHECK(faults_of(tensor).empty());
  tensor.format = call("__builtin__", "getattr", {encoding, str("TORCH_NHWC")});
  CHECK(bad_entry(tensor));
  tensor = {};
  tensor.more = none();
  CHECK(bad_entry(tensor));
}

TEST_CASE("an entry of storage_data is of torch's class, or of another library's") {
  Described tensor;
  tensor.index = "MetadataIndez";
  CHECK(faults_of(tensor).starts_with("an entry of storage_data is not what torch writes"));
  tensor = {};
  tensor.info = global("torch.distributed.checkpoint.filesystem", "_StosageInfo");
  CHECK(faults_of(tensor).starts_with("an entry of storage_data is not what torch writes"));
  tensor.info = global("theirs.writer", "Info");
  CHECK(faults_of(tensor).empty());
}

TEST_CASE("the keys to an entry make its name") {
  Described tensor;
  tensor.path = tuple({str("net"), str("v")});
  CHECK(faults_of(tensor) == "the keys to `net.w` in planner_data lead to `net.v`\n");
}

TEST_CASE("a container of planner_data is a list or a dict") {
  DcpPlan plan;
  CHECK_FALSE(plan.add("a.0", {{"a", false}, {"0", true}}));
  CHECK_FALSE(plan.add("a.1", {{"a", false}, {"1", true}}));
  CHECK_FALSE(plan.add("b.0", {{"b", false}, {"0", false}}));
  CHECK(plan.add("a.x", {{"a", false}, {"x", false}}));
}

TEST_CASE("what .metadata calls is a class, and gets what it needs") {
  const auto faults = [](const std::string& object) {
    std::string all;
    for (const Fault& fault : read_metadata(str("version"), object).faults) all += fault.error.detail;
    return all;
  };
  CHECK(faults(instance("StorageMeta", dict({}))).empty());
  CHECK(faults(global(kModule, "TensorStorageMetadata") + ")R") ==
        "it calls TensorStorageMetadata without arguments");
  CHECK(faults(instance("ChunkStorageMetadata", dict({})) + ")\x81").starts_with("it calls torch.distributed"));
  CHECK(faults(global(kModule, "StorageMeta") + call("torch.serialization", "_get_layout", {str("torch.strided")}) +
               "\x81")
            .ends_with("with no tuple of arguments"));
  CHECK(faults(instance("StorageMeta", dict({})) + str("key") + num(1) + "s")
            .starts_with("it puts elements into"));
}
