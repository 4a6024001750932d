// Config: how this process runs; read once at the start and passed on as values.
// What each field means, and what it may be, says its row in options.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/log.h"

namespace trv::config {

struct Config {
  std::string data_dir;
  std::string bind;
  std::uint16_t amqp_port = 0;
  std::uint16_t redis_port = 0;
  std::uint16_t kafka_port = 0;
  std::uint16_t management_port = 0;
  std::string advertised_host;
  Durability durability = Durability::fsync;
  std::chrono::milliseconds sync_interval{};
  int shards = 1;  // cores; never 0 after load()
  std::uint32_t segment_size = 0;
  std::uint32_t message_size_max = 0;
  std::uint64_t disk_free_min = 0;
  std::uint64_t memory_limit = 0;  // never 0 after load()
  std::chrono::seconds send_timeout{};
  std::int32_t kafka_topic_partitions = 1;
  bool kafka_auto_create_topics = true;
  std::string redis_key_events;  // which keyspace notifications there are, in Redis's letters
  bool kafka_login_required = false;
  log::Level log_level = log::Level::info;
  std::string ports_file;
};

// The option's choice that means it.
std::string_view name_of(Durability durability);

}  // namespace trv::config
