#include "kafka/state_topics.h"

#include <map>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/log.h"
#include "broker/feeds.h"
#include "broker/groups.h"
#include "broker/topics.h"
#include "broker/transactions.h"
#include "kafka/internal_topics.h"
#include "kafka/service.h"
#include "kafka/state_records.h"
#include "kafka/topic_config.h"
#include "model/batch.h"

namespace trv::kafka {
namespace {

constexpr std::size_t changes_max = 500;  // on their way at a time
constexpr std::size_t batch_size_target = 256u << 10;
constexpr std::chrono::seconds retry_delay(1);

using StateRecords = std::vector<StateRecord>;

// --- on the topic's core ------------------------------------------------------------------------

// A record that is larger than the topic allows is left out: nothing after it would get there.
Result<broker::Commit> append_batch(broker::Broker& owner, broker::Topic& topic,
                                    PartitionIndex partition, model::BatchBuilder& builder) {
  auto appended = owner.topics().append_batch(topic, partition, builder.take(Offset(0), 0));
  if (appended) return appended->commit;
  if (appended.error().code != Errc::too_large) return appended.error();
  log::warn("{}: a record is larger than its setting max.message.bytes allows, and is left out",
            owner.topics().state(topic).name());
  return owner.tail();
}

// Errors: not_found (the topic is not there), no_space, io_error.
Result<broker::Commit> append_records(broker::Broker& owner, std::string_view name,
                                      const StateRecords& records) {
  broker::Topic* topic = owner.topics().find(name);
  if (topic == nullptr) return Error{Errc::not_found, "no such topic"};
  const std::int32_t count = broker::Topics::settings(*topic).partition_count;
  const std::int64_t now = owner.wall_now().ms;
  broker::Commit all;
  std::map<std::int32_t, model::BatchBuilder> builders;
  auto append = [&](std::int32_t partition, model::BatchBuilder& builder) -> Status {
    auto commit = append_batch(owner, *topic, PartitionIndex(partition), builder);
    if (!commit) return commit.error();
    all = all | *commit;
    return {};
  };
  for (const StateRecord& record : records) {
    const std::int32_t partition = state_partition(record.hash, count);
    model::BatchBuilder& builder = builders[partition];
    const auto value = record.value ? std::optional<ByteView>(*record.value) : std::nullopt;
    builder.add(now, ByteView(record.key), value, ByteView(), 0);
    if (builder.size() < batch_size_target) continue;
    if (Status status = append(partition, builder); !status) return status.error();
  }
  for (auto& [partition, builder] : builders) {
    if (builder.empty()) continue;
    if (Status status = append(partition, builder); !status) return status.error();
  }
  return all;
}

model::TopicSettings settings_of_topic(const broker::Broker& owner) {
  model::TopicSettings settings;
  settings.partition_count = internal_partition_count;
  settings.durability = owner.options().durability;
  for (const auto& [name, value] :
       {std::pair("cleanup.policy", "compact"), std::pair("segment.bytes", "104857600"),
        std::pair("max.message.bytes", "16777216")}) {
    Status applied = apply_topic_config(settings, name, value);
    TRV_ASSERT(applied);
  }
  return settings;
}

// --- records ------------------------------------------------------------------------------------

StateRecord record_of(broker::Broker& broker, ShardId shard, const model::GroupOffsetKey& key) {
  const model::GroupOffsets& state = broker.groups().offset_feeds().state(shard);
  return offset_record(key, state.find(key.group, key.partition));
}

StateRecord record_of(broker::Broker& broker, ShardId shard, const std::string& id) {
  return transaction_record(id, broker.transactions().feeds().state(shard).find(id));
}

StateRecord record_of(broker::Broker& broker, ShardId shard, const model::ShareCursorKey& key) {
  const model::ShareCursor* cursor = broker.groups().share_cursors().find(shard, key);
  return share_record(key, cursor, broker.wall_now());
}

}  // namespace

// Copies one kind of state, one part after the other.
template <class State>
class StateTopics::Copier {
 public:
  Copier(broker::Broker& broker, broker::Feeds<State>& feeds, std::string_view topic)
      : broker_(broker), feeds_(feeds), topic_(topic) {
    feeds_.watch([this] { copy_next(); });
  }
  ~Copier() { feeds_.watch(nullptr); }

  void start() {
    CoreIndex home = broker_.core().index();
    broker_.at(topic_, [this, home, topic = topic_](broker::Broker& owner) {
      const bool there = owner.topics().find(topic) != nullptr;
      back_home(owner, home, [this, there] { there ? go_on() : end(); });
    });
  }

 private:
  using Changes = broker::Changes<State>;

  void copy_next();
  void send(const Changes& changes, StateRecords records);
  void on_sent(const Changes& changes, const Status& status);
  void go_on();
  void end();
  void retry(const Status& status);

  broker::Broker& broker_;
  broker::Feeds<State>& feeds_;
  std::string_view topic_;  // of internal_topics.h
  bool busy_ = false;       // some changes are on their way, or will be after the delay
  runtime::Timer retry_timer_;
};

template <class State>
void StateTopics::Copier<State>::copy_next() {
  if (busy_) return;
  std::optional<Changes> changes = feeds_.next(changes_max);
  if (!changes) return;
  busy_ = true;
  StateRecords records;
  for (const auto& key : changes->keys) {
    records.push_back(record_of(broker_, changes->shard, key));
  }
  changes->keys.clear();
  broker_.when_durable(broker_.tail(),
                       [this, changes = std::move(*changes),
                        records = std::move(records)](Result<broker::Durable> result) mutable {
                         if (!result) return retry(result.error());
                         send(changes, std::move(records));
                       });
}

template <class State>
void StateTopics::Copier<State>::send(const Changes& changes, StateRecords records) {
  CoreIndex home = broker_.core().index();
  broker_.at(topic_, [this, home, topic = topic_, changes,
                      records = std::move(records)](broker::Broker& owner) {
    auto reply = [this, home, &owner, changes](const Status& status) {
      back_home(owner, home, [this, changes, status] { on_sent(changes, status); });
    };
    auto commit = append_records(owner, topic, records);
    if (!commit) return reply(commit.error());
    owner.when_durable(*commit, [reply](const Result<broker::Durable>& result) {
      reply(result ? Status() : Status(result.error()));
    });
  });
}

template <class State>
void StateTopics::Copier<State>::on_sent(const Changes& changes, const Status& status) {
  if (!status && status.error().code == Errc::not_found) {
    busy_ = false;
    return end();
  }
  Status settled = status ? feeds_.settle(changes) : status;
  if (!settled) return retry(settled);
  busy_ = false;
  copy_next();
}

template <class State>
void StateTopics::Copier<State>::go_on() {
  Status status = feeds_.go_on();
  if (!status) retry(status);
}

// Nobody reads it.
template <class State>
void StateTopics::Copier<State>::end() {
  if (!feeds_.is_followed()) return;
  Status status = feeds_.unfollow();
  if (!status) retry(status);
}

template <class State>
void StateTopics::Copier<State>::retry(const Status& status) {
  log::warn("{}: {}; trying again", topic_, status.error().message);
  busy_ = true;
  retry_timer_ = broker_.core().schedule(retry_delay, [this] {
    busy_ = false;
    start();
  });
}

struct StateTopics::Copiers {
  explicit Copiers(broker::Broker& broker)
      : offsets(broker, broker.groups().offset_feeds(), offsets_topic),
        transactions(broker, broker.transactions().feeds(), transactions_topic),
        shares(broker, broker.groups().share_cursors().feeds(), share_state_topic) {}

  Copier<model::GroupOffsets> offsets;
  Copier<model::Transactions> transactions;
  Copier<model::ShareChanges> shares;
};

StateTopics::StateTopics(broker::Broker& broker) : copiers_(std::make_unique<Copiers>(broker)) {}
StateTopics::~StateTopics() = default;

void StateTopics::start() {
  copiers_->offsets.start();
  copiers_->transactions.start();
  copiers_->shares.start();
}

// --- making a topic -----------------------------------------------------------------------------

namespace {

Status follow(broker::Broker& broker, std::string_view name) {
  if (name == offsets_topic) return broker.groups().offset_feeds().follow();
  if (name == transactions_topic) return broker.transactions().feeds().follow();
  return broker.groups().share_cursors().feeds().follow();
}

// On the topic's core: `done` runs here when all cores have begun.
void follow_everywhere(broker::Broker& owner, const std::string& name,
                       UniqueFunction<void()> done) {
  owner.gather([name](broker::Broker& each) { return follow(each, name); },
               [name, done = std::move(done)](const std::vector<Status>& followed) mutable {
                 for (const Status& status : followed) {
                   if (!status) log::warn("{} may lack records: {}", name, status.error().message);
                 }
                 done();
               });
}

// On the topic's core. Who asked looks for the topic afterwards and finds out why there is none.
void make(broker::Broker& owner, const std::string& name, UniqueFunction<void()> done) {
  if (owner.topics().find(name) != nullptr) return done();
  auto created = owner.topics().create(name, settings_of_topic(owner));
  if (!created) {
    log::warn("{} could not be made: {}", name, created.error().message);
    return done();
  }
  owner.when_durable(created->commit, [&owner, name, done = std::move(done)](
                                          const Result<broker::Durable>& result) mutable {
    if (!result) return done();
    follow_everywhere(owner, name, std::move(done));
  });
}

}  // namespace

void StateTopics::provide(broker::Broker& here, const std::string& name,
                          UniqueFunction<void()> done) {
  if (!is_internal_topic(name)) return done();
  CoreIndex home = here.core().index();
  here.at(name, [home, name, done = std::move(done)](broker::Broker& owner) mutable {
    make(owner, name, [&owner, home, done = std::move(done)]() mutable {
      back_home(owner, home, std::move(done));
    });
  });
}

}  // namespace trv::kafka
