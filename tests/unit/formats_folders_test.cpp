// Checkpoints of several files, of which some are missing: distributed ones without metadata, parts
// of tensors in safetensors files, `latest` of DeepSpeed.
#include <algorithm>
#include <cstring>

#include "formats/read.h"
#include "model/resume.h"
#include "unit/catch.h"
#include "unit/temporary_folder.h"

using namespace torchvet;

namespace {

Artifact read_file(const std::string& path) {
  const Result<std::shared_ptr<Source>> source = Source::open(path);
  REQUIRE(source);
  return read_artifact(*source, {});
}

std::vector<std::string> beside(const std::string& path) {
  const Result<std::shared_ptr<Source>> source = Source::open(path);
  REQUIRE(source);
  return parts_beside(**source, {});
}

bool has_fault(const Artifact& artifact, ErrorCode code) {
  return std::any_of(artifact.faults.begin(), artifact.faults.end(),
                     [&](const Fault& fault) { return fault.error.code == code; });
}

using Names = std::vector<std::string>;

/// A safetensors file with one float tensor of two rows and what is said of where they lie.
std::string part(const std::string& sharding, const std::string& name = "w") {
  std::string header = R"({"__metadata__":{"format":"pt")";
  if (!sharding.empty()) header += R"(,"DCP_SHARDING_INFO":")" + sharding + "\"";
  header += R"(},")" + name + R"(":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})";
  std::string bytes(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(24, '\1');
}

std::string at(int row) {
  return R"({\"w\":{\"saved_offsets\":[)" + std::to_string(row) + R"(,0]}})";
}

std::string shard(int number) {
  return "shard-0000" + std::to_string(number) + "-model-00001-of-00001.safetensors";
}

}  // namespace

TEST_CASE(".distcp files without metadata are one unfinished save") {
  const TemporaryFolder folder;
  const std::string first = folder.write("__0_0.distcp", "PK\3\4 and so on");
  const std::string second = folder.write("__1_0.distcp", "PK\3\4");
  CHECK(beside(first) == Names{"__1_0.distcp"});
  CHECK(beside(second).empty());
  const Artifact alone = read_file(first);
  CHECK(alone.format == Format::kDcpParts);
  CHECK(alone.gaps.size() == 1);
  CHECK(unfinished_save(alone).find("there is no `.metadata`") == 0);
  folder.write(".metadata.tmp", "");
  CHECK(unfinished_save(read_file(first)).find("there is a `.metadata.tmp`") == 0);
  // Beside metadata it is a part that says nothing by itself.
  folder.write("__1.metadata", "");
  CHECK(unfinished_save(read_file(first)) != "");
  CHECK(read_file(second).gaps.at(0).why.find("it is a part of") == 0);
  folder.write(".metadata", "");
  CHECK(unfinished_save(read_file(first)) == "");
  CHECK(read_file(first).gaps.size() == 1);
  // What is plainly something else under such a name is called that.
  CHECK(read_file(folder.write("page.distcp", "<!DOCTYPE html>")).format == Format::kNotAModel);
}

TEST_CASE("metadata of a rank stand for the files of that rank") {
  const TemporaryFolder folder;
  const std::string metadata = folder.write(
      "__1.metadata", std::string("\x80\x04", 2) + "torch.distributed.checkpoint.metadata");
  for (const char* name : {"__0_0.distcp", "__1_0.distcp", "__1_1.distcp", "__10_0.distcp"}) {
    folder.write(name, "PK\3\4");
  }
  CHECK(beside(metadata) == Names{"__1_0.distcp", "__1_1.distcp"});
}

TEST_CASE("parts of tensors in safetensors files are joined") {
  const TemporaryFolder folder;
  const std::string first = folder.write(shard(1), part(at(0)));
  folder.write(shard(2), part(at(2)));
  CHECK(beside(first) == Names{shard(2)});
  const Artifact whole = read_file(first);
  CHECK(whole.format == Format::kDcpSafetensors);
  CHECK(whole.faults.empty());
  REQUIRE(whole.tensors.size() == 1);
  CHECK(whole.tensors[0].shape == std::vector<std::int64_t>{4, 3});
  CHECK(whole.storages[0].pieces.size() == 2);

  SECTION("a hole") {
    folder.write(shard(2), part(at(3)));
    CHECK(has_fault(read_file(first), ErrorCode::kChunkCoverage));
  }
  SECTION("two parts in one place") {
    folder.write(shard(2), part(at(1)));
    CHECK(has_fault(read_file(first), ErrorCode::kChunkCoverage));
  }
  SECTION("a place that is none") {
    for (const char* wrong : {R"({})", R"({\"w\":{\"saved_offsets\":[2]}})", R"({)", "",
                              R"({\"w\":{\"saved_offsets\":[9223372036854775807,0]}})",
                              R"({\"w\":{\"saved_offsets\":[-1,0]}})"}) {
      folder.write(shard(2), part(wrong));
      const Artifact artifact = read_file(first);
      CHECK(has_fault(artifact, ErrorCode::kDcpBadMetadata));
      CHECK_FALSE(artifact.gaps.empty());
    }
  }
  SECTION("one of them says nothing of its place") {
    for (const int silent : {1, 2}) {
      folder.write(shard(silent), part(""));
      folder.write(shard(3 - silent), part(at(2)));
      CHECK(read_file(first).format == Format::kDcpSafetensors);
      CHECK(has_fault(read_file(first), ErrorCode::kDcpBadMetadata));
      CHECK(beside(first) == Names{shard(2)});
    }
  }
  SECTION("a part that is cut off") {
    folder.write(shard(2), part(at(2)).substr(0, 100));
    CHECK_FALSE(read_file(first).gaps.empty());
  }
  SECTION("files of the name that say nothing of parts") {
    const std::string other = folder.write("x/" + shard(1), part(""));
    CHECK(beside(other).empty());
    CHECK(read_file(other).format == Format::kSafetensors);
  }
}

TEST_CASE("latest of DeepSpeed names a folder that is there, or is not") {
  const TemporaryFolder folder;
  const std::string latest = folder.write("latest", "global_step20\n");
  CHECK(read_file(latest).format == Format::kNotAModel);  // any text may be called so
  folder.write("global_step10/mp_rank_00_model_states.pt", "");
  const Artifact lost = read_file(latest);
  CHECK(lost.format == Format::kCheckpointPointer);
  CHECK(has_fault(lost, ErrorCode::kShardMissing));
  folder.write("global_step20/mp_rank_00_model_states.pt", "");
  const Artifact found = read_file(latest);
  CHECK(found.faults.empty());
  CHECK(found.gaps.empty());
  folder.write("latest", "../other");
  CHECK(has_fault(read_file(latest), ErrorCode::kUnsafePath));
}
