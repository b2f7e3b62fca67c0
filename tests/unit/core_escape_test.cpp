#include "core/escape.h"
#include "unit/catch.h"

using torchvet::escape_text;

TEST_CASE("plain text stays as it is") {
  CHECK(escape_text("layers.0.weight") == "layers.0.weight");
  CHECK(escape_text("größe") == "größe");
  CHECK(escape_text("aten::linear") == "aten::linear");
}

TEST_CASE("what acts on a terminal or a CI runner is escaped") {
  CHECK(escape_text("a\x1b[31mred") == "a\\x1b[31mred");
  CHECK(escape_text("a\nb\r\t") == "a\\nb\\r\\t");
  CHECK(escape_text("::error::x") == "\\x3a:error::x");
  CHECK(escape_text("  ##[error]x") == "  \\x23#[error]x");
  CHECK(escape_text("a ##[error]x") == "a \\x23#[error]x");
  CHECK(escape_text("a ##vso[x] ###[y]") == "a \\x23#vso[x] \\x23\\x23#[y]");
  CHECK(escape_text("a #1 ::b") == "a #1 ::b");
  CHECK(escape_text("a\\b") == "a\\\\b");
  CHECK(escape_text("a\u202Eb") == "a\\u202eb");
  CHECK(escape_text("\x7f") == "\\x7f");
}

TEST_CASE("bytes that are no UTF-8 are shown as numbers") {
  CHECK(escape_text("\xff\xfe") == "\\xff\\xfe");
  CHECK(escape_text("\xc0\xaf") == "\\xc0\\xaf");          // overlong
  CHECK(escape_text("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // surrogate
  CHECK(torchvet::to_utf8("a\xff\n") == "a\\xff\n");
}

TEST_CASE("long text is cut and says so") {
  CHECK(escape_text(std::string(500, 'x'), 10) == std::string(10, 'x') + "...(+490 bytes)");
}
