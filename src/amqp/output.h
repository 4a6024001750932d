// Output: what a session writes to and how it talks back to whoever feeds it bytes. connection.cc
// gives it a stream; tests record what is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/event_counts.h"
#include "base/slice.h"

namespace trv::amqp {

enum class OctetEvent : std::uint8_t { received, sent, count_ };
using OctetCounts = EventCounts<OctetEvent>;

class Output {
 public:
  virtual ~Output() = default;
  virtual void write(std::string_view bytes) = 0;
  virtual void write(Slice slice) = 0;
  // Bytes that the peer has not taken yet.
  virtual std::size_t unsent() const = 0;
  // `wanted`, or little, while the peers of this core together have not taken very much.
  virtual std::size_t unsent_limit(std::size_t wanted) const { return wanted; }
  // Asks for one call of Session::on_drained() when unsent() has become small.
  virtual void wait_drained() = 0;
  // The session stopped waiting or finished: call on_bytes() again, or close.
  virtual void resume() = 0;
  // The session has sent connection.close: the peer has some time to answer.
  virtual void expect_end() {}
  // How many bytes went either way, for operators.
  virtual OctetCounts::Totals octets() const { return {}; }
};

}  // namespace trv::amqp
