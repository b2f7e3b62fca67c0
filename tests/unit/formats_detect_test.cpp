#include "formats/detect.h"
#include "formats/read.h"
#include "io/source.h"
#include "unit/catch.h"
#include "unit/tar_builder.h"
#include "unit/zip_builder.h"

using namespace torchvet;
using namespace std::string_literals;

namespace {

Detected detect_bytes(const std::string& bytes) {
  return detect(ByteView(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), 0), {});
}

Format format_of(const std::string& bytes) { return detect_bytes(bytes).format; }

std::string words_for(const std::string& bytes) {
  const Detected detected = detect_bytes(bytes);
  CHECK(detected.format == Format::kNotAModel);
  return detected.looks_like;
}

std::string zip_of(std::initializer_list<const char*> names) {
  ZipBuilder zip;
  for (const char* name : names) zip.add(name, "x");
  return zip.build();
}

const std::string kMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s;

std::string tar_of(std::initializer_list<const char*> names) {
  TarBuilder tar;
  for (const char* name : names) tar.add(name, "abc");
  return tar.build();
}

}  // namespace

TEST_CASE("zips are told by their members") {
  CHECK(format_of(zip_of({"a/data.pkl", "a/version"})) == Format::kTorchZip);
  CHECK(format_of(zip_of({"a/data.pkl", "a/CONSTANTS.PKL"})) == Format::kTorchScript);
  CHECK(format_of(zip_of({"a/model.json", "a/version"})) == Format::kTorchScript);
  CHECK(format_of(zip_of({"a/models/model.json", "a/archive_format"})) == Format::kExportedProgram);
  CHECK(format_of(zip_of({"serialized_exported_program.json", "version"})) ==
        Format::kExportedProgram);
  CHECK(format_of(zip_of({"a/.data/extern_modules", "a/.data/version"})) == Format::kTorchPackage);
  CHECK(format_of(zip_of({"a/version", "a/byteorder"})) == Format::kTorchZip);
  CHECK(format_of(zip_of({"data.pkl", "version"})) == Format::kPlainZip);
  CHECK(detect_bytes(zip_of({"x.npy", "y.npy"})).looks_like == "a NumPy .npz archive");
  CHECK(detect_bytes(zip_of({"model.pt"})).looks_like == "a zip archive with `model.pt` in it");
}

TEST_CASE("a cut torch zip is still a torch zip") {
  const std::string whole = zip_of({"a/data.pkl", "a/data/0", "a/version"});
  for (std::size_t size = 4; size < whole.size(); ++size) {
    CHECK(format_of(whole.substr(0, size)) == Format::kTorchZip);
  }
  const std::string other = zip_of({"document.xml", "b"});
  CHECK(format_of(other.substr(0, 50)) == Format::kPlainZip);
}

TEST_CASE("the legacy magic in every protocol, and cut") {
  CHECK(format_of("\x80\x02"s + kMagic + "rest") == Format::kTorchLegacy);
  CHECK(format_of("\x80\x03"s + kMagic) == Format::kTorchLegacy);
  CHECK(format_of("\x80\x04\x95\x0d\0\0\0\0\0\0\0"s + kMagic) == Format::kTorchLegacy);
  CHECK(format_of("\x80\x05\x95\x0d\0\0\0\0\0\0\0"s + kMagic) == Format::kTorchLegacy);
  CHECK(format_of("L119547037146038801333356L\n.") == Format::kTorchLegacy);
  CHECK(format_of(("\x80\x02"s + kMagic).substr(0, 6)) == Format::kTorchLegacy);
}

TEST_CASE("pickles that are not torch.save's") {
  CHECK(format_of("\x80\x02}q\0."s) == Format::kRawPickle);
  CHECK(format_of("\x80\x04\x95\x0d\0\0\0\0\0\0\0}."s) == Format::kRawPickle);
  CHECK(format_of("cposix\nsystem\n(S'id'\ntR.") == Format::kRawPickle);
  CHECK(format_of("(dp0\nS'a'\nI1\ns.") == Format::kRawPickle);
  CHECK(format_of("\x80\x04\x95..\x8c#torch.distributed.checkpoint.metadata"s) ==
        Format::kDcpMetadata);
  CHECK(format_of("cat\ndog\nhorse\n") == Format::kNotAModel);
}

TEST_CASE("containers that are recognised") {
  CHECK(format_of("\x38\0\0\0\0\0\0\0{\"a\": {}}"s) == Format::kSafetensors);
  CHECK(format_of("\x38\0\0\0PTMF1234"s) == Format::kMobileFlatbuffer);
  CHECK(format_of(tar_of({"sys_info", "pickle", "storages"})) == Format::kTorchTar);
  CHECK(words_for(tar_of({"a", "b"})) == "a tar archive");
}

TEST_CASE("a Git LFS pointer says what it stands for") {
  const Detected detected =
      detect_bytes("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
  CHECK(detected.format == Format::kLfsPointer);
  REQUIRE(detected.lfs_pointer);
  CHECK(detected.lfs_pointer->oid == "sha256:4d7a");
  CHECK(detected.lfs_pointer->size == 12345u);
  const Detected broken =
      detect_bytes("version https://git-lfs.github.com/spec/v1\nsize 99999999999999999999999\n");
  REQUIRE(broken.lfs_pointer);
  CHECK_FALSE(broken.lfs_pointer->size);
}

TEST_CASE("files that are no models, in words") {
  CHECK(words_for("") == "an empty file");
  CHECK(words_for("\n<!DOCTYPE html>\n<html>") == "an HTML page");
  CHECK(words_for("<?xml version=\"1.0\"?><Error>") == "an XML document");
  CHECK(words_for("{\"error\": 404}") == "a JSON document");
  CHECK(words_for("Entry not found\n") == "a text file (\"Entry not found\")");
  CHECK(words_for(std::string(4096, '\0')) == "a file that begins with nothing but zero bytes");
  CHECK(words_for("\x1f\x8b\x08"s) == "a gzip-compressed file");
  CHECK(words_for("\xfd\x37zXZ\0"s) == "an xz-compressed file");
  CHECK(words_for("BZh9") == "a bzip2-compressed file");
  CHECK(words_for("\x28\xb5\x2f\xfd"s) == "a zstd-compressed file");
  CHECK(words_for("7z\xbc\xaf\x27\x1c"s) == "a 7z archive");
  CHECK(words_for("Rar!\x1a\x07\x01"s) == "a rar archive");
  CHECK(words_for("GGUF\3\0\0\0"s) == "a GGUF model (llama.cpp)");
  CHECK(words_for("\x89HDF\r\n\x1a\n"s) == "an HDF5 file (Keras)");
  CHECK(words_for("\x08\x07\x12\x07pytorch\x1a"s) == "an ONNX model");
  CHECK(words_for("\x7f\x45LF\2\1"s) == "an ELF program or library");
  CHECK(words_for("%PDF-1.7") == "a PDF document");
  CHECK(words_for("\x89PNG\r\n\x1a\n"s) == "a PNG image");
  CHECK(words_for("\x93NUMPY\1\0"s) == "a NumPy .npy array");
  CHECK(words_for("PK\5\6" + std::string(18, '\0')) == "an empty zip archive");
  CHECK(format_of("\x01\x02\x03\x04\x05"s) == Format::kUnknown);
}

TEST_CASE("extensions only choose files in a folder") {
  CHECK(has_model_extension("a/b/model.PT"));
  CHECK(has_model_extension("x.pth.tar"));
  CHECK(has_model_extension("dir/.metadata"));
  CHECK(has_model_extension("pytorch_model-00001-of-00002.bin"));
  CHECK_FALSE(has_model_extension("firmware.bin"));
  CHECK_FALSE(has_model_extension("app.ts"));
  CHECK_FALSE(has_model_extension("data.tar"));
  CHECK_FALSE(has_model_extension("dir.pt/readme.md"));
  CHECK_FALSE(has_model_extension(".pt"));
}

TEST_CASE("formats that are checked wherever they are found") {
  CHECK(is_model_format(Format::kTorchZip));
  CHECK(is_model_format(Format::kLfsPointer));
  CHECK(is_model_format(Format::kRawPickle));
  CHECK_FALSE(is_model_format(Format::kUnknown));
  CHECK_FALSE(is_model_format(Format::kPlainZip));
  CHECK_FALSE(is_model_format(Format::kNotAModel));
}

TEST_CASE("a format that cannot be read leaves a gap, what is no model leaves none") {
  const Artifact tensors =
      read_artifact(Source::from_bytes("a.bin", "\x10\0\0\0PTMF\0\0\0\0"s), {});
  CHECK(tensors.format == Format::kMobileFlatbuffer);
  CHECK(tensors.gaps.size() == 1);
  const Artifact unknown = read_artifact(Source::from_bytes("a.bin", "\1\2\3\4\5"), {});
  CHECK(unknown.gaps.size() == 1);
  const Artifact page = read_artifact(Source::from_bytes("a.pt", "<html>"), {});
  CHECK(page.gaps.empty());
  CHECK(page.looks_like == "an HTML page");
}
