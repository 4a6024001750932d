// The kinds of things that have settings, as requests about settings number them.
#pragma once

#include <cstdint>

namespace trv::kafka::config_resource {

inline constexpr std::int8_t topic = 2;
inline constexpr std::int8_t broker = 4;
inline constexpr std::int8_t broker_logger = 8;
inline constexpr std::int8_t client_metrics = 16;
inline constexpr std::int8_t group = 32;

}  // namespace trv::kafka::config_resource
