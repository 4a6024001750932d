// Waiters: blocked commands of clients (of any core) that wait for something under names that this
// core owns.
//
// Owner: the core's Service. When a name wakes, its waiters run their commands again in the order
// in which they blocked; who gets something leaves, the others keep their places.
//
// Invariants:
//   - a client has at most one waiter;
//   - a name has one watch at the broker as long as somebody waits for it, and none otherwise.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <string>
#include <unordered_map>

#include "broker/topics.h"
#include "redis/command.h"
#include "runtime/core.h"

namespace trv::redis {

class Service;

class Waiters {
 public:
  // Gets the reply; `commit` must be durable before it is sent.
  using Done = UniqueFunction<void(std::string bytes, broker::Commit commit)>;

  explicit Waiters(Service& service) : service_(service) {}

  void add(const Command& command, const Caller& caller, BlockRequest request, Done done);
  // The client is gone or no longer wants it. False when it does not wait here.
  bool cancel(ConnectionId connection);
  // A key of the keyspace has changed: who waits for it is served by the next serve().
  void on_changed(ByteView key);
  // Called after each command, transaction or script. Waiters of the keys that have changed run
  // their commands again, which may change further keys; the replies follow in later handlers.
  void serve();
  // What a pause has kept from being served is looked at again.
  void retry_everything();
  std::size_t size() const { return waiters_.size(); }

 private:
  struct Waiter;
  struct Name {
    broker::WatchId watch = 0;
    std::list<Waiter*> waiters;  // oldest first
  };
  struct Waiter {
    const Command* command;
    Caller caller;
    BlockRequest request;
    Done done;
    runtime::Timer timer;
    runtime::Timer look_again;
    // Its place in the list of each of its names.
    std::vector<std::pair<std::string, std::list<Waiter*>::iterator>> places;
  };

  void watch(const std::string& name, Name& at);
  void on_woken(const std::string& name);
  void on_timeout(ConnectionId connection);
  void arm_look_again(Waiter& waiter);
  void on_look_again(ConnectionId connection);
  // Runs the commands of a name's waiters again.
  void retry_all(const std::string& name, bool answer_later);
  // True when it was answered; it is gone then.
  bool retry(Waiter& waiter, bool answer_later);
  void leave(Waiter& waiter);

  Service& service_;
  std::map<ConnectionId, Waiter> waiters_;
  std::unordered_map<std::string, Name> names_;
  std::deque<std::string> ready_;  // names whose keys have changed
  bool serving_ = false;
};

}  // namespace trv::redis
