#include "redis/reply_queue.h"

#include <utility>

namespace trv::redis {

ReplyQueue::Slot& ReplyQueue::add(State state) {
  slots_.emplace_back();
  slots_.back().state = state;
  return slots_.back();
}

ReplyQueue::Slot* ReplyQueue::find(SlotId id) {
  if (id < first_id_ || id >= first_id_ + slots_.size()) return nullptr;
  return &slots_[id - first_id_];
}

void ReplyQueue::count(Slot& slot) {
  byte_size_ -= slot.counted;
  slot.counted = slot.before.size() + slot.bytes.size();
  byte_size_ += slot.counted;
}

void ReplyQueue::count_tail() {
  if (!slots_.empty()) count(slots_.back());
}

std::string& ReplyQueue::tail() {
  if (slots_.empty()) return direct_;
  Slot& last = slots_.back();
  bool joins = last.state == State::ready || (last.state == State::waiting && !last.armed);
  return joins ? last.bytes : add(State::ready).bytes;
}

void ReplyQueue::wait(std::size_t start, broker::Commit commit) {
  std::string& from = slots_.empty() ? direct_ : slots_.back().bytes;
  TRV_DCHECK(start <= from.size());
  bool waiting = !slots_.empty() && slots_.back().state == State::waiting;
  if (waiting && slots_.back().commit.level >= commit.level) {
    TRV_DCHECK(!slots_.back().armed);
    slots_.back().commit = slots_.back().commit | commit;
    return count_tail();
  }
  // A large one that stands alone is not copied.
  const bool whole = start == 0 && from.size() > kept_size_max;
  std::string bytes = whole ? std::exchange(from, {}) : from.substr(start);
  from.resize(start);
  count_tail();
  // An emptied ready slot stays; it costs nothing when it is drained.
  Slot& slot = add(State::waiting);
  slot.bytes = std::move(bytes);
  slot.commit = commit;
  count(slot);
}

ReplyQueue::SlotId ReplyQueue::open() {
  add(State::open);
  return first_id_ + slots_.size() - 1;
}

void ReplyQueue::push_before_open(std::string_view bytes) {
  if (slots_.empty() || slots_.back().state != State::open) return push(bytes);
  slots_.back().before.append(bytes);
  count(slots_.back());
}

bool ReplyQueue::fulfil(SlotId id, std::string bytes, broker::Commit commit, bool durable) {
  Slot* slot = find(id);
  if (!slot || slot->state != State::open) return false;
  slot->bytes = std::move(bytes);
  count(*slot);
  slot->commit = commit;
  slot->state = durable ? State::ready : State::waiting;
  if (!durable) armed_to_ = std::min(armed_to_, id);
  return true;
}

bool ReplyQueue::release(SlotId id) {
  Slot* slot = find(id);
  if (!slot || slot->state != State::waiting) return false;
  slot->state = State::ready;
  return true;
}

}  // namespace trv::redis
