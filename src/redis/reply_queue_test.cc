// Proves: replies leave in the order of the requests whatever becomes ready first, and are held
// back until their commit is released.
#include "redis/reply_queue.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace trv::redis {
namespace {

broker::Commit commit(std::uint64_t round, Durability level = Durability::fsync) {
  return {round, level};
}

struct Harness {
  ReplyQueue queue;
  std::string sent;
  std::vector<ReplyQueue::SlotId> armed;

  void reply(const std::string& bytes) {
    queue.tail() += bytes;
    queue.count_tail();
  }
  void waiting(const std::string& bytes, broker::Commit change) {
    std::size_t start = queue.tail().size();
    queue.tail() += bytes;
    queue.wait(start, change);
    queue.count_tail();
  }
  void batch() {
    queue.arm_all([&](ReplyQueue::SlotId id, broker::Commit) { armed.push_back(id); });
    drain();
  }
  void drain() {
    queue.drain([&](const std::string& bytes) { sent += bytes; });
  }
};

TEST(ReplyQueue, ReadyRepliesLeaveAtOnce) {
  Harness h;
  h.reply("a");
  h.reply("b");
  h.batch();
  EXPECT_EQ(h.sent, "ab");
  EXPECT_TRUE(h.queue.idle());
  EXPECT_EQ(h.queue.byte_size(), 0u);
}

TEST(ReplyQueue, WaitingRepliesOfABatchShareASlot) {
  Harness h;
  h.reply("a");
  h.waiting("b", commit(1));
  h.waiting("c", commit(1));
  h.reply("d");
  h.batch();
  EXPECT_EQ(h.sent, "a");
  ASSERT_EQ(h.armed.size(), 1u);
  EXPECT_EQ(h.queue.byte_size(), 3u);
  EXPECT_TRUE(h.queue.release(h.armed[0]));
  h.drain();
  EXPECT_EQ(h.sent, "abcd");
  EXPECT_EQ(h.queue.byte_size(), 0u);
}

TEST(ReplyQueue, LargeRepliesAreHandedOverAndLeaveNoMemoryBehind) {
  const std::string large(1u << 20, 'l');
  ReplyQueue queue;
  std::string sent;
  const char* place = nullptr;
  auto take = [&](std::string&& bytes) {
    const std::string taken = std::move(bytes);
    place = taken.data();
    sent += taken;
  };
  queue.tail() = large;
  const char* at = queue.tail().data();
  queue.wait(0, commit(1));
  EXPECT_EQ(queue.byte_size(), large.size());
  queue.arm_all([&](ReplyQueue::SlotId id, broker::Commit) { queue.release(id); });
  queue.drain(take);
  EXPECT_EQ(place, at);
  EXPECT_EQ(queue.byte_size(), 0u);

  // One that goes at once; whoever only looks at it leaves it to the queue, which gives it up.
  queue.tail() = large;
  queue.drain([&](const std::string& bytes) { sent += bytes; });
  EXPECT_LT(queue.tail().capacity(), large.size());
  queue.tail() = "small";
  queue.drain(take);
  EXPECT_EQ(sent, large + large + "small");
  EXPECT_TRUE(queue.idle());
}

TEST(ReplyQueue, ALargeReplyBehindAnotherOneKeepsItsPlace) {
  const std::string large(1u << 20, 'l');
  Harness h;
  h.reply("a");
  h.waiting(large, commit(1));
  h.reply("b");
  h.batch();
  EXPECT_EQ(h.sent, "a");
  EXPECT_TRUE(h.queue.release(h.armed.at(0)));
  h.drain();
  EXPECT_EQ(h.sent, "a" + large + "b");
}

TEST(ReplyQueue, AStricterLevelGetsItsOwnSlot) {
  Harness h;
  h.waiting("a", commit(1, Durability::memory));
  h.waiting("b", commit(1, Durability::fsync));
  h.batch();
  ASSERT_EQ(h.armed.size(), 2u);
  EXPECT_TRUE(h.queue.release(h.armed[0]));
  h.drain();
  EXPECT_EQ(h.sent, "a");
  EXPECT_TRUE(h.queue.release(h.armed[1]));
  h.drain();
  EXPECT_EQ(h.sent, "ab");
}

TEST(ReplyQueue, AnArmedSlotNeverGrows) {
  Harness h;
  h.waiting("a", commit(1));
  h.batch();
  h.waiting("b", commit(2));
  h.reply("c");
  h.batch();
  ASSERT_EQ(h.armed.size(), 2u);
  EXPECT_TRUE(h.queue.release(h.armed[0]));
  h.drain();
  EXPECT_EQ(h.sent, "a");
  EXPECT_TRUE(h.queue.release(h.armed[1]));
  h.drain();
  EXPECT_EQ(h.sent, "abc");
  EXPECT_FALSE(h.queue.release(h.armed[1]));
}

TEST(ReplyQueue, OpenSlotsHoldBackWhatFollows) {
  Harness h;
  ReplyQueue::SlotId first = h.queue.open();
  h.reply("b");
  ReplyQueue::SlotId second = h.queue.open();
  h.batch();
  EXPECT_TRUE(h.queue.fulfil(second, "c", {}, true));
  h.batch();
  EXPECT_EQ(h.sent, "");
  EXPECT_TRUE(h.queue.fulfil(first, "a", commit(3), false));
  EXPECT_FALSE(h.queue.fulfil(first, "x", {}, true));
  h.batch();
  EXPECT_EQ(h.sent, "");
  ASSERT_EQ(h.armed.size(), 1u);
  EXPECT_TRUE(h.queue.release(h.armed[0]));
  h.drain();
  EXPECT_EQ(h.sent, "abc");
  EXPECT_TRUE(h.queue.idle());
}

TEST(ReplyQueue, AnyOrderOfEventsKeepsTheOrderOfReplies) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    Harness h;
    std::string expected;
    std::vector<std::pair<ReplyQueue::SlotId, std::string>> open;
    for (int i = 0; i < 60; ++i) {
      std::string bytes = "<" + std::to_string(i) + ">";
      switch (random() % 6) {
        case 0:
          h.reply(bytes);
          expected += bytes;
          break;
        case 1:
          h.waiting(bytes, commit(1, random() % 2 ? Durability::fsync : Durability::os));
          expected += bytes;
          break;
        case 2:
          open.emplace_back(h.queue.open(), bytes);
          expected += bytes;
          break;
        case 3:
          h.batch();
          break;
        case 4:
          if (open.empty()) break;
          std::swap(open[random() % open.size()], open.back());
          ASSERT_TRUE(
              h.queue.fulfil(open.back().first, open.back().second, commit(2), random() % 2 == 0));
          open.pop_back();
          break;
        default:
          if (h.armed.empty()) break;
          std::swap(h.armed[random() % h.armed.size()], h.armed.back());
          ASSERT_TRUE(h.queue.release(h.armed.back()));
          h.armed.pop_back();
          h.drain();
      }
      ASSERT_TRUE(expected.starts_with(h.sent)) << "seed " << seed;
    }
    for (auto& [id, bytes] : open) ASSERT_TRUE(h.queue.fulfil(id, bytes, {}, true));
    h.batch();
    for (ReplyQueue::SlotId id : h.armed) ASSERT_TRUE(h.queue.release(id));
    h.drain();
    ASSERT_EQ(h.sent, expected) << "seed " << seed;
    ASSERT_EQ(h.queue.byte_size(), 0u);
  }
}

TEST(ReplyQueue, WhatIsNoReplyMayOvertakeOneThatIsAwaited) {
  Harness h;
  h.queue.push_before_open("a");
  h.drain();
  EXPECT_EQ(h.sent, "a");
  h.waiting("first", commit(1));
  ReplyQueue::SlotId open = h.queue.open();
  h.queue.push_before_open("told");
  h.queue.push_before_open(" twice");
  EXPECT_EQ(h.queue.byte_size(), 15u);
  h.batch();
  EXPECT_EQ(h.sent, "a");
  ASSERT_TRUE(h.queue.release(h.armed.at(0)));
  h.drain();
  EXPECT_EQ(h.sent, "afirsttold twice");
  EXPECT_EQ(h.queue.byte_size(), 0u);
  h.queue.push_before_open(" more");
  ASSERT_TRUE(h.queue.fulfil(open, " answer", {}, true));
  h.drain();
  EXPECT_EQ(h.sent, "afirsttold twice more answer");
  EXPECT_EQ(h.queue.byte_size(), 0u);
  EXPECT_TRUE(h.queue.idle());
}

}  // namespace
}  // namespace trv::redis
