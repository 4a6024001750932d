// Proves that a batch of a client is refused when it claims what only the broker may say, when it
// contradicts itself, or when it is too large; and is stored without any of that.
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "broker/broker_test_support.h"
#include "model/batch.h"

namespace trv::broker {
namespace {

using namespace model::batch_attributes;

constexpr std::size_t at_attributes = model::batch_crc_begin;
constexpr std::size_t at_last_offset_delta = at_attributes + 2;
constexpr std::size_t at_record_count = model::batch_header_size - 4;

class Admission : public ::testing::Test {
 protected:
  void SetUp() override {
    broker_.round([&] { ASSERT_TRUE(broker_->topics().create("t", {}).ok()); });
  }
  static std::string batch() {
    model::BatchBuilder builder;
    for (const char* value : {"a", "b"}) {
      builder.add(1000, std::nullopt, value, std::vector<model::Header>{});
    }
    return builder.take(Offset(0), 0);
  }
  template <class Integer>
  static std::string with(std::size_t position, Integer value) {
    std::string bytes = batch();
    store_be<Integer>(bytes.data() + position, value);
    store_be(bytes.data() + model::batch_crc_begin - 4,
             crc32c(0, ByteView(bytes).substr(model::batch_crc_begin)));
    return bytes;
  }
  std::optional<Errc> refusal(const std::string& bytes) {
    std::optional<Errc> code;
    broker_.round([&] {
      auto appended =
          broker_->topics().append_batch(*broker_->topics().find("t"), PartitionIndex(0), bytes);
      if (!appended) code = appended.error().code;
    });
    return code;
  }

  TestBroker broker_;
};

TEST_F(Admission, WhatOnlyTheBrokerMaySayIsRefused) {
  EXPECT_EQ(refusal(with(at_attributes, std::int16_t{0})), std::nullopt);
  EXPECT_EQ(refusal(with(at_attributes, std::int16_t{control})), Errc::invalid_argument);
  EXPECT_EQ(refusal(with(at_attributes, std::int16_t{control | transactional})),
            Errc::invalid_argument);
  EXPECT_EQ(refusal(with(at_attributes, std::int16_t{delete_horizon})), Errc::invalid_argument);
  EXPECT_EQ(refusal(with(at_attributes, std::int16_t{append_time})), Errc::out_of_range);
  for (int origin : {1, 2, 3}) {
    auto attributes = static_cast<std::int16_t>(origin << origin_shift);
    EXPECT_EQ(refusal(with(at_attributes, attributes)), Errc::invalid_argument) << origin;
  }
}

TEST_F(Admission, CountsThatContradictEachOtherAreRefused) {
  for (std::int32_t delta : {-1, 0, 2, 1 << 30}) {
    EXPECT_EQ(refusal(with(at_last_offset_delta, delta)), Errc::invalid_argument) << delta;
  }
  for (std::int32_t count : {-1, 0, 1, 3, 1 << 30}) {
    EXPECT_EQ(refusal(with(at_record_count, count)), Errc::invalid_argument) << count;
  }
}

TEST_F(Admission, ABatchAboveTheTopicsLimitIsRefused) {
  const std::string bytes = batch();
  broker_.round([&] {
    Topic& topic = *broker_->topics().find("t");
    model::TopicSettings settings = Topics::settings(topic);
    settings.batch_size_max = static_cast<std::int32_t>(bytes.size()) - 1;
    ASSERT_TRUE(broker_->topics().change_settings(topic, settings).ok());
  });
  EXPECT_EQ(refusal(bytes), Errc::too_large);
}

}  // namespace
}  // namespace trv::broker
