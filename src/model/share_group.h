// ShareGroup: the members of a group that read the same partitions together and acknowledge record
// by record: who is in it, and which partitions the broker gives to whom.
//
// Owner: the broker, on the shard of the group's name. Not durable: after a restart every member is
// unknown and joins again, and what was given out to it is ready again (model/share_cursor.h).
// ShareGroupRecords, which tells that the group exists and how it is set, is durable.
// Source of the rules: KAFKA.md section 10, KIP-932.
//
// Invariants:
//   - epoch() only grows: by one whenever members, subscriptions or topics change, and then all
//     targets are computed anew;
//   - a member has, at its epoch, what its target was then; it gets to the group's epoch with its
//     next heartbeat. Nothing needs to be given up first, since partitions are shared.
//
// Pure: no I/O, no clock. When a member is dead is seen by the broker, which then removes it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/consumer_heartbeat.h"

namespace trv::model {

inline constexpr std::size_t share_members_max = 200;
inline constexpr std::chrono::milliseconds share_heartbeat_interval{5'000};
inline constexpr std::chrono::milliseconds share_session_timeout{45'000};

struct ShareHeartbeat {
  static constexpr std::int32_t join = 0;
  static constexpr std::int32_t leave = -1;

  std::string member_id;
  std::int32_t epoch = join;  // as the member knows it, or one of the above
  std::optional<std::string> rack_id;
  std::string client_id;
  std::string client_host;
  std::optional<std::vector<std::string>> topics;  // ascending; absent: unchanged
};

struct ShareMember {
  std::optional<std::string> rack_id;
  std::string client_id;
  std::string client_host;
  std::vector<std::string> topics;
  std::int32_t epoch = 0;
  std::int32_t previous_epoch = 0;
  TopicPartitions assigned;
};

struct ShareAnswer {
  GroupError error = GroupError::none;
  const char* message = "";                   // to go with the error
  std::int32_t epoch = 0;                     // of the member
  std::optional<TopicPartitions> assignment;  // absent: unchanged
};

class ShareGroup {
 public:
  using Members = std::map<std::string, ShareMember, std::less<>>;

  std::int32_t epoch() const { return epoch_; }
  const Members& members() const { return members_; }
  // Those subscribed to that exist, as of the last heartbeat.
  const KnownTopics& topics() const { return topics_; }
  std::string_view state_name() const { return members_.empty() ? "Empty" : "Stable"; }
  // All topics that members name.
  std::set<std::string, std::less<>> subscribed_names() const;

  // Requires: check_share_heartbeat() finds nothing. Errors: unknown_member, fenced_epoch,
  // group_full.
  ShareAnswer heartbeat(const ShareHeartbeat& request, const FoundTopics& found);
  // Unknown ones are passed over.
  void remove(const std::vector<std::string>& members);

 private:
  // Requires: something changed.
  void assign();
  bool refresh_topics(const FoundTopics& found);

  std::int32_t epoch_ = 0;
  Members members_;
  KnownTopics topics_;
  std::map<std::string, TopicPartitions, std::less<>> targets_;
};

// What is wrong with the request, whatever the group; none if nothing.
ShareAnswer check_share_heartbeat(const ShareHeartbeat& request);

// Which share groups there are, and their settings as given. Durable: it changes only by apply() of
// a command that was journaled. Bytes: docs/formats/share-groups.md.
class ShareGroupRecords {
 public:
  // By the name under which they came, ascending.
  using Settings = std::map<std::string, std::string, std::less<>>;

  bool exists(std::string_view group) const;
  // Empty when nothing was set; settings may come before their group, and stay when it goes.
  const Settings& settings(std::string_view group) const;
  std::vector<std::string> names() const;  // of those that exist
  std::vector<std::string> names_with_settings() const;
  bool empty() const { return records_.empty(); }

  static std::string encode_create(std::string_view group);
  static std::string encode_forget(std::string_view group);
  // They take the place of those before.
  static std::string encode_settings(std::string_view group, const Settings& settings);

  // Errors: corrupt; nothing is changed then.
  Status apply(ByteView command);

  std::string snapshot() const;
  // Requires: *this is new. Errors: corrupt.
  Status restore(ByteView snapshot);

  bool operator==(const ShareGroupRecords&) const = default;

 private:
  struct Record {
    bool exists = false;
    Settings settings;
    bool operator==(const Record&) const = default;
  };
  std::map<std::string, Record, std::less<>> records_;
};

}  // namespace trv::model
