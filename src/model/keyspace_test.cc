// Proves: what the keyspace answers, that it equals a simple map under random commands, that a
// snapshot rebuilds it, that scans cover it, and that broken commands change nothing.
#include "model/keyspace.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace trv::model {
namespace {

std::string put(ByteView key, ByteView value, std::optional<WallTime> expires = {}) {
  std::string out;
  Keyspace::encode_put(out, key, value, expires);
  return out;
}

std::string dump(const Keyspace& keyspace) {
  std::set<std::string> lines;
  keyspace.snapshot([&](ByteView command) { lines.insert(std::string(command)); });
  std::string all;
  for (const std::string& line : lines) ByteWriter(all).sized(line);
  return all;
}

TEST(Keyspace, PutFindRemove) {
  Keyspace keyspace;
  EXPECT_EQ(keyspace.find("a", {0}), nullptr);
  ASSERT_TRUE(keyspace.apply(put("a", "1"), {0}, 7).ok());
  ASSERT_NE(keyspace.find("a", {0}), nullptr);
  EXPECT_EQ(keyspace.find("a", {0})->value.text(), "1");
  EXPECT_EQ(keyspace.mark_of("a"), 7u);
  EXPECT_EQ(keyspace.size(), 1u);
  EXPECT_EQ(keyspace.byte_size(), 2u);
  std::string remove;
  Keyspace::encode_remove(remove, "a");
  ASSERT_TRUE(keyspace.apply(remove, {0}, 9).ok());
  EXPECT_EQ(keyspace.find("a", {0}), nullptr);
  EXPECT_EQ(keyspace.mark_of("a"), 9u);
  EXPECT_EQ(keyspace.size(), 0u);
  EXPECT_EQ(keyspace.byte_size(), 0u);
}

TEST(Keyspace, ExpiredEntriesAreInvisibleUntilDropped) {
  Keyspace keyspace;
  ASSERT_TRUE(keyspace.apply(put("a", "1", WallTime{100}), {0}).ok());
  ASSERT_TRUE(keyspace.apply(put("b", "2", WallTime{200}), {0}).ok());
  EXPECT_EQ(keyspace.next_expiry(), WallTime{100});
  EXPECT_NE(keyspace.find("a", {99}), nullptr);
  EXPECT_EQ(keyspace.find("a", {100}), nullptr);
  EXPECT_EQ(keyspace.due_count({150}, 10), 1u);
  EXPECT_EQ(keyspace.size(), 2u);
  std::string drop;
  Keyspace::encode_drop_due(drop, {150});
  ASSERT_TRUE(keyspace.apply(drop, {150}).ok());
  EXPECT_EQ(keyspace.size(), 1u);
  EXPECT_EQ(keyspace.find("a", {50}), nullptr);
  EXPECT_EQ(keyspace.next_expiry(), WallTime{200});
}

TEST(Keyspace, CommandsOnExpiredEntriesDoNotReviveThem) {
  Keyspace keyspace;
  ASSERT_TRUE(keyspace.apply(put("a", "old", WallTime{100}), {0}).ok());
  std::string command;
  Keyspace::encode_persist(command, "a");
  ASSERT_TRUE(keyspace.apply(command, {100}).ok());
  EXPECT_EQ(keyspace.find("a", {100}), nullptr);
  command.clear();
  Keyspace::encode_expire(command, "a", {500});
  ASSERT_TRUE(keyspace.apply(command, {100}).ok());
  EXPECT_EQ(keyspace.find("a", {100}), nullptr);
  command.clear();
  Keyspace::encode_append(command, "a", "new");
  ASSERT_TRUE(keyspace.apply(command, {100}).ok());
  ASSERT_NE(keyspace.find("a", {100}), nullptr);
  EXPECT_EQ(keyspace.find("a", {100})->value.text(), "new");
  EXPECT_FALSE(keyspace.find("a", {100})->expires);
  EXPECT_EQ(keyspace.byte_size(), 4u);
}

TEST(Keyspace, PutReplacesExpiry) {
  Keyspace keyspace;
  ASSERT_TRUE(keyspace.apply(put("a", "1", WallTime{100}), {0}).ok());
  ASSERT_TRUE(keyspace.apply(put("a", "2"), {0}).ok());
  EXPECT_NE(keyspace.find("a", {1000}), nullptr);
  EXPECT_EQ(keyspace.expiring_count(), 0u);
}

TEST(Keyspace, BrokenCommandsAreRefusedAndChangeNothing) {
  Keyspace keyspace;
  std::string good = put("key", "value", WallTime{1000});
  ASSERT_TRUE(keyspace.apply(good, {0}).ok());
  std::string before = dump(keyspace);
  EXPECT_EQ(keyspace.apply("", {0}).error().code, Errc::corrupt);
  EXPECT_EQ(keyspace.apply("\x63\x01k", {0}).error().code, Errc::corrupt);
  EXPECT_EQ(keyspace.apply("\x01\x7fk", {0}).error().code, Errc::corrupt);
  EXPECT_EQ(keyspace.apply("\x03\x03keyx", {0}).error().code, Errc::corrupt);
  EXPECT_EQ(keyspace.apply("\x04\x03key", {0}).error().code, Errc::corrupt);
  EXPECT_EQ(keyspace.apply("\x06x", {0}).error().code, Errc::corrupt);
  EXPECT_EQ(dump(keyspace), before);
}

// Random commands against a plain map; the twin also checks a rebuilt snapshot and a full scan.
TEST(Keyspace, EqualsASimpleTwin) {
  struct Twin {
    std::string value;
    std::optional<WallTime> expires;
  };
  std::mt19937 random(42);
  Keyspace keyspace(99);
  std::map<std::string, Twin> twin;
  WallTime now{0};
  for (int step = 0; step < 20000; ++step) {
    now.ms += random() % 3;
    std::string key = "k" + std::to_string(random() % 300);
    auto expired = [&](const Twin& t) { return t.expires && *t.expires <= now; };
    std::string command;
    switch (random() % 8) {
      case 0:
      case 1: {
        std::optional<WallTime> expires;
        if (random() % 2) expires = WallTime{now.ms + static_cast<int>(random() % 500)};
        std::string value(random() % 40, 'x');
        Keyspace::encode_put(command, key, value, expires);
        twin[key] = {value, expires};
        break;
      }
      case 2:
        Keyspace::encode_append(command, key, "yz");
        if (twin.contains(key) && expired(twin[key])) twin.erase(key);
        twin[key].value += "yz";
        break;
      case 3:
        Keyspace::encode_remove(command, key);
        twin.erase(key);
        break;
      case 4:
        Keyspace::encode_expire(command, key, {now.ms + 50});
        if (twin.contains(key) && !expired(twin[key])) twin[key].expires = WallTime{now.ms + 50};
        break;
      case 5:
        Keyspace::encode_persist(command, key);
        if (twin.contains(key) && !expired(twin[key])) twin[key].expires.reset();
        break;
      case 6:
        Keyspace::encode_drop_due(command, now);
        std::erase_if(twin, [&](const auto& one) { return expired(one.second); });
        break;
      default:
        if (random() % 500) continue;
        Keyspace::encode_clear(command);
        twin.clear();
    }
    ASSERT_TRUE(keyspace.apply(command, now).ok());
    const Keyspace::Entry* found = keyspace.find(key, now);
    auto expected = twin.find(key);
    bool visible = expected != twin.end() && !expired(expected->second);
    ASSERT_EQ(found != nullptr, visible) << key << " at step " << step;
    if (found) {
      ASSERT_EQ(found->value.text(), expected->second.value);
      ASSERT_EQ(found->expires, expected->second.expires);
    }
  }
  ASSERT_EQ(keyspace.size(), twin.size());
  std::size_t bytes = 0;
  for (const auto& [key, value] : twin) bytes += key.size() + value.value.size();
  EXPECT_EQ(keyspace.byte_size(), bytes);
  Keyspace rebuilt(1);
  keyspace.snapshot([&](ByteView command) { ASSERT_TRUE(rebuilt.apply(command, now).ok()); });
  EXPECT_EQ(dump(rebuilt), dump(keyspace));
  EXPECT_EQ(rebuilt.expiring_count(), keyspace.expiring_count());
}

TEST(Keyspace, ScanCoversWhatStaysWhileTheTableGrowsAndShrinks) {
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    Keyspace keyspace(random());
    std::set<std::string> stay;
    std::size_t start = random() % 400;
    for (std::size_t i = 0; i < start; ++i) {
      std::string key = "stay" + std::to_string(i);
      stay.insert(key);
      ASSERT_TRUE(keyspace.apply(put(key, ""), {0}).ok());
    }
    std::set<std::string> seen;
    std::uint64_t cursor = 0;
    int churn = 0;
    do {
      cursor = keyspace.scan(cursor, 1 + random() % 20,
                             [&](const Keyspace::Entry& entry) { seen.insert(entry.key); });
      bool grow = (round + churn) % 7 < 4;
      for (int i = 0; i < 150; ++i) {
        std::string key = "churn" + std::to_string(random() % 4000);
        std::string remove;
        Keyspace::encode_remove(remove, key);
        ASSERT_TRUE(keyspace.apply(grow ? put(key, "") : remove, {0}).ok());
      }
      ASSERT_LT(++churn, 5000);
    } while (cursor != 0);
    for (const std::string& key : stay) ASSERT_TRUE(seen.contains(key)) << key;
  }
}

TEST(Keyspace, VersionsOnlyGrow) {
  Keyspace keyspace;
  ASSERT_TRUE(keyspace.apply(put("a", "1"), {0}).ok());
  std::uint64_t first = keyspace.find("a", {0})->version;
  std::string remove;
  Keyspace::encode_remove(remove, "a");
  ASSERT_TRUE(keyspace.apply(remove, {0}).ok());
  ASSERT_TRUE(keyspace.apply(put("a", "1"), {0}).ok());
  EXPECT_GT(keyspace.find("a", {0})->version, first);
}

// --- collections ---------------------------------------------------------------------------------

std::string command(KeyspaceOp op, ByteView key, std::initializer_list<ByteView> parts) {
  std::string out;
  begin_command(out, op, key);
  for (ByteView part : parts) ByteWriter(out).sized(part);
  return out;
}

std::string counted(KeyspaceOp op, ByteView key, std::uint64_t number, ByteView rest = {}) {
  std::string out;
  begin_command(out, op, key);
  ByteWriter writer(out);
  writer.varint(number);
  writer.bytes(rest);
  return out;
}

std::string elements_of(const Keyspace& keyspace, ByteView key, WallTime now = {0}) {
  const Keyspace::Entry* entry = keyspace.find(key, now);
  if (!entry) return "none";
  std::string all;
  for (const std::string& element : entry->value.as<List>()->elements()) all += element + " ";
  return all;
}

TEST(KeyspaceCollections, ListsChangeAtBothEndsAndInside) {
  Keyspace keyspace;
  auto apply = [&](const std::string& bytes) { ASSERT_TRUE(keyspace.apply(bytes, {0}, 3).ok()); };
  apply(command(KeyspaceOp::push_back, "l", {"c", "d"}));
  apply(command(KeyspaceOp::push_front, "l", {"b", "a"}));
  EXPECT_EQ(elements_of(keyspace, "l"), "a b c d ");
  EXPECT_EQ(keyspace.byte_size(), 5u);
  apply(counted(KeyspaceOp::list_set, "l", 1, "B"));
  apply(counted(KeyspaceOp::list_insert, "l", 4, "e"));
  apply(counted(KeyspaceOp::list_insert, "l", 9, "beyond"));
  EXPECT_EQ(elements_of(keyspace, "l"), "a B c d e ");
  std::string erase = counted(KeyspaceOp::list_erase, "l", 1);
  ByteWriter(erase).varint(2);
  apply(erase);
  EXPECT_EQ(elements_of(keyspace, "l"), "a c e ");
  apply(counted(KeyspaceOp::pop_front, "l", 1));
  apply(counted(KeyspaceOp::pop_back, "l", 1));
  EXPECT_EQ(elements_of(keyspace, "l"), "c ");
  apply(counted(KeyspaceOp::pop_back, "l", 100));
  EXPECT_EQ(keyspace.find("l", {0}), nullptr);
  EXPECT_EQ(keyspace.mark_of("l"), 3u);
  EXPECT_EQ(keyspace.size(), 0u);
  EXPECT_EQ(keyspace.byte_size(), 0u);
}

TEST(KeyspaceCollections, EmptyOnesGoWithTheirExpiry) {
  Keyspace keyspace;
  ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::set_add, "s", {"a"}), {0}).ok());
  std::string expire;
  Keyspace::encode_expire(expire, "s", {100});
  ASSERT_TRUE(keyspace.apply(expire, {0}).ok());
  ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::set_remove, "s", {"a"}), {0}).ok());
  EXPECT_EQ(keyspace.size(), 0u);
  EXPECT_EQ(keyspace.expiring_count(), 0u);
  ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::hash_set, "h", {}), {0}).ok());
  EXPECT_EQ(keyspace.size(), 0u);
}

TEST(KeyspaceCollections, ExpiredOnesBeginAnewOrStayGone) {
  Keyspace keyspace;
  ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::push_back, "k", {"old"}), {0}).ok());
  std::string expire;
  Keyspace::encode_expire(expire, "k", {100});
  ASSERT_TRUE(keyspace.apply(expire, {0}).ok());
  ASSERT_TRUE(keyspace.apply(counted(KeyspaceOp::pop_back, "k", 1), {100}).ok());
  EXPECT_EQ(keyspace.size(), 1u);
  // Of another type, even.
  ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::set_add, "k", {"new"}), {100}).ok());
  const Keyspace::Entry* entry = keyspace.find("k", {1000});
  ASSERT_NE(entry, nullptr);
  EXPECT_FALSE(entry->expires);
  EXPECT_TRUE(entry->value.as<Set>()->contains("new"));
  EXPECT_EQ(keyspace.byte_size(), 4u);
}

TEST(KeyspaceCollections, CommandsForAnotherTypeAreCorrupt) {
  Keyspace keyspace;
  ASSERT_TRUE(keyspace.apply(put("s", "text"), {0}).ok());
  ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::hash_set, "h", {"f", "v"}), {0}).ok());
  std::string before = dump(keyspace);
  std::string append;
  Keyspace::encode_append(append, "h", "x");
  std::string nan;
  begin_command(nan, KeyspaceOp::sorted_add, "z");
  append_scored(nan, std::numeric_limits<double>::quiet_NaN(), "m");
  for (const std::string& bytes :
       {append, nan, counted(KeyspaceOp::overwrite, "h", 0, "x"),
        command(KeyspaceOp::set_add, "s", {"m"}), command(KeyspaceOp::set_add, "h", {"m"}),
        command(KeyspaceOp::hash_set, "h", {"odd"}), counted(KeyspaceOp::pop_front, "h", 1),
        counted(KeyspaceOp::pop_front, "l", 1, "x"),
        command(KeyspaceOp::push_back, "l", {}) + "\x7f"}) {
    EXPECT_EQ(keyspace.apply(bytes, {0}).error().code, Errc::corrupt);
  }
  EXPECT_EQ(dump(keyspace), before);
}

TEST(KeyspaceCollections, OverwriteFillsWithZeroes) {
  Keyspace keyspace;
  ASSERT_TRUE(keyspace.apply(counted(KeyspaceOp::overwrite, "s", 3, "abc"), {0}).ok());
  EXPECT_EQ(keyspace.find("s", {0})->value.text(), std::string("\0\0\0abc", 6));
  ASSERT_TRUE(keyspace.apply(counted(KeyspaceOp::overwrite, "s", 4, "XYZ"), {0}).ok());
  EXPECT_EQ(keyspace.find("s", {0})->value.text(), std::string("\0\0\0aXYZ", 7));
  EXPECT_EQ(keyspace.byte_size(), 8u);
  EXPECT_EQ(keyspace.apply(counted(KeyspaceOp::overwrite, "s", 600u << 20, "x"), {0}).error().code,
            Errc::too_large);
}

TEST(KeyspaceCollections, ASnapshotRebuildsThemInSeveralCommands) {
  Keyspace keyspace(5);
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string name = "member-with-a-long-name-" + std::to_string(random() % 5000);
    std::string value = std::to_string(i);
    ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::push_front, "l", {name}), {0}).ok());
    ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::set_add, "s", {name}), {0}).ok());
    ASSERT_TRUE(keyspace.apply(command(KeyspaceOp::hash_set, "h", {name, value}), {0}).ok());
    std::string scored;
    begin_command(scored, KeyspaceOp::sorted_add, "z");
    append_scored(scored, static_cast<double>(random() % 100), name);
    ASSERT_TRUE(keyspace.apply(scored, {0}).ok());
  }
  std::string expire;
  Keyspace::encode_expire(expire, "h", {100});
  ASSERT_TRUE(keyspace.apply(expire, {0}).ok());
  Keyspace rebuilt(6);
  std::size_t commands = 0;
  keyspace.snapshot([&](ByteView bytes) {
    ++commands;
    ASSERT_TRUE(rebuilt.apply(bytes, {0}).ok());
  });
  EXPECT_GT(commands, 5u);
  ASSERT_EQ(rebuilt.byte_size(), keyspace.byte_size());
  EXPECT_EQ(rebuilt.find("h", {0})->expires, WallTime{100});
  EXPECT_EQ(elements_of(rebuilt, "l"), elements_of(keyspace, "l"));
  const auto& old_sorted = *keyspace.find("z", {0})->value.as<SortedSet>();
  const auto& new_sorted = *rebuilt.find("z", {0})->value.as<SortedSet>();
  ASSERT_EQ(old_sorted.size(), new_sorted.size());
  for (std::size_t i = 0; i < old_sorted.size(); ++i) {
    ASSERT_EQ(old_sorted.at_rank(i).name, new_sorted.at_rank(i).name);
    ASSERT_EQ(old_sorted.at_rank(i).score, new_sorted.at_rank(i).score);
  }
  for (std::size_t i = 0; i < keyspace.find("h", {0})->value.as<Hash>()->size(); ++i) {
    const HashField& field = keyspace.find("h", {0})->value.as<Hash>()->fields().at(i);
    ASSERT_EQ(*rebuilt.find("h", {0})->value.as<Hash>()->find(field.name), field.value);
  }
}

TEST(Keyspace, PickReachesEveryEntry) {
  Keyspace keyspace;
  EXPECT_EQ(keyspace.pick(1), nullptr);
  for (char c = 'a'; c <= 'h'; ++c) {
    ASSERT_TRUE(keyspace.apply(put(std::string(1, c), "1"), {0}).ok());
  }
  std::mt19937_64 random(9);
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(keyspace.pick(random())->key);
  EXPECT_EQ(seen.size(), 8u);
}

}  // namespace
}  // namespace trv::model
