#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/object.h"

namespace torchvet {

/// The values that pickles spell out, read the way CPython reads them. All are free of state and
/// return nothing for what CPython refuses.

/// Little-endian two's complement of any length (LONG1, LONG4): an int64 or a BigInt.
[[nodiscard]] Object integer_from_bytes(std::string_view bytes);

/// The line of INT: decimal, or 0x, 0o, 0b; "00" and "01" are False and True.
/// With `long_suffix` the line of LONG: a trailing "L" is dropped and there are no booleans.
[[nodiscard]] std::optional<Object> integer_from_text(std::string_view line, bool long_suffix);

/// The line of FLOAT, "inf" and "nan" included.
[[nodiscard]] std::optional<double> float_from_text(std::string_view line);

/// The number of PUT and GET: decimal, not negative.
[[nodiscard]] std::optional<std::uint64_t> index_from_text(std::string_view line);

/// The line of STRING: quoted by ' or ", with the escapes of Python's bytes literals.
[[nodiscard]] std::optional<std::string> string_from_quoted(std::string_view line);

/// The line of UNICODE ("raw-unicode-escape"): Latin-1 with \uXXXX and \UXXXXXXXX; as UTF-8.
[[nodiscard]] std::optional<std::string> string_from_raw_unicode(std::string_view line);

/// Whether it is UTF-8 where single surrogates are allowed ("surrogatepass").
[[nodiscard]] bool is_utf8_with_surrogates(std::string_view text);

}  // namespace torchvet
