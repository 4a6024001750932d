// Task<T>: a lazy coroutine that starts when awaited, on the awaiting core, and resumes its awaiter
// when it ends. Coroutines sequence; plain functions decide.
//
// Owner: whoever holds the Task; a Task that is awaited lives in its awaiter's frame. Detached work
// is started with Core::spawn. A Task never changes cores. Exceptions do not leave a Task:
// an escaped one ends the process, since no module throws across its front door.
//
// A Task that ends without ever suspending costs no trip through the event loop and no stack: a
// loop may await any number of them.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace trv::runtime {

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  // True while the awaiter's await_suspend is still on the stack below. The awaiter then goes on by
  // itself, and must not be resumed. (Symmetric transfer alone would grow the stack in builds that
  // do not turn it into a jump, such as those with sanitizers.)
  bool starting = false;

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> handle) noexcept {
      PromiseBase& promise = handle.promise();
      if (promise.starting) return std::noop_coroutine();
      return promise.continuation;
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  Task<T> get_return_object();
  void return_value(T v) { value.emplace(std::move(v)); }
  T take() { return std::move(*value); }
  std::optional<T> value;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
  void take() {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  Task() = default;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const { return false; }
  // Requires: holds a coroutine that was not awaited before.
  bool await_suspend(std::coroutine_handle<> awaiter) {
    TRV_DCHECK(handle_ && !handle_.done());
    promise_type& promise = handle_.promise();
    promise.continuation = awaiter;
    promise.starting = true;
    handle_.resume();
    promise.starting = false;
    return !handle_.done();
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

}  // namespace trv::runtime
