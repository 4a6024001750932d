#include "kafka/connection.h"

#include <charconv>

namespace trv::kafka {
namespace {

// Splits "address:port"; IPv6 addresses may stand in brackets.
std::pair<std::string, std::uint16_t> split_address(const std::string& address) {
  std::size_t colon = address.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string::npos) return {address, port};
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return {std::move(host), port};
}

Session::Peer make_peer(const Options& options, const runtime::Stream& stream) {
  auto [host, port] = split_address(stream.local_address());
  Session::Peer peer;
  peer.host = "/" + split_address(stream.peer_address()).first;
  peer.near = stream.peer_is_loopback();
  peer.advertised_host = options.advertised_host.empty() ? host : options.advertised_host;
  peer.advertised_port = options.advertised_port == 0 ? port : options.advertised_port;
  return peer;
}

}  // namespace

Connection::Connection(Service& service, ConnectionId id, std::unique_ptr<runtime::Stream> stream,
                       std::function<void(ConnectionId)> ended)
    : stream_(std::move(stream)),
      ended_(std::move(ended)),
      input_(stream_->core().input_blocks()),
      session_(
          service, id, make_peer(service.options(), *stream_),
          [this](wire::EncodedMessage message) { write(std::move(message)); },
          [this] { on_session_changed(); }) {}

runtime::Task<> Connection::run() {
  for (;;) {
    Result<std::size_t> size = co_await stream_->read(input_);
    if (!size || *size == 0) break;
    bool wanted = co_await handle_frames();
    if (!wanted) break;
  }
  session_.end();
  stream_->close();
  ended_(session_.id());
}

runtime::Task<bool> Connection::handle_frames() {
  for (;;) {
    while (must_wait()) {
      if (session_.full()) {
        co_await room_.wait();
      } else {
        co_await stream_->drained(stream_->unsent_limit(unsent_size_max));
      }
    }
    if (session_.ended() || stream_->closed()) co_return false;
    Result<std::optional<ByteView>> frame =
        wire::cut_frame(input_.unread(), session_.frame_size_max());
    if (!frame) co_return false;
    if (!*frame) co_return true;
    if (session_.must_wait_for(**frame)) {
      co_await room_.wait();
      continue;
    }
    input_.consume(wire::frame_size_field + (*frame)->size());
    if (!session_.on_frame(**frame)) co_return false;
  }
}

bool Connection::must_wait() const {
  if (session_.ended() || stream_->closed()) return false;
  return session_.full() || stream_->unsent() > stream_->unsent_limit(unsent_size_max);
}

void Connection::on_session_changed() {
  // Closing also ends a read that is suspended; resuming must come last.
  if (session_.ended()) stream_->close();
  room_.set();
}

void Connection::close() { session_.end(); }

bool Connection::idle_since(runtime::SteadyTime since) const {
  return !session_.waiting() && stream_->last_read() < since;
}

void Connection::write(wire::EncodedMessage message) {
  constexpr std::size_t copy_size_max = 4096;
  if (message.splices.empty() && message.text.size() <= copy_size_max) {
    stream_->write(std::string_view(message.text));
    return;
  }
  Slice text = Slice::own(std::move(message.text));
  std::size_t begin = 0;
  auto write_text = [&](std::size_t end) {
    Slice part = text.sub(begin, end - begin);
    begin = end;
    if (part.size() <= copy_size_max) {
      stream_->write(part.view());
    } else {
      stream_->write(std::move(part));
    }
  };
  for (wire::EncodedMessage::Splice& splice : message.splices) {
    write_text(splice.position);
    stream_->write(std::move(splice.bytes));
  }
  write_text(text.size());
}

}  // namespace trv::kafka
