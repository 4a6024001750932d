// Service: what the Redis front-end has on one core beside the broker: settings, counters,
// subscriptions, blocked readers, and the connected clients. Handlers get it in their Call.
//
// Owner: the core's Server. Other cores reach it through Broker::post with peer().
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/slice.h"
#include "broker/broker.h"
#include "redis/access/accounts.h"
#include "redis/channels.h"
#include "redis/cold_commands.h"
#include "redis/command_stats.h"
#include "redis/command_table.h"
#include "redis/errors.h"
#include "redis/key_events.h"
#include "redis/latency_events.h"
#include "redis/monitors.h"
#include "redis/packed_args.h"
#include "redis/pause.h"
#include "redis/scripting/engine.h"
#include "redis/session.h"
#include "redis/shipping.h"
#include "redis/slow_log.h"
#include "redis/tracking.h"
#include "redis/waiters.h"

namespace trv::redis {

// What CLIENT LIST tells of a client.
struct ClientFacts {
  std::string peer_address;
  std::string local_address;
  std::chrono::seconds age{0};
  std::chrono::seconds idle{0};
  std::size_t input_bytes = 0;
  std::size_t output_bytes = 0;
  bool blocked = false;
};

// The connection, as handlers see it.
class Client {
 public:
  virtual ~Client() = default;
  virtual Session& session() = 0;
  virtual ClientFacts facts() const = 0;
  // Whether it is on this machine.
  virtual bool is_near() const = 0;
  // Sends something that is not a reply. A client that leaves too much unread is disconnected.
  virtual void push(const Slice& bytes) = 0;
  // The same behind all replies, also the one that a blocked command will have.
  virtual void push_behind(const Slice& bytes) = 0;
  // Takes the place of the reply of the command that is being run.
  virtual std::uint64_t defer() = 0;
  virtual void fulfil(std::uint64_t place, std::string bytes, broker::Commit commit) = 0;
  // Ends a blocked command: with a timeout's answer or an error. False when there is none.
  virtual bool unblock(bool with_error) = 0;
  // Requests wait for the reply at `place`, which is to come from `core`. `blocked`: for as long as
  // others let its command wait; else it only takes its time.
  virtual void await(std::uint64_t place, CoreIndex core, bool blocked) = 0;
  // Whether an answer that may be large may be made now, as far as memory goes; else `then` is
  // called when it may. One at a time.
  virtual bool may_answer(UniqueFunction<void()> then) = 0;
  // The reply at `place` may be sent, or, when not `ok`, can never be.
  virtual void on_durable(std::uint64_t place, bool ok) = 0;
  // Goes on with the requests that had to wait.
  virtual void resume() = 0;
  // Disconnects; replies that are complete are still sent when `linger`.
  virtual void kill(bool linger) = 0;
};

// Up to where OBJECT ENCODING names the small form of a value, as Redis's settings of these names
// do.
struct EncodingSettings {
  std::size_t hash_fields_max = 512;
  std::size_t hash_value_size_max = 64;
  std::size_t set_integers_max = 512;
  std::size_t sorted_members_max = 128;
  std::size_t sorted_value_size_max = 64;
};

struct ServiceSettings {
  std::string bind;
  std::uint16_t port = 0;
  std::string password;  // empty: no login needed
  std::uint32_t clients_max = 10'000;
  std::int64_t bulk_size_max = 16 << 20;
  std::string run_id;
  EncodingSettings encodings;
  // Approximate trimming removes so many entries at a time (Redis's stream-node-max-entries).
  std::uint64_t trim_block = 100;
  std::uint32_t key_events = 0;  // notify-keyspace-events, as KeyEvents has it
  std::uint64_t tracked_keys_max = Tracking::keys_max_usual;  // of all cores
  // A script that has changed nothing ends after this time.
  std::chrono::milliseconds script_time_max{5000};
};

// Counters of one core; INFO adds them up.
struct Counters {
  // Counts the reply when it is an error.
  void note_reply(ByteView reply);

  std::uint64_t connections = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t commands = 0;
  std::uint64_t errors = 0;
  std::map<std::string, std::uint64_t, std::less<>> errors_by_kind;  // by their first word
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t slow_subscribers = 0;  // disconnected
  std::uint64_t expired = 0;           // keys whose time was over
  DenialLog::Counts denied;            // what was refused to users
};

class Service {
 public:
  Service(broker::Broker& broker, ServiceSettings settings);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  broker::Broker& broker() { return broker_; }
  const ServiceSettings& settings() const { return settings_; }
  ServiceSettings& settings() { return settings_; }
  const CommandTable& table() const { return table_; }
  Channels& channels() { return channels_; }
  Waiters& waiters() { return waiters_; }
  ColdCommands& cold_commands() { return cold_commands_; }
  KeyEvents& key_events() { return key_events_; }
  SlowLog& slow_log() { return slow_log_; }
  Counters& counters() { return counters_; }
  CommandStats& command_stats() { return command_stats_; }
  LatencyEvents& latency_events() { return latency_events_; }
  ScriptEngine& scripts() { return scripts_; }
  Accounts& accounts() { return accounts_; }
  Monitors& monitors() { return monitors_; }
  Pause& pause() { return pause_; }
  Tracking& tracking() { return tracking_; }
  Shipping& shipping() { return shipping_; }
  // Takes its setting, of which each core has a part.
  void limit_tracking();
  runtime::SteadyTime started() const { return started_; }
  // An empty string whose memory is kept between commands. Not across calls that may use it too.
  std::string& scratch() {
    if (scratch_.capacity() > scratch_size_max) std::string().swap(scratch_);
    scratch_.clear();
    return scratch_;
  }

  // Of replies with entries: room for one more of the size that the last one had.
  std::size_t usual_read_size() const { return usual_read_size_; }
  void note_read_size(std::size_t size) {
    usual_read_size_ = std::min(size + size / 16, usual_read_size_max);
  }

  // For random answers; which one was given is journaled with the change.
  std::mt19937_64& random() { return random_; }

  void connect(std::vector<Service*> peers);
  Service& peer(CoreIndex core) { return *peers_[core.value]; }
  Service& peer_of(broker::Broker& broker) { return peer(broker.core().index()); }
  bool single_core() const { return peers_.size() == 1; }

  // Clients of this core, by id.
  const std::map<ConnectionId, Client*>& clients() const { return clients_; }
  Client* find_client(ConnectionId id) const;
  ConnectionId add_client(Client& client);
  void remove_client(ConnectionId id);
  // All cores forget what a client that leaves has asked them to tell it.
  void forget_client(Session& session);

  // Runs `work(Service&)` on the core that has, or had, the client: at once when it is this one.
  template <class F>
  void at_home(ConnectionId client, F work);
  // The same on every core.
  template <class F>
  void each_core(F work);
  // A pause is over.
  void resume_held();

  // Runs a command here. The reply is appended to `call.reply` unless the call says otherwise; when
  // it has left `call.cold`, it has not run.
  void run(Call& call);
  // Counts what came of a command that has run.
  void count(const Call& call, ByteView reply, std::chrono::nanoseconds took);
  // The same for EXEC, beside what is counted of its commands.
  void count_exec(const Caller& caller, ByteView reply, std::chrono::nanoseconds took);
  // The same for a command whose reply comes late.
  void count_late(const Command& command, ByteView reply);
  // After a command has run: that there was nothing (left) to do may be the work of a change that
  // is not durable yet, and then the answer waits for that.
  void rest_on_changes(Call& call);
  // Runs queued commands as one; no other command comes between. The reply is null when a watched
  // key has changed. Result: what the reply must wait for; round 0 for nothing.
  broker::Commit run_transaction(const std::vector<QueuedCommand>& queue,
                                 const std::vector<WatchedKey>& watched, const Caller& caller,
                                 ReplyWriter& reply, Client* client);
  // Changes whenever the key does. Requires: this core owns it.
  std::uint64_t fingerprint(ByteView key, WallTime now);
  // Runs a command that another core shipped, and sends the reply back.
  void run_shipped(const Command& command, const PackedArgs& args, const Caller& caller,
                   ReplyPlace place);
  void run_shipped_transaction(const std::vector<QueuedCommand>& queue,
                               const std::vector<WatchedKey>& watched, const Caller& caller,
                               const ReplyPlace& place);
  // Delivers a late reply, from whatever core, once `commit` (of this core) is durable.
  void fulfil(const ReplyPlace& place, std::string bytes, broker::Commit commit);
  // To the subscribers of all cores. They hear it from each core in the order of its calls.
  void publish_everywhere(const std::string& channel, const std::string& message);
  // Puts the call's command among the waiters. `place` gets its reply.
  void block(Call& call, std::uint64_t place);
  // The room of a reply is for others: there will be none, or it may be long in coming.
  void give_back(const ReplyPlace& place);
  // Calls `then` when a client of this core may be answered, as far as memory goes, or is gone. Of
  // an answer that is to come from another core `shipped` bytes are known, of one from here 0;
  // `then` is told what room was taken for its way.
  void when_it_may_answer(ConnectionId client, std::size_t shipped,
                          const std::function<void(std::size_t held)>& then);

  // Runs `each(Service&) -> R` on every core, then `merge(std::vector<R>&&, ReplyWriter&)` here.
  // With several cores the reply is late, and inside a transaction it is refused.
  template <class Each, class Merge>
  void gather(Call& call, Each each, Merge merge);

 private:
  // False when it must wait for the disk.
  bool try_to_run(Call& call);
  void run_shipped_now(const Command& command, const PackedArgs& args, const Caller& caller,
                       const ReplyPlace& place);
  void run_shipped_transaction_now(const std::vector<QueuedCommand>& queue,
                                   const std::vector<WatchedKey>& watched, const Caller& caller,
                                   const ReplyPlace& place);
  // What was queued may be forbidden by now.
  Denial check_queued(const Call& call);
  // Notes the keys that a command has read for a client that keeps them.
  void track(const Call& call);

  broker::Broker& broker_;
  ServiceSettings settings_;
  CommandTable table_;
  Channels channels_;
  Waiters waiters_;
  ColdCommands cold_commands_;
  KeyEvents key_events_;
  SlowLog slow_log_;
  Counters counters_;
  CommandStats command_stats_;
  LatencyEvents latency_events_;
  broker::Commit last_change_{};  // that a command has made here
  ScriptEngine scripts_;
  Monitors monitors_;
  Pause pause_;
  Tracking tracking_;
  Shipping shipping_;
  Accounts accounts_;
  std::vector<Service*> peers_;
  std::map<ConnectionId, Client*> clients_;
  static constexpr std::size_t scratch_size_max = 1u << 20;
  std::string scratch_;
  static constexpr std::size_t usual_read_size_max = 8u << 20;
  std::size_t usual_read_size_ = 0;
  std::mt19937_64 random_;
  std::uint64_t next_client_ = 1;
  runtime::SteadyTime started_;
};

template <class F>
void Service::at_home(ConnectionId client, F work) {
  const auto cores = static_cast<std::uint64_t>(broker_.core_count());
  const CoreIndex home(static_cast<std::uint16_t>(client.value % cores));
  Service& there = peer(home);
  broker_.at_core(home, [&there, work = std::move(work)](broker::Broker&) { work(there); });
}

template <class F>
void Service::each_core(F work) {
  for (Service* one : peers_) {
    broker_.at_core(one->broker_.core().index(), [one, work](broker::Broker&) { work(*one); });
  }
}

template <class Each, class Merge>
void Service::gather(Call& call, Each each, Merge merge) {
  using R = std::invoke_result_t<Each&, Service&>;
  if (single_core()) {
    std::vector<R> results;
    results.push_back(each(*this));
    merge(std::move(results), call.reply);
    return;
  }
  if (call.transaction) return call.reply.error(text::several_cores);
  ReplyPlace place{call.caller.home, call.caller.connection, call.client->defer()};
  call.deferred = true;
  broker_.gather([this, each](broker::Broker& here) mutable { return each(peer_of(here)); },
                 [this, place, merge, protocol = call.reply.protocol(),
                  &command = call.command](std::vector<R> results) {
                   std::string out;
                   ReplyWriter writer(out, protocol);
                   merge(std::move(results), writer);
                   count_late(command, out);
                   fulfil(place, std::move(out), {});
                 });
}

}  // namespace trv::redis
