// ReplyQueue: a connection's replies on their way out, in the order of the requests.
//
// Owner: the connection. A reply that can be sent at once, with none waiting before it, is appended
// to `direct` and goes to the stream in one piece at the end of the batch. Else it lies in a slot:
//
//   ready     complete; sent when all before it are
//   waiting   complete; may be sent when its commit is durable. Later replies of the same batch
//             join it, as they have to wait for it anyway
//   open      the reply is still to come (another core, a blocked command). What is sent meanwhile
//             and is not a reply may go before it
//
// Invariants: bytes leave in the order of the requests; a waiting slot is armed once, at the end of
// the batch that filled it, and never grows afterwards.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "broker/broker.h"

namespace trv::redis {

// Not much more memory than bytes: it may be kept until it is sent.
inline bool is_tight(const std::string& text) { return text.capacity() <= text.size() / 4 * 5; }

class ReplyQueue {
 public:
  using SlotId = std::uint64_t;

  // Where the next reply goes.
  std::string& tail();
  // What was appended to tail() from `start` on must wait for `commit`.
  void wait(std::size_t start, broker::Commit commit);
  // A reply that comes later.
  SlotId open();
  // Appends bytes behind everything that is queued.
  void push(std::string_view bytes) { tail().append(bytes); }

  // The same before the reply that the last slot waits for, behind all others.
  void push_before_open(std::string_view bytes);

  // Gives an open slot its reply. Result: whether there is such a slot.
  bool fulfil(SlotId id, std::string bytes, broker::Commit commit, bool durable);
  // The commit of a waiting slot is durable. False when the slot is gone.
  bool release(SlotId id);

  // Calls `arm(SlotId, Commit)` for each waiting slot that was not armed yet.
  template <class Arm>
  void arm_all(Arm&& arm);
  // Calls `send(std::string&&)` with the bytes that may leave now, in order. It may take the
  // string.
  template <class Send>
  void drain(Send&& send);

  // Nothing is held back.
  bool idle() const { return slots_.empty(); }
  std::size_t byte_size() const { return byte_size_ + direct_.size(); }
  // To be called after appending to tail().
  void count_tail();

 private:
  static constexpr std::size_t kept_size_max = 64u << 10;
  enum class State : std::uint8_t { ready, waiting, open };
  struct Slot {
    std::string bytes;
    std::string before;  // of an open slot: sent as soon as all before it is
    broker::Commit commit;
    State state = State::ready;
    bool armed = false;
    std::size_t counted = 0;  // bytes in byte_size_
  };
  void count(Slot& slot);
  Slot* find(SlotId id);
  Slot& add(State state);

  std::string direct_;
  std::deque<Slot> slots_;
  SlotId first_id_ = 1;  // of slots_.front()
  SlotId armed_to_ = 1;  // slots before it need no arming
  std::size_t byte_size_ = 0;
};

template <class Arm>
void ReplyQueue::arm_all(Arm&& arm) {
  armed_to_ = std::max(armed_to_, first_id_);
  for (; armed_to_ < first_id_ + slots_.size(); ++armed_to_) {
    Slot& slot = slots_[armed_to_ - first_id_];
    if (slot.state != State::waiting || slot.armed) continue;
    slot.armed = true;
    arm(armed_to_, slot.commit);
  }
}

template <class Send>
void ReplyQueue::drain(Send&& send) {
  if (!direct_.empty()) {
    send(std::move(direct_));
    // One large reply does not cost its connection memory for ever.
    if (direct_.capacity() > kept_size_max) std::string().swap(direct_);
    direct_.clear();
  }
  while (!slots_.empty()) {
    if (!slots_.front().before.empty()) {
      send(std::move(slots_.front().before));
      slots_.front().before.clear();
      count(slots_.front());
    }
    if (slots_.front().state != State::ready) break;
    Slot slot = std::move(slots_.front());
    slots_.pop_front();
    ++first_id_;
    byte_size_ -= slot.counted;
    send(std::move(slot.bytes));
  }
}

}  // namespace trv::redis
