// Proves: how long a name is remembered and of whom, that state equals the replay of its snapshot,
// that what is remembered is counted and bounded, and that broken commands change nothing.
#include "model/added_once.h"

#include <gtest/gtest.h>

#include <random>

namespace trv::model {
namespace {

using std::chrono::seconds;

void add(AddedOnce& once, ByteView producer, ByteView name, RecordId id, WallTime now) {
  std::string command;
  AddedOnce::encode_added(command, producer, name, id);
  ASSERT_TRUE(once.apply(command, now).ok());
}

void set_window(AddedOnce& once, seconds keep, std::uint32_t per_producer) {
  std::string command;
  AddedOnce::encode_window(command, {keep, per_producer});
  ASSERT_TRUE(once.apply(command, {0}).ok());
}

std::string dump(const AddedOnce& once) {
  std::string all;
  once.snapshot([&](ByteView command) { ByteWriter(all).sized(command); });
  return all;
}

TEST(AddedOnce, AProducersNameStandsForItsRecord) {
  AddedOnce once;
  add(once, "p", "a", {5, 1}, {5});
  add(once, "q", "a", {6, 0}, {6});
  EXPECT_EQ(once.find("p", "a", {7}), (RecordId{5, 1}));
  EXPECT_EQ(once.find("q", "a", {7}), (RecordId{6, 0}));
  EXPECT_EQ(once.find("q", "b", {7}), std::nullopt);
  EXPECT_EQ(once.find("r", "a", {7}), std::nullopt);
  EXPECT_EQ(once.producer_count(), 2u);
  EXPECT_EQ(once.name_count(), 2u);
}

TEST(AddedOnce, ANameIsForgottenAfterItsTime) {
  AddedOnce once;
  set_window(once, seconds(2), 10);
  add(once, "p", "a", {5, 0}, {1000});
  add(once, "p", "b", {6, 0}, {2000});
  EXPECT_TRUE(once.find("p", "a", {2999}));
  EXPECT_FALSE(once.find("p", "a", {3000}));
  EXPECT_TRUE(once.find("p", "b", {3000}));
  once.forget_expired({3000});
  EXPECT_EQ(once.name_count(), 1u);
  add(once, "p", "b", {9, 0}, {4000});
  EXPECT_EQ(once.find("p", "b", {5999}), (RecordId{9, 0}));
  once.forget_expired({6000});
  EXPECT_EQ(once.producer_count(), 0u);
  EXPECT_EQ(once.remembered_bytes(), 0u);
  EXPECT_EQ(once.added_count(), 3u);
}

TEST(AddedOnce, TheOldestNameOfAProducerMakesPlace) {
  AddedOnce once;
  set_window(once, seconds(100), 2);
  add(once, "other", "a", {1, 0}, {1});
  add(once, "p", "a", {2, 0}, {1});
  add(once, "p", "b", {3, 0}, {1});
  add(once, "p", "c", {4, 0}, {1});
  EXPECT_FALSE(once.find("p", "a", {2}));
  EXPECT_TRUE(once.find("p", "b", {2}));
  EXPECT_TRUE(once.find("p", "c", {2}));
  EXPECT_TRUE(once.find("other", "a", {2}));
  EXPECT_EQ(once.name_count(), 3u);
}

TEST(AddedOnce, AWindowForgetsTheNamesAndKeepsTheCounts) {
  AddedOnce once;
  add(once, "p", "a", {2, 0}, {1});
  std::string command;
  AddedOnce::encode_repeated(command);
  ASSERT_TRUE(once.apply(command, {2}).ok());
  set_window(once, seconds(5), 7);
  EXPECT_FALSE(once.find("p", "a", {2}));
  EXPECT_EQ(once.name_count(), 0u);
  EXPECT_EQ(once.remembered_bytes(), 0u);
  EXPECT_EQ(once.added_count(), 1u);
  EXPECT_EQ(once.repeated_count(), 1u);
  EXPECT_EQ(once.window(), (AddedOnce::Window{seconds(5), 7}));
}

TEST(AddedOnce, WhatIsRememberedIsBounded) {
  AddedOnce once;
  set_window(once, seconds(100), 10'000);
  const std::string name(AddedOnce::name_size_max - 8, 'n');
  int count = 0;
  while (once.takes("p", name + std::to_string(count)) && count < 10'000) {
    add(once, "p", name + std::to_string(count), {1, 0}, {1});
    ++count;
  }
  EXPECT_LE(once.remembered_bytes(), AddedOnce::remembered_bytes_max);
  EXPECT_LT(count, 600);
  EXPECT_GT(count, 400);
}

TEST(AddedOnce, BrokenCommandsChangeNothing) {
  AddedOnce once;
  add(once, "p", "a", {2, 0}, {1});
  const std::string before = dump(once);
  std::vector<std::string> commands(3);
  AddedOnce::encode_added(commands[0], "p", "b", {3, 0});
  AddedOnce::encode_window(commands[1], {seconds(4), 4});
  AddedOnce::encode_repeated(commands[2]);
  for (const std::string& command : commands) {
    for (std::size_t size = 0; size < command.size(); ++size) {
      EXPECT_EQ(once.apply(ByteView(command).substr(0, size), {2}).error().code, Errc::corrupt);
    }
    EXPECT_EQ(once.apply(command + "x", {2}).error().code, Errc::corrupt);
  }
  std::string none;
  AddedOnce::encode_window(none, {seconds(1), 0});
  EXPECT_FALSE(once.apply(none, {2}).ok());
  EXPECT_FALSE(once.apply("\x09", {2}).ok());
  EXPECT_EQ(dump(once), before);
}

TEST(AddedOnce, StateIsTheReplayOfItsSnapshot) {
  std::mt19937 random(7);
  AddedOnce once;
  WallTime now{1000};
  for (int step = 0; step < 5000; ++step) {
    now.ms += random() % 300;
    std::string command;
    switch (random() % 12) {
      case 0:
        if (random() % 30) continue;
        AddedOnce::encode_window(command,
                                 {seconds(1 + random() % 30), 1 + std::uint32_t(random() % 5)});
        break;
      case 1:
        AddedOnce::encode_repeated(command);
        break;
      default:
        AddedOnce::encode_added(command, "p" + std::to_string(random() % 6),
                                "n" + std::to_string(random() % 9), {std::uint64_t(step), 0});
    }
    ASSERT_TRUE(once.apply(command, now).ok());
    if (step % 100) continue;
    AddedOnce rebuilt;
    once.snapshot([&](ByteView one) { ASSERT_TRUE(rebuilt.apply(one, {0}).ok()); });
    ASSERT_EQ(dump(rebuilt), dump(once)) << "step " << step;
    ASSERT_EQ(rebuilt.remembered_bytes(), once.remembered_bytes());
    ASSERT_EQ(rebuilt.producer_count(), once.producer_count());
  }
}

}  // namespace
}  // namespace trv::model
