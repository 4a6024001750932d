// Numbers and ids as Redis reads and writes them in text. Strict: no blanks, no plus sign, no
// leading zeros; what is out of range is refused, never clipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"

namespace trv::redis {

std::optional<std::int64_t> parse_integer(ByteView text);
std::optional<std::uint64_t> parse_unsigned(ByteView text);

// A finite or infinite number as strtod reads it, whole; never NaN.
std::optional<double> parse_real(ByteView text);
std::optional<long double> parse_long_real(ByteView text);
// The shortest digits that read back as the value; integers without exponent below 1e17.
std::string real_text(double value);
// With at most 17 digits behind the point and no exponent.
std::string long_real_text(long double value);

// Two lower-case hexadecimal digits for each byte.
std::string hex_text(ByteView bytes);

// What to assume where an id is only its `ms` part.
enum class MissingSeq : std::uint8_t { zero, max };

// `ms-seq` or `ms`; also `-` (the least) and `+` (the greatest).
std::optional<RecordId> parse_id(ByteView text, MissingSeq missing);
// The same without `-` and `+`.
std::optional<RecordId> parse_id_strict(ByteView text, MissingSeq missing);

// At most this many characters each.
inline constexpr std::size_t integer_text_max = 20;
inline constexpr std::size_t id_text_max = 41;
std::size_t print_integer(char* into, std::int64_t value);
std::size_t print_unsigned(char* into, std::uint64_t value);
std::size_t print_id(char* into, RecordId id);
std::string id_text(RecordId id);

}  // namespace trv::redis
