// Proves that who follows the committed offsets of a core is told of each change until he has it,
// also over a crash and in shards that were empty when he began.
#include "broker/feeds.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "broker/broker_test_support.h"
#include "broker/groups.h"

namespace trv::broker {
namespace {

class FeedsTest : public testing::Test {
 protected:
  Feeds<model::GroupOffsets>& feeds() { return broker_->groups().offset_feeds(); }

  void wait_for(Commit commit) {
    broker_->when_durable(commit, [](Result<Durable> result) { EXPECT_TRUE(result.ok()); });
  }

  void commit(const std::string& group) {
    broker_.round([&] {
      model::OffsetCommit one;
      one.partition = {"t", PartitionIndex(0)};
      one.offset = Offset(1);
      auto committed = broker_->groups().commit_offsets(group, {}, {one});
      ASSERT_TRUE(std::holds_alternative<Commit>(committed));
      wait_for(std::get<Commit>(committed));
    });
  }

  // The groups of all changes that are left; they are settled then.
  std::multiset<std::string> take_all() {
    std::multiset<std::string> groups;
    broker_.round([&] {
      while (auto changes = feeds().next(1)) {
        for (const auto& key : changes->keys) groups.insert(key.group);
        ASSERT_TRUE(feeds().settle(*changes).ok());
      }
      wait_for(broker_->tail());
    });
    return groups;
  }

  using Groups = std::multiset<std::string>;
  TestBroker broker_;
};

TEST_F(FeedsTest, NothingIsKeptForNobody) {
  commit("a");
  broker_.round([&] { EXPECT_FALSE(feeds().is_followed()); });
  EXPECT_EQ(take_all(), Groups());
}

TEST_F(FeedsTest, ChangesComeUntilTheyAreSettled) {
  commit("a");
  int calls = 0;
  broker_.round([&] {
    feeds().watch([&calls] { ++calls; });
    ASSERT_TRUE(feeds().follow().ok());
    wait_for(broker_->tail());
  });
  EXPECT_EQ(calls, 1);
  commit("b");  // of another shard, perhaps
  commit("c");
  EXPECT_GE(calls, 3);
  broker_.crash();
  EXPECT_EQ(take_all(), (Groups{"a", "b", "c"}));
  EXPECT_EQ(take_all(), Groups());
  broker_.checkpoint();
  broker_.restart();
  EXPECT_EQ(take_all(), Groups()) << "they were settled";
}

TEST_F(FeedsTest, WhoGoesOnIsNotToldAllOfItAgain) {
  commit("a");
  broker_.round([&] { ASSERT_TRUE(feeds().follow().ok()); });
  EXPECT_EQ(take_all(), Groups{"a"});
  broker_.restart();
  commit("a");
  broker_.round([&] { ASSERT_TRUE(feeds().go_on().ok()); });
  commit("new");
  EXPECT_EQ(take_all(), (Groups{"a", "new"}));
  broker_.round([&] { ASSERT_TRUE(feeds().go_on().ok()); });
  EXPECT_EQ(take_all(), Groups());
  broker_.round([&] { ASSERT_TRUE(feeds().follow().ok()); });
  EXPECT_EQ(take_all(), (Groups{"a", "new"})) << "from the beginning";
}

TEST_F(FeedsTest, AnEndIsForGood) {
  commit("a");
  broker_.round([&] {
    ASSERT_TRUE(feeds().follow().ok());
    ASSERT_TRUE(feeds().unfollow().ok());
    wait_for(broker_->tail());
  });
  commit("a");
  commit("b");
  EXPECT_EQ(take_all(), Groups());
  broker_.crash();
  commit("c");
  EXPECT_EQ(take_all(), Groups());
  broker_.round([&] { EXPECT_FALSE(feeds().is_followed()); });
}

}  // namespace
}  // namespace trv::broker
