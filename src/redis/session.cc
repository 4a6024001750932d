#include "redis/session.h"

#include <algorithm>

#include "base/mutant.h"
#include "redis/access/account.h"
#include "redis/errors.h"

namespace trv::redis {

namespace {

// How much of a client's words an error repeats.
constexpr std::size_t quoted_max = 128;

std::string unknown_command(std::span<const ByteView> args) {
  std::string text = "ERR unknown command '";
  text += args[0].substr(0, quoted_max);
  text += "', with args beginning with: ";
  std::string words;
  for (std::size_t i = 1; i < args.size() && words.size() < quoted_max; ++i) {
    words += "'";
    words += args[i].substr(0, quoted_max - words.size());
    words += "' ";
  }
  return text + words;
}

// Null when it is unknown or has the wrong number of arguments: `why` then says so.
const Command* resolve(const CommandTable& table, std::span<const ByteView> args,
                       std::string& why) {
  const Command* command = find_command(table, args);
  if (!command) {
    // A row of a subcommand is not a command.
    const Command* container = find_command(table, args.first(1));
    why = container ? "ERR unknown subcommand '" + std::string(args[1].substr(0, quoted_max)) +
                          "'. Try " + upper_case(container->name) + " HELP."
                    : unknown_command(args);
    return nullptr;
  }
  if (!has_arity(*command, args)) {
    why = wrong_arity(command->name);
    return nullptr;
  }
  return command;
}

std::string why_refused(const CommandTable& table, const Session& session, const Command& command,
                        std::span<const ByteView> args, Denial& denial) {
  if (!session.authenticated && !command.has(flag::no_auth) && !TRV_MUTANT(login_not_required))
    return std::string(text::no_auth);
  bool queueing = session.transaction != TransactionState::none;
  if (queueing && command.has(flag::no_multi)) return std::string(text::not_in_transaction);
  if (session.limited) {
    denial = session.limited->check(table, command, args);
    if (denial) return denial.error();
  }
  // As in Redis, where a monitor is a kind of replica.
  if (session.monitor && command.has(flag::write | flag::read_only)) {
    return "ERR Replica can't interact with the keyspace";
  }
  if (session.subscriber() && !command.has(flag::subscriber)) {
    std::string name(command.name.substr(0, command.name.find('|')));
    return "ERR Can't execute '" + name +
           "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
           "context";
  }
  return {};
}

bool enqueue(Session& session, const Command& command, std::span<const ByteView> args) {
  std::size_t bytes = sizeof(QueuedCommand);
  for (ByteView arg : args) bytes += arg.size() + sizeof(std::string);
  if (bytes > Session::queue_bytes_max - std::min(session.queue_bytes, Session::queue_bytes_max)) {
    return false;
  }
  session.queue_bytes += bytes;
  session.queue.push_back({&command, {args.begin(), args.end()}});
  return true;
}

}  // namespace

void Session::become(std::shared_ptr<const Account> account_) {
  account = std::move(account_);
  limited = account && account->limited() ? account.get() : nullptr;
}

Tracks TrackingOptions::tracks() const {
  if (!on) return Tracks::nothing;
  if (broadcast) return Tracks::broadcast;
  if (opt_in && caching != Caching::yes) return Tracks::nothing;
  if (opt_out && caching == Caching::no) return Tracks::nothing;
  return Tracks::keys;
}

const Command* find_command(const CommandTable& table, std::span<const ByteView> args) {
  const Command* command = table.find(args[0]);
  if (!command || command->name.find('|') != std::string_view::npos) return nullptr;
  return command->has(flag::container) && args.size() > 1 ? table.find_subcommand(*command, args[1])
                                                          : command;
}

bool has_arity(const Command& command, std::span<const ByteView> args) {
  auto count = static_cast<std::int64_t>(args.size());
  bool fits = command.arity < 0 ? count >= -command.arity : count == command.arity;
  return fits && command.run;
}

void end_command(Session& session, const Command* command) {
  // It holds for all commands of a transaction.
  const bool goes_on = session.transaction != TransactionState::none ||
                       (command && command->name.starts_with("client|"));
  if (!goes_on) session.tracking.caching = TrackingOptions::Caching::unsaid;
}

const Command* admit(const CommandTable& table, Session& session, std::span<const ByteView> args,
                     ReplyWriter& reply, Denial& denial) {
  std::string why;
  const Command* command = resolve(table, args, why);
  if (command) why = why_refused(table, session, *command, args, denial);
  bool queueing = session.transaction != TransactionState::none;
  if (why.empty() && queueing && !command->has(flag::not_queued)) {
    if (session.transaction == TransactionState::broken) {
      // What is queued will never run.
      reply.simple("QUEUED");
      return nullptr;
    }
    if (enqueue(session, *command, args)) {
      reply.simple("QUEUED");
      return nullptr;
    }
    why = "ERR the transaction is too large";
  }
  if (why.empty()) return command;
  if (queueing) {
    session.transaction = TransactionState::broken;
    session.queue.clear();
  }
  reply.error(why);
  return nullptr;
}

}  // namespace trv::redis
