// The option table agrees with itself, and load() honours precedence and names the source of what
// it refuses. Files are written into the test's own temporary directory.
#include "config/options.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace trv::config {
namespace {

const Environment no_environment = [](const char*) { return nullptr; };

std::string write_file(const std::string& text) {
  std::string path = ::testing::TempDir() + "trivium_options_test.toml";
  std::ofstream(path) << text;
  return path;
}

std::string refusal(const Flags& flags, const Environment& environment = no_environment) {
  Result<Config> loaded = load(flags, environment);
  return loaded ? "" : loaded.error().message;
}

TEST(Options, every_default_is_valid_and_every_name_unique) {
  for (const Option& option : options()) {
    EXPECT_TRUE(parse_value(option, option.default_value).ok()) << option.name;
    EXPECT_EQ(find_option(option.name), &option);
    EXPECT_NE(option.help.back(), '.') << option.name;
  }
}

TEST(Options, every_row_stores_into_a_field_of_its_own) {
  Config config = load({{"amqp-port", "1"},
                        {"redis-port", "2"},
                        {"kafka-port", "3"},
                        {"data-dir", "d"},
                        {"bind", "b"},
                        {"advertised-host", "a"},
                        {"durability", "os"},
                        {"sync-interval-ms", "4"},
                        {"shards", "5"},
                        {"segment-size", "8MiB"},
                        {"memory-limit", "1GiB"},
                        {"send-timeout-s", "7"},
                        {"message-size-max", "2048"},
                        {"kafka-topic-partitions", "6"},
                        {"kafka-auto-create-topics", "off"},
                        {"redis-notify-keyspace-events", "KEA"},
                        {"kafka-login", "required"},
                        {"log-level", "warn"},
                        {"ports-file", "p"}},
                       no_environment)
                      .value();
  EXPECT_EQ(config.amqp_port, 1);
  EXPECT_EQ(config.redis_port, 2);
  EXPECT_EQ(config.kafka_port, 3);
  EXPECT_EQ(config.data_dir, "d");
  EXPECT_EQ(config.bind, "b");
  EXPECT_EQ(config.advertised_host, "a");
  EXPECT_EQ(config.durability, Durability::os);
  EXPECT_EQ(config.sync_interval, std::chrono::milliseconds(4));
  EXPECT_EQ(config.shards, 5);
  EXPECT_EQ(config.segment_size, 8u << 20);
  EXPECT_EQ(config.message_size_max, 2048u);
  EXPECT_EQ(config.kafka_topic_partitions, 6);
  EXPECT_FALSE(config.kafka_auto_create_topics);
  EXPECT_EQ(config.redis_key_events, "KEA");
  EXPECT_TRUE(config.kafka_login_required);
  EXPECT_EQ(config.log_level, log::Level::warn);
  EXPECT_EQ(config.ports_file, "p");
  EXPECT_EQ(config.memory_limit, 1u << 30);
  EXPECT_EQ(config.send_timeout, std::chrono::seconds(7));
}

TEST(Options, defaults_are_safe) {
  Config config = load({}, no_environment).value();
  EXPECT_EQ(config.durability, Durability::fsync);
  EXPECT_EQ(config.bind, "127.0.0.1");
  EXPECT_TRUE(config.kafka_auto_create_topics) << "as Kafka's default";
  EXPECT_FALSE(config.kafka_login_required) << "as Kafka's default";
  EXPECT_GE(config.shards, 1);
  EXPECT_GE(config.memory_limit, 64u << 20);
  EXPECT_LE(config.memory_limit, 2ull << 30);
  EXPECT_EQ(config.send_timeout, std::chrono::minutes(5));
}

TEST(Options, flag_wins_over_environment_over_file) {
  std::string file =
      write_file("# ports\nredis-port = 3\nkafka-port = \"3\"\namqp-port = 3\nbind = \"::1\"\n");
  Environment environment = [](const char* name) -> const char* {
    std::string_view wanted = name;
    if (wanted == "TRIVIUM_AMQP_PORT" || wanted == "TRIVIUM_REDIS_PORT") return "2";
    return nullptr;
  };
  Config config = load({{"config", file}, {"amqp-port", "1"}}, environment).value();
  EXPECT_EQ(config.amqp_port, 1);
  EXPECT_EQ(config.redis_port, 2);
  EXPECT_EQ(config.kafka_port, 3);
  EXPECT_EQ(config.bind, "::1");
}

TEST(Options, refusals_name_their_source) {
  EXPECT_EQ(refusal({{"amqp-port", "70000"}}),
            "--amqp-port: '70000' is not a number from 0 to 65535");
  EXPECT_EQ(refusal({},
                    [](const char* name) {
                      return std::string_view(name) == "TRIVIUM_DURABILITY" ? "never" : nullptr;
                    }),
            "TRIVIUM_DURABILITY: 'never' is not one of fsync, interval, os, memory");
  std::string file = write_file("bind = \"::1\"\nshards = 1000\n");
  EXPECT_EQ(refusal({{"config", file}}), file + ":2: shards: '1000' is not a number from 0 to 256");
  file = write_file("\nprot = 1\n");
  EXPECT_EQ(refusal({{"config", file}}), file + ":2: there is no option 'prot'");
  file = write_file("shards = [1]\n");
  EXPECT_EQ(refusal({{"config", file}}),
            file + ":1: shards: the value must be a string or an integer");
  file = write_file("shards = = 1\n");
  EXPECT_EQ(refusal({{"config", file}}).rfind(file + ":1: ", 0), 0u);
  EXPECT_EQ(refusal({{"config", "/no/such/file"}}),
            "cannot read the configuration file /no/such/file: No such file or directory");
  EXPECT_EQ(refusal({{"segment-size", "16MiB"}}),
            "message-size-max: must not be more than half of segment-size");
  EXPECT_EQ(refusal({{"memory-limit", "63MiB"}}), "memory-limit: must not be less than 64MiB");
  EXPECT_EQ(refusal({{"data-dir", ""}}), "data-dir: the name is empty");
}

TEST(Options, sizes_have_units_and_limits) {
  const Option& option = *find_option("segment-size");
  EXPECT_EQ(std::get<std::int64_t>(parse_value(option, "8388608").value()), 8 << 20);
  EXPECT_EQ(std::get<std::int64_t>(parse_value(option, "1GiB").value()), 1 << 30);
  for (const char* bad : {"", "x", "1", "2GiB", "9MB", "-64MiB", "64MiBx", "9999999999999GiB"}) {
    EXPECT_FALSE(parse_value(option, bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace trv::config
