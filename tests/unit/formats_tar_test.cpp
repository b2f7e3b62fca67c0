// The headers of tar archives, and the archives of torch.save before 0.1.10 with one thing wrong.
// What torch makes of whole ones is tested in tests/differential/tensors.py.
#include <algorithm>

#include "formats/read.h"
#include "formats/tar.h"
#include "unit/catch.h"
#include "unit/tar_builder.h"
#include "unit/torch_pickle.h"

using namespace torchvet;
using namespace torchvet::pickles;

namespace {

ByteView view_of(const std::string& bytes) {
  return ByteView(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), 0);
}

/// All members, and the code of the error that ended them, if one did.
struct Walked {
  std::vector<TarMember> members;
  std::optional<ErrorCode> error;
};

Walked walked(const std::string& bytes) {
  const Limits limits;
  TarReader reader(view_of(bytes), limits);
  Walked result;
  for (;;) {
    Result<std::optional<TarMember>> next = reader.next();
    if (!next) result.error = next.error().code;
    if (!next || !*next) return result;
    result.members.push_back(std::move(**next));
  }
}

/// The four members of a file with one float tensor [2, 2].
struct Parts {
  std::string storages = whole(num(1)) +
                         whole(tuple({num(7), str("cpu"), global("torch", "FloatStorage")})) +
                         le64(4) + std::string(16, '\1') + whole(list({}));
  std::string tensors = whole(num(1)) +
                        whole(tuple({num(8), num(7), global("torch", "FloatTensor")})) + le32(2) +
                        le32(0) + le64(2) + le64(2) + le64(2) + le64(1) + le64(0);
  std::string object = whole(dict({str("w"), str("8") + "Q"}));

  [[nodiscard]] TarBuilder tar() const {
    TarBuilder made;
    made.add("sys_info", whole(dict({}))).add("pickle", object).add("tensors", tensors);
    return made.add("storages", storages);
  }
  [[nodiscard]] Artifact read() const { return read_bytes(tar().build()); }
  static Artifact read_bytes(std::string bytes) {
    return read_artifact(Source::from_bytes("made.pt", std::move(bytes)), {});
  }
};

bool has_fault(const Artifact& artifact, ErrorCode code, std::string_view member) {
  return std::any_of(artifact.faults.begin(), artifact.faults.end(), [&](const Fault& fault) {
    return fault.error.code == code && fault.member == member;
  });
}

}  // namespace

TEST_CASE("members of a tar archive are walked as Python's tarfile does") {
  const std::string long_name(150, 'n');
  const Walked all =
      walked(TarBuilder()
                 .add("plain", "abc")
                 .add("folder/", "", '5')
                 .add("old/", "", '\0')
                 .add("link", "", '2', "elsewhere")
                 .add("././@PaxHeader",
                      TarBuilder::pax("mtime", "1.5") + TarBuilder::pax("path", "named"), 'x')
                 .add("cut", "12")
                 .add("././@LongLink", long_name + std::string(1, '\0'), 'L')
                 .add("cut", "345")
                 .build());
  CHECK_FALSE(all.error);
  REQUIRE(all.members.size() == 6);
  CHECK(all.members[0].data.text() == "abc");
  CHECK(all.members[1].name == "folder");
  CHECK(all.members[2].type == '5');
  CHECK(all.members[3].link == "elsewhere");
  CHECK(all.members[4].name == "named");
  CHECK(all.members[4].data.text() == "12");
  CHECK(all.members[5].name == long_name);
}

TEST_CASE("what is no tar archive, and where one ends") {
  CHECK(walked(std::string(2000, 'x')).error == ErrorCode::kTarBadHeader);
  CHECK(walked("short").error == ErrorCode::kTarBadHeader);
  CHECK(walked("").members.empty());
  std::string wrong = TarBuilder().add("a", "1").build();
  wrong[0] = 'b';  // the sum is that of `a`
  CHECK(walked(wrong).error == ErrorCode::kTarBadHeader);
  // Behind the first member a block that is no header ends the archive without a word.
  const Walked ended = walked(TarBuilder().add("a", "1").raw(std::string(600, 'x')).without_end());
  CHECK_FALSE(ended.error);
  CHECK(ended.members.size() == 1);
  CHECK(walked(TarBuilder().add("p", TarBuilder::pax("path", "x"), 'x').without_end()).error ==
        ErrorCode::kTarBadHeader);
  CHECK(walked(TarBuilder().add("p", "3 x", 'x').add("a", "").build()).error ==
        ErrorCode::kTarBadHeader);
  CHECK(walked(TarBuilder().add("s", "", 'S').build()).error == ErrorCode::kFormatUnsupported);
  CHECK(walked(TarBuilder().add("p", TarBuilder::pax("size", "-1"), 'x').add("a", "").build())
            .error == ErrorCode::kFormatUnsupported);
  CHECK(walked(TarBuilder::header("p", 100'000, 'x')).error == ErrorCode::kTruncated);
  const Walked cut = walked(TarBuilder::header("a", 1000) + "12");
  REQUIRE(cut.members.size() == 1);
  CHECK(cut.members[0].is_cut_off());
  CHECK(cut.members[0].data.text() == "12");
  // The last block is there as a whole, or tarfile misses its end.
  for (const std::size_t missing : {0, 1, 511}) {
    const Walked last = walked((TarBuilder::header("a", 2) + "12" + std::string(510, '\0'))
                                   .substr(0, 1024 - missing));
    REQUIRE(last.members.size() == 1);
    CHECK(last.members[0].is_cut_off() == (missing > 0));
  }
}

TEST_CASE("a tar archive of torch is read") {
  const Artifact artifact = Parts().read();
  CHECK(artifact.faults.empty());
  CHECK(artifact.gaps.empty());
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].object_path == "w");
  CHECK(artifact.tensors[0].shape == std::vector<std::int64_t>{2, 2});
  CHECK(artifact.storages[0].bytes.size() == 16);
  CHECK(artifact.pickles[0].name == "pickle");
}

TEST_CASE("a tar archive of torch with one thing wrong") {
  Parts parts;
  SECTION("the storages end early") {
    parts.storages.resize(parts.storages.size() - 20);
    CHECK(has_fault(parts.read(), ErrorCode::kTruncated, "storages"));
  }
  SECTION("the file ends early") {
    std::string bytes = parts.tar().without_end();
    bytes.resize(bytes.size() - 480);
    const Artifact artifact = Parts::read_bytes(std::move(bytes));
    CHECK(has_fault(artifact, ErrorCode::kTruncated, "storages"));
    CHECK(artifact.tensors.at(0).object_path == "w");
  }
  SECTION("more elements than any file has") {
    parts.storages.replace(parts.storages.find(le64(4) + "\1"), 8, le64(INT64_MAX));
    CHECK(has_fault(parts.read(), ErrorCode::kOverflow, "storages"));
  }
  SECTION("a storage without a type") {
    parts.storages = whole(num(1)) + whole(tuple({num(7), str("cpu"), str("FloatStorage")}));
    CHECK(has_fault(parts.read(), ErrorCode::kStorageBadReference, "storages"));
  }
  SECTION("a number of storages that is none") {
    parts.storages = whole(str("many"));
    CHECK(has_fault(parts.read(), ErrorCode::kStorageBadReference, "storages"));
  }
  SECTION("a part of a storage that is larger than it") {
    parts.storages.resize(parts.storages.size() - whole(list({})).size());
    parts.storages += whole(list({tuple({num(9), num(7), num(2), num(3)})}));
    CHECK(has_fault(parts.read(), ErrorCode::kStorageBadReference, "storages"));
  }
  SECTION("more dimensions than any tensor has") {
    parts.tensors.replace(parts.tensors.find(le32(2) + le32(0)), 4, le32(1'000'000));
    CHECK(has_fault(parts.read(), ErrorCode::kTensorBadArguments, "tensors"));
  }
  SECTION("a tensor in a storage that is not there") {
    parts.tensors.replace(parts.tensors.find(num(7)), 5, num(6));
    CHECK(has_fault(parts.read(), ErrorCode::kTensorBadArguments, "tensors"));
  }
  SECTION("a name that leads to nothing") {
    parts.object = whole(dict({str("w"), str("99") + "Q"}));
    CHECK(has_fault(parts.read(), ErrorCode::kStorageBadReference, "pickle"));
  }
  SECTION("a member that is missing") {
    const TarBuilder tar = TarBuilder().add("pickle", parts.object).add("storages", parts.storages);
    CHECK(has_fault(Parts::read_bytes(tar.build()), ErrorCode::kArchiveRefused, "tensors"));
  }
  SECTION("a member that is there twice") {
    const Artifact artifact = Parts::read_bytes(parts.tar().add("pickle", whole(num(1))).build());
    CHECK(has_fault(artifact, ErrorCode::kZipDuplicateName, ""));
    CHECK(artifact.objects.integer(artifact.pickles[0].root) == 1);  // torch takes the last
  }
  SECTION("a member that is a link") {
    const Artifact artifact =
        Parts::read_bytes(parts.tar().add("storages", "", '2', "/etc/passwd").build());
    CHECK(has_fault(artifact, ErrorCode::kUnsafePath, "storages"));
  }
  SECTION("bytes after the end") {
    const Artifact artifact = Parts::read_bytes(parts.tar().build() + "more");
    CHECK(has_fault(artifact, ErrorCode::kZipStrayBytes, ""));
  }
}
