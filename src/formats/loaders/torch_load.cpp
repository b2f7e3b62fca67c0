// The way of torch.load: by the name to safetensors, by the first bytes to a zip, else to a tar,
// else to the stream of pickles that was written before 1.6.
#include "formats/loaders/torch_load.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/checked.h"
#include "formats/loaders/archive_route.h"
#include "formats/loaders/safetensors_load.h"
#include "formats/loaders/weights_only.h"
#include "formats/tar.h"

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

/// How many bytes a storage gets from its record, or why loading ends there.
using Bytes = std::variant<std::uint64_t, LoadOutcome>;

/// The records of an archive, and the storages that were loaded from them.
class RecordTable {
 public:
  RecordTable(const ZipDirectory& zip, TorchRelease release) : zip_(zip), release_(release) {}

  /// `bytes_of(record, wanted)` is asked once for each storage, with the bytes that the pickle wants.
  template <typename BytesOf>
  std::variant<LoadedStorage, LoadOutcome> load(const StorageQuestion& question, BytesOf bytes_of) {
    const std::string key(question.key);
    if (const auto known = loaded_.find(key); known != loaded_.end()) {
      return again(known->second, question.dtype, release_);
    }
    const std::string name = "data/" + key;
    const std::optional<MemberId> member = find_member(zip_, name);
    if (!member) return record_missing(name);
    const auto wanted = checked_mul(question.numel, item_size(question.dtype));
    if (!wanted || *wanted > INT64_MAX) {
      return LoadOutcome::undecided("the size of a storage overflows");
    }
    Bytes bytes = bytes_of(zip_.members[*member], *wanted);
    if (auto* ended = std::get_if<LoadOutcome>(&bytes)) return std::move(*ended);
    const std::uint64_t size = std::get<std::uint64_t>(bytes);
    if (auto refused = refusal_of_location(question.location)) return std::move(*refused);
    const LoadedStorage storage = {question.dtype, size, question.location == "meta", false};
    if (size > 0 && !storage.is_meta) loaded_.emplace(key, storage);
    return storage;
  }

 private:
  const ZipDirectory& zip_;
  TorchRelease release_;
  std::unordered_map<std::string, LoadedStorage> loaded_;
};

class ZipRecords final : public StorageLoader {
 public:
  ZipRecords(const ZipDirectory& zip, TorchRelease release) : records_(zip, release) {}

  std::size_t items() const override { return 4; }

  std::variant<LoadedStorage, LoadOutcome> load(const StorageQuestion& question) override {
    return records_.load(question, [](const Member& record, std::uint64_t wanted) -> Bytes {
      if (record.size == wanted) return wanted;
      return LoadOutcome::fails(kRuntime,
                                fmt::format("record size ({} bytes) does not match expected size "
                                            "({} bytes",
                                            record.size, wanted),
                                LoadProblem::kContainer);
    });
  }

 private:
  RecordTable records_;
};

/// With mmap a storage is the part of the file that begins at its record, as long as the pickle
/// says and the file is: nobody looks how long the record is, or whether it is compressed.
class MappedRecords final : public StorageLoader {
 public:
  MappedRecords(const ZipDirectory& zip, std::uint64_t file_size, TorchRelease release)
      : records_(zip, release), file_size_(file_size) {}

  std::size_t items() const override { return 4; }

  std::variant<LoadedStorage, LoadOutcome> load(const StorageQuestion& question) override {
    return records_.load(question, [&](const Member& record, std::uint64_t wanted) -> Bytes {
      return std::min(wanted, file_size_ - std::min(file_size_, record.data.offset));
    });
  }

 private:
  RecordTable records_;
  std::uint64_t file_size_;
};

/// The order of bytes that the storages have. Big-endian ones are swapped, and load all the same.
std::optional<LoadOutcome> refusal_of_byteorder(ByteView file, const ZipDirectory& zip,
                                                const Limits& limits) {
  const std::optional<MemberId> id = find_member(zip, "byteorder");
  if (!id) return std::nullopt;
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(file, zip.members[*id], limits, buffer);
  if (!bytes) return LoadOutcome::undecided("the byte order cannot be read");
  const std::string_view order = bytes->text();
  if (order == "little" || order == "big") return std::nullopt;
  if (!simdjson::validate_utf8(order)) {
    return LoadOutcome::fails("UnicodeDecodeError", "'utf-8' codec can't decode",
                              LoadProblem::kContainer);
  }
  return LoadOutcome::fails("ValueError", fmt::format("Unknown endianness type: {}", order),
                            LoadProblem::kContainer);
}

/// The storages of an archive as one way of loading reads them.
using MakeRecords = std::function<std::unique_ptr<StorageLoader>(const ZipDirectory&)>;

LoadOutcome load_zip(const Source& source, TorchRelease release, const Limits& limits,
                     const MakeRecords& make_records) {
  const ByteView file = source.bytes();
  std::variant<OpenedArchive, LoadOutcome> opened = open_as_torch(source, limits);
  if (auto* ended = std::get_if<LoadOutcome>(&opened)) return std::move(*ended);
  const OpenedArchive& archive = std::get<OpenedArchive>(opened);
  const ZipDirectory& zip = archive.zip;
  if (auto end = archive.refusal_of_names()) return std::move(*end);
  const bool is_script =
      std::any_of(zip.members.begin(), zip.members.end(), [&](const Member& member) {
        return std::string_view(member.name).substr(zip.prefix.size()) == "constants.pkl";
      });
  if (is_script) {
    return LoadOutcome::fails(
        kRuntime,
        "Cannot use ``weights_only=True`` with TorchScript archives passed to "
        "``torch.load``.",
        LoadProblem::kTorchScript);
  }
  if (auto end = refusal_of_byteorder(file, zip, limits)) return std::move(*end);
  if (auto end = archive.refusal_of({RecordProblem::kAlignmentNoNumber})) return std::move(*end);
  const std::optional<MemberId> pickle = find_member(zip, "data.pkl");
  if (!pickle) return record_missing("data.pkl");
  std::string buffer;
  const Result<ByteView> bytes = member_bytes(file, zip.members[*pickle], limits, buffer);
  if (!bytes) return LoadOutcome::undecided("data.pkl cannot be read");
  const std::unique_ptr<StorageLoader> records = make_records(zip);
  LoadOutcome outcome = RestrictedUnpickler(*bytes, release, limits, *records).run();
  if (outcome.opens != true) return outcome;
  // The last thing that is read.
  if (auto end = archive.refusal_of({RecordProblem::kIdNoText})) return std::move(*end);
  return outcome;
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
    if (!count) {
      return LoadOutcome::fails(kRuntime, "unexpected EOF, expected ", LoadProblem::kCut);
    }
    const std::uint64_t bytes = storage->second.bytes;
    if (*count != bytes / item_size(storage->second.dtype)) {
      return LoadOutcome::fails(kRuntime, "storage has wrong byte size: expected ",
                                LoadProblem::kContainer);
    }
    if (cursor.remaining() < bytes) {
      return LoadOutcome::fails(
          kRuntime,
          fmt::format("unexpected EOF, expected {} more bytes.", bytes - cursor.remaining()),
          LoadProblem::kCut);
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
        "format.",
        LoadProblem::kTar);
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
      return LoadOutcome::fails(kRuntime, "Invalid magic number; corrupt file?",
                                LoadProblem::kContainer);
    }
    if (part == kProtocolNumber && (value.kind != LoadedKind::kInt || value.number != kProtocol)) {
      return LoadOutcome::fails(kRuntime,
                                value.kind == LoadedKind::kInt
                                    ? fmt::format("Invalid protocol version: {}", value.number)
                                    : "Invalid protocol version: ",
                                LoadProblem::kContainer);
    }
    if (part == kKeys) {
      if (auto refused = storages.fill(unpickler, position)) return std::move(*refused);
    }
  }
  return LoadOutcome::opened();
}

}  // namespace

std::optional<LoadOutcome> load_by_name(const Source& source, const Artifact& artifact,
                                        TorchRelease release) {
  constexpr TorchRelease kByName = {2, 13};
  constexpr TorchRelease kNotByName = {2, 9};
  if (!source.path().ends_with(".safetensors") || release <= kNotByName) return std::nullopt;
  if (release < kByName) return LoadOutcome::undecided("the ending may lead to safetensors");
  return load_safetensors(source, artifact);
}

LoadOutcome load_weights_only(const Source& source, const Artifact& artifact, TorchRelease release,
                              const Limits& limits) {
  if (auto end = load_by_name(source, artifact, release)) return std::move(*end);
  const ByteView file = source.bytes();
  if (!file.starts_with("PK\3\4")) return load_stream(file, release, limits);
  return load_zip(source, release, limits, [&](const ZipDirectory& zip) {
    return std::make_unique<ZipRecords>(zip, release);
  });
}

LoadOutcome load_mapped(const Source& source, const Artifact& artifact, TorchRelease release,
                        const Limits& limits) {
  if (auto end = load_by_name(source, artifact, release)) return std::move(*end);
  const ByteView file = source.bytes();
  if (!file.starts_with("PK\3\4")) {
    return LoadOutcome::fails(kRuntime, "mmap can only be used with files saved with `torch.save(",
                              LoadProblem::kNoArchive);
  }
  return load_zip(source, release, limits, [&](const ZipDirectory& zip) {
    return std::make_unique<MappedRecords>(zip, file.size(), release);
  });
}

}  // namespace torchvet
