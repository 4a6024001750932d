#include "amqp/channel.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::amqp {

void Confirms::open_group(std::uint64_t last) {
  TRV_ASSERT(last > grouped_);
  TRV_ASSERT(last <= last_);
  grouped_ = last;
  groups_.push_back({last});
}

void Confirms::close_group(std::uint64_t last, bool ok) {
  const auto found = std::lower_bound(groups_.begin(), groups_.end(), last,
                                      [](const Group& g, std::uint64_t v) { return g.last < v; });
  TRV_ASSERT(found != groups_.end());
  TRV_ASSERT(found->last == last);
  found->done = true;
  found->ok = ok;
}

bool Confirms::take_answer(Answer& answer) {
  if (groups_.empty() || !groups_.front().done) return false;
  answer = {answered_ + 1, groups_.front().last, groups_.front().ok};
  while (!groups_.empty() && (groups_.front().done || TRV_MUTANT(confirm_of_what_is_under_way)) &&
         (groups_.front().ok == answer.ok || TRV_MUTANT(refusal_confirmed_with_others))) {
    answer.last = groups_.front().last;
    groups_.pop_front();
  }
  answered_ = answer.last;
  return true;
}

std::uint64_t Channel::add_delivery(Subscription& from, Sequence sequence,
                                    runtime::SteadyTime deadline,
                                    std::chrono::milliseconds time_max) {
  ++last_tag_;
  if (!from.no_ack) {
    unsettled_.push_back({last_tag_, &from, sequence, deadline, time_max});
    ++from.unsettled;
    if (from.source != Subscription::Source::get) ++unsettled_count_;
  }
  return last_tag_;
}

const Unsettled* Channel::first_due() const {
  const Unsettled* first = nullptr;
  for (const Unsettled& one : unsettled_) {
    if (!one.from || one.deadline == runtime::SteadyTime{}) continue;
    if (!first || one.deadline < first->deadline) first = &one;
  }
  return first;
}

void Channel::note_taken(const Unsettled& entry) {
  TRV_ASSERT(entry.from->unsettled > 0);
  --entry.from->unsettled;
  touch(*entry.from);
  if (entry.from->source != Subscription::Source::get) --unsettled_count_;
}

bool Channel::take_unsettled(std::uint64_t tag, bool multiple, std::vector<Unsettled>& out) {
  if (tag == 0) {
    if (!multiple) return false;
    take_all_unsettled(out);
    return true;
  }
  const auto found =
      std::lower_bound(unsettled_.begin(), unsettled_.end(), tag,
                       [](const Unsettled& u, std::uint64_t v) { return u.tag < v; });
  if (found == unsettled_.end() || found->tag != tag || !found->from) return false;
  if (TRV_MUTANT(multiple_ack_settles_one)) multiple = false;
  if (!multiple) {
    out.push_back(*found);
    note_taken(*found);
    found->from = nullptr;
    ++blanks_;
  } else {
    for (auto at = unsettled_.begin(); at != found + 1; ++at) {
      if (!at->from) {
        --blanks_;
        continue;
      }
      out.push_back(*at);
      note_taken(*at);
    }
    unsettled_.erase(unsettled_.begin(), found + 1);
  }
  drop_blanks();
  return true;
}

void Channel::take_all_unsettled(std::vector<Unsettled>& out) {
  for (const Unsettled& entry : unsettled_) {
    if (!entry.from) continue;
    out.push_back(entry);
    note_taken(entry);
  }
  unsettled_.clear();
  blanks_ = 0;
}

void Channel::keep_taken(const std::vector<Unsettled>& entries) {
  for (const Unsettled& entry : entries) {
    ++entry.from->unsettled;
    if (entry.from->source != Subscription::Source::get) ++unsettled_count_;
  }
}

void Channel::let_go(const std::vector<Unsettled>& entries) {
  for (const Unsettled& entry : entries) note_taken(entry);
}

void Channel::put_back(std::vector<Unsettled> entries) {
  const auto by_tag = [](const Unsettled& a, const Unsettled& b) { return a.tag < b.tag; };
  std::sort(entries.begin(), entries.end(), by_tag);
  std::erase_if(unsettled_, [](const Unsettled& u) { return !u.from; });
  blanks_ = 0;
  std::deque<Unsettled> all;
  std::merge(unsettled_.begin(), unsettled_.end(), entries.begin(), entries.end(),
             std::back_inserter(all), by_tag);
  unsettled_ = std::move(all);
}

void Channel::drop_blanks() {
  while (!unsettled_.empty() && !unsettled_.front().from) {
    unsettled_.pop_front();
    --blanks_;
  }
  // One straggler must not keep the places of all that were settled after it.
  if (blanks_ > 1024 && blanks_ > unsettled_.size() / 2) {
    std::erase_if(unsettled_, [](const Unsettled& u) { return !u.from; });
    blanks_ = 0;
  }
}

Subscription& Channel::add_subscription(std::uint64_t key) {
  auto& slot = subscriptions[key];
  TRV_ASSERT(!slot);
  slot = std::make_unique<Subscription>();
  slot->key = key;
  return *slot;
}

Subscription& Channel::add_consumer(std::uint64_t key, std::string tag) {
  Subscription& s = add_subscription(key);
  s.tag = std::move(tag);
  keys_by_tag_[s.tag] = key;  // in the place of one that is gone
  return s;
}

Subscription& Channel::add_reply_consumer(std::uint64_t key, std::string tag) {
  Subscription& s = add_consumer(key, std::move(tag));
  s.source = Subscription::Source::reply;
  reply_key_ = key;
  return s;
}

Subscription& Channel::add_get_holder(std::uint64_t key, std::string queue, bool no_ack) {
  Subscription& s = add_subscription(key);
  s.source = Subscription::Source::get;
  s.queue = std::move(queue);
  s.no_ack = no_ack;
  keys_of_gets_[{s.queue, no_ack}] = key;
  return s;
}

Subscription* Channel::find_subscription(std::uint64_t key) {
  const auto found = subscriptions.find(key);
  return found == subscriptions.end() ? nullptr : found->second.get();
}

Subscription* Channel::find_consumer(std::string_view tag) {
  const auto key = keys_by_tag_.find(tag);
  Subscription* s = key == keys_by_tag_.end() ? nullptr : find_subscription(key->second);
  return s && s->state != Subscription::State::gone ? s : nullptr;
}

Subscription* Channel::find_get_holder(const std::string& queue, bool no_ack) {
  const auto key = keys_of_gets_.find({queue, no_ack});
  return key == keys_of_gets_.end() ? nullptr : find_subscription(key->second);
}

Subscription* Channel::next_with_held() {
  const auto has_held = [](const auto& one) { return !one.second->held.empty(); };
  const auto turn = subscriptions.upper_bound(held_turn);
  auto found = std::find_if(turn, subscriptions.end(), has_held);
  if (found != subscriptions.end()) return found->second.get();
  found = std::find_if(subscriptions.begin(), turn, has_held);
  return found != turn ? found->second.get() : nullptr;
}

void Channel::remove(Subscription& s) {
  const auto key = keys_by_tag_.find(s.tag);
  const bool has_tag = key != keys_by_tag_.end() && key->second == s.key;
  if (has_tag) keys_by_tag_.erase(key);  // unless another one has it by now
  subscriptions.erase(s.key);
}

void Channel::drop_if_done(Subscription& s) {
  const bool settled = s.unsettled == 0 && s.held.empty() && s.settled.empty() && s.read_count == 0;
  if (s.state == Subscription::State::gone && settled) remove(s);
}

void Channel::touch(Subscription& s) {
  if (!std::exchange(s.touched, true)) touched_.push_back(s.key);
}

std::vector<std::uint64_t> Channel::take_touched() {
  for (const std::uint64_t key : touched_) {
    if (Subscription* s = find_subscription(key)) s->touched = false;
  }
  return std::exchange(touched_, {});
}

}  // namespace trv::amqp
