// FetchSessions: fetches that go on. What a client reads is kept between its requests, so that each
// request names only what it changes and each answer only what is new (KIP-227).
//
// Owner: Service, on its core. A session is found on the core of the connection that opened it
// only; from elsewhere it is unknown, and clients then open another one.
//
// Invariants: at most count_max sessions that together take at most bytes_max; a session has at
// least one partition, unless it was opened with none; its epoch is that of the request that must
// come next, from 1 on.
//
// As in Kafka, a session outlives its connection. It goes when its client opens another one in its
// place, when its last partition is forgotten, or when room is needed: then the one that was unused
// for longest goes, when that is longer than `kept`, else the one with the fewest partitions, when
// it is older than `kept` and the new one has more. Without room there is no new session.
#pragma once

#include <cstdint>
#include <list>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "kafka/errors.h"
#include "kafka/handlers/fetch_topic.h"
#include "kafka/wire/fetch.gen.h"
#include "runtime/core.h"

namespace trv::kafka {

class FetchSessions {
 public:
  struct Limits {
    std::size_t count_max = 1000;
    std::size_t bytes_max = 32u << 20;
    std::chrono::milliseconds kept{120'000};
  };

  FetchSessions(std::uint32_t seed, Limits limits) : limits_(limits), random_(seed) {}

  // A session about what was asked for and `answer` tells. Its id; 0 when there is no room.
  std::int32_t open(const std::vector<FetchTopic>& asked, bool by_id,
                    const wire::FetchResponse& answer, runtime::SteadyTime now);
  void close(std::int32_t id);

  struct Changes {
    std::int32_t id = 0;
    std::int32_t epoch = 0;
    bool by_id = false;
    std::vector<FetchTopic> asked;      // new, or in another way than before
    std::vector<FetchTopic> forgotten;  // by the indexes of their partitions
  };
  // One request of a session.
  struct Step {
    ErrorCode error = ErrorCode::none;
    std::int32_t id = 0;  // 0: nothing was left of it, and it has ended
    std::int32_t epoch = 0;
    std::vector<FetchTopic> topics;  // all that is to be read
  };
  Step proceed(Changes changes, runtime::SteadyTime now);
  // Takes out of the answer to a step what its client knows already.
  ErrorCode settle(std::int32_t id, std::int32_t epoch, wire::FetchResponse& answer);

  std::size_t count() const { return sessions_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Partition {
    FetchPartition asked;
    // As the client was told.
    std::int64_t high_watermark = -1;
    std::int64_t log_start = -1;
  };
  // Both lists: what was read from goes to the end, so that all have their turn.
  struct Topic {
    std::string name;
    std::optional<wire::Uuid> id;
    std::list<Partition> partitions;
    std::unordered_map<std::int32_t, std::list<Partition>::iterator> by_index;
  };
  struct Session {
    bool by_id = false;
    std::int32_t epoch = 1;
    runtime::SteadyTime opened{};
    runtime::SteadyTime used{};
    std::size_t partition_count = 0;
    std::size_t bytes = 0;
    std::list<Topic> topics;
    std::unordered_map<std::string, std::list<Topic>::iterator> by_key;
  };
  using Sessions = std::unordered_map<std::int32_t, Session>;

  static std::string key_of(bool by_id, const std::string& name, const wire::Uuid& id);
  static std::string key_of(const Session& session, const FetchTopic& topic);
  static Partition* find(Session& session, const std::string& key, std::int32_t index);
  void add(Session& session, const FetchTopic& topic);
  void forget(Session& session, const FetchTopic& topic);
  void account(Session& session, std::ptrdiff_t bytes);
  void erase(Sessions::iterator it);
  bool make_room(std::size_t partition_count, std::size_t bytes, runtime::SteadyTime now);
  bool evict_for(std::size_t partition_count, runtime::SteadyTime now);
  static bool is_news(Partition& known, const wire::FetchResponse::Topic::Partition& told);

  Limits limits_;
  std::mt19937 random_;
  Sessions sessions_;
  std::size_t bytes_ = 0;  // of all
};

}  // namespace trv::kafka
