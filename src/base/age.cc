#include "base/age.h"

#include <charconv>

namespace trv {

std::optional<std::int64_t> parse_age(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end + 1 != text.data() + text.size()) return std::nullopt;
  struct Unit {
    char letter;
    std::int64_t seconds;
  };
  static constexpr Unit units[] = {{'Y', 365 * 86400}, {'M', 30 * 86400}, {'D', 86400},
                                   {'h', 3600},        {'m', 60},         {'s', 1}};
  constexpr std::int64_t age_max_ms = std::int64_t{1} << 53;
  for (const Unit& unit : units) {
    if (unit.letter != *end) continue;
    const std::int64_t unit_ms = unit.seconds * 1000;
    if (count < 0 || count > age_max_ms / unit_ms) return std::nullopt;
    return count * unit_ms;
  }
  return std::nullopt;
}

}  // namespace trv
