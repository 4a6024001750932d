// Proves: what each group command does, that state equals the replay of its snapshot after random
// commands, that the two pending indexes agree, and that broken commands change nothing.
#include "model/claim_group.h"

#include <gtest/gtest.h>

#include <random>

namespace trv::model {
namespace {

using Groups = ClaimGroups;
using Ids = std::vector<RecordId>;

std::string create(ByteView group, RecordId id, std::optional<std::uint64_t> read = 0) {
  std::string out;
  Groups::encode_create(out, group, {id, read});
  return out;
}

std::string deliver(ByteView group, ByteView consumer, WallTime time, const Ids& ids,
                    bool keep_pending = true) {
  std::string out;
  Groups::Delivery delivery;
  delivery.consumer = consumer;
  delivery.time = time;
  delivery.position = {ids.back(), ids.size()};
  delivery.keep_pending = keep_pending;
  delivery.ids = ids;
  Groups::encode_deliver(out, group, delivery);
  return out;
}

std::string claim(ByteView group, ByteView consumer, WallTime time, Groups::CountMode mode,
                  std::uint64_t count, const Ids& ids, RecordId at_least = {}) {
  std::string out;
  Groups::Claim one;
  one.consumer = consumer;
  one.delivered = time;
  one.mode = mode;
  one.count = count;
  one.ids = ids;
  one.position_at_least = at_least;
  Groups::encode_claim(out, group, one);
  return out;
}

std::string release(ByteView group, Groups::CountMode mode, std::uint64_t count, const Ids& ids) {
  std::string out;
  Groups::encode_release(out, group, {mode, count, ids});
  return out;
}

std::string dump(const Groups& groups) {
  std::string all;
  groups.snapshot([&](ByteView command) { ByteWriter(all).sized(command); });
  return all;
}

TEST(ClaimGroups, DeliverMovesThePositionAndRemembersTheOwner) {
  Groups groups;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{1, 0}, {2, 5}}), {10}).ok());
  const ClaimGroup& g = *groups.find("g");
  EXPECT_EQ(g.position(), (RecordId{2, 5}));
  EXPECT_EQ(g.entries_read(), 2u);
  ASSERT_NE(g.find_pending({2, 5}), nullptr);
  EXPECT_EQ(g.find_pending({2, 5})->owner->first, "alice");
  EXPECT_EQ(g.find_pending({2, 5})->count, 1u);
  EXPECT_EQ(g.find_pending({2, 5})->delivered, WallTime{10});
  EXPECT_EQ(g.find_consumer("alice")->active, WallTime{10});
  EXPECT_EQ(g.find_consumer("bob"), nullptr);
}

TEST(ClaimGroups, DeliverWithoutPending) {
  Groups groups;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{1, 0}}, false), {10}).ok());
  EXPECT_TRUE(groups.find("g")->pending().empty());
  EXPECT_EQ(groups.find("g")->position(), (RecordId{1, 0}));
}

TEST(ClaimGroups, DeliverAgainAfterThePositionWentBackTakesOver) {
  Groups groups;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{1, 0}}), {10}).ok());
  std::string command;
  Groups::encode_set_position(command, "g", {{0, 0}, std::nullopt});
  ASSERT_TRUE(groups.apply(command, {11}).ok());
  EXPECT_FALSE(groups.find("g")->entries_read());
  ASSERT_TRUE(groups.apply(deliver("g", "bob", {20}, {{1, 0}}), {20}).ok());
  EXPECT_EQ(groups.find("g")->find_pending({1, 0})->owner->first, "bob");
  EXPECT_EQ(groups.find("g")->find_pending({1, 0})->count, 1u);
  EXPECT_TRUE(groups.find("g")->find_consumer("alice")->pending.empty());
  EXPECT_TRUE(groups.test_consistent());
}

TEST(ClaimGroups, RedeliverRaisesOnlyOwnEntries) {
  Groups groups;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{1, 0}, {2, 0}}), {10}).ok());
  std::string command;
  Groups::encode_redeliver(command, "g", "alice", {50}, Ids{{1, 0}, {9, 9}});
  ASSERT_TRUE(groups.apply(command, {50}).ok());
  command.clear();
  Groups::encode_redeliver(command, "g", "bob", {60}, Ids{{2, 0}});
  ASSERT_TRUE(groups.apply(command, {60}).ok());
  EXPECT_EQ(groups.find("g")->find_pending({1, 0})->count, 2u);
  EXPECT_EQ(groups.find("g")->find_pending({1, 0})->delivered, WallTime{50});
  EXPECT_EQ(groups.find("g")->find_pending({2, 0})->count, 1u);
  EXPECT_EQ(groups.find("g")->find_pending({9, 9}), nullptr);
}

TEST(ClaimGroups, ClaimModes) {
  Groups groups;
  using Mode = Groups::CountMode;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{1, 0}, {2, 0}, {3, 0}}), {10}).ok());
  ASSERT_TRUE(groups.apply(claim("g", "bob", {5}, Mode::raise, 0, {{1, 0}, {7, 0}}), {20}).ok());
  ASSERT_TRUE(groups.apply(claim("g", "bob", {6}, Mode::keep, 0, {{2, 0}}, {8, 0}), {20}).ok());
  ASSERT_TRUE(groups.apply(claim("g", "bob", {7}, Mode::set, 40, {{3, 0}}, {1, 0}), {20}).ok());
  const ClaimGroup& g = *groups.find("g");
  EXPECT_EQ(g.find_pending({1, 0})->count, 2u);
  EXPECT_EQ(g.find_pending({1, 0})->delivered, WallTime{5});
  EXPECT_EQ(g.find_pending({7, 0})->count, 2u);
  EXPECT_EQ(g.find_pending({2, 0})->count, 1u);
  EXPECT_EQ(g.find_pending({3, 0})->count, 40u);
  EXPECT_EQ(g.position(), (RecordId{8, 0}));
  EXPECT_TRUE(g.find_consumer("alice")->pending.empty());
  EXPECT_EQ(g.find_consumer("bob")->pending.size(), 4u);
  EXPECT_TRUE(groups.test_consistent());
}

TEST(ClaimGroups, WhatIsReleasedHasNoOwnerAndItsOwnOrder) {
  Groups groups;
  using Mode = Groups::CountMode;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{1, 0}, {2, 0}, {3, 0}}), {10}).ok());
  ASSERT_TRUE(groups.apply(release("g", Mode::keep, 0, {{3, 0}}), {20}).ok());
  ASSERT_TRUE(groups.apply(release("g", Mode::lower, 0, {{1, 0}, {8, 0}}), {21}).ok());
  const ClaimGroup& g = *groups.find("g");
  EXPECT_EQ(g.find_pending({3, 0})->owner, nullptr);
  EXPECT_EQ(g.find_pending({3, 0})->count, 1u);
  EXPECT_EQ(g.find_pending({1, 0})->count, 0u);
  EXPECT_EQ(g.find_pending({8, 0})->count, 0u);
  EXPECT_EQ(g.find_consumer("alice")->pending, (std::set<RecordId>{{2, 0}}));
  EXPECT_EQ(g.pending_by_time(), (ClaimGroup::ByTime{{WallTime{10}, {2, 0}}}));
  Ids order;
  for (const auto& [turn, id] : g.released()) order.push_back(id);
  EXPECT_EQ(order, (Ids{{3, 0}, {1, 0}, {8, 0}}));
  // Released again: it is the last one.
  ASSERT_TRUE(groups.apply(release("g", Mode::set, 9, {{3, 0}}), {22}).ok());
  EXPECT_EQ(g.released().rbegin()->second, (RecordId{3, 0}));
  EXPECT_EQ(g.find_pending({3, 0})->count, 9u);
  EXPECT_TRUE(groups.test_consistent());

  ASSERT_TRUE(groups.apply(claim("g", "bob", {30}, Mode::raise, 0, {{1, 0}}), {30}).ok());
  EXPECT_EQ(g.find_pending({1, 0})->owner->first, "bob");
  EXPECT_EQ(g.find_pending({1, 0})->count, 1u);
  std::string command;
  Groups::encode_delete_consumer(command, "g", "alice");
  ASSERT_TRUE(groups.apply(command, {31}).ok());
  command.clear();
  Groups::encode_settle(command, "g", Ids{{8, 0}});
  ASSERT_TRUE(groups.apply(command, {32}).ok());
  EXPECT_EQ(g.released().size(), 1u);
  EXPECT_EQ(g.pending().size(), 2u);
  EXPECT_TRUE(groups.test_consistent());
  Groups rebuilt;
  groups.snapshot([&](ByteView one) { ASSERT_TRUE(rebuilt.apply(one, {0}).ok()); });
  EXPECT_EQ(dump(rebuilt), dump(groups));
  ASSERT_NE(rebuilt.find("g")->find_pending({3, 0}), nullptr);
  EXPECT_EQ(rebuilt.find("g")->find_pending({3, 0})->count, 9u);
}

TEST(ClaimGroups, CountsStayWithinWhatClientsKnow) {
  Groups groups;
  using Mode = Groups::CountMode;
  constexpr std::uint64_t most = ClaimGroup::delivery_count_max;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{1, 0}}), {10}).ok());
  ASSERT_TRUE(groups.apply(release("g", Mode::set, most + 5, {{1, 0}}), {20}).ok());
  EXPECT_EQ(groups.find("g")->find_pending({1, 0})->count, most);
  ASSERT_TRUE(groups.apply(claim("g", "alice", {30}, Mode::raise, 0, {{1, 0}}), {30}).ok());
  EXPECT_EQ(groups.find("g")->find_pending({1, 0})->count, most);
  std::string command;
  Groups::encode_redeliver(command, "g", "alice", {50}, Ids{{1, 0}});
  ASSERT_TRUE(groups.apply(command, {50}).ok());
  EXPECT_EQ(groups.find("g")->find_pending({1, 0})->count, most);
}

TEST(ClaimGroups, SettleAndDeleteConsumer) {
  Groups groups;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{1, 0}, {2, 0}, {3, 0}}), {10}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "bob", {10}, {{4, 0}}), {10}).ok());
  std::string command;
  Groups::encode_settle(command, "g", Ids{{2, 0}, {77, 0}});
  ASSERT_TRUE(groups.apply(command, {11}).ok());
  EXPECT_EQ(groups.find("g")->pending().size(), 3u);
  command.clear();
  Groups::encode_delete_consumer(command, "g", "alice");
  ASSERT_TRUE(groups.apply(command, {12}).ok());
  EXPECT_EQ(groups.find("g")->pending().size(), 1u);
  EXPECT_EQ(groups.find("g")->find_consumer("alice"), nullptr);
  EXPECT_TRUE(groups.test_consistent());
}

TEST(ClaimGroups, RefusalsChangeNothing) {
  Groups groups;
  ASSERT_TRUE(groups.apply(create("g", {1, 2}, std::nullopt), {1}).ok());
  ASSERT_TRUE(groups.apply(deliver("g", "alice", {10}, {{3, 0}}), {10}).ok());
  std::string before = dump(groups);
  EXPECT_EQ(groups.apply(create("g", {}), {1}).error().code, Errc::already_exists);
  EXPECT_EQ(groups.apply(deliver("x", "alice", {10}, {{3, 0}}), {1}).error().code, Errc::not_found);
  std::string good = deliver("g", "alice", {10}, {{4, 0}, {5, 0}});
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(groups.apply(good.substr(0, size), {1}).ok()) << size;
  }
  EXPECT_FALSE(groups.apply(good + "x", {1}).ok());
  // A count far beyond the bytes that are there.
  std::string huge;
  ByteWriter writer(huge);
  writer.u8(8);
  writer.sized("g");
  writer.varint(std::uint64_t{1} << 60);
  EXPECT_EQ(groups.apply(huge, {1}).error().code, Errc::corrupt);
  EXPECT_EQ(dump(groups), before);
}

TEST(ClaimGroups, SnapshotsOfManyPendingComeInParts) {
  Groups groups;
  ASSERT_TRUE(groups.apply(create("g", {}), {1}).ok());
  Ids ids;
  for (std::uint64_t i = 1; i <= 10000; ++i) ids.push_back({1000 + i / 7, i});
  ASSERT_TRUE(groups.apply(deliver("g", "c", {5}, ids), {5}).ok());
  Groups rebuilt;
  int commands = 0;
  groups.snapshot([&](ByteView command) {
    ++commands;
    EXPECT_LT(command.size(), 200u << 10);
    ASSERT_TRUE(rebuilt.apply(command, {99}).ok());
  });
  EXPECT_EQ(commands, 4);
  EXPECT_EQ(dump(rebuilt), dump(groups));
}

TEST(ClaimGroups, StateIsTheReplayOfItsSnapshot) {
  std::mt19937 random(1);
  Groups groups;
  WallTime now{1000};
  auto name = [&](const char* prefix, int count) {
    return prefix + std::to_string(random() % count);
  };
  auto some_ids = [&] {
    Ids ids;
    std::uint64_t ms = random() % 200;
    for (std::uint64_t i = 0; i < 1 + random() % 6; ++i) {
      ids.push_back({ms, random() % 3});
      ms += 1 + random() % 4;
    }
    return ids;
  };
  for (int step = 0; step < 5000; ++step) {
    now.ms += random() % 5;
    std::string group = name("g", 3);
    std::string command;
    Ids ids = some_ids();
    switch (random() % 11) {
      case 10:
        command = release(group, random() % 2 ? Groups::CountMode::set : Groups::CountMode::lower,
                          random() % 9, ids);
        break;
      case 0:
        command = create(group, ids[0]);
        break;
      case 1:
        Groups::encode_set_position(command, group, {ids[0], std::nullopt});
        break;
      case 2:
        if (random() % 20) continue;
        Groups::encode_destroy(command, group);
        break;
      case 3:
        Groups::encode_create_consumer(command, group, name("c", 5));
        break;
      case 4:
        if (random() % 4) continue;
        Groups::encode_delete_consumer(command, group, name("c", 5));
        break;
      case 5:
        Groups::encode_redeliver(command, group, name("c", 5), now, ids);
        break;
      case 6:
        Groups::encode_settle(command, group, ids);
        break;
      case 7:
        command = claim(group, name("c", 5), now, static_cast<Groups::CountMode>(random() % 3),
                        random() % 9, ids);
        break;
      default:
        command = deliver(group, name("c", 5), now, ids, random() % 8 != 0);
    }
    bool creates = command[0] == 1;
    bool exists = groups.find(group) != nullptr;
    ASSERT_EQ(groups.apply(command, now).ok(), creates != exists) << "step " << step;
    ASSERT_TRUE(groups.test_consistent()) << "step " << step;
    if (step % 100) continue;
    Groups rebuilt;
    groups.snapshot([&](ByteView one) { ASSERT_TRUE(rebuilt.apply(one, {0}).ok()); });
    ASSERT_EQ(dump(rebuilt), dump(groups)) << "step " << step;
    ASSERT_TRUE(rebuilt.test_consistent());
  }
}

}  // namespace
}  // namespace trv::model
