// Proves the routing rules of each exchange kind, against a plain-minded twin for topic patterns,
// and that a router is what its commands say: replaying its snapshot gives an equal one.
#include "model/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/topic_trie.h"

namespace trv::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class Headers : public HeaderLookup {
 public:
  Headers(std::initializer_list<std::pair<const std::string, HeaderValue>> values)
      : values_(values) {}
  bool find(std::string_view name, HeaderValue& value) const override {
    const auto found = values_.find(std::string(name));
    if (found == values_.end()) return false;
    value = found->second;
    return true;
  }

 private:
  std::map<std::string, HeaderValue> values_;
};

Exchange exchange_of(std::string name, ExchangeKind kind) {
  Exchange exchange;
  exchange.name = std::move(name);
  exchange.kind = kind;
  return exchange;
}

Binding binding_of(std::string source, std::string target, std::string key) {
  Binding binding;
  binding.source = std::move(source);
  binding.target = std::move(target);
  binding.key = std::move(key);
  return binding;
}

Binding to_exchange(Binding binding) {
  binding.to_exchange = true;
  return binding;
}

std::vector<std::string> route(const Router& router, std::string_view exchange,
                               std::string_view key, const HeaderLookup* headers = nullptr) {
  std::vector<std::string_view> out;
  EXPECT_TRUE(router.route(exchange, std::span(&key, 1), headers, out));
  std::sort(out.begin(), out.end());  // the order of targets means nothing
  return {out.begin(), out.end()};
}

TEST(Router, NamelessExchangeRoutesToTheNameThatIsTheKey) {
  Router router;
  EXPECT_THAT(route(router, "", "orders"), ElementsAre("orders"));
}

TEST(Router, UnknownExchangeIsTold) {
  Router router;
  std::vector<std::string_view> out{"left over"};
  const std::string_view key = "k";
  EXPECT_FALSE(router.route("nowhere", std::span(&key, 1), nullptr, out));
  EXPECT_THAT(out, IsEmpty());
}

TEST(Router, DirectComparesTheWholeKey) {
  Router router;
  router.apply(Bind{binding_of("amq.direct", "a", "red")});
  router.apply(Bind{binding_of("amq.direct", "b", "red")});
  router.apply(Bind{binding_of("amq.direct", "b", "blue")});
  EXPECT_THAT(route(router, "amq.direct", "red"), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(route(router, "amq.direct", "blue"), ElementsAre("b"));
  EXPECT_THAT(route(router, "amq.direct", "re"), IsEmpty());
}

TEST(Router, FanoutGivesOneCopyPerTarget) {
  Router router;
  router.apply(Bind{binding_of("amq.fanout", "a", "x")});
  router.apply(Bind{binding_of("amq.fanout", "a", "y")});
  router.apply(Bind{binding_of("amq.fanout", "b", "")});
  EXPECT_THAT(route(router, "amq.fanout", "z"), UnorderedElementsAre("a", "b"));
}

TEST(Router, BindingsThatDifferInArgumentsAreTwo) {
  Router router;
  Binding first = binding_of("amq.direct", "a", "k");
  Binding second = first;
  second.arguments = "other";
  router.apply(Bind{first});
  router.apply(Bind{second});
  router.apply(Unbind{first});
  EXPECT_THAT(route(router, "amq.direct", "k"), ElementsAre("a"));
  router.apply(Unbind{second});
  EXPECT_THAT(route(router, "amq.direct", "k"), IsEmpty());
}

TEST(Router, HeaderRules) {
  struct Row {
    const char* name;
    HeaderRule rule;
    bool expected;
  };
  const Headers headers{{"n", std::int64_t{1}}, {"t", std::string("x")}, {"r", 2.0}};
  const Row rows[] = {
      {"all, none asked", {false, {}}, true},
      {"any, none asked", {true, {}}, false},
      {"all hold", {false, {{"n", std::int64_t{1}}, {"t", std::string("x")}}}, true},
      {"one differs", {false, {{"n", std::int64_t{2}}, {"t", std::string("x")}}}, false},
      {"any of two", {true, {{"n", std::int64_t{2}}, {"t", std::string("x")}}}, true},
      {"any of none", {true, {{"n", std::int64_t{2}}, {"u", std::string("x")}}}, false},
      {"presence", {false, {{"n", std::monostate{}}}}, true},
      {"absence", {false, {{"m", std::monostate{}}}}, false},
      {"whole real equals integer", {false, {{"r", std::int64_t{2}}}}, true},
      {"text is not a number", {false, {{"n", std::string("1")}}}, false},
  };
  for (const Row& row : rows) {
    Router router;
    Binding binding = binding_of("amq.headers", "q", "");
    binding.rule = row.rule;
    router.apply(Bind{binding});
    EXPECT_EQ(route(router, "amq.headers", "", &headers).size(), row.expected ? 1u : 0u)
        << row.name;
  }
}

TEST(Router, CopiesShareNothing) {
  Router router;
  router.apply(Bind{binding_of("amq.direct", "a", "k")});
  Router copy(router);
  copy.apply(Bind{binding_of("amq.direct", "b", "k")});
  EXPECT_THAT(route(router, "amq.direct", "k"), ElementsAre("a"));
  EXPECT_THAT(route(copy, "amq.direct", "k"), ElementsAre("a", "b"));
}

TEST(Router, ExchangeCyclesEndAndTargetsComeOnce) {
  Router router;
  router.apply(DeclareExchange{exchange_of("a", ExchangeKind::fanout)});
  router.apply(DeclareExchange{exchange_of("b", ExchangeKind::fanout)});
  router.apply(Bind{to_exchange(binding_of("a", "b", ""))});
  router.apply(Bind{to_exchange(binding_of("b", "a", ""))});
  router.apply(Bind{binding_of("a", "q", "")});
  router.apply(Bind{binding_of("b", "q", "")});
  EXPECT_THAT(route(router, "a", "k"), ElementsAre("q"));
}

TEST(Router, AlternateTakesWhatGoesNowhere) {
  Router router;
  Exchange main = exchange_of("main", ExchangeKind::direct);
  main.alternate = "rest";
  router.apply(DeclareExchange{main});
  EXPECT_THAT(route(router, "main", "k"), IsEmpty());
  router.apply(DeclareExchange{exchange_of("rest", ExchangeKind::fanout)});
  router.apply(Bind{binding_of("rest", "unrouted", "")});
  router.apply(Bind{binding_of("main", "q", "k")});
  EXPECT_THAT(route(router, "main", "k"), ElementsAre("q"));
  EXPECT_THAT(route(router, "main", "other"), ElementsAre("unrouted"));
}

TEST(Router, AutoDeleteGoesWithItsLastBindingAndCascades) {
  Router router;
  Exchange outer = exchange_of("outer", ExchangeKind::fanout);
  outer.auto_delete = true;
  Exchange inner = exchange_of("inner", ExchangeKind::fanout);
  inner.auto_delete = true;
  router.apply(DeclareExchange{outer});
  router.apply(DeclareExchange{inner});
  router.apply(Bind{to_exchange(binding_of("outer", "inner", ""))});
  router.apply(Bind{binding_of("inner", "q", "")});
  router.apply(RemoveTarget{"q"});
  EXPECT_EQ(router.find("inner"), nullptr);
  EXPECT_EQ(router.find("outer"), nullptr);
}

TEST(Router, PredeclaredExchangesStay) {
  Router router;
  router.apply(DeleteExchange{"amq.topic"});
  router.apply(DeleteExchange{""});
  EXPECT_NE(router.find("amq.topic"), nullptr);
  EXPECT_NE(router.find(""), nullptr);
}

TEST(Router, FrozenCopiesDoNotChange) {
  Router router;
  router.apply(Bind{binding_of("amq.topic", "a", "k.#")});
  const auto before = router.freeze();
  router.apply(Bind{binding_of("amq.topic", "b", "k.*")});
  router.apply(Unbind{binding_of("amq.topic", "a", "k.#")});
  EXPECT_THAT(route(*before, "amq.topic", "k.x"), ElementsAre("a"));
  EXPECT_THAT(route(router, "amq.topic", "k.x"), ElementsAre("b"));
}

TEST(Router, TransientThingsAreDropped) {
  Router router;
  Exchange brief = exchange_of("brief", ExchangeKind::fanout);
  brief.durable = false;
  router.apply(DeclareExchange{brief});
  Binding weak = binding_of("amq.direct", "q", "k");
  weak.durable = false;
  router.apply(Bind{weak});
  router.drop_transient();
  EXPECT_TRUE(router == Router());
}

// Words as a list; the definition of matching, as short as it can be said.
bool twin_match(std::span<const std::string> pattern, std::span<const std::string> key) {
  if (pattern.empty()) return key.empty();
  if (pattern[0] == "#") {
    return twin_match(pattern.subspan(1), key) ||
           (!key.empty() && twin_match(pattern, key.subspan(1)));
  }
  return !key.empty() && (pattern[0] == "*" || pattern[0] == key[0]) &&
         twin_match(pattern.subspan(1), key.subspan(1));
}

std::vector<std::string> random_words(std::mt19937& random, const std::vector<std::string>& from) {
  std::vector<std::string> words(random() % 6);
  for (auto& word : words) word = from[random() % from.size()];
  // A single empty word cannot be told from no words.
  if (words.size() == 1 && words[0].empty()) words.clear();
  return words;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) out += (i ? "." : "") + words[i];
  return out;
}

TEST(TopicTrie, AgreesWithItsTwin) {
  std::mt19937 random(20240607);
  for (int round = 0; round < 300; ++round) {
    std::map<std::uint32_t, std::vector<std::string>> patterns;
    TopicTrie trie;
    for (std::uint32_t i = 0; i < 20; ++i) {
      patterns[i] = random_words(random, {"a", "b", "*", "#", "#", ""});
      trie.add(join(patterns[i]), i);
    }
    for (std::uint32_t i = 0; i < 20; i += 3) {
      trie.remove(join(patterns[i]), i);
      patterns.erase(i);
    }
    for (int probe = 0; probe < 30; ++probe) {
      const auto key = random_words(random, {"a", "b", "c", ""});
      std::vector<std::uint32_t> expected;
      for (const auto& [i, pattern] : patterns) {
        if (twin_match(pattern, key)) expected.push_back(i);
      }
      std::vector<std::uint32_t> got;
      trie.match(join(key), got);
      std::sort(got.begin(), got.end());
      ASSERT_EQ(got, expected) << "round " << round << " key '" << join(key) << "'";
    }
  }
}

TEST(TopicTrie, HostilePatternsDoNotExplode) {
  TopicTrie trie;
  std::string pattern = "#";
  for (int i = 0; i < 60; ++i) pattern += ".a.#";
  trie.add(pattern + ".z", 1);
  std::string key = "a";
  for (int i = 0; i < 126; ++i) key += ".a";
  std::vector<std::uint32_t> out;
  trie.match(key, out);  // a backtracking matcher would not come back
  EXPECT_THAT(out, IsEmpty());
  trie.match(key + ".z", out);
  EXPECT_THAT(out, ElementsAre(1u));
}

RouterCommand random_command(std::mt19937& random) {
  const auto pick = [&](std::initializer_list<const char*> names) {
    return std::string(names.begin()[random() % names.size()]);
  };
  Binding binding = binding_of(pick({"e1", "e2", "amq.topic", "amq.match", "gone"}),
                               pick({"q1", "q2", "e1", "e2"}), pick({"a.b", "#", "a.*", ""}));
  binding.to_exchange = binding.target[0] == 'e';
  binding.arguments = pick({"", "x"});
  if (random() % 2 == 0) binding.rule = {random() % 2 == 0, {{"h", std::int64_t{7}}}};
  switch (random() % 6) {
    case 0: {
      Exchange exchange = exchange_of(pick({"e1", "e2"}), static_cast<ExchangeKind>(random() % 4));
      exchange.auto_delete = random() % 2 == 0;
      exchange.alternate = pick({"", "e2"});
      return DeclareExchange{exchange};
    }
    case 1:
      return DeleteExchange{pick({"e1", "e2"})};
    case 2:
      return RemoveTarget{pick({"q1", "q2"})};
    case 3:
      return Unbind{binding};
    default:
      return Bind{binding};
  }
}

TEST(Router, ReplayOfTheSnapshotIsTheState) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Router live;
    Router replayed;
    for (int i = 0; i < 40; ++i) {
      const std::string command = encode(random_command(random));
      ASSERT_TRUE(live.apply(command));
      if (random() % 4 == 0) live.freeze();
      ASSERT_TRUE(replayed.apply(command));
    }
    ASSERT_TRUE(live == replayed);
    Router restored;
    for (const std::string& command : live.snapshot()) ASSERT_TRUE(restored.apply(command));
    ASSERT_TRUE(live == restored);
    for (const char* key : {"a.b", "a.c", ""}) {
      for (const char* exchange : {"amq.topic", "amq.match"}) {
        ASSERT_EQ(route(live, exchange, key), route(restored, exchange, key));
      }
    }
  }
}

Exchange hash_exchange(HashSource source = {}) {
  Exchange exchange = exchange_of("h", ExchangeKind::hash);
  exchange.hash = std::move(source);
  return exchange;
}

TEST(Router, HashGivesEachMessageToOneTargetByWeight) {
  Router router;
  router.apply(DeclareExchange{hash_exchange()});
  EXPECT_THAT(route(router, "h", "k"), IsEmpty());
  router.apply(Bind{binding_of("h", "light", "1")});
  router.apply(Bind{binding_of("h", "heavy", "3")});
  std::map<std::string, int> counts;
  for (int i = 0; i < 4000; ++i) {
    const auto targets = route(router, "h", std::to_string(i));
    ASSERT_EQ(targets.size(), 1u);
    ++counts[targets.front()];
  }
  EXPECT_NEAR(counts["heavy"], 3000, 150);
}

TEST(Router, HashMovesOnlyWhatItMust) {
  Router router;
  router.apply(DeclareExchange{hash_exchange()});
  for (const char* target : {"a", "b", "c"}) router.apply(Bind{binding_of("h", target, "2")});
  std::vector<std::string> before;
  for (int i = 0; i < 300; ++i) {
    before.push_back(route(router, "h", std::to_string(i)).front());
  }
  router.apply(Bind{binding_of("h", "d", "2")});
  for (int i = 0; i < 300; ++i) {
    const std::string target = route(router, "h", std::to_string(i)).front();
    EXPECT_TRUE(target == "d" || target == before[static_cast<std::size_t>(i)]);
  }
}

TEST(Router, HashOfWhatTheMessageSays) {
  Router router;
  router.apply(DeclareExchange{hash_exchange({HashSource::What::header, "user"})});
  for (const char* target : {"a", "b", "c"}) router.apply(Bind{binding_of("h", target, "1")});
  std::set<std::string> reached;
  for (std::int64_t user = 0; user < 20; ++user) {
    const Headers headers{{"user", user}};
    const auto first = route(router, "h", "one key", &headers);
    EXPECT_EQ(route(router, "h", "another key", &headers), first);
    reached.insert(first.front());
  }
  EXPECT_EQ(reached.size(), 3u);
  EXPECT_EQ(route(router, "h", "one key"), route(router, "h", "another key"));
}

// The choice is part of the format: these must never change.
TEST(Router, HashChoicesStayWhatTheyAre) {
  Router router;
  router.apply(DeclareExchange{hash_exchange()});
  for (const char* target : {"a", "b", "c"}) router.apply(Bind{binding_of("h", target, "1")});
  std::string chosen;
  for (int i = 0; i < 16; ++i) chosen += route(router, "h", std::to_string(i)).front();
  EXPECT_EQ(chosen, "baaccccbbcbacacc");
}

TEST(Router, HashWeights) {
  EXPECT_EQ(hash_weight("7"), 7u);
  EXPECT_EQ(hash_weight("+007"), 7u);
  for (const char* key : {"", "0", "-1", "1.5", "x", "+", "99999999999"}) {
    EXPECT_EQ(hash_weight(key), 0u) << key;
  }
}

class Late final : public HeaderLookup {
 public:
  bool find(std::string_view, HeaderValue&) const override { return false; }
  std::int64_t delay_ms() const override { return 5; }
};

TEST(Router, ExchangesThatDelayAreNotLookedInto) {
  Router router;
  Exchange late = exchange_of("late", ExchangeKind::fanout);
  late.delayed = true;
  late.alternate = "amq.fanout";
  router.apply(DeclareExchange{late});
  router.apply(Bind{binding_of("late", "q", "")});
  router.apply(Bind{binding_of("amq.fanout", "other", "")});
  router.apply(Bind{to_exchange(binding_of("amq.direct", "late", "k"))});
  router.apply(Bind{binding_of("amq.direct", "now", "k")});
  const std::string_view key = "k";
  std::vector<std::string_view> out;
  std::vector<std::string_view> delaying;
  const Late headers;
  ASSERT_TRUE(router.route("amq.direct", std::span(&key, 1), &headers, out, &delaying));
  EXPECT_THAT(out, ElementsAre("now"));
  EXPECT_THAT(delaying, ElementsAre("late"));
  ASSERT_TRUE(router.route("late", std::span(&key, 1), &headers, out, nullptr));
  EXPECT_THAT(out, ElementsAre("q"));
  ASSERT_TRUE(router.route("late", std::span(&key, 1), nullptr, out, &delaying));
  EXPECT_THAT(out, ElementsAre("q"));
  EXPECT_THAT(delaying, IsEmpty());
}

TEST(Router, HashAndDelayAreTheSameAfterASnapshot) {
  Router router;
  Exchange exchange = hash_exchange({HashSource::What::property, "message_id"});
  exchange.delayed = true;
  router.apply(DeclareExchange{exchange});
  router.apply(Bind{binding_of("h", "q", "1")});
  Router restored;
  for (const std::string& command : router.snapshot()) ASSERT_TRUE(restored.apply(command));
  EXPECT_TRUE(restored == router);
  EXPECT_EQ(*restored.find("h"), exchange);
}

TEST(Router, MalformedCommandsAreRefused) {
  Router router;
  const std::string good = encode(Bind{binding_of("amq.topic", "q", "k")});
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(router.apply(ByteView(good).substr(0, size)));
  }
  EXPECT_FALSE(router.apply(good + "x"));
  EXPECT_TRUE(router == Router());
}

}  // namespace
}  // namespace trv::model
