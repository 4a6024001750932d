// Proves the settings of groups: what may be set, and what it comes to.
#include "kafka/group_config.h"

#include <gtest/gtest.h>

namespace trv::kafka {
namespace {

using namespace std::chrono_literals;
using From = broker::ShareStart::From;

TEST(GroupConfig, DefaultsAreKafkas) {
  for (const GroupConfig& config : group_configs()) {
    EXPECT_TRUE(check_group_config(config.name, config.default_value).ok()) << config.name;
  }
  ShareTerms terms = share_terms({});
  EXPECT_EQ(terms.start.from, From::end);
  EXPECT_EQ(terms.isolation, broker::Isolation::uncommitted);
  EXPECT_TRUE(terms.renews);
  EXPECT_EQ(terms.lock, 30s);
  EXPECT_EQ(terms.heartbeat_interval, 5s);
  EXPECT_EQ(terms.session_timeout, 45s);
}

TEST(GroupConfig, ValuesAreChecked) {
  EXPECT_FALSE(check_group_config("consumer.session.timeout.ms", "45000").ok());
  for (const char* bad : {"", "committed", "READ_COMMITTED"}) {
    EXPECT_FALSE(check_group_config("share.isolation.level", bad).ok()) << bad;
  }
  EXPECT_EQ(share_terms({{"share.isolation.level", "read_committed"}}).isolation,
            broker::Isolation::committed);
  for (const char* bad : {"", "yes", "tru", "truee"}) {
    EXPECT_FALSE(check_group_config("share.renew.acknowledge.enable", bad).ok()) << bad;
  }
  EXPECT_FALSE(share_terms({{"share.renew.acknowledge.enable", "False"}}).renews);
  for (const char* bad : {"", "14999", "60001", "20000x", "twenty"}) {
    EXPECT_FALSE(check_group_config("share.record.lock.duration.ms", bad).ok()) << bad;
  }
  EXPECT_EQ(share_terms({{"share.record.lock.duration.ms", "15000"}}).lock, 15s);
}

TEST(GroupConfig, WhereAGroupBegins) {
  auto start = [](const char* value) {
    return share_terms({{"share.auto.offset.reset", value}}).start;
  };
  EXPECT_EQ(start("earliest").from, From::beginning);
  EXPECT_EQ(start("by_duration:P1DT2H3M4S").from, From::time);
  EXPECT_EQ(start("by_duration:P1DT2H3M4S").ago_ms, 93'784'000);
  EXPECT_EQ(start("by_duration:PT30S").ago_ms, 30'000);
  EXPECT_EQ(start("by_duration:P7D").ago_ms, 604'800'000);
  for (const char* bad :
       {"none", "by_duration:", "by_duration:P", "by_duration:PT", "by_duration:1H",
        "by_duration:PT1S2H", "by_duration:PT99999999999999999999S", "by_duration:PT-1S",
        "by_duration:P1DT"}) {
    EXPECT_FALSE(check_group_config("share.auto.offset.reset", bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace trv::kafka
