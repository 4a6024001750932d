// Connection: one Redis client: reads requests, runs them in order, sends the replies in order.
//
// Owner: the core's Server. The read loop is the only coroutine; requests are run by plain
// functions, all that one read brought in one go, so that their changes share one commit.
//
// Requests wait in the read buffer (which has a limit) while
//   - a blocked command has no answer yet, or one that waits for the disk,
//   - a command that shows records follows an append of this client that is not durable yet,
//   - too much output is unsent, its own or, before a read, that of all connections together,
//   - CLIENT PAUSE holds the next one.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "redis/reply_queue.h"
#include "redis/service.h"
#include "redis/wire/request_parser.h"
#include "runtime/stream.h"

namespace trv::redis {

class Connection final : public Client {
 public:
  static constexpr std::size_t paused_input_max = 1u << 20;  // read while requests wait
  static constexpr std::size_t output_high = 4u << 20;       // above it, no more requests are run
  static constexpr std::size_t output_low = 1u << 20;
  static constexpr std::size_t subscriber_output_max = 32u << 20;

  Connection(Service& service, std::unique_ptr<runtime::Stream> stream);
  ~Connection() override;

  // Until the client or the server ends the connection.
  runtime::Task<> run();

  Session& session() override { return session_; }
  ClientFacts facts() const override;
  bool is_near() const override { return stream_->peer_is_loopback(); }
  void push(const Slice& bytes) override;
  void push_behind(const Slice& bytes) override;
  std::uint64_t defer() override;
  void fulfil(std::uint64_t place, std::string bytes, broker::Commit commit) override;
  void on_durable(std::uint64_t place, bool ok) override;
  void resume() override;
  bool unblock(bool with_error) override;
  void await(std::uint64_t place, CoreIndex core, bool blocked) override;
  bool may_answer(UniqueFunction<void()> then) override;
  void kill(bool linger) override;

 private:
  void process();
  // One request. False when there is none, or it has to wait.
  bool step();
  void execute(std::span<const ByteView> args);
  // The request was answered before it became a command: with an error, or it is queued.
  void note_refused(std::span<const ByteView> args, ByteView reply);
  void dispatch(const Command& command, std::span<const ByteView> args);
  void prefetch_next();
  void run_here(const Command& command, std::span<const ByteView> args);
  void ship(const Command& command, std::span<const ByteView> args, CoreIndex owner);
  void execute_transaction();
  void refuse_transaction(std::string_view why);
  void ship_transaction(std::vector<QueuedCommand> queue, std::vector<WatchedKey> watched,
                        CoreIndex owner);
  ReplyPlace place_of(ReplyQueue::SlotId slot, std::size_t held) const;
  void finish(Call& call, std::size_t start, bool mute);
  // Whether the request shows records that this client's own appends must precede.
  bool must_wait_for_appends(std::span<const ByteView> args) const;
  bool reads_log(const Command& command, std::span<const ByteView> args) const;
  bool held_by_pause(std::span<const ByteView> args) const;
  // Whether the command is, or may be, one for another core.
  bool leaves_core(const Command& command, std::span<const ByteView> args) const;
  // Whether the next request, if its answer may be large, has its turn and, should it be run on
  // another core, room for that answer on its way: then the room is taken.
  bool may_run(std::span<const ByteView> args);
  void leave_room();
  void wait_to_answer();
  bool paused() const;
  bool waits_for_others() const;
  bool output_full() const;
  void end_batch();
  void arm(ReplyQueue::SlotId slot, broker::Commit commit);
  void drain();
  void resume_later();
  runtime::Task<> resume_when_drained();
  bool input_full() const;
  void wake_loop();
  void drop_subscriptions();
  void send_late_pushes();
  void end_push();
  bool awaits_no_reading() const;
  bool too_much_unread() const;
  void leave();
  Caller caller() const;
  runtime::Core& core() const;

  Service& service_;
  std::unique_ptr<runtime::Stream> stream_;
  Session session_;
  RequestParser parser_;
  ReplyQueue replies_;
  runtime::Event wake_;
  bool loop_waits_ = false;   // on wake_
  bool draining_ = false;     // resume_when_drained() is under way
  bool awaits_turn_ = false;  // in it
  bool wants_room_ = false;   // in it, behind that
  runtime::Event room_taken_;
  std::optional<std::size_t> room_;  // taken for what is run next
  UniqueFunction<void()> then_;      // what else waits to be answered

  runtime::InputBuffer input_;

  // The late reply that the requests after it wait for; 0: none.
  ReplyQueue::SlotId pending_place_ = 0;
  // Where its command may be waiting for data; nothing when it is on its way elsewhere.
  std::optional<CoreIndex> blocked_on_;
  // Where one has waited for the disk, and others may stand in line behind it.
  std::optional<CoreIndex> cold_on_;
  bool appends_pending_ = false;  // an append of this client is not durable yet
  bool barrier_ = false;          // the next request waits for that
  bool processing_ = false;
  bool running_ = false;     // a request writes its reply
  std::string late_pushes_;  // what came for this client meanwhile
  bool ended_ = false;
  runtime::SteadyTime opened_;
  runtime::SteadyTime last_request_;
};

}  // namespace trv::redis
