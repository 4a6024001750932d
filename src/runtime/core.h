// Core: one event loop on one thread. Everything that a core owns (connections, topics, timers) is
// touched by its thread alone; other threads hand it closures through post().
//
// Owner: server::Node builds the cores before any service and destroys them after all of them.
//
// A core works in rounds:
//   1. what is ready runs: socket readiness, posted closures, timers, woken coroutines (a bounded
//      number of each; the rest waits for the next round);
//   2. the round hook runs: the broker writes the round's journal frame and releases replies;
//   3. every Stream that was written to is flushed, with one gathered write each.
// So what arrives together is committed together and answered together. The core sleeps only when
// no step has left anything to do.
//
// Coroutines are resumed by the loop alone, in step 1: nothing that a handler or the hook calls
// resumes one underneath it. Those still suspended when the core is destroyed are destroyed with
// it.
//
// Calls may come from the core's own thread only, except post() and stop(). Before run(), the
// thread that builds the core counts as its own for spawn(), schedule() and set_round_hook().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <utility>

#include "base/function.h"
#include "base/ids.h"
#include "runtime/task.h"

namespace trv::runtime {

using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

class Core;
class Gate;
class InputBlockPool;
class OffloadPool;
class Stream;
struct TimerEntry;

// What the connections of one core may hold, all together, and how long one may leave what was
// written for it.
struct ConnectionLimits {
  // Bytes in input buffers. At the limit, one connection reads at a time: see Stream::read().
  std::size_t received_max = std::numeric_limits<std::size_t>::max();
  // Bytes in output queues. Beyond it, each may have little: see Stream::unsent_limit().
  std::size_t unsent_max = std::numeric_limits<std::size_t>::max();
  // A peer that takes nothing for so long, though something waits for it, is dropped.
  std::chrono::seconds send_timeout{300};
  // So is one that keeps all others waiting for memory: in the middle of a message, or with an
  // answer that was made in its turn.
  std::chrono::seconds stall_timeout{3};
};

// Cancels on destruction. Must be destroyed before its core.
class [[nodiscard]] Timer {
 public:
  Timer();
  Timer(Timer&&) noexcept;
  Timer& operator=(Timer&&) noexcept;
  ~Timer();
  // True until the closure starts to run or cancel() is called.
  bool armed() const;
  void cancel();

 private:
  friend class Core;
  explicit Timer(std::shared_ptr<TimerEntry> entry);
  // Shared with the core's timer queue, which drops it when it fires.
  std::shared_ptr<TimerEntry> entry_;
};

// One suspended coroutine and the core that it belongs to. The building block of Event, Gate and
// the Stream's operations.
class Waiter {
 public:
  // Remembers `handle`. Requires: runs on a core; nothing is armed.
  void arm(std::coroutine_handle<> handle);
  // Lets the loop resume it in this round or the next. Nothing happens when nothing is armed.
  void wake();
  bool armed() const { return handle_ != nullptr; }

 private:
  std::coroutine_handle<> handle_;
  Core* core_ = nullptr;
};

class Core {
 public:
  // `pool` serves offload() and outlives the core's last round; without one the core makes its own
  // when it needs it.
  explicit Core(CoreIndex index, OffloadPool* pool = nullptr);
  // Requires: run() is not active; no Stream, Listener or Timer of this core is left, save those
  // that its own suspended coroutines hold.
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  CoreIndex index() const;
  // True inside run(), on its thread.
  bool on_this_thread() const;
  // The core that runs on this thread, or null.
  static Core* current();

  // Runs the loop on the calling thread until stop(); may be called again. Clears nothing: what is
  // queued at stop stays for the next run.
  void run();
  // From any thread. Called by a handler, it is the last that runs: the round ends with the hook
  // and the flush, and whatever else was ready stays where it is. Before run(): the next run()
  // returns at once.
  void stop();

  // From any thread. Closures from one thread run in order; each in some later round, or in this
  // one when it comes from another thread; before run(), ahead of all that sockets bring. What a
  // core posts to others is on its way by its round's end.
  void post(UniqueFunction<void()> work);

  // The time at which this round's handlers began to run; cheap. Outside of run(): the clock.
  SteadyTime now() const;
  WallTime wall_now() const;

  // Runs `work` once, at or shortly after `delay` from now (resolution: 1 ms).
  Timer schedule(Duration delay, UniqueFunction<void()> work);
  // Suspends the caller.
  Task<> sleep(Duration delay);

  // Starts a detached task, from the loop; its frame lives until it ends or the core is destroyed.
  void spawn(Task<> task);
  // The same, inside `gate` until it ends. See Gate for stopping.
  void spawn(Gate& gate, Task<> task);

  // Called at the end of each round, before streams are flushed. One owner: the broker.
  void set_round_hook(std::function<void()> hook);

  // Runs `blocking` on the offload pool and then `done` on this core.
  void offload(UniqueFunction<void()> blocking, UniqueFunction<void()> done);

  // Before run().
  void set_connection_limits(const ConnectionLimits& limits);
  // `wanted` bytes ahead of a peer, or little, while this core's connections together have more
  // unsent than they may.
  std::size_t unsent_limit(std::size_t wanted) const;
  // What they may still have, until then.
  std::size_t unsent_room() const;

  // For the InputBuffers of this core's connections.
  InputBlockPool& input_blocks();

  // Connections whose socket is open, those that close() still lets drain included.
  std::size_t stream_count() const;

 private:
  friend class Waiter;
  friend class Stream;
  friend class Listener;
  struct State;
  std::unique_ptr<State> state_;
};

// Counts detached work so that an owner can wait for it to end. One core.
class Gate {
 public:
  // Requires: !closed().
  void enter();
  void leave();
  // Suspends until everything that entered has left. No entry is legal from the call on. One call.
  Task<> close();
  bool closed() const { return closed_; }
  int count() const { return count_; }

 private:
  int count_ = 0;
  bool closed_ = false;
  Waiter waiter_;
};

// Event: lets one coroutine wait for a plain function to say go. One core, one waiter; set() before
// wait() is remembered, once. set() never runs the waiter itself: the loop does, soon after.
class Event {
 public:
  void set() {
    if (waiter_.armed()) {
      waiter_.wake();
    } else {
      set_ = true;
    }
  }
  auto wait() {
    struct Awaiter {
      Event& event;
      bool await_ready() { return std::exchange(event.set_, false); }
      void await_suspend(std::coroutine_handle<> handle) { event.waiter_.arm(handle); }
      void await_resume() {}
    };
    return Awaiter{*this};
  }

 private:
  bool set_ = false;
  Waiter waiter_;
};

}  // namespace trv::runtime
