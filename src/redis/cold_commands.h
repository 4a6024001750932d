// ColdCommands: commands that wait until what they read has come from the disk, read beside the
// core, and then run again as a whole: so whoever reads old entries holds up nobody else.
//
// Owner: the core's Service. Nothing has happened of what waits here: it is not counted, monitors
// have not heard of it, and what it will find is what is there then.
//
// Invariants:
//   - of a client, one command waits for the disk; what came from it from another core since then
//     stands in line behind it. A client of this core does not go on before its reply, and one of
//     another core is told not to, so a line is short;
//   - a command waits tries_max times at most. Then it reads on the core, however long that takes.
//
// Who has waited is answered when it has a turn and, if it is on another core, room for as much as
// was read for it (docs/decisions/0010). Until then it holds no room.
//
// A pause holds what it would hold if it came now. Being here is not being blocked: CLIENT UNBLOCK
// does not end it, and a time that a command is willing to wait begins when it has found nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/cold_reads.h"
#include "redis/command.h"

namespace trv::redis {

class Service;

// Where the reply of a command belongs that was not answered at once.
struct ReplyPlace {
  CoreIndex home;
  ConnectionId connection;
  std::uint64_t place = 0;
  std::size_t held = 0;  // of the room of its home's Shipping
};

class ColdCommands {
 public:
  static constexpr int tries_max = 8;

  explicit ColdCommands(Service& service) : service_(service) {}

  // The call's command waits for call.cold. `place` gets its reply; an empty one when `mute`.
  // Requires: no other of its client does.
  void add(Call& call, const ReplyPlace& place, bool mute);
  // Whether what comes from this client must stand in line.
  bool keeps_waiting(ConnectionId client) const {
    return !lines_.empty() && lines_.contains(client);
  }
  // Runs `work`, whose reply is for `place`, when it is its turn. Requires: keeps_waiting().
  void stand_in_line(const Command* command, const ReplyPlace& place, UniqueFunction<void()> work);
  // The client is gone: what only reads, or was to give it something, is not done any more.
  void leave(ConnectionId client);
  // A pause is over.
  void run_held();
  std::size_t size() const { return lines_.size(); }

 private:
  struct Waiting {
    const Command* command;
    std::vector<std::string> args;
    Caller caller;
    ReplyPlace place;
    bool mute = false;
    int tries = 0;
    std::size_t read_size = 0;  // that it has waited for
    bool held = false;          // by a pause; it is there
    std::uint64_t number = 0;   // of the wait
    std::shared_ptr<broker::ColdReads::Fetch> fetch;
  };
  struct Behind {
    const Command* command;  // null: a transaction
    ReplyPlace place;
    UniqueFunction<void()> work;
  };
  struct Line {
    std::optional<Waiting> first;
    std::deque<Behind> behind;
  };

  void begin(Waiting& waiting, std::vector<BlobRange> cold);
  // Null: it has run, or is not wanted any more.
  Waiting* find(ConnectionId client, std::uint64_t number);
  void on_there(ConnectionId client, std::uint64_t number);
  void run_first(const ReplyPlace& place, std::uint64_t number);
  // Requires: there is a line, and nobody is its first.
  void go_on(ConnectionId client);
  // Runs it again, and answers unless it has to wait again, for whatever.
  void run(Waiting waiting);

  Service& service_;
  std::map<ConnectionId, Line> lines_;
  std::uint64_t next_number_ = 1;
};

}  // namespace trv::redis
