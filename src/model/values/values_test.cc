// Proves: each collection equals a simple twin under random changes, that ranks are right, and that
// scans cover what stays while tables grow and shrink.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "model/values/value.h"

namespace trv::model {
namespace {

std::string name_of(std::mt19937& random, unsigned count) {
  return "m" + std::to_string(random() % count);
}

using Twin = std::set<std::pair<double, std::string>>;

void expect_equal(const SortedSet& sorted, const Twin& twin) {
  ASSERT_EQ(sorted.size(), twin.size());
  std::size_t rank = 0;
  const SortedMember* before = nullptr;
  const SortedMember* member = twin.empty() ? nullptr : &sorted.at_rank(0);
  for (const auto& [score, name] : twin) {
    ASSERT_NE(member, nullptr);
    ASSERT_EQ(member->name, name);
    ASSERT_EQ(member->score, score);
    ASSERT_EQ(sorted.rank_of(*member), rank);
    ASSERT_EQ(&sorted.at_rank(rank), member);
    ASSERT_EQ(SortedSet::previous(*member), before);
    before = member;
    member = SortedSet::next(*member);
    ++rank;
  }
  ASSERT_EQ(member, nullptr);
}

TEST(SortedSet, EqualsASimpleTwin) {
  std::mt19937 random(7);
  SortedSet sorted(11);
  Twin twin;
  std::map<std::string, double> scores;
  for (int step = 0; step < 20000; ++step) {
    // Grows, shrinks to nearly nothing, and grows again.
    bool growing = step / 4000 % 2 == 0;
    std::string name = name_of(random, 700);
    auto known = scores.find(name);
    if ((random() % 4 != 0) == growing) {
      double score = static_cast<double>(random() % 50) / 4;
      if (known != scores.end()) twin.erase({known->second, name});
      twin.insert({score, name});
      scores[name] = score;
      sorted.set(name, score);
    } else {
      ASSERT_EQ(sorted.remove(name), known != scores.end());
      if (known != scores.end()) {
        twin.erase({known->second, name});
        scores.erase(known);
      }
    }
    if (step % 500 == 0) expect_equal(sorted, twin);
    double bound = static_cast<double>(random() % 60) / 4;
    auto below = static_cast<std::size_t>(
        std::distance(twin.begin(), twin.lower_bound({bound, std::string()})));
    ASSERT_EQ(sorted.count_while([&](const SortedMember& one) { return one.score < bound; }),
              below);
  }
  expect_equal(sorted, twin);
}

TEST(SortedSet, KeepsInfinitiesAndEqualScores) {
  SortedSet sorted(1);
  sorted.set("b", 0);
  sorted.set("a", -0.0);
  sorted.set("top", std::numeric_limits<double>::infinity());
  sorted.set("low", -std::numeric_limits<double>::infinity());
  EXPECT_EQ(sorted.at_rank(0).name, "low");
  EXPECT_EQ(sorted.at_rank(1).name, "a");
  EXPECT_EQ(sorted.at_rank(2).name, "b");
  EXPECT_EQ(sorted.at_rank(3).name, "top");
  sorted.set("c", 0);
  EXPECT_EQ(sorted.at_rank(2).name, "b") << "by name, not the last one first";
  EXPECT_EQ(sorted.at_rank(3).name, "c");
}

TEST(Hash, EqualsASimpleTwin) {
  std::mt19937 random(3);
  Hash hash(5);
  std::map<std::string, std::string> twin;
  for (int step = 0; step < 20000; ++step) {
    std::string name = name_of(random, 2000);
    if ((random() % 3 != 0) == (step / 5000 % 2 == 0)) {
      std::string value(random() % 30, 'v');
      hash.set(name, value);
      twin[name] = value;
    } else {
      ASSERT_EQ(hash.remove(name), twin.erase(name) == 1);
    }
    if (step % 1000 != 0) continue;
    std::map<std::string, std::string> seen;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < hash.size(); ++i) {
      const HashField& field = hash.fields().at(i);
      seen[field.name] = field.value;
      bytes += field.name.size() + field.value.size();
      ASSERT_EQ(hash.find(field.name), &field.value);
    }
    ASSERT_EQ(seen, twin);
    ASSERT_EQ(hash.byte_size(), bytes);
  }
}

TEST(MemberTable, SmallOnesKeepTheirOrder) {
  Set set(0);
  for (int i = 0; i < 100; ++i) set.add(std::to_string(i));
  for (int i = 0; i < 100; i += 3) set.remove(std::to_string(i));
  set.add("0");
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    if (i % 3 != 0) expected.push_back(std::to_string(i));
  }
  expected.emplace_back("0");
  ASSERT_EQ(set.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(set.members().at(i).name, expected[i]);
  }
}

TEST(MemberTable, ScansCoverWhatStays) {
  std::mt19937 random(17);
  for (int round = 0; round < 50; ++round) {
    Set set(static_cast<std::uint64_t>(round));
    std::set<std::string> lasting;
    unsigned count = static_cast<unsigned>(random() % 400);
    for (unsigned i = 0; i < count; ++i) {
      lasting.insert("stays" + std::to_string(i));
      set.add("stays" + std::to_string(i));
    }
    std::uint64_t cursor = 0;
    do {
      cursor = set.members().scan(cursor, 1 + random() % 20,
                                  [&](const SetMember& member) { lasting.erase(member.name); });
      // The table grows and shrinks by others meanwhile.
      for (int i = 0; i < 200; ++i) {
        std::string name = "goes" + std::to_string(random() % 2000);
        if (random() % 2 == (round % 2 == 0 ? 0u : 1u)) {
          set.add(name);
        } else {
          set.remove(name);
        }
      }
    } while (cursor != 0);
    EXPECT_TRUE(lasting.empty()) << round;
  }
}

TEST(List, EqualsASimpleTwin) {
  std::mt19937 random(23);
  List list(0);
  std::vector<std::string> twin;
  for (int step = 0; step < 5000; ++step) {
    std::string element(random() % 20, static_cast<char>('a' + random() % 26));
    auto at = static_cast<std::ptrdiff_t>(random() % (twin.size() + 2));
    auto size = static_cast<std::ptrdiff_t>(twin.size());
    switch (random() % 7) {
      case 0:
        list.push_front(element);
        twin.insert(twin.begin(), element);
        break;
      case 1:
      case 2:
        list.push_back(element);
        twin.push_back(element);
        break;
      case 3:
        ASSERT_EQ(list.insert(static_cast<std::size_t>(at), element), at <= size);
        if (at <= size) twin.insert(twin.begin() + at, element);
        break;
      case 4:
        ASSERT_EQ(list.set(static_cast<std::size_t>(at), element), at < size);
        if (at < size) twin[static_cast<std::size_t>(at)] = element;
        break;
      case 5: {
        std::size_t count = random() % 3;
        list.pop_front(count);
        twin.erase(twin.begin(), twin.begin() + std::min<std::ptrdiff_t>(
                                                    static_cast<std::ptrdiff_t>(count), size));
        break;
      }
      default: {
        std::vector<std::size_t> indexes;
        for (std::size_t i = random() % 3; i < twin.size() + 3; i += 1 + random() % 60) {
          indexes.push_back(i);
        }
        list.erase(indexes);
        for (auto i = indexes.rbegin(); i != indexes.rend(); ++i) {
          if (*i < twin.size()) twin.erase(twin.begin() + static_cast<std::ptrdiff_t>(*i));
        }
      }
    }
    ASSERT_EQ(std::vector<std::string>(list.elements().begin(), list.elements().end()), twin);
    std::size_t bytes = 0;
    for (const std::string& one : twin) bytes += one.size();
    ASSERT_EQ(list.byte_size(), bytes);
  }
}

}  // namespace
}  // namespace trv::model
