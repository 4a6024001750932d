#include "runtime/process.h"

#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <string>
#include <thread>

namespace trv::runtime {

namespace {

// As a shell shows a process that a signal ended.
constexpr int ended_exit_code = 128 + SIGTERM;

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

SteadyTime steady_now() { return std::chrono::steady_clock::now(); }

void pause_thread(Duration duration) { std::this_thread::sleep_for(duration); }

void return_freed_memory() { malloc_trim(0); }

struct CoreThread::State {
  Core& core;
  std::thread thread;
};

CoreThread::CoreThread(Core& core) : state_(std::make_unique<State>(State{core, {}})) {
  state_->thread = std::thread([&core] { core.run(); });
  std::string name = "core-" + std::to_string(core.index().value);
  pthread_setname_np(state_->thread.native_handle(), name.c_str());
}

CoreThread::~CoreThread() { state_->thread.join(); }

void CoreThread::call(UniqueFunction<void()> work) {
  TRV_ASSERT(Core::current() == nullptr);
  std::promise<void> done;
  std::future<void> waiting = done.get_future();
  state_->core.post([&work, done = std::move(done)]() mutable {
    work();
    done.set_value();
  });
  waiting.wait();
}

void hold_stop_signals() {
  sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

StopSignal wait_for_stop_signal() {
  sigset_t signals = stop_signals();
  int number = 0;
  while (sigwait(&signals, &number) != 0) {
  }
  return number == SIGINT ? StopSignal::interrupt : StopSignal::terminate;
}

void end_at_next_stop_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) { _exit(ended_exit_code); };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  sigset_t signals = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace trv::runtime
