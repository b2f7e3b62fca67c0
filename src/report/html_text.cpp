#include "report/html_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/words.h"

namespace torchvet {

std::string html_escape(std::string_view printable) {
  std::string out;
  out.reserve(printable.size());
  for (const char c : printable) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string html_text(std::string_view raw, std::size_t limit) {
  return html_escape(printed(raw, limit));
}

std::string html_prose(std::string_view raw) {
  const std::string text = html_text(raw, kLongestMessage);
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = text.find('`', at);
    const std::size_t close = open == std::string::npos ? open : text.find('`', open + 1);
    if (close == std::string::npos) return out + text.substr(at);
    out += text.substr(at, open - at);
    out += fmt::format("<code>{}</code>", text.substr(open + 1, close - open - 1));
    at = close + 1;
  }
}

std::string data_element(std::string_view id, const nlohmann::ordered_json& data) {
  const std::string json =
      data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string out = fmt::format("<script type=\"application/json\" id=\"{}\">", id);
  out.reserve(out.size() + json.size() + 16);
  for (const char c : json) {
    if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "</script>\n";
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

}  // namespace torchvet
