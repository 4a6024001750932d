#include "amqp/connection.h"

#include "base/log.h"

namespace trv::amqp {

namespace {

using std::chrono::seconds;

// Beyond this the connection is not read, so that answers cannot pile up.
constexpr std::size_t unsent_max = 16u << 20;
constexpr std::size_t drained_at = 1u << 20;
constexpr seconds handshake_time_max{10};
// How long a peer may take to answer our connection.close.
constexpr seconds closing_time_max{5};

}  // namespace

Connection::Connection(std::unique_ptr<runtime::Stream> stream, Services& services, ConnectionId id,
                       const SessionOptions& options)
    : stream_(std::move(stream)),
      session_(services, id, *this, options, stream_->peer_is_loopback()),
      input_(stream_->core().input_blocks()) {
  session_.set_addresses(stream_->peer_address(), stream_->local_address());
}

Connection::~Connection() = default;

runtime::Task<> Connection::run() {
  handshake_timer_ = stream_->core().schedule(handshake_time_max, [this] {
    if (session_.state() < Session::State::running) {
      log::info("amqp {}: handshake took too long", stream_->peer_address());
      stream_->abort();
    }
  });
  while (serve_buffer()) {
    while (session_.waiting() && session_.state() != Session::State::finished) {
      co_await resumed_.wait();
      if (stream_->closed()) break;
      if (!session_.waiting() && !serve_buffer()) break;
    }
    if (session_.state() == Session::State::finished || stream_->closed()) break;
    if (stream_->unsent() > unsent_max) {
      wait_drained();
      while (stream_->unsent() > unsent_max && !stream_->closed()) co_await resumed_.wait();
    }
    const auto got = co_await stream_->read(input_);
    if (!got || *got == 0) break;
    count(OctetEvent::received, *got);
  }
  session_.end();
  handshake_timer_.cancel();
  heartbeat_timer_.cancel();
  if (session_.peer_closes()) co_await wait_peer_gone();
  closing_timer_.cancel();
  stream_->close();
  co_await gate_.close();
}

// A client that uses its connection from several threads may write after its close; an end that it
// did not make itself would be an error to it.
runtime::Task<> Connection::wait_peer_gone() {
  closing_timer_ = stream_->core().schedule(closing_time_max, [this] { stream_->close(); });
  for (;;) {
    input_.consume(input_.size());
    const auto got = co_await stream_->read(input_);
    if (!got || *got == 0) break;
  }
}

bool Connection::serve_buffer() {
  if (session_.state() == Session::State::finished) return false;
  input_.consume(session_.on_bytes(input_.unread()));
  // Perhaps since the last time: another core may have let it in.
  if (!open_ && session_.state() == Session::State::running) {
    open_ = true;
    handshake_timer_.cancel();
    schedule_heartbeat();
    log::debug("amqp {}: open, client '{}'", stream_->peer_address(), session_.client_name());
  }
  return session_.state() != Session::State::finished;
}

void Connection::expect_end() {
  if (closing_timer_.armed()) return;
  closing_timer_ = stream_->core().schedule(closing_time_max, [this] { stream_->close(); });
}

void Connection::wait_drained() {
  if (std::exchange(draining_, true) || gate_.closed()) return;
  gate_.enter();
  stream_->core().spawn(drain());
}

runtime::Task<> Connection::drain() {
  co_await stream_->drained(stream_->unsent_limit(drained_at));
  draining_ = false;
  session_.on_drained();
  resumed_.set();
  gate_.leave();
}

void Connection::schedule_heartbeat() {
  if (session_.heartbeat_seconds() == 0) return;
  // Twice an interval: half of it without a write must be followed by one.
  const auto period = std::chrono::milliseconds(session_.heartbeat_seconds() * 500);
  heartbeat_timer_ = stream_->core().schedule(period, [this] { on_heartbeat(); });
}

void Connection::on_heartbeat() {
  if (stream_->broken()) {
    // While the session waits, perhaps for space on the disk, nothing else would tell.
    stream_->abort();
    resumed_.set();
    return;
  }
  const auto now = stream_->core().now();
  const seconds interval(session_.heartbeat_seconds());
  // While we do not read, silence is not the peer's.
  const bool listening =
      !session_.waiting() && !stream_->waits_for_memory() && stream_->unsent() <= unsent_max;
  if (listening && now - stream_->last_read() > 2 * interval) {
    log::info("amqp {}: missed heartbeats", stream_->peer_address());
    session_.end();
    stream_->abort();
    return;
  }
  if (now - stream_->last_write() >= interval / 2) {
    std::string frame;
    wire::write_heartbeat(frame);
    stream_->write(std::string_view(frame));
  }
  schedule_heartbeat();
}

void Connection::shut_down() {
  session_.shut_down();
  stream_->close();
}

}  // namespace trv::amqp
