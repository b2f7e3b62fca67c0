// The source map of one file of TorchScript code, in the two forms torch has written:
//
//   ('FORMAT_WITH_STRING_TABLE', table, records), a record being
//       (offset, ((build_intlist([i, j]), filename index, first line), start, end), tag)
//   records alone, a record being
//       (offset, ((text, filename, first line), start, end), tag)
//
// With the table, a text is the concatenation of table[i], table[j], ...; without it, the text
// itself. Records come sorted by offset, and most share their text: each distinct one is kept once,
// found again by the object that names it or, failing that, by its content.
#include "formats/debug_pkl.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "formats/pickle/machine.h"
#include "model/object.h"

namespace torchvet {
namespace {

using Items = std::vector<ObjectId>;

class MapReader {
 public:
  MapReader(const ObjectTree& tree, std::uint64_t most_bytes)
      : tree_(tree), bytes_left_(most_bytes) {}

  /// False when a record has another form; the records before it are kept.
  bool read(ObjectId root) {
    const Items* top = tree_.sequence(root);
    if (!top) return false;
    if (top->size() == 3 && tree_.text((*top)[0]) == "FORMAT_WITH_STRING_TABLE") {
      table_ = tree_.sequence((*top)[1]);
      top = tree_.sequence((*top)[2]);
      if (!table_ || !top) return false;
    }
    for (const ObjectId record : *top) {
      if (!read_record(record)) return false;
    }
    return true;
  }

  [[nodiscard]] bool too_large() const { return too_large_; }

  SourceMap take() {
    std::stable_sort(records_.begin(), records_.end(),
                     [](const auto& a, const auto& b) { return a.offset < b.offset; });
    return {std::move(records_), std::move(texts_)};
  }

 private:
  std::optional<std::uint64_t> number(ObjectId id) const {
    const std::optional<std::int64_t> value = tree_.integer(id);
    if (!value || *value < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*value);
  }

  bool read_record(ObjectId id) {
    const Items* record = tree_.sequence(id);
    if (!record || record->size() < 2) return false;
    const Items* range = tree_.sequence((*record)[1]);
    if (!range || range->size() != 3) return false;
    const Items* source = tree_.sequence((*range)[0]);
    if (!source || source->size() < 3) return false;
    const auto offset = number((*record)[0]);
    const auto start = number((*range)[1]);
    const auto end = number((*range)[2]);
    const auto first_line = number((*source)[2]);
    const std::optional<std::string_view> file = file_name((*source)[1]);
    const std::optional<std::uint32_t> text = text_index((*source)[0]);
    if (!offset || !start || !end || !first_line || !file || !text) return false;
    records_.push_back({*offset, *text, std::string(*file), *first_line, *start, *end});
    return true;
  }

  /// A name, an index into the table, or None for code that was generated.
  std::optional<std::string_view> file_name(ObjectId id) const {
    if (tree_.as<Object::None>(id)) return std::string_view();
    return table_ ? entry(id) : tree_.text(id);
  }

  std::optional<std::string_view> entry(ObjectId index) const {
    const auto at = number(index);
    if (!at || *at >= table_->size()) return std::nullopt;
    return tree_.text((*table_)[*at]);
  }

  std::optional<std::uint32_t> text_index(ObjectId id) {
    if (const auto known = by_object_.find(id); known != by_object_.end()) return known->second;
    std::string text;
    if (table_ == nullptr) {
      const std::optional<std::string_view> whole = tree_.text(id);
      if (!whole || !append(*whole, text)) return std::nullopt;
    } else {
      const Items* pieces = pieces_of(id);
      if (!pieces) return std::nullopt;
      for (const ObjectId piece : *pieces) {
        const std::optional<std::string_view> part = entry(piece);
        if (!part || !append(*part, text)) return std::nullopt;
      }
    }
    const auto [at, added] =
        by_text_.try_emplace(std::move(text), static_cast<std::uint32_t>(texts_.size()));
    if (added) texts_.push_back(at->first);
    by_object_.emplace(id, at->second);
    return at->second;
  }

  /// The list in `build_intlist([i, j])`, or a plain list or tuple.
  const Items* pieces_of(ObjectId id) const {
    const Object::Call* call = tree_.as<Object::Call>(id);
    if (!call) return tree_.sequence(id);
    const Items* arguments = tree_.sequence(call->arguments);
    return arguments && arguments->size() == 1 ? tree_.sequence((*arguments)[0]) : nullptr;
  }

  bool append(std::string_view part, std::string& text) {
    if (part.size() > bytes_left_) {
      too_large_ = true;
      return false;
    }
    bytes_left_ -= part.size();
    text += part;
    return true;
  }

  const ObjectTree& tree_;
  const Items* table_ = nullptr;
  std::uint64_t bytes_left_;
  bool too_large_ = false;
  std::vector<SourceMap::Record> records_;
  std::vector<std::string> texts_;
  std::unordered_map<ObjectId, std::uint32_t> by_object_;
  std::unordered_map<std::string, std::uint32_t> by_text_;
};

}  // namespace

Result<SourceMap> read_source_map(ByteView bytes, const Limits& limits) {
  ObjectTree tree;
  PickleProgram program;
  if (Result<void> run = run_pickle(bytes, limits, tree, program); !run) {
    return tl::unexpected<Error>(run.error());
  }
  MapReader reader(tree, limits.code_bytes);
  if (!reader.read(program.root)) {
    return reader.too_large() ? fail(ErrorCode::kLimitExceeded, bytes.offset(),
                                     "its source texts take more than " +
                                         std::to_string(limits.code_bytes) + " bytes")
                              : fail(ErrorCode::kDebugInfoInvalid, bytes.offset(),
                                     "a record of the source map has an unknown form");
  }
  return reader.take();
}

}  // namespace torchvet
