// safetensors: eight bytes with the length N of a header, N bytes of JSON, the data. The header
// maps each name to an element type, a shape, and the begin and end of its bytes, counted from the
// end of the header:
//
//   {"__metadata__": {"format": "pt"}, "fc.weight": {"dtype": "F32", "shape": [2, 2],
//    "data_offsets": [0, 16]}}
//
// The tensors must fill the data without a hole or an overlap; nothing is executed, shared or
// strided. The checks and their order are those of the safetensors library, 0.8.0.
#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "core/checked.h"
#include "formats/fault_list.h"
#include "formats/reader.h"
#include "json/document.h"

namespace torchvet {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;  // of the library

struct ElementType {
  std::string_view name;
  DType dtype;
  std::uint64_t bits;
};

// F6_* have no counterpart in torch.
constexpr std::array<ElementType, 22> kElementTypes = {{
    {"BOOL", DType::kBool, 8},
    {"F4", DType::kFloat4E2m1fnX2, 4},
    {"F6_E2M3", DType::kUnknown, 6},
    {"F6_E3M2", DType::kUnknown, 6},
    {"U8", DType::kUint8, 8},
    {"I8", DType::kInt8, 8},
    {"F8_E5M2", DType::kFloat8E5m2, 8},
    {"F8_E4M3", DType::kFloat8E4m3fn, 8},
    {"F8_E8M0", DType::kFloat8E8m0fnu, 8},
    {"F8_E4M3FNUZ", DType::kFloat8E4m3fnuz, 8},
    {"F8_E5M2FNUZ", DType::kFloat8E5m2fnuz, 8},
    {"I16", DType::kInt16, 16},
    {"U16", DType::kUint16, 16},
    {"F16", DType::kFloat16, 16},
    {"BF16", DType::kBFloat16, 16},
    {"I32", DType::kInt32, 32},
    {"U32", DType::kUint32, 32},
    {"F32", DType::kFloat32, 32},
    {"C64", DType::kComplex64, 64},
    {"F64", DType::kFloat64, 64},
    {"I64", DType::kInt64, 64},
    {"U64", DType::kUint64, 64},
}};

const ElementType* element_type(std::string_view name) {
  const auto at = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                               [&](const ElementType& type) { return type.name == name; });
  return at == kElementTypes.end() ? nullptr : &*at;
}

std::optional<std::uint64_t> json_unsigned(std::optional<Json> value) {
  std::uint64_t number = 0;
  if (!value || value->get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

/// One entry of the header, read and sound in itself.
struct Entry {
  std::string name;
  const ElementType* type = nullptr;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  ///< of its bytes, from the end of the header
  std::uint64_t end = 0;
};

/// Bytes that a shape takes; nothing when they fit into no 64 bits or end within a byte.
std::optional<std::uint64_t> bytes_of(const Entry& entry) {
  std::optional<std::uint64_t> bits = entry.type->bits;
  for (const std::int64_t size : entry.shape) {
    bits = checked_mul(*bits, static_cast<std::uint64_t>(size));
    if (!bits) return std::nullopt;
  }
  if (*bits % 8 != 0) return std::nullopt;
  return *bits / 8;
}

class SafetensorsReader {
 public:
  SafetensorsReader(ByteView file, const Limits& limits, Artifact& artifact,
                    std::optional<MemberId> member)
      : file_(file),
        limits_(limits),
        artifact_(artifact),
        member_(member),
        faults_(artifact, member ? artifact.members[*member].name : std::string()) {}

  SafetensorsPart read();

 private:
  std::optional<ByteView> header();
  void read_metadata(Json value);
  std::optional<Entry> read_entry(std::string_view name, Json value);
  void check_cover(std::vector<Entry>& entries, const ByteView& data);
  TensorId add(Entry entry, const ByteView& data);
  void refuse(std::string why) {
    faults_.add(ErrorCode::kSafetensorsBadHeader, file_.offset() + kLengthBytes, std::move(why));
  }

  ByteView file_;
  const Limits& limits_;
  Artifact& artifact_;
  std::optional<MemberId> member_;
  FaultList faults_;
};

std::optional<ByteView> SafetensorsReader::header() {
  Cursor cursor(file_);
  const Result<std::uint64_t> length = cursor.read<std::uint64_t>();
  if (!length) {
    faults_.add(ErrorCode::kTruncated, file_.offset() + file_.size(),
                "the file ends before the length of its header");
    return std::nullopt;
  }
  if (*length > kMaxHeader) {
    refuse("the header is said to have " + std::to_string(*length) +
           " bytes; readers accept at most " + std::to_string(kMaxHeader));
    return std::nullopt;
  }
  const Result<ByteView> bytes = cursor.take(*length);
  if (!bytes) {
    faults_.add(ErrorCode::kTruncated, file_.offset() + file_.size(),
                "the file ends inside its header: " + std::to_string(*length - cursor.remaining()) +
                    " bytes are missing");
    return std::nullopt;
  }
  return *bytes;
}

void SafetensorsReader::read_metadata(Json value) {
  if (value.is_null()) return;
  const auto fields = json_object(value);
  if (!fields) return refuse("`__metadata__` is no object");
  for (const auto field : *fields) {
    const auto text = json_text(field.value);
    if (!text) {
      refuse("`" + std::string(field.key) + "` of `__metadata__` is no text");
      continue;
    }
    artifact_.metadata.emplace_back(field.key, *text);
  }
}

std::optional<Entry> SafetensorsReader::read_entry(std::string_view name, Json value) {
  const auto wrong = [&](const std::string& why) {
    refuse("`" + std::string(name) + "` " + why);
    return std::nullopt;
  };
  Entry entry;
  entry.name = name;
  const auto type = json_text(json_field(value, "dtype"));
  if (!type) return wrong("has no dtype");
  entry.type = element_type(*type);
  if (entry.type == nullptr) return wrong("has the unknown dtype \"" + std::string(*type) + "\"");
  const auto shape = json_array(json_field(value, "shape"));
  if (!shape) return wrong("has no shape");
  if (shape->size() > limits_.tensor_dimensions) {
    return wrong("has " + std::to_string(shape->size()) + " dimensions");
  }
  for (const Json size : *shape) {
    const auto number = json_integer(size);
    if (!number || *number < 0) return wrong("has a size that is no number from 0");
    entry.shape.push_back(*number);
  }
  const auto offsets = json_array(json_field(value, "data_offsets"));
  if (!offsets || offsets->size() != 2) return wrong("has no pair of data_offsets");
  const auto begin = json_unsigned(offsets->at(0).value());
  const auto end = json_unsigned(offsets->at(1).value());
  if (!begin || !end || *end < *begin) return wrong("has data_offsets that are no range of bytes");
  entry.begin = *begin;
  entry.end = *end;
  const auto bytes = bytes_of(entry);
  if (!bytes) return wrong("has a shape whose size in bytes is no number");
  if (*bytes != *end - *begin) {
    return wrong("takes " + std::to_string(*bytes) + " bytes by its dtype and shape, " +
                 std::to_string(*end - *begin) + " by its data_offsets");
  }
  return entry;
}

/// In the order of their offsets each tensor must begin where the one before ends.
void SafetensorsReader::check_cover(std::vector<Entry>& entries, const ByteView& data) {
  std::vector<const Entry*> ordered;
  for (const Entry& entry : entries) ordered.push_back(&entry);
  std::sort(ordered.begin(), ordered.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t at = 0;
  for (const Entry* entry : ordered) {
    if (entry->begin != at) {
      refuse("`" + entry->name + "` begins at byte " + std::to_string(entry->begin) +
             " of the data; the tensor before it ends at " + std::to_string(at));
    }
    at = std::max(at, entry->end);
  }
  if (at > data.size()) {
    faults_.add(ErrorCode::kTruncated, file_.offset() + file_.size(),
                "the file ends inside its data: " + std::to_string(at - data.size()) + " of " +
                    std::to_string(at) + " bytes are missing");
  } else if (at < data.size()) {
    refuse(std::to_string(data.size() - at) + " bytes after the last tensor belong to none");
  }
}

TensorId SafetensorsReader::add(Entry entry, const ByteView& data) {
  Storage storage;
  storage.key = entry.name;
  storage.dtype = entry.type->dtype;
  storage.declared_bytes = entry.end - entry.begin;
  storage.location = "cpu";
  storage.member = member_;
  if (const Result<ByteView> bytes = data.slice(entry.begin, entry.end - entry.begin)) {
    storage.bytes = *bytes;
    storage.present = true;
  }
  Tensor tensor;
  tensor.object_path = std::move(entry.name);
  tensor.dtype = entry.type->dtype;
  tensor.shape = std::move(entry.shape);
  if (entry.type->bits == 4 && !tensor.shape.empty()) {
    // torch counts the byte that holds two values of four bits as one element.
    if (tensor.shape.back() % 2 != 0) tensor.dtype = DType::kUnknown;
    tensor.shape.back() /= 2;
  }
  tensor.strides = row_major_strides(tensor.shape);
  tensor.device = "cpu";
  tensor.member = member_;
  tensor.storage = static_cast<StorageId>(artifact_.storages.size());
  artifact_.storages.push_back(std::move(storage));
  artifact_.tensors.push_back(std::move(tensor));
  return static_cast<TensorId>(artifact_.tensors.size() - 1);
}

SafetensorsPart SafetensorsReader::read() {
  SafetensorsPart part;
  const std::optional<ByteView> text = header();
  if (!text) return part;
  const Result<JsonDocument> document = JsonDocument::parse(*text, limits_);
  if (!document) {
    refuse("the header cannot be read: " + document.error().detail);
    return part;
  }
  const auto fields = json_object(document->root());
  if (!fields) {
    refuse("the header is no object");
    return part;
  }
  const std::uint64_t data_at = kLengthBytes + text->size();
  const ByteView data = *file_.slice(data_at, file_.size() - data_at);
  std::vector<Entry> entries;
  std::unordered_set<std::string_view> names;
  bool sound = true;
  for (const auto field : *fields) {
    if (!names.insert(field.key).second) {
      sound = false;
      faults_.add(ErrorCode::kJsonDuplicateKey, text->offset(),
                  "the header has `" + std::string(field.key) +
                      "` twice; of the two, readers take the one or the other");
    }
    if (field.key == "__metadata__") {
      read_metadata(field.value);
    } else if (artifact_.tensors.size() + entries.size() >= limits_.tensors) {
      faults_.add(ErrorCode::kLimitExceeded, text->offset(),
                  "there are more tensors than the limit");
      break;
    } else if (auto entry = read_entry(field.key, field.value)) {
      entries.push_back(std::move(*entry));
    } else {
      sound = false;
    }
  }
  // What follows from an entry that could not be read would only repeat it.
  if (sound) check_cover(entries, data);
  for (Entry& entry : entries) {
    part.data_bytes = std::max(part.data_bytes, entry.end);
    part.tensors.push_back(add(std::move(entry), data));
  }
  return part;
}

}  // namespace

SafetensorsPart add_safetensors(ByteView file, const Limits& limits, Artifact& artifact,
                                std::optional<MemberId> member) {
  return SafetensorsReader(file, limits, artifact, member).read();
}

void read_safetensors(const std::shared_ptr<Source>& source, const ReadOptions& options,
                      Artifact& artifact) {
  (void)add_safetensors(source->bytes(), options.limits, artifact);
  describe_named_tensors(artifact);
}

}  // namespace torchvet
