// GroupOffsets: how far each group has read each partition: the committed offsets of all groups of
// one shard, and those that wait for the end of a transaction.
//
// Owner: the broker, one per shard; durable. It changes only by apply() of a command that was
// journaled; replay calls the same. Commands are made by the encode_ functions below; their bytes
// are described in docs/formats/group-offsets.md. Source of the rules: KAFKA.md sections 7 and 9,
// KIP-447.
//
// Invariants:
//   - state == replay of the commands == restore(snapshot());
//   - a pending offset is invisible to find() until its transaction commits; while it waits,
//     is_unstable() says so, and readers that must not process twice wait;
//   - of two commits of one partition the one applied later wins, and a transactional commit counts
//     from when it was made, not from its marker;
//   - a group without offsets, pending offsets and members is not kept.
//
// The expectation of a transaction is volatile, as in model/producer_state.h: the coordinator
// announces each group that joins a transaction; after a restart it does so for all ongoing ones.
// A transactional commit without an announcement is refused, so that a delayed one cannot leave
// offsets pending for ever.
//
// Who may commit is decided by model/group.h. Pure: no I/O, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/change_feed.h"

namespace trv::model {

inline constexpr std::size_t offset_metadata_size_max = 4096;
inline constexpr std::size_t group_offsets_max = 1'000'000;  // partitions of one group

struct GroupPartition {
  std::string topic;
  PartitionIndex partition;
  auto operator<=>(const GroupPartition&) const = default;
};

struct GroupOffsetKey {
  std::string group;
  GroupPartition partition;
  auto operator<=>(const GroupOffsetKey&) const = default;
};

struct CommittedOffset {
  Offset offset{-1};
  std::int32_t leader_epoch = -1;
  std::string metadata;
  // Of the topic at the time of the commit, 0 if not known: a topic that was deleted and made again
  // under the same name has another one.
  TopicId topic_id;
  WallTime committed_at;
  std::uint64_t order = 0;  // grows with each applied commit of the shard
  bool operator==(const CommittedOffset&) const = default;
};

struct OffsetCommit {
  GroupPartition partition;
  Offset offset{-1};
  std::int32_t leader_epoch = -1;
  std::string metadata;
  TopicId topic_id;
};

class GroupOffsets {
 public:
  using Offsets = std::map<GroupPartition, CommittedOffset>;
  using Key = GroupOffsetKey;

  // Commands.
  static std::string encode_commit(std::string_view group,
                                   const std::vector<OffsetCommit>& commits);
  static std::string encode_pending(std::string_view group, ProducerId producer, std::int16_t epoch,
                                    const std::vector<OffsetCommit>& commits);
  // The marker of a transaction for one group.
  static std::string encode_end(std::string_view group, ProducerId producer, bool commit);
  static std::string encode_forget(std::string_view group,
                                   const std::vector<GroupPartition>& partitions);
  static std::string encode_forget_group(std::string_view group);
  // The group got its first member, or lost its last: its offsets age only while it is empty.
  static std::string encode_occupancy(std::string_view group, bool occupied);
  static std::string encode_feed(FeedStep step);

  // Errors: corrupt; nothing is changed then.
  Status apply(ByteView command, WallTime now);

  // May a command with `count` more partitions be made for this group? Errors: overloaded.
  Status check_room(std::string_view group, std::size_t count) const;
  // May this producer leave pending offsets? Errors: invalid_state (the group is not in its
  // transaction), fenced (an older epoch).
  Status check_pending(std::string_view group, ProducerId producer, std::int16_t epoch) const;
  void expect_transaction(std::string_view group, ProducerId producer, std::int16_t epoch);

  // Null if there is none. Valid until the next apply().
  const CommittedOffset* find(std::string_view group, const GroupPartition& partition) const;
  // A transaction that has not ended holds a newer offset of this partition.
  bool is_unstable(std::string_view group, const GroupPartition& partition) const;
  // All committed offsets of the group; null if there are none. Valid until the next apply().
  const Offsets* offsets_of(std::string_view group) const;
  bool contains(std::string_view group) const { return groups_.contains(group); }
  std::vector<std::string> groups() const;
  // Groups whose last known state is "has members": after a restart the owner reports those that
  // stay away as no longer occupied.
  std::vector<std::string> occupied_groups() const;

  struct Expired {
    std::string group;
    std::vector<GroupPartition> partitions;
  };
  // What to forget now: offsets of groups without members, not committed for `retention` and not
  // before the group has been empty for as long.
  std::vector<Expired> expired(WallTime now, std::chrono::milliseconds retention) const;

  // Of the committed offsets, pending ones apart.
  const ChangeFeed<Key>& changes() const { return changes_; }

  std::string snapshot() const;
  // Requires: *this is new. Errors: corrupt.
  Status restore(ByteView snapshot);

  // Expectations apart.
  bool operator==(const GroupOffsets& other) const;

 private:
  struct Pending {
    std::int16_t epoch = -1;
    Offsets offsets;
    bool operator==(const Pending&) const = default;
  };
  struct GroupState {
    Offsets offsets;
    std::map<ProducerId, Pending> pending;
    bool occupied = false;
    std::optional<WallTime> empty_since;  // none: never had members, or has some
    bool operator==(const GroupState&) const = default;
    bool unused() const { return offsets.empty() && pending.empty() && !occupied; }
  };
  struct Command;

  static Result<Command> decode(ByteView bytes);
  void apply_commits(Command& command, WallTime now);
  void apply_end(const Command& command);
  void apply_forget(const Command& command);
  void apply_feed(FeedStep step);
  void note_all(const std::string& group, const GroupState& state);
  void drop_if_unused(std::string_view group);

  std::map<std::string, GroupState, std::less<>> groups_;
  std::uint64_t next_order_ = 1;
  ChangeFeed<Key> changes_;
  std::map<std::pair<std::string, ProducerId>, std::int16_t> expected_;
};

}  // namespace trv::model
