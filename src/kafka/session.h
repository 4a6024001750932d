// Session: one Kafka connection without its socket: frames in, answers out in the order of their
// requests.
//
// Owner: the Connection, on its core. Requests are handled as they come, several at a time: a
// produce waits for the disk and a fetch for data while later requests are already worked on. But
// clients count on it that the work is done in order where it shows: requests that change what
// others of them look at (ApiRow::in_order) are begun one after the other, since parts of them are
// done on several cores. Each request takes a slot when it arrives; answers leave when all slots
// before have left.
//
// Invariants: slots_ are consecutive numbers from first_slot_ on; the front one is not ready.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "kafka/login.h"
#include "kafka/service.h"
#include "kafka/wire/codec.h"
#include "kafka/wire/frame.h"
#include "runtime/core.h"

namespace trv::kafka {

// Requests of one connection that wait for their answer, at most; then it is not read from.
inline constexpr std::size_t answers_waiting_max = 128;

class Session {
 public:
  struct Peer {
    std::string host;             // address of the client
    std::string advertised_host;  // where this client is told to find us
    std::uint16_t advertised_port = 0;
    bool near = true;  // on this machine
  };
  using Output = std::function<void(wire::EncodedMessage)>;
  // `changed` runs when full() or must_wait_for() may have become false, or ended() true.
  Session(Service& service, ConnectionId id, Peer peer, Output output,
          std::function<void()> changed);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Handles one frame, valid during the call. False: the connection must be closed.
  bool on_frame(ByteView frame);
  // Whether the frame has to wait for the answer of one before it.
  bool must_wait_for(ByteView frame) const;
  bool full() const { return slots_.size() >= answers_waiting_max; }
  bool ended() const { return ended_; }
  bool waiting() const { return !slots_.empty() || muted_.armed(); }
  // A stranger's frames are small.
  std::size_t frame_size_max() const;

  // No further frame is taken for so long: the client has used more than its quota.
  void mute(std::chrono::milliseconds duration);
  // No further frame is taken until the slot is answered.
  void hold(std::uint64_t slot) { held_ = slot; }
  // The answer of a slot; empty text when there is none to send.
  void finish(std::uint64_t slot, wire::EncodedMessage message);
  void end();

  Service& service() { return service_; }
  ConnectionId id() const { return id_; }
  const Peer& peer() const { return peer_; }
  Login& login() { return login_; }
  // Ends the connection after a while in which nothing of it is worked on, so that passwords cannot
  // be tried fast. `answer` runs just before.
  void refuse_login(std::function<void()> answer);

 private:
  bool release();
  bool on_bare_token(ByteView token);

  Service& service_;
  ConnectionId id_;
  Peer peer_;
  Output output_;
  std::function<void()> changed_;
  std::deque<std::optional<wire::EncodedMessage>> slots_;
  std::uint64_t first_slot_ = 0;
  std::optional<std::uint64_t> in_order_;  // the slot of the one of those that is worked on
  std::optional<std::uint64_t> held_;      // the slot that holds up all others
  bool ended_ = false;
  Login login_;
  runtime::Timer refusal_;
  runtime::Timer muted_;
  runtime::SteadyTime muted_until_{};
};

}  // namespace trv::kafka
