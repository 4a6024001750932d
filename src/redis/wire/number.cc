#include "redis/wire/number.h"

#include <charconv>

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

}  // namespace trv::redis
