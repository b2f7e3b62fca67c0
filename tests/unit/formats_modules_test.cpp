// Whole pickled modules: what is registered, what is only held, what was never initialised.
#include "formats/read.h"
#include "model/module_queries.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

Artifact fixture(const std::string& name) {
  Result<std::shared_ptr<Source>> source =
      Source::open(std::string(TORCHVET_FIXTURES) + "/" + name);
  REQUIRE(source);
  Artifact artifact = read_artifact(*source, {});
  CHECK(artifact.faults.empty());
  CHECK(artifact.gaps.empty());
  return artifact;
}

const Module& module_at(const Artifact& artifact, const std::string& path) {
  for (const Module& module : artifact.modules) {
    if (module.path == path) return module;
  }
  FAIL("no module " << path);
  std::abort();
}

const StateDict& state_of(const Artifact& artifact) {
  REQUIRE_FALSE(artifact.state_dicts.empty());
  return artifact.state_dicts.front();
}

}  // namespace

TEST_CASE("a module has parameters, buffers, children and its own attributes") {
  for (const char* name : {"readers/module.pt", "readers/legacy_module.pt"}) {
    const Artifact artifact = fixture(name);
    CHECK(artifact.kind == Kind::kPickledModule);
    const Module& root = module_at(artifact, "");
    CHECK(root.class_name == "reader_models.Net");
    CHECK(root.training == true);
    REQUIRE(root.buffers.size() == 2);
    CHECK(root.buffers[0].persistent);
    CHECK_FALSE(root.buffers[1].persistent);
    REQUIRE(root.tensor_attributes.size() == 1);
    CHECK(root.tensor_attributes[0].name == "scale");
    CHECK(module_at(artifact, "body.1").class_name == "torch.nn.modules.batchnorm.BatchNorm1d");
    // state_dict() holds persistent buffers and no attributes.
    CHECK(state_of(artifact).entries.size() == 10);
    CHECK(state_of(artifact).find("body.1.running_var"));
    CHECK_FALSE(state_of(artifact).find("scratch"));
  }
}

TEST_CASE("a module in a checkpoint's dict keeps its key as path") {
  const Artifact artifact = fixture("readers/module_in_dict.pt");
  CHECK(artifact.kind == Kind::kCheckpoint);
  CHECK(module_at(artifact, "model").training == false);
  CHECK(module_at(artifact, "model.body.0").parent == ModuleId{1});
  CHECK(state_of(artifact).path == "model");
}

TEST_CASE("modules in containers are held, not registered; repetitions are neither") {
  const Artifact artifact = fixture("readers/module_listed.pt");
  const std::vector<HeldModules> held = unregistered_modules(artifact);
  REQUIRE(held.size() == 2);
  CHECK(held[0].attribute == "layers");
  CHECK(held[0].container == "list");
  CHECK(held[0].modules.size() == 2);
  CHECK(held[1].container == "dict");
  CHECK(module_at(artifact, "layers[1].0").registration == Registration::kUnregistered);
  CHECK(module_at(artifact, "heads.b[0]").registration == Registration::kUnregistered);
  CHECK(module_at(artifact, "stem").registration == Registration::kRegistered);
  CHECK(contents_of(artifact, held[0].modules[1]).parameters == 2);
  CHECK(registered_tensor_count(artifact, 0) == 2);
  CHECK(unregistered_modules(fixture("REG001/ok_repeated.pt")).empty());
}

TEST_CASE("a root that was never initialised is told by its class or by what it holds") {
  for (const char* name : {"readers/module_forgot.pt", "readers/legacy_forgot.pt"}) {
    const Artifact artifact = fixture(name);
    CHECK(artifact.kind == Kind::kPickledModule);
    CHECK_FALSE(module_at(artifact, "").initialised);
    CHECK(module_at(artifact, "layers[1]").initialised);
    CHECK(registered_tensor_count(artifact, 0) == 0);
  }
  CHECK_FALSE(module_at(fixture("readers/module_child_forgot.pt"), "child").initialised);
  CHECK(module_at(fixture("REG009/ok_own_state.pt"), "packed").initialised);
}

TEST_CASE("wrappers show the names that torch gives") {
  const Artifact compiled = fixture("readers/compiled.pt");
  CHECK(module_at(compiled, "_orig_mod").class_name == "torch.nn.modules.linear.Linear");
  CHECK(state_of(compiled).find("_orig_mod.weight"));
  const Artifact parallel = fixture("readers/data_parallel.pt");
  CHECK(module_at(parallel, "").class_name == "torch.nn.parallel.data_parallel.DataParallel");
  CHECK(state_of(parallel).find("module.bias"));
}

TEST_CASE("tied parameters are one tensor with two names") {
  const Artifact artifact = fixture("readers/module_tied.pt");
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].object_path == "embed.weight");
  CHECK(artifact.tensors[0].aliases == std::vector<std::string>{"out.weight"});
  CHECK(state_of(artifact).entries.size() == 2);
}

TEST_CASE("flat weights of a recurrent layer are its parameters, not attributes") {
  CHECK(module_at(fixture("readers/module_rnn.pt"), "").tensor_attributes.empty());
}

TEST_CASE(
    "dropout and batch norm with statistics depend on the mode, dropout with p = 0 does not") {
  const auto depends = [](const std::string& name, const std::string& path) {
    const Artifact artifact = fixture(name);
    return depends_on_mode(artifact, module_at(artifact, path));
  };
  CHECK(depends("MOD004/ok_eval.pt", "drop"));
  CHECK(depends("MOD004/ok_eval.pt", "encoder.norm"));
  CHECK_FALSE(depends("MOD004/ok_eval.pt", "head"));
  CHECK_FALSE(depends("MOD004/ok_eval.pt", ""));
  CHECK_FALSE(depends("MOD004/ok_no_dropout.pt", "drop"));
}

TEST_CASE("modules in eval mode count as kept so only inside a model in training mode") {
  CHECK(kept_in_eval(fixture("MOD004/ok_frozen_norm.pt")) ==
        std::unordered_set<std::string>{"encoder.norm"});
  CHECK(kept_in_eval(fixture("MOD004/ok_eval.pt")).empty());
  CHECK(kept_in_eval(fixture("MOD004/bad_head_trains.pt")).empty());
  CHECK(kept_in_eval(fixture("MOD004/ok_model_and_average.pt")).empty());
}
