#include "redis/connection.h"

#include <utility>

#include "base/mutant.h"
#include "broker/keyspaces.h"
#include "redis/handlers/scan.h"
#include "redis/script_run.h"

namespace trv::redis {

namespace {

// A reply of this size goes to the stream as it is; copying smaller ones together is cheaper.
constexpr std::size_t handed_over_size_min = 64u << 10;

RequestLimits limits_of(const ServiceSettings& settings) {
  RequestLimits limits;
  limits.bulk_size_max = settings.bulk_size_max;
  return limits;
}

}  // namespace

Connection::Connection(Service& service, std::unique_ptr<runtime::Stream> stream)
    : service_(service),
      stream_(std::move(stream)),
      parser_(limits_of(service.settings())),
      input_(service.broker().core().input_blocks()),
      opened_(core().now()),
      last_request_(opened_) {
  session_.id = service_.add_client(*this);
  service_.accounts().begin(session_);
  ++service_.counters().connections;
}

Connection::~Connection() { service_.remove_client(session_.id); }

runtime::Core& Connection::core() const { return service_.broker().core(); }

Caller Connection::caller() const {
  Caller caller{session_.id, core().index(),          session_.protocol, session_.tracking.tracks(),
                {},          session_.account->name()};
  caller.no_touch = session_.no_touch;
  if (service_.monitors().any()) caller.peer = stream_->peer_address();
  return caller;
}

ClientFacts Connection::facts() const {
  ClientFacts facts;
  facts.peer_address = stream_->peer_address();
  facts.local_address = stream_->local_address();
  runtime::SteadyTime now = core().now();
  facts.age = std::chrono::duration_cast<std::chrono::seconds>(now - opened_);
  facts.idle = std::chrono::duration_cast<std::chrono::seconds>(now - last_request_);
  facts.input_bytes = input_.size();
  facts.output_bytes = stream_->unsent() + replies_.byte_size();
  facts.blocked = blocked_on_.has_value() || session_.held;
  return facts;
}

// --- the loop ------------------------------------------------------------------------------------

runtime::Task<> Connection::run() {
  while (!stream_->closed() && !session_.closing) {
    if (input_full()) {
      loop_waits_ = true;
      co_await wake_.wait();
      loop_waits_ = false;
      continue;
    }
    Result<std::size_t> got = co_await stream_->read(input_);
    if (!got || *got == 0) break;
    service_.counters().input_bytes += *got;
    process();
  }
  // Whoever has finished sending may still read the replies to what it sent, but not wait for more.
  while (!stream_->closed() && !session_.closing && paused() && !waits_for_others()) {
    loop_waits_ = true;
    co_await wake_.wait();
    loop_waits_ = false;
  }
  leave();
  while (!replies_.idle() && !stream_->closed()) {
    loop_waits_ = true;
    co_await wake_.wait();
    loop_waits_ = false;
  }
  stream_->close();
  while (draining_) {
    loop_waits_ = true;
    co_await wake_.wait();
    loop_waits_ = false;
  }
}

bool Connection::waits_for_others() const {
  return blocked_on_.has_value() || session_.held || awaits_turn_;
}

void Connection::wake_loop() {
  if (loop_waits_) wake_.set();
}

// Ends what the client no longer takes part in.
void Connection::leave() {
  ended_ = true;
  drop_subscriptions();
  service_.forget_client(session_);
  for (const std::optional<CoreIndex>& waits_at : {blocked_on_, cold_on_}) {
    if (!waits_at) continue;
    service_.broker().at_core(
        *waits_at, [&there = service_.peer(*waits_at), id = session_.id](broker::Broker&) {
          there.waiters().cancel(id);
          there.cold_commands().leave(id);
        });
  }
  if (blocked_on_) {
    // Nobody waits for the replies behind it.
    stream_->close();
  }
}

bool Connection::input_full() const {
  std::size_t limit = paused() ? paused_input_max : parser_.limits().request_size_max + (64u << 10);
  return input_.size() >= limit;
}

bool Connection::output_full() const { return draining_ || replies_.byte_size() > output_high; }

bool Connection::paused() const {
  return pending_place_ != 0 || barrier_ || session_.held || output_full();
}

void Connection::resume() {
  session_.held = false;
  process();
}

void Connection::process() {
  if (processing_) return;
  processing_ = true;
  while (!ended_ && !session_.closing && !paused() && step()) {
  }
  processing_ = false;
  leave_room();
  input_.release_if_empty();
  end_batch();
  if (!draining_ && !stream_->closed() && stream_->unsent() > stream_->unsent_limit(output_high)) {
    wait_to_answer();
  }
  wake_loop();
}

void Connection::wait_to_answer() {
  draining_ = true;
  core().spawn(resume_when_drained());
}

runtime::Task<> Connection::resume_when_drained() {
  co_await stream_->drained(stream_->unsent_limit(output_low));
  awaits_turn_ = true;
  co_await stream_->turn();
  awaits_turn_ = false;
  if (std::exchange(wants_room_, false) && !ended_) {
    const std::size_t size = service_.shipping().expected();
    service_.shipping().enter_later(size, [this, size] {
      room_ = size;
      room_taken_.set();
    });
    co_await room_taken_.wait();
  }
  draining_ = false;
  if (then_) std::exchange(then_, {})();
  process();
  wake_loop();
}

bool Connection::may_answer(UniqueFunction<void()> then) {
  if (!draining_ && stream_->has_turn()) return true;
  then_ = std::move(then);
  if (!draining_) wait_to_answer();
  return false;
}

bool Connection::step() {
  RequestParser::Outcome outcome = parser_.next(input_.unread(), session_.authenticated);
  if (outcome == RequestParser::Outcome::error) {
    ReplyWriter(replies_.tail(), session_.protocol).error(parser_.error());
    service_.counters().note_reply("-ERR ");
    session_.closing = true;
    return false;
  }
  if (outcome == RequestParser::Outcome::need_more) {
    input_.consume(parser_.consumed());
    return false;
  }
  if (appends_pending_ && must_wait_for_appends(parser_.args())) {
    barrier_ = true;  // it stays in the buffer
    return false;
  }
  if (held_by_pause(parser_.args())) {
    session_.held = true;
    return false;
  }
  if (!may_run(parser_.args())) {
    wait_to_answer();
    return false;
  }
  execute(parser_.args());
  leave_room();
  input_.consume(parser_.consumed());
  return true;
}

// What is refused anyway is so at once.
bool Connection::held_by_pause(std::span<const ByteView> args) const {
  if (service_.pause().kind() == Pause::Kind::none) return false;
  const Command* command = find_command(service_.table(), args);
  if (!command || !has_arity(*command, args)) return false;
  if (!session_.authenticated && !command->has(flag::no_auth)) return false;
  return service_.pause().holds(*command, session_, args);
}

bool Connection::leaves_core(const Command& command, std::span<const ByteView> args) const {
  if (service_.single_core() || !has_arity(command, args)) return false;
  bool away = command.where == Where::transaction || command.where == Where::cursor;
  if (command.where != Where::keys) return away;
  CommandTable::each_key(command, args, [&](std::size_t i) {
    away = away || service_.broker().owner_of(args[i]) != core().index();
  });
  return away;
}

bool Connection::may_run(std::span<const ByteView> args) {
  const bool has_turn = stream_->has_turn();
  if (has_turn && service_.single_core()) return true;
  const Command* command = find_command(service_.table(), args);
  if (!command || !command->answers_much()) return true;
  if (!has_turn) return false;
  if (room_ || !leaves_core(*command, args)) return true;
  const std::size_t size = service_.shipping().expected();
  wants_room_ = !service_.shipping().try_enter(size);
  if (!wants_room_) room_ = size;
  return !wants_room_;
}

void Connection::leave_room() {
  if (room_) service_.shipping().leave(*std::exchange(room_, std::nullopt));
}

bool Connection::must_wait_for_appends(std::span<const ByteView> args) const {
  const Command* command = service_.table().find(args[0]);
  if (!command || TRV_MUTANT(reads_overtake_own_writes)) return false;
  if (command->where == Where::transaction) {
    for (const QueuedCommand& one : session_.queue) {
      std::vector<ByteView> words(one.args.begin(), one.args.end());
      if (reads_log(*one.command, words)) return true;
    }
    return false;
  }
  return reads_log(*command, args) && session_.transaction == TransactionState::none;
}

bool Connection::reads_log(const Command& command, std::span<const ByteView> args) const {
  if (!command.has(flag::script)) return command.has(flag::reads_log);
  if (args.size() < 2) return false;
  if (const ScriptEngine::Script* script = service_.scripts().find(args[1])) {
    return script->names_streams;
  }
  return ScriptEngine::names_streams(args[1]);
}

// --- running -------------------------------------------------------------------------------------

void Connection::execute(std::span<const ByteView> args) {
  last_request_ = core().now();
  session_.awaits_removal = false;
  service_.accounts().follow();
  std::string& out = replies_.tail();
  std::size_t start = out.size();
  ReplyWriter reply(out, session_.protocol);
  Denial denial;
  const bool in_transaction = session_.transaction != TransactionState::none;
  const Command* command = admit(service_.table(), session_, args, reply, denial);
  if (denial) {
    service_.accounts().note(
        caller(), denial,
        in_transaction ? DenialLog::Context::transaction : DenialLog::Context::toplevel);
  }
  if (command) {
    session_.last_command = command;
    dispatch(*command, args);
    return end_command(session_, command);
  }
  end_command(session_, nullptr);
  note_refused(args, ByteView(out).substr(start));
  if (session_.reply_mode != ReplyMode::on) out.resize(start);
  if (session_.reply_mode == ReplyMode::skip) session_.reply_mode = ReplyMode::on;
  replies_.count_tail();
}

void Connection::note_refused(std::span<const ByteView> args, ByteView reply) {
  if (!reply.starts_with('-')) return;  // queued
  service_.counters().note_reply(reply);
  const Command* command = find_command(service_.table(), args);
  if (command && command->run) service_.command_stats().note_rejected(*command);
}

void Connection::dispatch(const Command& command, std::span<const ByteView> args) {
  if (command.where == Where::transaction && session_.transaction != TransactionState::none) {
    return execute_transaction();
  }
  if (service_.single_core()) return run_here(command, args);
  CoreIndex here = core().index();
  if (command.where == Where::keys) {
    std::optional<CoreIndex> owner;
    bool several = false;
    bool shaped = CommandTable::each_key(command, args, [&](std::size_t i) {
      CoreIndex one = service_.broker().owner_of(args[i]);
      several = several || (owner && *owner != one);
      owner = one;
    });
    if (several) {
      std::string& out = replies_.tail();
      std::size_t start = out.size();
      ReplyWriter(out, session_.protocol).error(text::several_cores);
      note_refused(args, ByteView(out).substr(start));
      return replies_.count_tail();
    }
    if (shaped && owner && *owner != here) return ship(command, args, *owner);
  }
  if (command.where == Where::cursor) {
    CoreIndex owner = scan_owner(service_.broker(), args[1]);
    if (owner != here) return ship(command, args, owner);
  }
  run_here(command, args);
}

// While this request runs, what the next one's key names comes near: waiting for memory is a good
// part of what a short command takes.
void Connection::prefetch_next() {
  const ByteView key = RequestParser::peek_key(input_.unread().substr(parser_.consumed()));
  if (!key.empty()) service_.broker().keyspaces().prefetch(key);
}

void Connection::run_here(const Command& command, std::span<const ByteView> args) {
  // Who sends one like this is likely to send more of them.
  if (command.where == Where::keys && !command.has(flag::appends)) prefetch_next();
  std::string& out = replies_.tail();
  std::size_t start = out.size();
  ReplyWriter reply(out, session_.protocol);
  Caller who = caller();
  Call call{service_, service_.broker(), command, args, reply, who, service_.broker().wall_now()};
  call.session = &session_;
  call.client = this;
  ReplyMode mode = session_.reply_mode;
  if (mode == ReplyMode::skip) session_.reply_mode = ReplyMode::on;
  running_ = true;
  service_.run(call);
  // CLIENT REPLY ON and RESET are answered though replies were off, or this one was to be skipped;
  // and subscriptions are confirmed in any case.
  const bool subscribes = command.has(flag::pubsub) && command.has(flag::subscriber);
  const bool turned_on = command.name == "reset" || (command.name == "client|reply" &&
                                                     ByteView(out).substr(start) == "+OK\r\n");
  const bool dropped = mode != ReplyMode::on && !turned_on && !subscribes;
  if (dropped && !call.block && !call.deferred) {
    out.resize(start);
    call.waits = false;
  }
  finish(call, start, dropped);
  send_late_pushes();
}

void Connection::finish(Call& call, std::size_t start, bool mute) {
  if (!call.cold.empty()) {
    return service_.cold_commands().add(call, place_of(replies_.open(), 0), mute);
  }
  if (call.block) {
    pending_place_ = replies_.open();
    blocked_on_ = core().index();
    return service_.block(call, pending_place_);
  }
  if (call.deferred) return;
  if ((call.command.has(flag::appends) || call.appended) && call.waits) appends_pending_ = true;
  if (call.waits) replies_.wait(start, call.commit);
  replies_.count_tail();
}

// --- replies -------------------------------------------------------------------------------------

void Connection::arm(ReplyQueue::SlotId slot, broker::Commit commit) {
  service_.broker().when_durable(
      commit, [&service = service_, id = session_.id, slot](Result<broker::Durable> result) {
        auto at = service.clients().find(id);
        if (at != service.clients().end()) at->second->on_durable(slot, result.ok());
      });
}

void Connection::on_durable(std::uint64_t place, bool ok) {
  if (!ok) {
    // The replies that were promised can not be given, and their number is unknown to the client.
    std::string bytes;
    ReplyWriter(bytes, session_.protocol).error(text::cannot_store);
    stream_->write(bytes);
    return stream_->close();
  }
  if (!replies_.release(place)) return;
  const bool held = barrier_;
  drain();
  // What was held back is to see what becomes visible at this very moment: it goes on later.
  if (held && !barrier_) return;
  process();
}

void Connection::end_batch() {
  replies_.arm_all([this](ReplyQueue::SlotId slot, broker::Commit commit) { arm(slot, commit); });
  drain();
}

// Whoever let the held-back request go may be inside process() or at its end already.
void Connection::resume_later() {
  core().post([&service = service_, id = session_.id] {
    auto at = service.clients().find(id);
    if (at != service.clients().end()) at->second->resume();
  });
}

void Connection::drain() {
  replies_.drain([this](std::string&& bytes) {
    service_.counters().output_bytes += bytes.size();
    if (bytes.size() >= handed_over_size_min && is_tight(bytes)) {
      stream_->write(Slice::own(std::move(bytes)));
    } else {
      stream_->write(ByteView(bytes));
    }
  });
  if (!replies_.idle()) return;
  appends_pending_ = false;
  if (std::exchange(barrier_, false)) resume_later();
  if (session_.closing) {
    stream_->close();
    wake_loop();
  }
  if (ended_) wake_loop();
}

bool Connection::too_much_unread() const {
  return stream_->unsent() + replies_.byte_size() + late_pushes_.size() > subscriber_output_max;
}

void Connection::push(const Slice& bytes) {
  if (ended_) return;
  if (running_) {
    // It would end up inside the reply.
    late_pushes_ += bytes.view();
  } else if (replies_.idle() && replies_.byte_size() == 0) {
    // Nothing is before it: one encoding serves all subscribers.
    service_.counters().output_bytes += bytes.size();
    stream_->write(bytes);
  } else if (awaits_no_reading()) {
    replies_.push_before_open(bytes.view());
  } else {
    replies_.push(bytes.view());
    replies_.count_tail();
  }
  end_push();
}

void Connection::push_behind(const Slice& bytes) {
  if (ended_) return;
  if (running_) {
    late_pushes_ += bytes.view();
  } else {
    replies_.push(bytes.view());
    replies_.count_tail();
  }
  end_push();
}

// A blocked command that shows nothing: what it will answer does not depend on what is told before.
bool Connection::awaits_no_reading() const {
  return blocked_on_ && session_.last_command && !session_.last_command->has(flag::read_only);
}

void Connection::end_push() {
  if (too_much_unread()) {
    ++service_.counters().slow_subscribers;
    return kill(false);
  }
  if (!processing_) end_batch();
}

void Connection::send_late_pushes() {
  running_ = false;
  if (!late_pushes_.empty()) push(Slice::own(std::exchange(late_pushes_, {})));
}

std::uint64_t Connection::defer() {
  TRV_ASSERT(pending_place_ == 0);
  pending_place_ = replies_.open();
  return pending_place_;
}

void Connection::fulfil(std::uint64_t place, std::string bytes, broker::Commit commit) {
  bool durable = commit.round == 0 || service_.broker().is_durable(commit);
  if (!replies_.fulfil(place, std::move(bytes), commit, durable)) return;
  if (place == pending_place_) {
    // What has waited may have added records, too.
    const Command* command = session_.last_command;
    if (!durable && command && command->has(flag::appends)) appends_pending_ = true;
    pending_place_ = 0;
    blocked_on_.reset();
  }
  if (processing_) return;
  // Later requests first: their changes share the round, and their replies the way out.
  process();
}

bool Connection::unblock(bool with_error) {
  if (!blocked_on_ || pending_place_ == 0) return false;
  std::string bytes;
  ReplyWriter reply(bytes, session_.protocol);
  if (with_error) {
    reply.error(text::unblocked);
  } else {
    reply.null_array();
  }
  // Which is the command that waits.
  const Command* command = session_.last_command;
  TRV_ASSERT(command != nullptr);
  if (*blocked_on_ == core().index()) {
    if (!service_.waiters().cancel(session_.id)) return false;
    service_.count_late(*command, bytes);
    fulfil(pending_place_, std::move(bytes), {});
    return true;
  }
  // What it waits for may be on its way: only who still waits is told that it need not.
  Service& waiting_at = service_.peer(*blocked_on_);
  const ReplyPlace place = place_of(pending_place_, 0);
  service_.broker().post(*blocked_on_,
                         [&waiting_at, place, command, bytes = std::move(bytes)]() mutable {
                           if (waiting_at.waiters().cancel(place.connection)) {
                             waiting_at.count_late(*command, bytes);
                             waiting_at.fulfil(place, std::move(bytes), {});
                           }
                         });
  return true;
}

void Connection::await(std::uint64_t place, CoreIndex core, bool blocked) {
  if (!blocked) cold_on_ = core;
  if (place < pending_place_) return;  // a later one is waited for
  pending_place_ = place;
  blocked_on_ = blocked ? std::optional(core) : std::nullopt;
  wake_loop();
}

void Connection::kill(bool linger) {
  if (linger) {
    session_.closing = true;
    if (!processing_) end_batch();
  } else {
    stream_->abort();
  }
  wake_loop();
}

void Connection::drop_subscriptions() {
  for (const std::string& channel : session_.channels) {
    service_.channels().unsubscribe(*this, channel);
  }
  for (const std::string& pattern : session_.patterns) {
    service_.channels().unsubscribe_pattern(*this, pattern);
  }
  session_.channels.clear();
  session_.patterns.clear();
}

}  // namespace trv::redis
