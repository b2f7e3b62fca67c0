#include "cli/expect_file.h"

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/suggest.h"
#include "io/source.h"
#include "json/document.h"

namespace torchvet {
namespace {

using Object = simdjson::dom::object;
using Array = simdjson::dom::array;

class Reader {
 public:
  Reader(std::string file, const Limits& limits) : file_(std::move(file)), limits_(limits) {}

  Result<Expectation> read(const JsonDocument& document) {
    expectation_.source = file_;
    const std::optional<Object> root = json_object(document.root());
    if (!root) return wrong("", "it must be an object");
    if (const std::optional<std::string> twice = document.duplicate_key()) {
      return wrong("", fmt::format("key `{}` stands twice", *twice));
    }
    const std::optional<Array> printed = json_array(json_field(document.root(), "tensors"));
    const Result<void> done = printed ? read_print(document.root(), *printed) : read_short(*root);
    if (!done) return tl::unexpected<Error>(done.error());
    find_plain_names(expectation_);
    return std::move(expectation_);
  }

 private:
  [[nodiscard]] tl::unexpected<Error> wrong(std::string_view place, std::string_view reason) const {
    return fail(ErrorCode::kConfigInvalid, 0,
                fmt::format("{}: {}{}{}", file_, place, place.empty() ? "" : ": ", reason));
  }

  Result<void> read_print(Json root, const Array& tensors);
  Result<void> read_short(const Object& root);
  Result<void> read_tensors(Json value);
  Result<void> read_tensor(const std::string& name, Json value);
  Result<void> read_count(Json value);
  Result<ShapePattern> read_shape(const std::string& place, Json value) const;
  Result<DType> read_dtype(const std::string& place, Json value) const;
  Result<void> add(ExpectedTensor tensor);

  [[nodiscard]] tl::unexpected<Error> unknown_key(const std::string& place, std::string_view key,
                                                  std::initializer_list<std::string> known) const {
    return wrong(place, fmt::format("unknown key `{}`{}", key,
                                    did_you_mean(key, std::vector<std::string>(known))));
  }

  std::string file_;
  const Limits& limits_;
  Expectation expectation_;
};

/// A whole number that is not negative; `5.0` is one.
std::optional<std::uint64_t> whole_number(Json value) {
  if (const std::optional<std::int64_t> integer = json_integer(value)) {
    return *integer < 0 ? std::nullopt : std::optional<std::uint64_t>(*integer);
  }
  constexpr double kExact = 9007199254740992.0;  // 2 to the power of 53
  const std::optional<double> number = value.is_double() ? json_number(value) : std::nullopt;
  if (!number || *number < 0 || *number > kExact || std::floor(*number) != *number) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(*number);
}

std::string place_of(std::string_view name) { return fmt::format("tensors: `{}`", name); }

Result<void> Reader::add(ExpectedTensor tensor) {
  if (tensor.name.empty()) return wrong("tensors", "a name must not be empty");
  if (expectation_.tensors.size() == limits_.tensors) {
    return wrong("tensors", fmt::format("more than {} (--limit tensors)", limits_.tensors));
  }
  expectation_.tensors.push_back(std::move(tensor));
  return {};
}

Result<ShapePattern> Reader::read_shape(const std::string& place, Json value) const {
  const std::optional<Array> sizes = json_array(value);
  if (!sizes) return wrong(place, "a shape must be a list of sizes");
  if (sizes->size() > limits_.tensor_dimensions) {
    return wrong(place, fmt::format("more than {} dimensions", limits_.tensor_dimensions));
  }
  ShapePattern shape;
  for (const Json size : *sizes) {
    const std::optional<std::uint64_t> number = whole_number(size);
    if (number && *number <= INT64_MAX) {
      shape.emplace_back(static_cast<std::int64_t>(*number));
    } else if (size.is_null() || json_text(size) == "*") {
      shape.emplace_back(std::nullopt);
    } else {
      return wrong(place,
                   "a size must be a whole number that is not negative, or null or \"*\" "
                   "for any");
    }
  }
  return shape;
}

Result<DType> Reader::read_dtype(const std::string& place, Json value) const {
  const std::optional<std::string_view> name = json_text(value);
  if (!name) return wrong(place, "`dtype` must be a text");
  const std::optional<DType> dtype = dtype_from_name(*name);
  if (!dtype) {
    return wrong(place, fmt::format("no type `{}` in torch; one is written as `float32`", *name));
  }
  return *dtype;
}

Result<void> Reader::read_count(Json value) {
  expectation_.parameters = whole_number(value);
  if (expectation_.parameters) return {};
  return wrong("parameters", "it must be a whole number that is not negative");
}

Result<void> Reader::read_tensor(const std::string& name, Json value) {
  const std::string place = place_of(name);
  ExpectedTensor tensor;
  tensor.name = name;
  std::optional<Json> shape = value, dtype;
  if (const std::optional<Object> object = json_object(value)) {
    shape.reset();
    for (const auto field : *object) {
      if (field.key == "shape") {
        shape = field.value;
      } else if (field.key == "dtype") {
        dtype = field.value;
      } else {
        return unknown_key(place, field.key, {"shape", "dtype"});
      }
    }
  }
  if (shape) {
    Result<ShapePattern> read = read_shape(place, *shape);
    if (!read) return tl::unexpected<Error>(read.error());
    tensor.shape = std::move(*read);
  }
  if (dtype) {
    const Result<DType> read = read_dtype(place, *dtype);
    if (!read) return tl::unexpected<Error>(read.error());
    tensor.dtype = *read;
  }
  return add(std::move(tensor));
}

Result<void> Reader::read_tensors(Json value) {
  const std::optional<Object> tensors = json_object(value);
  if (!tensors) return wrong("tensors", "it must be an object from names to shapes");
  if (tensors->size() == 0) return wrong("tensors", "it must not be empty");
  for (const auto field : *tensors) {
    if (Result<void> done = read_tensor(std::string(field.key), field.value); !done) return done;
  }
  return {};
}

Result<void> Reader::read_short(const Object& root) {
  for (const auto field : root) {
    Result<void> done;
    if (field.key == "tensors") {
      done = read_tensors(field.value);
    } else if (field.key == "parameters") {
      done = read_count(field.value);
    } else if (field.key == "version") {
      if (whole_number(field.value) != 1) return wrong("version", "this torchvet reads version 1");
    } else if (field.key == "$schema") {
      if (!json_text(field.value)) return wrong("$schema", "it must be a text");
    } else {
      return unknown_key("", field.key, {"tensors", "parameters", "version", "$schema"});
    }
    if (!done) return done;
  }
  if (expectation_.tensors.empty() && !expectation_.parameters) {
    return wrong("", "it expects nothing: neither `tensors` nor `parameters` is there");
  }
  return {};
}

/// The tensors of the model, by the names under which its state_dict has them.
Result<void> Reader::read_print(Json root, const Array& tensors) {
  const std::optional<Array> gaps = json_array(json_field(root, "gaps"));
  if (!gaps) return wrong("", "`tensors` is a list, but this is no print of `torchvet inspect`");
  if (gaps->size() > 0) {
    return wrong("gaps", "it is the print of a file that could not be read as a whole");
  }
  std::unordered_set<std::string_view> known;
  std::size_t at = 0;
  for (const Json one : tensors) {
    const std::string place = fmt::format("tensors[{}]", at++);
    const std::optional<Array> names = json_array(json_field(one, "names"));
    const std::optional<std::string_view> role = json_text(json_field(one, "role"));
    const std::optional<Json> shape = json_field(one, "shape"), dtype = json_field(one, "dtype");
    if (!names || !role || !shape || !dtype) {
      return wrong(place, "it must be an object with `names`, `role`, `shape` and `dtype`");
    }
    if (names->size() == 0) continue;  // no tensor of the model
    Result<ShapePattern> pattern = read_shape(place, *shape);
    if (!pattern) return tl::unexpected<Error>(pattern.error());
    const Result<DType> type = read_dtype(place, *dtype);
    if (!type) return tl::unexpected<Error>(type.error());
    for (const Json name : *names) {
      const std::optional<std::string_view> text = json_text(name);
      if (!text) return wrong(place, "`names` must be texts");
      if (!known.insert(*text).second) return wrong(place, fmt::format("`{}` stands twice", *text));
      ExpectedTensor tensor;
      tensor.name = *text;
      tensor.shape = *pattern;
      tensor.dtype = *type;
      tensor.is_buffer = *role != "parameter";
      if (Result<void> done = add(std::move(tensor)); !done) return done;
    }
  }
  if (expectation_.tensors.empty()) return wrong("tensors", "none of them belongs to a model");
  const std::optional<Json> count = json_field(root, "parameters");
  return count ? read_count(*count) : Result<void>();
}

}  // namespace

Result<Expectation> read_expectation(const std::string& path, const Limits& limits) {
  const auto wrong = [&](const std::string& reason) {
    return fail(ErrorCode::kConfigInvalid, 0, fmt::format("{}: {}", path, reason));
  };
  const Result<std::shared_ptr<Source>> source = Source::open(path);
  if (!source) return wrong(source.error().detail);
  const Result<JsonDocument> document = JsonDocument::parse((*source)->bytes(), limits);
  if (!document) return wrong(document.error().detail);
  return Reader(path, limits).read(*document);
}

}  // namespace torchvet
