// The way of torch.load: by the name to safetensors, by the first bytes to a zip, else to a tar,
// else to the stream of pickles that was written before 1.6.
#include "formats/loaders/torch_load.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/checked.h"
#include "formats/loaders/weights_only.h"
#include "formats/tar.h"
#include "formats/zip.h"

namespace torchvet {
namespace {

constexpr std::string_view kRuntime = "RuntimeError";
constexpr TorchRelease kFirstTypeStays = {2, 13};  // of a storage that is named with two types

/// Whether a storage that is asked for again has the type that it had at first.
std::variant<LoadedStorage, LoadOutcome> again(const LoadedStorage& first, DType dtype,
                                               TorchRelease release) {
  if (dtype != first.dtype && release != kFirstTypeStays) {
    return LoadOutcome::undecided("one storage is named with two element types");
  }
  return first;
}

// ---- zip -------------------------------------------------------------------------------------

class ZipRecords final : public StorageLoader {
 public:
  ZipRecords(const ZipDirectory& zip, TorchRelease release) : zip_(zip), release_(release) {}

  std::size_t items() const override { return 4; }

  std::variant<LoadedStorage, LoadOutcome> load(const StorageQuestion& question) override {
    const std::string key(question.key);
    if (const auto known = loaded_.find(key); known != loaded_.end()) {
      return again(known->second, question.dtype, release_);
    }
    const std::string name = "data/" + key;
    const std::optional<MemberId> member = find_member(zip_, name);
    if (!member) {
      return LoadOutcome::fails(
          kRuntime,
          fmt::format("PytorchStreamReader failed locating file {}: file not found.", name));
    }
    const auto wanted = checked_mul(question.numel, item_size(question.dtype));
    if (!wanted || *wanted > INT64_MAX) {
      return LoadOutcome::undecided("the size of a storage overflows");
    }
    const std::uint64_t bytes = *wanted, size = zip_.members[*member].size;
    if (size != bytes) {
      return LoadOutcome::fails(
          kRuntime, fmt::format("record size ({} bytes) does not match expected size ({} bytes",
                                size, bytes));
    }
    if (auto refused = refusal_of_location(question.location)) return std::move(*refused);
    const LoadedStorage storage = {question.dtype, bytes, question.location == "meta", false};
    if (bytes > 0 && !storage.is_meta) loaded_.emplace(key, storage);
    return storage;
  }

 private:
  const ZipDirectory& zip_;
  TorchRelease release_;
  std::unordered_map<std::string, LoadedStorage> loaded_;
};

LoadOutcome no_directory(ByteView file) {
  constexpr std::uint64_t kSmallest = 22, kSignature = 4, kLookedThrough = 70'000;
  if (file.size() < kSmallest) {
    return LoadOutcome::fails(kRuntime,
                              "PytorchStreamReader failed reading zip archive: not a ZIP archive.");
  }
  std::string_view end =
      file.text().substr(file.size() - std::min<std::uint64_t>(file.size(), kLookedThrough));
  end.remove_suffix(kSmallest - kSignature);  // what is cut off later is no end record
  if (end.find("PK\5\6") != std::string_view::npos) {
    return LoadOutcome::undecided("the archive's directory is damaged");
  }
  return LoadOutcome::fails(
      kRuntime,
      "PytorchStreamReader failed reading zip archive: failed finding central directory.");
}

/// What the reader of archives checks when it opens one.
std::optional<LoadOutcome> refusal_of_version(ByteView file, const ZipDirectory& zip,
                                              const Limits& limits) {
  constexpr std::uint64_t kOldest = 1, kNewest = 10;
  std::optional<MemberId> id = find_member(zip, ".data/version");
  if (!id) id = find_member(zip, "version");
  if (!id) {
    return LoadOutcome::fails(kRuntime,
                              "Expected hasRecord(\"version\") to be true, but got false.");
  }
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(file, zip.members[*id], limits, buffer);
  if (!bytes) return LoadOutcome::undecided("the record version cannot be read");
  std::string_view text = bytes->text();
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with('-')) return LoadOutcome::undecided("the version is negative");
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error == std::errc::result_out_of_range)
    return LoadOutcome::undecided("the version is too large");
  if (error != std::errc()) return LoadOutcome::fails(kRuntime, "Couldn't parse the version");
  if (version > kNewest) {
    return LoadOutcome::fails(
        kRuntime, fmt::format("Attempted to read a PyTorch file with version {}, but the maximum "
                              "supported version for reading is {}.",
                              version, kNewest));
  }
  if (version < kOldest) {
    return LoadOutcome::fails(
        kRuntime, fmt::format("Attempted to read a PyTorch file with version {}, but the "
                              "minimum supported version for reading is {}.",
                              version, kOldest));
  }
  return std::nullopt;
}

/// The small records that torch.load reads before the pickle.
std::optional<LoadOutcome> refusal_of_records(ByteView file, const ZipDirectory& zip,
                                              const Limits& limits) {
  std::string buffer;
  const auto text_of = [&](std::string_view name) -> std::optional<std::string> {
    const std::optional<MemberId> id = find_member(zip, name);
    if (!id) return std::nullopt;
    const Result<ByteView> bytes = member_bytes(file, zip.members[*id], limits, buffer);
    return bytes ? std::string(bytes->text()) : std::string("\xff");
  };
  if (const auto order = text_of("byteorder"); order && *order != "little") {
    if (*order == "big") return LoadOutcome::undecided("the storages are big-endian");
    if (!simdjson::validate_utf8(*order))
      return LoadOutcome::undecided("the byte order is no text");
    return LoadOutcome::fails("ValueError", "Unknown endianness type: " + *order);
  }
  if (const auto alignment = text_of(".storage_alignment")) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (alignment->empty() || !std::all_of(alignment->begin(), alignment->end(), digit)) {
      return LoadOutcome::undecided("the alignment of the storages is no plain number");
    }
  }
  if (const auto id = text_of(".data/serialization_id"); id && !simdjson::validate_utf8(*id)) {
    return LoadOutcome::undecided("the id of the contents is no UTF-8");
  }
  return std::nullopt;
}

LoadOutcome load_zip(const Source& source, TorchRelease release, const Limits& limits) {
  const ByteView file = source.bytes();
  const Result<ZipDirectory> zip = read_zip_directory(file, limits, &source);
  if (!zip && zip.error().code == ErrorCode::kZipNoCentralDirectory) return no_directory(file);
  if (!zip) return LoadOutcome::undecided("the archive's directory is damaged");
  if (zip->members.empty() || !zip->faults.empty()) {
    return LoadOutcome::undecided("readers of archives differ in what they make of this one");
  }
  const std::string& first = zip->members.front().name;
  if (zip->prefix.empty()) {
    return LoadOutcome::fails(kRuntime, "file in archive is not in a subdirectory: " + first);
  }
  if (auto refused = refusal_of_version(file, *zip, limits)) return std::move(*refused);
  for (const Member& member : zip->members) {
    if (!simdjson::validate_utf8(member.name)) {
      return LoadOutcome::undecided("the name of a member is no UTF-8");
    }
    if (!member.name.starts_with(zip->prefix)) {
      return LoadOutcome::fails(
          kRuntime,
          fmt::format("file in archive is not in a subdirectory {}: {}", zip->prefix, member.name));
    }
  }
  const bool is_script =
      std::any_of(zip->members.begin(), zip->members.end(), [&](const Member& member) {
        return std::string_view(member.name).substr(zip->prefix.size()) == "constants.pkl";
      });
  if (is_script) {
    return LoadOutcome::fails(
        kRuntime,
        "Cannot use ``weights_only=True`` with TorchScript archives passed to "
        "``torch.load``.");
  }
  if (auto refused = refusal_of_records(file, *zip, limits)) return std::move(*refused);
  const std::optional<MemberId> pickle = find_member(*zip, "data.pkl");
  if (!pickle) {
    return LoadOutcome::fails(kRuntime,
                              "PytorchStreamReader failed locating file data.pkl: file not found.");
  }
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(file, zip->members[*pickle], limits, buffer);
  if (!bytes) return LoadOutcome::undecided("data.pkl cannot be read");
  ZipRecords records(*zip, release);
  return RestrictedUnpickler(*bytes, release, limits, records).run();
}

// ---- before 1.6 ------------------------------------------------------------------------------

/// The pickles of a stream that name no storages.
class NoStorages final : public StorageLoader {
 public:
  std::size_t items() const override { return 4; }
  bool has_storages() const override { return false; }
  std::variant<LoadedStorage, LoadOutcome> load(const StorageQuestion&) override {
    return LoadOutcome::undecided("this pickle has no storages");
  }
};

/// Storages are made when they are named, and filled when the whole object stands.
class StreamStorages final : public StorageLoader {
 public:
  StreamStorages(ByteView file, TorchRelease release) : file_(file), release_(release) {}

  std::size_t items() const override { return 5; }

  std::variant<LoadedStorage, LoadOutcome> load(const StorageQuestion& question) override {
    const std::string key(question.key);
    if (const auto known = made_.find(key); known != made_.end()) {
      return again(known->second, question.dtype, release_);
    }
    const auto bytes = checked_mul(question.numel, item_size(question.dtype));
    if (!bytes || *bytes > file_.size()) {
      return LoadOutcome::undecided("a storage is said to be larger than the file");
    }
    if (auto refused = refusal_of_location(question.location)) return std::move(*refused);
    if (question.location != "cpu") return LoadOutcome::undecided("a storage is on no CPU");
    const LoadedStorage storage = {question.dtype, *bytes, false, true};
    made_.emplace(key, storage);
    return storage;
  }

  /// Reads the storages behind the pickles, in the order of their keys.
  [[nodiscard]] std::optional<LoadOutcome> fill(const RestrictedUnpickler& keys,
                                                std::uint64_t position) const;

 private:
  ByteView file_;
  TorchRelease release_;
  std::unordered_map<std::string, LoadedStorage> made_;
};

std::optional<LoadOutcome> StreamStorages::fill(const RestrictedUnpickler& keys,
                                                std::uint64_t position) const {
  if (keys.result().kind != LoadedKind::kList) {
    return LoadOutcome::undecided("the keys of the storages are no list");
  }
  for (const LoadedId id : keys.result().items) {
    const Loaded& key = keys.at(id);
    if (key.kind != LoadedKind::kText)
      return LoadOutcome::undecided("a key of a storage is no text");
    const auto storage = made_.find(std::string(key.text));
    if (storage == made_.end()) {
      if (key.text.find_first_of("'\\") != std::string_view::npos) {
        return LoadOutcome::fails("AssertionError", "storage key ");
      }
      return LoadOutcome::fails(
          "AssertionError",
          fmt::format("storage key '{}' not found in deserialized_objects", key.text));
    }
    Cursor cursor(file_, position);
    const Result<std::uint64_t> count = cursor.read<std::uint64_t>();
    if (!count) return LoadOutcome::fails(kRuntime, "unexpected EOF, expected ");
    const std::uint64_t bytes = storage->second.bytes;
    if (*count != bytes / item_size(storage->second.dtype)) {
      return LoadOutcome::fails(kRuntime, "storage has wrong byte size: expected ");
    }
    if (cursor.remaining() < bytes) {
      return LoadOutcome::fails(kRuntime, fmt::format("unexpected EOF, expected {} more bytes.",
                                                      bytes - cursor.remaining()));
    }
    position = cursor.position() + bytes;
  }
  return std::nullopt;
}

/// The number of the first pickle of a stream, as it lies in LONG1.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr std::int64_t kProtocol = 1001;

LoadOutcome load_stream(ByteView file, TorchRelease release, const Limits& limits) {
  const std::optional<bool> tar = opens_as_tar(file, limits);
  if (!tar) return LoadOutcome::undecided("it may be a tar archive");
  if (*tar) {
    return LoadOutcome::fails(
        kRuntime,
        "Cannot use ``weights_only=True`` with files saved in the legacy .tar "
        "format.");
  }
  std::uint64_t position = 0;
  NoStorages none;
  StreamStorages storages(file, release);
  enum Part { kMagicNumber, kProtocolNumber, kSystem, kObject, kKeys };
  for (const Part part : {kMagicNumber, kProtocolNumber, kSystem, kObject, kKeys}) {
    StorageLoader& loader = part == kObject ? static_cast<StorageLoader&>(storages) : none;
    RestrictedUnpickler unpickler(*file.slice(position, file.size() - position), release, limits,
                                  loader);
    LoadOutcome outcome = unpickler.run();
    if (outcome.opens != true) return outcome;
    position += unpickler.length();
    const Loaded& value = unpickler.result();
    const bool opaque = value.kind == LoadedKind::kForeign || value.kind == LoadedKind::kTensor ||
                        value.kind == LoadedKind::kParameter;
    if (opaque && part < kSystem) return LoadOutcome::undecided("the stream begins with an object");
    if (part == kMagicNumber && (value.kind != LoadedKind::kBigInt || value.text != kMagic)) {
      return LoadOutcome::fails(kRuntime, "Invalid magic number; corrupt file?");
    }
    if (part == kProtocolNumber && (value.kind != LoadedKind::kInt || value.number != kProtocol)) {
      return LoadOutcome::fails(kRuntime,
                                value.kind == LoadedKind::kInt
                                    ? fmt::format("Invalid protocol version: {}", value.number)
                                    : "Invalid protocol version: ");
    }
    if (part == kKeys) {
      if (auto refused = storages.fill(unpickler, position)) return std::move(*refused);
    }
  }
  return LoadOutcome::opened();
}

}  // namespace

LoadOutcome load_weights_only(const Source& source, const Artifact& artifact, TorchRelease release,
                              const Limits& limits) {
  constexpr TorchRelease kByName = {2, 13};
  constexpr TorchRelease kNotByName = {2, 9};
  const ByteView file = source.bytes();
  const bool zip = file.starts_with("PK\3\4");
  if (source.path().ends_with(".safetensors") && release > kNotByName) {
    if (release < kByName) return LoadOutcome::undecided("the ending may lead to safetensors");
    const bool sound =
        artifact.format == Format::kSafetensors && artifact.faults.empty() && artifact.gaps.empty();
    if (sound) return LoadOutcome::opened();
    if (zip) {
      return LoadOutcome::fails("SafetensorError",
                                "Error while deserializing header: header too large");
    }
    return LoadOutcome::undecided("its name leads to safetensors, which may refuse it");
  }
  return zip ? load_zip(source, release, limits) : load_stream(file, release, limits);
}

}  // namespace torchvet
