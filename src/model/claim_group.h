// ClaimGroup: a cursor over a topic that remembers for every unsettled record who has it: the
// record was delivered to one consumer, which settles it, or from which another consumer may claim
// it. ClaimGroups: all such groups of one topic, and the commands that change them.
//
// Owner: the topic's Broker, on its core; dies with the topic. Pure: every change is a command of
// bytes that the broker journals and then hands to apply(); replay calls the same apply(), so
// state == replay(commands) always, and apply(snapshot) rebuilds it.
//
// Commands say what was decided. Which records exist, are idle long enough or come next is worked
// out by the caller from this state and the topic.
//
//   u8 op, sized group, then:              (sized = varint length and bytes; ids = see below)
//   1 create           position, varint entries read + 1 (0 = unknown)
//   2 set_position     position, varint entries read + 1
//   3 destroy
//   4 create_consumer  sized consumer
//   5 delete_consumer  sized consumer      its pending records are dropped
//   6 deliver          sized consumer, varint time ms, position, varint entries read + 1,
//                      u8 keep pending, ids
//                      moves the position; the ids become pending with count 1
//   7 redeliver        sized consumer, varint time ms, ids
//                      the consumer's own pending records were sent again: new time, count + 1
//   8 settle           ids                 no longer pending; unknown ids are ignored
//   9 claim            sized consumer, varint time ms, u8 mode, varint count, position (at least),
//   ids
//                      the ids now belong to the consumer; mode 0 keeps the count, 1 adds one, 2
//                      sets it; an id that was not pending begins with count 1
//  10 restore          sized consumer, varint seen ms, varint active ms + 1 (0 = never),
//                      varint n, n times (id, varint time ms, varint count)        (snapshots only)
//  11 release          u8 mode, varint count, ids
//                      nobody has the ids any more, and the next claim may take them; mode 0 keeps
//                      the count, 2 sets it, 3 takes one off unless it is 0; an id that was not
//                      pending begins with count 0
//  12 restore_released varint n, n times (id, varint count), in the order in which they were
//                      released                                                    (snapshots only)
//   position, id: varint ms, varint seq
//   ids: varint n, then n times: varint_signed ms difference to the id before (0-0 at first) and,
//        varint seq
//
// Invariants:
//   - an id in pending() has an owner and is in exactly that consumer's `pending` set, or it has
//     none and is in released();
//   - a count is at most delivery_count_max;
//   - consumers are created by the commands that name them.
// What only moves by observation is not journaled: note_seen() records that a consumer asked.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace trv::model {

class ClaimGroup {
 public:
  struct Consumer {
    WallTime seen;                   // asked for something
    std::optional<WallTime> active;  // was given something
    std::set<RecordId> pending;
  };
  // By name.
  using Consumers = std::map<std::string, Consumer, std::less<>>;

  struct Pending {
    const Consumers::value_type* owner = nullptr;  // null: it was released
    WallTime delivered;                            // last time; 0 when it was released
    std::uint64_t count = 0;                       // of deliveries
    std::uint64_t release = 0;                     // which one of the group's, when it was released
  };
  // What clients can still take for a number of theirs.
  static constexpr auto delivery_count_max =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

  // Everything up to this id was delivered.
  RecordId position() const { return position_; }
  // How many entries of the topic lie at or before the position; empty when that is not known.
  std::optional<std::uint64_t> entries_read() const { return entries_read_; }
  const std::map<RecordId, Pending>& pending() const { return pending_; }
  // What nobody has, by its Pending::release: first released, first in.
  const std::map<std::uint64_t, RecordId>& released() const { return released_; }
  // What somebody has, by the time of the last delivery, oldest first. Made by the first call and
  // kept up to date from then on, since few groups are asked.
  using ByTime = std::set<std::pair<WallTime, RecordId>>;
  const ByTime& pending_by_time() const;
  const Consumers& consumers() const { return consumers_; }
  // Null when there is none.
  const Consumer* find_consumer(ByteView name) const;
  const Pending* find_pending(RecordId id) const;

 private:
  friend class ClaimGroups;
  Consumers::iterator consumer(ByteView name, WallTime now);
  void assign(RecordId id, Consumers::iterator owner, WallTime delivered, std::uint64_t count);
  void release(RecordId id, std::uint64_t count);
  // The entry, which nobody has any more; made when it is missing.
  Pending& detached(RecordId id);
  void detach(RecordId id, const Pending& pending);
  void settle(RecordId id);
  void deliver_again(RecordId id, WallTime delivered);
  void forget(Consumers::iterator consumer);

  RecordId position_;
  std::optional<std::uint64_t> entries_read_;
  std::map<RecordId, Pending> pending_;
  std::map<std::uint64_t, RecordId> released_;
  std::uint64_t releases_ = 0;  // that were made
  mutable std::optional<ByTime> by_time_;
  Consumers consumers_;
};

class ClaimGroups {
 public:
  using Map = std::map<std::string, ClaimGroup, std::less<>>;

  const ClaimGroup* find(ByteView group) const;
  const Map& all() const { return groups_; }
  bool empty() const { return groups_.empty(); }

  struct Position {
    RecordId id;
    std::optional<std::uint64_t> entries_read;
  };
  struct Delivery {
    ByteView consumer;
    WallTime time;
    Position position;  // of the group, after it
    bool keep_pending = true;
    std::span<const RecordId> ids;
  };
  enum class CountMode : std::uint8_t { keep = 0, raise = 1, set = 2, lower = 3 };
  struct Claim {
    ByteView consumer;
    WallTime delivered;
    CountMode mode = CountMode::raise;  // not lower
    std::uint64_t count = 0;            // for CountMode::set
    RecordId position_at_least;
    std::span<const RecordId> ids;
  };
  struct Release {
    CountMode mode = CountMode::keep;  // not raise
    std::uint64_t count = 0;           // for CountMode::set
    std::span<const RecordId> ids;
  };

  static void encode_create(std::string& out, ByteView group, Position position);
  static void encode_set_position(std::string& out, ByteView group, Position position);
  static void encode_destroy(std::string& out, ByteView group);
  static void encode_create_consumer(std::string& out, ByteView group, ByteView consumer);
  static void encode_delete_consumer(std::string& out, ByteView group, ByteView consumer);
  static void encode_deliver(std::string& out, ByteView group, const Delivery& delivery);
  static void encode_redeliver(std::string& out, ByteView group, ByteView consumer, WallTime time,
                               std::span<const RecordId> ids);
  static void encode_settle(std::string& out, ByteView group, std::span<const RecordId> ids);
  static void encode_claim(std::string& out, ByteView group, const Claim& claim);
  static void encode_release(std::string& out, ByteView group, const Release& release);

  // Errors: corrupt (not a command), not_found (no such group), already_exists (create). Nothing
  // changes then.
  Status apply(ByteView command, WallTime now);

  // Calls `sink` with the commands that rebuild this state in an empty ClaimGroups; each is small
  // (at most some 100 KiB and a name).
  void snapshot(const std::function<void(ByteView command)>& sink) const;

  // Not journaled. Nothing happens when there is no such group or consumer.
  void note_seen(ByteView group, ByteView consumer, WallTime now);

  bool test_consistent() const;

 private:
  Status apply_create(ByteReader& reader, ByteView group);
  Status apply_to(ClaimGroup& group, std::uint8_t op, ByteReader& reader, WallTime now);
  Status apply_consumer(ClaimGroup& group, std::uint8_t op, ByteReader& reader, WallTime now);
  Status apply_deliver(ClaimGroup& group, ByteReader& reader, WallTime now);
  Status apply_redeliver(ClaimGroup& group, ByteReader& reader, WallTime now);
  Status apply_claim(ClaimGroup& group, ByteReader& reader, WallTime now);
  Status apply_release(ClaimGroup& group, ByteReader& reader);
  Status apply_restore(ClaimGroup& group, ByteReader& reader);
  Status apply_restore_released(ClaimGroup& group, ByteReader& reader);

  Map groups_;
};

}  // namespace trv::model
