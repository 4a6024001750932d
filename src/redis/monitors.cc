#include "redis/monitors.h"

#include <fmt/format.h>

#include "base/mutant.h"
#include "redis/service.h"

namespace trv::redis {

namespace {

constexpr ByteView redacted = "(redacted)";

void append_quoted(std::string& out, ByteView word) {
  constexpr char hex[] = "0123456789abcdef";
  constexpr std::string_view escaped = "\n\r\t\a\b\\\"";
  constexpr std::string_view letters = "nrtab\\\"";
  out += " \"";
  for (char c : word) {
    if (std::size_t at = escaped.find(c); at != std::string_view::npos) {
      out += '\\';
      out += letters[at];
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      out += "\\x";
      out += hex[static_cast<unsigned char>(c) >> 4];
      out += hex[c & 15];
    }
  }
  out += '"';
}

// From which of a command's words on passwords and user names stand, and how many.
struct Secrets {
  std::size_t from = 0;
  std::size_t count = 0;
};
Secrets secrets_of(const Command* command, std::span<const ByteView> args) {
  if (command == nullptr || TRV_MUTANT(monitors_see_passwords)) return {};
  if (command->name == "auth") return {1, args.size()};
  if (command->name != "hello") return {};
  for (std::size_t i = 2; i < args.size(); ++i) {
    if (is_word(args[i], "auth")) return {i + 1, 2};
  }
  return {};
}

}  // namespace

std::string monitor_line(WallTime now, std::string_view sender, const Command* command,
                         std::span<const ByteView> args) {
  std::string line = fmt::format("+{}.{:06} [0 {}]", now.ms / 1000, now.ms % 1000 * 1000, sender);
  const Secrets secrets = secrets_of(command, args);
  for (std::size_t i = 0; i < args.size(); ++i) {
    const bool secret = i >= secrets.from && i - secrets.from < secrets.count;
    append_quoted(line, secret ? redacted : args[i]);
  }
  return line + "\r\n";
}

bool Monitors::shows(const Command& command) {
  return !command.has(flag::admin) && command.where != Where::transaction;
}

void Monitors::tell(const Call& call) {
  send(monitor_line(call.now, call.scripted ? "lua" : call.caller.peer, &call.command, call.args));
}

void Monitors::tell_exec(const Caller& caller, WallTime now) {
  const ByteView words[] = {"exec"};
  send(monitor_line(now, caller.peer, nullptr, words));
}

void Monitors::send(std::string line) {
  const Slice bytes = Slice::own(std::move(line));
  // Who is told too much is disconnected, and leaves the set.
  const std::set<ConnectionId> clients = clients_;
  for (ConnectionId client : clients) {
    service_.at_home(client, [client, bytes](Service& home) {
      Client* found = home.find_client(client);
      // After RESET nothing may come between the replies.
      if (found && found->session().monitor) found->push(bytes);
    });
  }
}

}  // namespace trv::redis
