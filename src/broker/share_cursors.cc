#include "broker/share_cursors.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/log.h"
#include "base/mutant.h"
#include "broker/cold_reads.h"
#include "broker/entry.h"
#include "broker/feeds.h"
#include "broker/shard_state.h"
#include "broker/topic_state.h"

namespace trv::broker {
namespace {

using model::Moment;
using model::ShareCursor;

// When the journal has no place for what comes back.
constexpr std::chrono::seconds retry_interval(1);

// Whether the batch belongs to a transaction that was aborted.
bool is_aborted(Topic& topic, PartitionIndex partition, const model::BatchHeader& batch) {
  if (!batch.transactional() || TRV_MUTANT(share_group_reads_aborted)) return false;
  const Offset end = batch.base_offset + batch.offset_count();
  const auto aborted = topic.state.producers(partition).aborted_in(batch.base_offset, end);
  return std::any_of(aborted.begin(), aborted.end(), [&batch](const auto& transaction) {
    return transaction.producer == batch.producer_id;
  });
}

}  // namespace

struct ShareCursors::State {
  // One group in one partition.
  struct Place {
    ShardId shard;
    TopicId topic;
    std::string group;
    PartitionIndex partition;
    auto operator<=>(const Place&) const = default;
  };

  explicit State(Broker& b)
      : broker(b), feeds(b, entry::share_changes, &ShardState::share_changes) {}

  Result<Commit> execute(Topic& topic, ByteView command);
  Result<Commit> apply(Topic& topic, const std::string& group, PartitionIndex partition,
                       const model::ShareOutcomes& outcomes);
  Offset first_offset(Topic& topic, const Wanted& wanted);
  Offset readable_end(Topic& topic, const Wanted& wanted);
  Result<bool> acquire_batch(Topic& topic, ShareCursor& cursor, ShareCursor::LockId lock,
                             const Wanted& wanted, Acquired& acquired);
  void pass_over_erased(Topic& topic, ShareCursor& cursor, const FetchedBatch& batch);
  void watch(Place place, Moment deadline);
  void arm();
  void on_timer();
  void release_overdue(const Place& place);
  Moment now() const { return broker.core().now(); }

  Broker& broker;
  Feeds<model::ShareChanges> feeds;
  std::map<Place, Moment> deadlines;
  std::multimap<Moment, Place> by_time;  // may hold some that are not due any more
  runtime::Timer timer;
  std::optional<Moment> timer_due;
};

ShareCursors::ShareCursors(Broker& broker) : state_(std::make_unique<State>(broker)) {}
ShareCursors::~ShareCursors() = default;

void ShareCursors::stop() {
  state_->timer.cancel();
  state_->deadlines.clear();
  state_->by_time.clear();
}

// Entry: the topic's id, then a model::ShareCursors command.
Result<Commit> ShareCursors::State::execute(Topic& topic, ByteView command) {
  if (Status begun = feeds.before_change(topic.shard); !begun) return begun.error();
  if (!topic.state.settings().transient) {
    std::string prefix;
    ByteWriter(prefix).u64_le(topic.state.id().value);
    const ByteView parts[] = {prefix, command};
    // Consumers go on when the disk is full.
    auto kept = broker.journal(Space::less, entry::share_cursor, topic.shard, parts);
    if (!kept) return kept.error();
  }
  Status applied = detail::apply_share_command(broker.shard(topic.shard), topic, command);
  TRV_ASSERT(applied.ok());
  feeds.after_change();
  if (TRV_MUTANT(share_ack_answered_early)) return Commit{};
  return Commit{broker.tail().round, topic.state.settings().durability};
}

Commit ShareCursors::last_change(const Topic& topic) const {
  return {state_->broker.tail().round, topic.state.settings().durability};
}

Result<Commit> ShareCursors::State::apply(Topic& topic, const std::string& group,
                                          PartitionIndex partition,
                                          const model::ShareOutcomes& outcomes) {
  Result<Commit> commit =
      execute(topic, model::ShareCursors::encode_outcomes(group, partition, outcomes));
  if (!commit) return commit;
  bool comes_back = std::any_of(outcomes.begin(), outcomes.end(),
                                [](const auto& outcome) { return outcome.deliveries > 0; });
  if (comes_back) broker.topics().notify(topic.state.name());
  return commit;
}

Feeds<model::ShareChanges>& ShareCursors::feeds() { return state_->feeds; }

const model::ShareCursor* ShareCursors::find(ShardId shard,
                                             const model::ShareCursorKey& key) const {
  Topic* topic = state_->broker.shard(shard).find_topic(key.topic);
  return topic == nullptr ? nullptr : topic->share_cursors.find(key.group, key.partition);
}

// --- giving out ----------------------------------------------------------------------------------

Offset ShareCursors::State::first_offset(Topic& topic, const Wanted& wanted) {
  Topics& topics = broker.topics();
  switch (wanted.start.from) {
    case ShareStart::From::beginning:
      return topics.state(topic).log_start(wanted.partition);
    case ShareStart::From::time: {
      auto found =
          topics.offset_since(topic, wanted.partition, broker.wall_now().ms - wanted.start.ago_ms);
      if (found && *found) return (*found)->offset;
      break;
    }
    case ShareStart::From::end:
      break;
  }
  return topics.high_watermark(topic, wanted.partition);
}

// Up to here the group may be given records.
Offset ShareCursors::State::readable_end(Topic& topic, const Wanted& wanted) {
  return wanted.isolation == Isolation::committed
             ? broker.topics().last_stable_offset(topic, wanted.partition)
             : broker.topics().high_watermark(topic, wanted.partition);
}

// Records that were taken out one by one.
void ShareCursors::State::pass_over_erased(Topic& topic, ShareCursor& cursor,
                                           const FetchedBatch& batch) {
  std::int64_t count = batch.header.offset_count();
  if (!topic.state.any_erased(batch.first_sequence, batch.first_sequence + count)) return;
  for (std::int64_t i = 0; i < count; ++i) {
    if (!topic.state.erased(batch.first_sequence + i)) continue;
    Offset at = batch.header.base_offset + i;
    cursor.pass_over(at, at + 1);
  }
}

// The batch of the first record that is ready. False when there is no more for now.
Result<bool> ShareCursors::State::acquire_batch(Topic& topic, ShareCursor& cursor,
                                                ShareCursor::LockId lock, const Wanted& wanted,
                                                Acquired& acquired) {
  const Offset end = readable_end(topic, wanted);
  std::optional<Offset> at = cursor.first_ready(end);
  if (!at || cursor.locked_count() >= ShareCursor::locked_max) return false;
  const FetchLimits limits{.bytes_max = 0, .at_least_one = true, .waits = false};
  Result<Fetched> fetched =
      broker.topics().fetch(topic, wanted.partition, *at, limits, wanted.isolation);
  if (!fetched) return fetched.error();
  if (fetched->cold) {
    // Who waits for something new is called when it comes.
    broker.cold_reads().wait(*fetched->cold, [&topics = broker.topics(),
                                              name = topic.state.name()] { topics.notify(name); });
    return false;
  }
  if (fetched->batches.empty()) {
    cursor.pass_over(*at, end);
    return false;
  }
  FetchedBatch& batch = fetched->batches.front();
  const Offset base = batch.header.base_offset;
  const Offset batch_end = std::min(base + batch.header.offset_count(), end);
  cursor.pass_over(*at, std::min(base, end));  // compacted
  const bool unwanted =
      wanted.isolation == Isolation::committed && is_aborted(topic, wanted.partition, batch.header);
  if (batch.header.control() || unwanted) {
    cursor.pass_over(base, batch_end);
    return true;
  }
  if (acquired.size > 0 && acquired.size + batch.bytes.size() > wanted.bytes_max) return false;
  pass_over_erased(topic, cursor, batch);
  const bool exact = wanted.exact && !TRV_MUTANT(share_record_limit_exceeded);
  const std::size_t count_max =
      exact ? wanted.records_max - acquired.record_count : ShareCursor::locked_max;
  std::size_t count = cursor.acquire(lock, std::max(base, *at), batch_end, count_max,
                                     wanted.range_max, acquired.ranges);
  if (count == 0) return true;
  acquired.record_count += count;
  acquired.size += batch.bytes.size();
  acquired.batches.push_back(std::move(batch));
  return true;
}

Result<ShareCursors::Acquired> ShareCursors::acquire(Topic& topic, const Wanted& wanted) {
  Acquired acquired;
  ShareCursor* cursor = topic.share_cursors.find(wanted.group, wanted.partition);
  if (cursor == nullptr) {
    Offset first = state_->first_offset(topic, wanted);
    Result<Commit> begun = state_->execute(
        topic, model::ShareCursors::encode_start(wanted.group, wanted.partition, first));
    if (!begun) return begun.error();
    acquired.shown = *begun;
    cursor = topic.share_cursors.find(wanted.group, wanted.partition);
  }
  cursor->trim(state_->broker.topics().state(topic).log_start(wanted.partition));
  const Moment until = state_->now() + wanted.lock;
  const ShareCursor::LockId lock = cursor->open_lock(wanted.member, until);
  while (acquired.record_count < wanted.records_max &&
         (acquired.size == 0 || acquired.size < wanted.bytes_max)) {
    Result<bool> more = state_->acquire_batch(topic, *cursor, lock, wanted, acquired);
    if (!more && acquired.record_count == 0) {
      cursor->close_lock(lock);
      return more.error();
    }
    if (!more || !*more) break;
  }
  cursor->close_lock(lock);
  if (acquired.record_count > 0) {
    state_->watch({topic.shard, topic.state.id(), wanted.group, wanted.partition}, until);
  }
  return acquired;
}

// --- coming back ---------------------------------------------------------------------------------

Result<Commit> ShareCursors::acknowledge(Topic& topic, const std::string& group,
                                         const std::string& member, PartitionIndex partition,
                                         std::span<const ShareCursor::Ack> acks,
                                         std::chrono::milliseconds lock) {
  ShareCursor* cursor = topic.share_cursors.find(group, partition);
  if (cursor == nullptr) return Error{Errc::not_found, "the group does not read the partition"};
  cursor->trim(topic.state.log_start(partition));
  for (const ShareCursor::Ack& ack : acks) {
    if (ack.end > cursor->next()) {
      return Error{Errc::invalid_argument, "an acknowledgement is of what was not given out"};
    }
  }
  std::optional<model::ShareOutcomes> outcomes = cursor->outcomes_of(member, acks);
  if (!outcomes) {
    return Error{Errc::invalid_state,
                 "The record state is invalid. The acknowledgement of delivery could not be "
                 "completed."};
  }
  // What was settled before may be on its way to the disk.
  Result<Commit> commit = outcomes->empty() ? Result<Commit>(last_change(topic))
                                            : state_->apply(topic, group, partition, *outcomes);
  if (!commit) return commit;
  const Moment until = state_->now() + lock;
  cursor->renew(member, acks, until);
  state_->watch({topic.shard, topic.state.id(), group, partition}, until);
  return commit;
}

void ShareCursors::release(Topic& topic, const std::string& group, const std::string& member,
                           PartitionIndex partition) {
  ShareCursor* cursor = topic.share_cursors.find(group, partition);
  if (cursor == nullptr) return;
  model::ShareOutcomes outcomes = cursor->outcomes_of_leaving(member);
  // Without a place in the journal it comes back when its time is up.
  if (!outcomes.empty()) static_cast<void>(state_->apply(topic, group, partition, outcomes));
}

void ShareCursors::State::watch(Place place, Moment deadline) {
  auto [it, added] = deadlines.try_emplace(place, deadline);
  if (!added && it->second <= deadline) return;
  it->second = deadline;
  by_time.emplace(deadline, std::move(place));
  arm();
}

void ShareCursors::State::arm() {
  if (by_time.empty()) return;
  Moment due = by_time.begin()->first;
  if (timer_due && *timer_due <= due) return;
  timer_due = due;
  timer =
      broker.core().schedule(std::max<runtime::Duration>(due - now(), std::chrono::milliseconds(1)),
                             [this] { on_timer(); });
}

void ShareCursors::State::on_timer() {
  timer_due.reset();
  while (!by_time.empty() && by_time.begin()->first <= now()) {
    Moment due = by_time.begin()->first;
    Place place = std::move(by_time.begin()->second);
    by_time.erase(by_time.begin());
    auto known = deadlines.find(place);
    if (known == deadlines.end() || known->second != due) continue;
    deadlines.erase(known);
    release_overdue(place);
  }
  arm();
}

void ShareCursors::State::release_overdue(const Place& place) {
  Topic* topic = broker.shard(place.shard).find_topic(place.topic);
  if (topic == nullptr) return;
  ShareCursor* cursor = topic->share_cursors.find(place.group, place.partition);
  if (cursor == nullptr) return;
  const Moment due = now();
  model::ShareOutcomes outcomes = cursor->outcomes_of_overdue(due);
  bool kept = outcomes.empty() || apply(*topic, place.group, place.partition, outcomes).ok();
  if (kept) {
    cursor->forget_overdue(due);
  } else {
    cursor->postpone_overdue(due, due + retry_interval);
  }
  if (std::optional<Moment> next = cursor->next_deadline()) watch(place, *next);
}

// --- looking and setting -------------------------------------------------------------------------

std::vector<ShareCursors::Position> ShareCursors::positions(const Topic& topic,
                                                            std::string_view group) const {
  std::vector<Position> positions;
  const auto& groups = topic.share_cursors.all();
  auto at = groups.find(group);
  if (at == groups.end()) return positions;
  for (const auto& [index, cursor] : at->second) {
    PartitionIndex partition(index);
    const Offset start = std::max(cursor.start(), topic.state.log_start(partition));
    const Offset end = state_->broker.topics().high_watermark(topic, partition);
    positions.push_back(
        {partition, start, static_cast<std::int64_t>(cursor.unsettled_count(start, end))});
  }
  return positions;
}

std::vector<std::string> ShareCursors::topics_of(std::string_view group) const {
  std::vector<std::string> names;
  state_->broker.each_shard([&](ShardState& shard) {
    for (const auto& [name, topic] : shard.topics) {
      if (topic->share_cursors.all().contains(group)) names.push_back(name);
    }
  });
  return names;
}

Result<Commit> ShareCursors::set_position(Topic& topic, const std::string& group,
                                          PartitionIndex partition, Offset start) {
  Result<Commit> set =
      state_->execute(topic, model::ShareCursors::encode_start(group, partition, start));
  if (set) state_->broker.topics().notify(topic.state.name());
  return set;
}

Result<Commit> ShareCursors::forget(Topic& topic, const std::string& group) {
  if (!topic.share_cursors.all().contains(group)) {
    return Error{Errc::not_found, "There is no offset information to delete."};
  }
  return state_->execute(topic, model::ShareCursors::encode_forget(group));
}

Result<Commit> ShareCursors::forget_everywhere(const std::string& group) {
  std::vector<Topic*> topics;
  state_->broker.each_shard([&](ShardState& shard) {
    for (const auto& [name, topic] : shard.topics) {
      if (topic->share_cursors.all().contains(group)) topics.push_back(topic.get());
    }
  });
  Commit all;
  for (Topic* topic : topics) {
    Result<Commit> forgotten = forget(*topic, group);
    if (!forgotten) return forgotten;
    all = all | *forgotten;
  }
  return all;
}

}  // namespace trv::broker
