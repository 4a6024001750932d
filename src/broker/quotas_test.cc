// Proves that quotas are durable, and are counted by those who share them.
#include "broker/quotas.h"

#include <gtest/gtest.h>

#include "broker/broker_test_support.h"

namespace trv::broker {
namespace {

using model::QuotaKind;
using model::QuotaName;

class QuotasTest : public ::testing::Test {
 protected:
  void put(const model::QuotaSubject& subject, const model::QuotaRates& rates) {
    bool visible = false;
    broker_.round([&] {
      broker_->catalog().execute_quota(model::encode_quota(subject, rates),
                                       [&](Result<Durable> done) { visible = done.ok(); });
      // Nobody is held to what a crash could take back.
      EXPECT_FALSE(visible);
    });
    EXPECT_TRUE(visible);
  }
  std::uint64_t rate(std::string_view user, std::string_view client) {
    auto found = broker_->quotas().find(QuotaKind::write_rate, user, client);
    return found ? found->rate : 0;
  }

  TestBroker broker_;
};

TEST_F(QuotasTest, AreThereAfterACrash) {
  put({{QuotaName::Of::named, "u"}, {}}, {{QuotaKind::write_rate, 7}});
  put({{}, {QuotaName::Of::others}}, {{QuotaKind::write_rate, 8}});
  for (bool checkpoint : {false, true}) {
    if (checkpoint) broker_.checkpoint();
    broker_.crash();
    EXPECT_EQ(rate("u", "c"), 7u);
    EXPECT_EQ(rate("v", "c"), 8u);
  }
  put({{QuotaName::Of::named, "u"}, {}}, {});
  broker_.checkpoint();
  broker_.crash();
  EXPECT_EQ(rate("u", "c"), 8u);
}

TEST_F(QuotasTest, UseIsCounted) {
  put({{}, {QuotaName::Of::others}}, {{QuotaKind::read_rate, 100}});
  broker_.round([&] {
    auto quota = broker_->quotas().find(QuotaKind::read_rate, "u", "c");
    ASSERT_TRUE(quota);
    std::vector<Quotas::Outcome> outcomes;
    auto note = [&](Quotas::Outcome outcome) { outcomes.push_back(outcome); };
    broker_->quotas().try_use(*quota, 900, note);
    broker_->quotas().try_use(*quota, 900, note);
    broker_->quotas().use(*quota, 900, note);
    ASSERT_EQ(outcomes.size(), 3u);
    EXPECT_TRUE(outcomes[0].counted);
    EXPECT_EQ(outcomes[0].wait.count(), 0);
    EXPECT_FALSE(outcomes[1].counted);
    EXPECT_GT(outcomes[1].wait.count(), 0);
    EXPECT_TRUE(outcomes[2].counted);
    EXPECT_GT(outcomes[2].wait.count(), 0);
  });
}

}  // namespace
}  // namespace trv::broker
