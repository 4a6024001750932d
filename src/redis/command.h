// Command: one row of the command table. Call: one command being run.
//
// A handler is a function of a Call: it decodes and validates the arguments, calls the Broker, and
// writes exactly one reply. Where it runs is said by its row's `where`:
//
//   session     on the connection's core, and may change the session
//   anywhere    on the connection's core; needs neither session nor keys, so it may run elsewhere
//               inside a transaction
//   keys        on the core that owns all its keys
//   cursor      on the core that its cursor argument (SCAN) points to
//   every_core  on the connection's core, from where it asks the others
//   transaction EXEC: on the core that owns all keys of the queued commands
//
// One whose row has flag::tries runs in a broker::Trial when it stands alone: where entries are not
// in memory it finds out before it changes anything, what it has answered is forgotten, and it runs
// again when they are (ColdCommands).
//
// A handler that changed something calls wait_for(): the reply is then held back until the commit
// is durable. A handler that has nothing to answer yet sets `block` and writes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/broker.h"
#include "broker/writer_view.h"
#include "redis/key_events.h"
#include "redis/wire/reply_writer.h"

namespace trv::redis {

class Service;
class Client;
struct Session;
struct Call;

using Handler = void (*)(Call&);

enum class Where : std::uint8_t { session, anywhere, keys, cursor, every_core, transaction };

// How the keys are found among the arguments.
enum class KeyRule : std::uint8_t {
  none,
  range,    // from `first` to `last` (negative: from the end), every `step`
  streams,  // the first half of what follows the word STREAMS
  sorted,   // as range, and the one behind the word STORE or STOREDIST
  counted,  // as many as the argument at `first` says, behind it; and `last` unless that is 0
};

namespace flag {
inline constexpr std::uint32_t write = 1u << 0;
inline constexpr std::uint32_t read_only = 1u << 1;
inline constexpr std::uint32_t fast = 1u << 2;
inline constexpr std::uint32_t blocking = 1u << 3;
inline constexpr std::uint32_t admin = 1u << 4;
inline constexpr std::uint32_t pubsub = 1u << 5;
inline constexpr std::uint32_t no_auth = 1u << 6;   // allowed before login
inline constexpr std::uint32_t no_multi = 1u << 7;  // refused inside MULTI
inline constexpr std::uint32_t deny_oom = 1u << 8;
inline constexpr std::uint32_t loading = 1u << 9;
inline constexpr std::uint32_t stale = 1u << 10;
inline constexpr std::uint32_t no_script = 1u << 11;  // refused inside scripts
// Ours, not shown to clients:
inline constexpr std::uint32_t container = 1u << 16;   // has subcommands
inline constexpr std::uint32_t subscriber = 1u << 17;  // allowed to a RESP2 subscriber
inline constexpr std::uint32_t not_queued = 1u << 18;  // runs at once inside MULTI
inline constexpr std::uint32_t appends = 1u << 19;     // adds records to a log
inline constexpr std::uint32_t reads_log = 1u
                                           << 20;  // shows records: after own appends are durable
inline constexpr std::uint32_t script = 1u << 21;  // runs a script, which may do either
inline constexpr std::uint32_t may_write = 1u << 22;  // waits in a pause of those that write
inline constexpr std::uint32_t tries = 1u << 23;  // reads entries, and before it changes anything
}  // namespace flag

struct Command {
  std::string_view name;  // lower case; subcommands are "container|name"
  std::int32_t arity;     // with the name; negative: at least that many
  std::uint32_t flags;
  Where where;
  KeyRule key_rule;
  std::int8_t first_key;
  std::int8_t last_key;
  std::int8_t key_step;
  std::string_view family;
  std::string_view since;
  std::string_view summary;
  Handler run;  // null for most containers

  bool has(std::uint32_t f) const { return (flags & f) != 0; }
  // Of what only writes, answers are small, and nobody's writes are held up by others who do not
  // read.
  bool answers_much() const {
    return has(flag::read_only | flag::reads_log | flag::script) || where == Where::transaction;
  }
};

// What a client that keeps what it reads wants to hear of (CLIENT TRACKING).
enum class Tracks : std::uint8_t {
  nothing,
  keys,       // of changes of the keys that it has read
  broadcast,  // of changes of all keys with its prefixes
};

// Who asked. Values, so that it can travel to another core.
struct Caller {
  ConnectionId connection;
  CoreIndex home;
  Protocol protocol = Protocol::resp2;
  Tracks tracks = Tracks::nothing;
  std::string peer{};  // its address, as long as there are monitors
  std::string user{};
  bool no_touch = false;  // what it reads does not count as used
};

struct BlockRequest {
  std::vector<std::string> names;        // something new under one of them may end the wait
  std::vector<std::string> args;         // to run again, with positions made absolute
  std::chrono::milliseconds timeout{0};  // 0: for ever
  // When to look again although nothing new has come.
  std::optional<std::chrono::milliseconds> look_again_in{};
  // Waiters of one name and one non-empty tag compete: when one of them finds nothing, none will.
  std::string tag;
};

// What the commands of a transaction, or of a script, share.
struct TransactionScope {
  explicit TransactionScope(broker::Broker& broker) : added(broker) {}

  broker::WriterView added;  // to streams
};

struct Call {
  Service& service;  // of the core where it runs
  broker::Broker& broker;
  const Command& command;
  std::span<const ByteView> args;
  ReplyWriter& reply;
  const Caller& caller;
  WallTime now;
  // On the connection's core only; else null.
  Session* session = nullptr;
  Client* client = nullptr;
  TransactionScope* transaction = nullptr;  // inside EXEC
  bool retry = false;                       // a blocked command runs again
  bool scripted = false;                    // inside a script
  const Call* script = nullptr;             // the command that runs it
  int tries = 0;                            // how often it had to wait for the disk

  // What the handler may leave behind:
  broker::Commit commit{};
  bool waits = false;
  bool deferred = false;  // the reply comes through a ReplyPromise
  bool appended = false;  // a script has added records to a log
  std::optional<BlockRequest> block{};
  std::vector<KeyTouch> touches{};  // for KeyEvents
  // It has not run: these places have to be in memory before.
  std::vector<BlobRange> cold{};
  // The reply of the last command of a script that failed, without its line end. Its error is
  // counted already, should the script answer with it.
  std::string inner_error{};

  void wait_for(broker::Commit change) {
    commit = waits ? commit | change : change;
    waits = true;
  }
  // The same for a change that may have been refused: then the reply says why. Result: whether it
  // was made.
  [[nodiscard]] bool wait_for(const Result<broker::Commit>& change);
  // For a reply that shows what an earlier change did.
  void wait_for_shown(broker::Commit change) {
    if (!broker.is_durable(change)) wait_for(change);
  }
  bool may_block() const { return transaction == nullptr; }
};

// Case-insensitive comparison with a lower-case word.
bool is_word(ByteView arg, std::string_view lower_case_word);

// Writes the error and returns nothing when the argument is not an integer (in the range).
std::optional<std::int64_t> integer_arg(Call& call, std::size_t index);

}  // namespace trv::redis
