#include "redis/wire/number.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace trv::redis {

std::optional<std::uint64_t> parse_unsigned(ByteView text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  if (text[0] == '0' && text.size() > 1) return std::nullopt;
  std::uint64_t value = 0;
  // Nearly all numbers are short; these cannot overflow.
  if (text.size() <= 18) {
    for (char c : text) {
      auto digit = static_cast<unsigned char>(c - '0');
      if (digit > 9) return std::nullopt;
      value = value * 10 + digit;
    }
    return value;
  }
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_integer(ByteView text) {
  bool negative = !text.empty() && text[0] == '-';
  std::optional<std::uint64_t> size = parse_unsigned(text.substr(negative ? 1 : 0));
  constexpr std::uint64_t limit = std::uint64_t{1} << 63;
  if (!size || (negative && *size == 0)) return std::nullopt;
  if (*size > (negative ? limit : limit - 1)) return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - *size : *size);
}

namespace {

// Ids are read more leniently than other numbers: leading zeros are legal.
std::optional<std::uint64_t> parse_id_part(ByteView text) {
  while (text.size() > 1 && text[0] == '0') text.remove_prefix(1);
  return parse_unsigned(text);
}

}  // namespace

std::optional<RecordId> parse_id_strict(ByteView text, MissingSeq missing) {
  std::size_t dash = text.find('-');
  std::optional<std::uint64_t> ms = parse_id_part(text.substr(0, dash));
  if (!ms) return std::nullopt;
  if (dash == ByteView::npos) {
    return RecordId{*ms, missing == MissingSeq::zero ? 0 : RecordId::max().seq};
  }
  std::optional<std::uint64_t> seq = parse_id_part(text.substr(dash + 1));
  if (!seq) return std::nullopt;
  return RecordId{*ms, *seq};
}

std::optional<RecordId> parse_id(ByteView text, MissingSeq missing) {
  if (text == "-") return RecordId{0, 0};
  if (text == "+") return RecordId::max();
  return parse_id_strict(text, missing);
}

std::size_t print_unsigned(char* into, std::uint64_t value) {
  return static_cast<std::size_t>(std::to_chars(into, into + integer_text_max, value).ptr - into);
}

std::string hex_text(ByteView bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::size_t print_integer(char* into, std::int64_t value) {
  return static_cast<std::size_t>(std::to_chars(into, into + integer_text_max, value).ptr - into);
}

std::size_t print_id(char* into, RecordId id) {
  std::size_t size = print_unsigned(into, id.ms);
  into[size++] = '-';
  return size + print_unsigned(into + size, id.seq);
}

std::string id_text(RecordId id) {
  char text[id_text_max];
  return {text, print_id(text, id)};
}

namespace {

// Longer texts are no numbers: 5 KiB, as in Redis.
constexpr std::size_t real_text_max = 5 * 1024;

template <class Real>
std::optional<Real> parse_with(ByteView text, Real (*convert)(const char*, char**)) {
  if (text.empty() || text.size() >= real_text_max) return std::nullopt;
  if (std::isspace(static_cast<unsigned char>(text[0]))) return std::nullopt;
  std::string copy(text);
  char* end = nullptr;
  errno = 0;
  Real value = convert(copy.c_str(), &end);
  if (end != copy.c_str() + copy.size() || std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<double> parse_real(ByteView text) { return parse_with<double>(text, std::strtod); }

std::optional<long double> parse_long_real(ByteView text) {
  return parse_with<long double>(text, std::strtold);
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char digits[64];
  constexpr double integer_max = 1e17;
  bool integer = std::fabs(value) < integer_max && value == std::trunc(value);
  std::to_chars_result done =
      integer ? std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed)
              : std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general);
  return {digits, done.ptr};
}

std::string long_real_text(long double value) {
  char digits[real_text_max];
  int size = std::snprintf(digits, sizeof digits, "%.17Lf", value);
  std::string text(digits, static_cast<std::size_t>(size));
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

}  // namespace trv::redis
