// ShareSessions: what members of share groups read, kept between their requests, so that each names
// only what it changes (KIP-932).
//
// Owner: Service, on its core. A session is found on the core of the connection that opened it
// only; from elsewhere it is unknown, and the client opens another one. It ends with that
// connection.
//
// Invariants: at most count_max sessions; the epoch of a session is that of the request that must
// come next, from 1 on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "kafka/errors.h"
#include "kafka/wire/codec.h"

namespace trv::kafka {

struct ShareSessionTopic {
  wire::Uuid id;
  std::vector<std::int32_t> partitions;
};

class ShareSessions {
 public:
  static constexpr std::size_t count_max = 2000;
  static constexpr std::int32_t epoch_first = 0;
  static constexpr std::int32_t epoch_last = -1;

  // The group and the member.
  using Key = std::pair<std::string, std::string>;
  using Topics = std::vector<ShareSessionTopic>;

  // Takes the place of the member's session before. Errors: share_session_limit_reached.
  ErrorCode open(const Key& key, ConnectionId connection, const Topics& asked);
  // The request with this epoch. Errors: share_session_not_found, invalid_share_session_epoch.
  ErrorCode proceed(const Key& key, std::int32_t epoch);
  // Requires: there is one, and it was just opened or proceeded with.
  void change(const Key& key, const Topics& asked, const Topics& forgotten);
  // What is read, beginning each time with another topic and partition, so that all have their
  // turn. Requires: there is one.
  Topics next_turn(const Key& key);

  bool exists(const Key& key) const { return sessions_.contains(key); }
  // What was read; nothing when there is none.
  Topics close(const Key& key);
  std::vector<std::pair<Key, Topics>> close_all(ConnectionId connection);

 private:
  struct Session {
    ConnectionId connection;
    std::int32_t epoch = 1;
    Topics topics;
  };
  static void add(Session& session, const ShareSessionTopic& topic);
  static void forget(Session& session, const ShareSessionTopic& topic);

  std::map<Key, Session> sessions_;
};

}  // namespace trv::kafka
