// Proves commit, transaction and expiry rules of committed offsets, and that the state is exactly
// the replay of its commands and the restore of its snapshot.
#include "model/group_offsets.h"

#include <gtest/gtest.h>

#include <random>

namespace trv::model {
namespace {

using namespace std::chrono_literals;

OffsetCommit commit(std::string topic, int partition, std::int64_t offset,
                    std::string metadata = "") {
  OffsetCommit c;
  c.partition = {std::move(topic), PartitionIndex{partition}};
  c.offset = Offset{offset};
  c.leader_epoch = 3;
  c.metadata = std::move(metadata);
  c.topic_id = TopicId{77};
  return c;
}

std::int64_t offset_of(const GroupOffsets& state, std::string_view group, std::string topic,
                       int partition = 0) {
  const auto* found = state.find(group, {std::move(topic), PartitionIndex{partition}});
  return found == nullptr ? -1 : found->offset.value;
}

void run(GroupOffsets& state, const std::string& command, std::int64_t now = 1000) {
  Status status = state.apply(command, WallTime{now});
  ASSERT_TRUE(status.ok()) << status.error().message;
}

TEST(GroupOffsets, CommitKeepsAllFields) {
  GroupOffsets state;
  run(state, GroupOffsets::encode_commit("g", {commit("t", 1, 42, "note"), commit("u", 0, 7)}),
      555);
  const auto* found = state.find("g", {"t", PartitionIndex{1}});
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->offset, Offset{42});
  EXPECT_EQ(found->leader_epoch, 3);
  EXPECT_EQ(found->metadata, "note");
  EXPECT_EQ(found->topic_id, TopicId{77});
  EXPECT_EQ(found->committed_at, WallTime{555});
  EXPECT_EQ(offset_of(state, "g", "u"), 7);
  EXPECT_EQ(offset_of(state, "g", "v"), -1);
  EXPECT_EQ(offset_of(state, "h", "t", 1), -1);
  run(state, GroupOffsets::encode_commit("g", {commit("t", 1, 41)}));
  EXPECT_EQ(offset_of(state, "g", "t", 1), 41) << "going back is the client's right";
}

TEST(GroupOffsets, PendingIsHiddenUntilTheMarker) {
  for (bool commits : {true, false}) {
    GroupOffsets state;
    run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 1)}));
    run(state, GroupOffsets::encode_pending("g", ProducerId{5}, 0, {commit("t", 0, 10)}));
    EXPECT_EQ(offset_of(state, "g", "t"), 1);
    EXPECT_TRUE(state.is_unstable("g", {"t", PartitionIndex{0}}));
    EXPECT_FALSE(state.is_unstable("g", {"t", PartitionIndex{1}}));
    run(state, GroupOffsets::encode_end("g", ProducerId{6}, true));
    EXPECT_TRUE(state.is_unstable("g", {"t", PartitionIndex{0}})) << "another producer's marker";
    run(state, GroupOffsets::encode_end("g", ProducerId{5}, commits));
    EXPECT_FALSE(state.is_unstable("g", {"t", PartitionIndex{0}}));
    EXPECT_EQ(offset_of(state, "g", "t"), commits ? 10 : 1);
  }
}

TEST(GroupOffsets, LaterPlainCommitWinsOverAnEarlierPendingOne) {
  GroupOffsets state;
  run(state, GroupOffsets::encode_pending("g", ProducerId{5}, 0, {commit("t", 0, 10)}));
  run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 20)}));
  run(state, GroupOffsets::encode_end("g", ProducerId{5}, true));
  EXPECT_EQ(offset_of(state, "g", "t"), 20);
}

TEST(GroupOffsets, PendingNeedsItsAnnouncement) {
  GroupOffsets state;
  ProducerId p{5};
  EXPECT_EQ(state.check_pending("g", p, 1).error().code, Errc::invalid_state);
  state.expect_transaction("g", p, 1);
  EXPECT_TRUE(state.check_pending("g", p, 1).ok());
  EXPECT_EQ(state.check_pending("g", p, 0).error().code, Errc::fenced);
  EXPECT_EQ(state.check_pending("g", p, 2).error().code, Errc::invalid_state);
  EXPECT_EQ(state.check_pending("h", p, 1).error().code, Errc::invalid_state);
  run(state, GroupOffsets::encode_pending("g", p, 1, {commit("t", 0, 10)}));
  EXPECT_TRUE(state.check_pending("g", p, 1).ok()) << "several in one transaction";
  run(state, GroupOffsets::encode_end("g", p, true));
  EXPECT_EQ(state.check_pending("g", p, 1).error().code, Errc::invalid_state) << "delayed";
}

TEST(GroupOffsets, ForgetAndUnusedGroups) {
  GroupOffsets state;
  run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 1), commit("t", 1, 2)}));
  run(state, GroupOffsets::encode_forget("g", {{"t", PartitionIndex{0}}}));
  EXPECT_EQ(offset_of(state, "g", "t", 0), -1);
  EXPECT_EQ(offset_of(state, "g", "t", 1), 2);
  run(state, GroupOffsets::encode_forget("g", {{"t", PartitionIndex{1}}}));
  EXPECT_FALSE(state.contains("g"));
  run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 1)}));
  run(state, GroupOffsets::encode_forget_group("g"));
  EXPECT_FALSE(state.contains("g"));
  run(state, GroupOffsets::encode_occupancy("g", true));
  EXPECT_EQ(state.occupied_groups(), std::vector<std::string>{"g"});
  run(state, GroupOffsets::encode_occupancy("g", false));
  EXPECT_FALSE(state.contains("g"));
}

TEST(GroupOffsets, Expiry) {
  auto day = std::chrono::hours(24);
  auto at = [&](int days) { return std::chrono::milliseconds(day * days).count(); };
  struct Case {
    const char* name;
    int committed;                // day
    std::optional<int> occupied;  // day when members came
    std::optional<int> emptied;   // day when they left
    bool pending;
    int today;
    bool expired;
  };
  const Case cases[] = {
      {"plain, young", 0, {}, {}, false, 6, false},
      {"plain, old", 0, {}, {}, false, 7, true},
      {"has members", 0, 0, {}, false, 100, false},
      {"empty for long", 0, 0, 1, false, 8, true},
      {"empty for short", 0, 0, 5, false, 8, false},
      {"committed after it emptied", 3, 0, 1, false, 9, false},
      {"in a transaction", 0, {}, {}, true, 100, false},
  };
  for (const Case& c : cases) {
    GroupOffsets state;
    if (c.occupied) run(state, GroupOffsets::encode_occupancy("g", true), at(*c.occupied));
    if (c.emptied && *c.emptied <= c.committed) {
      run(state, GroupOffsets::encode_occupancy("g", false), at(*c.emptied));
    }
    run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 1)}), at(c.committed));
    if (c.emptied && *c.emptied > c.committed) {
      run(state, GroupOffsets::encode_occupancy("g", false), at(*c.emptied));
    }
    if (c.pending) {
      run(state, GroupOffsets::encode_pending("g", ProducerId{1}, 0, {commit("t", 0, 2)}), at(0));
    }
    auto expired = state.expired(WallTime{at(c.today)}, day * 7);
    EXPECT_EQ(!expired.empty(), c.expired) << c.name;
    for (auto& e : expired) {
      run(state, GroupOffsets::encode_forget(e.group, e.partitions), at(c.today));
      EXPECT_FALSE(state.contains("g")) << c.name;
    }
  }
}

TEST(GroupOffsets, RoomIsBounded) {
  GroupOffsets state;
  EXPECT_TRUE(state.check_room("g", group_offsets_max).ok());
  run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 1)}));
  EXPECT_EQ(state.check_room("g", group_offsets_max).error().code, Errc::overloaded);
}

TEST(GroupOffsets, DamagedBytesChangeNothing) {
  GroupOffsets state;
  run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 1), commit("t", 1, 2)}));
  run(state, GroupOffsets::encode_pending("g", ProducerId{5}, 0, {commit("t", 0, 10)}));
  GroupOffsets before = state;
  std::string good = GroupOffsets::encode_pending("g", ProducerId{9}, 1, {commit("x", 0, 1)});
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(state.apply(good.substr(0, size), WallTime{5}).ok()) << size;
  }
  EXPECT_FALSE(state.apply(good + "x", WallTime{5}).ok());
  EXPECT_FALSE(state.apply(std::string("\x63\x01g", 3), WallTime{5}).ok()) << "unknown kind";
  EXPECT_TRUE(state == before);
  std::string bytes = state.snapshot();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(state.restore(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_TRUE(state == before);
}

using Kind = FeedStep::Kind;

// Group and partition of what is in the feed, oldest first.
std::vector<std::string> changed(const GroupOffsets& state) {
  std::vector<std::string> keys;
  for (const auto& [number, key] : state.changes().oldest(100)) {
    keys.push_back(key.group + "/" + std::to_string(key.partition.partition.value));
  }
  return keys;
}

TEST(GroupOffsets, WhoFollowsIsToldWhatOthersSee) {
  using Keys = std::vector<std::string>;
  GroupOffsets state;
  run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 1), commit("t", 1, 1)}));
  EXPECT_EQ(changed(state), Keys()) << "nobody follows";
  run(state, GroupOffsets::encode_feed({Kind::begin}));
  EXPECT_EQ(changed(state), (Keys{"g/0", "g/1"})) << "what there was before";
  const std::uint64_t last = state.changes().oldest(100).back().number;
  run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 2)}));
  run(state, GroupOffsets::encode_feed({Kind::settle, last}));
  EXPECT_EQ(changed(state), Keys{"g/0"}) << "it changed after it was told";
  run(state, GroupOffsets::encode_feed({Kind::settle, last + 1}));
  EXPECT_TRUE(state.changes().empty());

  run(state, GroupOffsets::encode_pending("g", ProducerId{5}, 0, {commit("t", 2, 9)}));
  EXPECT_EQ(changed(state), Keys()) << "pending ones are seen by nobody";
  run(state, GroupOffsets::encode_end("g", ProducerId{5}, true));
  EXPECT_EQ(changed(state), Keys{"g/2"});
  run(state,
      GroupOffsets::encode_forget("g", {{"t", PartitionIndex{1}}, {"u", PartitionIndex{3}}}));
  EXPECT_EQ(changed(state), (Keys{"g/2", "g/1"})) << "of what was there";
  run(state, GroupOffsets::encode_forget_group("g"));
  EXPECT_EQ(changed(state), (Keys{"g/1", "g/0", "g/2"}));
  run(state, GroupOffsets::encode_feed({Kind::end}));
  EXPECT_TRUE(state.changes().empty());
  EXPECT_FALSE(state.changes().is_followed());
}

TEST(GroupOffsets, ASnapshotOfBeforeHasNoFeed) {
  GroupOffsets state;
  run(state, GroupOffsets::encode_commit("g", {commit("t", 0, 1)}));
  std::string old = state.snapshot();
  old[0] = 1;
  old.resize(old.size() - 3);  // nobody, the next number, no changes
  GroupOffsets restored;
  ASSERT_TRUE(restored.restore(old).ok());
  EXPECT_TRUE(restored == state);
}

TEST(GroupOffsets, RandomCommandsReplayAndSnapshot) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    std::vector<std::pair<std::string, std::int64_t>> journal;
    GroupOffsets live;
    for (int step = 0; step < 150; ++step) {
      std::string group = "g" + std::to_string(pick(3));
      std::vector<OffsetCommit> commits;
      for (int i = pick(4); i > 0; --i) commits.push_back(commit("t", pick(4), pick(1000), "m"));
      std::string command;
      switch (pick(9)) {
        case 0:
          command = GroupOffsets::encode_forget(group, {{"t", PartitionIndex{pick(4)}}});
          break;
        case 1:
          command = GroupOffsets::encode_end(group, ProducerId{pick(3)}, pick(2) == 0);
          break;
        case 2:
          command = GroupOffsets::encode_occupancy(group, pick(2) == 0);
          break;
        case 3:
          command = GroupOffsets::encode_forget_group(group);
          break;
        case 4:
          command = GroupOffsets::encode_feed(
              {static_cast<Kind>(pick(3)), static_cast<std::uint64_t>(pick(300))});
          break;
        case 5:
        case 6:
          command = GroupOffsets::encode_pending(group, ProducerId{pick(3)}, 0, commits);
          break;
        default:
          command = GroupOffsets::encode_commit(group, commits);
      }
      std::int64_t now = 1000 + step;
      run(live, command, now);
      journal.emplace_back(command, now);
      if (step % 10 != 0) continue;
      GroupOffsets restored;
      ASSERT_TRUE(restored.restore(live.snapshot()).ok());
      ASSERT_TRUE(restored == live);
      // A restored state goes on as the live one would.
      GroupOffsets twin = live;
      std::string end = GroupOffsets::encode_end("g0", ProducerId{1}, true);
      run(restored, end, now);
      run(twin, end, now);
      ASSERT_TRUE(restored == twin);
    }
    GroupOffsets replayed;
    for (auto& [command, now] : journal) run(replayed, command, now);
    ASSERT_TRUE(replayed == live);
  }
}

}  // namespace
}  // namespace trv::model
