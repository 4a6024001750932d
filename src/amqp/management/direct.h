// Direct: a session without a socket, in which an operation of the HTTP API is carried out: it says
// what a client would say, and so meets the same rules, rights and texts.
//
// Owner: Management, on its core, until finished() and the end of run().
//
// Invariant: what is said and what is answered goes through bytes, as with a client; the session is
// never called from inside its own calls.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "amqp/session.h"
#include "broker/operations.h"

namespace trv::amqp {

// What the server says. Views are valid within the call.
struct Said {
  wire::Method method;
  ByteView properties;  // of what has content
  ByteView body;
};

class Direct final : public Output {
 public:
  // Says more, or finishes.
  using Listener = std::function<void(Direct&, const Said&)>;
  using Done = UniqueFunction<void(broker::OperationResult)>;

  // `wake` asks for one call of run(), later.
  Direct(Services& services, ConnectionId id, const SessionOptions& options,
         const std::string& user, const std::string& vhost, Listener listener, Done done,
         std::function<void()> wake);
  ~Direct() override;

  template <class M>
  void say(const M& method) {
    wire::write_method_frame(said_, channel, method);
    wake_();
  }
  // What follows basic.publish.
  void say_content(ByteView properties, ByteView body);
  // Once: the first counts.
  void finish(broker::OperationResult result);
  bool finished() const { return finished_; }
  void run();

  void write(std::string_view bytes) override;
  void write(Slice slice) override;
  std::size_t unsent() const override { return 0; }
  void wait_drained() override {}
  void resume() override { wake_(); }

 private:
  static constexpr std::uint16_t channel = 1;

  void hear();
  void on_frame(const wire::Frame& frame);
  void on_said(ByteView method, ByteView properties, ByteView body);
  void on_closed(std::uint16_t code, ByteView text);

  Listener listener_;
  Done done_;
  std::function<void()> wake_;
  Session session_;
  bool finished_ = false;
  std::string said_;   // and not taken yet
  std::string heard_;  // and not looked at yet
  // A method with content that is still coming.
  std::string method_;
  std::string properties_;
  std::string body_;
  std::uint64_t body_size_ = 0;
};

}  // namespace trv::amqp
