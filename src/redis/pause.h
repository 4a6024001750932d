// Pause: since CLIENT PAUSE, commands of the clients of this core wait: all, or those that write.
//
// Owner: the core's Service. What a client sent before it hears of the pause may still be under way
// to another core; CLIENT PAUSE is answered when all of that has run. Other protocols are not
// paused.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "redis/command.h"
#include "runtime/core.h"

namespace trv::redis {

class Service;
struct Session;

class Pause {
 public:
  enum class Kind : std::uint8_t {
    none,
    writes,  // what writes or may write
    all,
  };

  explicit Pause(Service& service) : service_(service) {}

  Kind kind() const { return kind_; }
  // A pause that is on is never shortened, nor made milder.
  void begin(Kind kind, std::chrono::milliseconds time);
  // Those that waited go on.
  void end();
  // Whether the request waits. Requires: it is one that would run now, or be queued.
  bool holds(const Command& command, const Session& session, std::span<const ByteView> args) const;
  // The same for a command that has waited for a key.
  bool holds_blocked(const Command& command) const;

 private:
  void arm();
  bool may_write(const Command& command, std::span<const ByteView> args) const;

  Service& service_;
  Kind kind_ = Kind::none;
  runtime::SteadyTime until_{};
  runtime::Timer timer_;
};

}  // namespace trv::redis
