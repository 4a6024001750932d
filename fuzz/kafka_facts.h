// KafkaFacts: what the clients of kafka_session_fuzz.cc know: the names that they use, and what the
// broker has told them of ids, epochs and members, so that what they ask goes on from there.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kafka_value.h"

namespace trv::fuzz {

inline constexpr std::size_t peers_max = 3;

struct LogName {
  std::string topic;
  std::int32_t partition;
  auto operator<=>(const LogName&) const = default;
};

// Of an idempotent or transactional producer.
struct Producer {
  std::string transactional_id;  // empty: it has none
  std::int64_t id = -1;
  std::int16_t epoch = -1;
  std::map<LogName, std::int32_t> next;  // sequences
  std::map<LogName, std::int32_t> last_count;
};

// One client in one group.
struct Member {
  std::string classic_id;
  std::int32_t generation = -1;
  std::string id = "";  // of groups that the broker assigns, and of share groups
  std::int32_t epoch = 0;
  std::int32_t share_session_epoch = 0;
  struct Acquired {
    LogName log;
    std::int64_t first;
    std::int64_t last;
  };
  std::vector<Acquired> acquired;
};

struct FetchSession {
  std::int32_t id = 0;
  std::int32_t epoch = 0;
};

struct KafkaFacts {
  std::array<std::string, 3> topics;
  std::array<std::string, 4> groups;
  std::array<Producer, 4> producers;  // the last two have transactional ids
  std::map<std::string, std::string> topic_ids;
  std::array<std::array<Member, 4>, peers_max> members;  // by peer and group
  std::array<FetchSession, peers_max> fetch_sessions;
  std::map<LogName, std::int64_t> ends;  // high watermarks
  std::set<std::string> expiring;        // topics with a retention
  std::int64_t now_ms = 0;
  std::uint64_t last_value = 0;

  const std::string& topic_id(const std::string& name) const {
    const auto found = topic_ids.find(name);
    return found == topic_ids.end() ? no_uuid() : found->second;
  }
  // Empty when it is not known.
  std::string topic_name(const std::string& id) const {
    for (const auto& [name, known] : topic_ids) {
      if (known == id) return name;
    }
    return {};
  }
  std::size_t group_index(const std::string& name) const {
    std::size_t index = 0;
    while (index < groups.size() && groups[index] != name) ++index;
    return index;
  }
  // Null when it is no transactional id of theirs.
  Producer* find_producer(const std::string& transactional_id) {
    for (Producer& producer : producers) {
      if (!transactional_id.empty() && producer.transactional_id == transactional_id) {
        return &producer;
      }
    }
    return nullptr;
  }
};

}  // namespace trv::fuzz
