// Checkpoints of torch.distributed.checkpoint: what is kept of the pickle in `.metadata`.
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
