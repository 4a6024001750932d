#include "redis/slow_log.h"

#include <algorithm>

#include "redis/command.h"
#include "redis/service.h"

namespace trv::redis {

namespace {

constexpr std::size_t args_max = 32;
constexpr std::size_t arg_size_max = 128;

std::string shortened(ByteView arg) {
  if (arg.size() <= arg_size_max) return std::string(arg);
  return std::string(arg.substr(0, arg_size_max)) + "... (" +
         std::to_string(arg.size() - arg_size_max) + " more bytes)";
}

bool is_secret(ByteView setting) {
  return is_word(setting, "requirepass") || is_word(setting, "masterauth") ||
         is_word(setting, "masteruser");
}

// A command that came from another core has its client there: null.
Client* client_of(const Call& call) {
  if (call.client || call.caller.home != call.broker.core().index()) return call.client;
  // It has waited.
  auto at = call.service.clients().find(call.caller.connection);
  return at == call.service.clients().end() ? nullptr : at->second;
}

}  // namespace

std::vector<ByteView> shown_args(const Call& call) {
  if (call.command.name == "auth" || call.command.name == "hello") return {};
  std::vector<ByteView> args(call.args.begin(), call.args.end());
  if (call.command.name == "acl|setuser" || call.command.name == "acl|deluser") {
    for (std::size_t i = 2; i < args.size(); ++i) args[i] = "(redacted)";
  }
  if (call.command.name != "config|set") return args;
  for (std::size_t i = 2; i + 1 < args.size(); i += 2) {
    if (is_secret(args[i])) args[i + 1] = "(redacted)";
  }
  return args;
}

void SlowLog::set_settings(const Settings& settings) {
  settings_ = settings;
  if (entries_.size() > settings_.size_max) entries_.resize(settings_.size_max);
}

void SlowLog::consider(const Call& call, std::chrono::nanoseconds took) {
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(took);
  if (settings_.slower_than_us < 0 || us.count() < settings_.slower_than_us) return;
  std::vector<ByteView> args = shown_args(call);
  if (args.empty()) return;
  Entry entry;
  entry.id = next_id_;
  next_id_ += id_step_;
  entry.when = call.now;
  entry.took = us;
  const std::size_t whole = args.size() > args_max ? args_max - 1 : args.size();
  for (std::size_t i = 0; i < whole; ++i) entry.args.push_back(shortened(args[i]));
  if (whole < args.size()) {
    entry.args.push_back("... (" + std::to_string(args.size() - whole) + " more arguments)");
  }
  if (Client* client = client_of(call)) {
    entry.peer = client->facts().peer_address;
    entry.name = client->session().name;
  }
  entries_.push_front(std::move(entry));
  if (entries_.size() > settings_.size_max) entries_.pop_back();
}

}  // namespace trv::redis
