// Census: who is let in and who is not, what leaves with a connection, and turns.
#include "amqp/census.h"

#include <gtest/gtest.h>

#include "auth/directory.h"
#include "broker/broker_test_support.h"
#include "broker/catalog.h"

namespace trv::amqp {
namespace {

using auth::Limit;
using auth::LimitScope;

struct Fixture {
  Fixture() : census(*broker) {}

  void limit(LimitScope scope, const std::string& name, Limit what, std::int64_t value) {
    broker.round([&] {
      broker->catalog().execute_access(
          auth::encode(auth::SetLimit{scope, name, what, value}),
          [](const Result<broker::Durable>& done) { EXPECT_TRUE(done.ok()); });
    });
  }
  bool enters(std::uint64_t id, const std::string& vhost = "/") {
    return !census.enter(ConnectionId(id), "guest", vhost);
  }
  bool opens(std::uint64_t id, bool limited = true) {
    return !census.open_channel(ConnectionId(id), limited);
  }

  broker::TestBroker broker;
  Census census;
};

TEST(Census, LetsInAsManyAsThereMayBe) {
  Fixture f;
  EXPECT_TRUE(f.enters(1));
  f.limit(LimitScope::vhost, "/", Limit::connections, 2);
  EXPECT_TRUE(f.enters(2));
  EXPECT_FALSE(f.enters(3));
  f.census.leave(ConnectionId(3));  // it is not there
  EXPECT_FALSE(f.enters(3));
  f.census.leave(ConnectionId(1));
  f.limit(LimitScope::user, "guest", Limit::connections, 1);
  EXPECT_FALSE(f.enters(3));
  f.limit(LimitScope::user, "guest", Limit::connections, -1);
  EXPECT_TRUE(f.enters(3));
}

TEST(Census, CountsEachVirtualHostByItself) {
  Fixture f;
  f.limit(LimitScope::vhost, "/", Limit::connections, 1);
  EXPECT_TRUE(f.enters(1, "other"));
  EXPECT_TRUE(f.enters(2, "other"));
  EXPECT_TRUE(f.enters(3));
  EXPECT_FALSE(f.enters(4));
  f.census.leave(ConnectionId(1));
  EXPECT_FALSE(f.enters(4));
  f.census.leave(ConnectionId(3));
  EXPECT_TRUE(f.enters(4));
}

TEST(Census, ChannelsLeaveWithTheirConnection) {
  Fixture f;
  f.limit(LimitScope::user, "guest", Limit::channels, 2);
  EXPECT_TRUE(f.enters(1) && f.enters(2));
  EXPECT_TRUE(f.opens(1) && f.opens(1));
  EXPECT_FALSE(f.opens(2));
  EXPECT_TRUE(f.opens(2, false));  // from where the limit is not known yet: it counts
  f.census.close_channel(ConnectionId(1));
  EXPECT_FALSE(f.opens(2));
  f.census.leave(ConnectionId(1));
  EXPECT_TRUE(f.opens(2));
  EXPECT_FALSE(f.opens(2));
  f.census.close_channel(ConnectionId(1));  // gone already
  EXPECT_FALSE(f.opens(2));
  EXPECT_TRUE(f.opens(9));  // an operation is no connection
}

TEST(Census, TurnsComeOneAfterTheOther) {
  Fixture f;
  std::string begun;
  f.broker.round([&] {
    for (const char name : {'a', 'b', 'c'}) f.census.take_turn([&begun, name] { begun += name; });
  });
  EXPECT_EQ(begun, "a");
  for (const char* expected : {"ab", "abc", "abc"}) {
    f.broker.round([&] { f.census.end_turn(); });
    f.broker.round([] {});
    EXPECT_EQ(begun, expected);
  }
  f.broker.round([&] { f.census.take_turn([&begun] { begun += 'd'; }); });
  EXPECT_EQ(begun, "abcd");
}

}  // namespace
}  // namespace trv::amqp
