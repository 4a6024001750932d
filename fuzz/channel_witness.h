// Witness: hears both sides of one AMQP connection and holds the server to what the protocol
// promises, whatever the client says.
//
//   - what the server says are whole frames that decode, none larger than was agreed;
//   - a method, its header and its bodies come one after the other on their channel;
//   - each synchronous method is answered once, in the order in which they were said, or its
//   channel
//     or the connection is closed;
//   - nothing is said on a channel that is not open, and after the end of the connection nothing;
//   - delivery tags ascend by one; a delivery names a consumer that is there;
//   - confirms ascend, are given once, and for what was published: in the end for all of it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "amqp/wire/frame.h"

namespace trv::fuzz {

class Witness {
 public:
  // `greeted`: the connection is open without a handshake.
  explicit Witness(bool greeted) : greeted_(greeted) {}

  void hear_client(ByteView bytes);
  void hear_server(ByteView bytes, std::uint32_t frame_max);
  // Nothing is under way any more: what had to be said has been.
  void check_settled();
  bool ended() const { return ended_; }
  // A message that was published has yet to be confirmed.
  bool awaits_confirms() const;
  // The server waits for the answer to its close of that channel.
  bool is_closed_by_server(std::uint16_t channel) const;
  bool is_open(std::uint16_t channel) const;

 private:
  // A complete method of the client; a publish with its content.
  struct Said {
    amqp::wire::MethodId id;
    bool wants_answer = false;
    std::string tag;  // of a consumer
  };
  struct Channel {
    bool open = false;
    bool closed_by_server = false;
    int close_oks_due = 0;  // to closes that crossed the server's
    std::deque<Said> said;
    // The client's content that is under way.
    bool publishing = false;
    bool has_header = false;
    std::uint64_t missing = 0;
    // The server's.
    bool expects_header = false;
    std::uint64_t body_missing = 0;
    std::uint64_t last_tag = 0;
    std::multiset<std::string, std::less<>> consumers;
    bool has_unnamed_consumer = false;  // whose name the client was not told
    bool confirming = false;
    std::uint64_t published = 0;
    std::uint64_t confirmed = 0;
  };

  void on_client_frame(const amqp::wire::Frame& frame);
  void on_client_content(Channel& channel, const amqp::wire::Frame& frame);
  static void note(Channel& channel, Said said);
  void on_server_frame(const amqp::wire::Frame& frame);
  void on_server_method(std::uint16_t number, const amqp::wire::Method& method);
  void on_connection_method(amqp::wire::MethodId id);
  static void on_closed_by_server(Channel& channel);
  static Said take_answered(Channel& channel, amqp::wire::MethodId answer);
  // Of what is not answered, when it is the turn of what comes behind it.
  static void pass(Channel& channel, const Said& said);
  static void note_delivery(Channel& channel, std::uint64_t tag);
  static void note_confirm(Channel& channel, std::uint64_t tag, bool multiple);

  bool greeted_;
  bool gibberish_ = false;  // the client's bytes cannot be told apart any more
  bool ended_ = false;      // one side has closed the connection
  bool closed_by_server_ = false;
  bool close_ok_due_ = false;
  bool silent_ = false;  // the server has said its last
  std::string client_bytes_;
  std::map<std::uint16_t, Channel> channels_;
};

}  // namespace trv::fuzz
