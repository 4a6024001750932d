#include "model/claim_group.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"

namespace trv::model {

namespace {

enum Op : std::uint8_t {
  op_create = 1,
  op_set_position = 2,
  op_destroy = 3,
  op_create_consumer = 4,
  op_delete_consumer = 5,
  op_deliver = 6,
  op_redeliver = 7,
  op_settle = 8,
  op_claim = 9,
  op_restore = 10,
  op_release = 11,
  op_restore_released = 12,
};

// Pending records in one command of a snapshot.
constexpr std::size_t restore_pending_max = 4096;

Error corrupt(const char* what) { return {Errc::corrupt, std::string("group command: ") + what}; }

void begin(ByteWriter& writer, Op op, ByteView group) {
  writer.u8(op);
  writer.sized(group);
}

void write_time(ByteWriter& writer, WallTime time) {
  writer.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(time.ms, 0)));
}
WallTime read_time(ByteReader& reader) {
  constexpr auto ms_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return {static_cast<std::int64_t>(std::min(reader.varint(), ms_max))};
}

void write_id(ByteWriter& writer, RecordId id) {
  writer.varint(id.ms);
  writer.varint(id.seq);
}
RecordId read_id(ByteReader& reader) {
  std::uint64_t ms = reader.varint();
  return {ms, reader.varint()};
}

void write_position(ByteWriter& writer, const ClaimGroups::Position& position) {
  write_id(writer, position.id);
  writer.varint(position.entries_read ? *position.entries_read + 1 : 0);
}
ClaimGroups::Position read_position(ByteReader& reader) {
  RecordId id = read_id(reader);
  std::uint64_t read = reader.varint();
  return {id, read ? std::optional(read - 1) : std::nullopt};
}

void write_ids(ByteWriter& writer, std::span<const RecordId> ids) {
  writer.varint(ids.size());
  std::uint64_t before = 0;
  for (RecordId id : ids) {
    writer.varint_signed(static_cast<std::int64_t>(id.ms - before));
    writer.varint(id.seq);
    before = id.ms;
  }
}
// Each id takes at least two bytes, so the claimed count is checked before anything is allocated.
std::vector<RecordId> read_ids(ByteReader& reader) {
  std::uint64_t count = reader.varint();
  std::vector<RecordId> ids;
  if (count > reader.remaining() / 2) {
    reader.fail();
    return ids;
  }
  ids.reserve(static_cast<std::size_t>(count));
  std::uint64_t ms = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    ms += static_cast<std::uint64_t>(reader.varint_signed());
    ids.push_back({ms, reader.varint()});
  }
  return ids;
}

}  // namespace

const ClaimGroup::Consumer* ClaimGroup::find_consumer(ByteView name) const {
  auto at = consumers_.find(name);
  return at == consumers_.end() ? nullptr : &at->second;
}

const ClaimGroup::Pending* ClaimGroup::find_pending(RecordId id) const {
  auto at = pending_.find(id);
  return at == pending_.end() ? nullptr : &at->second;
}

const ClaimGroup::ByTime& ClaimGroup::pending_by_time() const {
  if (!by_time_) {
    by_time_.emplace();
    for (const auto& [id, pending] : pending_) {
      if (pending.owner) by_time_->emplace(pending.delivered, id);
    }
  }
  return *by_time_;
}

ClaimGroup::Consumers::iterator ClaimGroup::consumer(ByteView name, WallTime now) {
  auto at = consumers_.find(name);
  if (at == consumers_.end()) {
    at = consumers_.emplace(std::string(name), Consumer{now, std::nullopt, {}}).first;
  }
  return at;
}

void ClaimGroup::detach(RecordId id, const Pending& pending) {
  if (!pending.owner) {
    released_.erase(pending.release);
    return;
  }
  consumers_.find(pending.owner->first)->second.pending.erase(id);
  if (by_time_) by_time_->erase({pending.delivered, id});
}

ClaimGroup::Pending& ClaimGroup::detached(RecordId id) {
  // New deliveries nearly always come in order: the hint makes them cheap.
  std::size_t before = pending_.size();
  Pending& pending = pending_.try_emplace(pending_.end(), id)->second;
  if (pending_.size() == before) detach(id, pending);
  return pending;
}

void ClaimGroup::assign(RecordId id, Consumers::iterator owner, WallTime delivered,
                        std::uint64_t count) {
  detached(id) = {&*owner, delivered, std::min(count, delivery_count_max), 0};
  if (by_time_) by_time_->emplace(delivered, id);
  owner->second.pending.insert(owner->second.pending.end(), id);
}

void ClaimGroup::release(RecordId id, std::uint64_t count) {
  detached(id) = {nullptr, {}, std::min(count, delivery_count_max), ++releases_};
  released_.emplace_hint(released_.end(), releases_, id);
}

void ClaimGroup::settle(RecordId id) {
  auto at = pending_.find(id);
  if (at == pending_.end()) return;
  detach(id, at->second);
  pending_.erase(at);
}

void ClaimGroup::deliver_again(RecordId id, WallTime delivered) {
  Pending& pending = pending_.at(id);
  if (by_time_) {
    by_time_->erase({pending.delivered, id});
    by_time_->emplace(delivered, id);
  }
  pending.delivered = delivered;
  pending.count = std::min(pending.count + 1, delivery_count_max);
}

void ClaimGroup::forget(Consumers::iterator consumer) {
  if (TRV_MUTANT(pending_outlives_its_consumer)) consumer->second.pending.clear();
  while (!consumer->second.pending.empty()) settle(*consumer->second.pending.begin());
  consumers_.erase(consumer);
}

const ClaimGroup* ClaimGroups::find(ByteView group) const {
  auto at = groups_.find(group);
  return at == groups_.end() ? nullptr : &at->second;
}

void ClaimGroups::encode_create(std::string& out, ByteView group, Position position) {
  ByteWriter writer(out);
  begin(writer, op_create, group);
  write_position(writer, position);
}

void ClaimGroups::encode_set_position(std::string& out, ByteView group, Position position) {
  ByteWriter writer(out);
  begin(writer, op_set_position, group);
  write_position(writer, position);
}

void ClaimGroups::encode_destroy(std::string& out, ByteView group) {
  ByteWriter writer(out);
  begin(writer, op_destroy, group);
}

void ClaimGroups::encode_create_consumer(std::string& out, ByteView group, ByteView consumer) {
  ByteWriter writer(out);
  begin(writer, op_create_consumer, group);
  writer.sized(consumer);
}

void ClaimGroups::encode_delete_consumer(std::string& out, ByteView group, ByteView consumer) {
  ByteWriter writer(out);
  begin(writer, op_delete_consumer, group);
  writer.sized(consumer);
}

void ClaimGroups::encode_deliver(std::string& out, ByteView group, const Delivery& delivery) {
  ByteWriter writer(out);
  begin(writer, op_deliver, group);
  writer.sized(delivery.consumer);
  write_time(writer, delivery.time);
  write_position(writer, delivery.position);
  writer.u8(delivery.keep_pending ? 1 : 0);
  write_ids(writer, delivery.ids);
}

void ClaimGroups::encode_redeliver(std::string& out, ByteView group, ByteView consumer,
                                   WallTime time, std::span<const RecordId> ids) {
  ByteWriter writer(out);
  begin(writer, op_redeliver, group);
  writer.sized(consumer);
  write_time(writer, time);
  write_ids(writer, ids);
}

void ClaimGroups::encode_settle(std::string& out, ByteView group, std::span<const RecordId> ids) {
  ByteWriter writer(out);
  begin(writer, op_settle, group);
  write_ids(writer, ids);
}

void ClaimGroups::encode_claim(std::string& out, ByteView group, const Claim& claim) {
  ByteWriter writer(out);
  begin(writer, op_claim, group);
  writer.sized(claim.consumer);
  write_time(writer, claim.delivered);
  writer.u8(static_cast<std::uint8_t>(claim.mode));
  writer.varint(claim.count);
  write_id(writer, claim.position_at_least);
  write_ids(writer, claim.ids);
}

void ClaimGroups::encode_release(std::string& out, ByteView group, const Release& release) {
  ByteWriter writer(out);
  begin(writer, op_release, group);
  writer.u8(static_cast<std::uint8_t>(release.mode));
  writer.varint(release.count);
  write_ids(writer, release.ids);
}

Status ClaimGroups::apply(ByteView command, WallTime now) {
  ByteReader reader(command);
  std::uint8_t op = reader.u8();
  ByteView name = reader.sized();
  if (!reader.ok()) return corrupt("short");
  if (op == op_create) return apply_create(reader, name);
  auto at = groups_.find(name);
  if (at == groups_.end()) return Error{Errc::not_found, "no such group"};
  if (op == op_destroy) {
    if (!reader.done()) return corrupt("long destroy");
    groups_.erase(at);
    return {};
  }
  return apply_to(at->second, op, reader, now);
}

Status ClaimGroups::apply_create(ByteReader& reader, ByteView group) {
  Position position = read_position(reader);
  if (!reader.done()) return corrupt("bad create");
  if (find(group)) return Error{Errc::already_exists, "the group exists"};
  ClaimGroup& created = groups_[std::string(group)];
  created.position_ = position.id;
  created.entries_read_ = position.entries_read;
  return {};
}

Status ClaimGroups::apply_to(ClaimGroup& group, std::uint8_t op, ByteReader& reader, WallTime now) {
  switch (op) {
    case op_set_position: {
      Position position = read_position(reader);
      if (!reader.done()) return corrupt("bad set_position");
      group.position_ = position.id;
      group.entries_read_ = position.entries_read;
      return {};
    }
    case op_settle: {
      std::vector<RecordId> ids = read_ids(reader);
      if (!reader.done()) return corrupt("bad settle");
      for (RecordId id : ids) group.settle(id);
      return {};
    }
    case op_create_consumer:
    case op_delete_consumer:
      return apply_consumer(group, op, reader, now);
    case op_deliver:
      return apply_deliver(group, reader, now);
    case op_redeliver:
      return apply_redeliver(group, reader, now);
    case op_claim:
      return apply_claim(group, reader, now);
    case op_release:
      return apply_release(group, reader);
    case op_restore:
      return apply_restore(group, reader);
    case op_restore_released:
      return apply_restore_released(group, reader);
    default:
      return corrupt("unknown operation");
  }
}

Status ClaimGroups::apply_consumer(ClaimGroup& group, std::uint8_t op, ByteReader& reader,
                                   WallTime now) {
  ByteView name = reader.sized();
  if (!reader.done()) return corrupt("bad consumer");
  if (op == op_create_consumer) {
    group.consumer(name, now);
    return {};
  }
  auto at = group.consumers_.find(name);
  if (at != group.consumers_.end()) group.forget(at);
  return {};
}

Status ClaimGroups::apply_deliver(ClaimGroup& group, ByteReader& reader, WallTime now) {
  ByteView name = reader.sized();
  WallTime time = read_time(reader);
  Position position = read_position(reader);
  bool keep_pending = reader.u8() != 0;
  std::vector<RecordId> ids = read_ids(reader);
  if (!reader.done()) return corrupt("bad deliver");
  auto consumer = group.consumer(name, now);
  consumer->second.seen = now;
  if (!ids.empty()) consumer->second.active = now;
  group.position_ = position.id;
  group.entries_read_ = position.entries_read;
  if (!keep_pending) return {};
  for (RecordId id : ids) group.assign(id, consumer, time, 1);
  return {};
}

Status ClaimGroups::apply_redeliver(ClaimGroup& group, ByteReader& reader, WallTime now) {
  ByteView name = reader.sized();
  WallTime time = read_time(reader);
  std::vector<RecordId> ids = read_ids(reader);
  if (!reader.done()) return corrupt("bad redeliver");
  auto consumer = group.consumer(name, now);
  consumer->second.seen = now;
  for (RecordId id : ids) {
    auto at = group.pending_.find(id);
    if (at == group.pending_.end() || at->second.owner != &*consumer) continue;
    group.deliver_again(id, time);
  }
  return {};
}

Status ClaimGroups::apply_claim(ClaimGroup& group, ByteReader& reader, WallTime now) {
  ByteView name = reader.sized();
  WallTime time = read_time(reader);
  std::uint8_t mode = reader.u8();
  std::uint64_t count = reader.varint();
  RecordId at_least = read_id(reader);
  std::vector<RecordId> ids = read_ids(reader);
  if (!reader.done() || mode > static_cast<std::uint8_t>(CountMode::set))
    return corrupt("bad claim");
  group.position_ = std::max(group.position_, at_least);
  if (TRV_MUTANT(group_last_id_goes_back)) group.position_ = at_least;
  auto consumer = group.consumer(name, now);
  consumer->second.seen = now;
  if (!ids.empty()) consumer->second.active = now;
  for (RecordId id : ids) {
    const ClaimGroup::Pending* before = group.find_pending(id);
    std::uint64_t next = before ? before->count : 1;
    if (mode == static_cast<std::uint8_t>(CountMode::raise)) ++next;
    if (mode == static_cast<std::uint8_t>(CountMode::set)) next = count;
    group.assign(id, consumer, time, next);
  }
  return {};
}

Status ClaimGroups::apply_release(ClaimGroup& group, ByteReader& reader) {
  std::uint8_t mode = reader.u8();
  std::uint64_t count = reader.varint();
  std::vector<RecordId> ids = read_ids(reader);
  const bool known = mode == static_cast<std::uint8_t>(CountMode::keep) ||
                     mode == static_cast<std::uint8_t>(CountMode::set) ||
                     mode == static_cast<std::uint8_t>(CountMode::lower);
  if (!reader.done() || !known) return corrupt("bad release");
  for (RecordId id : ids) {
    const ClaimGroup::Pending* before = group.find_pending(id);
    std::uint64_t next = before ? before->count : 0;
    if (mode == static_cast<std::uint8_t>(CountMode::set)) next = count;
    if (mode == static_cast<std::uint8_t>(CountMode::lower) && next > 0) --next;
    group.release(id, next);
  }
  return {};
}

Status ClaimGroups::apply_restore_released(ClaimGroup& group, ByteReader& reader) {
  std::uint64_t count = reader.varint();
  std::vector<std::pair<RecordId, std::uint64_t>> released;
  // Each takes at least three bytes.
  if (!reader.ok() || count > reader.remaining() / 3) return corrupt("bad restore_released");
  released.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    RecordId id = read_id(reader);
    released.emplace_back(id, reader.varint());
  }
  if (!reader.done()) return corrupt("bad restore_released");
  for (const auto& [id, deliveries] : released) group.release(id, deliveries);
  return {};
}

Status ClaimGroups::apply_restore(ClaimGroup& group, ByteReader& reader) {
  ByteView name = reader.sized();
  WallTime seen = read_time(reader);
  std::uint64_t active = reader.varint();
  std::uint64_t count = reader.varint();
  struct Restored {
    RecordId id;
    WallTime delivered;
    std::uint64_t count;
  };
  std::vector<Restored> pending;
  // Each takes at least four bytes.
  if (!reader.ok() || count > reader.remaining() / 4) return corrupt("bad restore");
  pending.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    RecordId id = read_id(reader);
    WallTime delivered = read_time(reader);
    pending.push_back({id, delivered, reader.varint()});
  }
  if (!reader.done()) return corrupt("bad restore");
  auto consumer = group.consumer(name, seen);
  consumer->second.seen = seen;
  consumer->second.active.reset();
  if (active) consumer->second.active = WallTime{static_cast<std::int64_t>(active - 1)};
  for (const Restored& one : pending) {
    group.assign(one.id, consumer, one.delivered, one.count);
  }
  return {};
}

namespace {

using PendingMap = std::map<RecordId, ClaimGroup::Pending>;

// One command for up to restore_pending_max ids from `at` on, which moves on.
void encode_restore(std::string& out, ByteView group, const std::string& name,
                    const ClaimGroup::Consumer& consumer, const PendingMap& pending,
                    std::set<RecordId>::const_iterator& at) {
  ByteWriter writer(out);
  begin(writer, op_restore, group);
  writer.sized(name);
  write_time(writer, consumer.seen);
  writer.varint(consumer.active ? static_cast<std::uint64_t>(consumer.active->ms) + 1 : 0);
  std::size_t count = 0;
  for (auto end = at; end != consumer.pending.end() && count < restore_pending_max; ++end) ++count;
  writer.varint(count);
  for (std::size_t i = 0; i < count; ++i, ++at) {
    const ClaimGroup::Pending& one = pending.at(*at);
    write_id(writer, *at);
    write_time(writer, one.delivered);
    writer.varint(one.count);
  }
}

using Released = std::map<std::uint64_t, RecordId>;

void encode_restore_released(std::string& out, ByteView group, const PendingMap& pending,
                             const Released& released, Released::const_iterator& at) {
  ByteWriter writer(out);
  begin(writer, op_restore_released, group);
  std::size_t count = 0;
  for (auto end = at; end != released.end() && count < restore_pending_max; ++end) ++count;
  writer.varint(count);
  for (std::size_t i = 0; i < count; ++i, ++at) {
    write_id(writer, at->second);
    writer.varint(pending.at(at->second).count);
  }
}

}  // namespace

void ClaimGroups::snapshot(const std::function<void(ByteView)>& sink) const {
  std::string command;
  for (const auto& [name, group] : groups_) {
    command.clear();
    encode_create(command, name, {group.position_, group.entries_read_});
    sink(command);
    for (const auto& [consumer_name, consumer] : group.consumers_) {
      auto at =
          TRV_MUTANT(pel_dropped_in_snapshot) ? consumer.pending.end() : consumer.pending.begin();
      do {
        command.clear();
        encode_restore(command, name, consumer_name, consumer, group.pending_, at);
        sink(command);
      } while (at != consumer.pending.end());
    }
    auto at =
        TRV_MUTANT(released_dropped_in_snapshot) ? group.released_.end() : group.released_.begin();
    while (at != group.released_.end()) {
      command.clear();
      encode_restore_released(command, name, group.pending_, group.released_, at);
      sink(command);
    }
  }
}

void ClaimGroups::note_seen(ByteView group, ByteView consumer, WallTime now) {
  auto at = groups_.find(group);
  if (at == groups_.end()) return;
  auto seen = at->second.consumers_.find(consumer);
  if (seen != at->second.consumers_.end()) seen->second.seen = now;
}

bool ClaimGroups::test_consistent() const {
  for (const auto& [name, group] : groups_) {
    std::size_t owned = 0;
    for (auto at = group.consumers_.begin(); at != group.consumers_.end(); ++at) {
      owned += at->second.pending.size();
      for (RecordId id : at->second.pending) {
        auto pending = group.pending_.find(id);
        if (pending == group.pending_.end() || pending->second.owner != &*at) return false;
      }
    }
    for (const auto& [release, id] : group.released_) {
      const ClaimGroup::Pending* pending = group.find_pending(id);
      if (!pending || pending->owner || pending->release != release) return false;
    }
    if (owned + group.released_.size() != group.pending_.size()) return false;
    if (!group.by_time_) continue;
    ClaimGroup::ByTime by_time;
    for (const auto& [id, pending] : group.pending_) {
      if (pending.owner) by_time.emplace(pending.delivered, id);
    }
    if (by_time != *group.by_time_) return false;
  }
  return true;
}

}  // namespace trv::model
