// Proves that delays leave by time and then in their order, and are the same after a snapshot.
#include "model/delays.h"

#include <gtest/gtest.h>

namespace trv::model {
namespace {

BlobRange at(std::uint64_t blob) { return {blob, 7, 9}; }

TEST(Delays, LeaveByTimeThenInTheirOrder) {
  Delays delays;
  for (const std::int64_t due : {30, 10, 20, 10}) {
    delays.apply_add({due, delays.next_number()}, at(1));
  }
  std::vector<std::pair<std::int64_t, std::uint64_t>> left;
  while (const auto first = delays.first()) {
    left.emplace_back(first->key.due_ms, first->key.number);
    delays.apply_end(first->key);
  }
  EXPECT_EQ(left, (std::vector<std::pair<std::int64_t, std::uint64_t>>{
                      {10, 2}, {10, 4}, {20, 3}, {30, 1}}));
  EXPECT_EQ(delays.next_number(), 5u);
}

TEST(Delays, WhatIsTakenIsKeptUntilItEnds) {
  Delays delays;
  delays.apply_add({10, 1}, at(4));
  delays.apply_add({20, 2}, at(5));
  delays.take({10, 1});
  EXPECT_EQ(delays.first()->key.number, 2u);
  EXPECT_EQ(delays.count(), 2u);
  std::set<std::uint64_t> blobs;
  delays.each([&blobs](const BlobRange& where) { blobs.insert(where.blob); });
  EXPECT_EQ(blobs, (std::set<std::uint64_t>{4, 5}));
  delays.put_back({10, 1});
  EXPECT_EQ(delays.first()->key.number, 1u);
  delays.take({10, 1});
  delays.apply_end({10, 1});
  delays.put_back({10, 1});  // gone: nothing
  EXPECT_EQ(delays.count(), 1u);
}

TEST(Delays, AreTheSameAfterASnapshot) {
  Delays delays;
  delays.apply_add({10, 1}, at(4));
  delays.apply_add({-20, 2}, at(5));
  delays.apply_add({30, 9}, at(6));
  delays.apply_end({30, 9});
  delays.take({10, 1});
  std::string state;
  delays.encode_state(state);
  Delays restored;
  ASSERT_TRUE(restored.restore_state(state).ok());
  EXPECT_EQ(restored.next_number(), 10u);
  EXPECT_EQ(restored.first()->key, (DelayKey{-20, 2}));
  restored.apply_end({-20, 2});
  EXPECT_EQ(restored.first()->key, (DelayKey{10, 1}));  // waits again
  EXPECT_EQ(restored.first()->where, at(4));
  for (std::size_t size = 0; size < state.size(); ++size) {
    Delays damaged;
    EXPECT_FALSE(damaged.restore_state(ByteView(state).substr(0, size)).ok());
  }
}

}  // namespace
}  // namespace trv::model
