// What policies make of queues that are there and of those to come, that it outlives a restart and
// a checkpoint, that what is out is not lost when an index comes or goes; and users in the catalog.
#include <gtest/gtest.h>

#include <random>

#include "auth/directory.h"
#include "broker/broker_test_support.h"
#include "model/policies.h"

namespace trv::broker {
namespace {

using Bodies = std::vector<std::string>;

void publish(Broker& broker, std::string_view key, std::string_view body) {
  Publication publication;
  publication.routing_key = key;
  publication.record = message(body);
  ASSERT_TRUE(broker.publisher().publish(publication, [](const Published&) {}).ok());
}

void declare(Broker& broker, const std::string& name, const QueueSettings& settings = {}) {
  ASSERT_TRUE(broker.queues().declare(name, settings, {}).ok());
}

void put(TestBroker& broker, const std::string& name, const std::string& pattern,
         const model::PolicyDefinition& definition,
         model::PolicyClass of = model::PolicyClass::users) {
  model::Policy policy;
  policy.of = of;
  policy.name = name;
  policy.pattern = *Pattern::parse(pattern);
  policy.definition = definition;
  bool visible = false;
  broker.round([&] {
    broker->catalog().execute_policy(model::encode_put(policy),
                                     [&](Result<Durable> done) { visible = done.ok(); });
  });
  EXPECT_TRUE(visible);
}

void remove(TestBroker& broker, const std::string& name) {
  broker.round([&] {
    broker->catalog().execute_policy(model::encode_delete(model::PolicyClass::users, name),
                                     [](Result<Durable>) {});
  });
}

Bodies drain(TestBroker& broker, std::string_view name) {
  Bodies bodies;
  broker.round([&] {
    ConsumerId holder = broker->queues().new_holder();
    for (;;) {
      auto taken = broker->queues().take(name, holder, true);
      ASSERT_TRUE(taken.ok());
      if (!*taken) return;
      bodies.emplace_back(*(*taken)->record.value);
    }
  });
  return bodies;
}

model::PolicyDefinition count_max(std::uint64_t count) {
  model::PolicyDefinition definition;
  definition.count_max = count;
  return definition;
}

model::PolicyDefinition bytes_max(std::uint64_t bytes) {
  model::PolicyDefinition definition;
  definition.bytes_max = bytes;
  return definition;
}

TEST(QueuePolicies, ShortenWhatIsThereAndLetGoAgain) {
  TestBroker broker;
  broker.round([&] {
    for (const char* name : {"q", "other"}) {
      declare(*broker, name);
      for (const char* body : {"a", "b", "c", "d"}) publish(*broker, name, body);
    }
  });
  put(broker, "short", "^q$", count_max(2));
  broker.round([&] {
    EXPECT_EQ(broker->queues().find("q")->ready_count, 2u);
    EXPECT_EQ(broker->queues().find("q")->policy, "short");
    EXPECT_EQ(broker->queues().find("other")->ready_count, 4u);
    EXPECT_EQ(broker->queues().find("other")->policy, "");
  });
  remove(broker, "short");
  broker.round([&] {
    for (const char* body : {"e", "f"}) publish(*broker, "q", body);
    EXPECT_EQ(broker->queues().find("q")->policy, "");
  });
  EXPECT_EQ(drain(broker, "q"), (Bodies{"c", "d", "e", "f"}));
}

TEST(QueuePolicies, TheSmallerLimitAndTheDeclarationsOwnWordsCount) {
  TestBroker broker;
  model::PolicyDefinition definition = count_max(5);
  definition.message_ttl_ms = 1000;
  definition.dead_letter_exchange = "elsewhere";
  definition.failures_max = 50;
  put(broker, "p", "q", definition);
  put(broker, "o", "q", count_max(3), model::PolicyClass::operators);
  broker.round([&] {
    QueueSettings settings;
    settings.limits.count_max = 4;
    settings.message_ttl_ms = 2000;
    settings.dead_letter_exchange = "mine";
    settings.strict = true;
    settings.failures_max = 20;
    declare(*broker, "q", settings);
    const QueueFacts facts = *broker->queues().find("q");
    EXPECT_EQ(facts.settings.limits.count_max, 3u);
    EXPECT_EQ(facts.settings.message_ttl_ms, 1000);
    EXPECT_EQ(facts.settings.dead_letter_exchange, "mine");
    EXPECT_EQ(facts.settings.failures_max, 20u);
    EXPECT_EQ(facts.operator_policy, "o");
  });
}

TEST(QueuePolicies, LetDeadLettersStayWhereTheDeclarationSaysNothing) {
  struct Case {
    bool strict;
    std::optional<bool> declared;
    std::optional<bool> expected;
  };
  for (const Case& one : {Case{true, std::nullopt, true}, Case{true, false, false},
                          Case{true, true, true}, Case{false, std::nullopt, std::nullopt}}) {
    TestBroker broker;
    broker.round([&] {
      QueueSettings settings;
      settings.strict = one.strict;
      settings.dead_letters_stay = one.declared;
      declare(*broker, "q", settings);
    });
    model::PolicyDefinition definition;
    definition.dead_letters_stay = true;
    put(broker, "p", "q", definition);
    const auto stay = [&] { return broker->queues().find("q")->settings.dead_letters_stay; };
    EXPECT_EQ(stay(), one.expected);
    broker.checkpoint();
    broker.restart();
    EXPECT_EQ(stay(), one.expected);
    remove(broker, "p");
    EXPECT_EQ(stay(), one.declared);
  }
}

// What waits for a queue that takes it is dropped when it need not stay any more.
TEST(QueuePolicies, LetWaitingDeadLettersGo) {
  TestBroker broker;
  model::PolicyDefinition definition;
  definition.dead_letters_stay = true;
  definition.overflow = model::Overflow::refuse;
  definition.dead_letter_exchange = "";
  definition.dead_letter_key = "dead";
  put(broker, "p", "q", definition);
  broker.round([&] {
    QueueSettings settings;
    settings.strict = true;
    declare(*broker, "q", settings);
    publish(*broker, "q", "a");
  });
  broker.round([&] {
    const ConsumerId holder = broker->queues().new_holder();
    auto taken = broker->queues().take("q", holder, false);
    ASSERT_TRUE(taken.ok() && *taken);
    const Sequence sequences[] = {(*taken)->sequence};
    ASSERT_TRUE(broker->queues().settle("q", holder, sequences, Settlement::discard).ok());
  });
  broker.run_for(std::chrono::milliseconds(1200));
  broker.round([&] { EXPECT_EQ(broker->queues().find("q")->outstanding_count, 1u); });
  definition.dead_letters_stay = false;
  put(broker, "p", "q", definition);
  broker.run_for(std::chrono::milliseconds(1200));
  broker.round([&] {
    EXPECT_EQ(broker->queues().find("q")->outstanding_count, 0u);
    EXPECT_EQ(broker->queues().find("q")->ready_count, 0u);
  });
}

TEST(QueuePolicies, AreThereAfterARestartAndACheckpoint) {
  TestBroker broker;
  broker.round([&] { declare(*broker, "q"); });
  put(broker, "short", "^q$", bytes_max(2));
  const auto check = [&] {
    broker.round([&] {
      const QueueFacts facts = *broker->queues().find("q");
      EXPECT_EQ(facts.policy, "short");
      EXPECT_EQ(facts.settings.limits.bytes_max, 2u);
    });
  };
  broker.restart();
  check();
  broker.checkpoint();
  broker.restart();
  check();
  // What is stored is what was declared.
  remove(broker, "short");
  broker.checkpoint();
  broker.crash();
  broker.round([&] {
    EXPECT_EQ(broker->queues().find("q")->settings.limits, model::QueueLimits());
    EXPECT_TRUE(broker->catalog().policies()->all().empty());
  });
}

TEST(QueuePolicies, WhatIsOutComesBackWhenAnIndexCameOrWent) {
  TestBroker broker;
  ConsumerId holder;
  std::vector<Sequence> out;
  const auto take = [&] {
    auto taken = broker->queues().take("q", holder, false);
    ASSERT_TRUE(taken.ok() && *taken);
    out.push_back((*taken)->sequence);
  };
  const auto settle = [&](Sequence sequence, Settlement how) {
    EXPECT_TRUE(broker->queues().settle("q", holder, {&sequence, 1}, how).ok());
  };
  broker.round([&] {
    declare(*broker, "q");
    for (const char* body : {"a", "b", "c", "d"}) publish(*broker, "q", body);
  });
  broker.round([&] {
    holder = broker->queues().new_holder();
    take();
    take();
  });
  put(broker, "bytes", "q", bytes_max(100));
  broker.round([&] {
    settle(out[0], Settlement::release);
    settle(out[1], Settlement::complete);
  });
  out.clear();
  broker.round(take);
  remove(broker, "bytes");
  broker.round([&] { settle(out[0], Settlement::release); });
  EXPECT_EQ(drain(broker, "q"), (Bodies{"a", "c", "d"}));
}

// Against a set of bodies: whatever policies come and go, nothing is lost and nothing comes twice.
TEST(QueuePolicies, LoseNothingInAnyOrderOfThings) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    TestBroker broker;
    ConsumerId holder;
    broker.round([&] {
      declare(*broker, "q");
      holder = broker->queues().new_holder();
    });
    std::vector<std::string> sent;
    std::vector<std::string> done;
    std::vector<std::pair<Sequence, std::string>> out;
    for (int step = 0; step < 120; ++step) {
      switch (random() % 6) {
        case 0:
          put(broker, "p", "q", random() % 2 ? bytes_max(1 << 20) : count_max(1 << 20));
          break;
        case 1:
          remove(broker, "p");
          break;
        case 2:
        case 3:
          sent.push_back(std::to_string(step));
          broker.round([&] { publish(*broker, "q", sent.back()); });
          break;
        case 4:
          broker.round([&] {
            auto taken = broker->queues().take("q", holder, false);
            ASSERT_TRUE(taken.ok());
            if (*taken) out.emplace_back((*taken)->sequence, std::string(*(*taken)->record.value));
          });
          break;
        default:
          if (out.empty()) break;
          const auto one = out.begin() + static_cast<std::ptrdiff_t>(random() % out.size());
          const bool complete = random() % 2;
          if (complete) done.push_back(one->second);
          broker.round([&] {
            static_cast<void>(
                broker->queues().settle("q", holder, {&one->first, 1},
                                        complete ? Settlement::complete : Settlement::release));
          });
          out.erase(one);
      }
    }
    broker.round([&] { broker->queues().release_all("q", holder); });
    for (const std::string& body : drain(broker, "q")) done.push_back(body);
    std::sort(done.begin(), done.end());
    std::sort(sent.begin(), sent.end());
    EXPECT_EQ(done, sent);
  }
}

TEST(CatalogAccess, NothingIsShownThatIsNotDurable) {
  TestBroker broker;
  auth::User user;
  user.name = "u";
  model::Policy policy;
  policy.name = "p";
  int refused = 0;
  const auto answered = [&](Result<Durable> done) { refused += done.ok() ? 0 : 1; };
  const auto shown = [&] {
    return broker->catalog().access()->find("u") != nullptr ||
           broker->catalog().policies()->find(model::PolicyClass::users, "p") != nullptr;
  };
  broker.faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true});
  broker.round([&] {
    broker->catalog().execute_access(auth::encode(auth::PutUser{user}), answered);
    broker->catalog().execute_policy(model::encode_put(policy), answered);
    EXPECT_FALSE(shown());
    EXPECT_NE(broker->catalog().access_state().find("u"), nullptr);
  });
  EXPECT_EQ(refused, 2);
  EXPECT_FALSE(shown());
  broker.faults().disarm();
  broker.crash();
  EXPECT_FALSE(shown());
}

TEST(CatalogRouter, NothingIsShownThatIsNotDurable) {
  TestBroker broker;
  model::Exchange exchange;
  exchange.name = "x";
  int refused = 0;
  const auto shown = [&] { return broker->catalog().snapshot()->find("x") != nullptr; };
  broker.faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true});
  broker.round([&] {
    broker->catalog().execute(model::encode(model::DeclareExchange{exchange}),
                              [&](Result<Durable> done) { refused += done.ok() ? 0 : 1; });
    // What else is told to the cores says nothing of it.
    broker->catalog().place_queue("q", "s");
    EXPECT_FALSE(shown());
    EXPECT_NE(broker->catalog().state().find("x"), nullptr);
  });
  EXPECT_EQ(refused, 1);
  EXPECT_FALSE(shown());
  broker.faults().disarm();
  broker.crash();
  EXPECT_FALSE(shown());
}

TEST(CatalogRouter, ShowsTheChangesOfARoundTogether) {
  TestBroker broker;
  int seen = 0;
  const auto declare_one = [&](const std::string& name) {
    model::Exchange exchange;
    exchange.name = name;
    broker->catalog().execute(model::encode(model::DeclareExchange{exchange}),
                              [&broker, &seen, name](Result<Durable> done) {
                                ASSERT_TRUE(done.ok());
                                seen += broker->catalog().snapshot()->find(name) != nullptr;
                              });
  };
  for (const char* first : {"a", "b", "c"}) {
    broker.round([&] {
      declare_one(first);
      declare_one(first + std::string("2"));
    });
  }
  EXPECT_EQ(seen, 6);
  broker.restart();
  for (const char* name : {"a", "a2", "c2"}) {
    EXPECT_NE(broker->catalog().snapshot()->find(name), nullptr);
  }
}

TEST(CatalogAccess, IsThereAfterARestartAndACheckpoint) {
  TestBroker broker;
  const auto run = [&](const auth::Command& command) {
    broker.round(
        [&] { broker->catalog().execute_access(auth::encode(command), [](Result<Durable>) {}); });
  };
  auth::User user;
  user.name = "u";
  user.hashing = auth::Hashing::sha256;
  user.hash = auth::hash_password(user.hashing, "salt", "p");
  run(auth::PutUser{user});
  run(auth::SetRights{"u", "/", {"a", "b", "c"}});
  run(auth::DeleteUser{"guest"});
  const auth::Directory before = *broker->catalog().access();
  EXPECT_NE(before.log_in("u", "p"), nullptr);
  broker.crash();
  EXPECT_EQ(*broker->catalog().access(), before);
  broker.checkpoint();
  broker.crash();
  EXPECT_EQ(*broker->catalog().access(), before);
  EXPECT_EQ(broker->catalog().access()->find("guest"), nullptr);
}

// --- streams -------------------------------------------------------------------------------------

// Ten batches in each of two logs, of which policies bear on one.
void fill_logs(TestBroker& broker) {
  broker.round([&] {
    broker->topics().let_policies_bear_on(
        [](const model::TopicSettings& log) { return !log.given.empty(); });
    model::TopicSettings governed;
    governed.given.emplace_back("stream", "");
    ASSERT_TRUE(broker->topics().create("governed", governed).ok());
    ASSERT_TRUE(broker->topics().create("other", {}).ok());
  });
  for (int i = 0; i < 10; ++i) {
    broker.round([&] {
      for (const char* name : {"governed", "other"}) {
        ASSERT_TRUE(broker->topics().append(*broker->topics().find(name), message("body")).ok());
      }
    });
  }
}

std::uint64_t count_in(TestBroker& broker, std::string_view name) {
  return broker->topics().live_count(*broker->topics().find(name));
}

// What is left in both when retention has looked at them.
std::pair<std::uint64_t, std::uint64_t> left(TestBroker& broker) {
  broker.run_for(std::chrono::milliseconds(5));  // so that all of it has an age
  broker.round([&] { broker->topics().tick(); });
  return {count_in(broker, "governed"), count_in(broker, "other")};
}

TEST(StreamPolicies, LimitTheAgeOfWhatIsDeclaredAsAStream) {
  for (const auto& [age, expected] : {std::pair("1h", 10U), std::pair("0s", 0U)}) {
    TestBroker broker;
    fill_logs(broker);
    model::PolicyDefinition definition;
    definition.age_max = age;
    put(broker, "age", ".*", definition);
    EXPECT_EQ(left(broker), std::pair(std::uint64_t{expected}, std::uint64_t{10})) << age;
  }
}

TEST(StreamPolicies, OfSizesTheOperatorCanOnlyMakeLess) {
  constexpr std::uint64_t much = 1 << 20;
  struct Case {
    std::uint64_t users;
    std::uint64_t operators;
    std::uint64_t expected;
  };
  for (const Case& one : {Case{much, much, 10}, Case{0, much, 0}, Case{much, 0, 0}}) {
    TestBroker broker;
    fill_logs(broker);
    put(broker, "a", ".*", bytes_max(one.users));
    put(broker, "b", ".*", bytes_max(one.operators), model::PolicyClass::operators);
    EXPECT_EQ(left(broker), std::pair(one.expected, std::uint64_t{10}));
  }
}

// --- exchanges -----------------------------------------------------------------------------------

TEST(ExchangePolicies, GiveAnAlternateToWhatHasNone) {
  TestBroker broker;
  broker.round([&] {
    declare(*broker, "rest");
    declare(*broker, "own-rest");
  });
  const auto apply = [&](const model::RouterCommand& command) {
    broker.round(
        [&] { broker->catalog().execute(model::encode(command), [](Result<Durable>) {}); });
  };
  for (const char* name : {"plain", "own", "all", "own-all"}) {
    model::Exchange exchange;
    exchange.name = name;
    exchange.kind = model::ExchangeKind::fanout;
    if (name == std::string("own")) exchange.alternate = "own-all";
    apply(model::DeclareExchange{exchange});
  }
  for (const auto& [source, target] :
       {std::pair("all", "rest"), std::pair("own-all", "own-rest")}) {
    model::Binding binding;
    binding.source = source;
    binding.target = target;
    apply(model::Bind{binding});
  }
  model::PolicyDefinition definition;
  definition.alternate = "all";
  put(broker, "p", "^(plain|own)$", definition);
  const auto publish_to = [&](std::string_view exchange) {
    broker.round([&] {
      Publication publication;
      publication.exchange = exchange;
      publication.record = message(exchange);
      ASSERT_TRUE(broker->publisher().publish(publication, [](const Published&) {}).ok());
    });
  };
  publish_to("plain");
  publish_to("own");
  EXPECT_EQ(drain(broker, "rest"), Bodies{"plain"});
  EXPECT_EQ(drain(broker, "own-rest"), Bodies{"own"});
  remove(broker, "p");
  publish_to("plain");
  EXPECT_EQ(drain(broker, "rest"), Bodies{});
}

}  // namespace
}  // namespace trv::broker
