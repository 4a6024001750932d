// Session: one AMQP connection without its socket: bytes in, frames out, and what the broker is
// asked in between. handlers/ hold what each method does; connection.cc feeds it.
//
// Owner: the Connection, on its core. Others reach it only through Sessions by its id, which fails
// once it is gone.
//
// Invariants:
//   - methods take effect in the order in which they came; while the broker is asked something that
//     is answered to the client (waiting()), no further frame is looked at;
//   - what is asked sees all that this connection published before;
//   - publishes and settlements do not wait: those of one reading share one commit and one message
//     per queue;
//   - after a close was sent, nothing but close and close-ok is looked at (on that channel, or at
//   all).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "amqp/channel.h"
#include "amqp/convert.h"
#include "amqp/errors.h"
#include "amqp/names.h"
#include "amqp/output.h"
#include "amqp/traffic.h"
#include "amqp/wire/frame.h"
#include "amqp/wire/methods.gen.h"
#include "broker/broker.h"

namespace trv::auth {
class Directory;
class Rights;
}  // namespace trv::auth

namespace trv::amqp {

class Census;
class Session;
class StreamReaders;
struct SessionFacts;  // amqp/management/facts.h

struct SessionOptions {
  bool loopback_only = true;  // for the user that is there from the first
  std::uint16_t channel_max = 2047;
  std::uint32_t frame_max = 131072;
  std::uint16_t heartbeat_seconds = 60;
  std::string version;  // of the product, as shown to clients
};

// What the consumer is told of the delivery in headers.
Additions additions_of(const Subscription& subscription, const broker::Delivery& delivery);

// The sessions of one core by id.
class Sessions {
 public:
  void add(ConnectionId id, Session& session) { by_id_[id] = &session; }
  void remove(ConnectionId id) { by_id_.erase(id); }
  Session* find(ConnectionId id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }
  std::size_t count() const { return by_id_.size(); }
  const std::unordered_map<ConnectionId, Session*>& all() const { return by_id_; }

 private:
  std::unordered_map<ConnectionId, Session*> by_id_;
};

// What sessions of a core work with. Outlives them.
struct Services {
  broker::Broker& broker;
  Sessions& sessions;
  std::vector<StreamReaders*> readers;     // by core
  std::vector<Sessions*> all_sessions;     // by core; each to be used on its own core only
  Census* census = nullptr;                // to be used on its home core only
  std::vector<Traffic*> all_traffic = {};  // by core, as the sessions
  // Bytes of message bodies that have come in part, over all sessions of the core.
  std::size_t assembling_bytes = 0;
  Traffic traffic = {};
};

// Finds a session again when an answer arrives; to be used on the session's core only.
struct SessionLink {
  Sessions* sessions = nullptr;
  ConnectionId id;
  Session* find() const { return sessions->find(id); }
};

// What a question to the broker gives: a value, and how durable it must be before it is told.
template <class T>
struct Answer {
  using Value = T;
  T value;
  std::optional<broker::Commit> commit = std::nullopt;
};

class Session {
 public:
  enum class State : std::uint8_t {
    header,    // nothing has come yet
    starting,  // connection.start is out
    tuning,    // connection.tune is out
    opening,   // tune-ok came, connection.open is due
    running,
    closing,   // we sent connection.close and wait for close-ok
    finished,  // nothing more is read or written
  };

  Session(Services& services, ConnectionId id, Output& output, const SessionOptions& options,
          bool peer_is_loopback);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // How operators see it: the ends of its socket. A session without is nobody's but theirs.
  void set_addresses(std::string peer, std::string local);
  // Instead of the handshake: for operations that come another way.
  void open_directly(std::string user, std::string vhost);
  SessionFacts facts() const;

  // Looks at whole frames from the start of `bytes`. Result: how many bytes are done with. Stops
  // early when it must wait for the broker (see Output::resume) or is finished.
  std::size_t on_bytes(ByteView bytes);
  bool waiting() const { return waiting_ > 0; }
  State state() const { return state_; }
  // The client has asked for the end and was answered: the rest is for it to do.
  bool peer_closes() const { return peer_closes_; }
  // The peer is gone, or the session is: gives back what it holds. Safe to call twice.
  void end();
  void on_drained();
  // Room for `size` more bytes of bodies that are not complete; false when a limit is reached.
  bool reserve_assembly(std::size_t size);
  void release_assembly(std::size_t size);
  // The process is stopping.
  void shut_down();

  std::uint32_t frame_max() const { return frame_max_; }
  std::uint16_t heartbeat_seconds() const { return heartbeat_seconds_; }
  const std::string& client_name() const { return client_name_; }

  // --- for handlers ----------------------------------------------------------------------------
  struct Call {
    Channel& channel;
    wire::MethodId method;
  };

  broker::Broker& broker() const { return services_.broker; }
  Services& services() const { return services_; }
  ConnectionId id() const { return id_; }
  SessionLink link() const { return {&services_.sessions, id_}; }
  const std::string& user() const { return user_; }
  const std::string& vhost() const { return vhost_; }
  // The broker's name for what the client calls so.
  std::string queue_name(ByteView name) const { return queue_in(vhost_, name); }
  std::string exchange_name(ByteView name) const { return exchange_in(vhost_, name); }
  // What the user may do now; null when it may nothing. Valid until the handler returns.
  const auth::Rights* rights();
  std::uint64_t next_key() { return ++last_key_; }
  bool client_takes_cancel() const { return client_takes_cancel_; }

  // Null when it was closed (or is being closed) since.
  Channel* find_open(ChannelRef ref);
  template <class M>
  void send(std::uint16_t channel, const M& method) {
    if (state_ == State::finished) return;
    scratch_.clear();
    wire::write_method_frame(scratch_, channel, method);
    output_.write(std::string_view(scratch_));
  }
  // Closes the channel or the connection, as the failure says.
  void fail(Channel& channel, wire::MethodId method, const Failure& failure);
  void fail_connection(wire::MethodId method, const Failure& failure);

  // Runs `work(Broker&) -> Answer<T>` with the owner of `location`, and `then(Session&, T&&,
  // Status)` here once the answer is durable. `then` does not run when the session has ended.
  template <class Work, class Then>
  void ask(const std::string& location, Work work, Then then);
  // The same for work that answers by itself: `work(Broker&, UniqueFunction<void(T, Status)>)`.
  template <class T, class Work, class Then>
  void ask_later(const std::string& location, Work work, Then then);

  // The same for what is answered on this core: `work(UniqueFunction<void(T...)>)`.
  template <class... T, class Work, class Then>
  void wait_for(Work work, Then then);

  // Before it is told that its channel or connection is closed, a client's messages are where
  // others find them: it has nothing else to wait for, unless it asked for confirms.
  template <class Then>
  void wait_for_publishes(Then then);

  // An answer to the channel's reply consumer, if it is still the one that was meant.
  void deliver_reply(ChannelRef ref, std::uint64_t secret, model::StoredRecord record);
  void deliver(ChannelRef ref, std::uint64_t key, std::vector<broker::Delivery> deliveries);
  // Numbers a delivery; sees to it that it is settled in time, where the queue says so.
  std::uint64_t note_delivery(Channel& channel, Subscription& subscription, Sequence sequence);
  // The queue of a consumer was removed.
  void on_queue_gone(ChannelRef ref, std::uint64_t key);
  // Gives a consumer as much credit as its limits allow.
  void grant(Channel& channel, Subscription& subscription);
  void grant_all(Channel& channel);
  // Sends what was kept back by the channel's limit, as far as that now allows.
  void send_held(Channel& channel);
  // Notes settlements; they go to the broker at the end of this reading, or with the channel's
  // transaction.
  using How = amqp::How;
  void settle(Channel& channel, const std::vector<Unsettled>& entries, How how);
  void settle_now(Channel& channel, const std::vector<Unsettled>& entries, How how);
  void settle_flush(Channel& channel);
  // Settlements are gathered, but what comes after them finds them done: another method, and a
  // publish whose confirm would otherwise be durable earlier, or which the queue would judge
  // without them.
  void settle_before(Channel& channel, wire::MethodId method);
  // Ends the channel's transaction without effect; the next begins.
  void roll_back(Channel& channel);
  // Begins waiting for the confirms up to number `last` that are not waited for yet.
  void confirm_flush(Channel& channel, std::uint64_t last);
  void on_confirmed(ChannelRef ref, std::uint64_t last, bool ok);
  // Writes a message: the method frame, then its header and body.
  template <class M>
  void send_message(std::uint16_t channel, const M& method, ByteView properties,
                    const Slice& body) {
    if (state_ == State::finished) return;
    scratch_.clear();
    wire::write_method_frame(scratch_, channel, method);
    write_content(channel, properties, body);
  }
  // For answers that come when their channel is gone.
  void drop_consumer(const std::string& queue, const std::string& location, ConsumerId id,
                     bool stream);
  void drop_holder(const std::string& queue, const std::string& location, ConsumerId holder);
  void end_channel(Channel& channel);
  void close_channel(std::uint16_t number);
  // Stops a consumer: nothing is delivered to it any more once `done` has run.
  void cancel(Channel& channel, Subscription& subscription, bool answer);
  void mark_dirty(Channel& channel);
  // Before a publish is looked at. On a full disk the connection is not heard until there is space
  // again, and the client is told if it can be (connection.blocked).
  void await_space();
  void note_publish(broker::Commit commit) { published_ = published_ | commit; }
  void publish_pending_begin() { ++pending_publishes_; }
  void publish_pending_end();

  // For those who list what happens.
  void count(Channel& channel, MessageEvent event, std::uint64_t count = 1);
  void count(ChurnEvent event);
  // A message was published; it reached so many queues.
  void count_publish(Channel& channel, bool mandatory, ExchangeCounts& exchange,
                     std::size_t routed);
  std::shared_ptr<ExchangeCounts> exchange_counts(const std::string& name) const;

  // Steps of the handshake, in handlers/connection.cc.
  void on_start_ok(const wire::ConnectionStartOk& method);
  void on_tune_ok(const wire::ConnectionTuneOk& method);
  void on_open(const wire::ConnectionOpen& method);
  void on_let_in();
  void on_close(const wire::ConnectionClose& method);

 private:
  void on_header(ByteView header);
  void on_frame(const wire::Frame& frame);
  void on_connection_frame(const wire::Frame& frame);
  void on_connection_method(const wire::Method& method, wire::MethodId id);
  void on_channel_frame(const wire::Frame& frame);
  void on_channel_method(Channel* channel, const wire::Frame& frame, const wire::Method& method,
                         wire::MethodId id);
  void on_content_frame(Channel& channel, const wire::Frame& frame);
  void on_frame_refused(wire::FrameStatus status, ByteView bytes);
  void open_channel(std::uint16_t number);
  void add_channel(std::uint16_t number);
  // Asks the census on its core; `then(Session&, std::optional<Failure>)` runs here. Counted
  // connections only, and the first question makes it one. In counted.cc, like those below.
  template <class Question, class Then>
  void ask_census(Question question, Then then);
  void enter_census();
  void leave_census();
  void open_counted_channel(std::uint16_t number);
  void uncount_channel();
  void end_reading();
  void begin_wait() { ++waiting_; }
  void end_wait();
  // Runs `work` once all that was published here is durable; at once when it is.
  void after_publishes(UniqueFunction<void()> work);
  void run_deferred();
  void ask_deferred();
  void write_delivery(Channel& channel, Subscription& subscription,
                      const broker::Delivery& delivery);
  // Appends the content to the method frame in scratch_ and writes all.
  void write_content(std::uint16_t channel, ByteView properties, const Slice& body);
  void watch_settling();
  void check_settling();
  void begin_running();
  void send_start();
  void finish();
  bool credentials_fit(ByteView user, ByteView password);
  void refuse_login(ByteView mechanism, bool announce);

  Services& services_;
  const ConnectionId id_;
  Output& output_;
  const SessionOptions& options_;
  const bool peer_is_loopback_;
  State state_ = State::header;
  std::uint32_t frame_max_;
  std::uint16_t channel_max_;
  std::uint16_t heartbeat_seconds_ = 0;
  std::string user_;
  std::string vhost_;
  std::string client_name_;
  std::string client_properties_;  // a table
  std::string mechanism_;
  // Where `rights_` was found, to see when that is out of date.
  std::shared_ptr<const auth::Directory> access_;
  const auth::Rights* rights_ = nullptr;
  std::string peer_address_;
  std::string local_address_;
  WallTime opened_at_{};
  bool client_takes_cancel_ = false;
  bool client_takes_blocked_ = false;
  int waiting_ = 0;
  bool ended_ = false;
  std::shared_ptr<MessageCounts> vhost_counts_;  // null until it runs
  bool counted_ = false;                         // the census has been told of it; no operation is
  bool peer_closes_ = false;
  bool drain_asked_ = false;
  std::uint64_t last_key_ = 0;
  std::uint64_t last_serial_ = 0;
  std::unordered_map<std::uint16_t, std::unique_ptr<Channel>> channels_;
  std::vector<ChannelRef> dirty_;
  broker::Commit published_;
  int pending_publishes_ = 0;
  std::size_t assembling_bytes_ = 0;
  std::vector<UniqueFunction<void()>> deferred_;
  bool deferred_waits_ = false;
  runtime::Timer settle_timer_;  // armed while a delivery with a deadline may be unsettled
  runtime::SteadyTime settle_check_{};
  std::string scratch_;  // the frames being written
};

// Gives the answer of the broker that gave it once it is as durable as it must be.
template <class T>
void reply_when_durable(broker::Broker& owner, Answer<T> answer,
                        UniqueFunction<void(T, Status)> reply) {
  if (!answer.commit || owner.is_durable(*answer.commit)) {
    reply(std::move(answer.value), {});
    return;
  }
  owner.when_durable(*answer.commit, [reply = std::move(reply), value = std::move(answer.value)](
                                         Result<broker::Durable> result) mutable {
    reply(std::move(value), result ? Status() : Status(result.error()));
  });
}

template <class T, class Work, class Then>
void Session::ask_later(const std::string& location, Work work, Then then) {
  begin_wait();
  end_reading();
  after_publishes([this, location, work = std::move(work), then = std::move(then)]() mutable {
    const CoreIndex home = broker().core().index();
    auto finish = [link = link(), then = std::move(then)](T value, Status status) mutable {
      Session* session = link.find();
      if (!session) return;
      then(*session, std::move(value), std::move(status));
      // `then` may have ended the session.
      if ((session = link.find())) session->end_wait();
    };
    broker().at(location, [home, work = std::move(work),
                           finish = std::move(finish)](broker::Broker& owner) mutable {
      UniqueFunction<void(T, Status)> reply = [home, &owner, finish = std::move(finish)](
                                                  T value, Status status) mutable {
        if (owner.core().index() == home) {
          finish(std::move(value), std::move(status));
          return;
        }
        owner.post(home, [finish = std::move(finish), value = std::move(value),
                          status = std::move(status)]() mutable {
          finish(std::move(value), std::move(status));
        });
      };
      work(owner, std::move(reply));
    });
  });
}

template <class... T, class Work, class Then>
void Session::wait_for(Work work, Then then) {
  begin_wait();
  end_reading();
  work(UniqueFunction<void(T...)>([link = link(), then = std::move(then)](T... value) mutable {
    Session* session = link.find();
    if (!session) return;
    then(*session, std::move(value)...);
    // `then` may have ended the session.
    if ((session = link.find())) session->end_wait();
  }));
}

template <class Then>
void Session::wait_for_publishes(Then then) {
  wait_for([this](UniqueFunction<void()> done) { after_publishes(std::move(done)); },
           std::move(then));
}

template <class Work, class Then>
void Session::ask(const std::string& location, Work work, Then then) {
  using T = typename std::invoke_result_t<Work&, broker::Broker&>::Value;
  ask_later<T>(
      location,
      [work = std::move(work)](broker::Broker& owner,
                               UniqueFunction<void(T, Status)> reply) mutable {
        reply_when_durable<T>(owner, work(owner), std::move(reply));
      },
      std::move(then));
}

}  // namespace trv::amqp
