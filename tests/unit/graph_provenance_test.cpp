#include <string>
#include <vector>

#include "graph/provenance.h"
#include "model/layer_origins.h"
#include "unit/catch.h"
#include "unit/graph_builder.h"

namespace torchvet {
namespace {

using State = TrainingSwitch::State;

/// The slot of that name, of the first node that has one.
const WeightSlot& slot(const Artifact& artifact, const std::string& argument) {
  static const WeightSlot kMissing;
  for (const WeightSlot& slot : artifact.graphs[0].facts.weight_slots) {
    if (slot.argument == argument) return slot;
  }
  FAIL_CHECK("no slot " + argument);
  return kMissing;
}

Artifact analysed(Artifact artifact) {
  analyse_graphs(artifact);
  CHECK(artifact.gaps.empty());
  return artifact;
}

/// linear(x, what `weight` makes)
template <typename Weight>
Artifact linear(Weight weight, const std::vector<std::string>& parameters = {},
                const std::vector<std::string>& buffers = {},
                const std::vector<std::vector<std::int64_t>>& constants = {}) {
  GraphBuilder b;
  const ValueId x = b.input("x");
  const ValueId w = weight(b);
  b.result(b.call("aten::linear", {{"input", x}, {"weight", w}, {"bias", b.none()}}));
  return analysed(b.artifact(parameters, buffers, constants));
}

std::uint32_t leaves(const Artifact& artifact) { return slot(artifact, "weight").origin.leaves; }

}  // namespace

TEST_CASE("provenance: a parameter, a buffer, a constant, an input") {
  CHECK(leaves(linear([](GraphBuilder& b) { return b.attribute("weight"); }, {"weight"})) ==
        kFromParameter);
  CHECK(leaves(linear([](GraphBuilder& b) { return b.attribute("kernel"); }, {}, {"kernel"})) ==
        kFromBuffer);
  CHECK(leaves(linear([](GraphBuilder& b) { return b.attribute("packed", ValueType::kObject); })) ==
        kFromTensorAttribute);
  const Artifact constant =
      linear([](GraphBuilder& b) { return b.constant(1); }, {}, {}, {{2}, {3, 3}});
  CHECK(leaves(constant) == kFromConstant);
  CHECK(slot(constant, "weight").origin.constants == std::vector<std::uint32_t>{1});
  CHECK(constant.graphs[0].facts.constants_read == std::vector<std::uint32_t>{1});
  CHECK(leaves(linear([](GraphBuilder& b) { return b.input("w"); })) == kFromInput);
}

TEST_CASE("provenance: a layer made in forward") {
  const Artifact artifact = linear([](GraphBuilder& b) { return b.initialised({4, 16}); });
  const Origin& origin = slot(artifact, "weight").origin;
  CHECK(origin.only(kFromRandom));
  CHECK(origin.starts_at_empty);
  CHECK_FALSE(origin.default_bounds);
  CHECK(origin.chain == std::vector<std::string>{"uniform_(-0.25, 0.25)", "empty([4, 16])"});
}

TEST_CASE("provenance: bare random numbers, scaled by a number") {
  const Artifact artifact = linear([](GraphBuilder& b) {
    const ValueId noise = b.call("aten::randn", {{"size", b.sizes({4, 16})}});
    return b.call("aten::mul", {{"self", noise}, {"other", b.number(0.02)}});
  });
  const Origin& origin = slot(artifact, "weight").origin;
  CHECK(origin.only(kFromRandom));
  CHECK_FALSE(origin.starts_at_empty);
  CHECK(origin.default_bounds);
  CHECK(origin.chain == std::vector<std::string>{"mul(0.02)", "randn([4, 16])"});
  CHECK(slot(artifact, "weight").data_leaves == kFromInput);
}

TEST_CASE("provenance: arithmetic on a parameter stays registered") {
  const Artifact artifact = linear(
      [](GraphBuilder& b) {
        const ValueId w = b.attribute("w");
        const ValueId noise = b.call("aten::randn_like", {{"self", w}});
        const ValueId scaled = b.call("aten::mul", {{"self", noise}, {"other", b.attribute("s")}});
        return b.call("aten::add", {{"self", w}, {"other", scaled}});
      },
      {"w", "s"});
  const Origin& origin = slot(artifact, "weight").origin;
  CHECK(origin.leaves == (kFromParameter | kFromRandom));
  CHECK(origin.attributes == std::vector<std::string>{"s", "w"});
}

TEST_CASE("provenance: factories take only the shape of a parameter") {
  for (const char* factory : {"aten::randn_like", "aten::rand_like"}) {
    CHECK(leaves(
              linear([&](GraphBuilder& b) { return b.call(factory, {{"self", b.attribute("w")}}); },
                     {"w"})) == kFromRandom);
  }
  CHECK(leaves(linear(
            [](GraphBuilder& b) {
              const ValueId size =
                  b.call("aten::size", {{"self", b.attribute("w")}, {"dim", b.integer(0)}});
              return b.call("aten::zeros", {{"size", size}});
            },
            {"w"})) == kFromDeterministic);
}

TEST_CASE("provenance: in-place writes through views") {
  // copy_ of a parameter into an empty tensor joins
  CHECK(leaves(linear(
            [](GraphBuilder& b) {
              const ValueId fresh = b.call("aten::empty", {{"size", b.sizes({4, 4})}});
              const ValueId view = b.call("aten::view", {{"self", fresh}, {"size", b.sizes({16})}});
              b.call("aten::copy_", {{"self", view}, {"src", b.attribute("w")}});
              return fresh;
            },
            {"w"})) == (kFromParameter | kFromUninitialised));
  // fill_ of a whole tensor overwrites, of a part joins
  const Artifact filled = linear([](GraphBuilder& b) {
    const ValueId fresh = b.call("aten::empty", {{"size", b.sizes({4})}});
    b.call("aten::fill_", {{"self", fresh}, {"value", b.number(1)}});
    return fresh;
  });
  CHECK(leaves(filled) == kFromDeterministic);
  CHECK(slot(filled, "weight").origin.filled);
  CHECK(leaves(linear([](GraphBuilder& b) {
          const ValueId noise = b.call("aten::randn", {{"size", b.sizes({4, 4})}});
          const ValueId row = b.call("aten::select", {{"self", noise}, {"dim", b.integer(0)}});
          b.call("aten::zero_", {{"self", row}});
          return noise;
        })) == (kFromRandom | kFromDeterministic));
  // random numbers written into a parameter leave it a parameter
  CHECK(leaves(linear(
            [](GraphBuilder& b) {
              const ValueId w = b.attribute("w");
              b.call("aten::normal_", {{"self", w}});
              return w;
            },
            {"w"})) == (kFromParameter | kFromRandom));
  // ones are not an initialisation
  const Artifact ones =
      linear([](GraphBuilder& b) { return b.call("aten::ones", {{"size", b.sizes({4})}}); });
  CHECK_FALSE(slot(ones, "weight").origin.filled);
}

TEST_CASE("provenance: tuples are followed element by element") {
  const auto pick = [](std::int64_t index) {
    return linear(
        [index](GraphBuilder& b) {
          const ValueId noise = b.call("aten::randn", {{"size", b.sizes({4, 4})}});
          const ValueId both = b.call("prim::TupleConstruct", {{"", noise}, {"", b.attribute("w")}},
                                      ValueType::kTuple);
          return b.call("prim::TupleIndex", {{"tup", both}, {"i", b.integer(index)}});
        },
        {"w"});
  };
  CHECK(leaves(pick(0)) == kFromRandom);
  CHECK(leaves(pick(1)) == kFromParameter);
  CHECK(leaves(pick(-1)) == kFromParameter);
  CHECK(leaves(pick(2)) == (kFromRandom | kFromParameter));
}

TEST_CASE("provenance: a list that grows keeps what was put in") {
  CHECK(leaves(linear(
            [](GraphBuilder& b) {
              const ValueId list = b.call("prim::ListConstruct", {}, ValueType::kList);
              b.call("aten::append", {{"self", list}, {"el", b.attribute("w")}}, ValueType::kList);
              return b.call("aten::__getitem__", {{"list", list}, {"idx", b.integer(0)}});
            },
            {"w"})) == kFromParameter);
}

TEST_CASE("provenance: branches join, dead branches do not count") {
  const auto branch = [](bool dead) {
    return linear(
        [dead](GraphBuilder& b) {
          const ValueId w = b.attribute("w");
          const ValueId unread = b.attribute("unread");
          const ValueId condition = dead ? b.flag(false) : b.input("c", ValueType::kBool);
          const NodeId node = b.node("prim::If", {{"", condition}});
          b.begin_block(node);
          const ValueId noise = b.call("aten::randn_like", {{"self", unread}});
          b.end_block({noise});
          b.begin_block(node);
          b.end_block({w});
          return b.output(node);
        },
        {"w", "unread"});
  };
  const Artifact live = branch(false);
  CHECK(leaves(live) == (kFromParameter | kFromRandom));
  CHECK(live.graphs[0].facts.attributes_read == std::vector<std::string>{"unread", "w"});
  const Artifact dead = branch(true);
  CHECK(leaves(dead) == kFromParameter);
  CHECK(dead.graphs[0].facts.attributes_read == std::vector<std::string>{"w"});
}

TEST_CASE("provenance: a write in one branch is joined behind it") {
  CHECK(leaves(linear([](GraphBuilder& b) {
          const ValueId fresh = b.call("aten::empty", {{"size", b.sizes({4, 4})}});
          const NodeId node = b.node("prim::If", {{"", b.input("c", ValueType::kBool)}});
          b.begin_block(node);
          b.call("aten::normal_", {{"self", fresh}});
          b.end_block({});
          b.begin_block(node);
          b.end_block({});
          return fresh;
        })) == (kFromRandom | kFromUninitialised));
}

TEST_CASE("provenance: values carried by a loop") {
  CHECK(leaves(linear(
            [](GraphBuilder& b) {
              const ValueId start = b.call("aten::zeros", {{"size", b.sizes({4, 4})}});
              const ValueId w = b.attribute("w");
              const NodeId loop =
                  b.node("prim::Loop", {{"", b.integer(3)}, {"", b.flag(true)}, {"", start}});
              b.begin_block(loop);
              b.parameter(ValueType::kInt);
              const ValueId carried = b.parameter();
              const ValueId sum = b.call("aten::add", {{"self", carried}, {"other", w}});
              b.end_block({b.flag(true), sum});
              return b.output(loop);
            },
            {"w"})) == (kFromParameter | kFromDeterministic));
}

TEST_CASE("provenance: matmul asks only beside an activation") {
  GraphBuilder b;
  const ValueId x = b.input("x");
  const ValueId w = b.initialised({16, 4});
  b.result(b.call("aten::matmul", {{"self", x}, {"other", w}}));
  const ValueId noise = b.call("aten::randn", {{"size", b.sizes({2, 4})}});
  b.result(b.call("aten::matmul", {{"self", noise}, {"other", b.attribute("p")}}));
  b.result(b.call("aten::matmul", {{"self", x}, {"other", x}}));
  const Artifact artifact = analysed(b.artifact({"p"}));
  std::size_t random = 0;
  for (const WeightSlot& slot : artifact.graphs[0].facts.weight_slots) {
    CHECK_FALSE(slot.certain);
    if (slot.origin.any(kFromRandom)) ++random;
  }
  CHECK(random == 1);
}

TEST_CASE("provenance: the parameters of a recurrent layer one by one") {
  GraphBuilder b;
  const ValueId x = b.input("x");
  const ValueId list = b.call("prim::ListConstruct",
                              {{"", b.attribute("w_ih")}, {"", b.constant(0)}}, ValueType::kList);
  b.result(b.call("aten::lstm", {{"input", x}, {"hx", x}, {"params", list}}));
  const Artifact artifact = analysed(b.artifact({"w_ih"}, {}, {{16, 4}}));
  CHECK(slot(artifact, "params[0]").origin.leaves == kFromParameter);
  CHECK(slot(artifact, "params[1]").origin.leaves == kFromConstant);
}

TEST_CASE("training switches: literals and flags, with and without effect") {
  const auto dropout = [](double p, bool train) {
    GraphBuilder b;
    b.result(b.call("aten::dropout",
                    {{"input", b.input("x")}, {"p", b.number(p)}, {"train", b.flag(train)}}));
    return analysed(b.artifact({})).graphs[0].facts.training_switches.at(0).state;
  };
  CHECK(dropout(0.5, true) == State::kOn);
  CHECK(dropout(0.5, false) == State::kOff);
  CHECK(dropout(0.0, true) == State::kOff);

  const auto batch_norm = [](bool statistics) {
    GraphBuilder b;
    const ValueId mean = statistics ? b.attribute("mean") : b.none();
    b.result(b.call("aten::batch_norm", {{"input", b.input("x")},
                                         {"weight", b.none()},
                                         {"bias", b.none()},
                                         {"running_mean", mean},
                                         {"running_var", mean},
                                         {"training", b.flag(true)}}));
    return analysed(b.artifact({}, {"mean"})).graphs[0].facts.training_switches.at(0).state;
  };
  CHECK(batch_norm(true) == State::kOn);
  CHECK(batch_norm(false) == State::kOff);

  GraphBuilder b;
  const ValueId training = b.attribute("drop.training", ValueType::kBool);
  b.result(b.call("aten::dropout",
                  {{"input", b.input("x")}, {"p", b.number(0.5)}, {"train", training}}));
  const GraphFacts facts = analysed(b.artifact({})).graphs[0].facts;
  CHECK(facts.training_switches.at(0).state == State::kAttribute);
  CHECK(facts.training_flags_read == std::vector<std::string>{"drop.training"});
  CHECK(facts.training_flag_readers == std::vector<NodeId>{facts.training_switches[0].node});
}

TEST_CASE("training switches: what is left of a dropout, and drop paths") {
  const auto switches = [](const std::string& made_from, const std::string& class_name) {
    GraphBuilder b;
    const ValueId x = b.input("x");
    const NodeId drawn = b.node("aten::rand", {{"size", b.sizes({2, 1})}});
    b.graph().nodes[drawn].made_from = made_from;
    b.graph().nodes[drawn].module_path = "drop";
    b.result(b.call("aten::mul", {{"self", x}, {"other", b.output(drawn)}}));
    Artifact artifact = b.artifact({});
    Module drop;
    drop.path = "drop";
    drop.class_name = class_name;
    drop.parent = 0;
    artifact.modules.push_back(drop);
    return analysed(artifact).graphs[0].facts.training_switches.size();
  };
  CHECK(switches("", "net.Noise") == 0);
  CHECK(switches("aten::feature_dropout", "net.Noise") == 1);
  CHECK(switches("aten::rand_like", "net.Noise") == 0);
  CHECK(switches("", "net.SwinDropPath") == 1);
  CHECK(switches("", "dropout.Noise") == 0);
}

TEST_CASE("provenance: parts of a layer that was taken apart are certain") {
  const auto certain = [](const std::string& made_from) {
    GraphBuilder b;
    const NodeId product = b.node("aten::mm", {{"self", b.input("x")}, {"mat2", b.constant(0)}});
    b.graph().nodes[product].made_from = made_from;
    b.result(b.output(product));
    return slot(analysed(b.artifact({}, {}, {{4, 4}})), "mat2").certain;
  };
  CHECK(certain("aten::linear"));
  CHECK(certain("aten::lstm"));
  CHECK_FALSE(certain("aten::matmul"));
  CHECK_FALSE(certain(""));
}

TEST_CASE("op table: slots of operators of other backends") {
  const auto slots = [](const std::string& op, const std::string& argument) {
    GraphBuilder b;
    b.result(b.call(op, {{"input", b.input("x")}, {argument, b.constant(0)}}));
    return analysed(b.artifact({}, {}, {{4, 4}})).graphs[0].facts.weight_slots;
  };
  const std::vector<std::pair<std::string, std::string>> certain = {
      {"aten::conv_transpose3d", "bias"},
      {"aten::cudnn_convolution_add_relu", "bias"},
      {"aten::_thnn_fused_gru_cell", "hidden_bias"},
      {"quantized::conv2d_dynamic", "packed_weight"},
      {"quantized::quantized_lstm_cell_dynamic", "bias_ih"},
      {"quantized::embedding_bag_2bit_rowwise_offsets", "weight"},
      {"_quantized::wrapped_quantized_linear", "W"},
      {"onednn::qconv_pointwise", "qw"},
      {"mkldnn::_linear_pointwise", "B"},
      {"prim::mkldnn_convolution", "weight"}};
  for (const auto& [op, argument] : certain) {
    CAPTURE(op);
    REQUIRE(slots(op, argument).size() == 1);
    CHECK(slots(op, argument)[0].certain);
    CHECK(slots(op, argument)[0].origin.leaves == kFromConstant);
  }
  REQUIRE(slots("aten::_batch_norm_no_update", "running_var").size() == 1);
  CHECK(slots("aten::_batch_norm_no_update", "running_var")[0].statistic);
  REQUIRE(slots("aten::_scaled_mm", "mat2").size() == 1);
  CHECK_FALSE(slots("aten::_scaled_mm", "mat2")[0].certain);
  // Arguments of that name which hold no weight.
  CHECK(slots("aten::lerp", "weight").empty());
  CHECK(slots("aten::nll_loss", "weight").empty());
  CHECK(slots("aten::_efficient_attention_forward", "bias").empty());
  CHECK(slots("quantized::conv2d_prepack", "weight").empty());
}

TEST_CASE("op table: switches of fused operators") {
  const auto state = [](const std::string& op, const std::string& probability, double p,
                        const std::string& flag) {
    GraphBuilder b;
    GraphBuilder::Arguments arguments = {{"input", b.input("x")}, {"num_layers", b.integer(2)}};
    arguments.push_back({probability, b.number(p)});
    if (!flag.empty()) arguments.push_back({flag, b.flag(true)});
    b.result(b.call(op, arguments));
    return analysed(b.artifact({})).graphs[0].facts.training_switches.at(0).state;
  };
  CHECK(state("aten::_scaled_dot_product_cudnn_attention", "dropout_p", 0.1, "") == State::kOn);
  CHECK(state("aten::_scaled_dot_product_cudnn_attention", "dropout_p", 0, "") == State::kOff);
  CHECK(state("aten::_flash_attention_forward", "dropout_p", 0.1, "") == State::kOn);
  CHECK(state("aten::quantized_lstm", "dropout", 0.1, "train") == State::kOn);
  CHECK(state("aten::quantized_lstm", "dropout", 0, "train") == State::kOff);
  CHECK(state("aten::_cudnn_rnn", "dropout", 0.5, "train") == State::kOn);
  CHECK(state("aten::_batch_norm_with_update", "momentum", 0.1, "") == State::kOn);
  CHECK(state("aten::_fused_dropout", "p", 0, "") == State::kOff);
}

TEST_CASE("created layers: a random kernel, and one for training only") {
  const auto created = [](const char* flag) {
    GraphBuilder b;
    const ValueId x = b.input("x");
    const NodeId branch = b.node("prim::If", {{"", b.attribute(flag, ValueType::kBool)}});
    b.begin_block(branch);
    const ValueId kernel = b.call("aten::randn", {{"size", b.sizes({3, 3, 3, 3})}});
    b.end_block({b.call("aten::conv2d", {{"input", x}, {"weight", kernel}, {"bias", b.none()}})});
    b.begin_block(branch);
    b.end_block({x});
    b.result(b.output(branch));
    return created_layers(analysed(b.artifact({}))).size();
  };
  CHECK(created("noisy") == 1);
  CHECK(created("block.training") == 0);
}

TEST_CASE("training flags: only a branch that makes a difference counts") {
  using Fill = void (*)(GraphBuilder&, ValueId x);
  const auto flags = [](ValueType type, Fill taken, Fill other,
                        ValueId (*one)(GraphBuilder&, ValueId),
                        ValueId (*two)(GraphBuilder&, ValueId)) {
    GraphBuilder b;
    const ValueId x = b.input("x");
    const NodeId node = b.node("prim::If", {{"", b.attribute("training", ValueType::kBool)}});
    b.begin_block(node);
    taken(b, x);
    b.end_block({one(b, x)});
    b.begin_block(node);
    other(b, x);
    b.end_block({two(b, x)});
    b.result(b.output(node, type));
    return analysed(b.artifact({})).graphs[0].facts.training_flags_read.size();
  };
  const Fill nothing = [](GraphBuilder&, ValueId) {};
  const auto same = [](GraphBuilder&, ValueId x) { return x; };
  const auto cast = [](GraphBuilder& b, ValueId x) {
    return b.call("prim::unchecked_cast", {{"x", x}});
  };
  const auto changed = [](GraphBuilder& b, ValueId x) {
    return b.call("aten::relu", {{"self", x}});
  };
  const auto zero = [](GraphBuilder& b, ValueId) { return b.number(0); };
  const auto half = [](GraphBuilder& b, ValueId) { return b.number(0.5); };
  const Fill reason = [](GraphBuilder& b, ValueId x) { b.call("aten::relu", {{"self", x}}); };
  const Fill write = [](GraphBuilder& b, ValueId x) { b.call("aten::relu_", {{"self", x}}); };
  CHECK(flags(ValueType::kTensor, nothing, nothing, same, same) == 0);
  CHECK(flags(ValueType::kTensor, nothing, reason, same, cast) == 0);
  CHECK(flags(ValueType::kFloat, nothing, nothing, zero, zero) == 0);
  CHECK(flags(ValueType::kFloat, nothing, nothing, zero, half) == 1);
  CHECK(flags(ValueType::kTensor, nothing, nothing, changed, same) == 1);
  CHECK(flags(ValueType::kTensor, write, nothing, same, same) == 1);
}

TEST_CASE("device literals") {
  GraphBuilder b;
  b.result(b.call("aten::zeros", {{"size", b.sizes({2})}, {"device", b.device("cuda:0")}}));
  const GraphFacts facts = analysed(b.artifact({})).graphs[0].facts;
  REQUIRE(facts.device_literals.size() == 1);
  CHECK(facts.device_literals[0].device == "cuda:0");
}

}  // namespace torchvet
