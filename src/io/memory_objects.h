// MemoryObjects: an object store in memory behind a network that misbehaves. For simulations.
//
// Nothing happens by itself: step() lets one thing happen, chosen by the seed, among all requests
// that are on their way to the store and all replies on their way back. So calls are delayed and
// overtake each other without bound. Which requests are executed twice, or never, or after their
// caller was told that nothing is known, and which replies are lost, is drawn too: the same seed
// and the same calls give the same run.
//
// One thread. The stores that connect() made must not outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "io/object_store.h"

namespace trv::io {

// How many of 1000 requests meet each fate; the rest are executed and answered.
struct ObjectFaults {
  std::uint32_t request_lost = 0;  // not executed; answered `unknown`
  std::uint32_t reply_lost = 0;    // executed; answered `unknown`
  std::uint32_t late = 0;          // answered `unknown`, executed at any later time
  std::uint32_t twice = 0;         // executed; once more later, and that answer is what arrives
  std::uint32_t echo = 0;          // executed and answered; once more later, with no answer
};

class MemoryObjects {
 public:
  // One process's connection. Destroying it is that process's crash: its callbacks are dropped,
  // its requests may still be executed.
  class Connection : public ObjectStore {
   public:
    // A process that is paused takes no replies; they wait.
    virtual void pause() = 0;
    virtual void resume() = 0;
  };

  MemoryObjects(std::uint64_t seed, ObjectFaults faults);
  ~MemoryObjects();
  MemoryObjects(const MemoryObjects&) = delete;
  MemoryObjects& operator=(const MemoryObjects&) = delete;

  std::unique_ptr<Connection> connect();
  // False when there is nothing that can happen.
  bool step();
  void set_faults(ObjectFaults faults) { faults_ = faults; }

  // What the store holds now, for tests that look at it or damage it.
  const std::map<std::string, std::string>& test_objects() const { return objects_; }
  void test_erase(const std::string& name) { objects_.erase(name); }

 private:
  class Client;
  struct Call;
  template <class T>
  struct CallOf;
  struct Event;
  using Objects = std::map<std::string, std::string>;

  void begin(std::shared_ptr<Call> call);
  void arrive(std::shared_ptr<Call> call);
  void forget(std::uint64_t client);
  bool may_happen(const Event& event) const;

  std::mt19937_64 random_;
  ObjectFaults faults_;
  Objects objects_;
  std::vector<Event> events_;
  std::set<std::uint64_t> paused_;  // clients
  std::uint64_t client_last_ = 0;
};

}  // namespace trv::io
