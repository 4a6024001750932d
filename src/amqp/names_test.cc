// Names as the broker knows them: which are scoped, and which are the same everywhere.
#include "amqp/names.h"

#include <gtest/gtest.h>

#include "amqp/direct_reply.h"
#include "base/scoped_name.h"

namespace trv::amqp {
namespace {

TEST(Names, AreScopedButForTwo) {
  EXPECT_EQ(queue_in("/", "q"), "q");
  EXPECT_EQ(queue_in("a", "q"), scoped("a", "q"));
  EXPECT_EQ(queue_in("a", ""), scoped("a", ""));
  EXPECT_EQ(queue_in("a", direct_reply_queue), direct_reply_queue);
  EXPECT_EQ(exchange_in("a", "x"), scoped("a", "x"));
  EXPECT_EQ(exchange_in("a", ""), "");
}

TEST(Names, KeysForTheDefaultExchangeAreNamesOfQueues) {
  std::string kept;
  const std::vector<ByteView> more = {"r", "s"};
  const RoutingKeys by_name(kept, "a", "", "q", more);
  EXPECT_EQ(by_name.key(), scoped("a", "q"));
  ASSERT_EQ(by_name.more().size(), 2u);
  EXPECT_EQ(by_name.more()[1], scoped("a", "s"));
  const RoutingKeys here(kept, "/", "",
                         "\x01"
                         "a\x01q",
                         {});
  EXPECT_EQ(split_scoped(here.key()).scope, "/");
  const RoutingKeys bound(kept, "a", "x", "q", more);
  EXPECT_EQ(bound.key(), "q");
  EXPECT_EQ(bound.more()[1], "s");
}

}  // namespace
}  // namespace trv::amqp
