// What torch.save wrote before 0.1.10 (early 2017), and torch.load still reads: a tar archive of
// four members.
//
//   storages   the number of storages; for each a pickle (key, location, type), the count of its
//              elements as int64 and the elements; then the list of those that are parts of others,
//              (key, key of the whole, offset, count) in elements
//   tensors    the number of tensors; for each a pickle (key, key of its storage, type), then the
//              number of dimensions, sizes, strides and the offset
//   pickle     the object; a persistent id is the key of a tensor or storage, as a number or its
//              digits, or (class, source file, source text) of a module
//   sys_info   which nothing reads
//
// Every pickle among them is run by torch.load, thousands of small ones too, and without any
// restriction: `weights_only=True` refuses the format as a whole. All that one member does is one
// program here.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/checked.h"
#include "formats/fault_list.h"
#include "formats/pickle/arguments.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/torch_objects.h"
#include "formats/reader.h"
#include "formats/tar.h"

namespace torchvet {
namespace {

enum Part : std::uint8_t { kStorages, kTensors, kObject };
constexpr std::array<std::string_view, 3> kParts = {"storages", "tensors", "pickle"};

/// A member that is being read from its begin to its end.
struct Stream {
  std::string name;
  MemberId member = 0;
  ByteView bytes;
  std::uint64_t position = 0;
  PickleProgram program;

  [[nodiscard]] std::uint64_t offset() const { return bytes.offset() + position; }
  [[nodiscard]] std::uint64_t left() const { return bytes.size() - position; }
};

class TarArchive {
 public:
  TarArchive(ByteView file, const Limits& limits, Artifact& artifact)
      : file_(file), limits_(limits), artifact_(artifact), tree_(artifact.objects) {}

  void read();

 private:
  /// What a key stands for.
  struct Thing {
    bool is_tensor = false;
    std::uint32_t id = 0;
  };

  void list_members();
  std::optional<Stream> open(Part part);
  bool run(Stream& stream, ObjectId& root);
  void close(Stream& stream);
  std::optional<std::uint64_t> count_of(Stream& stream, std::string_view what);
  bool within_limits(const Stream& stream);

  void read_storages();
  bool read_storage(Stream& stream, FaultList& faults);
  void read_views(Stream& stream, FaultList& faults);
  void read_tensors();
  bool read_tensor(Stream& stream, FaultList& faults);
  void read_object();
  void resolve_ids(ObjectId first, const Stream& stream);

  ByteView file_;
  const Limits& limits_;
  Artifact& artifact_;
  ObjectTree& tree_;
  std::array<std::optional<MemberId>, kParts.size()> parts_;
  std::unordered_map<std::int64_t, Thing> things_;
  bool complete_ = true;  ///< every storage and tensor was read
};

// ---- the archive ----------------------------------------------------------------------------

/// torch asks tarfile for a member by name and gets the last of that name.
void TarArchive::list_members() {
  TarReader reader(file_, limits_);
  FaultList faults(artifact_, "");
  for (;;) {
    Result<std::optional<TarMember>> next = reader.next();
    if (!next) {
      artifact_.add_fault("", next.error());
      return;
    }
    if (!*next) break;
    if (artifact_.members.size() >= limits_.zip_members) {
      artifact_.add_fault("", {ErrorCode::kLimitExceeded, (*next)->header_offset,
                               "more members than zip-members allows"});
      return;
    }
    const TarMember& found = **next;
    const auto id = static_cast<MemberId>(artifact_.members.size());
    Member& member = artifact_.members.emplace_back();
    member.name = found.name;
    member.data = found.data.range();
    member.size = found.size;
    member.header_offset = found.header_offset;
    if (found.is_cut_off()) {
      artifact_.add_fault(found.name, {ErrorCode::kTruncated, file_.offset() + file_.size(),
                                       "its header claims " + std::to_string(found.size) +
                                           " bytes in whole blocks, the file ends before"});
    }
    const auto known = std::find(kParts.begin(), kParts.end(), found.name);
    if (known == kParts.end()) continue;
    std::optional<MemberId>& part = parts_[static_cast<std::size_t>(known - kParts.begin())];
    if (part) {
      faults.add(ErrorCode::kZipDuplicateName, found.header_offset,
                 "the archive has more than one member `" + found.name + "`");
    }
    part = id;
    if (found.type == '1' || found.type == '2') {
      artifact_.add_fault(found.name,
                          {ErrorCode::kUnsafePath, found.header_offset,
                           "it is a link to " + found.link + ", which torch would read"});
      part.reset();
    }
  }
  const std::string_view rest = file_.text().substr(static_cast<std::size_t>(reader.position()));
  const std::size_t stray = rest.find_first_not_of('\0');
  if (stray != std::string_view::npos) {
    faults.add(ErrorCode::kZipStrayBytes, file_.offset() + reader.position() + stray,
               "bytes follow the end of the archive");
  }
}

/// The part that a loader would read. A missing one is what it stops at.
std::optional<Stream> TarArchive::open(Part part) {
  const std::string name(kParts[part]);
  if (!parts_[part]) {
    complete_ = false;
    const bool said = std::any_of(artifact_.faults.begin(), artifact_.faults.end(),
                                  [&](const Fault& fault) { return fault.member == name; });
    if (!said) {
      artifact_.add_fault(name,
                          {ErrorCode::kArchiveRefused, 0, "the archive has no member " + name});
    }
    return std::nullopt;
  }
  Stream stream;
  stream.name = name;
  stream.member = *parts_[part];
  stream.program.name = name;
  stream.program.member = stream.member;
  const ByteRange range = artifact_.members[stream.member].data;
  const Result<ByteView> bytes = file_.slice(range.offset - file_.offset(), range.length);
  stream.bytes = bytes.value_or(ByteView());
  stream.program.where.offset = range.offset;
  return stream;
}

/// Runs the pickle at the position. False when it could not be run to its end, which leaves a
/// fault.
bool TarArchive::run(Stream& stream, ObjectId& root) {
  PickleProgram one;
  const Result<ByteView> rest = stream.bytes.slice(stream.position, stream.left());
  const Result<void> ran = run_pickle(*rest, limits_, tree_, one);
  stream.position += std::min(one.where.length, stream.left());
  root = one.root;
  PickleProgram& all = stream.program;
  all.where.length = stream.position;
  all.protocol = std::max(all.protocol, one.protocol);
  all.opcodes += one.opcodes;
  all.highest_put = std::max(all.highest_put, one.highest_put);
  all.root = one.root;
  std::move(one.imports.begin(), one.imports.end(), std::back_inserter(all.imports));
  std::move(one.calls.begin(), one.calls.end(), std::back_inserter(all.calls));
  if (!ran) artifact_.add_fault(stream.name, ran.error());
  if (const Result<void> known = check_protocol(one); !known) {
    artifact_.add_fault(stream.name, known.error());
  }
  return ran.has_value();
}

void TarArchive::close(Stream& stream) { artifact_.pickles.push_back(std::move(stream.program)); }

/// The number that a member begins with.
std::optional<std::uint64_t> TarArchive::count_of(Stream& stream, std::string_view what) {
  ObjectId root = kNoObject;
  if (!run(stream, root)) return std::nullopt;
  const std::optional<std::int64_t> count = tree_.integer(root);
  if (!count) {
    artifact_.add_fault(stream.name,
                        {ErrorCode::kStorageBadReference, stream.bytes.offset(),
                         "the number of " + std::string(what) + " is " + tree_.render(root)});
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(std::max<std::int64_t>(*count, 0));
}

/// Each pickle is bounded by itself; thousands of them together are not.
bool TarArchive::within_limits(const Stream& stream) {
  const std::size_t things = artifact_.storages.size() + artifact_.tensors.size();
  if (things < limits_.tensors && tree_.size() < limits_.pickle_objects) return true;
  artifact_.add_fault(stream.name, {ErrorCode::kLimitExceeded, stream.offset(),
                                    "more entries than the limits tensors and pickle-objects "
                                    "allow"});
  return false;
}

// ---- storages -------------------------------------------------------------------------------

/// One storage; false when the stream cannot be followed beyond it.
bool TarArchive::read_storage(Stream& stream, FaultList& faults) {
  const std::uint64_t at = stream.offset();
  ObjectId root = kNoObject;
  if (!run(stream, root)) return false;
  const std::span<const ObjectId> fields = arguments_of(tree_, root);
  const bool three = fields.size() == 3;
  const std::optional<std::int64_t> key = three ? tree_.integer(fields[0]) : std::nullopt;
  const std::optional<std::string_view> location = three ? tree_.text(fields[1]) : std::nullopt;
  const Object::Global* type = three ? tree_.as<Object::Global>(fields[2]) : nullptr;
  const bool is_storage = type && type->name.ends_with("Storage");
  const DType dtype =
      is_storage ? dtype_from_storage_class(type->name).value_or(DType::kUnknown) : DType::kUnknown;
  if (!key || !location || dtype == DType::kUnknown) {
    faults.add(
        ErrorCode::kStorageBadReference, at,
        "a storage is described as " + tree_.render(root) + ", which is not (key, location, type)");
    return false;
  }
  Cursor cursor(stream.bytes, stream.position);
  const Result<std::uint64_t> count = cursor.read<std::uint64_t>();
  if (!count) {
    faults.add(ErrorCode::kTruncated, cursor.offset(),
               "it ends before the size of storage " + std::to_string(*key));
    return false;
  }
  const auto size = checked_mul(*count, item_size(dtype));
  const Result<ByteView> bytes = size ? cursor.take(*size) : ByteView();
  Storage storage;
  storage.key = std::to_string(*key);
  storage.dtype = dtype;
  storage.location = *location;
  storage.member = stream.member;
  storage.declared_bytes = size.value_or(0);
  storage.present = size && bytes;
  if (bytes) storage.bytes = *bytes;
  things_[*key] = {false, static_cast<StorageId>(artifact_.storages.size())};
  artifact_.storages.push_back(std::move(storage));
  if (!size) {
    faults.add(ErrorCode::kOverflow, cursor.offset(),
               "storage " + std::to_string(*key) + " is said to have " + std::to_string(*count) +
                   " elements");
    return false;
  }
  if (!bytes) {
    faults.add(ErrorCode::kTruncated, stream.bytes.offset() + stream.bytes.size(),
               "it ends inside storage " + std::to_string(*key) + ": " +
                   std::to_string(*size - cursor.remaining()) + " bytes are missing");
    return false;
  }
  stream.position = cursor.position();
  return true;
}

/// Storages that are parts of others. A part of a part is one, too.
void TarArchive::read_views(Stream& stream, FaultList& faults) {
  const std::uint64_t at = stream.offset();
  ObjectId root = kNoObject;
  if (!run(stream, root)) return;
  const std::vector<ObjectId>* views = tree_.sequence(root);
  if (!views) {
    faults.add(ErrorCode::kStorageBadReference, at, "the list of views is " + tree_.render(root));
    return;
  }
  for (const ObjectId view : *views) {
    if (!within_limits(stream)) return;
    const std::span<const ObjectId> fields = arguments_of(tree_, view);
    std::array<std::optional<std::int64_t>, 4> numbers;
    for (std::size_t i = 0; i < numbers.size() && fields.size() == numbers.size(); ++i) {
      numbers[i] = tree_.integer(fields[i]);
    }
    const auto [key, whole, offset, count] = numbers;
    const auto known = whole ? things_.find(*whole) : things_.end();
    if (!key || !offset || !count || *offset < 0 || *count < 0 || known == things_.end() ||
        known->second.is_tensor) {
      faults.add(ErrorCode::kStorageBadReference, tree_.at(view).where.offset,
                 "a part of a storage is described as " + tree_.render(view));
      continue;
    }
    const Storage& all = artifact_.storages[known->second.id];
    const auto begin = checked_mul(static_cast<std::uint64_t>(*offset), item_size(all.dtype));
    const auto size = checked_mul(static_cast<std::uint64_t>(*count), item_size(all.dtype));
    Storage part;
    part.key = std::to_string(*key);
    part.dtype = all.dtype;
    part.location = all.location;
    part.member = all.member;
    part.declared_bytes = size.value_or(0);
    if (begin && size) {
      if (const Result<ByteView> bytes = all.bytes.slice(*begin, *size)) {
        part.present = true;
        part.bytes = *bytes;
      }
    }
    if (!part.present && all.present) {
      faults.add(ErrorCode::kStorageBadReference, tree_.at(view).where.offset,
                 "a part of storage " + all.key + " reaches past its end");
    }
    things_[*key] = {false, static_cast<StorageId>(artifact_.storages.size())};
    artifact_.storages.push_back(std::move(part));
  }
}

void TarArchive::read_storages() {
  std::optional<Stream> stream = open(kStorages);
  if (!stream) return;
  FaultList faults(artifact_, stream->name);
  const std::optional<std::uint64_t> count = count_of(*stream, "storages");
  complete_ = count.has_value();
  for (std::uint64_t i = 0; complete_ && i < *count; ++i) {
    complete_ = within_limits(*stream) && read_storage(*stream, faults);
  }
  if (complete_) {
    read_views(*stream, faults);
    stream->program.trailing_bytes = stream->left();
  }
  close(*stream);
}

// ---- tensors --------------------------------------------------------------------------------

bool TarArchive::read_tensor(Stream& stream, FaultList& faults) {
  const std::uint64_t at = stream.offset();
  ObjectId root = kNoObject;
  if (!run(stream, root)) return false;
  const std::span<const ObjectId> fields = arguments_of(tree_, root);
  const bool three = fields.size() == 3;
  const std::optional<std::int64_t> key = three ? tree_.integer(fields[0]) : std::nullopt;
  const std::optional<std::int64_t> storage = three ? tree_.integer(fields[1]) : std::nullopt;
  Cursor cursor(stream.bytes, stream.position);
  const Result<std::int32_t> dimensions = cursor.read<std::int32_t>();
  const Result<std::int32_t> unused = cursor.read<std::int32_t>();
  if (!key || !storage || !dimensions || !unused || *dimensions < 0 ||
      static_cast<std::uint64_t>(*dimensions) > limits_.tensor_dimensions) {
    faults.add(unused ? ErrorCode::kTensorBadArguments : ErrorCode::kTruncated, at,
               "a tensor is described as " + tree_.render(root) +
                   (dimensions ? ", with " + std::to_string(*dimensions) + " dimensions"
                               : std::string(", and nothing follows")));
    return false;
  }
  Tensor tensor;
  bool whole = true;
  const auto read_numbers = [&](std::vector<std::int64_t>& numbers) {
    for (std::int32_t i = 0; i < *dimensions && whole; ++i) {
      const Result<std::int64_t> number = cursor.read<std::int64_t>();
      whole = number.has_value();
      numbers.push_back(number.value_or(0));
    }
  };
  read_numbers(tensor.shape);
  read_numbers(tensor.strides);
  const Result<std::int64_t> offset = cursor.read<std::int64_t>();
  if (!whole || !offset) {
    faults.add(ErrorCode::kTruncated, cursor.offset(),
               "it ends inside the sizes of tensor " + std::to_string(*key));
    return false;
  }
  stream.position = cursor.position();
  tensor.storage_offset = *offset;
  tensor.member = stream.member;
  tensor.where = {at, stream.offset() - at};
  if (const auto known = things_.find(*storage);
      known != things_.end() && !known->second.is_tensor) {
    tensor.storage = known->second.id;
    tensor.dtype = artifact_.storages[known->second.id].dtype;
    tensor.device = artifact_.storages[known->second.id].location;
  } else if (complete_) {
    faults.add(
        ErrorCode::kTensorBadArguments, at,
        "the storage of a tensor is " + tree_.render(fields[1]) + ", which is none of the archive");
  }
  // torch goes by the storage; where that was not read, the class tells the type as well.
  const Object::Global* type = tree_.as<Object::Global>(fields[2]);
  if (!tensor.storage && type) {
    tensor.dtype = dtype_from_storage_class(type->name).value_or(DType::kUnknown);
  }
  things_[*key] = {true, static_cast<TensorId>(artifact_.tensors.size())};
  artifact_.tensors.push_back(std::move(tensor));
  return true;
}

void TarArchive::read_tensors() {
  std::optional<Stream> stream = open(kTensors);
  if (!stream) return;
  FaultList faults(artifact_, stream->name);
  const std::optional<std::uint64_t> count = count_of(*stream, "tensors");
  bool followed = count.has_value();
  for (std::uint64_t i = 0; followed && i < *count; ++i) {
    followed = within_limits(*stream) && read_tensor(*stream, faults);
  }
  if (followed) stream->program.trailing_bytes = stream->left();
  complete_ = complete_ && followed;
  close(*stream);
}

// ---- the object -----------------------------------------------------------------------------

/// The number that Python's int() makes of a key.
std::optional<std::int64_t> key_of(const ObjectTree& tree, ObjectId id) {
  if (const auto number = tree.integer(id)) return number;
  const std::optional<std::string_view> text = tree.text(id);
  if (!text) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const bool whole = error == std::errc() && end == text->data() + text->size();
  return whole ? std::optional(number) : std::nullopt;
}

/// Persistent ids become tensors and storages. Those that name the class of a module are brought
/// into the form of the format that came next, ('module', class, source file, source text), which
/// is what is understood everywhere else.
void TarArchive::resolve_ids(ObjectId first, const Stream& stream) {
  FaultList faults(artifact_, stream.name);
  const auto end = static_cast<ObjectId>(tree_.size());
  for (ObjectId id = first; id < end; ++id) {
    const Object::Persistent* persistent = tree_.as<Object::Persistent>(id);
    if (!persistent) continue;
    const ObjectId content = persistent->id;
    const ByteRange where = tree_.at(id).where;
    if (const Object::Tuple* tuple = tree_.as<Object::Tuple>(content);
        tuple && !tuple->items.empty()) {
      std::vector<ObjectId> items = tuple->items;  // which moves when an object is added
      items.insert(items.begin(), tree_.add({std::string("module"), where}));
      const ObjectId named = tree_.add({Object::Tuple{std::move(items)}, where});
      tree_.at(id).value = Object::Persistent{named};
      continue;
    }
    const std::optional<std::int64_t> key = key_of(tree_, content);
    const auto known = key ? things_.find(*key) : things_.end();
    if (known == things_.end()) {
      if (key && !complete_) continue;
      faults.add(
          ErrorCode::kStorageBadReference, where.offset,
          "a tensor is named as " + tree_.render(content) + ", which is none of the archive");
    } else if (known->second.is_tensor) {
      tree_.at(id).value = Object::TensorRef{known->second.id};
    } else {
      tree_.at(id).value = Object::StorageRef{known->second.id};
    }
  }
}

void TarArchive::read_object() {
  std::optional<Stream> stream = open(kObject);
  if (!stream) return;
  const auto first = static_cast<ObjectId>(tree_.size());
  ObjectId root = kNoObject;
  const bool whole = run(*stream, root);
  if (whole) stream->program.trailing_bytes = stream->left();
  resolve_ids(first, *stream);
  resolve_torch_objects(
      artifact_, first, stream->member,
      // Not called: no id is a tuple that begins with 'storage' any more.
      [](const StorageRequest&) { return StorageId{}; }, limits_);
  close(*stream);
  std::rotate(artifact_.pickles.begin(), artifact_.pickles.end() - 1, artifact_.pickles.end());
  if (whole) describe_torch_pickle(artifact_, root, limits_);
}

void TarArchive::read() {
  list_members();
  read_storages();
  read_tensors();
  read_object();
}

}  // namespace

void read_torch_tar(const std::shared_ptr<Source>& source, const ReadOptions& options,
                    Artifact& artifact) {
  TarArchive(source->bytes(), options.limits, artifact).read();
}

}  // namespace torchvet
