// Proves that every setting can be taken back to its default, and that nothing of it is left then.
#include "kafka/topic_config.h"

#include <gtest/gtest.h>

namespace trv::kafka {
namespace {

std::string encoded(const model::TopicSettings& settings) {
  std::string bytes;
  model::encode(settings, bytes);
  return bytes;
}

TEST(TopicConfig, EverySettingIsClearedWithoutTrace) {
  const std::string fresh = encoded({});
  for (const TopicConfig& config : topic_configs()) {
    model::TopicSettings settings;
    ASSERT_TRUE(apply_topic_config(settings, config.name, config.default_value)) << config.name;
    EXPECT_TRUE(topic_config_value(settings, config).given) << config.name;
    clear_topic_config(settings, config);
    EXPECT_FALSE(topic_config_value(settings, config).given) << config.name;
    EXPECT_EQ(encoded(settings), fresh) << config.name;
  }
}

TEST(TopicConfig, ClearedSettingsAreInForceNoMore) {
  model::TopicSettings settings;
  ASSERT_TRUE(apply_topic_config(settings, "retention.ms", "1000"));
  ASSERT_TRUE(apply_topic_config(settings, "max.message.bytes", "2000"));
  ASSERT_TRUE(apply_topic_config(settings, "message.timestamp.type", "LogAppendTime"));
  clear_topic_config(settings, *find_topic_config("retention.ms"));
  EXPECT_EQ(settings.retention_ms, -1);
  EXPECT_EQ(settings.batch_size_max, 2000);
  EXPECT_TRUE(settings.append_time);
  clear_topic_config(settings, *find_topic_config("message.timestamp.type"));
  clear_topic_config(settings, *find_topic_config("max.message.bytes"));
  EXPECT_FALSE(settings.append_time);
  EXPECT_EQ(settings.batch_size_max, 1048588);
  EXPECT_TRUE(settings.given.empty());
}

}  // namespace
}  // namespace trv::kafka
