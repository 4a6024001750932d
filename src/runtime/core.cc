#include "runtime/core.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <iterator>

#include "runtime/detail/core_state.h"
#include "runtime/test_time.h"

namespace trv::runtime {

namespace {

// Per round; what is left waits for the next.
constexpr int socket_events_max = 256;
constexpr std::size_t resumes_max = 4096;
constexpr std::size_t read_bytes_max = 4u << 20;
// Posted to another core before it is sent; it has something to do by then.
constexpr std::size_t outgoing_max = 64;
// Of one stream, while the streams of its core have too much unsent.
constexpr std::size_t unsent_small = 64u << 10;
// How long the core sleeps when no timer is armed.
constexpr std::chrono::seconds idle_wait_max{60};

constinit thread_local Core* core_of_thread = nullptr;
// What a test has let pass (test_time.h).
constinit thread_local Duration passed{0};

SteadyTime clock_time() { return std::chrono::steady_clock::now() + passed; }

}  // namespace

void test_set_time_passed(Duration duration) { passed = duration; }

// Detached tasks

struct detail::Detached::promise_type {
  DetachedList& list;
  promise_type* next = nullptr;
  promise_type* previous = nullptr;

  promise_type(DetachedList& owner, Gate*, Task<>&) : list(owner) {
    next = list.first;
    if (next != nullptr) next->previous = this;
    list.first = this;
  }
  ~promise_type() {
    if (next != nullptr) next->previous = previous;
    (previous != nullptr ? previous->next : list.first) = next;
  }
  Detached get_return_object() {
    return {std::coroutine_handle<promise_type>::from_promise(*this)};
  }
  std::suspend_always initial_suspend() noexcept { return {}; }
  std::suspend_never final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }
  void return_void() {}
};

namespace {

// The coroutine's arguments are also its promise's.
detail::Detached run_detached(detail::DetachedList&, Gate* gate, Task<> task) {
  {
    Task<> running = std::move(task);
    co_await running;
  }
  if (gate != nullptr) gate->leave();
}

}  // namespace

// Core::State

Core::State::State(CoreIndex i, OffloadPool* p) : index(i), pool(p) {}

void Core::State::read_clock() {
  if (clock_is_read) return;
  clock_is_read = true;
  now = clock_time();
  wall_now.ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                    std::chrono::system_clock::now().time_since_epoch() + passed)
                    .count();
}

void Core::State::wake() {
  boost::asio::post(io, [] {});
}

bool Core::State::anything_pending() const {
  return !ready.empty() || !local.empty() || !received.empty() || !starting.empty() ||
         !dirty.empty() || admission.anyone_may_go_on() || write_admission.anyone_may_go_on() ||
         inbox_filled.load(std::memory_order_acquire) ||
         stop_wanted.load(std::memory_order_acquire);
}

// Runs socket handlers; sleeps for the first when there is nothing else to do.
void Core::State::poll_sockets() {
  int events = 0;
  if (!anything_pending()) {
    SteadyTime until = clock_time() + idle_wait_max;
    if (auto due = timers.next_due()) until = std::min(until, *due);
    events = static_cast<int>(io.run_one_until(until - passed));
  }
  while (events < socket_events_max && round_read_size < read_bytes_max && io.poll_one() != 0) {
    ++events;
  }
}

// Runs closures up to a stop(); the rest goes back in front of what was posted meanwhile.
void Core::State::run_all(std::vector<UniqueFunction<void()>>& posted) {
  std::vector<UniqueFunction<void()>> running = std::exchange(posted, {});
  std::size_t done = 0;
  while (done < running.size() && !stop_wanted.load(std::memory_order_relaxed)) {
    UniqueFunction<void()> work = std::move(running[done++]);
    work();
  }
  if (done == running.size()) return;
  posted.insert(posted.begin(), std::make_move_iterator(running.begin()) + done,
                std::make_move_iterator(running.end()));
}

void Core::State::take_inbox() {
  if (!inbox_filled.load(std::memory_order_acquire)) return;
  std::lock_guard lock(inbox_mutex);
  if (received.empty()) {
    received.swap(inbox);
  } else {
    received.insert(received.end(), std::make_move_iterator(inbox.begin()),
                    std::make_move_iterator(inbox.end()));
    inbox.clear();
  }
  inbox_filled.store(false, std::memory_order_release);
}

void Core::State::resume_ready() {
  // Resumed coroutines wake others: those run too, up to the limit.
  std::size_t done = 0;
  while (done < ready.size() && done < resumes_max &&
         !stop_wanted.load(std::memory_order_relaxed)) {
    std::coroutine_handle<> handle = ready[done++];
    handle.resume();
  }
  ready.erase(ready.begin(), ready.begin() + static_cast<std::ptrdiff_t>(done));
}

void Core::State::run_timers() {
  read_clock();
  while (!stop_wanted.load(std::memory_order_relaxed)) {
    std::shared_ptr<TimerEntry> timer = timers.take_due(now);
    if (!timer) return;
    UniqueFunction<void()> work = std::move(timer->work);
    work();
  }
}

void Core::State::run_queued() {
  admission.admit(starting);
  if (write_admission.anyone_waits()) {
    read_clock();
    write_admission.admit(now);
  }
  if (!starting.empty()) {
    for (auto& member : std::exchange(starting, {})) member->on_round_start();
  }
  if (!local.empty()) run_all(local);
  take_inbox();
  if (!received.empty()) run_all(received);
  if (timers.size() > 0) run_timers();
  resume_ready();
}

// Who waits for what this core has done for it does not wait for the journal, too. And what others
// are to do is with them before a client hears of it: its next request may go there.
void Core::State::end_round() {
  send_outgoing();
  if (hook) hook();
  send_outgoing();
  for (auto& member : std::exchange(dirty, {})) member->on_round_end();
  send_outgoing();
}

void Core::State::receive(std::vector<UniqueFunction<void()>>& posted) {
  bool was_empty = false;
  {
    std::lock_guard lock(inbox_mutex);
    was_empty = inbox.empty();
    if (was_empty) {
      inbox.swap(posted);
    } else {
      inbox.insert(inbox.end(), std::make_move_iterator(posted.begin()),
                   std::make_move_iterator(posted.end()));
    }
    inbox_filled.store(true, std::memory_order_release);
  }
  posted.clear();
  if (was_empty) wake();
}

void Core::State::send_later(Core& to, UniqueFunction<void()> work) {
  auto at = std::find_if(outgoing.begin(), outgoing.end(),
                         [&to](const Outgoing& one) { return one.to == &to; });
  if (at == outgoing.end()) at = outgoing.insert(at, {&to, {}});
  at->posted.push_back(std::move(work));
  if (at->posted.size() >= outgoing_max) to.state_->receive(at->posted);
}

void Core::State::send_outgoing() {
  for (Outgoing& one : outgoing) {
    if (!one.posted.empty()) one.to->state_->receive(one.posted);
  }
}

// Destroying a frame runs destructors, which may post, wake and spawn again.
void Core::State::destroy_detached() {
  while (detached.first != nullptr) {
    std::coroutine_handle<detail::Detached::promise_type>::from_promise(*detached.first).destroy();
  }
  ready.clear();
}

// Core

Core::Core(CoreIndex index, OffloadPool* pool) : state_(std::make_unique<State>(index, pool)) {}

Core::~Core() {
  TRV_ASSERT(!on_this_thread());
  State& s = *state_;
  if (s.own_pool) s.own_pool->stop();
  // Closures may own tasks and streams; tasks may own closures.
  do {
    s.destroy_detached();
    for (auto* queue : {&s.local, &s.received, &s.inbox}) std::exchange(*queue, {}).clear();
  } while (s.detached.first != nullptr || !s.inbox.empty());
  TRV_ASSERT(s.streams == 0);
  s.admission.clear();
  s.write_admission.clear();
  s.starting.clear();
  s.dirty.clear();
}

CoreIndex Core::index() const { return state_->index; }
bool Core::on_this_thread() const { return core_of_thread == this; }
Core* Core::current() { return core_of_thread; }

void Core::run() {
  TRV_ASSERT(core_of_thread == nullptr);
  core_of_thread = this;
  State& s = *state_;
  auto work = boost::asio::make_work_guard(s.io);
  s.io.restart();
  // What was posted before, such as who may come in, is done before anybody does.
  bool lets_in = false;
  while (!s.stop_wanted.load(std::memory_order_acquire)) {
    ++s.round;
    s.round_read_size = 0;
    s.clock_is_read = false;
    if (std::exchange(lets_in, true)) s.poll_sockets();
    s.run_queued();
    s.end_round();
  }
  s.stop_wanted.store(false, std::memory_order_release);
  core_of_thread = nullptr;
}

void Core::stop() {
  state_->stop_wanted.store(true, std::memory_order_release);
  if (!on_this_thread()) state_->wake();
}

void Core::post(UniqueFunction<void()> work) {
  State& s = *state_;
  if (on_this_thread()) {
    s.local.push_back(std::move(work));
    return;
  }
  if (core_of_thread != nullptr) return core_of_thread->state_->send_later(*this, std::move(work));
  std::vector<UniqueFunction<void()>> posted;
  posted.push_back(std::move(work));
  s.receive(posted);
}

SteadyTime Core::now() const {
  if (!on_this_thread()) state_->clock_is_read = false;
  state_->read_clock();
  return state_->now;
}

WallTime Core::wall_now() const {
  if (!on_this_thread()) state_->clock_is_read = false;
  state_->read_clock();
  return state_->wall_now;
}

Timer Core::schedule(Duration delay, UniqueFunction<void()> work) {
  auto entry = std::make_shared<TimerEntry>();
  entry->due = clock_time() + delay;
  entry->work = std::move(work);
  state_->timers.add(entry);
  return Timer(std::move(entry));
}

Task<> Core::sleep(Duration delay) {
  struct Awaiter {
    Core& core;
    Duration delay;
    Waiter waiter;
    Timer timer;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      waiter.arm(handle);
      timer = core.schedule(delay, [this] { waiter.wake(); });
    }
    void await_resume() {}
  };
  co_await Awaiter{*this, delay, {}, {}};
}

void Core::spawn(Task<> task) {
  state_->ready.push_back(run_detached(state_->detached, nullptr, std::move(task)).handle);
}

void Core::spawn(Gate& gate, Task<> task) {
  gate.enter();
  state_->ready.push_back(run_detached(state_->detached, &gate, std::move(task)).handle);
}

void Core::set_round_hook(std::function<void()> hook) { state_->hook = std::move(hook); }

void Core::offload(UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
  State& s = *state_;
  if (s.pool == nullptr) {
    s.own_pool = std::make_unique<OffloadPool>();
    s.pool = s.own_pool.get();
  }
  s.pool->submit([this, blocking = std::move(blocking), done = std::move(done)]() mutable {
    blocking();
    post(std::move(done));
  });
}

void Core::set_connection_limits(const ConnectionLimits& limits) {
  state_->limits = limits;
  state_->admission.set_limit(limits.received_max);
}

std::size_t Core::unsent_limit(std::size_t wanted) const {
  return state_->write_admission.exhausted() ? std::min(wanted, unsent_small) : wanted;
}

std::size_t Core::unsent_room() const {
  return state_->limits.unsent_max - std::min(state_->blocks.held, state_->limits.unsent_max);
}

InputBlockPool& Core::input_blocks() { return state_->input_blocks; }
std::size_t Core::stream_count() const { return state_->open_sockets; }

// Timer

Timer::Timer() = default;
Timer::Timer(std::shared_ptr<TimerEntry> entry) : entry_(std::move(entry)) {}
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    cancel();
    entry_ = std::move(other.entry_);
  }
  return *this;
}
Timer::~Timer() { cancel(); }

bool Timer::armed() const { return entry_ != nullptr && entry_->queue != nullptr; }

void Timer::cancel() {
  if (armed()) entry_->queue->remove(*entry_);
  entry_.reset();
}

// Waiter, Gate

void Waiter::arm(std::coroutine_handle<> handle) {
  TRV_ASSERT(!handle_);
  core_ = Core::current();
  TRV_ASSERT(core_ != nullptr);
  handle_ = handle;
}

void Waiter::wake() {
  if (!handle_) return;
  core_->state_->ready.push_back(std::exchange(handle_, nullptr));
}

void Gate::enter() {
  TRV_ASSERT(!closed_);
  ++count_;
}

void Gate::leave() {
  TRV_ASSERT(count_ > 0);
  if (--count_ == 0) waiter_.wake();
}

Task<> Gate::close() {
  TRV_ASSERT(!closed_);
  closed_ = true;
  struct Awaiter {
    Gate& gate;
    bool await_ready() { return gate.count_ == 0; }
    void await_suspend(std::coroutine_handle<> handle) { gate.waiter_.arm(handle); }
    void await_resume() {}
  };
  co_await Awaiter{*this};
}

}  // namespace trv::runtime
