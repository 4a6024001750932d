// Proves share groups on one core: records are given out, acknowledged, released and come back in
// time; what was acknowledged, how often the rest was delivered, and the group itself survive
// crashes and checkpoints; a group is of one kind; deleting takes all of it.
#include "broker/share_groups.h"

#include <gtest/gtest.h>

#include "broker/broker_test_support.h"
#include "broker/feeds.h"
#include "broker/groups.h"
#include "broker/share_cursors.h"

namespace trv::broker {
namespace {

using namespace std::chrono_literals;
using model::GroupError;
using Ack = model::ShareCursor::Ack;
using As = Ack::As;
using Range = model::ShareCursor::Acquired;

bool shown(std::string_view) { return true; }

class ShareGroupsTest : public testing::Test {
 protected:
  void create(const std::string& topic, std::int32_t partitions = 1) {
    broker_.round([&] {
      model::TopicSettings settings;
      settings.partition_count = partitions;
      auto created = broker_->topics().create(topic, settings);
      ASSERT_TRUE(created.ok());
      wait_for(created->commit);
    });
  }
  // As batches of `each`.
  void append(const std::string& topic, int count, int each = 1) {
    for (int i = 0; i < count; i += each) {
      broker_.round([&] {
        for (int j = 0; j < each; ++j) {
          auto appended = broker_->topics().append(*broker_->topics().find(topic), message("m"));
          ASSERT_TRUE(appended.ok());
          wait_for(appended->commit);
        }
      });
    }
  }
  ShareGroups::Answer beat(std::string member, std::int32_t epoch,
                           std::chrono::milliseconds session = 45s) {
    model::ShareHeartbeat request;
    request.member_id = std::move(member);
    request.epoch = epoch;
    if (epoch == 0) request.topics = {"t"};
    std::optional<ShareGroups::Answer> answer;
    broker_.round([&] {
      shares().heartbeat("g", std::move(request), session, shown, [&](ShareGroups::Answer given) {
        wait_for(given.shown);
        answer = std::move(given);
      });
    });
    EXPECT_TRUE(answer);
    return answer.value_or(ShareGroups::Answer());
  }
  std::vector<Range> acquire(std::string member, std::size_t records_max = 1000,
                             std::chrono::milliseconds lock = 30s, bool exact = false) {
    std::vector<Range> ranges;
    broker_.round([&] {
      ShareCursors::Wanted wanted;
      wanted.group = "g";
      wanted.member = std::move(member);
      wanted.records_max = records_max;
      wanted.exact = exact;
      wanted.bytes_max = 1 << 20;
      wanted.range_max = 1000;
      wanted.start.from = ShareStart::From::beginning;
      wanted.lock = lock;
      auto acquired = cursors().acquire(*topic(), wanted);
      ASSERT_TRUE(acquired.ok());
      if (acquired->shown.round > 0) wait_for(acquired->shown);
      ranges = acquired->ranges;
    });
    return ranges;
  }
  Errc acknowledge(std::string member, std::int64_t first, std::int64_t end, As as = As::settled) {
    Errc code{};
    bool done = false;
    broker_.round([&] {
      Ack ack{Offset(first), Offset(end), as};
      auto acked = cursors().acknowledge(*topic(), "g", member, PartitionIndex(0),
                                         std::span(&ack, 1), renewed_for_);
      done = acked.ok();
      if (acked) {
        wait_for(*acked);
      } else {
        code = acked.error().code;
      }
    });
    EXPECT_TRUE(done || code != Errc{});
    last_done_ = done;
    return code;
  }
  bool acknowledged(std::string member, std::int64_t first, std::int64_t end, As as = As::settled) {
    acknowledge(std::move(member), first, end, as);
    return last_done_;
  }
  // A crash takes what nobody waits for.
  void wait_for(Commit commit) {
    broker_->when_durable(commit, [](Result<Durable> result) { EXPECT_TRUE(result.ok()); });
  }
  std::int64_t lag() {
    auto positions = cursors().positions(*topic(), "g");
    return positions.empty() ? -1 : positions.front().lag;
  }
  std::int64_t start() {
    auto positions = cursors().positions(*topic(), "g");
    return positions.empty() ? -1 : positions.front().start.value;
  }
  Topic* topic() { return broker_->topics().find("t"); }
  ShareGroups& shares() { return broker_->groups().shares(); }
  ShareCursors& cursors() { return broker_->groups().share_cursors(); }
  static Range range(std::int64_t first, std::int64_t last, std::uint32_t deliveries = 1) {
    return {Offset(first), Offset(last), deliveries};
  }

  TestBroker broker_;
  std::chrono::milliseconds renewed_for_ = 60s;
  bool last_done_ = false;
};

// What the disk has to give is no gap in the log: it is not passed over, and who waits is called.
TEST_F(ShareGroupsTest, WhatIsOnTheDiskOnlyComesLater) {
  create("t");
  append("t", 2);
  broker_.restart_cold();
  int woken = 0;
  broker_.round([&] { broker_->topics().watch("t", [&woken] { ++woken; }); });
  EXPECT_EQ(acquire("a"), std::vector<Range>{});
  EXPECT_EQ(woken, 0);
  broker_.run_reads();
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(acquire("a"), std::vector{range(0, 1)});
}

TEST_F(ShareGroupsTest, RecordsAreSharedAndSurviveACrash) {
  create("t");
  append("t", 6, 3);
  EXPECT_EQ(acquire("a", 1), std::vector{range(0, 2)}) << "whole batches";
  EXPECT_EQ(acquire("b"), std::vector{range(3, 5)});
  EXPECT_EQ(acquire("b"), std::vector<Range>{});
  EXPECT_TRUE(acknowledged("a", 0, 1));
  EXPECT_TRUE(acknowledged("a", 1, 2, As::released));
  EXPECT_EQ(acknowledge("b", 2, 3), Errc::invalid_state);
  broker_.crash();
  EXPECT_EQ(start(), 1);
  EXPECT_EQ(acquire("c"), (std::vector{range(1, 1, 2), range(2, 5, 1)}))
      << "what was out is ready again";
  EXPECT_EQ(acknowledge("a", 2, 3), Errc::invalid_state);
  EXPECT_TRUE(acknowledged("c", 4, 5));
  broker_.checkpoint();
  broker_.restart();
  EXPECT_EQ(acquire("d"), (std::vector{range(1, 1, 2), range(2, 3), range(5, 5)}));
  EXPECT_TRUE(acknowledged("d", 1, 4));
  EXPECT_EQ(start(), 5);
}

TEST_F(ShareGroupsTest, LocksEndInTime) {
  create("t");
  append("t", 2, 2);
  EXPECT_EQ(acquire("a", 1000, 20ms), std::vector{range(0, 1)});
  bool woken = false;
  broker_.round([&] { broker_->topics().watch("t", [&] { woken = true; }); });
  EXPECT_FALSE(woken);
  broker_.run_for(200ms);
  EXPECT_TRUE(woken) << "who waits for records hears of what came back";
  EXPECT_EQ(acknowledge("a", 0, 2), Errc::invalid_state);
  EXPECT_EQ(acquire("b"), std::vector{range(0, 1, 2)});
  broker_.crash();
  EXPECT_EQ(acquire("c"), std::vector{range(0, 1, 2)});
}

TEST_F(ShareGroupsTest, LocksAreRenewed) {
  create("t");
  append("t", 3, 3);
  EXPECT_EQ(acquire("a", 1000, 100ms), std::vector{range(0, 2)});
  EXPECT_EQ(acknowledge("b", 0, 1, As::renewed), Errc::invalid_state);
  EXPECT_TRUE(acknowledged("a", 0, 2, As::renewed));
  broker_.run_for(500ms);
  EXPECT_EQ(acquire("b"), std::vector{range(2, 2, 2)}) << "what was not renewed";
  EXPECT_EQ(acknowledge("a", 2, 3, As::renewed), Errc::invalid_state);
  EXPECT_TRUE(acknowledged("a", 0, 2));
  EXPECT_EQ(start(), 2);
  // A renewed lock ends, too.
  renewed_for_ = 100ms;
  EXPECT_TRUE(acknowledged("b", 2, 3, As::renewed));
  broker_.run_for(300ms);
  EXPECT_EQ(acquire("c"), std::vector{range(2, 2, 3)});
  broker_.crash();
  EXPECT_EQ(acquire("c"), std::vector{range(2, 2, 3)}) << "renewing is no delivery";
}

TEST_F(ShareGroupsTest, AsManyAsAskedFor) {
  create("t");
  append("t", 8, 4);
  EXPECT_EQ(acquire("a", 1, 30s, true), std::vector{range(0, 0)});
  EXPECT_EQ(acquire("b", 2, 30s, true), std::vector{range(1, 2)});
  EXPECT_EQ(acquire("a", 3, 30s, true), std::vector{range(3, 5)}) << "over two batches";
  EXPECT_EQ(acquire("b", 5, 30s, true), std::vector{range(6, 7)});
}

TEST_F(ShareGroupsTest, TheLagIsWhatIsNotSettled) {
  create("t");
  EXPECT_EQ(lag(), -1);
  append("t", 6, 3);
  acquire("a");
  EXPECT_EQ(lag(), 6);
  EXPECT_TRUE(acknowledged("a", 1, 3));
  EXPECT_TRUE(acknowledged("a", 5, 6, As::released));
  EXPECT_EQ(start(), 0);
  EXPECT_EQ(lag(), 4);
  broker_.crash();
  EXPECT_EQ(lag(), 4);
  broker_.round([&] { ASSERT_TRUE(broker_->topics().trim_to(*topic(), Sequence(2)).ok()); });
  EXPECT_EQ(start(), 2);
  EXPECT_EQ(lag(), 3);
}

TEST_F(ShareGroupsTest, WhatWasTrimmedOrErasedIsPassedOver) {
  create("t");
  append("t", 3, 3);
  append("t", 3, 3);
  RecordId erased;
  broker_.round([&] {
    Topic* topic = broker_->topics().find("t");
    auto record = broker_->topics().read_one(*topic, Sequence(4));
    ASSERT_TRUE(record.ok() && *record);
    erased = (*record)->id;
    ASSERT_TRUE(broker_->topics().erase(*topic, std::span(&erased, 1)).ok());
    ASSERT_TRUE(broker_->topics().trim_to(*topic, Sequence(2)).ok());
  });
  EXPECT_EQ(acquire("a"), (std::vector{range(2, 3), range(5, 5)}));
  EXPECT_TRUE(acknowledged("a", 2, 4));
  EXPECT_EQ(start(), 5);
}

TEST_F(ShareGroupsTest, MembersAndTheGroupItself) {
  create("t", 2);
  EXPECT_EQ(beat("a", 1).answer.error, GroupError::other_protocol) << "no such group";
  EXPECT_EQ(beat("a", 0).answer.epoch, 1);
  EXPECT_EQ(beat("b", 0, 20ms).answer.epoch, 2);
  broker_.run_for(200ms);
  EXPECT_EQ(shares().group_of("g").members().size(), 1u) << "the silent are dropped";
  EXPECT_EQ(beat("b", 2).answer.error, GroupError::unknown_member);
  EXPECT_EQ(beat("a", 1).answer.epoch, 3);
  broker_.crash();
  EXPECT_TRUE(shares().exists("g"));
  EXPECT_EQ(shares().group_of("g").state_name(), "Empty");
  EXPECT_EQ(beat("a", 3).answer.error, GroupError::unknown_member) << "it joins again";
  broker_.checkpoint();
  broker_.restart();
  EXPECT_TRUE(shares().exists("g"));
  broker_.round([&] {
    ASSERT_EQ(broker_->groups().list().size(), 1u);
    EXPECT_EQ(broker_->groups().list().front().kind, Groups::Listed::Kind::share);
  });
}

TEST_F(ShareGroupsTest, AGroupIsOfOneKind) {
  create("t");
  beat("a", 0);
  std::optional<GroupError> told;
  broker_.round([&] {
    model::JoinRequest classic;
    classic.session_timeout = 10s;
    classic.rebalance_timeout = 10s;
    classic.protocol_type = "consumer";
    classic.protocols = {{"range", ""}};
    broker_->groups().join("g", classic, [&](model::JoinReply reply) { told = reply.error; });
    model::ConsumerHeartbeat consumer;
    consumer.member_id = "m";
    consumer.rebalance_timeout = 60s;
    consumer.topics = {"t"};
    consumer.owned.emplace();
    broker_->groups().consumers().heartbeat("g", consumer, shown, [](auto answer) {
      EXPECT_EQ(answer.error, GroupError::other_protocol);
    });
    broker_->groups().consumers().heartbeat("h", consumer, shown, [&](auto answer) {
      EXPECT_EQ(answer.error, GroupError::none);
      wait_for(answer.shown);
    });
    model::OffsetCommit commit;
    commit.partition = {"t", PartitionIndex(0)};
    auto committed = broker_->groups().commit_offsets("g", {}, {commit});
    EXPECT_EQ(std::get<Groups::Refused>(committed).error, GroupError::other_protocol);
  });
  EXPECT_EQ(told, GroupError::inconsistent_protocol);
  broker_.round([&] {
    model::ShareHeartbeat request;
    request.member_id = "m";
    request.topics = {"t"};
    shares().heartbeat("h", request, 45s, shown, [](ShareGroups::Answer answer) {
      EXPECT_EQ(answer.answer.error, GroupError::other_protocol);
    });
  });
}

TEST_F(ShareGroupsTest, PositionsAreSetAndAllGoesWithTheGroup) {
  create("t");
  append("t", 6, 3);
  beat("a", 0);
  acquire("a");
  acknowledged("a", 0, 6);
  EXPECT_EQ(start(), 6);
  broker_.round([&] {
    auto set = cursors().set_position(*topic(), "g", PartitionIndex(0), Offset(4));
    ASSERT_TRUE(set.ok());
    wait_for(*set);
  });
  broker_.crash();
  EXPECT_EQ(start(), 4);
  EXPECT_EQ(acquire("a"), std::vector{range(4, 5)});
  auto remove = [&] {
    std::optional<Status> removed;
    broker_.round([&] { shares().remove("g", [&](Status status) { removed = status; }); });
    EXPECT_TRUE(removed);
    return *removed;
  };
  beat("a", 0);
  EXPECT_EQ(remove().error().code, Errc::in_use);
  beat("a", -1);
  EXPECT_TRUE(remove().ok());
  EXPECT_EQ(remove().error().code, Errc::not_found);
  broker_.crash();
  EXPECT_FALSE(shares().exists("g"));
  EXPECT_EQ(start(), -1);
}

TEST_F(ShareGroupsTest, WhoFollowsIsToldOfEachChangeAndOfTheEnd) {
  // How often each partition of "g" has changed since the last call; settled when it is told.
  auto told = [this](bool settles) {
    std::vector<std::int32_t> partitions;
    broker_.round([&] {
      auto changes = cursors().feeds().next(10);
      if (!changes) return;
      for (const auto& key : changes->keys) {
        partitions.push_back(key.partition.value);
        const bool there = broker_->topics().find("t") != nullptr;
        EXPECT_EQ(cursors().find(changes->shard, key) != nullptr, there);
      }
      if (settles) {
        ASSERT_TRUE(cursors().feeds().settle(*changes).ok());
      }
      wait_for(broker_->tail());
    });
    return partitions;
  };
  using Partitions = std::vector<std::int32_t>;
  create("t");
  append("t", 3);
  acquire("a");
  broker_.round([&] { ASSERT_TRUE(cursors().feeds().follow().ok()); });
  EXPECT_EQ(told(true), Partitions{0}) << "what there was before";
  EXPECT_EQ(told(true), Partitions());
  ASSERT_TRUE(acknowledged("a", 0, 1));
  broker_.crash();
  EXPECT_EQ(told(false), Partitions{0});
  broker_.checkpoint();
  broker_.restart();
  EXPECT_EQ(told(true), Partitions{0});
  broker_.checkpoint();
  broker_.restart();
  EXPECT_EQ(told(true), Partitions());
  broker_.round([&] {
    auto removed = broker_->topics().remove("t");
    ASSERT_TRUE(removed.ok());
    wait_for(*removed);
  });
  broker_.crash();
  EXPECT_EQ(told(true), Partitions{0}) << "the end of the topic is its cursors' end";
}

TEST_F(ShareGroupsTest, SettingsAreKept) {
  broker_.round([&] {
    auto set = shares().set_settings("g", {{"a", "1"}});
    ASSERT_TRUE(set.ok());
    wait_for(*set);
  });
  broker_.crash();
  EXPECT_EQ(shares().settings("g").at("a"), "1");
  EXPECT_FALSE(shares().exists("g"));
}

// A queue's log is trimmed to what its queue has settled, unless somebody else reads it too.
TEST_F(ShareGroupsTest, AQueueDoesNotTakeWhatAGroupReads) {
  broker_.round([&] {
    auto declared = broker_->queues().declare("t", {}, ConnectionId(1));
    ASSERT_TRUE(declared.ok());
    wait_for(declared->commit);
  });
  append("t", 4, 2);
  EXPECT_EQ(acquire("a", 1), std::vector{range(0, 1)});
  broker_.round([&] {
    auto purged = broker_->queues().purge("t");
    ASSERT_TRUE(purged.ok());
    wait_for(purged->commit);
  });
  broker_.checkpoint();
  broker_.round([&] { broker_->queues().trim_settled(); });
  EXPECT_EQ(acquire("a"), std::vector{range(2, 3)});
}

}  // namespace
}  // namespace trv::broker
