// What a process needs around its cores: threads that run them, the signals that end it, and the
// clock for those who are not on a core.
//
// Owner: server. Everything here blocks the calling thread; nothing here is for a core's thread.
#pragma once

#include <memory>

#include "base/function.h"
#include "runtime/core.h"

namespace trv::runtime {

SteadyTime steady_now();
// For waiting on what cannot tell when it is done.
void pause_thread(Duration duration);
// Gives the system what was freed and lies between what was not. Takes milliseconds, in which other
// threads may have to wait for memory.
void return_freed_memory();

// Runs a core on a thread of its own until Core::stop().
class CoreThread {
 public:
  explicit CoreThread(Core& core);
  // Waits for the end.
  ~CoreThread();
  CoreThread(const CoreThread&) = delete;
  CoreThread& operator=(const CoreThread&) = delete;

  // Runs `work` on the core and returns when it has ended. Requires: the core was not stopped.
  void call(UniqueFunction<void()> work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

enum class StopSignal { interrupt, terminate };

// Keeps SIGTERM and SIGINT for wait_for_stop_signal(), in this thread and those that it starts.
void hold_stop_signals();
StopSignal wait_for_stop_signal();
// From here on, a stop signal ends the process at once.
void end_at_next_stop_signal();

}  // namespace trv::runtime
