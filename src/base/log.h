// log: one readable line per event on standard error.
//
//   2026-11-21 21:32:38.123 info  amqp listens on 127.0.0.1:5672
//
// Callable from any thread; a line is written whole. Never called per message: the hot paths count
// (metrics) instead. Payload bytes are not logged; control characters in arguments are escaped, so
// that one event stays one line whatever a peer puts into a name.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace trv::log {

enum class Level : std::uint8_t { debug, info, warn, error };

// "debug", "info", "warn" or "error".
std::optional<Level> find_level(std::string_view name);

void set_level(Level level);
bool enabled(Level level);

namespace detail {
void write(Level level, fmt::string_view format, fmt::format_args arguments);
}

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... arguments) {
  if (enabled(Level::debug)) {
    detail::write(Level::debug, format, fmt::make_format_args(arguments...));
  }
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... arguments) {
  detail::write(Level::info, format, fmt::make_format_args(arguments...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... arguments) {
  detail::write(Level::warn, format, fmt::make_format_args(arguments...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... arguments) {
  detail::write(Level::error, format, fmt::make_format_args(arguments...));
}

}  // namespace trv::log
