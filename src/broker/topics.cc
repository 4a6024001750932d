#include "broker/topics.h"

#include <algorithm>
#include <list>
#include <random>

#include "base/mutant.h"
#include "broker/detail/topics_state.h"
#include "broker/entry.h"
#include "broker/feeds.h"
#include "broker/groups.h"
#include "broker/keyspaces.h"
#include "broker/queues.h"
#include "broker/shard_state.h"

namespace trv::broker {
namespace {

// A tick must not hold up its core.
constexpr int expired_batch_max = 1000;

TopicId fresh_topic_id(const ShardState& shard) {
  std::random_device random;
  for (;;) {
    TopicId id(std::uint64_t{random()} << 32 | random());
    if (id.value != 0 && !shard.find_topic(id)) return id;
  }
}

}  // namespace

Topics::Topics(Broker& broker) : state_(std::make_unique<State>(broker)) {}
Topics::~Topics() = default;

Result<Topics::Created> Topics::create(const std::string& name,
                                       const model::TopicSettings& settings) {
  Broker& broker = state_->broker;
  ShardState& shard = broker.shard(name);
  if (auto at = shard.topics.find(name); at != shard.topics.end()) {
    if (!state_->expired(*at->second)) return Error{Errc::already_exists, "topic exists"};
    if (Status gone = state_->remove_expired(name); !gone) return gone.error();
  }
  if (shard.keyspace.find(name, broker.wall_now())) {
    return Error{Errc::wrong_type, "the name is a key"};
  }
  if (settings.partition_count < 1) return Error{Errc::invalid_argument, "no partitions"};
  TopicId id = fresh_topic_id(shard);
  if (!settings.transient) {
    std::string payload;
    ByteWriter writer(payload);
    writer.u64_le(id.value);
    writer.sized(name);
    model::encode(settings, payload);
    auto kept = broker.journal(Space::more, entry::topic_created, shard.id, payload);
    if (!kept) return kept.error();
  }
  Topic* topic = State::insert(shard, id, name, settings);
  state_->note_expiry(*topic);
  if (state_->is_governed(*topic)) broker.queues().on_log_created(*topic);
  notify(name);
  return Created{topic, broker.tail()};
}

Topic* Topics::find(std::string_view name) {
  ShardState& shard = state_->broker.shard(name);
  auto it = shard.topics.find(name);
  return it == shard.topics.end() || state_->expired(*it->second) ? nullptr : it->second.get();
}

Result<Commit> Topics::remove(std::string_view name) {
  Broker& broker = state_->broker;
  ShardState& shard = broker.shard(name);
  auto it = shard.topics.find(name);
  if (it == shard.topics.end()) return Error{Errc::not_found, "no such topic"};
  Topic& topic = *it->second;
  if (!topic.state.settings().transient) {
    std::string payload;
    ByteWriter(payload).u64_le(topic.state.id().value);
    auto kept = broker.journal(Space::less, entry::topic_removed, shard.id, payload);
    if (!kept) return kept.error();
  }
  broker.queues().detach_topic(topic);
  std::string owned_name(name);
  state_->forget(topic);
  state_->forget_expiry(topic);
  State::erase(shard, topic);
  broker.groups().share_cursors().feeds().after_change();
  notify(owned_name);
  return broker.tail();
}

Result<Commit> Topics::change_settings(Topic& topic, const model::TopicSettings& settings) {
  Broker& broker = state_->broker;
  if (settings.partition_count < topic.state.partition_count()) {
    return Error{Errc::invalid_argument, "partitions cannot be taken away"};
  }
  state_->seal(topic);
  if (!settings.transient) {
    std::string payload;
    ByteWriter(payload).u64_le(topic.state.id().value);
    model::encode(settings, payload);
    auto kept = broker.journal(Space::more, entry::topic_changed, topic.shard, payload);
    if (!kept) return kept.error();
  }
  state_->forget_expiry(topic);
  State::apply_settings(topic, settings);
  state_->note_expiry(topic);
  if (state_->is_governed(topic)) {
    broker.queues().adopt_log(topic);
  } else {
    broker.queues().drop_log(topic);
  }
  return broker.tail();
}

Result<Commit> Topics::add_partitions(Topic& topic, std::int32_t partition_count) {
  if (partition_count <= topic.state.partition_count()) {
    return Error{Errc::invalid_argument, "the topic has that many partitions already"};
  }
  model::TopicSettings settings = topic.state.settings();
  settings.partition_count = partition_count;
  return change_settings(topic, settings);
}

std::vector<TopicFacts> Topics::list() const {
  std::vector<TopicFacts> topics;
  state_->broker.each_shard([this, &topics](ShardState& shard) {
    for (const auto& [name, topic] : shard.topics) {
      if (state_->expired(*topic)) continue;
      topics.push_back({topic->state.id(), name, topic->state.settings()});
    }
  });
  return topics;
}

const model::Topic& Topics::state(Topic& topic) {
  state_->seal(topic);
  return topic.state;
}

const model::TopicSettings& Topics::settings(const Topic& topic) { return topic.state.settings(); }

std::uint64_t Topics::live_count(const Topic& topic) const {
  return topic.state.live_count() + static_cast<std::uint64_t>(topic.builder.record_count());
}

RecordId Topics::last_id(const Topic& topic) const {
  return topic.builder.empty() ? topic.state.last_id() : topic.building_last_id;
}

Sequence Topics::visible_end(const Topic& topic) const {
  return std::min(topic.visible_end, topic.state.stable_end());
}

RecordId Topics::last_visible_id(const Topic& topic) const {
  return topic.shown_to_writer ? last_id(topic) : topic.visible_last_id;
}

Sequence Topics::State::readable_end(Topic& topic) {
  if (!topic.shown_to_writer) return broker.topics().visible_end(topic);
  seal(topic);
  return topic.state.stable_end();
}

Offset Topics::high_watermark(const Topic& topic, PartitionIndex partition) const {
  return topic.high_watermarks[static_cast<std::size_t>(partition.value)];
}

Offset Topics::last_stable_offset(Topic& topic, PartitionIndex partition) const {
  Offset stable =
      topic.state.producers(partition).last_stable_offset(high_watermark(topic, partition));
  // An open transaction may begin in what was trimmed.
  return std::max(stable, topic.state.log_start(partition));
}

// --- deleting ------------------------------------------------------------------------------------

namespace {

// A batch that lost records counts what is left of it as its oldest, so that cutting it may seem to
// make more of it.
std::uint64_t fewer(std::uint64_t before, std::uint64_t after) {
  return before - std::min(before, after);
}

}  // namespace

Result<Topics::Removed> Topics::trim_to(Topic& topic, Sequence sequence) {
  state_->seal(topic);
  sequence = std::min(sequence, topic.state.end());
  Broker& broker = state_->broker;
  if (sequence <= topic.state.start()) return Removed{0, broker.tail()};
  if (!topic.state.settings().transient) {
    std::string payload;
    ByteWriter writer(payload);
    writer.u64_le(topic.state.id().value);
    writer.i64_le(sequence.value);
    auto kept = broker.journal(Space::less, entry::topic_trimmed, topic.shard, payload);
    if (!kept) return kept.error();
  }
  std::uint64_t before = topic.state.live_count();
  topic.state.apply_trim(sequence);
  broker.queues().on_trimmed(topic);
  return Removed{fewer(before, topic.state.live_count()), broker.tail()};
}

Result<Topics::Removed> Topics::trim_partition(Topic& topic, PartitionIndex partition,
                                               Offset offset) {
  state_->seal(topic);
  Broker& broker = state_->broker;
  if (offset > high_watermark(topic, partition) && !TRV_MUTANT(records_deleted_beyond_the_log)) {
    return Error{Errc::out_of_range, "offset is beyond the log"};
  }
  if (offset <= topic.state.log_start(partition)) return Removed{0, broker.tail()};
  if (!topic.state.settings().transient) {
    std::string payload;
    ByteWriter writer(payload);
    writer.u64_le(topic.state.id().value);
    writer.u32_le(static_cast<std::uint32_t>(partition.value));
    writer.i64_le(offset.value);
    auto kept = broker.journal(Space::less, entry::partition_trimmed, topic.shard, payload);
    if (!kept) return kept.error();
  }
  std::uint64_t before = topic.state.live_count();
  topic.state.apply_trim_partition(partition, offset);
  broker.queues().on_trimmed(topic);
  return Removed{fewer(before, topic.state.live_count()), broker.tail()};
}

Result<Topics::Removed> Topics::erase(Topic& topic, std::span<const RecordId> ids) {
  state_->seal(topic);
  Broker& broker = state_->broker;
  std::string payload;
  ByteWriter writer(payload);
  writer.u64_le(topic.state.id().value);
  std::vector<std::pair<Sequence, RecordId>> found;
  for (RecordId id : ids) {
    Result<Sequence> sequence = sequence_of(topic, id);
    if (!sequence || *sequence >= topic.state.end()) continue;
    Result<std::optional<model::StoredRecord>> record = read_one(topic, *sequence);
    if (!record || !*record || (*record)->id != id) continue;
    found.emplace_back(*sequence, id);
    writer.varint_signed(sequence->value);
    writer.varint(id.ms);
    writer.varint(id.seq);
  }
  if (!found.empty() && !topic.state.settings().transient) {
    auto kept = broker.journal(Space::less, entry::records_erased, topic.shard, payload);
    if (!kept) return kept.error();
  }
  std::uint64_t before = topic.state.live_count();
  for (const auto& [sequence, id] : found) topic.state.apply_erase(sequence, id);
  broker.queues().on_erased(topic);
  return Removed{before - topic.state.live_count(), broker.tail()};
}

Result<Commit> Topics::set_id(Topic& topic, RecordId last_id,
                              std::optional<std::uint64_t> added_count,
                              std::optional<RecordId> max_erased_id) {
  state_->seal(topic);
  Broker& broker = state_->broker;
  if (!topic.state.settings().transient) {
    std::string payload;
    ByteWriter writer(payload);
    writer.u64_le(topic.state.id().value);
    writer.varint(last_id.ms);
    writer.varint(last_id.seq);
    writer.varint(added_count ? *added_count + 1 : 0);
    writer.u8(max_erased_id ? 1 : 0);
    writer.varint(max_erased_id ? max_erased_id->ms : 0);
    writer.varint(max_erased_id ? max_erased_id->seq : 0);
    auto kept = broker.journal(Space::more, entry::topic_id_set, topic.shard, payload);
    if (!kept) return kept.error();
  }
  topic.state.apply_set_id(last_id, added_count, max_erased_id);
  topic.visible_last_id = last_id;
  return broker.tail();
}

// --- waiting -------------------------------------------------------------------------------------

WatchId Topics::watch(const std::string& name, UniqueFunction<void()> woken) {
  WatchId id = state_->next_watch++;
  state_->watchers[name].push_back({id, std::move(woken)});
  ++state_->watcher_count;
  return id;
}

void Topics::unwatch(const std::string& name, WatchId id) {
  auto it = state_->watchers.find(name);
  if (it == state_->watchers.end()) return;
  auto& list = it->second;
  auto found = std::find_if(list.begin(), list.end(), [id](auto& w) { return w.id == id; });
  if (found == list.end()) return;
  list.erase(found);
  --state_->watcher_count;
  if (list.empty()) state_->watchers.erase(it);
}

void Topics::notify(const std::string& name) {
  if (!state_->watchers.contains(name)) return;
  if (!state_->woken.insert(name).second) return;
  state_->broker.core().post([this, name] { state_->run_watchers(name); });
}

std::size_t Topics::watcher_count() const { return state_->watcher_count; }

// --- for the broker ------------------------------------------------------------------------------

void Topics::start() {
  state_->broker.each_shard([this](ShardState& shard) {
    for (auto& [name, topic] : shard.topics) {
      topic->show_all();
      state_->note_expiry(*topic);
      if (state_->is_governed(*topic)) state_->broker.queues().adopt_log(*topic);
    }
  });
}

void Topics::end_round() { state_->end_round(); }

// --- expiry --------------------------------------------------------------------------------------

void Topics::State::note_expiry(const Topic& topic) {
  const std::optional<WallTime>& when = topic.state.settings().expires;
  if (when) expiries.insert({*when, topic.shard, topic.state.id()});
}

void Topics::State::forget_expiry(const Topic& topic) {
  const std::optional<WallTime>& when = topic.state.settings().expires;
  if (when) expiries.erase({*when, topic.shard, topic.state.id()});
}

bool Topics::State::expired(const Topic& topic) const {
  const std::optional<WallTime>& when = topic.state.settings().expires;
  return when && *when <= broker.wall_now();
}

Status Topics::State::remove_expired(std::string_view name) {
  std::string owned_name(name);
  Result<Commit> gone = broker.topics().remove(owned_name);
  if (!gone) return gone.error();
  broker.keyspaces().tell_expired(owned_name, *gone);
  return {};
}

void Topics::State::drop_expired() {
  WallTime now = broker.wall_now();
  for (int left = expired_batch_max; left > 0 && !expiries.empty(); --left) {
    const Expiry& first = *expiries.begin();
    if (first.when > now) return;
    const Topic* topic = broker.shard(first.shard).find_topic(first.id);
    TRV_ASSERT(topic);
    // Refused: tried again at the next tick.
    if (!remove_expired(topic->state.name())) return;
  }
}

}  // namespace trv::broker
