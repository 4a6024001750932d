#include "broker/transactions.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/log.h"
#include "base/mutant.h"
#include "broker/entry.h"
#include "broker/feeds.h"
#include "broker/groups.h"
#include "broker/shard_state.h"
#include "broker/topics.h"

namespace trv::broker {
namespace {

using model::TransactionDecision;
using model::TransactionError;
using model::TransactionMarkers;
using model::TransactionPartition;

constexpr std::chrono::milliseconds tick_interval(200);
constexpr std::chrono::hours expiry_interval(1);
constexpr std::chrono::milliseconds marker_retry_delay(500);
// What a command takes in the journal besides its bytes: the time, and the entry's own.
constexpr std::uint64_t command_overhead_max = 8 + storage::Journal::entry_overhead_max;

using PartitionsByTopic = std::map<std::string, std::vector<PartitionIndex>>;

PartitionsByTopic by_topic(const std::vector<TransactionPartition>& partitions) {
  PartitionsByTopic topics;
  for (const TransactionPartition& p : partitions) topics[p.topic].push_back(p.partition);
  return topics;
}

// On the topic's owner. A partition that is gone needs no announcement.
void expect_in_topic(Broker& owner, const std::string& name,
                     const std::vector<PartitionIndex>& partitions,
                     model::ProducerIdentity producer) {
  Topic* topic = owner.topics().find(name);
  if (topic == nullptr) return;
  for (PartitionIndex partition : partitions) {
    if (partition.value >= Topics::settings(*topic).partition_count) continue;
    owner.topics().expect_transaction(*topic, partition, producer.id, producer.epoch);
  }
}

// On the topic's owner: what must become durable; nothing when the topic is gone.
Result<std::optional<Commit>> mark_in_topic(Broker& owner, const std::string& name,
                                            const std::vector<PartitionIndex>& partitions,
                                            const TransactionMarkers& markers) {
  std::optional<Commit> commit;
  Topic* topic = owner.topics().find(name);
  if (topic == nullptr) return commit;
  for (PartitionIndex partition : partitions) {
    if (partition.value >= Topics::settings(*topic).partition_count) continue;
    Result<Appended> marked = owner.topics().append_marker(
        *topic, partition, markers.producer.id, markers.producer.epoch, markers.commit, 0);
    // Fenced: a later producer has written here, so this transaction was ended before.
    if (!marked && marked.error().code == Errc::fenced) continue;
    if (!marked) return marked.error();
    commit = commit ? *commit | marked->commit : marked->commit;
  }
  return commit;
}

}  // namespace

struct Transactions::State {
  explicit State(Broker& b) : broker(b), feeds(b, entry::transaction, &ShardState::transactions) {}

  // The markers of one transaction that are under way. Shared by the replies that come from other
  // cores; used on this core only.
  struct Marking {
    TransactionMarkers markers;
    int missing = 1;
    bool failed = false;
  };
  // The announcements that must have arrived before an answer; shared alike.
  struct Announcing {
    int missing = 1;
    UniqueFunction<void()> done;
    void arrived() {
      if (--missing == 0) done();
    }
  };

  model::Transactions& of(std::string_view transactional_id) {
    return broker.shard(transactional_id).transactions;
  }

  Result<Commit> journal(ShardId shard, const std::vector<std::string>& commands);
  void decide(const std::string& id, TransactionDecision decision, Done done);
  void run_end(const std::string& id, TransactionDecision decision, Done done);
  void announce(const std::vector<TransactionPartition>& partitions,
                const std::vector<std::string>& groups, model::ProducerIdentity producer,
                UniqueFunction<void()> done);
  void send_markers(const std::string& id);
  void send_topic_markers(const std::shared_ptr<Marking>& marking, const std::string& name,
                          const std::vector<PartitionIndex>& partitions);
  void send_group_marker(const std::shared_ptr<Marking>& marking, const std::string& group);
  void on_marker(const std::shared_ptr<Marking>& marking, Status status);
  void complete(const TransactionMarkers& markers);
  void answer_ended(const std::string& id);
  void tick();
  void expire();

  Broker& broker;
  Feeds<model::Transactions> feeds;
  // Ends that wait for their markers, by transactional id.
  struct Ending {
    model::ProducerIdentity producer;  // with which it goes on
    Done done;
  };
  std::unordered_map<std::string, std::vector<Ending>> ending;
  std::map<std::string, runtime::Timer> retries;
  runtime::Timer tick_timer;
  runtime::Timer expiry_timer;
};

Transactions::Transactions(Broker& broker) : state_(std::make_unique<State>(broker)) {}
Transactions::~Transactions() = default;

void Transactions::start() {
  std::vector<std::string> decided;
  std::vector<std::string> ongoing;
  state_->broker.each_shard([&](ShardState& shard) {
    for (std::string& id : shard.transactions.preparing()) decided.push_back(std::move(id));
    for (std::string& id : shard.transactions.ongoing()) ongoing.push_back(std::move(id));
  });
  for (const std::string& id : ongoing) {
    const model::Transaction& transaction = *state_->of(id).find(id);
    state_->announce({transaction.partitions.begin(), transaction.partitions.end()},
                     {transaction.groups.begin(), transaction.groups.end()}, transaction.producer,
                     [] {});
  }
  if (TRV_MUTANT(decided_transaction_forgotten_after_crash)) decided.clear();
  for (const std::string& id : decided) state_->send_markers(id);
  state_->tick();
  state_->expiry_timer =
      state_->broker.core().schedule(expiry_interval, [this] { state_->expire(); });
}

void Transactions::stop() {
  state_->tick_timer.cancel();
  state_->expiry_timer.cancel();
  state_->retries.clear();
  state_->ending.clear();
}

// Entries: the time (i64, little-endian), then a model::Transactions command.
Result<Commit> Transactions::State::journal(ShardId shard,
                                            const std::vector<std::string>& commands) {
  if (Status begun = feeds.before_change(shard); !begun) return begun.error();
  // All of them or none.
  std::uint64_t size = 0;
  for (const std::string& command : commands) size += command.size() + command_overhead_max;
  if (Status room = broker.promise(Space::more, size); !room) return room.error();
  WallTime now = broker.wall_now();
  char time[8];
  store_le(time, now.ms);
  for (const std::string& command : commands) {
    const ByteView parts[] = {ByteView(time, sizeof time), command};
    broker.journal_promised(entry::transaction, shard, parts, std::exchange(size, 0));
    Status applied = broker.shard(shard).transactions.apply(command, now);
    TRV_ASSERT(applied);
  }
  broker.take_back(size);
  feeds.after_change();
  return broker.tail();
}

void Transactions::State::decide(const std::string& id, TransactionDecision decision, Done done) {
  Outcome outcome{decision.error, std::nullopt, decision.producer};
  if (decision.error != TransactionError::none && decision.commands.empty()) {
    done(std::move(outcome));
    return;
  }
  // An answer without commands of its own (a repeated request) still speaks of earlier ones, which
  // may be on their way to the disk.
  Result<Commit> commit = decision.commands.empty()
                              ? Result<Commit>(broker.tail())
                              : journal(broker.shard_of(id), decision.commands);
  if (!commit) {
    outcome.failure = commit.error();
    done(std::move(outcome));
    return;
  }
  broker.when_durable(*commit, [this, id, ends = decision.ends, outcome = std::move(outcome),
                                done = std::move(done)](Result<Durable> result) mutable {
    if (!result) outcome.failure = result.error();
    if (ends && result) send_markers(id);
    done(std::move(outcome));
  });
}

// --- operations ---------------------------------------------------------------------------------

void Transactions::init_idempotent(Done done) {
  Broker& broker = state_->broker;
  // The shard of the core's own number is always its own.
  ShardId shard(static_cast<std::uint8_t>(broker.core().index().value));
  TransactionDecision decision = broker.shard(shard).transactions.init_idempotent();
  Outcome outcome{decision.error, std::nullopt, decision.producer};
  // The block that the id comes from may have been reserved by another request of this round: an id
  // that is known outside must not be given out again after a crash.
  Result<Commit> commit = decision.commands.empty() ? Result<Commit>(broker.tail())
                                                    : state_->journal(shard, decision.commands);
  if (!commit) {
    outcome.failure = commit.error();
    done(std::move(outcome));
    return;
  }
  broker.when_durable(*commit, [outcome = std::move(outcome),
                                done = std::move(done)](Result<Durable> result) mutable {
    if (!result) outcome.failure = result.error();
    done(std::move(outcome));
  });
}

void Transactions::init(const std::string& id, std::chrono::milliseconds timeout,
                        std::optional<model::ProducerIdentity> expected, Done done) {
  state_->decide(id, state_->of(id).init(id, timeout, expected), std::move(done));
}

void Transactions::add_partitions(const std::string& id, model::ProducerIdentity producer,
                                  const std::vector<TransactionPartition>& partitions, Done done) {
  auto announced = [this, partitions, producer, done = std::move(done)](Outcome outcome) mutable {
    if (outcome.error != TransactionError::none || outcome.failure) {
      done(std::move(outcome));
      return;
    }
    state_->announce(partitions, {}, producer,
                     [outcome = std::move(outcome), done = std::move(done)]() mutable {
                       done(std::move(outcome));
                     });
  };
  state_->decide(id, state_->of(id).add_partitions(id, producer, partitions), std::move(announced));
}

void Transactions::add_group(const std::string& id, model::ProducerIdentity producer,
                             const std::string& group, Done done) {
  auto announced = [this, group, producer, done = std::move(done)](Outcome outcome) mutable {
    if (outcome.error != TransactionError::none || outcome.failure) {
      done(std::move(outcome));
      return;
    }
    state_->announce({}, {group}, producer,
                     [outcome = std::move(outcome), done = std::move(done)]() mutable {
                       done(std::move(outcome));
                     });
  };
  state_->decide(id, state_->of(id).add_group(id, producer, group), std::move(announced));
}

void Transactions::end(const std::string& id, model::ProducerIdentity producer, bool commit,
                       Done done) {
  state_->run_end(id, state_->of(id).end(id, producer, commit), std::move(done));
}

void Transactions::end_raising(const std::string& id, model::ProducerIdentity producer, bool commit,
                               Done done) {
  auto ended = [this, id, done = std::move(done)](Outcome outcome) mutable {
    bool spent = outcome.error == TransactionError::none && !outcome.failure &&
                 model::Transactions::is_spent(outcome.producer);
    // A later request may have given it a new id already, or the id may be gone.
    const model::Transaction* now = state_->of(id).find(id);
    if (!spent || now == nullptr || now->producer != outcome.producer) {
      done(std::move(outcome));
    } else {
      state_->decide(id, state_->of(id).renew(id), std::move(done));
    }
  };
  state_->run_end(id, state_->of(id).end_raising(id, producer, commit), std::move(ended));
}

void Transactions::State::run_end(const std::string& id, TransactionDecision decision, Done done) {
  if (!decision.ends) return decide(id, std::move(decision), std::move(done));
  ending[id].push_back({decision.producer, std::move(done)});
  decide(id, std::move(decision), [this, id](const Outcome& outcome) {
    if (!outcome.failure) return;
    // The decision never got to the disk.
    auto waiting = ending.extract(id);
    if (waiting.empty()) return;
    for (Ending& one : waiting.mapped()) one.done(outcome);
  });
}

std::optional<model::Transaction> Transactions::describe(const std::string& id) const {
  const model::Transaction* found = state_->of(id).find(id);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

std::vector<Transactions::Listed> Transactions::list() const {
  std::vector<Listed> listed;
  state_->broker.each_shard([&listed](ShardState& shard) {
    for (const auto& [id, transaction] : shard.transactions.all()) {
      listed.push_back({id, transaction.producer.id, transaction.state, transaction.started});
    }
  });
  return listed;
}

Feeds<model::Transactions>& Transactions::feeds() { return state_->feeds; }

// --- announcements ------------------------------------------------------------------------------

void Transactions::State::announce(const std::vector<TransactionPartition>& partitions,
                                   const std::vector<std::string>& groups,
                                   model::ProducerIdentity producer, UniqueFunction<void()> done) {
  auto announcing = std::make_shared<Announcing>();
  announcing->done = std::move(done);
  CoreIndex home = broker.core().index();
  auto reply = [home](Broker& owner, std::shared_ptr<Announcing> to) {
    if (owner.core().index() == home) {
      to->arrived();
    } else {
      owner.post(home, [to = std::move(to)] { to->arrived(); });
    }
  };
  for (const auto& [name, indexes] : by_topic(partitions)) {
    ++announcing->missing;
    broker.at(name,
              [reply, announcing, name = name, indexes = indexes, producer](Broker& owner) mutable {
                expect_in_topic(owner, name, indexes, producer);
                reply(owner, std::move(announcing));
              });
  }
  for (const std::string& group : groups) {
    ++announcing->missing;
    broker.at(group, [reply, announcing, group, producer](Broker& owner) mutable {
      owner.groups().expect_transaction(group, producer.id, producer.epoch);
      reply(owner, std::move(announcing));
    });
  }
  announcing->arrived();
}

// --- markers ------------------------------------------------------------------------------------

void Transactions::State::send_markers(const std::string& id) {
  std::optional<TransactionMarkers> markers = of(id).markers(id);
  if (!markers) return answer_ended(id);
  auto marking = std::make_shared<Marking>();
  marking->markers = std::move(*markers);
  for (const auto& [name, partitions] : by_topic(marking->markers.partitions)) {
    ++marking->missing;
    send_topic_markers(marking, name, partitions);
  }
  for (const std::string& group : marking->markers.groups) {
    ++marking->missing;
    send_group_marker(marking, group);
  }
  on_marker(marking, {});
}

void Transactions::State::send_topic_markers(const std::shared_ptr<Marking>& marking,
                                             const std::string& name,
                                             const std::vector<PartitionIndex>& partitions) {
  CoreIndex home = broker.core().index();
  broker.at(name, [this, home, marking, markers = marking->markers, name,
                   partitions](Broker& owner) mutable {
    auto reply = [this, home, &owner, marking = std::move(marking)](Status status) {
      if (owner.core().index() == home) {
        on_marker(marking, std::move(status));
      } else {
        owner.post(home, [this, marking, status] { on_marker(marking, status); });
      }
    };
    auto commit = mark_in_topic(owner, name, partitions, markers);
    if (!commit) return reply(commit.error());
    if (!*commit) return reply({});
    owner.when_durable(**commit, [reply = std::move(reply)](Result<Durable> result) {
      reply(result ? Status() : Status(result.error()));
    });
  });
}

void Transactions::State::send_group_marker(const std::shared_ptr<Marking>& marking,
                                            const std::string& group) {
  CoreIndex home = broker.core().index();
  broker.at(group, [this, home, marking, group, producer = marking->markers.producer.id,
                    commits = marking->markers.commit](Broker& owner) mutable {
    auto reply = [this, home, &owner, marking = std::move(marking)](Status status) {
      if (owner.core().index() == home) {
        on_marker(marking, std::move(status));
      } else {
        owner.post(home, [this, marking, status] { on_marker(marking, status); });
      }
    };
    Result<Commit> commit = owner.groups().end_transaction(group, producer, commits);
    if (!commit) return reply(commit.error());
    owner.when_durable(*commit, [reply = std::move(reply)](Result<Durable> result) {
      reply(result ? Status() : Status(result.error()));
    });
  });
}

void Transactions::State::on_marker(const std::shared_ptr<Marking>& marking, Status status) {
  const std::string& id = marking->markers.transactional_id;
  if (!status) {
    log::warn("transaction {}: a marker could not be written: {}", id, status.error().message);
    marking->failed = !TRV_MUTANT(failed_marker_forgotten);
  }
  if (--marking->missing > 0) return;
  if (!marking->failed) return complete(marking->markers);
  // The decision stands; who asked for it need not wait until the markers can be written.
  retries[id] = broker.core().schedule(marker_retry_delay, [this, id] {
    std::string held = id;
    send_markers(held);
  });
  answer_ended(id);
}

void Transactions::State::complete(const TransactionMarkers& markers) {
  const std::string& id = markers.transactional_id;
  TransactionDecision decision = of(id).complete(id, markers.producer);
  // When this cannot be written any more, the next start sends the markers again.
  Result<Commit> commit = journal(broker.shard_of(id), decision.commands);
  if (!commit) log::warn("transaction {}: {}", id, commit.error().message);
  answer_ended(id);
}

void Transactions::State::answer_ended(const std::string& id) {
  auto waiting = ending.extract(id);
  if (waiting.empty()) return;
  for (Ending& one : waiting.mapped()) {
    Outcome outcome;
    outcome.producer = one.producer;
    one.done(std::move(outcome));
  }
}

// --- time ---------------------------------------------------------------------------------------

void Transactions::State::tick() {
  WallTime now = broker.wall_now();
  std::vector<std::pair<std::string, TransactionDecision>> timeouts;
  broker.each_shard([&](ShardState& shard) {
    std::optional<WallTime> deadline = shard.transactions.next_deadline();
    if (!deadline || *deadline > now) return;
    while (auto timeout = shard.transactions.tick(now)) {
      if (!journal(shard.id, timeout->decision.commands)) break;
      timeouts.emplace_back(timeout->transactional_id, std::move(timeout->decision));
    }
  });
  for (auto& [id, decision] : timeouts) {
    log::info("transaction {} ran out of time and is aborted", id);
    broker.when_durable(broker.tail(), [this, id = id](Result<Durable> result) {
      if (result) send_markers(id);
    });
  }
  tick_timer = broker.core().schedule(tick_interval, [this] { tick(); });
}

void Transactions::State::expire() {
  WallTime now = broker.wall_now();
  broker.each_shard([&](ShardState& shard) {
    std::vector<std::string> commands = shard.transactions.expire(now);
    if (!commands.empty()) (void)journal(shard.id, commands);
  });
  expiry_timer = broker.core().schedule(expiry_interval, [this] { expire(); });
}

}  // namespace trv::broker
