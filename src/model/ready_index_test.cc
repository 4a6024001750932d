// Proves the order of priorities and the count of bytes against a plain list of records.
#include "model/ready_index.h"

#include <gtest/gtest.h>

#include <random>

namespace trv::model {
namespace {

using Sequences = std::vector<Sequence>;

TEST(ReadyIndex, HighestLevelFirstThenOldest) {
  ReadyIndex index({.level_max = 5, .counts_bytes = false}, Sequence(0));
  index.add(Sequence(0), 1, 0);
  index.add(Sequence(1), 9, 0);  // counts as 5
  index.add(Sequence(2), 5, 0);
  index.add(Sequence(3), 1, 0);
  EXPECT_EQ(index.heads(), (Sequences{Sequence(1), Sequence(0)}));
  index.take(Sequence(1));
  index.take(Sequence(2));
  EXPECT_EQ(index.first(), Sequence(0));
  index.restore(Sequence(2));
  EXPECT_EQ(index.first(), Sequence(2));
  index.forget(Sequence(2));
  index.forget(Sequence(0));
  EXPECT_EQ(index.heads(), Sequences{Sequence(3)});
  index.forget_below(Sequence(4));
  EXPECT_EQ(index.first(), std::nullopt);
}

TEST(ReadyIndex, CountsBytesOfWhatIsReady) {
  ReadyIndex index({.level_max = 0, .counts_bytes = true}, Sequence(10));
  index.add(Sequence(10), 0, 5);
  index.pass_to(Sequence(12));
  index.add(Sequence(12), 0, 7);
  EXPECT_EQ(index.bytes(), 12u);
  index.take(Sequence(10));
  EXPECT_EQ(index.bytes(), 7u);
  index.restore(Sequence(10));
  EXPECT_EQ(index.bytes(), 12u);
  index.forget_below(Sequence(11));
  EXPECT_EQ(index.bytes(), 7u);
  index.forget_below(Sequence(20));
  EXPECT_EQ(index.bytes(), 0u);
  index.add(Sequence(20), 0, 3);
  EXPECT_EQ(index.bytes(), 3u);
}

// The same as a list that is searched from end to end.
struct Twin {
  enum class State { ready, out, gone };
  struct Record {
    State state;
    std::uint8_t level;
    std::uint32_t size;
  };
  std::vector<Record> records;

  std::optional<Sequence> first() const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (records[i].state != State::ready) continue;
      if (!best || records[i].level > records[*best].level) best = i;
    }
    if (!best) return std::nullopt;
    return Sequence(static_cast<std::int64_t>(*best));
  }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const Record& record : records) sum += record.state == State::ready ? record.size : 0;
    return sum;
  }
};

TEST(ReadyIndex, AgreesWithAPlainList) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    ReadyIndex index({.level_max = 3, .counts_bytes = true}, Sequence(0));
    Twin twin;
    for (int step = 0; step < 300; ++step) {
      std::size_t at = twin.records.empty() ? 0 : random() % twin.records.size();
      Sequence sequence(static_cast<std::int64_t>(at));
      switch (twin.records.empty() ? 0 : random() % 5) {
        case 0:
        case 1: {
          auto level = static_cast<std::uint8_t>(random() % 4);
          auto size = static_cast<std::uint32_t>(random() % 100);
          index.add(Sequence(static_cast<std::int64_t>(twin.records.size())), level, size);
          twin.records.push_back({Twin::State::ready, level, size});
          break;
        }
        case 2:
          index.take(sequence);
          if (twin.records[at].state == Twin::State::ready) {
            twin.records[at].state = Twin::State::out;
          }
          break;
        case 3:
          index.restore(sequence);
          if (twin.records[at].state == Twin::State::out) {
            twin.records[at].state = Twin::State::ready;
          }
          break;
        default:
          index.forget(sequence);
          twin.records[at].state = Twin::State::gone;
      }
      ASSERT_EQ(index.first(), twin.first());
      ASSERT_EQ(index.bytes(), twin.bytes());
    }
  }
}

}  // namespace
}  // namespace trv::model
