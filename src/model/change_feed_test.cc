// Proves that a feed has each changed key once until it is settled, and that damaged bytes of one
// are found.
#include "model/change_feed.h"

#include <gtest/gtest.h>

#include <string>

namespace trv::model {
namespace {

using Kind = FeedStep::Kind;
using Feed = ChangeFeed<std::string>;

std::string keys_of(const Feed& feed) {
  std::string keys;
  for (const auto& [number, key] : feed.oldest(100)) keys += key + std::to_string(number) + " ";
  return keys;
}

std::string written(const Feed& feed) {
  std::string bytes;
  ByteWriter out(bytes);
  feed.write(out, [](ByteWriter& to, const std::string& key) { to.sized(key); });
  return bytes;
}

bool read(Feed& feed, ByteView bytes) {
  ByteReader in(bytes);
  feed.read(in, [](ByteReader& from) { return std::string(from.sized()); });
  return in.done();
}

TEST(ChangeFeed, HasEachKeyOnceUntilItIsSettled) {
  Feed feed;
  feed.note("a");
  EXPECT_TRUE(feed.empty());
  feed.apply({Kind::begin});
  for (const char* key : {"a", "b", "a", "c"}) feed.note(key);
  EXPECT_EQ(keys_of(feed), "b2 a3 c4 ");
  EXPECT_EQ(feed.oldest(1).size(), 1u);
  feed.apply({Kind::settle, 3});
  EXPECT_EQ(keys_of(feed), "c4 ");
  feed.note("a");
  EXPECT_EQ(keys_of(feed), "c4 a5 ");
  Feed copy;
  ASSERT_TRUE(read(copy, written(feed)));
  EXPECT_EQ(copy, feed);
}

TEST(ChangeFeed, NumbersAreNotGivenTwiceToOneFollowerAndTheNext) {
  Feed feed;
  feed.apply({Kind::begin});
  feed.note("a");
  feed.apply({Kind::end});
  feed.note("b");
  EXPECT_TRUE(feed.empty());
  feed.apply({Kind::begin});
  feed.note("a");
  feed.apply({Kind::settle, 1});
  EXPECT_EQ(keys_of(feed), "a2 ") << "what the follower of before settles late";
}

TEST(ChangeFeed, DamageIsFound) {
  Feed feed;
  feed.apply({Kind::begin});
  feed.note("a");
  feed.note("b");
  const std::string bytes = written(feed);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Feed damaged;
    EXPECT_FALSE(read(damaged, ByteView(bytes).substr(0, size))) << size;
  }
  struct Case {
    const char* what;
    std::size_t at;
    char value;
  };
  // u8 followed, next number 3, two keys: 1 "a", 2 "b".
  for (const Case& one : {Case{"a number that was not given yet", 6, 3},
                          Case{"numbers that do not ascend", 6, 1}, Case{"a key twice", 8, 'a'}}) {
    std::string damaged = bytes;
    damaged[one.at] = one.value;
    Feed read_feed;
    EXPECT_FALSE(read(read_feed, damaged)) << one.what;
  }
}

TEST(ChangeFeed, AnUnknownStepIsDamage) {
  for (int kind = 0; kind < 5; ++kind) {
    const std::string bytes{static_cast<char>(kind), 7};
    ByteReader in(bytes);
    const FeedStep step = read_feed_step(in);
    EXPECT_EQ(in.done(), kind <= 2) << kind;
    EXPECT_EQ(step.number, 7u);
  }
}

}  // namespace
}  // namespace trv::model
