// What the readers make of torch.save files that torch itself wrote (fixtures/readers), and of
// files made by hand with exactly one thing wrong.
#include <algorithm>

#include "formats/read.h"
#include "unit/catch.h"
#include "unit/torch_pickle.h"
#include "unit/zip_builder.h"

using namespace torchvet;
using namespace torchvet::pickles;

namespace {

Artifact fixture(const std::string& name) {
  Result<std::shared_ptr<Source>> source =
      Source::open(std::string(TORCHVET_FIXTURES) + "/readers/" + name);
  REQUIRE(source);
  return read_artifact(*source, {});
}

Artifact read_bytes(std::string bytes) {
  return read_artifact(Source::from_bytes("made.pt", std::move(bytes)), {});
}

ZipBuilder archive(const std::string& object) {
  ZipBuilder zip;
  zip.add("a/data.pkl", whole(object)).add("a/byteorder", "little").add("a/version", "3\n");
  return zip;
}

const Tensor& tensor_at(const Artifact& artifact, const std::string& path) {
  for (const Tensor& tensor : artifact.tensors) {
    if (tensor.object_path == path) return tensor;
  }
  FAIL("no tensor " << path);
  std::abort();
}

bool has_fault(const Artifact& artifact, ErrorCode code) {
  return std::any_of(artifact.faults.begin(), artifact.faults.end(),
                     [&](const Fault& fault) { return fault.error.code == code; });
}

using Sizes = std::vector<std::int64_t>;
const std::string kTensor =
    tensor(storage("0", 4), 0, tuple({num(2), num(2)}), tuple({num(2), num(1)}));

}  // namespace

TEST_CASE("every element type is told, typed storages and untyped") {
  const Artifact artifact = fixture("types.pt");
  CHECK(artifact.faults.empty());
  CHECK(artifact.gaps.empty());
  for (const Tensor& tensor : artifact.tensors) {
    CHECK(name_of(tensor.dtype) == tensor.object_path);  // the key is the type's name
    CHECK(artifact.storages[*tensor.storage].present);
  }
  CHECK(artifact.tensors.size() == 22);
}

TEST_CASE("views keep their strides and offsets and share a storage") {
  const Artifact artifact = fixture("views.pt");
  CHECK(tensor_at(artifact, "transposed").strides == Sizes{1, 6});
  CHECK(tensor_at(artifact, "row").storage_offset == 12);
  CHECK(tensor_at(artifact, "expanded").strides == Sizes{0, 0});
  CHECK(tensor_at(artifact, "scalar").shape.empty());
  CHECK(tensor_at(artifact, "empty").element_count() == 0);
  CHECK(tensor_at(artifact, "row").storage == tensor_at(artifact, "base").storage);
  const Storage& large = artifact.storages[*tensor_at(artifact, "view_of_large").storage];
  CHECK(large.declared_bytes == 400);
}

TEST_CASE("conjugate, negative and gradient flags are kept") {
  const Artifact artifact = fixture("flags.pt");
  CHECK(tensor_at(artifact, "conj").conjugate);
  CHECK(tensor_at(artifact, "neg").negative);
  CHECK(tensor_at(artifact, "leaf").requires_grad);
  CHECK_FALSE(tensor_at(artifact, "leaf").is_parameter);
}

TEST_CASE("parameters, attributes on them and names they share") {
  const Artifact artifact = fixture("parameters.pt");
  CHECK(tensor_at(artifact, "plain").is_parameter);
  CHECK(tensor_at(artifact, "plain").aliases == std::vector<std::string>{"again"});
  CHECK_FALSE(tensor_at(artifact, "frozen").requires_grad);
  CHECK(tensor_at(artifact, "tagged").is_parameter);
  CHECK(tensor_at(artifact, "tagged.twin").shape == Sizes{1});
  CHECK(tensor_at(artifact, "with_attribute.extra").dtype == DType::kInt64);
  CHECK(tensor_at(artifact, "subclass").shape == Sizes{2});
}

TEST_CASE("sparse, nested, quantized and meta tensors have parts and layouts") {
  const Artifact sparse = fixture("sparse.pt");
  CHECK(tensor_at(sparse, "coo").layout == Layout::kSparse);
  CHECK(tensor_at(sparse, "coo").shape == Sizes{2, 4});
  CHECK(tensor_at(sparse, "coo.indices").dtype == DType::kInt64);
  CHECK(tensor_at(sparse, "csc.ccol_indices").shape == Sizes{5});
  CHECK(tensor_at(sparse, "bsr.values").shape == Sizes{3, 1, 2});
  const Artifact nested = fixture("nested.pt");
  CHECK(tensor_at(nested, "n").layout == Layout::kNested);
  CHECK(tensor_at(nested, "n.buffer").shape == Sizes{5});
  const Artifact quantized = fixture("quantized.pt");
  CHECK(tensor_at(quantized, "per_tensor").dtype == DType::kQuint8);
  CHECK(tensor_at(quantized, "per_channel.scales").dtype == DType::kFloat64);
  const Artifact meta = fixture("meta.pt");
  CHECK(tensor_at(meta, "m").layout == Layout::kMeta);
  CHECK_FALSE(tensor_at(meta, "m").storage);
  CHECK(tensor_at(meta, "m").device == "meta");
}

TEST_CASE("tensors in any container get a path; numpy scalars become numbers") {
  const Artifact artifact = fixture("containers.pt");
  for (const char* path : {"list[0]", "list[1][0]", "tuple[0]", "[7].x", "[('odd', 1)]",
                           "default.y[0]", "deque[0]", "dots.in.key", "namespace.w"}) {
    tensor_at(artifact, path);
  }
  const ObjectTree& tree = artifact.objects;
  const ObjectId numbers = tree.get(artifact.pickles[0].root, "numbers");
  REQUIRE(tree.sequence(numbers));
  CHECK(tree.number((*tree.sequence(numbers))[0]) == 1.5);
  CHECK(tree.integer((*tree.sequence(numbers))[1]) == -3);
  const auto* bytes = tree.as<Object::Bytes>(tree.get(artifact.pickles[0].root, "bytes"));
  REQUIRE(bytes);
  CHECK(bytes->data == std::string("\x00\xff", 2));
  CHECK(tree.as<Object::StorageRef>(tree.get(artifact.pickles[0].root, "storage")));
}

TEST_CASE("the legacy stream gives the same tensors, with their bytes in the file") {
  const Artifact artifact = fixture("legacy_views.pt");
  CHECK(artifact.format == Format::kTorchLegacy);
  CHECK(artifact.faults.empty());
  CHECK(artifact.pickles.size() == 5);
  CHECK(artifact.pickles[0].name == "object");
  CHECK(tensor_at(artifact, "channels_last").strides == Sizes{16, 1, 8, 2});
  for (const Storage& storage : artifact.storages) {
    CHECK(storage.bytes.size() == storage.declared_bytes);
  }
}

TEST_CASE("a call with wrong arguments leaves a fault and the others their tensors") {
  const std::string bad = call("torch._utils", "_rebuild_tensor_v2", {num(1), num(2)});
  Artifact artifact = read_bytes(archive(dict({str("bad"), bad, str("good"), kTensor}))
                                     .add("a/data/0", std::string(16, 'x'))
                                     .build());
  CHECK(has_fault(artifact, ErrorCode::kTensorBadArguments));
  CHECK(artifact.tensors.size() == 1);
  CHECK(tensor_at(artifact, "good").shape == Sizes{2, 2});
  CHECK_FALSE(artifact.gaps.empty());
}

TEST_CASE("the number of arguments of a rebuild function counts") {
  const std::string values = storage("0", 4);
  for (const std::size_t count : {5, 6, 7, 8}) {
    std::string arguments = "(" + values + num(0) + tuple({num(4)}) + tuple({num(1)});
    if (count > 4) arguments += no();
    for (std::size_t i = 5; i < count; ++i) arguments += none();
    const std::string made = global("torch._utils", "_rebuild_tensor_v2") + arguments + "tR";
    const Artifact artifact =
        read_bytes(archive(made).add("a/data/0", std::string(16, 'x')).build());
    CAPTURE(count);
    CHECK(has_fault(artifact, ErrorCode::kTensorBadArguments) == (count < 6 || count > 7));
  }
}

TEST_CASE("a function that torch does not have builds no tensor, which is a gap") {
  const std::string made = call("torch._utils", "_rebuild_tensor_v9", {storage("0", 4)});
  const Artifact artifact =
      read_bytes(archive(list({made, made})).add("a/data/0", std::string(16, 'x')).build());
  REQUIRE(artifact.gaps.size() == 1);
  CHECK(artifact.gaps[0].what == "tensors that `torch._utils._rebuild_tensor_v9` builds");
}

TEST_CASE("a dict that a call made cannot be called, and is no key") {
  const std::string made = call("collections", "OrderedDict", {});
  CHECK(has_fault(read_bytes(archive(dict({made, none()})).build()), ErrorCode::kPickleBadTarget));
  CHECK(has_fault(read_bytes(archive(made + ")R").build()), ErrorCode::kPickleBadTarget));
  // Of what a foreign function returns nothing is known.
  const std::string other = call("mine", "maker", {});
  CHECK_FALSE(has_fault(read_bytes(archive(other + ")R").build()), ErrorCode::kPickleBadTarget));
}

TEST_CASE("what a dict made by a call cannot do, and what cannot have attributes") {
  const std::string made = call("collections", "OrderedDict", {});
  const auto is_bad = [](const std::string& object) {
    return has_fault(read_bytes(archive(object).build()), ErrorCode::kPickleBadTarget);
  };
  CHECK(is_bad(made + num(1) + "a"));    // APPEND
  CHECK(is_bad(made + num(1) + "b"));    // BUILD
  CHECK_FALSE(is_bad(made + dict({}) + "b"));
  CHECK_FALSE(is_bad(made + tuple({none(), dict({})}) + "b"));
  CHECK(is_bad(str("text") + dict({}) + "b"));
  CHECK(is_bad(list({}) + made + "b"));
  CHECK(is_bad(str("text") + tuple({none(), none()}) + "b"));
  CHECK_FALSE(is_bad(str("text") + none() + "b"));
  CHECK_FALSE(is_bad(str("text") + tuple({none(), dict({})}) + "b"));
}

TEST_CASE("the arguments of a call are a tuple, but for the enums of programs") {
  const auto is_bad = [](const std::string& object) {
    return has_fault(read_bytes(archive(object).build()), ErrorCode::kPickleBadTarget);
  };
  CHECK(is_bad(global("mine", "maker") + list({}) + "R"));
  CHECK(is_bad(global("mine", "maker") + str("text") + "\x81"));
  CHECK(is_bad(global("mine", "maker") + call("collections", "OrderedDict", {}) + "R"));
  CHECK_FALSE(is_bad(global("mine", "maker") + call("mine", "arguments", {}) + "R"));
  CHECK_FALSE(is_bad(global("__torch__.net", "Mode") + num(1) + "R"));
}

TEST_CASE("what torch makes of a tensor cannot be called or filled, and its functions are no classes") {
  const auto faults_of = [](const std::string& object) {
    return read_bytes(archive(object).add("a/data/0", std::string(16, 'x')).build());
  };
  CHECK(has_fault(faults_of(kTensor + ")R"), ErrorCode::kPickleBadTarget));
  CHECK(has_fault(faults_of(storage("0", 4) + ")R"), ErrorCode::kPickleBadTarget));
  CHECK(has_fault(faults_of(kTensor + str("key") + num(1) + "s"), ErrorCode::kPickleBadTarget));
  CHECK(has_fault(faults_of(call("torch", "Size", {tuple({num(1)})}) + ")R"), ErrorCode::kPickleBadTarget));
  const std::string arguments = tuple({storage("0", 4), num(0), tuple({num(4)}), tuple({num(1)})});
  CHECK(has_fault(faults_of(global("torch._utils", "_rebuild_tensor") + arguments + "\x81"),
                  ErrorCode::kPickleBadTarget));
}

TEST_CASE("hooks are a dict or None, flags are one, and a state is one that tensors take") {
  const auto is_bad = [](const std::string& hooks, const std::string& more, const std::string& state) {
    const std::string arguments = "(" + storage("0", 4) + num(0) + tuple({num(4)}) + tuple({num(1)}) + no() +
                                  hooks + more + "t";
    const std::string made = global("torch._utils", "_rebuild_tensor_v2") + arguments + "R" + state;
    return has_fault(read_bytes(archive(made).add("a/data/0", std::string(16, 'x')).build()),
                     ErrorCode::kTensorBadArguments);
  };
  CHECK_FALSE(is_bad(none(), "", ""));
  CHECK_FALSE(is_bad(dict({}), none(), ""));
  CHECK(is_bad(str("hooks"), "", ""));
  CHECK_FALSE(is_bad(none(), dict({str("neg"), yes()}), ""));
  CHECK(is_bad(none(), num(1), ""));
  CHECK_FALSE(is_bad(none(), "", tuple({yes(), none(), dict({})}) + "b"));
  CHECK(is_bad(none(), "", tuple({yes(), none()}) + "b"));
  CHECK(is_bad(none(), "", dict({str("a"), num(1)}) + "b"));
}

TEST_CASE("a persistent object that is no storage is a fault") {
  for (const std::string& id : {str("storage"), num(7), tuple({str("storagX")}), list({})}) {
    CHECK(has_fault(read_bytes(archive(id + "Q").build()), ErrorCode::kStorageBadReference));
  }
}

TEST_CASE("a missing storage leaves a fault and keeps the tensor") {
  const Artifact artifact = read_bytes(archive(dict({str("w"), kTensor})).build());
  CHECK(has_fault(artifact, ErrorCode::kStorageMissing));
  CHECK_FALSE(artifact.storages[*tensor_at(artifact, "w").storage].present);
}

TEST_CASE("a record of another size than the pickle says is a fault") {
  const Artifact artifact =
      read_bytes(archive(dict({str("w"), kTensor})).add("a/data/0", std::string(12, 'x')).build());
  CHECK(has_fault(artifact, ErrorCode::kRecordTooShort));
  const Artifact longer =
      read_bytes(archive(dict({str("w"), kTensor})).add("a/data/0", std::string(20, 'x')).build());
  CHECK(has_fault(longer, ErrorCode::kRecordTooLong));
  CHECK(longer.gaps.empty());
}

TEST_CASE("one key under two element types is a fault; the first type counts") {
  const std::string other =
      tensor(storage("0", 4, "IntStorage"), 0, tuple({num(4)}), tuple({num(1)}));
  const Artifact artifact = read_bytes(archive(dict({str("a"), kTensor, str("b"), other}))
                                           .add("a/data/0", std::string(16, 'x'))
                                           .build());
  CHECK(has_fault(artifact, ErrorCode::kStorageTwoTypes));
  CHECK(artifact.gaps.empty());
  CHECK(tensor_at(artifact, "b").dtype == DType::kFloat32);
}

TEST_CASE("an archive without data.pkl or version, or of an unknown byte order, says so") {
  ZipBuilder interrupted;
  interrupted.add("a/version", "3\n")
      .add("a/byteorder", "little")
      .add("a/.data/serialization_id", "1");
  const Artifact without = read_bytes(interrupted.build());
  CHECK_FALSE(without.gaps.empty());
  ZipBuilder strange;
  strange.add("a/data.pkl", whole(none())).add("a/byteorder", "middle").add("a/version", "3\n");
  CHECK(has_fault(read_bytes(strange.build()), ErrorCode::kByteOrderUnknown));
  ZipBuilder unversioned;
  unversioned.add("a/data.pkl", whole(none()));
  CHECK(has_fault(read_bytes(unversioned.build()), ErrorCode::kZipMemberMissing));
}

TEST_CASE("big-endian archives mark typed storages of more than one byte") {
  ZipBuilder zip;
  const std::string bytes =
      tensor(storage("1", 4, "ByteStorage"), 0, tuple({num(4)}), tuple({num(1)}));
  zip.add("a/data.pkl", whole(dict({str("f"), kTensor, str("b"), bytes})));
  zip.add("a/byteorder", "big").add("a/version", "3\n");
  zip.add("a/data/0", std::string(16, 'x')).add("a/data/1", "abcd");
  const Artifact artifact = read_bytes(zip.build());
  CHECK(artifact.storages[0].big_endian);
  CHECK_FALSE(artifact.storages[1].big_endian);
}

TEST_CASE("a path is given once to each container, so cycles and sharing end") {
  // l = [tensor]; l.append(l): EMPTY_LIST, BINPUT 0, tensor, APPEND, BINGET 0, APPEND
  const std::string cyclic =
      std::string("]q\x00", 3) + kTensor + "a" + std::string("h\x00", 2) + "a";
  const Artifact artifact =
      read_bytes(archive(cyclic).add("a/data/0", std::string(16, 'x')).build());
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].object_path == "[0]");
  CHECK(artifact.tensors[0].aliases.empty());
}

TEST_CASE("nesting beyond the limit leaves a gap and no crash") {
  constexpr int kDeep = 50'000;
  std::string object;
  for (int i = 0; i < kDeep; ++i) object += "]";
  object += kTensor;
  for (int i = 0; i < kDeep; ++i) object += "a";
  const Artifact artifact =
      read_bytes(archive(object).add("a/data/0", std::string(16, 'x')).build());
  REQUIRE(artifact.tensors.size() == 1);
  CHECK(artifact.tensors[0].object_path.empty());
  CHECK_FALSE(artifact.gaps.empty());
}

namespace {

const std::string kMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);

std::string legacy(const std::string& object, const std::string& keys, const std::string& raw) {
  return kMagic + whole(num(1001)) + whole(dict({str("little_endian"), yes()})) + whole(object) +
         whole(keys) + raw;
}

std::string old_storage(const std::string& key, std::int32_t numel, const std::string& view) {
  return tuple({str("storage"), global("torch", "FloatStorage"), str(key), str("cpu"), num(numel),
                view}) +
         "Q";
}

}  // namespace

TEST_CASE("a view of a legacy storage is a slice of its bytes") {
  const std::string view = old_storage("7", 8, tuple({str("9"), num(2), num(4)}));
  const std::string object = tensor(view, 0, tuple({num(4)}), tuple({num(1)}));
  const Artifact artifact =
      read_bytes(legacy(object, list({str("7")}), le64(8) + std::string(32, 'x')));
  CHECK(artifact.faults.empty());
  REQUIRE(artifact.tensors.size() == 1);
  const Storage& slice = artifact.storages[*artifact.tensors[0].storage];
  CHECK(slice.bytes.size() == 16);
  CHECK(slice.bytes.offset() == artifact.storages[0].bytes.offset() + 8);

  const std::string outside = old_storage("7", 8, tuple({str("9"), num(6), num(4)}));
  const Artifact wrong = read_bytes(legacy(tensor(outside, 0, tuple({num(4)}), tuple({num(1)})),
                                           list({str("7")}), le64(8) + std::string(32, 'x')));
  CHECK(has_fault(wrong, ErrorCode::kRecordTooShort));
}

TEST_CASE("a legacy stream that ends early says where and how much is missing") {
  const std::string object =
      tensor(old_storage("7", 8, none()), 0, tuple({num(8)}), tuple({num(1)}));
  const std::string cut = legacy(object, list({str("7")}), le64(8) + std::string(20, 'x'));
  const Artifact artifact = read_bytes(cut);
  REQUIRE(has_fault(artifact, ErrorCode::kTruncated));
  CHECK(artifact.faults[0].error.offset == cut.size());
  CHECK(artifact.faults[0].error.detail.find("12 bytes are missing") != std::string::npos);
  CHECK(artifact.tensors.size() == 1);
}

TEST_CASE("legacy keys and counts that disagree with the object are faults") {
  const std::string object =
      tensor(old_storage("7", 8, none()), 0, tuple({num(8)}), tuple({num(1)}));
  const std::string raw = le64(8) + std::string(32, 'x');
  CHECK(has_fault(read_bytes(legacy(object, list({str("8")}), raw)), ErrorCode::kLegacyBadKeys));
  CHECK(has_fault(read_bytes(legacy(object, num(3), raw)), ErrorCode::kLegacyBadKeys));
  CHECK(has_fault(read_bytes(legacy(object, list({}), "")), ErrorCode::kStorageMissing));
  CHECK(has_fault(read_bytes(legacy(object, list({str("7")}), le64(4) + std::string(16, 'x'))),
                  ErrorCode::kRecordTooShort));
  CHECK(
      has_fault(read_bytes(legacy(object, list({str("7")}), le64(-1))), ErrorCode::kRecordTooLong));
}

TEST_CASE("bytes behind the last storage of a legacy stream are counted") {
  const std::string object =
      tensor(old_storage("7", 8, none()), 0, tuple({num(8)}), tuple({num(1)}));
  const std::string file = legacy(object, list({str("7")}), le64(8) + std::string(32, 'x'));
  CHECK(read_bytes(file).pickles[0].trailing_bytes == 0);
  CHECK(read_bytes(file + "more").pickles[0].trailing_bytes == 4);
}

TEST_CASE("pickles behind a bare pickle are read as well") {
  const std::string call = global("os", "system") + tuple({str("true")}) + "R";
  const Artifact artifact = read_bytes(whole(num(1)) + whole(call) + whole(num(2)));
  REQUIRE(artifact.pickles.size() == 3);
  CHECK(artifact.pickles[0].trailing_bytes > 0);
  CHECK(artifact.pickles[1].calls.size() == 1);
  CHECK(artifact.gaps.empty());
  std::string newer = whole(num(1));
  newer[1] = '\x06';  // a protocol that Python does not have
  CHECK(has_fault(read_bytes(whole(num(1)) + newer), ErrorCode::kPickleBadNumber));
  const Artifact junk = read_bytes(whole(num(1)) + "junk");
  CHECK(junk.pickles.size() == 1);
  CHECK_FALSE(junk.gaps.empty());
}
