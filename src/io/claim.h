// Claim: lets two threads agree on which of them does a piece of blocking work, and lets the other
// wait for it. The owner hands the work to the offload pool; when it needs the result before the
// pool got round to it, it does the work itself; when the pool is in the middle of it, it waits.
//
//   both:   if (claim.try_take()) { work(); claim.finish(); }
//   owner:  claim.wait();      // afterwards the work's effects are visible
//
// So a waiting owner never depends on a pool thread becoming free, and a single-threaded
// simulation never deadlocks.
#pragma once

#include <atomic>
#include <cstdint>

namespace trv::io {

class Claim {
 public:
  // True for exactly one caller.
  bool try_take() {
    State expected = State::offered;
    return state_.compare_exchange_strong(expected, State::taken, std::memory_order_acq_rel);
  }
  void finish() {
    state_.store(State::finished, std::memory_order_release);
    state_.notify_all();
  }
  bool finished() const { return state_.load(std::memory_order_acquire) == State::finished; }
  // Requires: somebody has taken it.
  void wait() const {
    for (State s = state_.load(std::memory_order_acquire); s != State::finished;
         s = state_.load(std::memory_order_acquire)) {
      state_.wait(s, std::memory_order_acquire);
    }
  }

 private:
  enum class State : std::uint8_t {
    offered,   // nobody works on it yet
    taken,     // one thread does
    finished,  // its effects may be read
  };
  std::atomic<State> state_{State::offered};
};

}  // namespace trv::io
