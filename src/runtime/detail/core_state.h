// What a Core is made of; for runtime's own sources, which alone include Asio.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/core.h"
#include "runtime/detail/read_admission.h"
#include "runtime/detail/write_admission.h"
#include "runtime/input_buffer.h"
#include "runtime/offload_pool.h"
#include "runtime/output_queue.h"
#include "runtime/timer_queue.h"

namespace trv::runtime {

namespace detail {

// Something that asked to be called once in a round. shared_ptr, since a Stream may go in between.
class RoundMember {
 public:
  virtual ~RoundMember() = default;
  virtual void on_round_start() = 0;
  virtual void on_round_end() = 0;
};

// The frame of a detached task. Linked into its core, so that it can be destroyed with it.
struct Detached {
  struct promise_type;
  std::coroutine_handle<promise_type> handle;
};

struct DetachedList {
  Detached::promise_type* first = nullptr;
};

}  // namespace detail

struct Core::State {
  // One thread runs it; others only wake it.
  static constexpr int io_threads = 1;

  const CoreIndex index;

  std::function<void()> hook;
  std::vector<std::coroutine_handle<>> ready;    // woken coroutines
  std::vector<UniqueFunction<void()>> local;     // posted by this thread
  std::vector<UniqueFunction<void()>> received;  // posted by other threads; out of the inbox
  struct Outgoing {
    Core* to;
    std::vector<UniqueFunction<void()>> posted;
  };
  std::vector<Outgoing> outgoing;  // posted by this thread to other cores, and not yet sent
  std::vector<std::shared_ptr<detail::RoundMember>> starting;  // want on_round_start next round
  std::vector<std::shared_ptr<detail::RoundMember>> dirty;     // want on_round_end
  detail::DetachedList detached;
  TimerQueue timers;
  OutputBlockPool blocks;
  InputBlockPool input_blocks;
  ConnectionLimits limits;
  detail::ReadAdmission admission{input_blocks};
  detail::WriteAdmission write_admission{blocks, limits};
  std::size_t streams = 0;       // handles alive, for the check at the end
  std::size_t open_sockets = 0;  // connections not yet closed
  std::uint64_t round = 0;
  std::size_t round_read_size = 0;  // bytes read from sockets in this round
  SteadyTime now;
  WallTime wall_now;
  bool clock_is_read = false;

  // Shared with other threads.
  std::atomic<bool> stop_wanted = false;
  std::mutex inbox_mutex;
  std::vector<UniqueFunction<void()>> inbox;
  std::atomic<bool> inbox_filled = false;

  OffloadPool* pool = nullptr;
  std::unique_ptr<OffloadPool> own_pool;

  // Last, so that it goes first: handlers inside it hold states that use the rest.
  boost::asio::io_context io{io_threads};

  State(CoreIndex index, OffloadPool* pool);
  // Sets now and wall_now, once a round: after the sleep, when first asked.
  void read_clock();
  bool anything_pending() const;
  void poll_sockets();
  void run_queued();
  void run_all(std::vector<UniqueFunction<void()>>& posted);
  void take_inbox();
  void run_timers();
  void resume_ready();
  void end_round();
  void wake();
  // Puts `posted` into the inbox, for this thread to take; leaves it empty.
  void receive(std::vector<UniqueFunction<void()>>& posted);
  void send_later(Core& to, UniqueFunction<void()> work);
  void send_outgoing();
  void destroy_detached();
};

}  // namespace trv::runtime
