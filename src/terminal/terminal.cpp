#include "terminal/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <string>

namespace torchvet {
namespace {

/// The value of an environment variable; empty when it is not set.
std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool forced(const char* name) {
  const std::string_view value = environment(name);
  return !value.empty() && value != "0";
}

bool smart_terminal(int descriptor) {
  const std::string_view term = environment("TERM");
  return isatty(descriptor) == 1 && !term.empty() && term != "dumb";
}

winsize size_of(int descriptor) {
  winsize size = {};
  if (isatty(descriptor) != 1 || ioctl(descriptor, TIOCGWINSZ, &size) != 0) return {};
  return size;
}

bool utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string locale(environment(name));
    if (locale.empty()) continue;
    for (char& c : locale) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

constexpr Palette kPlain = {};
constexpr Palette kColored = {
    .error = "\x1b[1;31m",
    .warning = "\x1b[1;33m",
    .note = "\x1b[1;36m",
    .strong = "\x1b[1m",
    .faint = "\x1b[2m",
    .code = "\x1b[36m",
    .good = "\x1b[32m",
    .reset = "\x1b[0m",
};

}  // namespace

std::optional<When> when_from_name(std::string_view name) {
  if (name == "auto") return When::kAuto;
  if (name == "always") return When::kAlways;
  if (name == "never") return When::kNever;
  return std::nullopt;
}

bool use_color(When said, int descriptor) {
  if (said != When::kAuto) return said == When::kAlways;
  if (!environment("NO_COLOR").empty()) return false;
  if (forced("FORCE_COLOR") || forced("CLICOLOR_FORCE")) return true;
  return smart_terminal(descriptor);
}

int columns(int descriptor) { return size_of(descriptor).ws_col; }

int rows(int descriptor) { return size_of(descriptor).ws_row; }

bool use_blocks(int descriptor) {
  return smart_terminal(descriptor) && environment("TERM") != "linux" && utf8_locale();
}

bool use_progress(When said) {
  return said != When::kNever && smart_terminal(STDERR_FILENO) && !forced("CI");
}

const Palette& palette(bool color) { return color ? kColored : kPlain; }

}  // namespace torchvet
