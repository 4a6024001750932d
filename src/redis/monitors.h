// Monitors: the clients, of any core, that are told of every command that this core runs.
//
// Owner: the core's Service. What a monitor does not read is bounded as for subscribers: it is
// disconnected. A command is told by the core that runs it, so those of several cores come in no
// order that all would agree about.
#pragma once

#include <set>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"

namespace trv::redis {

class Service;
struct Call;
struct Caller;
struct Command;

class Monitors {
 public:
  explicit Monitors(Service& service) : service_(service) {}

  bool any() const { return !clients_.empty(); }
  void add(ConnectionId client) { clients_.insert(client); }
  void remove(ConnectionId client) { clients_.erase(client); }

  // A command has run, or, when it runs others (a script), is about to.
  void tell(const Call& call);
  void tell_exec(const Caller& caller, WallTime now);
  // Commands of administrators are nobody else's concern.
  static bool shows(const Command& command);

 private:
  void send(std::string line);

  Service& service_;
  std::set<ConnectionId> clients_;
};

// The line for a command: time, who sent it, and its words in quotes; passwords are left out.
std::string monitor_line(WallTime now, std::string_view sender, const Command* command,
                         std::span<const ByteView> args);

}  // namespace trv::redis
