#include "runtime/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "base/log.h"
#include "runtime/detail/core_state.h"
#include "runtime/detail/sockets.h"

namespace trv::runtime {

namespace {

// One stream's share of a round; then the others have their turn.
constexpr std::size_t read_bytes_max = 256 * 1024;
constexpr std::size_t write_bytes_max = 1024 * 1024;
constexpr std::size_t write_parts_max = 64;
// When a peer that reads nothing is spoken of.
constexpr std::chrono::seconds slow_after{10};
// How long others let one that had its turn take nothing of it when there are no more turns before.
constexpr std::chrono::seconds patience{1};

bool would_block(int number) { return number == EAGAIN || number == EWOULDBLOCK; }

Error closed_here() { return Error{Errc::closed, "the connection was closed"}; }

void set_option(int socket, int level, int name, int value) {
  // A socket pair knows neither option; nothing depends on them.
  (void)::setsockopt(socket, level, name, &value, sizeof value);
}

}  // namespace

struct Stream::State final : detail::RoundMember,
                             detail::Writer,
                             std::enable_shared_from_this<Stream::State> {
  enum class Phase {
    open,
    flushing,  // close() was called; the queue is being sent
    ending,    // all is sent and the peer was told; waiting for the peer's end
    closed,    // the descriptor is closed
  };

  Core& core;
  Core::State& loop;
  boost::asio::posix::stream_descriptor descriptor;
  OutputQueue output;
  std::string peer;
  std::string local;
  bool loopback = false;
  Phase phase = Phase::open;
  bool broken = false;           // a write has failed; what is written is dropped
  bool peer_ended = false;       // recv has returned 0
  bool socket_is_empty = true;   // by the last recv; a hint that saves a call
  bool dirty = false;            // in loop.dirty
  bool awaits_writable = false;  // the descriptor tells when it takes more
  bool awaits_memory = false;    // in loop.admission
  bool sends_turn = false;       // what was written in its turn is not all sent
  bool told_slow = false;
  ReadOperation* reading = nullptr;
  DrainOperation* draining = nullptr;
  std::uint64_t round = 0;  // in which round_read_size was counted
  std::size_t round_read_size = 0;
  SteadyTime last_read;
  SteadyTime last_write;
  SteadyTime blocked_since;  // when the socket took no more
  Timer unread;              // armed while something waits for the socket
  Timer stall;               // armed while the others wait for this one
  Timer linger;
  Timer turn_end;  // only has the core look who is next

  State(Core& c, Core::State& l)
      : core(c), loop(l), descriptor(l.io), output(l.blocks), last_read(c.now()) {
    last_write = last_read;
    ++loop.open_sockets;
  }
  ~State() override {
    if (phase != Phase::closed) --loop.open_sockets;
  }

  int socket() { return descriptor.native_handle(); }

  // Reading

  // Nothing: the socket is empty, or the stream's share of this round is used up.
  std::optional<Result<std::size_t>> try_read(InputBuffer& into);
  bool share_is_used() const;
  void await_readable();
  void await_socket();
  void on_readable();
  void watch_stall();
  void on_stall();
  void notice_end();
  void finish_read(Result<std::size_t> result);
  void on_round_start() override;

  // Writing

  void mark_dirty();
  void on_round_end() override;
  void flush();
  void await_writable();
  void watch_unread();
  void on_unread();
  Duration stall_max() const;
  void settle_turn();
  void fail_writes();
  void wake_drained();
  std::size_t held() const override { return output.held(); }
  bool on_turn() override;

  // Closing

  void close(std::chrono::milliseconds linger_for);
  void end();
  void discard_input();
  void close_descriptor();
  void abort();
};

// Reading

bool Stream::State::share_is_used() const {
  return round == loop.round && round_read_size >= read_bytes_max;
}

std::optional<Result<std::size_t>> Stream::State::try_read(InputBuffer& into) {
  if (phase != Phase::open) return closed_here();
  if (share_is_used() || !loop.admission.admits(this)) return std::nullopt;
  std::span<char> room = into.room();
  room = room.first(std::min(room.size(), read_bytes_max));
  ssize_t got = 0;
  do {
    got = ::recv(socket(), room.data(), room.size(), MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    socket_is_empty = true;
    if (would_block(errno)) return std::nullopt;
    return detail::socket_error(errno, "reading from " + peer);
  }
  auto size = static_cast<std::size_t>(got);
  into.filled(size);
  socket_is_empty = size < room.size() && size > 0;
  peer_ended = size == 0;
  if (round != loop.round) {
    round = loop.round;
    round_read_size = 0;
  }
  round_read_size += size;
  loop.round_read_size += size;
  last_read = core.now();
  return size;
}

void Stream::State::await_readable() {
  if (share_is_used()) {
    loop.starting.push_back(shared_from_this());
    return;
  }
  if (phase == Phase::open) {
    if (!loop.admission.admits(this)) {
      awaits_memory = true;
      return loop.admission.wait(shared_from_this());
    }
    loop.admission.rest(this);
  }
  await_socket();
}

void Stream::State::watch_stall() {
  stall = core.schedule(loop.limits.stall_timeout, [this] { on_stall(); });
}

// The turn of one that does something else goes to another. One that is in the middle of a message,
// with nothing to read, would only hold the more memory when its turn comes again.
void Stream::State::on_stall() {
  if (!loop.admission.is_alone(this)) return;
  if (!loop.admission.anyone_waits() || core.now() - last_read < loop.limits.stall_timeout) {
    return watch_stall();
  }
  if (reading == nullptr) return loop.admission.leave(this);
  log::warn("{}: dropped: memory is short, and it stopped in the middle of a message", peer);
  abort();
}

void Stream::State::await_socket() {
  descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& failure) {
                          if (!failure) self->on_readable();
                        });
}

void Stream::State::on_readable() {
  if (phase == Phase::ending) return discard_input();
  if (reading == nullptr) return;
  if (auto result = try_read(reading->into_)) {
    finish_read(std::move(*result));
  } else {
    reading->into_.release_if_empty();
    await_readable();
  }
}

// That its peer has gone is told to who waits for memory to read: it takes none.
void Stream::State::notice_end() {
  if (reading == nullptr || !awaits_memory) return;
  char next = 0;
  const ssize_t got = ::recv(socket(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got == 0) {
    peer_ended = true;
    finish_read(0);
  } else if (got < 0 && !would_block(errno) && errno != EINTR) {
    finish_read(detail::socket_error(errno, "reading from " + peer));
  }
}

void Stream::State::on_round_start() {
  awaits_memory = false;
  if (reading == nullptr) {
    loop.admission.leave(this);
  } else if (loop.admission.is_alone(this)) {
    watch_stall();
  }
  on_readable();
}

void Stream::State::finish_read(Result<std::size_t> result) {
  ReadOperation& operation = *std::exchange(reading, nullptr);
  operation.result_ = std::move(result);
  operation.waiter_.wake();
}

// Writing

void Stream::State::mark_dirty() {
  if (dirty || awaits_writable) return;
  dirty = true;
  loop.dirty.push_back(shared_from_this());
}

void Stream::State::on_round_end() {
  dirty = false;
  if (phase == Phase::open || phase == Phase::flushing) flush();
}

void Stream::State::flush() {
  std::size_t sent_now = 0;
  while (!output.empty() && sent_now < write_bytes_max) {
    std::array<iovec, write_parts_max> parts;
    OutputQueue::Gathered gathered = output.gather(parts);
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = gathered.parts;
    ssize_t sent = ::sendmsg(socket(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && !would_block(errno)) return fail_writes();
    auto size = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    output.consume(size);
    sent_now += size;
    if (size < gathered.size) {
      await_writable();
      break;
    }
  }
  if (sent_now > 0) last_write = core.now();
  if (!output.empty()) {
    mark_dirty();  // unless the descriptor will tell
  } else {
    settle_turn();
    if (phase == Phase::flushing) end();
  }
  wake_drained();
}

void Stream::State::await_writable() {
  awaits_writable = true;
  if (!unread.armed()) {
    blocked_since = core.now();
    told_slow = false;
    watch_unread();
  }
  descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                        [self = shared_from_this()](const boost::system::error_code& failure) {
                          self->awaits_writable = false;
                          if (!failure && !self->output.empty()) self->mark_dirty();
                        });
}

void Stream::State::watch_unread() {
  const Duration soon = sends_turn ? Duration(patience) : slow_after;
  unread =
      core.schedule(std::min<Duration>(soon, loop.limits.send_timeout), [this] { on_unread(); });
}

void Stream::State::on_unread() {
  if (output.empty() || phase != Phase::open) return;
  const Duration since = core.now() - std::max(blocked_since, last_write);
  if (since >= loop.limits.send_timeout) {
    log::warn("{}: dropped: {} bytes wait for it and it reads none", peer, output.size());
    return abort();
  }
  if (sends_turn && since >= stall_max() && loop.write_admission.exhausted()) {
    log::warn("{}: dropped: memory is short, {} bytes wait for it and it reads none", peer,
              output.size());
    return abort();
  }
  if (since >= slow_after && !std::exchange(told_slow, true)) {
    log::info("{}: slow: {} bytes wait for it", peer, output.size());
  }
  watch_unread();
}

Duration Stream::State::stall_max() const {
  if (!loop.write_admission.holds_up_others()) return loop.limits.stall_timeout;
  return std::min<Duration>(patience, loop.limits.stall_timeout);
}

void Stream::State::settle_turn() {
  if (std::exchange(sends_turn, false)) loop.write_admission.settle(this);
}

// The reader finds out by itself, after whatever the peer still sent.
void Stream::State::fail_writes() {
  broken = true;
  output.clear();
  settle_turn();
  if (phase == Phase::flushing) close_descriptor();
  wake_drained();
}

void Stream::State::wake_drained() {
  if (draining == nullptr || output.size() > draining->limit_) return;
  if (draining->in_turn_ && !broken) return;
  std::exchange(draining, nullptr)->waiter_.wake();
}

bool Stream::State::on_turn() {
  if (draining == nullptr || !draining->in_turn_) return false;
  notice_end();
  sends_turn = loop.write_admission.exhausted();
  if (sends_turn) turn_end = core.schedule(detail::WriteAdmission::turn_max, [] {});
  // It may be armed for a later time.
  if (unread.armed()) watch_unread();
  std::exchange(draining, nullptr)->waiter_.wake();
  return true;
}

// Closing

void Stream::State::close(std::chrono::milliseconds linger_for) {
  if (phase != Phase::open) return;
  phase = Phase::flushing;
  loop.admission.leave(this);
  loop.write_admission.leave(this);
  if (reading != nullptr) finish_read(closed_here());
  if (draining != nullptr) std::exchange(draining, nullptr)->waiter_.wake();
  boost::system::error_code ignored;  // nothing to cancel
  descriptor.cancel(ignored);
  awaits_writable = false;
  if (broken) return close_descriptor();
  // The timer belongs to this state, and dies with it.
  linger = core.schedule(linger_for, [this] { close_descriptor(); });
  if (!output.empty()) {
    mark_dirty();
  } else {
    end();
  }
}

// Closing a socket that has unread input would reset the connection and could take back what was
// just sent: so read up to the peer's end.
void Stream::State::end() {
  phase = Phase::ending;
  if (peer_ended || ::shutdown(socket(), SHUT_WR) != 0) return close_descriptor();
  discard_input();
}

void Stream::State::discard_input() {
  std::array<char, 4096> discarded;
  std::size_t total = 0;
  while (total < read_bytes_max) {
    ssize_t got = ::recv(socket(), discarded.data(), discarded.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0 || (got < 0 && !would_block(errno))) return close_descriptor();
    if (got < 0) break;
    total += static_cast<std::size_t>(got);
  }
  await_readable();
}

void Stream::State::close_descriptor() {
  if (phase == Phase::closed) return;
  phase = Phase::closed;
  --loop.open_sockets;
  output.clear();
  loop.admission.leave(this);
  loop.write_admission.leave(this);
  unread.cancel();
  stall.cancel();
  linger.cancel();
  turn_end.cancel();
  boost::system::error_code ignored;  // the descriptor is gone in any case
  descriptor.close(ignored);
}

void Stream::State::abort() {
  if (phase == Phase::closed) return;
  // Reset instead of sending what the kernel holds.
  ::linger at_once{1, 0};
  (void)::setsockopt(socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  if (reading != nullptr) finish_read(closed_here());
  if (draining != nullptr) std::exchange(draining, nullptr)->waiter_.wake();
  close_descriptor();
}

// Stream

Result<std::unique_ptr<Stream>> Stream::adopt(Core& core, int socket) {
  auto state = std::make_shared<State>(core, *core.state_);
  boost::system::error_code failure;
  state->descriptor.assign(socket, failure);
  if (failure) {
    ::close(socket);
    return Error{Errc::io_error, "watching a connection: " + failure.message()};
  }
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  detail::SocketAddress peer = detail::peer_address_of(socket);
  state->peer = peer.text();
  state->loopback = peer.is_loopback();
  state->local = detail::local_address_of(socket).text();
  return std::unique_ptr<Stream>(new Stream(std::move(state)));
}

Stream::Stream(std::shared_ptr<State> state) : state_(std::move(state)) { ++state_->loop.streams; }

Stream::~Stream() {
  state_->close(std::chrono::milliseconds(1000));
  --state_->loop.streams;
}

Stream::ReadOperation Stream::read(InputBuffer& into) { return {state_, into}; }

void Stream::write(std::string_view bytes) {
  if (bytes.empty() || state_->phase != State::Phase::open || state_->broken) return;
  state_->output.add(bytes);
  state_->mark_dirty();
}

void Stream::write(Slice slice) {
  if (slice.empty() || state_->phase != State::Phase::open || state_->broken) return;
  state_->output.add(std::move(slice));
  state_->mark_dirty();
}

std::size_t Stream::unsent() const { return state_->output.size(); }
std::size_t Stream::unsent_limit(std::size_t wanted) const {
  return state_->core.unsent_limit(wanted);
}
bool Stream::has_turn() const { return state_->loop.write_admission.admits(state_.get()); }
bool Stream::waits_for_memory() const { return state_->awaits_memory; }
Stream::DrainOperation Stream::drained(std::size_t limit) { return {state_, limit, false}; }
Stream::DrainOperation Stream::turn() {
  return {state_, std::numeric_limits<std::size_t>::max(), true};
}
void Stream::close(std::chrono::milliseconds linger) { state_->close(linger); }
void Stream::abort() { state_->abort(); }
bool Stream::broken() const { return state_->broken; }
bool Stream::closed() const { return state_->phase != State::Phase::open; }
Core& Stream::core() const { return state_->core; }
const std::string& Stream::peer_address() const { return state_->peer; }
const std::string& Stream::local_address() const { return state_->local; }
bool Stream::peer_is_loopback() const { return state_->loopback; }
SteadyTime Stream::last_read() const { return state_->last_read; }
SteadyTime Stream::last_write() const { return state_->last_write; }

// Operations

Stream::ReadOperation::ReadOperation(const std::shared_ptr<State>& state, InputBuffer& into)
    : state_(state), into_(into), result_(std::size_t{0}) {
  TRV_ASSERT(state->reading == nullptr);
}

Stream::ReadOperation::~ReadOperation() {
  if (state_->reading == this) state_->reading = nullptr;
}

bool Stream::ReadOperation::await_ready() {
  // When the last read has emptied the socket, there is rarely more: save the call and wait.
  if (state_->phase == State::Phase::open && state_->socket_is_empty) return false;
  auto result = state_->try_read(into_);
  if (!result) return false;
  result_ = std::move(*result);
  return true;
}

void Stream::ReadOperation::await_suspend(std::coroutine_handle<> handle) {
  waiter_.arm(handle);
  into_.release_if_empty();
  state_->reading = this;
  state_->await_readable();
}

Stream::DrainOperation::DrainOperation(const std::shared_ptr<State>& state, std::size_t limit,
                                       bool in_turn)
    : state_(state), limit_(limit), in_turn_(in_turn) {
  TRV_ASSERT(state->draining == nullptr);
}

Stream::DrainOperation::~DrainOperation() {
  if (state_->draining == this) state_->draining = nullptr;
}

bool Stream::DrainOperation::await_ready() {
  if (state_->phase != State::Phase::open || state_->broken) return true;
  if (in_turn_) return state_->loop.write_admission.admits(state_.get());
  return state_->output.size() <= limit_;
}

void Stream::DrainOperation::await_suspend(std::coroutine_handle<> handle) {
  waiter_.arm(handle);
  state_->draining = this;
  if (in_turn_) state_->loop.write_admission.wait(state_);
}

}  // namespace trv::runtime
