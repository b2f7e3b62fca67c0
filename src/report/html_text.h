#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/escape.h"

namespace torchvet {

/// Text that is printable already, for an element or a quoted attribute of HTML.
[[nodiscard]] std::string html_escape(std::string_view printable);

/// Text from an artifact, for an element or a quoted attribute of HTML: what acts on a reader is
/// made visible (`printed`), and then it is escaped.
[[nodiscard]] std::string html_text(std::string_view raw, std::size_t limit = kMaxPrinted);

/// The sentences of a finding: what stands between two backticks becomes <code>.
[[nodiscard]] std::string html_prose(std::string_view raw);

/// An inert <script> that holds data for the page. Whatever the strings are, nothing in them can
/// end the element: `<`, `>` and `&` are written as JSON escapes.
[[nodiscard]] std::string data_element(std::string_view id, const nlohmann::ordered_json& data);

/// "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace torchvet
