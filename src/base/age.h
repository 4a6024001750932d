// Ages as settings tell them: "<number><unit>" with a unit of Y M D h m s.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace trv {

// In milliseconds; nothing when it is none, or more than 2^53.
std::optional<std::int64_t> parse_age(std::string_view text);

}  // namespace trv
