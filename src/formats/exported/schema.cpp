// The dataclasses of torch/_export/serde/schema.py, and what `_dict_to_dataclass` of serialize.py
// beside it asks of a JSON text: every field without a default is there; a union is an object with
// one member, which it knows; lists are lists and dicts are objects. Fields that no class has are
// passed over, for the sake of newer programs.
#include "formats/exported/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/exported/checks.h"
#include "formats/exported/classes.h"
#include "formats/exported/graph.h"

namespace torchvet {
namespace {

using namespace exported;

constexpr std::int64_t kNewestLayout = 7;  // strided; those before it are sparse, and oneDNN's

bool is_required(const Field& field) { return field.need == kRequired || field.need == kNullable; }
bool may_be_null(const Field& field) {
  return field.need == kNullable || field.need == kNullableOrNone;
}

bool stands_for_a_number(std::string_view text) {
  return text == "Infinity" || text == "-Infinity" || text == "NaN";
}

bool holds_scalars(Json value) {
  const auto object = json_object(value);
  return !object || std::all_of(object->begin(), object->end(), [](const auto& field) {
    const auto list = json_array(field.value);
    return !field.value.is_object() && (!list || list->size() == 0);
  });
}

bool is_scalar(Class is, Json value) {
  const auto number = json_integer(value);
  switch (is) {
    case kText:
      return value.is_string();
    case kWhole:
      return number || json_unsigned(value);
    case kFlag:
      return value.is_bool();
    case kDType:
      return number && exported_dtype(*number) != "unknown";
    case kLayout:
      return number && *number >= 1 && *number <= kNewestLayout;
    case kNumber:
      return json_number(value) || (value.is_string() && stands_for_a_number(*json_text(value)));
    case kUnread:
      return holds_scalars(value);
    default:
      return true;
  }
}

struct Item {
  Json value;
  Class of;
  Shape shape;
  std::string_view near;  ///< the last key of a dict on the way to it: a tensor's name
};

class Walk {
 public:
  std::optional<Error> from(Json root, Class of) {
    open_.push_back({root, of, kOne, {}});
    while (!open_.empty() && !wrong_) {
      const Item item = open_.back();
      open_.pop_back();
      look_at(item);
    }
    return std::move(wrong_);
  }

 private:
  void fail_at(const Item& item, const std::string& what) {
    const std::string where = item.near.empty() ? "" : fmt::format(" at `{}`", item.near);
    wrong_ = Error{ErrorCode::kExportedBadProgram, 0,
                   fmt::format("{}{} {}", row_of(item.of).name, where, what)};
  }

  void look_at(const Item& item) {
    if (item.shape != kOne) return open(item);
    const Row& row = row_of(item.of);
    if (row.fields.empty()) {
      if (!is_scalar(item.of, item.value)) fail_at(item, fmt::format("has a value that is no {}", row.name));
      return;
    }
    const auto object = json_object(item.value);
    if (!object) return fail_at(item, "is no object");
    if (row.is_union) {
      if (object->size() != 1) return fail_at(item, "has not one member, as a union must");
      const auto only = *object->begin();
      const Field* field = find(row, only.key);
      if (field == nullptr) return fail_at(item, fmt::format("has no member `{}`", only.key));
      return enter(item, *field, only.value);
    }
    std::size_t required = 0;
    for (const auto [key, value] : *object) {
      const Field* field = find(row, key);
      if (field == nullptr) continue;
      if (is_required(*field)) ++required;
      if (may_be_null(*field) && value.is_null()) continue;
      enter(item, *field, value);
    }
    const auto wanted = std::count_if(row.fields.begin(), row.fields.end(), is_required);
    if (required < static_cast<std::size_t>(wanted)) tell_missing(item, row, *object);
    check_values(item);
  }

  /// What torch asks of the values themselves.
  void check_values(const Item& item) {
    if (wrong_) return;
    if (item.of == kProgram) hints_.read_ranges(item.value);
    if (item.of == kProgram) judge(item, wrong_with_symbols(item.value));
    if (item.of == kGraphModule) judge(item, wrong_with_outermost_graph(item.value));
    if (item.of == kGraph) judge(item, wrong_with_names(item.value));
    if (item.of == kGraph) judge(item, hints_.wrong_with(item.value));
    if (item.of == kNode) judge(item, wrong_with_metadata(item.value));
    if (item.of == kTensorMeta) judge(item, wrong_with_meta(item.value));
    if (item.of == kDevice) judge(item, wrong_with_device(item.value));
  }

  void judge(const Item& item, std::optional<std::string> wrong) {
    if (wrong && !wrong_) fail_at(item, *wrong);
  }

  /// The elements of a list or dict, which it is.
  void open(const Item& item) {
    if (item.shape == kDict) {
      const simdjson::dom::object object = *json_object(item.value);
      for (const auto [key, value] : object) open_.push_back({value, item.of, kOne, key});
      return;
    }
    const simdjson::dom::array array = *json_array(item.value);
    for (const Json value : array) {
      if (item.shape == kLists && !value.is_array()) return fail_at(item, "is not in a list of lists");
      open_.push_back({value, item.of, item.shape == kLists ? kList : kOne, item.near});
    }
  }

  void enter(const Item& item, const Field& field, Json value) {
    if (field.shape == kOne && row_of(field.of).fields.empty()) {
      if (is_scalar(field.of, value)) return;
      return fail_at(item, fmt::format("has a `{}` that is no {}", field.name, row_of(field.of).name));
    }
    const bool fits = field.shape == kOne ||
                      (field.shape == kDict ? value.is_object() : value.is_array());
    if (!fits) {
      return fail_at(item, fmt::format("has a `{}` that is no {}", field.name,
                                       field.shape == kDict ? "object" : "list"));
    }
    open_.push_back({value, field.of, field.shape, item.near});
  }

  void tell_missing(const Item& item, const Row& row, simdjson::dom::object object) {
    for (const Field& field : row.fields) {
      if (!is_required(field)) continue;
      const bool here = std::any_of(object.begin(), object.end(),
                                    [&](const auto& one) { return one.key == field.name; });
      if (!here) return fail_at(item, fmt::format("has no `{}`", field.name));
    }
  }

  static const Field* find(const Row& row, std::string_view name) {
    const auto found = std::find_if(row.fields.begin(), row.fields.end(),
                                    [&](const Field& field) { return field.name == name; });
    return found == row.fields.end() ? nullptr : &*found;
  }

  std::vector<Item> open_;
  SizeHints hints_;
  std::optional<Error> wrong_;
};

}  // namespace

std::optional<Error> against_schema(Json root, SchemaRoot kind) {
  return Walk().from(root, kind == SchemaRoot::kProgram ? kProgram : kPayloads);
}

}  // namespace torchvet
