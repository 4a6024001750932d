// Connection: the socket of one session: reads frames, writes answers. The only file with a stream.
//
// Owner: the core's Server, which forgets it after run() has ended.
//
// Backpressure: it stops reading while answers_waiting_max requests wait for their answer, and
// while the peer leaves more than unsent_size_max of its answers untaken.
#pragma once

#include <functional>
#include <memory>

#include "kafka/session.h"
#include "kafka/wire/frame.h"
#include "runtime/stream.h"

namespace trv::kafka {

class Connection {
 public:
  static constexpr std::size_t unsent_size_max = 1u << 20;

  // `ended` runs as the last act of run().
  Connection(Service& service, ConnectionId id, std::unique_ptr<runtime::Stream> stream,
             std::function<void(ConnectionId)> ended);

  runtime::Task<> run();
  void close();
  // No request waits and nothing came in since `since`.
  bool idle_since(runtime::SteadyTime since) const;

 private:
  // Whether the connection is still wanted after the frames in the buffer.
  runtime::Task<bool> handle_frames();
  bool must_wait() const;
  void on_session_changed();
  void write(wire::EncodedMessage message);

  std::unique_ptr<runtime::Stream> stream_;
  std::function<void(ConnectionId)> ended_;
  runtime::Event room_;
  runtime::InputBuffer input_;
  Session session_;
};

}  // namespace trv::kafka
