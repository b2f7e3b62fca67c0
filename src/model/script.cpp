#include "model/script.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace torchvet {
namespace {

/// "path(12): function" of a traced stack; false when the line has another form.
bool parse_stack_line(std::string_view line, SourceLine& frame) {
  const std::size_t colon = line.rfind("): ");
  if (colon == std::string_view::npos) return false;
  const std::size_t open = line.rfind('(', colon);
  if (open == std::string_view::npos) return false;
  const std::string_view number = line.substr(open + 1, colon - open - 1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size()) return false;
  frame = {std::string(line.substr(0, open)), value, std::string(line.substr(colon + 3)), ""};
  return true;
}

std::vector<SourceLine> parse_stack(std::string_view text) {
  std::vector<SourceLine> frames;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    SourceLine frame;
    if (parse_stack_line(text.substr(0, end), frame)) frames.push_back(std::move(frame));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return frames;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

SourceMap::SourceMap(std::vector<Record> records, std::vector<std::string> texts)
    : records_(std::move(records)), texts_(std::move(texts)) {}

std::vector<SourceLine> SourceMap::frames_at(std::uint64_t offset) const {
  const auto after =
      std::upper_bound(records_.begin(), records_.end(), offset,
                       [](std::uint64_t at, const Record& record) { return at < record.offset; });
  if (after == records_.begin()) return {};
  const Record& record = *std::prev(after);
  if (record.file.empty() || record.text >= texts_.size()) return {};
  const std::string_view text = texts_[record.text];
  if (std::vector<SourceLine> stack = parse_stack(text); !stack.empty()) return stack;

  const std::size_t start = std::min<std::size_t>(record.start, text.size());
  const std::string_view before = text.substr(0, start);
  const std::uint64_t newlines = std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos
                                     ? 0
                                     : before.rfind('\n') + 1;
  const std::string_view line =
      text.substr(line_start, text.find('\n', line_start) == std::string_view::npos
                                  ? std::string_view::npos
                                  : text.find('\n', line_start) - line_start);
  return {SourceLine{record.file, record.first_line + newlines, "", std::string(trim(line))}};
}

}  // namespace torchvet
