// Which findings a report for people shows as one.
#include <string>
#include <utility>
#include <vector>

#include "report/merge.h"
#include "unit/catch.h"

using namespace torchvet;

namespace {

const Rule kRule{.code = "REG006"};

ReportedFinding finding_at(std::string object_path, std::string message) {
  ReportedFinding reported;
  reported.finding.rule = &kRule;
  reported.finding.where.object_path = std::move(object_path);
  reported.finding.message = std::move(message);
  return reported;
}

std::vector<MergedFinding> merged(const std::vector<ReportedFinding>& findings) {
  std::vector<const ReportedFinding*> pointers;
  for (const ReportedFinding& finding : findings) pointers.push_back(&finding);
  return merge_repeated(pointers);
}

}  // namespace

TEST_CASE("findings of equal blocks are merged where the message names the tensor as its model does") {
  std::vector<ReportedFinding> findings;
  for (const std::string block : {"0", "1", "2"}) {
    findings.push_back(finding_at("model.layers." + block + ".fc.weight",
                                  "`layers." + block + ".fc.weight` stands still"));
  }
  const std::vector<MergedFinding> out = merged(findings);
  REQUIRE(out.size() == 1);
  CHECK(out[0].count == 3);
  CHECK(out[0].object_path == "model.layers.{0..2}.fc.weight");
  CHECK(out[0].message == "`layers.{0..2}.fc.weight` stands still");
}

TEST_CASE("a module's number is merged in the path, below the model and in full") {
  for (const std::string lead : {"", "state.", "outer.state."}) {
    const std::vector<MergedFinding> out =
        merged({finding_at("outer.state.blocks.3.norm", "`" + lead + "blocks.3` rests"),
                finding_at("outer.state.blocks.5.norm", "`" + lead + "blocks.5` rests")});
    REQUIRE(out.size() == 1);
    CHECK(out[0].message == "`" + lead + "blocks.{3,5}` rests");
  }
}

TEST_CASE("findings whose messages say different things are not merged") {
  CHECK(merged({finding_at("m.a.0.w", "`a.0.w` holds 3"),
                finding_at("m.a.1.w", "`a.1.w` holds 4")})
            .size() == 2);
}
