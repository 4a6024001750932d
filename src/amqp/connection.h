// Connection: one accepted socket and its Session. The only part of this protocol with a stream: it
// reads into one buffer, hands whole frames to the session, and keeps time (heartbeats, the limit
// for the handshake).
//
// Owner: the Server, until run() returns. Suspends in run() and, when the peer reads slowly, in a
// second task that waits for the output to drain; both end soon after the stream is closed.
//
// The session refuses a frame above the negotiated size by its head alone, which bounds the buffer.
// Nothing is read while the session waits for the broker, or while the peer leaves more than
// unsent_max unread.
#pragma once

#include <memory>
#include <string>

#include "amqp/session.h"
#include "runtime/core.h"
#include "runtime/stream.h"

namespace trv::amqp {

class Connection final : public Output {
 public:
  Connection(std::unique_ptr<runtime::Stream> stream, Services& services, ConnectionId id,
             const SessionOptions& options);
  ~Connection() override;

  // Serves the connection to its end. Call once.
  runtime::Task<> run();
  void shut_down();

  void write(std::string_view bytes) override {
    count(OctetEvent::sent, bytes.size());
    stream_->write(bytes);
  }
  void write(Slice slice) override {
    count(OctetEvent::sent, slice.size());
    stream_->write(std::move(slice));
  }
  OctetCounts::Totals octets() const override { return octets_.at(stream_->core().now()); }
  std::size_t unsent() const override { return stream_->unsent(); }
  std::size_t unsent_limit(std::size_t wanted) const override {
    return stream_->unsent_limit(wanted);
  }
  void wait_drained() override;
  void resume() override { resumed_.set(); }
  void expect_end() override;

 private:
  // False when the connection is over.
  runtime::Task<> wait_peer_gone();
  bool serve_buffer();
  void count(OctetEvent event, std::size_t size) {
    octets_.add(event, stream_->core().now(), size);
  }
  runtime::Task<> drain();
  void schedule_heartbeat();
  void on_heartbeat();

  std::unique_ptr<runtime::Stream> stream_;
  OctetCounts octets_;
  Session session_;
  runtime::Gate gate_;
  runtime::Event resumed_;
  bool open_ = false;  // the handshake is over
  bool draining_ = false;
  runtime::InputBuffer input_;
  runtime::Timer handshake_timer_;
  runtime::Timer heartbeat_timer_;
  runtime::Timer closing_timer_;
};

}  // namespace trv::amqp
