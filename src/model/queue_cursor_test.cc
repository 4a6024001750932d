// Proves that a cursor keeps each record in exactly one state, in any order of taking, and that
// what is durable of it survives.
#include "model/queue_cursor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace trv::model {
namespace {

constexpr ConsumerId consumer{1};

TEST(QueueCursor, TakesOutOfOrderAndKeepsThePlaces) {
  QueueCursor cursor(Sequence(0));
  cursor.take(Sequence(3), consumer);
  EXPECT_EQ(cursor.ready_count(Sequence(6)), 5u);
  EXPECT_EQ(cursor.first_released(), Sequence(0));
  EXPECT_FALSE(cursor.take(Sequence(1), consumer).redelivered);
  EXPECT_EQ(cursor.first_ready(Sequence(6)), Sequence(0));
  EXPECT_TRUE(cursor.release(Sequence(1)));
  EXPECT_TRUE(cursor.take(Sequence(1), consumer).redelivered);
  EXPECT_FALSE(cursor.is_ready(Sequence(3)));
  EXPECT_TRUE(cursor.is_ready(Sequence(2)));
  cursor.apply_settle(Sequence(0));
  cursor.apply_settle(Sequence(1));
  EXPECT_EQ(cursor.floor(), Sequence(2));
}

TEST(QueueCursor, CountsFailuresApartFromDeliveries) {
  QueueCursor cursor(Sequence(0));
  cursor.take(Sequence(0), consumer);
  cursor.release(Sequence(0));
  auto taken = cursor.take(Sequence(0), consumer);
  EXPECT_TRUE(taken.redelivered);
  EXPECT_EQ(taken.delivery_count, 2u);
  EXPECT_EQ(taken.failure_count, 0u);
  EXPECT_EQ(cursor.release_failed(Sequence(0)), 1u);
  EXPECT_EQ(cursor.release_failed(Sequence(0)), 0u);  // it is not out
  cursor.take(Sequence(1), consumer);
  cursor.release_failed(Sequence(1));
  cursor.take(Sequence(1), consumer);

  auto failures = cursor.failures();
  ASSERT_EQ(failures.size(), 2u);
  std::string state;
  cursor.encode_state(state);
  QueueCursor restored(Sequence(0));
  ASSERT_TRUE(restored.restore_state(state));
  for (const auto& [sequence, count] : failures) restored.apply_failures(sequence, count);
  EXPECT_EQ(restored.take(Sequence(0), consumer).failure_count, 1u);
  EXPECT_EQ(restored.take(Sequence(1), consumer).failure_count, 1u);
}

TEST(QueueCursor, AgreesWithAPlainList) {
  enum class State { ready, out, settled };
  std::mt19937 random(11);
  for (int round = 0; round < 50; ++round) {
    QueueCursor cursor(Sequence(0));
    constexpr std::size_t size = 60;
    std::vector<State> twin(size, State::ready);
    for (int step = 0; step < 400; ++step) {
      std::size_t at = random() % size;
      Sequence sequence(static_cast<std::int64_t>(at));
      switch (random() % 3) {
        case 0:
          if (twin[at] != State::ready) break;
          cursor.take(sequence, consumer);
          twin[at] = State::out;
          break;
        case 1:
          ASSERT_EQ(cursor.release(sequence), twin[at] == State::out);
          if (twin[at] == State::out) twin[at] = State::ready;
          break;
        default:
          if (twin[at] != State::out) break;
          cursor.apply_settle(sequence);
          twin[at] = State::settled;
      }
      auto ready = std::count(twin.begin(), twin.end(), State::ready);
      ASSERT_EQ(cursor.ready_count(Sequence(size)), static_cast<std::uint64_t>(ready));
      ASSERT_EQ(cursor.is_ready(sequence), twin[at] == State::ready);
      auto first = std::find(twin.begin(), twin.end(), State::ready) - twin.begin();
      auto expected = ready ? std::optional<Sequence>(Sequence(first)) : std::nullopt;
      ASSERT_EQ(cursor.first_ready(Sequence(size)), expected);
      // What was given back comes in its place, whatever the order in which that happened.
      bool released = expected && *expected < cursor.next();
      ASSERT_EQ(cursor.first_released(), released ? expected : std::nullopt);
    }
    // What was settled stays so; everything else is ready again.
    std::string state;
    cursor.encode_state(state);
    QueueCursor restored(Sequence(0));
    ASSERT_TRUE(restored.restore_state(state));
    for (std::size_t at = 0; at < size; ++at) {
      Sequence sequence(static_cast<std::int64_t>(at));
      ASSERT_EQ(restored.is_ready(sequence), twin[at] != State::settled) << at;
    }
  }
}

TEST(QueueCursor, TellsWhatItTakes) {
  QueueCursor cursor(Sequence(0));
  const std::size_t empty = cursor.memory_bytes();
  EXPECT_GE(empty, sizeof(cursor));
  for (int s = 0; s < 1000; ++s) cursor.take(Sequence(s), ConsumerId(1));
  const std::size_t full = cursor.memory_bytes();
  EXPECT_GT(full, empty + 1000 * sizeof(Outstanding));
  for (int s = 0; s < 1000; ++s) cursor.apply_settle(Sequence(s));
  EXPECT_EQ(cursor.memory_bytes(), empty);
}

TEST(QueueCursor, CountsWhatIsSettledInARange) {
  QueueCursor cursor(Sequence(10));
  for (int s : {12, 13, 17, 10}) cursor.apply_settle(Sequence(s));
  EXPECT_EQ(cursor.floor(), Sequence(11));
  EXPECT_EQ(cursor.settled_count(Sequence(0), Sequence(10)), 10u);
  EXPECT_EQ(cursor.settled_count(Sequence(9), Sequence(13)), 3u);
  EXPECT_EQ(cursor.settled_count(Sequence(11), Sequence(20)), 3u);
  EXPECT_EQ(cursor.settled_count(Sequence(13), Sequence(17)), 1u);
  EXPECT_EQ(cursor.settled_count(Sequence(18), Sequence(20)), 0u);
  EXPECT_EQ(cursor.settled_count(Sequence(13), Sequence(13)), 0u);
  EXPECT_TRUE(cursor.is_settled(Sequence(17)));
  EXPECT_FALSE(cursor.is_settled(Sequence(16)));
}

}  // namespace
}  // namespace trv::model
