// Proves the coordinator's decisions as a table of states and requests, that producer ids never
// repeat, and that the state is the replay of its commands at any point of random histories.
#include "model/transaction.h"

#include <gtest/gtest.h>

#include <random>

namespace trv::model {
namespace {

using namespace std::chrono_literals;
using State = Transaction::State;
using Error = TransactionError;

const std::vector<TransactionPartition> one_partition = {{"t", PartitionIndex{0}}};

// A coordinator with its journal.
struct Coordinator {
  Transactions state{ShardId{3}, TransactionLimits{}};
  std::vector<std::pair<std::string, WallTime>> journal;
  WallTime now{1'000'000};

  TransactionDecision take(TransactionDecision decision) {
    for (const std::string& command : decision.commands) {
      Status status = state.apply(command, now);
      EXPECT_TRUE(status.ok()) << status.error().message;
      journal.emplace_back(command, now);
    }
    return decision;
  }
  TransactionDecision init(std::string id = "x", std::optional<ProducerIdentity> expected = {}) {
    return take(state.init(id, 60s, expected));
  }
  Error add(ProducerIdentity p, std::vector<TransactionPartition> partitions = one_partition) {
    return take(state.add_partitions("x", p, partitions)).error;
  }
  Error end(ProducerIdentity p, bool commit) { return take(state.end("x", p, commit)).error; }
  TransactionDecision raise(ProducerIdentity p, bool commit) {
    return take(state.end_raising("x", p, commit));
  }
  void feed(FeedStep step) {
    TransactionDecision decision;
    decision.commands.push_back(Transactions::encode_feed(step));
    take(std::move(decision));
  }
  Error complete() { return take(state.complete("x", state.find("x")->producer)).error; }
  State now_in() const { return state.find("x")->state; }
};

// A coordinator whose id "x" is in the state, and the producer that brought it there.
ProducerIdentity bring(Coordinator& c, State state) {
  ProducerIdentity p = c.init().producer;
  if (state == State::empty) return p;
  EXPECT_EQ(c.add(p), Error::none);
  if (state == State::ongoing) return p;
  bool commit = state == State::prepare_commit || state == State::complete_commit;
  EXPECT_EQ(c.end(p, commit), Error::none);
  if (state == State::complete_commit || state == State::complete_abort) {
    EXPECT_EQ(c.complete(), Error::none);
  }
  EXPECT_EQ(c.now_in(), state);
  return p;
}

TEST(Transactions, EveryStateAgainstEveryRequest) {
  struct Case {
    State state;
    Error init, add, commit, abort;
  };
  const Case cases[] = {
      {State::empty, Error::none, Error::none, Error::invalid_state, Error::invalid_state},
      {State::ongoing, Error::concurrent, Error::none, Error::none, Error::none},
      {State::prepare_commit, Error::concurrent, Error::concurrent, Error::concurrent,
       Error::invalid_state},
      {State::prepare_abort, Error::concurrent, Error::concurrent, Error::invalid_state,
       Error::concurrent},
      {State::complete_commit, Error::none, Error::none, Error::none, Error::invalid_state},
      {State::complete_abort, Error::none, Error::none, Error::invalid_state, Error::none},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(transaction_state_name(c.state)));
    {
      Coordinator x;
      ProducerIdentity before = bring(x, c.state);
      auto decision = x.init();
      EXPECT_EQ(decision.error, c.init);
      if (c.init == Error::none) {
        EXPECT_EQ(decision.producer.id, before.id);
        EXPECT_EQ(decision.producer.epoch, before.epoch + 1);
        EXPECT_EQ(x.now_in(), State::empty);
      }
    }
    {
      Coordinator x;
      ProducerIdentity p = bring(x, c.state);
      EXPECT_EQ(x.add(p), c.add);
      if (c.add == Error::none) {
        EXPECT_EQ(x.now_in(), State::ongoing);
      }
    }
    for (bool commit : {true, false}) {
      Coordinator x;
      ProducerIdentity p = bring(x, c.state);
      EXPECT_EQ(x.end(p, commit), commit ? c.commit : c.abort);
      EXPECT_EQ(x.end({p.id, static_cast<std::int16_t>(p.epoch + 1)}, commit), Error::fenced);
      EXPECT_EQ(x.end({ProducerId{999}, p.epoch}, commit), Error::wrong_producer);
    }
  }
}

ProducerIdentity raised(ProducerIdentity p, int by = 1) {
  return {p.id, static_cast<std::int16_t>(p.epoch + by)};
}

TEST(Transactions, TheSecondProtocolInEveryState) {
  struct Case {
    State state;
    Error commit;
    Error abort;
  };
  // Of a producer that ended its last transaction, if any, by the first protocol.
  const Case cases[] = {
      {State::empty, Error::invalid_state, Error::none},
      {State::ongoing, Error::none, Error::none},
      {State::prepare_commit, Error::fenced, Error::fenced},
      {State::prepare_abort, Error::fenced, Error::fenced},
      {State::complete_commit, Error::invalid_state, Error::none},
      {State::complete_abort, Error::invalid_state, Error::none},
  };
  for (const Case& c : cases) {
    for (bool commit : {true, false}) {
      SCOPED_TRACE(std::string(transaction_state_name(c.state)) + (commit ? " commit" : " abort"));
      Coordinator x;
      ProducerIdentity p = bring(x, c.state);
      TransactionDecision decision = x.raise(p, commit);
      EXPECT_EQ(decision.error, commit ? c.commit : c.abort);
      EXPECT_EQ(decision.ends, decision.error == Error::none);
      EXPECT_EQ(decision.producer, decision.ends ? raised(p) : ProducerIdentity{});
      EXPECT_EQ(x.raise(raised(p, 2), commit).error, Error::fenced);
      EXPECT_EQ(x.raise({ProducerId{999}, p.epoch}, commit).error, Error::wrong_producer);
    }
  }
  Coordinator x;
  EXPECT_EQ(x.raise({ProducerId{1}, 0}, true).error, Error::wrong_producer) << "unknown id";
  EXPECT_EQ(x.state.end_raising("", {ProducerId{1}, 0}, true).error, Error::invalid_request);
}

TEST(Transactions, ARaisingEndMayBeRepeatedWithTheEpochOfBefore) {
  for (bool commit : {true, false}) {
    Coordinator c;
    ProducerIdentity p = bring(c, State::ongoing);
    EXPECT_EQ(c.raise(p, commit).error, Error::none);
    EXPECT_EQ(c.state.markers("x")->producer, raised(p)) << "late batches are fenced";
    EXPECT_EQ(c.raise(p, commit).error, Error::concurrent);
    EXPECT_EQ(c.raise(p, !commit).error, Error::invalid_state);
    EXPECT_EQ(c.raise(raised(p), commit).error, Error::fenced) << "still preparing";
    EXPECT_EQ(c.complete(), Error::none);
    TransactionDecision again = c.raise(p, commit);
    EXPECT_EQ(again.error, Error::none);
    EXPECT_EQ(again.producer, raised(p));
    EXPECT_TRUE(again.commands.empty());
    EXPECT_EQ(c.raise(p, !commit).error, Error::invalid_state);
    EXPECT_EQ(c.add(p), Error::fenced) << "a delayed request of the transaction before";
    EXPECT_EQ(c.add(raised(p)), Error::none);
    EXPECT_EQ(c.raise(p, commit).error, Error::fenced) << "a delayed end of the one before";
    EXPECT_EQ(c.raise(raised(p), commit).producer, raised(p, 2));
  }
}

TEST(Transactions, AnEndOfNothingRaisesTheEpochToo) {
  Coordinator c;
  ProducerIdentity p = c.init().producer;
  EXPECT_EQ(c.raise(p, false).producer, raised(p));
  EXPECT_TRUE(c.state.markers("x")->partitions.empty());
  EXPECT_EQ(c.complete(), Error::none);
  EXPECT_EQ(c.now_in(), State::complete_abort);
  EXPECT_EQ(c.raise(p, false).producer, raised(p)) << "repeated";
  EXPECT_EQ(c.raise(raised(p), false).producer, raised(p, 2));
}

TEST(Transactions, ATimeoutIsNoRaisingEnd) {
  Coordinator c;
  ProducerIdentity p = bring(c, State::ongoing);
  c.take(c.state.tick(WallTime{c.now.ms + 60'001})->decision);
  EXPECT_EQ(c.raise(p, false).error, Error::fenced);
  EXPECT_EQ(c.complete(), Error::none);
  EXPECT_EQ(c.raise(p, false).error, Error::fenced);
}

TEST(Transactions, ASpentProducerGoesOnWithANewId) {
  Coordinator c;
  ProducerIdentity p = c.init().producer;
  while (!Transactions::is_spent(p)) {
    EXPECT_EQ(c.add(p), Error::none);
    p = c.raise(p, true).producer;
    EXPECT_EQ(c.take(c.state.renew("x")).error, Error::concurrent);
    EXPECT_EQ(c.complete(), Error::none);
  }
  EXPECT_EQ(p.epoch, 32767);
  ProducerIdentity next = c.take(c.state.renew("x")).producer;
  EXPECT_NE(next.id, p.id);
  EXPECT_EQ(next.epoch, 0);
  EXPECT_EQ(c.add(p), Error::wrong_producer);
  EXPECT_EQ(c.add(next), Error::none);
}

TEST(Transactions, RefusedRequests) {
  Coordinator c;
  EXPECT_EQ(c.init("").error, Error::invalid_request);
  EXPECT_EQ(c.state.init("x", 0ms, {}).error, Error::invalid_timeout);
  EXPECT_EQ(c.state.init("x", 900'001ms, {}).error, Error::invalid_timeout);
  EXPECT_EQ(c.add({ProducerId{1}, 0}), Error::wrong_producer);
  EXPECT_EQ(c.state.add_group("", {ProducerId{1}, 0}, "g").error, Error::invalid_request);
  EXPECT_TRUE(c.journal.empty());
}

TEST(Transactions, MarkersNameEverythingThatJoined) {
  Coordinator c;
  auto p = c.init().producer;
  c.add(p, {{"t", PartitionIndex{0}}, {"u", PartitionIndex{5}}});
  c.add(p, {{"t", PartitionIndex{1}}});
  c.take(c.state.add_group("x", p, "g"));
  EXPECT_TRUE(c.state.add_group("x", p, "g").commands.empty()) << "already in";
  EXPECT_TRUE(c.state.add_partitions("x", p, {{"t", PartitionIndex{1}}}).commands.empty());
  EXPECT_FALSE(c.state.markers("x"));
  auto decision = c.take(c.state.end("x", p, true));
  EXPECT_TRUE(decision.ends);
  auto markers = c.state.markers("x");
  ASSERT_TRUE(markers);
  EXPECT_TRUE(markers->commit);
  EXPECT_EQ(markers->producer, p);
  EXPECT_EQ(markers->partitions.size(), 3u);
  EXPECT_EQ(markers->groups, std::vector<std::string>{"g"});
  EXPECT_EQ(c.state.preparing(), std::vector<std::string>{"x"});
  c.complete();
  EXPECT_FALSE(c.state.markers("x"));
  EXPECT_EQ(c.complete(), Error::invalid_state) << "twice";
  // The next transaction begins with nothing in it.
  c.take(c.state.add_group("x", p, "h"));
  EXPECT_TRUE(c.state.find("x")->partitions.empty());
  EXPECT_EQ(c.state.find("x")->groups.size(), 1u);
}

TEST(Transactions, NewProducerFencesTheOldOne) {
  Coordinator c;
  auto old = bring(c, State::ongoing);
  auto decision = c.init();
  EXPECT_EQ(decision.error, Error::concurrent);
  EXPECT_TRUE(decision.ends);
  EXPECT_EQ(c.now_in(), State::prepare_abort);
  EXPECT_EQ(c.state.markers("x")->producer.epoch, old.epoch + 1) << "fences in the partitions";
  EXPECT_EQ(c.end(old, true), Error::fenced);
  EXPECT_EQ(c.add(old), Error::fenced);
  EXPECT_EQ(c.init().error, Error::concurrent) << "until the markers are written";
  c.complete();
  auto fresh = c.init();
  EXPECT_EQ(fresh.error, Error::none);
  EXPECT_EQ(fresh.producer.epoch, old.epoch + 2);
  EXPECT_EQ(c.add(old), Error::fenced);
}

TEST(Transactions, TimeoutAbortsAndFences) {
  Coordinator c;
  auto p = bring(c, State::ongoing);
  EXPECT_EQ(c.state.next_deadline(), (WallTime{c.now.ms + 60'000}));
  c.now.ms += 59'999;
  EXPECT_FALSE(c.state.tick(c.now));
  c.now.ms += 1;
  auto timeout = c.state.tick(c.now);
  ASSERT_TRUE(timeout);
  EXPECT_EQ(timeout->transactional_id, "x");
  EXPECT_TRUE(c.take(timeout->decision).ends);
  EXPECT_FALSE(c.state.tick(c.now));
  EXPECT_FALSE(c.state.next_deadline());
  EXPECT_EQ(c.end(p, true), Error::fenced) << "a commit that comes too late";
  c.complete();
  EXPECT_EQ(c.init("x", p).error, Error::fenced);
  EXPECT_EQ(c.init().error, Error::none);
}

TEST(Transactions, NextEpochOnRequest) {
  Coordinator c;
  auto p = bring(c, State::complete_abort);
  auto next = c.init("x", p).producer;
  EXPECT_EQ(next.epoch, p.epoch + 1);
  EXPECT_EQ(c.init("x", p).producer, next) << "asked again: the answer was lost";
  EXPECT_EQ(c.init("x", ProducerIdentity{ProducerId{12345}, 0}).error, Error::fenced);
  EXPECT_EQ(c.add(next), Error::none);
  EXPECT_EQ(c.init("x", p).error, Error::fenced) << "delayed: the next epoch is in use";
  EXPECT_EQ(c.now_in(), State::ongoing);
  c.end(next, true);
  c.complete();
  EXPECT_EQ(c.init("x", p).error, Error::fenced) << "delayed even more";
}

TEST(Transactions, NextEpochOnRequestDuringATransaction) {
  Coordinator c;
  auto p = bring(c, State::ongoing);
  EXPECT_EQ(c.init("x", p).error, Error::concurrent);
  c.complete();
  auto next = c.init("x", p);
  EXPECT_EQ(next.error, Error::none);
  EXPECT_GT(next.producer.epoch, p.epoch);
}

TEST(Transactions, ExhaustedEpochGetsANewId) {
  Coordinator c;
  auto first = c.init().producer;
  auto p = first;
  while (p.id == first.id) {
    EXPECT_LE(p.epoch, 32766);
    auto next = c.init().producer;
    if (next.id == first.id) {
      ASSERT_EQ(next.epoch, p.epoch + 1);
    } else {
      ASSERT_EQ(p.epoch, 32766);
      ASSERT_EQ(next.epoch, 0);
    }
    p = next;
  }
}

TEST(Transactions, FencingTheLastEpoch) {
  Coordinator c;
  auto p = c.init().producer;
  while (p.epoch < 32766) p = c.init().producer;
  EXPECT_EQ(c.add(p), Error::none);
  EXPECT_EQ(c.init().error, Error::concurrent);
  EXPECT_EQ(c.state.find("x")->producer.epoch, 32767);
  c.complete();
  auto next = c.init().producer;
  EXPECT_NE(next.id, p.id);
  EXPECT_EQ(next.epoch, 0);
}

TEST(Transactions, ProducerIdsNeverRepeat) {
  std::set<std::int64_t> seen;
  Coordinator c;
  for (int life = 0; life < 5; ++life) {
    for (int i = 0; i < 1500; ++i) {
      auto decision = c.take(c.state.init_idempotent());
      EXPECT_TRUE(seen.insert(decision.producer.id.value).second);
      EXPECT_EQ(decision.producer.id.value & 0xff, 3) << "the shard";
    }
    Transactions next(ShardId{3}, TransactionLimits{});
    if (life % 2 == 0) {
      for (auto& [command, at] : c.journal) ASSERT_TRUE(next.apply(command, at).ok());
    } else {
      ASSERT_TRUE(next.restore(c.state.snapshot()).ok());
    }
    c.state = next;
  }
}

TEST(Transactions, IdleIdsExpire) {
  Coordinator c;
  bring(c, State::complete_commit);
  c.now.ms += std::chrono::milliseconds(std::chrono::hours(24 * 7)).count() - 1;
  EXPECT_TRUE(c.state.expire(c.now).empty());
  c.now.ms += 1;
  auto commands = c.state.expire(c.now);
  ASSERT_EQ(commands.size(), 1u);
  ASSERT_TRUE(c.state.apply(commands[0], c.now).ok());
  EXPECT_EQ(c.state.find("x"), nullptr);
  Coordinator busy;
  bring(busy, State::ongoing);
  EXPECT_TRUE(busy.state.expire(WallTime{INT64_MAX / 2}).empty());
}

TEST(Transactions, Limits) {
  TransactionLimits limits;
  limits.ids_max = 1;
  limits.partitions_max = 2;
  Coordinator c;
  c.state = Transactions(ShardId{0}, limits);
  auto p = c.init().producer;
  EXPECT_EQ(c.init("y").error, Error::too_many_ids);
  EXPECT_EQ(c.add(p, {{"t", PartitionIndex{0}}, {"t", PartitionIndex{1}}}), Error::none);
  EXPECT_EQ(c.add(p, {{"t", PartitionIndex{2}}}), Error::too_many_partitions);
  EXPECT_EQ(c.state.add_group("x", p, "g").error, Error::too_many_partitions);
}

TEST(Transactions, TimeoutsAreNeverNegativeNorWrapAround) {
  Coordinator c;
  std::string init = c.state.init("x", 1ms, {}).commands.back();
  init.back() = 1;  // -1 in zigzag
  EXPECT_EQ(c.state.apply(init, c.now).error().code, Errc::corrupt);
  Transaction late;
  late.started = WallTime{std::numeric_limits<std::int64_t>::max() - 1};
  late.timeout = 10ms;
  EXPECT_EQ(late.deadline().ms, std::numeric_limits<std::int64_t>::max());
}

TEST(Transactions, CommandsThatDoNotFitAreRefused) {
  Coordinator c;
  auto p = bring(c, State::ongoing);
  std::string end = c.state.end("x", p, true).commands.at(0);
  std::string join = c.state.add_group("x", p, "group").commands.at(0);
  for (std::size_t size = 0; size < join.size(); ++size) {
    EXPECT_FALSE(c.state.apply(join.substr(0, size), c.now).ok()) << size;
  }
  EXPECT_FALSE(c.state.apply(join + "x", c.now).ok());
  EXPECT_FALSE(c.state.apply(std::string("\x77\x01x", 3), c.now).ok());
  ASSERT_TRUE(c.state.apply(end, c.now).ok());
  Transactions before = c.state;
  EXPECT_EQ(c.state.apply(end, c.now).error().code, Errc::corrupt);
  EXPECT_EQ(c.state.apply(join, c.now).error().code, Errc::corrupt);
  EXPECT_TRUE(c.state == before);
  std::string bytes = c.state.snapshot();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(c.state.restore(bytes.substr(0, size)).ok()) << size;
  }
}

TEST(Transactions, WhoFollowsIsToldOfEachStep) {
  Coordinator c;
  const ProducerIdentity p = c.init().producer;
  c.init("other");
  EXPECT_TRUE(c.state.changes().empty()) << "nobody follows";
  c.feed({FeedStep::Kind::begin});
  EXPECT_EQ(c.state.changes().oldest(9).size(), 2u) << "what there was before";
  auto told = [&c] {
    const auto changes = c.state.changes().oldest(9);
    if (!changes.empty()) c.feed({FeedStep::Kind::settle, changes.back().number});
    return changes.size() == 1 && changes.front().key == "x";
  };
  told();
  ASSERT_EQ(c.add(p), Error::none);
  EXPECT_TRUE(told());
  ASSERT_EQ(c.end(p, true), Error::none);
  EXPECT_TRUE(told());
  ASSERT_EQ(c.complete(), Error::none);
  EXPECT_TRUE(told());
  EXPECT_FALSE(told()) << "nothing happened";
  c.now.ms += std::chrono::milliseconds(std::chrono::hours(24 * 8)).count();
  TransactionDecision expired;
  expired.commands = c.state.expire(c.now);
  ASSERT_EQ(c.take(std::move(expired)).commands.size(), 2u);
  EXPECT_EQ(c.state.changes().oldest(9).size(), 2u) << "those that are forgotten";
  EXPECT_EQ(c.state.find("x"), nullptr);
}

TEST(Transactions, ASnapshotOfBeforeHasNoFeed) {
  Coordinator c;
  bring(c, State::ongoing);
  std::string old = c.state.snapshot();
  old[0] = 1;
  old.resize(old.size() - 3);  // nobody, the next number, no changes
  Transactions restored{ShardId{3}, TransactionLimits{}};
  ASSERT_TRUE(restored.restore(old).ok());
  EXPECT_TRUE(restored == c.state);
}

// Random requests of several producers on few ids, with time passing. Always: an epoch never falls
// while the producer id stays; only one identity can act; each decided transaction completes with
// the outcome that was decided; replay and restore give the same state.
TEST(Transactions, RandomHistories) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    Coordinator c;
    std::map<std::string, std::vector<ProducerIdentity>> held;
    std::map<std::string, ProducerIdentity> newest;
    std::map<std::string, bool> decided;
    for (int step = 0; step < 300; ++step) {
      std::string id = "id" + std::to_string(pick(3));
      auto& holders = held[id];
      ProducerIdentity p;
      if (!holders.empty())
        p = holders[static_cast<std::size_t>(pick(static_cast<int>(holders.size())))];
      TransactionDecision decision;
      switch (pick(9)) {
        case 8:
          c.feed({static_cast<FeedStep::Kind>(pick(3)), static_cast<std::uint64_t>(pick(300))});
          break;
        case 0: {
          std::optional<ProducerIdentity> expected;
          if (pick(2) == 0 && !holders.empty()) expected = p;
          decision = c.take(c.state.init(id, 60s, expected));
          if (decision.error == Error::none) holders.push_back(decision.producer);
          break;
        }
        case 1:
        case 2:
          decision = c.take(c.state.add_partitions(id, p, {{"t", PartitionIndex{pick(3)}}}));
          break;
        case 3:
          decision = c.take(c.state.add_group(id, p, "g"));
          break;
        case 4:
        case 5: {
          bool commit = pick(2) == 0;
          bool raising = pick(2) == 0;
          decision =
              c.take(raising ? c.state.end_raising(id, p, commit) : c.state.end(id, p, commit));
          if (raising && decision.error == Error::none) holders.push_back(decision.producer);
          if (decision.ends) {
            EXPECT_EQ(c.state.markers(id)->commit, commit);
          }
          break;
        }
        case 6:
          c.now.ms += pick(40'000);
          while (auto timeout = c.state.tick(c.now)) {
            EXPECT_TRUE(c.take(timeout->decision).ends);
            EXPECT_FALSE(c.state.markers(timeout->transactional_id)->commit);
            decided[timeout->transactional_id] = false;
          }
          break;
        case 7: {
          const Transaction* t = c.state.find(id);
          if (t == nullptr || !t->is_preparing()) break;
          EXPECT_EQ(t->state == State::prepare_commit, decided.at(id));
          c.take(c.state.complete(id, t->producer));
          EXPECT_EQ(t->state == State::complete_commit, decided.at(id));
          break;
        }
      }
      if (decision.ends) decided[id] = c.state.markers(id)->commit;
      const Transaction* t = c.state.find(id);
      if (t != nullptr) {
        auto& last = newest[id];
        if (last.id == t->producer.id) {
          ASSERT_GE(t->producer.epoch, last.epoch);
        }
        last = t->producer;
        for (const auto& holder : holders) {
          if (holder == t->producer) continue;
          ASSERT_NE(c.state.add_partitions(id, holder, one_partition).error, Error::none);
        }
      }
      if (step % 20 != 0) continue;
      Transactions replayed(ShardId{3}, TransactionLimits{});
      for (auto& [command, at] : c.journal) ASSERT_TRUE(replayed.apply(command, at).ok());
      ASSERT_TRUE(replayed == c.state);
      Transactions restored(ShardId{3}, TransactionLimits{});
      ASSERT_TRUE(restored.restore(c.state.snapshot()).ok());
      ASSERT_TRUE(restored == c.state);
      ASSERT_EQ(restored.next_deadline(), c.state.next_deadline());
      ASSERT_EQ(restored.preparing(), c.state.preparing());
    }
  }
}

}  // namespace
}  // namespace trv::model
