// The DOM of nlohmann's library does not know lines, so its parser is asked for events and the tree
// is built here. The parser takes its bytes from an iterator that counts lines. It looks at most
// one byte ahead of a value, and a text or a bracket ends where it ends; a number is given the line
// of its key.
#include "cli/config_json.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace torchvet {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostBytes = 64u << 20;
constexpr std::size_t kMostValues = 2'000'000;
constexpr std::size_t kMostLevels = 16;
constexpr std::size_t kMostKeys = 10'000;  ///< of one object: each is compared with those before

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, int* line) : at_(at), line_(line) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    if (*at_ == '\n') ++*line_;
    ++at_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  int* line_;
};

/// Takes the parser's events; returning false ends it.
class TreeBuilder {
 public:
  explicit TreeBuilder(const int& line) : line_(line) {}

  bool null() { return add({}); }
  bool boolean(bool) { return add(of(ConfigNode::Kind::kBool)); }
  bool number_integer(Json::number_integer_t) { return add(of(ConfigNode::Kind::kNumber)); }
  bool number_unsigned(Json::number_unsigned_t value) {
    ConfigNode node = of(ConfigNode::Kind::kNumber);
    node.whole = value;
    return add(std::move(node));
  }
  bool number_float(Json::number_float_t value, const Json::string_t&) {
    constexpr double kExact = 9007199254740992.0;  // 2 to the power of 53
    ConfigNode node = of(ConfigNode::Kind::kNumber);
    if (value >= 0 && value <= kExact && std::floor(value) == value) {
      node.whole = static_cast<std::uint64_t>(value);
    }
    return add(std::move(node));
  }
  bool string(Json::string_t& value) {
    ConfigNode node = of(ConfigNode::Kind::kText);
    node.line = line_;
    node.text = std::move(value);
    return add(std::move(node));
  }
  bool binary(Json::binary_t&) { return false; }
  bool start_object(std::size_t) { return open(ConfigNode::Kind::kObject); }
  bool start_array(std::size_t) { return open(ConfigNode::Kind::kList); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(Json::string_t& value) {
    if (open_.back().items.size() == kMostKeys) {
      return stop(fmt::format("more than {} keys in one object", kMostKeys));
    }
    if (open_.back().find(value) != nullptr)
      return stop(fmt::format("key `{}` stands twice", value));
    key_ = std::move(value);
    key_line_ = line_;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
    const std::string_view text = error.what();
    // "[json.exception.parse_error.101] parse error at line 3, column 5: the reason"
    const std::size_t colon =
        text.find("column") == text.npos ? text.npos : text.find(": ", text.find("column"));
    return stop(std::string(colon == text.npos ? text : text.substr(colon + 2)));
  }

  ConfigNode root;
  std::string wrong;
  int wrong_line = 1;

 private:
  [[nodiscard]] ConfigNode of(ConfigNode::Kind kind) const {
    ConfigNode node;
    node.kind = kind;
    node.line = key_line_;
    return node;
  }

  bool stop(std::string reason) {
    wrong = std::move(reason);
    wrong_line = line_;
    return false;
  }

  bool add(ConfigNode node) {
    if (++values_ > kMostValues) return stop(fmt::format("more than {} values", kMostValues));
    node.key = std::exchange(key_, "");
    (open_.empty() ? root : open_.back().items.emplace_back()) = std::move(node);
    return true;
  }

  bool open(ConfigNode::Kind kind) {
    if (open_.size() == kMostLevels) return stop(fmt::format("more than {} levels", kMostLevels));
    ConfigNode node = of(kind);
    node.line = line_;
    node.key = std::exchange(key_, "");
    open_.push_back(std::move(node));
    return true;
  }

  bool close() {
    ConfigNode node = std::move(open_.back());
    open_.pop_back();
    key_ = std::move(node.key);
    return add(std::move(node));
  }

  const int& line_;
  std::vector<ConfigNode> open_;
  std::string key_;
  int key_line_ = 1;
  std::size_t values_ = 0;
};

}  // namespace

const ConfigNode* ConfigNode::find(std::string_view wanted) const {
  for (const ConfigNode& item : items) {
    if (kind == Kind::kObject && item.key == wanted) return &item;
  }
  return nullptr;
}

Result<ConfigNode> parse_config_json(std::string_view file, std::string_view text) {
  if (text.size() > kMostBytes) {
    return fail(ErrorCode::kConfigInvalid, 0, fmt::format("{}: more than 64 MiB", file));
  }
  int line = 1;
  TreeBuilder builder(line);
  const bool done = Json::sax_parse(CountingIterator(text.data(), &line),
                                    CountingIterator(text.data() + text.size(), &line), &builder,
                                    Json::input_format_t::json, /*strict=*/true,
                                    /*ignore_comments=*/true);
  if (done) return std::move(builder.root);
  return fail(ErrorCode::kConfigInvalid, 0,
              fmt::format("{}:{}: {}", file, builder.wrong_line, builder.wrong));
}

}  // namespace torchvet
