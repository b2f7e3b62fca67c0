#include "formats/detect.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "formats/compressed.h"
#include "formats/dcp/folder.h"
#include "formats/dcp/safetensors.h"
#include "formats/tar.h"
#include "formats/zip.h"
#include "model/resume.h"

namespace torchvet {
namespace {

using namespace std::string_view_literals;

/// The pickle of torch.save's magic number 0x1950A86A20F9469CFC6C, without its protocol header.
constexpr std::string_view kLegacyMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv;
constexpr std::string_view kLegacyMagicText = "L119547037146038801333356L\n."sv;  // protocols 0, 1
/// Bytes of a file that are enough to tell text from binary.
constexpr std::size_t kSample = 4096;

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view looks_like;
};

constexpr Magic kOtherFiles[] = {
    {0, "\x1f\x8b"sv, "a gzip-compressed file"},
    {0, "\xfd\x37zXZ\0"sv, "an xz-compressed file"},
    {0, "BZh"sv, "a bzip2-compressed file"},
    {0, "\x28\xb5\x2f\xfd"sv, "a zstd-compressed file"},
    {0, "\x04\x22\x4d\x18"sv, "an lz4-compressed file"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive"},
    {0, "Rar!\x1a\x07"sv, "a rar archive"},
    {0, "PK\5\6"sv, "an empty zip archive"},
    {0, "GGUF"sv, "a GGUF model (llama.cpp)"},
    {0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file (Keras)"},
    {0, "\x93NUMPY"sv, "a NumPy .npy array"},
    {4, "TFL3"sv, "a TensorFlow Lite model"},
    {4, "ET12"sv, "an ExecuTorch program"},
    {0, "\x7f\x45LF"sv, "an ELF program or library"},
    {0, "%PDF-"sv, "a PDF document"},
    {0, "\x89PNG\r\n\x1a\n"sv, "a PNG image"},
    {0, "\xff\xd8\xff"sv, "a JPEG image"},
    {0, "GIF8"sv, "a GIF image"},
    {0, "PAR1"sv, "a Parquet table"},
    {0, "ARROW1"sv, "an Arrow file"},
    {0, "SQLite format 3\0"sv, "an SQLite database"},
    {0, "\0asm"sv, "a WebAssembly module"},
};

bool starts_with_folded(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  return std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char want, char got) {
    return want == (got >= 'A' && got <= 'Z' ? static_cast<char>(got - 'A' + 'a') : got);
  });
}

bool all_of_members(const ZipDirectory& zip, std::string_view ending) {
  return !zip.members.empty() &&
         std::all_of(zip.members.begin(), zip.members.end(),
                     [&](const Member& member) { return member.name.ends_with(ending); });
}

Detected plain_zip(const ZipDirectory& zip) {
  if (all_of_members(zip, ".npy")) return {Format::kPlainZip, "a NumPy .npz archive"};
  for (const Member& member : zip.members) {
    if (member.name == "[Content_Types].xml") return {Format::kPlainZip, "an Office document"};
    if (member.name == "META-INF/MANIFEST.MF") return {Format::kPlainZip, "a Java archive"};
    if (member.name.ends_with(".dist-info/WHEEL")) return {Format::kPlainZip, "a Python wheel"};
    if (has_model_extension(member.name)) {
      return {Format::kPlainZip, "a zip archive with `" + member.name + "` in it"};
    }
  }
  return {Format::kPlainZip, "a zip archive without a PyTorch model"};
}

/// A zip whose directory cannot be read, told by the name in its first local header.
Detected broken_zip(ByteView file) {
  const std::string_view text = file.text();
  if (text.size() > 30) {
    const std::size_t name_size = file[26] | static_cast<std::size_t>(file[27]) << 8;
    const std::string_view name = text.substr(30, name_size);
    if (name.size() == name_size && name.find('/') == std::string_view::npos) {
      return {Format::kPlainZip, "a zip archive whose directory cannot be read"};
    }
  }
  return {Format::kTorchZip};
}

/// torch asks for `archive_format` before anything else; a program without it is one that lost it.
bool holds_program(const ZipDirectory& zip) {
  return !zip.prefix.empty() && find_member(zip, "archive_version") &&
         std::any_of(zip.members.begin(), zip.members.end(), [&](const Member& member) {
           return member.name.starts_with(zip.prefix + "models/") && member.name.ends_with(".json");
         });
}

Detected detect_zip(ByteView file, const Limits& limits) {
  const Result<ZipDirectory> zip = read_central_directory(file, limits);
  if (!zip) return broken_zip(file);
  const auto has = [&](std::string_view name) { return find_member(*zip, name).has_value(); };
  // Whoever loads decides what a file is that is several things at once. The reader of exported
  // programs sees most: it knows the pickles of the other formats as well.
  if (!zip->prefix.empty() && has("archive_format")) return {Format::kExportedProgram};
  if (holds_program(*zip)) return {Format::kExportedProgram};
  // What torch.export.save wrote before 2.8 lies in no folder, whatever the first member does.
  for (const Member& member : zip->members) {
    if (member.name == "serialized_exported_program.json") return {Format::kExportedProgram};
  }
  if (!zip->prefix.empty()) {
    // The order matters: torch.load asks for constants.pkl before anything else.
    if (has("constants.pkl")) return {Format::kTorchScript};
    if (has(".data/extern_modules") || has(".data/python_version")) return {Format::kTorchPackage};
    if (has("data.pkl")) return {Format::kTorchZip};
    if (has("model.json") && has("version")) return {Format::kTorchScript};  // before 1.2
  }
  // What torch.save leaves behind when it fails halfway.
  if (!zip->prefix.empty() && has("version")) return {Format::kTorchZip};
  return plain_zip(*zip);
}

/// True for a whole magic pickle, and for a file that ends inside one.
bool is_legacy(std::string_view text) {
  if (text.starts_with(kLegacyMagicText)) return true;
  if (text.size() < 5 || text[0] != '\x80' || text[1] < 2 || text[1] > 5) return false;
  std::string_view rest = text.substr(2);
  if (rest[0] == '\x95') rest = rest.substr(std::min<std::size_t>(9, rest.size()));  // FRAME
  const std::size_t common = std::min(rest.size(), kLegacyMagic.size());
  return common >= 3 && rest.substr(0, common) == kLegacyMagic.substr(0, common);
}

/// "cmodule\nname\n" and an opcode that can follow an import.
bool is_text_pickle(std::string_view text) {
  if (text.starts_with("(dp") || text.starts_with("(lp")) return true;
  if (!text.starts_with('c') && !text.starts_with("(i")) return false;
  text.remove_prefix(text.front() == 'c' ? 1 : 2);
  for (int line = 0; line < 2; ++line) {
    const std::size_t end = text.find_first_not_of(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.<>");
    if (end == 0 || end == std::string_view::npos || text[end] != '\n') return false;
    text.remove_prefix(end + 1);
  }
  return text.starts_with('(') || text.starts_with(')') || text.starts_with('q') ||
         text.starts_with('.') ||
         (text.starts_with('p') && text.size() > 1 && text[1] >= '0' && text[1] <= '9');
}

/// A tar is torch's own (before 0.1.10) when it has a member `storages`, which comes last, or
/// begins with `sys_info`, which remains when it is cut off.
Detected detect_tar(ByteView file, const Limits& limits) {
  constexpr int kLookedAt = 64;
  TarReader reader(file, limits);
  for (int i = 0; i < kLookedAt; ++i) {
    const Result<std::optional<TarMember>> member = reader.next();
    if (!member || !*member) break;
    const std::string& name = (*member)->name;
    if (name == "storages" || name == "./storages" || (i == 0 && name == "sys_info")) {
      return {Format::kTorchTar};
    }
  }
  return {Format::kNotAModel, "a tar archive"};
}

bool is_safetensors(ByteView file) {
  constexpr std::uint64_t kMaxHeader = 100'000'000;
  Cursor cursor(file);
  const Result<std::uint64_t> length = cursor.read<std::uint64_t>();
  if (!length || *length < 2 || *length > kMaxHeader) return false;
  const std::string_view text = file.text().substr(8, kSample);
  if (!text.starts_with('{')) return false;
  const std::size_t next = text.find_first_not_of(" \t\r\n", 1);
  return next != std::string_view::npos && (text[next] == '"' || text[next] == '}');
}

/// ONNX is a bare protobuf: field 1 (ir_version, a small number), then field 2 (producer, text).
bool is_onnx(std::string_view text) {
  if (text.size() < 5 || text[0] != 8 || text[1] < 1 || text[1] > 31 || text[2] != 0x12) {
    return false;
  }
  const std::size_t length = static_cast<unsigned char>(text[3]);
  const std::string_view producer = text.substr(4, length);
  return length > 0 && producer.size() == length &&
         std::all_of(producer.begin(), producer.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

Detected detect_lfs_pointer(std::string_view text) {
  Detected detected{Format::kLfsPointer, "a Git LFS pointer", LfsPointer{}};
  const std::string_view head = text.substr(0, 1024);
  const auto value_of = [&](std::string_view key) {
    const std::size_t at = head.find(key);
    if (at == std::string_view::npos) return std::string_view{};
    const std::string_view rest = head.substr(at + key.size());
    return rest.substr(0, rest.find_first_of("\r\n"));
  };
  detected.lfs_pointer->oid = value_of("\noid ");
  const std::string_view size = value_of("\nsize ");
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), number);
  if (!size.empty() && error == std::errc() && end == size.data() + size.size()) {
    detected.lfs_pointer->size = number;
  }
  return detected;
}

bool is_text(std::string_view sample) {
  return std::none_of(sample.begin(), sample.end(), [](char c) {
    const unsigned char byte = static_cast<unsigned char>(c);
    return byte == 0x7f || (byte < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f');
  });
}

/// Words for a text file. The first line is quoted: it is often a server's error message.
std::string describe_text(std::string_view sample) {
  std::string_view text = sample;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::size_t first = text.find_first_not_of(" \t\r\n\f");
  if (first == std::string_view::npos) return "a file of blanks";
  text.remove_prefix(first);
  for (const std::string_view start : {"<!doctype html"sv, "<html"sv, "<head"sv, "<body"sv}) {
    if (starts_with_folded(text, start)) return "an HTML page";
  }
  if (text.starts_with("<?xml") || text.starts_with("<Error>")) return "an XML document";
  if (text.front() == '{' || text.front() == '[') {
    const std::size_t next = text.find_first_not_of(" \t\r\n", 1);
    if (next != std::string_view::npos &&
        "\"{[]}-0123456789tfn"sv.find(text[next]) != std::string_view::npos) {
      return "a JSON document";
    }
  }
  constexpr std::size_t kQuoted = 60;
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  return "a text file (\"" + std::string(line.substr(0, kQuoted)) +
         (line.size() > kQuoted ? "...\")" : "\")");
}

/// The index of a state_dict in several files.
bool is_index(std::string_view path) {
  return path.ends_with(".safetensors.index.json") || path.ends_with(".bin.index.json");
}

}  // namespace

Detected detect(ByteView file, const Limits& limits) {
  const std::string_view text = file.text();
  if (text.empty()) return {Format::kNotAModel, "an empty file"};
  if (text.starts_with("PK\3\4")) return detect_zip(file, limits);
  if (is_legacy(text)) return {Format::kTorchLegacy};
  if (text.substr(0, 8).substr(std::min<std::size_t>(4, text.size())) == "PTMF") {
    return {Format::kMobileFlatbuffer};
  }
  if (is_safetensors(file)) return {Format::kSafetensors};
  if (text.size() > 262 && text.substr(257, 5) == "ustar") return detect_tar(file, limits);

  const std::string_view sample = text.substr(0, kSample);
  if (text.size() > 2 && text[0] == '\x80' && text[1] >= 1 && text[1] <= 5) {
    const bool dcp = sample.find("torch.distributed.checkpoint.metadata") != std::string_view::npos;
    return {dcp ? Format::kDcpMetadata : Format::kRawPickle};
  }
  if (text.starts_with("version https://git-lfs.github.com/spec/") ||
      text.starts_with("version https://hawser.github.com/spec/")) {
    return detect_lfs_pointer(text);
  }
  for (const Magic& magic : kOtherFiles) {
    if (text.size() >= magic.offset && text.substr(magic.offset).starts_with(magic.bytes)) {
      return {Format::kNotAModel, std::string(magic.looks_like)};
    }
  }
  if (is_text_pickle(sample)) return {Format::kRawPickle};
  if (is_onnx(sample)) return {Format::kNotAModel, "an ONNX model"};
  if (is_text(sample)) {
    const bool index =
        sample.starts_with('{') && sample.find("\"weight_map\"") != std::string_view::npos;
    if (index) return {Format::kShardedIndex};
    return {Format::kNotAModel, describe_text(sample)};
  }
  if (std::all_of(sample.begin(), sample.end(), [](char c) { return c == 0; })) {
    return {Format::kNotAModel, "a file that begins with nothing but zero bytes"};
  }
  return {};
}

bool is_model_format(Format format) {
  switch (format) {
    case Format::kUnknown:
    case Format::kPlainZip:
    case Format::kNotAModel:
      return false;
    default:
      return true;
  }
}

bool names_parts(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return is_index(path) || is_folder_part(name) || is_dcp_name(name) ||
         is_dcp_safetensors_name(name) || name == "latest";
}

bool has_model_extension(std::string_view path) {
  const std::string_view name = without_compression(path.substr(path.rfind('/') + 1));
  static constexpr std::string_view kExtensions[] = {
      ".pt",  ".pth",         ".ckpt",    ".jit",    ".torchscript", ".pt2",
      ".ptl", ".safetensors", ".pth.tar", ".pt.tar", ".distcp"};
  static constexpr std::string_view kBinStarts[] = {"pytorch_model", "adapter_model"};
  if (name == ".metadata" || is_index(name)) return true;
  if (name.ends_with(".bin")) {
    return std::any_of(std::begin(kBinStarts), std::end(kBinStarts),
                       [&](std::string_view start) { return name.starts_with(start); });
  }
  return std::any_of(std::begin(kExtensions), std::end(kExtensions), [&](std::string_view ending) {
    return name.size() > ending.size() &&
           starts_with_folded(name.substr(name.size() - ending.size()), ending);
  });
}

}  // namespace torchvet
