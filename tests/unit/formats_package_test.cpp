// Packages of torch.package with one thing out of the ordinary. What the importer makes of whole
// ones is tested in tests/differential/packages.py.
#include <algorithm>

#include "formats/read.h"
#include "unit/catch.h"
#include "unit/torch_pickle.h"
#include "unit/zip_builder.h"

using namespace torchvet;
using namespace torchvet::pickles;

namespace {

const std::string kTensor =
    tensor(storage("0", 4), 0, tuple({num(2), num(2)}), tuple({num(2), num(1)}));

ZipBuilder package() {
  ZipBuilder zip;
  zip.add("p/.data/0.storage", std::string(16, '\1'))
      .add("p/.data/extern_modules", "torch\nnumpy\ncollections\n");
  return zip.add("p/.data/python_version", "3.11.7").add("p/.data/version", "6\n");
}

Artifact read_zip(ZipBuilder zip, const Limits& limits = {}) {
  return read_artifact(Source::from_bytes("net.package", zip.build()), {limits});
}

bool has_fault(const Artifact& artifact, ErrorCode code, std::string_view member) {
  return std::any_of(artifact.faults.begin(), artifact.faults.end(), [&](const Fault& fault) {
    return fault.error.code == code && fault.member == member;
  });
}

bool has_gap(const Artifact& artifact, std::string_view what) {
  return std::any_of(artifact.gaps.begin(), artifact.gaps.end(),
                     [&](const Gap& gap) { return gap.what == what; });
}

}  // namespace

TEST_CASE("the pickles of a package are found by content, and share its storages") {
  const Artifact one = read_zip(package().add("p/net/model.pkl", whole(dict({str("w"), kTensor}))));
  CHECK(one.format == Format::kTorchPackage);
  CHECK(one.faults.empty());
  CHECK(one.gaps.empty());
  REQUIRE(one.tensors.size() == 1);
  CHECK(one.tensors[0].object_path == "w");
  CHECK(one.metadata.at(0) == std::pair<std::string, std::string>("python_version", "3.11.7"));
  CHECK(one.metadata.at(1) == std::pair<std::string, std::string>("extern_modules", "torch numpy collections"));

  const Artifact two = read_zip(package()
                                    .add("p/a/first.pkl", whole(kTensor))
                                    .add("p/b/second", whole(list({kTensor})))
                                    .add("p/b/readme.txt", "no pickle"));
  CHECK(two.faults.empty());
  CHECK(two.storages.size() == 1);
  REQUIRE(two.tensors.size() == 2);
  CHECK(two.tensors[0].object_path == "a/first.pkl");
  CHECK(two.tensors[1].object_path == "b/second[0]");
}

TEST_CASE("sources and programs in a package are not analysed") {
  const Artifact sources = read_zip(package()
                                        .add("p/net/model.pkl", whole(num(1)))
                                        .add("p/net/layers.py", "import os\n")
                                        .add("p/.data/ts_code/0/data.pkl", "x"));
  CHECK(sources.faults.empty());
  CHECK(sources.gaps.size() == 2);
  CHECK(has_gap(sources, "Python sources"));
  CHECK(has_gap(sources, "TorchScript programs"));
}

TEST_CASE("what the importer would call is recorded") {
  const std::string id =
      tuple({str("reduce_package"), num(1), global("os", "system"), tuple({str("echo")})}) + "Q";
  const Artifact artifact = read_zip(package().add("p/net/model.pkl", whole(dict({str("x"), id}))));
  REQUIRE(artifact.pickles.size() == 1);
  REQUIRE(artifact.pickles[0].calls.size() == 1);
  CHECK(artifact.objects.qualified_name(artifact.pickles[0].calls[0].callable) == "os.system");
}

TEST_CASE("a package with one thing wrong") {
  CHECK(has_fault(read_zip(package().add("p/a.pkl", whole(kTensor).substr(0, 60))),
                  ErrorCode::kPickleNoStop, "p/a.pkl"));
  CHECK(has_fault(read_zip(package().add("p/a.pkl", "no pickle")), ErrorCode::kPickleUnknownOpcode,
                  "p/a.pkl"));
  ZipBuilder missing = package().add("p/a.pkl", whole(kTensor));
  missing.items.erase(missing.items.begin());
  CHECK(has_fault(read_zip(missing), ErrorCode::kStorageMissing, "p/.data"));
  ZipBuilder small = package().add("p/a.pkl", whole(kTensor));
  small.items[0].data.resize(12);
  small.items[0].size = small.items[0].compressed = 12;
  CHECK(has_fault(read_zip(small), ErrorCode::kRecordTooShort, "p/.data"));
  // The pickle before the broken one is read, and the one behind it.
  const Artifact others = read_zip(package()
                                       .add("p/a.pkl", whole(kTensor))
                                       .add("p/b.pkl", whole(kTensor).substr(0, 60))
                                       .add("p/c.pkl", whole(kTensor)));
  CHECK(others.tensors.size() == 2);
  Limits limits;
  limits.pickle_objects = 3;
  CHECK(has_fault(read_zip(package()
                               .add("p/a.pkl", whole(num(1)))
                               .add("p/b.pkl", whole(list({num(1), num(2)})))
                               .add("p/c.pkl", whole(num(1))),
                           limits),
                  ErrorCode::kLimitExceeded, "p/c.pkl"));
}

TEST_CASE("a package imports what is in it or in its list, and nothing else") {
  const auto faults_of = [](const std::string& module, const std::string& name) {
    const Artifact artifact = read_zip(package()
                                           .add("p/net/layers.py", "")
                                           .add("p/net/model.pkl", whole(global(module, name))));
    return std::count_if(artifact.faults.begin(), artifact.faults.end(), [](const Fault& fault) {
      return fault.error.code == ErrorCode::kPickleBadName && fault.member == "p/net/model.pkl";
    });
  };
  for (const char* module : {"net", "net.layers", "torch", "torch.nn", "numpy.core", "builtins"}) {
    CAPTURE(module);
    CHECK(faults_of(module, "Name") == 0);
  }
  for (const char* module : {"net.layer", "ne", "net.layers.more", "torc", "os"}) {
    CAPTURE(module);
    CHECK(faults_of(module, "Name") == 1);
  }
  CHECK(faults_of("torch", "Outer.Inner") == 1);
  CHECK(faults_of("torch._utils", "_rebuilt_tensor_v2") == 1);
  CHECK(faults_of("net.layers", "_rebuilt_tensor_v2") == 0);
}

TEST_CASE("the list of modules from outside must be there, be text and name no folder of the package") {
  const auto refused = [](ZipBuilder zip) {
    return has_fault(read_zip(zip.add("p/net/model.pkl", whole(num(1)))), ErrorCode::kArchiveRefused,
                     "p/.data/extern_modules");
  };
  const auto with = [](const std::string& list) {
    return ZipBuilder().add("p/.data/extern_modules", list).add("p/.data/python_version", "3").add(
        "p/.data/version", "6");
  };
  CHECK_FALSE(refused(with("torch\r\nnumpy.core")));
  CHECK_FALSE(refused(with("")));
  CHECK(refused(with("torch\xff")));
  CHECK(refused(with("torch\nnet\n")));
  CHECK(refused(ZipBuilder().add("p/.data/python_version", "3").add("p/.data/version", "6")));
}

TEST_CASE("a package without a version, or with a pickle of a protocol that is none, is refused") {
  const Artifact without = read_zip(ZipBuilder()
                                        .add("p/.data/extern_modules", "")
                                        .add("p/net/model.pkl", whole(num(1))));
  CHECK(has_fault(without, ErrorCode::kZipMemberMissing, ""));
  std::string pickle = whole(num(1));
  pickle[1] = '\x05';
  CHECK(read_zip(package().add("p/net/model.pkl", pickle)).faults.empty());
  pickle[1] = '\x06';
  CHECK(has_fault(read_zip(package().add("p/net/model.pkl", pickle)), ErrorCode::kPickleBadNumber,
                  "p/net/model.pkl"));
}
