// Stream: one accepted TCP connection. Reads suspend; writes never do: they queue, and the core
// flushes the queue at the end of the round with a gathered, non-blocking write.
//
// Owner: the front-end's connection object, on one core. The Stream must outlive its suspended
// calls; close() makes them return. A Stream that is destroyed open is closed as by close().
//
// Fairness: a connection that always has bytes to read gets a bounded share of a round, and then
// read() suspends until the next one.
//
// Backpressure: unsent() tells what the peer has not taken. A connection must stop reading (await
// drained()) when it passes its limit, so that nothing grows with what a peer leaves unread. A peer
// that takes nothing for ConnectionLimits::send_timeout is dropped.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/slice.h"
#include "runtime/core.h"
#include "runtime/input_buffer.h"

namespace trv::runtime {

class Stream {
 public:
  struct State;
  class ReadOperation;
  class DrainOperation;

  // Takes over a connected socket (TCP, or a socket pair in tests). Errors: io_error; the socket is
  // closed then.
  static Result<std::unique_ptr<Stream>> adopt(Core& core, int socket);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Awaitable; result: Result<std::size_t>. Reads what is there, at least one byte; suspends until
  // then. 0 when the peer has finished sending. Errors: closed (by close() here, or reset by the
  // peer, or for want of memory), io_error. One read at a time. Views into the buffer end with the
  // call. While the core's connections hold all the memory that they may, reads wait, and one after
  // the other goes on.
  ReadOperation read(InputBuffer& into);

  // Queues bytes. Small ones are copied together into a pooled tail; a Slice is held until sent.
  // After close(), or an error on the socket, they are dropped.
  void write(std::string_view bytes);
  void write(Slice slice);

  // Bytes queued and not yet taken by the kernel.
  std::size_t unsent() const;
  // See Core::unsent_limit().
  std::size_t unsent_limit(std::size_t wanted) const;
  // Its peer may have sent something that waits until there is memory for it.
  bool waits_for_memory() const;
  // Awaitable. Suspends until unsent() <= limit or the stream is closed or broken. One waiter.
  DrainOperation drained(std::size_t limit);
  // For answers of any size: false while the core's connections together have more unsent than they
  // may, but for one of those in turn().
  bool has_turn() const;
  // The same as an awaitable. The turn goes on when the peer has taken what was written, or after a
  // moment; a peer that then takes nothing for stall_timeout is dropped. One waiter, here or in
  // drained().
  DrainOperation turn();

  // Sends what is queued, in the background, tells the peer, and waits for the peer's end, all that
  // for at most `linger`; then closes. Suspended calls return at once. Safe to call twice.
  void close(std::chrono::milliseconds linger = std::chrono::milliseconds(1000));
  // Drops the connection and what is queued.
  void abort();
  bool closed() const;
  // A write has failed: the peer is gone, though nobody may have read its end yet.
  bool broken() const;

  Core& core() const;
  // "address:port" of each end; loopback tells whether the peer is on this machine.
  const std::string& peer_address() const;
  const std::string& local_address() const;
  bool peer_is_loopback() const;
  // When bytes last came in or went out; for heartbeats and idle limits.
  SteadyTime last_read() const;
  SteadyTime last_write() const;

 private:
  explicit Stream(std::shared_ptr<State> state);
  // Shared with operations that the kernel still runs and with the core's list of dirty streams.
  std::shared_ptr<State> state_;
};

class [[nodiscard]] Stream::ReadOperation {
 public:
  ReadOperation(const std::shared_ptr<State>& state, InputBuffer& into);
  ~ReadOperation();
  ReadOperation(const ReadOperation&) = delete;
  ReadOperation& operator=(const ReadOperation&) = delete;

  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  Result<std::size_t> await_resume() { return std::move(result_); }

 private:
  friend struct State;
  // Holds the State while the coroutine is suspended, since the Stream may go before it wakes up.
  std::shared_ptr<State> state_;
  InputBuffer& into_;
  Result<std::size_t> result_;
  Waiter waiter_;
};

class [[nodiscard]] Stream::DrainOperation {
 public:
  DrainOperation(const std::shared_ptr<State>& state, std::size_t limit, bool in_turn);
  ~DrainOperation();
  DrainOperation(const DrainOperation&) = delete;
  DrainOperation& operator=(const DrainOperation&) = delete;

  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  void await_resume() {}

 private:
  friend struct State;
  std::shared_ptr<State> state_;  // as in ReadOperation
  std::size_t limit_;
  bool in_turn_;
  Waiter waiter_;
};

// Accepts connections on one address for one core. With several cores, each has a Listener on the
// same port (SO_REUSEPORT) and the kernel spreads connections over them. Out of file descriptors,
// it logs, and tries again a little later.
class Listener {
 public:
  using OnAccept = std::function<void(std::unique_ptr<Stream>)>;

  // Errors: in_use (the port is taken), access_refused, invalid_argument (bad address), io_error.
  // `port` 0 picks a free one; see port(). `shared` must be true when several cores listen; core 0
  // then opens first, and finds out whether another process has the port.
  static Result<std::unique_ptr<Listener>> open(Core& core, const std::string& address,
                                                std::uint16_t port, bool shared,
                                                OnAccept on_accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  std::uint16_t port() const;
  // "address:port" as bound.
  const std::string& address() const;
  // Stops accepting; accepted streams live on.
  void close();

 private:
  struct State;
  explicit Listener(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the accept that the kernel still runs
};

}  // namespace trv::runtime
