#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "formats/fault_list.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/torch_objects.h"
#include "formats/reader.h"

// What torch.save wrote before 1.6 and still writes on request: no container, a stream of five
// pickles (a magic number, the protocol, sizes of C types, the object, the list of storage keys),
// then for each key in that order the number of elements as int64 and the elements. Where a pickle
// ends is known only by running it; how large an element is only from the object pickle.
namespace torchvet {
namespace {

constexpr std::string_view kMagic = "119547037146038801333356";  // 0x1950A86A20F9469CFC6C
constexpr std::int64_t kProtocol = 1001;

class LegacyReader {
 public:
  LegacyReader(const std::shared_ptr<Source>& source, const Limits& limits, Artifact& artifact)
      : source_(*source),
        file_(source->bytes()),
        limits_(limits),
        artifact_(artifact),
        faults_(artifact, "") {}

  void read();

 private:
  struct View {
    StorageId storage;
    StorageId root;
    std::uint64_t begin;  ///< bytes into the root
  };

  bool run(const char* name, ObjectId& root);
  bool check_header(ObjectId magic, ObjectId protocol);
  StorageId resolve(const StorageRequest& request);
  StorageId add_storage(const std::string& key, const StorageRequest& request, std::uint64_t numel);
  bool read_storages(ObjectId keys);
  bool read_storage(const std::string& key, std::uint64_t more);
  void place_views();

  const Source& source_;
  ByteView file_;
  const Limits& limits_;
  Artifact& artifact_;
  FaultList faults_;
  std::uint64_t position_ = 0;
  std::unordered_map<std::string, StorageId> by_key_;
  std::unordered_map<std::string, StorageId> views_by_key_;
  std::vector<View> views_;
};

/// Runs the pickle that begins at the position. False when it could not be run to its end.
bool LegacyReader::run(const char* name, ObjectId& root) {
  PickleProgram program;
  program.name = name;
  Result<ByteView> rest = file_.slice(position_, file_.size() - position_);
  Result<void> ran = rest ? run_pickle(*rest, limits_, artifact_.objects, program)
                          : Result<void>(tl::unexpected<Error>(rest.error()));
  root = program.root;
  position_ += program.where.length;
  artifact_.pickles.push_back(std::move(program));
  if (!ran) artifact_.add_fault(name, ran.error());
  return ran.has_value();
}

bool LegacyReader::check_header(ObjectId magic, ObjectId protocol) {
  const Object::BigInt* number = artifact_.objects.as<Object::BigInt>(magic);
  if (!number || number->decimal != kMagic) {
    artifact_.add_fault("", {ErrorCode::kLegacyBadMagic, 0,
                             "the file does not begin with torch.save's magic number"});
    return false;
  }
  if (artifact_.objects.integer(protocol) != kProtocol) {
    artifact_.add_fault("",
                        {ErrorCode::kLegacyBadProtocol, artifact_.objects.at(protocol).where.offset,
                         "the protocol is " + artifact_.objects.render(protocol) + ", not 1001"});
    return false;
  }
  return true;
}

StorageId LegacyReader::add_storage(const std::string& key, const StorageRequest& request,
                                    std::uint64_t numel) {
  Storage storage;
  storage.key = key;
  storage.dtype = request.dtype;
  storage.location = request.location;
  if (const auto bytes = checked_mul(numel, item_size(request.dtype))) {
    storage.declared_bytes = *bytes;
  } else {
    faults_.add(ErrorCode::kOverflow, request.offset,
                "storage \"" + key + "\" is said to have " + std::to_string(numel) + " elements");
  }
  artifact_.storages.push_back(std::move(storage));
  return static_cast<StorageId>(artifact_.storages.size() - 1);
}

StorageId LegacyReader::resolve(const StorageRequest& request) {
  StorageId root = 0;
  if (const auto known = by_key_.find(request.key); known != by_key_.end()) {
    root = known->second;
    if (artifact_.storages[root].dtype != request.dtype) {
      faults_.add_contradiction(ErrorCode::kStorageTwoTypes, request.offset,
                                "storage \"" + request.key + "\" is named with two element types");
    }
  } else {
    root = add_storage(request.key, request, request.numel);
    by_key_.emplace(request.key, root);
  }
  if (!request.view) return root;

  if (const auto known = views_by_key_.find(request.view->key); known != views_by_key_.end()) {
    return known->second;
  }
  const StorageId view = add_storage(request.view->key, request, request.view->numel);
  views_by_key_.emplace(request.view->key, view);
  const auto begin = checked_mul(request.view->offset, item_size(request.dtype));
  views_.push_back({view, root, begin.value_or(UINT64_MAX)});
  return view;
}

/// One storage at the position: its count, then its elements. False when the stream cannot be
/// followed beyond it. `more` is how many storages come after it.
bool LegacyReader::read_storage(const std::string& key, std::uint64_t more) {
  const std::string after =
      more == 0 ? std::string() : "; " + std::to_string(more) + " more storages should follow";
  const std::uint64_t at = file_.offset() + position_;
  std::uint8_t raw[8];
  if (file_.size() - position_ < sizeof(raw) || !source_.read_at(position_, raw)) {
    faults_.add(ErrorCode::kTruncated, at,
                "the file ends before the size of storage \"" + key + "\"" + after);
    return false;
  }
  std::uint64_t count = 0;
  for (int i = 7; i >= 0; --i) count = count << 8 | raw[i];
  position_ += sizeof(raw);

  const auto known = by_key_.find(key);
  if (known == by_key_.end()) {
    faults_.add(ErrorCode::kLegacyBadKeys, at,
                "storage \"" + key +
                    "\" is used by no tensor, so the size of its elements and the "
                    "place of what follows are unknown" +
                    after);
    return false;
  }
  Storage& storage = artifact_.storages[known->second];
  const auto size = checked_mul(count, item_size(storage.dtype));
  if (size != storage.declared_bytes) {
    faults_.add_contradiction(
        size && *size < storage.declared_bytes ? ErrorCode::kRecordTooShort
                                               : ErrorCode::kRecordTooLong,
        at,
        "storage \"" + key + "\" has " + std::to_string(count) +
            " elements here, the pickle says " +
            std::to_string(storage.declared_bytes / item_size(storage.dtype)));
    if (!size) return false;
  }
  const std::uint64_t left = file_.size() - position_;
  if (*size > left) {
    faults_.add(ErrorCode::kTruncated, file_.offset() + file_.size(),
                "the file ends inside storage \"" + key + "\": " + std::to_string(*size - left) +
                    " bytes are missing" + after);
    return false;
  }
  storage.bytes = *file_.slice(position_, *size);
  storage.present = true;
  position_ += *size;
  return true;
}

/// False when the end of the last storage is not known.
bool LegacyReader::read_storages(ObjectId keys) {
  const Object::List* list = artifact_.objects.as<Object::List>(keys);
  if (!list) {
    artifact_.add_fault("", {ErrorCode::kLegacyBadKeys, artifact_.objects.at(keys).where.offset,
                             "the list of storage keys is no list"});
    return false;
  }
  const std::vector<ObjectId>& items = list->items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::optional<std::string_view> key = artifact_.objects.text(items[i]);
    if (!key) {
      faults_.add(ErrorCode::kLegacyBadKeys, artifact_.objects.at(items[i]).where.offset,
                  "a storage key is no text");
      return false;
    }
    if (!read_storage(std::string(*key), items.size() - i - 1)) return false;
  }
  for (StorageId id = 0; id < artifact_.storages.size(); ++id) {
    const Storage& storage = artifact_.storages[id];
    const auto root = by_key_.find(storage.key);
    if (storage.present || root == by_key_.end() || root->second != id) continue;
    faults_.add(ErrorCode::kStorageMissing, 0,
                "storage \"" + storage.key + "\" is not in the list of storages");
  }
  return true;
}

/// Views get their slice of the root's bytes, now that these are known.
void LegacyReader::place_views() {
  for (const View& view : views_) {
    Storage& storage = artifact_.storages[view.storage];
    const Storage& root = artifact_.storages[view.root];
    if (!root.present) continue;
    Result<ByteView> bytes = root.bytes.slice(view.begin, storage.declared_bytes);
    if (!bytes) {
      faults_.add(ErrorCode::kRecordTooShort, root.bytes.offset(),
                  "a view of storage \"" + root.key + "\" reaches past its end");
      continue;
    }
    storage.bytes = *bytes;
    storage.present = true;
  }
}

void LegacyReader::read() {
  ObjectId magic = kNoObject, protocol = kNoObject, sizes = kNoObject;
  if (!run("magic number", magic) || !run("protocol", protocol)) return;
  if (!check_header(magic, protocol) || !run("system information", sizes)) return;
  ObjectId root = kNoObject;
  const bool whole = run("object", root);
  // The object's pickle is the main one, so it comes first.
  std::rotate(artifact_.pickles.begin(), artifact_.pickles.end() - 1, artifact_.pickles.end());
  resolve_torch_objects(
      artifact_, 0, std::nullopt,
      [this](const StorageRequest& request) { return resolve(request); }, limits_);
  ObjectId keys = kNoObject;
  if (whole && run("storage keys", keys)) {
    if (read_storages(keys)) artifact_.pickles[0].trailing_bytes = file_.size() - position_;
    place_views();
  }
  if (whole) describe_torch_pickle(artifact_, root, limits_);
}

}  // namespace

void read_torch_legacy(const std::shared_ptr<Source>& source, const ReadOptions& options,
                       Artifact& artifact) {
  LegacyReader(source, options.limits, artifact).read();
}

}  // namespace torchvet
