// ShareCursor: how far a group whose members share partitions has got in one partition, record by
// record: a QueueCursor whose places are the offsets of the partition, and the locks under which
// records are out. ShareCursors: those of all groups over one topic, and the commands that change
// them.
//
// Owner: the topic's Broker, on its core; dies with the topic. What is settled, and how often what
// came back was delivered, is durable: it changes by commands that the broker journals and then
// hands to apply(); replay calls the same, and a snapshot rebuilds it. Locks die with the process:
// what was out is ready again.
//
//   ready --acquire()--> locked by a member, until a time
//   locked --settled (accepted, rejected, not there)--> done
//   locked --renewed--> locked by the same member, until a later time
//   locked --released, or its time is up--> ready, one delivery more; with deliveries_max: done
//
// Commands: u8 op, sized group, then
//   1 start     varint partition, varint_signed offset: everything before it is settled, nothing
//               after it; takes the place of whatever there was
//   2 outcomes  varint partition, then to the end per range, ascending: varint distance from the
//               end of the one before (the first: from 0), varint length, varint deliveries of what
//               is ready again (0: settled)
//   3 forget    the group, in all partitions
//   4 restore   varint partition, sized QueueCursor state, then ranges as in 2   (snapshots only)
//
// Invariants: a record that is out has a lock, and at most locked_max are out in a partition.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/group.h"
#include "model/queue_cursor.h"

namespace trv::model {

// What becomes of the records at [first, end).
struct ShareOutcome {
  Offset first;
  Offset end;
  std::uint32_t deliveries = 0;  // of what is ready again; 0: settled
  bool operator==(const ShareOutcome&) const = default;
};
using ShareOutcomes = std::vector<ShareOutcome>;  // ascending

class ShareCursor {
 public:
  static constexpr std::size_t locked_max = 2000;
  static constexpr std::uint32_t deliveries_max = 5;

  explicit ShareCursor(Offset start) : places_(Sequence(start.value)) {}

  // Everything below is settled.
  Offset start() const { return Offset(places_.floor().value); }
  // Nothing from here on was given out.
  Offset next() const { return Offset(places_.next().value); }
  std::size_t locked_count() const { return places_.outstanding_count(); }
  // How many of [first, end) are not settled.
  std::uint64_t unsettled_count(Offset first, Offset end) const;
  // What is known of the records from start() on: which are settled, and how often others were
  // delivered that are not. Ascending; of the rest nothing is known.
  ShareOutcomes history() const;
  // The first that could be locked below `end`.
  std::optional<Offset> first_ready(Offset end) const;

  // The log begins here now.
  void trim(Offset log_start) { places_.apply_settle_below(Sequence(log_start.value)); }
  // At what is ready of [first, end) there is nothing that a member could get. Not journaled: it is
  // found out again after a restart.
  void pass_over(Offset first, Offset end);

  using LockId = ConsumerId;
  struct Acquired {
    Offset first;
    Offset last;
    std::uint32_t deliveries = 1;  // this one included
    bool operator==(const Acquired&) const = default;
  };
  LockId open_lock(std::string_view member, Moment until);
  // Locks what is ready of [first, end), `count_max` at most, and appends it to `acquired` in
  // ranges of at most `range_max`. Result: how many.
  std::size_t acquire(LockId lock, Offset first, Offset end, std::size_t count_max,
                      std::size_t range_max, std::vector<Acquired>& acquired);
  // Nothing more comes to it.
  void close_lock(LockId lock);
  std::optional<Moment> next_deadline() const;

  // What a member says about [first, end).
  struct Ack {
    Offset first;
    Offset end;
    enum class As : std::uint8_t { settled, released, renewed } as = As::settled;
  };
  // Nothing when one of them is not locked by the member; those below start() are passed over.
  // `acks` ascending.
  std::optional<ShareOutcomes> outcomes_of(std::string_view member,
                                           std::span<const Ack> acks) const;
  // What `acks` renew is locked until then; the others are passed over. Requires: outcomes_of()
  // took them, and those were applied.
  void renew(std::string_view member, std::span<const Ack> acks, Moment until);
  // Everything that the member has comes back.
  ShareOutcomes outcomes_of_leaving(std::string_view member) const;
  ShareOutcomes outcomes_of_overdue(Moment now) const;
  // After those were applied; or, when that was not possible, to try it again.
  void forget_overdue(Moment now);
  void postpone_overdue(Moment now, Moment until);

  void apply(std::span<const ShareOutcome> outcomes);
  void encode_state(std::string& out) const;
  bool restore_state(ByteView bytes);

 private:
  struct Lock {
    std::string member;
    Moment until;
    std::size_t count = 0;  // of what is out under it; too high after trim()
  };
  // One record less is out under the lock.
  void leave_lock(LockId lock);
  // One record that comes back.
  static void add_returned(ShareOutcomes& outcomes, Sequence at, const Outstanding& out);
  ShareOutcomes deliveries() const;
  ShareOutcomes returned(const std::function<bool(const Lock&)>& chosen) const;

  QueueCursor places_;
  std::map<LockId, Lock> locks_;
  std::uint64_t next_lock_ = 1;
};

class ShareCursors {
 public:
  using Partitions = std::map<std::int32_t, ShareCursor>;
  using Groups = std::map<std::string, Partitions, std::less<>>;

  const Groups& all() const { return groups_; }
  bool empty() const { return groups_.empty(); }
  // Null when the group has not begun with the partition.
  ShareCursor* find(std::string_view group, PartitionIndex partition);

  static std::string encode_start(std::string_view group, PartitionIndex partition, Offset offset);
  static std::string encode_outcomes(std::string_view group, PartitionIndex partition,
                                     std::span<const ShareOutcome> outcomes);
  static std::string encode_forget(std::string_view group);

  // Told of each cursor that has changed or is gone.
  using Changed = std::function<void(std::string_view group, PartitionIndex partition)>;
  // Errors: corrupt. Outcomes of what does not exist are passed over.
  Status apply(ByteView command, const Changed& changed = {});
  // Calls `sink` with the commands that rebuild this state in an empty ShareCursors.
  void snapshot(const std::function<void(ByteView command)>& sink) const;

 private:
  Groups groups_;
};

}  // namespace trv::model
