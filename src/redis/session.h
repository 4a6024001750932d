// Session: what the server remembers of one connected client, and the rules by which a request is
// admitted. No sockets, no broker.
//
// Owner: the connection, on its core.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "redis/command.h"
#include "redis/command_table.h"

namespace trv::redis {

class Account;
struct Denial;

struct QueuedCommand {
  const Command* command = nullptr;
  std::vector<std::string> args;
};

// A watched key and what it looked like: any change of the key changes the fingerprint.
struct WatchedKey {
  std::string key;
  std::uint64_t fingerprint = 0;
};

enum class TransactionState : std::uint8_t {
  none,      // no MULTI
  queueing,  // commands are kept for EXEC
  broken,    // one was refused: EXEC will answer EXECABORT
};

enum class ReplyMode : std::uint8_t {
  on,
  off,
  skip,  // the next command's reply is dropped
};

// What the client keeps of what it reads, and how it hears that this is no longer so.
struct TrackingOptions {
  // CLIENT CACHING, about the next command.
  enum class Caching : std::uint8_t { unsaid, yes, no };

  bool on = false;
  bool broadcast = false;
  bool opt_in = false;   // only what CLIENT CACHING yes was said of
  bool opt_out = false;  // all but what CLIENT CACHING no was said of
  bool no_loop = false;  // not of its own changes
  bool broken = false;   // whom it redirects to is gone
  Caching caching = Caching::unsaid;
  ConnectionId redirect{};  // 0: to itself
  std::vector<std::string> prefixes;

  Tracks tracks() const;
};

struct Session {
  static constexpr std::size_t queue_bytes_max = 64u << 20;  // arguments queued by MULTI
  static constexpr std::size_t watched_keys_max = 100'000;

  ConnectionId id;
  Protocol protocol = Protocol::resp2;
  bool authenticated = true;
  // Who it is. Null, in tests only: somebody who may do everything.
  std::shared_ptr<const Account> account;
  const Account* limited = nullptr;  // the same, if there is anything that it may not do
  void become(std::shared_ptr<const Account> account);
  std::string name;
  std::string library_name;
  std::string library_version;
  bool no_evict = false;
  bool no_touch = false;
  ReplyMode reply_mode = ReplyMode::on;

  TransactionState transaction = TransactionState::none;
  std::vector<QueuedCommand> queue;
  std::size_t queue_bytes = 0;
  std::vector<WatchedKey> watched;

  std::set<std::string, std::less<>> channels;
  std::set<std::string, std::less<>> patterns;
  std::size_t subscription_count() const { return channels.size() + patterns.size(); }
  // In RESP2 a client with subscriptions may only change them.
  bool subscriber() const { return protocol == Protocol::resp2 && subscription_count() > 0; }

  TrackingOptions tracking;
  bool monitor = false;
  bool held = false;  // its next request waits for the end of a pause

  const Command* last_command = nullptr;
  bool closing = false;         // after what was answered so far
  bool awaits_removal = false;  // of users; if it is one of them, it is still told so

  void end_transaction() {
    transaction = TransactionState::none;
    queue.clear();
    queue_bytes = 0;
  }
};

// The command, or its subcommand, that the words name; null when there is none.
const Command* find_command(const CommandTable& table, std::span<const ByteView> args);
// Whether the command can have as many words.
bool has_arity(const Command& command, std::span<const ByteView> args);

// The request has run or was refused; null when it was. What was said about the next one is over.
void end_command(Session& session, const Command* command);

// Finds the command of a request and decides what becomes of it: the command to run now, or null
// when it was refused or queued, which was then answered. `denial`: that its user may not run it.
const Command* admit(const CommandTable& table, Session& session, std::span<const ByteView> args,
                     ReplyWriter& reply, Denial& denial);

}  // namespace trv::redis
