// Management of virtual hosts: what a deletion leaves, also one that was broken off, and what a new
// one begins with. (What clients see of it: tests/golden/amqp/vhosts.txt.)
#include "amqp/management/vhosts.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "amqp/census.h"
#include "amqp/convert.h"
#include "amqp/management/management.h"
#include "amqp/reader.h"
#include "base/scoped_name.h"
#include "broker/broker_test_support.h"
#include "broker/queues.h"
#include "model/policies.h"

namespace trv::amqp {
namespace {

using broker::OperationResult;
using Kind = OperationResult::Kind;
using Verb = broker::Operation::Verb;

struct Fixture {
  Fixture() : broker(&codec) { start(); }
  ~Fixture() {
    management.reset();
    readers.reset();
  }

  void start() {
    readers = std::make_unique<StreamReaders>(*broker);
    census = std::make_unique<Census>(*broker);
    services = std::make_unique<Services>(
        Services{*broker, sessions, {readers.get()}, {&sessions}, census.get()});
    management = std::make_unique<Management>(*services, options);
    pass();
  }
  void crash() {
    management.reset();
    readers.reset();
    broker.crash();
    start();
  }
  void pass() {
    for (int i = 0; i < 50; ++i) broker.round([] {});
  }

  OperationResult run(Verb verb, boost::json::object arguments) {
    std::optional<OperationResult> result;
    broker.round([&] {
      management->run({verb, "guest", std::move(arguments)},
                      [&result](OperationResult one) { result = std::move(one); });
    });
    pass();
    TRV_ASSERT(result.has_value());
    return std::move(*result);
  }
  Kind put(const std::string& name) { return run(Verb::put_vhost, {{"name", name}}).kind; }
  Kind remove(const std::string& name) { return run(Verb::delete_vhost, {{"name", name}}).kind; }
  void execute_access(const auth::Command& command) {
    broker.round([&] { broker->catalog().execute_access(auth::encode(command), [](auto&&) {}); });
  }

  void fill(const std::string& vhost) {
    const boost::json::object thing = {{"vhost", vhost}, {"name", "a"}, {"durable", true}};
    EXPECT_EQ(run(Verb::declare_queue, thing).kind, Kind::created);
    EXPECT_EQ(run(Verb::declare_exchange, thing).kind, Kind::created);
    model::Policy policy;
    policy.name = scoped(vhost, "p");
    policy.pattern = *Pattern::parse(".*");
    broker.round(
        [&] { broker->catalog().execute_policy(model::encode_put(policy), [](auto&&) {}); });
  }
  // Of queues, exchanges and policies.
  std::size_t count(std::string_view vhost) {
    std::size_t count = 0;
    for (const auto& queue : broker->queues().list()) count += scope_of(queue.name) == vhost;
    for (const auto* one : broker->catalog().state().exchanges()) {
      count += scope_of(one->name) == vhost;
    }
    for (const auto& [key, one] : broker->catalog().policies_state().all()) {
      count += scope_of(one.name) == vhost;
    }
    return count;
  }

  AmqpCodec codec;
  SessionOptions options;
  Sessions sessions;
  broker::TestBroker broker;
  std::unique_ptr<StreamReaders> readers;
  std::unique_ptr<Census> census;
  std::unique_ptr<Services> services;
  std::unique_ptr<Management> management;
};

constexpr std::size_t exchanges_of_all = 6;  // besides the default exchange

TEST(Vhosts, AreMadeChangedAndRemovedWhole) {
  Fixture f;
  const std::size_t first = f.count("/");
  EXPECT_EQ(f.remove("a"), Kind::not_found);
  EXPECT_EQ(f.put("a"), Kind::created);
  EXPECT_EQ(f.put("a"), Kind::done);
  EXPECT_EQ(f.put("b"), Kind::created);
  EXPECT_EQ(f.count("a"), exchanges_of_all);
  f.fill("a");
  f.fill("b");
  EXPECT_EQ(f.count("a"), exchanges_of_all + 3);
  EXPECT_EQ(f.remove("a"), Kind::done);
  EXPECT_EQ(f.count("a"), 0u);
  EXPECT_EQ(f.count("b"), exchanges_of_all + 3);
  EXPECT_EQ(f.count("/"), first);
  EXPECT_EQ(f.broker->catalog().access_state().rights("guest", "a"), nullptr);
  EXPECT_EQ(f.remove("/"), Kind::not_found);
  EXPECT_EQ(f.count("/"), first);
}

TEST(Vhosts, ARemovalThatWasBrokenOffIsDoneAfterTheStart) {
  Fixture f;
  f.put("a");
  f.fill("a");
  auth::Vhost vhost = *f.broker->catalog().access()->find_vhost("a");
  vhost.state = auth::Vhost::State::leaving;
  f.execute_access(auth::PutVhost{vhost, ""});
  f.crash();
  EXPECT_EQ(f.count("a"), 0u);
  EXPECT_FALSE(f.broker->catalog().access_state().vhosts().contains("a"));
}

TEST(Vhosts, OneThatIsLeavingIsMadeAnew) {
  Fixture f;
  f.put("a");
  f.fill("a");
  auth::Vhost vhost = *f.broker->catalog().access()->find_vhost("a");
  vhost.state = auth::Vhost::State::leaving;
  vhost.description = "old";
  f.execute_access(auth::PutVhost{vhost, ""});
  EXPECT_EQ(f.put("a"), Kind::created);
  EXPECT_EQ(f.count("a"), exchanges_of_all);
  EXPECT_EQ(f.broker->catalog().access_state().find_vhost("a")->description, "");
}

TEST(Vhosts, WhatABrokenAttemptLeftIsNotThere) {
  Fixture f;
  f.put("a");
  f.fill("a");
  // As if the directory had never been told.
  f.execute_access(auth::DeleteVhost{"a"});
  EXPECT_EQ(f.put("a"), Kind::created);
  EXPECT_EQ(f.count("a"), exchanges_of_all);
}

}  // namespace
}  // namespace trv::amqp
