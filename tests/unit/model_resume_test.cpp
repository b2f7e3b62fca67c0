// What tells a checkpoint that a run can go on from: names of keys and files, and folders.
#include <algorithm>

#include "model/deepspeed.h"
#include "model/key_prefixes.h"
#include "model/model_state.h"
#include "model/resume.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

/// A dict with one key beside a state_dict; the value is a dict, a list or a number.
Artifact file_with(const std::string& key, char kind) {
  Artifact artifact;
  const auto add = [&](auto value) {
    Object object;
    object.value = std::move(value);
    return artifact.objects.add(std::move(object));
  };
  artifact.tensors.emplace_back().shape = {2, 2};
  artifact.tensors.back().dtype = DType::kFloat32;
  Object::Dict weights;
  weights.items.emplace_back(add(std::string("fc.weight")), add(Object::TensorRef{0}));
  Object::Dict root;
  root.items.emplace_back(add(std::string("net")), add(std::move(weights)));
  ObjectId value = kNoObject;
  if (kind == 'd') value = add(Object::Dict{});
  if (kind == 'l') value = add(Object::List{});
  if (kind == 'n') value = add(std::int64_t{3});
  root.items.emplace_back(add(key), value);
  artifact.pickles.emplace_back().root = add(std::move(root));
  describe_objects(artifact, artifact.pickles.front().root);
  return artifact;
}

/// The key that another one is taken for, "" for none.
std::string meant(const std::string& key, char kind) {
  const std::vector<NearMiss> found = near_misses(file_with(key, kind));
  return found.empty() ? "" : found.front().meant;
}

Artifact folder_with(std::initializer_list<std::string> files) {
  Artifact artifact;
  artifact.format = Format::kTrainingFolder;
  for (const std::string& file : files) artifact.members.emplace_back().name = file;
  return artifact;
}

}  // namespace

TEST_CASE("a key that lost, gained, changed or swapped a letter is taken for the usual one") {
  CHECK(meant("optimizer_state_dit", 'd') == "optimizer_state_dict");
  CHECK(meant("optimizer_state_dic", 'd') == "optimizer_state_dict");
  CHECK(meant("ptimizer", 'd') == "optimizer");
  CHECK(meant("optimizzer", 'd') == "optimizer");
  CHECK(meant("optimizerr", 'd') == "optimizer");
  CHECK(meant("epooh", 'n') == "epoch");
  CHECK(meant("eopch", 'n') == "epoch");
  CHECK(meant("lr_shedulers", 'l') == "lr_schedulers");
}

TEST_CASE("another word, number, plural, spelling or kind is no slip") {
  for (const char* key : {"optimizer", "optimizers", "optimiser", "optimizer1", "optimizer_b",
                          "doptimizer", "optimizerG", "Optimizer", "schedule", "scale", "optim"}) {
    CHECK(meant(key, 'd') == "");
  }
  CHECK(meant("epochs", 'n') == "");
  CHECK(meant("epooh", 'd') == "");
  CHECK(meant("optimizzer", 'n') == "");
  CHECK(meant("modil", 'd') == "");  // holds no tensors
}

TEST_CASE("a folder stands at trainer_state.json, or at what is left of it") {
  const std::string state = "trainer_state.json";
  CHECK(folder_anchor({"model.safetensors", "optimizer.pt", "scheduler.pt", state}) == state);
  CHECK(folder_anchor({"rng_state_1.pth", "rng_state_0.pth", state}) == state);
  CHECK(folder_anchor({"optimizer.pt", "rng_state.pth", "training_args.bin"}) == "rng_state.pth");
  CHECK(folder_anchor({"optimizer.pt", "scheduler.pt", "training_args.bin"}) == "scheduler.pt");
  CHECK(folder_anchor({"model.safetensors", "random_states_10.pkl", "random_states_2.pkl"}) ==
        "random_states_2.pkl");
  CHECK(folder_anchor({"model.safetensors", "optimizer.bin", "scheduler.bin"}) == "optimizer.bin");
  // Names that others use too, and the folder of a finished model.
  CHECK(folder_anchor({"model.pt", "optimizer.pt", "scheduler.pt"}) == "");
  CHECK(folder_anchor({"model.safetensors", "optimizer.bin"}) == "");
  CHECK(folder_anchor({"model.safetensors", "training_args.bin", state}) == "");
  CHECK(folder_anchor({"random_states_0.pkl"}) == "");
}

TEST_CASE("files of DeepSpeed are told by their names") {
  const auto zero = deepspeed_file("bf16_zero_pp_rank_12_mp_rank_03_optim_states.pt");
  REQUIRE(zero);
  CHECK(zero->holds_optimizer);
  CHECK(zero->rank == 12u);
  CHECK(zero->before == "bf16_zero_pp_rank_");
  CHECK(zero->after == "_mp_rank_03_optim_states.pt");
  CHECK(zero->model_rank == "03");
  for (const char* model :
       {"mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_model_states.pt",
        "layer_03-model_00-model_states.pt", "layer_0_expert_7_mp_rank_00_model_states.pt"}) {
    REQUIRE(deepspeed_file(model));
    CHECK_FALSE(deepspeed_file(model)->holds_optimizer);
  }
  CHECK(deepspeed_file("expp_rank_0_mp_rank_00_optim_states.pt")->holds_optimizer);
  for (const char* other : {"", "mp_rank_model_states.pt", "mp_rank_00_optim_states.pt",
                            "mp_rank_00_model_states.pt.tmp", "zero_pp_rank_0_model_states.pt",
                            "zero_pp_rank_9999999999_mp_rank_00_optim_states.pt", "model_states.pt",
                            "layer_0.pt", "x_mp_rank_00_model_states.pt"}) {
    CHECK_FALSE(deepspeed_file(other));
  }
  CHECK(folder_anchor({"mp_rank_01_model_states.pt", "mp_rank_00_model_states.pt",
                       "zero_pp_rank_0_mp_rank_00_optim_states.pt"}) ==
        "mp_rank_00_model_states.pt");
  CHECK(folder_anchor({"zero_pp_rank_1_mp_rank_00_optim_states.pt"}) ==
        "zero_pp_rank_1_mp_rank_00_optim_states.pt");
}

TEST_CASE("parts of a folder may lie in folders of their own") {
  const auto lacks = [](const Artifact& artifact) { return resume_parts(artifact).missing.size(); };
  CHECK(lacks(folder_with({"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth",
                           "trainer_state.json"})) == 0);
  CHECK(lacks(folder_with({"pytorch_model_fsdp_0/", "optimizer_0/", "scheduler.pt",
                           "rng_state_0.pth", "trainer_state.json"})) == 0);
  CHECK(lacks(folder_with({"latest", "global_step4/", "rng_state_0.pth", "rng_state_1.pth",
                           "trainer_state.json"})) == 0);
  CHECK(lacks(folder_with({"modelcard.md", "optimizer.pt", "scheduler.pt", "rng_state.pth",
                           "trainer_state.json"})) == 1);
  // Members of the files are no files.
  CHECK(lacks(folder_with({"model.safetensors", "x/optimizer.pt", "optimizer_x/data.pkl",
                           "scheduler.pt", "rng_state.pth", "trainer_state.json"})) == 1);
}

TEST_CASE("a gap between ranks is seen, the end of one machine's ranks is not") {
  const auto missing = [](std::initializer_list<std::string> files) {
    const std::vector<MissingRanks> found = missing_ranks(folder_with(files));
    return found.empty() ? std::vector<std::uint64_t>() : found.front().missing;
  };
  CHECK(missing({"rng_state_0.pth", "rng_state_3.pth"}) == std::vector<std::uint64_t>{1, 2});
  CHECK(missing({"rng_state_8.pth", "rng_state_9.pth"}).empty());
  CHECK(missing({"rng_state_7.pth"}).empty());
  CHECK(missing({"layer_0.pth", "layer_3.pth"}).empty());
  CHECK(missing({"random_states_0.pkl", "random_states_1.pkl/a_9.pkl"}).empty());
}

TEST_CASE("steps of a rename are those of Python") {
  const std::vector<RenameStep> steps = {{true, "module.", ""}, {false, "_orig_mod.", ""}};
  CHECK(renamed("module._orig_mod.a._orig_mod.w", steps) == "a.w");
  CHECK(renamed("a.module.w", steps) == "a.module.w");
  CHECK(renamed("aaaa", {{false, "aa", "a"}}) == "aa");
  CHECK(python_rename(steps, "state") ==
        "state = {k.removeprefix(\"module.\").replace(\"_orig_mod.\", \"\"): v for k, v in "
        "state.items()}");
}
