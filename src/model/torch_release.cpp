#include "model/torch_release.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

namespace torchvet {
namespace {

/// Takes a number off the front.
std::optional<int> take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

std::optional<TorchRelease> release_from_text(std::string_view text) {
  const std::optional<int> major = take_number(text);
  if (!major || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  const std::optional<int> minor = take_number(text);
  if (!minor) return std::nullopt;
  return TorchRelease{*major, *minor};
}

std::string to_text(TorchRelease release) {
  return std::to_string(release.major) + "." + std::to_string(release.minor);
}

std::optional<TorchRelease> release_of_operator(std::string_view op) {
  static const std::unordered_map<std::string_view, TorchRelease> releases = [] {
    std::unordered_map<std::string_view, TorchRelease> made;
    for (const OperatorsOfRelease& row : operators_by_release()) {
      std::string_view rest = row.names;
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        made.emplace(rest.substr(0, end), row.release);
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
    return made;
  }();
  constexpr std::string_view kAten = "aten::";
  if (!op.starts_with(kAten)) return std::nullopt;
  const auto at = releases.find(op.substr(kAten.size()));
  return at == releases.end() ? std::nullopt : std::optional(at->second);
}

}  // namespace torchvet
