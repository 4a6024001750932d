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

TEST(TopicConfig, CodecsAndLevels) {
  using model::Compression;
  model::TopicSettings settings;
  const std::pair<std::string_view, std::optional<Compression>> words[] = {
      {"uncompressed", Compression::none}, {"gzip", Compression::gzip},
      {"snappy", Compression::snappy},     {"lz4", Compression::lz4},
      {"zstd", Compression::zstd},         {"producer", std::nullopt}};
  for (const auto& word : words) {
    ASSERT_TRUE(apply_topic_config(settings, "compression.type", word.first));
    EXPECT_EQ(settings.recompression.codec, word.second) << word.first;
  }
  ASSERT_TRUE(apply_topic_config(settings, "compression.type", "lz4"));
  ASSERT_TRUE(apply_topic_config(settings, "compression.lz4.level", "17"));
  ASSERT_TRUE(apply_topic_config(settings, "compression.zstd.level", "-7"));
  EXPECT_EQ(settings.recompression.level(), 17);
  ASSERT_TRUE(apply_topic_config(settings, "compression.lz4.level", "9"));
  EXPECT_EQ(settings.recompression.level(), std::nullopt);
  EXPECT_EQ(settings.recompression.levels.at(Compression::zstd), -7);
}

TEST(TopicConfig, BadValuesAreRefusedInKafkasWords) {
  const std::array<std::string_view, 3> rows[] = {
      {"compression.type", "bogus",
       "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
      {"compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"},
      {"compression.gzip.level", "10", "Value must be between 1 and 9 or equal to -1"},
      {"compression.lz4.level", "0", "Value must be at least 1"},
      {"compression.lz4.level", "18", "Value must be no more than 17"},
      {"compression.zstd.level", "-131073", "Value must be at least -131072"},
      {"compression.zstd.level", "high", "Not a number of type INT"},
      {"retention.ms", "soon", "Not a number of type LONG"},
      {"retention.ms", "-2", "Value must be at least -1"},
      {"segment.bytes", "4294967296", "Not a number of type INT"},
      {"min.cleanable.dirty.ratio", "2", "Value must be no more than 1"},
      {"min.cleanable.dirty.ratio", "half", "Not a number of type DOUBLE"},
      {"preallocate", "maybe", "Expected value to be either true or false"},
      {"cleanup.policy", "delete,shred", "String must be one of: compact, delete"},
      {"remote.storage.enable", "true", "This broker has no other value than the default"},
  };
  for (const auto& row : rows) {
    model::TopicSettings settings;
    Status applied = apply_topic_config(settings, row[0], row[1]);
    ASSERT_FALSE(applied.ok()) << row[0];
    EXPECT_TRUE(applied.error().message.starts_with("Invalid value ")) << applied.error().message;
    EXPECT_TRUE(applied.error().message.ends_with(": " + std::string(row[2])))
        << applied.error().message;
    EXPECT_TRUE(settings.given.empty());
  }
}

}  // namespace
}  // namespace trv::kafka
