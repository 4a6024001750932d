// Proves the idempotence window, the bookkeeping of transactions in one partition, and that replay
// and snapshot rebuild what live operation made. The random run compares with a naive twin that
// keeps the whole log.
#include "model/producer_state.h"

#include <gtest/gtest.h>

#include <random>

namespace trv::model {
namespace {

constexpr std::int32_t last_sequence = ProducerStates::sequence_max;

BatchFacts batch(std::int64_t producer, int epoch, std::int32_t first, std::int32_t count = 1,
                 bool transactional = false) {
  BatchFacts facts;
  facts.producer = ProducerId{producer};
  facts.epoch = static_cast<ProducerEpoch>(epoch);
  facts.first_sequence = first;
  facts.record_count = count;
  facts.transactional = transactional;
  return facts;
}

// A partition log of which only the producers matter.
struct Log {
  ProducerStates states;
  std::int64_t end = 0;

  Offset append(BatchFacts facts) {
    facts.base_offset = Offset{end};
    facts.appended = facts.timestamp = WallTime{1000 + end};
    states.apply(facts);
    end += facts.record_count;
    return facts.base_offset;
  }
  Offset open(std::int64_t producer, int epoch, std::int32_t sequence) {
    states.expect_transaction(ProducerId{producer}, static_cast<ProducerEpoch>(epoch));
    BatchFacts facts = batch(producer, epoch, sequence, 1, true);
    EXPECT_TRUE(states.check(facts).ok());
    return append(facts);
  }
  Offset mark(std::int64_t producer, int epoch, bool commit) {
    MarkerFacts marker;
    marker.producer = ProducerId{producer};
    marker.epoch = static_cast<ProducerEpoch>(epoch);
    marker.commit = commit;
    marker.offset = Offset{end++};
    states.apply(marker);
    return marker.offset;
  }
};

TEST(ProducerStates, WithoutAProducerEverythingPasses) {
  ProducerStates states;
  BatchFacts facts = batch(-1, -1, -1);
  EXPECT_TRUE(states.check(facts).ok());
  states.apply(facts);
  EXPECT_EQ(states.size(), 0u);
  facts.transactional = true;
  EXPECT_EQ(states.check(facts).error().code, Errc::invalid_argument);
}

TEST(ProducerStates, SequenceTable) {
  // Producer 7 wrote, at epoch 3: 0-9, 10-19, ..., 60-69. The window holds the last five.
  Log log;
  for (int i = 0; i < 7; ++i) log.append(batch(7, 3, i * 10, 10));
  struct Case {
    const char* name;
    BatchFacts facts;
    std::optional<Errc> error;
    std::int64_t duplicate_of = -1;
  };
  const Case cases[] = {
      {"next", batch(7, 3, 70, 5), {}},
      {"last again", batch(7, 3, 60, 10), {}, 60},
      {"oldest in the window", batch(7, 3, 20, 10), {}, 20},
      {"before the window", batch(7, 3, 10, 10), Errc::sequence_gap},
      {"part of a stored batch", batch(7, 3, 60, 5), Errc::sequence_gap},
      {"gap", batch(7, 3, 71), Errc::sequence_gap},
      {"older epoch", batch(7, 2, 70), Errc::fenced},
      {"older epoch, old batch", batch(7, 2, 60, 10), Errc::fenced},
      {"newer epoch from 0", batch(7, 4, 0), {}},
      {"newer epoch from elsewhere", batch(7, 4, 70), Errc::sequence_gap},
      {"unknown producer, any start", batch(8, 0, 12345), {}},
      {"negative sequence", batch(7, 3, -1), Errc::invalid_argument},
      {"negative epoch", batch(7, -1, 0), Errc::invalid_argument},
      {"no records", batch(7, 3, 70, 0), Errc::invalid_argument},
  };
  for (const Case& c : cases) {
    auto verdict = log.states.check(c.facts);
    if (c.error) {
      ASSERT_FALSE(verdict.ok()) << c.name;
      EXPECT_EQ(verdict.error().code, *c.error) << c.name;
    } else {
      ASSERT_TRUE(verdict.ok()) << c.name << ": " << verdict.error().message;
      EXPECT_EQ(verdict->duplicate, c.duplicate_of >= 0) << c.name;
      EXPECT_EQ(verdict->base_offset.value, c.duplicate_of) << c.name;
    }
  }
}

TEST(ProducerStates, SequencesWrap) {
  Log log;
  log.append(batch(1, 0, last_sequence - 4, 3));      // ...-4, -3, -2
  auto wrapping = batch(1, 0, last_sequence - 1, 4);  // max-1, max, 0, 1
  ASSERT_TRUE(log.states.check(wrapping).ok());
  Offset stored = log.append(wrapping);
  EXPECT_EQ(log.states.check(wrapping)->base_offset, stored);
  EXPECT_TRUE(log.states.check(batch(1, 0, 2)).ok());
  EXPECT_FALSE(log.states.check(batch(1, 0, 1)).ok());
  log.append(batch(2, 0, last_sequence));
  EXPECT_TRUE(log.states.check(batch(2, 0, 0)).ok());
}

TEST(ProducerStates, DuplicateOfABatchThatIsNotDurableYet) {
  Log log;
  auto facts = batch(1, 0, 0, 3);
  Offset first = log.append(facts);
  auto verdict = log.states.check(facts);
  ASSERT_TRUE(verdict.ok());
  EXPECT_TRUE(verdict->duplicate);
  EXPECT_EQ(verdict->base_offset, first);
}

// A client that gives up a batch together with its transaction may not know that it was stored, and
// use its sequence again.
TEST(ProducerStates, WhatWasAbortedIsNoOriginal) {
  Log log;
  log.open(1, 0, 0);
  log.mark(1, 0, true);
  Offset aborted = log.open(1, 0, 1);
  auto again = batch(1, 0, 1, 1, true);
  EXPECT_EQ(log.states.check(again)->base_offset, aborted) << "its transaction may still commit";
  log.mark(1, 0, false);
  EXPECT_EQ(log.states.check(again).error().code, Errc::sequence_gap);
  log.states.expect_transaction(ProducerId{1}, 0);
  EXPECT_EQ(log.states.check(again).error().code, Errc::sequence_gap) << "in the next one, too";
  auto decoded = ProducerStates::decode(log.states.encode());
  ASSERT_TRUE(decoded.ok());
  EXPECT_FALSE(decoded->check(again).ok()) << "after a restart, too";
  EXPECT_TRUE(log.states.check(batch(1, 0, 0, 1, true))->duplicate)
      << "what was committed is there";
  EXPECT_FALSE(log.states.check(batch(1, 0, 2, 1, true))->duplicate) << "the next one goes on";
}

TEST(ProducerStates, TransactionNeedsItsAnnouncement) {
  Log log;
  auto facts = batch(1, 0, 0, 1, true);
  EXPECT_EQ(log.states.check(facts).error().code, Errc::invalid_state);
  log.states.expect_transaction(ProducerId{1}, 1);
  EXPECT_EQ(log.states.check(facts).error().code, Errc::invalid_state) << "another epoch";
  log.states.expect_transaction(ProducerId{1}, 0);
  ASSERT_TRUE(log.states.check(facts).ok());
  log.append(facts);
  EXPECT_TRUE(log.states.check(batch(1, 0, 1, 1, true)).ok());
  EXPECT_EQ(log.states.check(batch(1, 0, 1)).error().code, Errc::invalid_state) << "plain batch";
  log.mark(1, 0, true);
  EXPECT_EQ(log.states.check(batch(1, 0, 1, 1, true)).error().code, Errc::invalid_state)
      << "late batch of the ended transaction";
  EXPECT_TRUE(log.states.check(facts)->duplicate) << "a retry is still answered";
}

TEST(ProducerStates, MarkerWithoutDataWithdrawsTheAnnouncement) {
  Log log;
  log.states.expect_transaction(ProducerId{1}, 0);
  log.mark(1, 0, false);
  EXPECT_FALSE(log.states.check(batch(1, 0, 0, 1, true)).ok());
  EXPECT_TRUE(log.states.aborted_in(Offset{0}, Offset{100}).empty());
}

TEST(ProducerStates, HigherMarkerEpochFencesTheProducer) {
  Log log;
  log.open(1, 0, 0);
  log.mark(1, 1, false);
  EXPECT_EQ(log.states.check(batch(1, 0, 1, 1, true)).error().code, Errc::fenced);
  EXPECT_TRUE(log.states.check(batch(1, 1, 0)).ok());
  EXPECT_EQ(log.states.check(batch(1, 1, 5)).error().code, Errc::sequence_gap);
  MarkerFacts old;
  old.producer = ProducerId{1};
  old.epoch = 0;
  EXPECT_EQ(log.states.check_marker(old).error().code, Errc::fenced);
  old.epoch = 1;
  EXPECT_TRUE(log.states.check_marker(old).ok());
  old.coordinator_epoch = -5;
  EXPECT_EQ(log.states.check_marker(old).error().code, Errc::concurrent_update);
}

TEST(ProducerStates, SameEpochMarkerKeepsTheSequence) {
  Log log;
  log.open(1, 0, 0);
  log.mark(1, 0, true);
  log.states.expect_transaction(ProducerId{1}, 0);
  EXPECT_TRUE(log.states.check(batch(1, 0, 1, 1, true)).ok());
  EXPECT_FALSE(log.states.check(batch(1, 0, 0, 2, true)).ok());
}

TEST(ProducerStates, LastStableOffset) {
  Log log;
  log.append(batch(9, 0, 0, 10));  // 0..9
  EXPECT_EQ(log.states.last_stable_offset(Offset{10}), Offset{10});
  log.open(1, 0, 0);  // 10
  log.open(2, 0, 0);  // 11
  EXPECT_EQ(log.states.last_stable_offset(Offset{12}), Offset{10});
  EXPECT_EQ(log.states.last_stable_offset(Offset{5}), Offset{5});
  Offset marker = log.mark(1, 0, true);  // 12
  EXPECT_EQ(log.states.last_stable_offset(marker), Offset{10}) << "marker is not durable yet";
  EXPECT_EQ(log.states.last_stable_offset(marker + 1), Offset{11});
  log.mark(2, 0, false);  // 13
  EXPECT_EQ(log.states.last_stable_offset(Offset{14}), Offset{14});
}

TEST(ProducerStates, AbortedIndex) {
  Log log;
  log.open(1, 0, 0);      // 0
  log.open(2, 0, 0);      // 1
  log.open(3, 0, 0);      // 2
  log.mark(2, 0, false);  // 3: [1,3]
  log.mark(3, 0, true);   // 4
  log.mark(1, 0, false);  // 5: [0,5]
  log.open(2, 0, 1);      // 6
  log.mark(2, 0, false);  // 7: [6,7]
  auto producers = [&](std::int64_t from, std::int64_t end) {
    std::vector<std::int64_t> ids;
    for (auto& a : log.states.aborted_in(Offset{from}, Offset{end}))
      ids.push_back(a.producer.value);
    return ids;
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(producers(0, 1), (Ids{1}));
  EXPECT_EQ(producers(0, 2), (Ids{2, 1}));
  EXPECT_EQ(producers(4, 6), (Ids{1}));
  EXPECT_EQ(producers(4, 7), (Ids{1, 2}));
  EXPECT_EQ(producers(8, 100), Ids{});
  log.states.trim(Offset{4});
  EXPECT_EQ(producers(0, 100), (Ids{1, 2}));
  log.states.trim(Offset{8});
  EXPECT_EQ(producers(0, 100), Ids{});
}

TEST(ProducerStates, ExpiryKeepsOpenTransactions) {
  Log log;
  log.append(batch(1, 0, 0));  // appended at 1000
  log.open(2, 0, 0);           // 1001
  log.append(batch(3, 0, 0));  // 1002
  log.states.expire(WallTime{1002});
  EXPECT_EQ(log.states.size(), 2u);
  EXPECT_TRUE(log.states.check(batch(1, 0, 77)).ok()) << "forgotten: any start";
  EXPECT_TRUE(log.states.has_open_transaction(ProducerId{2}));
  EXPECT_FALSE(log.states.check(batch(3, 0, 77)).ok());
}

TEST(ProducerStates, Describe) {
  Log log;
  log.append(batch(5, 2, 0, 10));
  log.open(6, 0, 0);
  auto all = log.states.describe();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].last_sequence, 9);
  EXPECT_EQ(all[0].epoch, 2);
  EXPECT_EQ(all[0].transaction_start.value, -1);
  EXPECT_EQ(all[1].transaction_start.value, 10);
}

TEST(ProducerStates, DamagedSnapshotsAreRefused) {
  Log log;
  for (int p = 1; p < 6; ++p) {
    log.open(p, 0, 0);
    if (p % 2 == 0) log.mark(p, 0, false);
  }
  std::string bytes = log.states.encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ProducerStates::decode(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ProducerStates::decode(bytes + "x").ok());
  std::string huge;
  ByteWriter out(huge);
  out.u8(1);
  out.varint(1ull << 62);
  EXPECT_FALSE(ProducerStates::decode(huge).ok());
}

// The twin: the log itself, searched from the start for each question.
struct Twin {
  struct Entry {
    std::int64_t producer, first, last;  // offsets; for markers first == last
    int kind;                            // 0 data, 1 commit, 2 abort
    bool transactional;
  };
  std::vector<Entry> log;

  std::int64_t stable(std::int64_t high) const {
    // A record is unstable while no marker of its producer that follows it lies below `high`.
    for (const Entry& e : log) {
      if (e.kind != 0 || !e.transactional || e.first >= high) continue;
      bool closed = false;
      for (const Entry& m : log) {
        closed = closed ||
                 (m.kind != 0 && m.producer == e.producer && m.first > e.first && m.first < high);
      }
      if (!closed) return e.first;
    }
    return high;
  }
  bool aborted(const Entry& e) const {
    for (const Entry& m : log) {
      if (m.kind != 0 && m.producer == e.producer && m.first > e.first) return m.kind == 2;
    }
    return false;
  }
};

TEST(ProducerStates, RandomRunAgainstTheWholeLog) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    Log live;
    ProducerStates replayed;
    Twin twin;
    std::map<std::int64_t, int> sequence, epoch;
    for (int step = 0; step < 120; ++step) {
      std::int64_t id = 1 + pick(4);
      bool open = live.states.has_open_transaction(ProducerId{id});
      int what = pick(10);
      if (what < 6) {
        bool transactional = open || what < 3;
        if (transactional && !open) {
          live.states.expect_transaction(ProducerId{id}, static_cast<ProducerEpoch>(epoch[id]));
        }
        BatchFacts facts = batch(id, epoch[id], sequence[id], 1 + pick(3), transactional);
        auto verdict = live.states.check(facts);
        ASSERT_TRUE(verdict.ok()) << verdict.error().message;
        ASSERT_FALSE(verdict->duplicate);
        facts.base_offset = live.append(facts);
        facts.appended = facts.timestamp = WallTime{1000 + facts.base_offset.value};
        replayed.apply(facts);
        sequence[id] += facts.record_count;
        twin.log.push_back({id, facts.base_offset.value, live.end - 1, 0, transactional});
        EXPECT_TRUE(live.states.check(facts)->duplicate);
      } else if (open || what == 9) {
        bool commit = pick(2) == 0;
        if (pick(4) == 0) {
          ++epoch[id];
          sequence[id] = 0;
        }
        MarkerFacts marker;
        marker.producer = ProducerId{id};
        marker.epoch = static_cast<ProducerEpoch>(epoch[id]);
        marker.commit = commit;
        marker.offset = live.mark(id, epoch[id], commit);
        replayed.apply(marker);
        twin.log.push_back({id, marker.offset.value, marker.offset.value, commit ? 1 : 2, true});
      }
      // Replay equals live, and so does a snapshot.
      ASSERT_TRUE(replayed == live.states);
      auto decoded = ProducerStates::decode(live.states.encode());
      ASSERT_TRUE(decoded.ok());
      ASSERT_TRUE(*decoded == live.states);

      std::int64_t from = pick(static_cast<int>(live.end) + 1);
      std::int64_t end = from + pick(20);
      auto found = live.states.aborted_in(Offset{from}, Offset{end});
      for (const auto& e : twin.log) {
        if (e.kind != 0 || !e.transactional || e.last < from || e.first >= end) continue;
        bool listed = false;
        for (const auto& a : found) {
          listed = listed || (a.producer.value == e.producer && a.first.value <= e.first &&
                              a.last.value >= e.last);
        }
        ASSERT_EQ(listed, twin.aborted(e)) << "offset " << e.first;
      }
      if (step % 7 == 0) {
        std::int64_t high = live.end;  // only grows, as in life
        ASSERT_EQ(live.states.last_stable_offset(Offset{high}).value, twin.stable(high));
        ASSERT_EQ(decoded->last_stable_offset(Offset{high}).value, twin.stable(high));
      }
    }
  }
}

}  // namespace
}  // namespace trv::model
