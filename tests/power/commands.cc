#include "commands.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace trv::power {

namespace {

std::optional<Moment> parse_moment(const std::string& name) {
  if (name == "now") return Moment::now;
  if (name == "write") return Moment::write;
  if (name == "flush") return Moment::flush;
  return {};
}

std::optional<CutOrder> parse_cut(std::istringstream& words) {
  std::string moment_name;
  std::string survivors_name;
  CutOrder order;
  if (!(words >> moment_name >> survivors_name >> order.seed)) return {};
  const auto moment = parse_moment(moment_name);
  const auto survivors = parse_survivors(survivors_name);
  if (!moment || !survivors) return {};
  order.moment = *moment;
  order.survivors = *survivors;
  return order;
}

}  // namespace

Command parse_command(const std::string& line) {
  std::istringstream words(line);
  std::string name;
  words >> name;
  if (name == "release") return {Command::Kind::release, {}};
  if (name == "counts") return {Command::Kind::counts, {}};
  if (name == "cut") {
    if (const auto order = parse_cut(words)) return {Command::Kind::cut, *order};
  }
  throw std::runtime_error("no such command: " + line);
}

std::optional<Command> CommandInput::next() {
  const std::size_t end = buffer_.find('\n');
  if (end == std::string::npos) return {};
  const std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return parse_command(line);
}

bool CommandInput::fill() {
  std::array<char, 512> bytes;
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::generic_category(), "read the commands");
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    return got > 0;
  }
}

}  // namespace trv::power
