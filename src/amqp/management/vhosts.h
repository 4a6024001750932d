// VhostChange: one virtual host is made, changed or removed.
//
// Removing: first the directory says that the virtual host is leaving: from then on nobody gets in,
// and nothing is added to it. Then its connections end; its queues and streams go on all cores, its
// exchanges and policies; last it goes itself, with rights and limits. A process that ends between
// finds it leaving when it starts again, and does the rest then.
// Making: the exchanges that every virtual host has come first, and what a broken attempt left
// goes: nobody sees any of it before the directory says that the virtual host is there.
//
// Owner: what it waits for, on the first core. Changes come one after the other
// (Census::take_turn).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "amqp/session.h"
#include "auth/directory.h"
#include "base/result.h"
#include "broker/catalog.h"

namespace trv::amqp {

class VhostChange : public std::enable_shared_from_this<VhostChange> {
 public:
  struct Outcome {
    Status status;
    bool was_there = false;
  };
  using Done = UniqueFunction<void(Outcome)>;
  // Ends the sessions in a virtual host, and calls back on the first core.
  using EndSessions = std::function<void(const std::string& vhost, UniqueFunction<void()> then)>;

  // `services`: of the first core.
  VhostChange(Services& services, std::string name, Done done)
      : services_(services), name_(std::move(name)), done_(std::move(done)) {}

  // What the virtual host is to be; what is absent stays, or is as in others.
  struct Wanted {
    std::optional<std::string> description;
    std::optional<std::vector<std::string>> tags;
    std::optional<std::string> queue_type;
    std::string owner;  // has all rights in it when it is new
  };
  void put(Wanted wanted);
  // Nothing is done when it is not there.
  void remove(EndSessions end_sessions);
  // The rest of a removal that did not come to its end; nothing when there is none.
  void remove_leaving();

 private:
  using Then = UniqueFunction<void(Status)>;
  using Execute = void (broker::Catalog::*)(ByteView command,
                                            UniqueFunction<void(Result<broker::Durable>)> visible);
  struct Command {
    Execute execute;
    std::string bytes;
  };

  void create(const Wanted& wanted);
  void update(auth::Vhost vhost, const Wanted& wanted);
  void finish_removal();
  void sweep(Then then);
  void sweep_catalog(Then then);
  void execute(std::vector<Command> commands, Then then);
  void end(Status status, bool was_there);

  Services& services_;
  const std::string name_;
  Done done_;
};

}  // namespace trv::amqp
