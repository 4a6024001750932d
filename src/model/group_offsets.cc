#include "model/group_offsets.h"

#include <algorithm>

#include "base/mutant.h"

namespace trv::model {

namespace {

// First byte of each command; numbers are never used again for something else.
enum class Kind : std::uint8_t {
  commit = 1,
  pending = 2,
  end = 3,
  forget = 4,
  forget_group = 5,
  occupancy = 6,
  feed = 7,
};
constexpr std::uint8_t snapshot_version = 2;
// Without the changes.
constexpr std::uint8_t snapshot_version_unfollowed = 1;

ByteWriter begin(std::string& bytes, Kind kind, std::string_view group) {
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(kind));
  out.sized(group);
  return out;
}

void write_partition(ByteWriter& out, const GroupPartition& partition) {
  out.sized(partition.topic);
  out.varint_signed(partition.partition.value);
}

GroupPartition read_partition(ByteReader& in) {
  GroupPartition partition;
  partition.topic = in.sized();
  partition.partition = PartitionIndex{static_cast<std::int32_t>(in.varint_signed())};
  return partition;
}

void write_commits(ByteWriter& out, const std::vector<OffsetCommit>& commits) {
  out.varint(commits.size());
  for (const OffsetCommit& commit : commits) {
    write_partition(out, commit.partition);
    out.varint_signed(commit.offset.value);
    out.varint_signed(commit.leader_epoch);
    out.varint(commit.topic_id.value);
    out.sized(commit.metadata);
  }
}

OffsetCommit read_commit(ByteReader& in) {
  OffsetCommit commit;
  commit.partition = read_partition(in);
  commit.offset = Offset{in.varint_signed()};
  commit.leader_epoch = static_cast<std::int32_t>(in.varint_signed());
  commit.topic_id = TopicId{in.varint()};
  commit.metadata = in.sized();
  return commit;
}

void write_offsets(ByteWriter& out, const GroupOffsets::Offsets& offsets) {
  out.varint(offsets.size());
  for (const auto& [partition, committed] : offsets) {
    write_partition(out, partition);
    out.varint_signed(committed.offset.value);
    out.varint_signed(committed.leader_epoch);
    out.varint(committed.topic_id.value);
    out.sized(committed.metadata);
    out.varint_signed(committed.committed_at.ms);
    out.varint(committed.order);
  }
}

GroupOffsets::Offsets read_offsets(ByteReader& in) {
  GroupOffsets::Offsets offsets;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    OffsetCommit commit = read_commit(in);
    CommittedOffset committed;
    committed.offset = commit.offset;
    committed.leader_epoch = commit.leader_epoch;
    committed.topic_id = commit.topic_id;
    committed.metadata = std::move(commit.metadata);
    committed.committed_at = WallTime{in.varint_signed()};
    committed.order = in.varint();
    offsets.emplace(std::move(commit.partition), std::move(committed));
  }
  return offsets;
}

}  // namespace

struct GroupOffsets::Command {
  Kind kind{};
  std::string group;
  ProducerId producer{-1};
  std::int16_t epoch = -1;
  bool flag = false;  // end: commit; occupancy: occupied
  std::vector<OffsetCommit> commits;
  std::vector<GroupPartition> partitions;
  FeedStep step;
};

std::string GroupOffsets::encode_commit(std::string_view group,
                                        const std::vector<OffsetCommit>& commits) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::commit, group);
  write_commits(out, commits);
  return bytes;
}

std::string GroupOffsets::encode_pending(std::string_view group, ProducerId producer,
                                         std::int16_t epoch,
                                         const std::vector<OffsetCommit>& commits) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::pending, group);
  out.varint_signed(producer.value);
  out.varint_signed(epoch);
  write_commits(out, commits);
  return bytes;
}

std::string GroupOffsets::encode_end(std::string_view group, ProducerId producer, bool commit) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::end, group);
  out.varint_signed(producer.value);
  out.u8(commit ? 1 : 0);
  return bytes;
}

std::string GroupOffsets::encode_forget(std::string_view group,
                                        const std::vector<GroupPartition>& partitions) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::forget, group);
  out.varint(partitions.size());
  for (const GroupPartition& partition : partitions) write_partition(out, partition);
  return bytes;
}

std::string GroupOffsets::encode_forget_group(std::string_view group) {
  std::string bytes;
  begin(bytes, Kind::forget_group, group);
  return bytes;
}

std::string GroupOffsets::encode_occupancy(std::string_view group, bool occupied) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::occupancy, group);
  out.u8(occupied ? 1 : 0);
  return bytes;
}

std::string GroupOffsets::encode_feed(FeedStep step) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::feed, "");
  write_feed_step(out, step);
  return bytes;
}

Result<GroupOffsets::Command> GroupOffsets::decode(ByteView bytes) {
  ByteReader in(bytes);
  Command command;
  command.kind = static_cast<Kind>(in.u8());
  command.group = in.sized();
  switch (command.kind) {
    case Kind::pending:
      command.producer = ProducerId{in.varint_signed()};
      command.epoch = static_cast<std::int16_t>(in.varint_signed());
      [[fallthrough]];
    case Kind::commit:
      // The count is only believed as far as the bytes reach.
      for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
        command.commits.push_back(read_commit(in));
      }
      break;
    case Kind::end:
      command.producer = ProducerId{in.varint_signed()};
      command.flag = in.u8() != 0;
      break;
    case Kind::forget:
      for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
        command.partitions.push_back(read_partition(in));
      }
      break;
    case Kind::forget_group:
      break;
    case Kind::occupancy:
      command.flag = in.u8() != 0;
      break;
    case Kind::feed:
      command.step = read_feed_step(in);
      break;
    default:
      in.fail();
  }
  if (!in.done()) return Error{Errc::corrupt, "group offsets: damaged or unknown command"};
  return command;
}

Status GroupOffsets::apply(ByteView bytes, WallTime now) {
  auto decoded = decode(bytes);
  if (!decoded) return decoded.error();
  Command& command = *decoded;
  switch (command.kind) {
    case Kind::commit:
    case Kind::pending:
      apply_commits(command, now);
      break;
    case Kind::end:
      apply_end(command);
      break;
    case Kind::forget:
    case Kind::forget_group:
      apply_forget(command);
      break;
    case Kind::feed:
      apply_feed(command.step);
      return {};
    case Kind::occupancy: {
      // An empty group that holds nothing need not be known.
      auto it = groups_.find(command.group);
      if (it == groups_.end() && !command.flag) break;
      GroupState& state = groups_[command.group];
      state.occupied = command.flag;
      state.empty_since = command.flag ? std::nullopt : std::optional(now);
      break;
    }
  }
  drop_if_unused(command.group);
  return {};
}

void GroupOffsets::apply_commits(Command& command, WallTime now) {
  GroupState& state = groups_[command.group];
  Offsets* target = &state.offsets;
  if (command.kind == Kind::pending && !TRV_MUTANT(pending_offset_commit_shown)) {
    Pending& pending = state.pending[command.producer];
    pending.epoch = command.epoch;
    target = &pending.offsets;
  }
  for (OffsetCommit& commit : command.commits) {
    CommittedOffset committed;
    committed.offset = commit.offset;
    committed.leader_epoch = commit.leader_epoch;
    committed.metadata = std::move(commit.metadata);
    committed.topic_id = commit.topic_id;
    committed.committed_at = now;
    committed.order = next_order_++;
    if (target == &state.offsets) changes_.note({command.group, commit.partition});
    target->insert_or_assign(std::move(commit.partition), std::move(committed));
  }
}

void GroupOffsets::apply_end(const Command& command) {
  expected_.erase({command.group, command.producer});
  auto it = groups_.find(command.group);
  if (it == groups_.end()) return;
  auto pending = it->second.pending.extract(command.producer);
  if (pending.empty() || !command.flag) return;
  for (auto& [partition, committed] : pending.mapped().offsets) {
    auto [present, added] = it->second.offsets.try_emplace(partition, committed);
    if (!added && present->second.order > committed.order) continue;
    present->second = committed;
    changes_.note({command.group, partition});
  }
}

void GroupOffsets::apply_forget(const Command& command) {
  auto it = groups_.find(command.group);
  if (it == groups_.end()) return;
  if (command.kind == Kind::forget_group) {
    note_all(it->first, it->second);
    groups_.erase(it);
    return;
  }
  for (const GroupPartition& partition : command.partitions) {
    const bool there = it->second.offsets.erase(partition) > 0;
    if (there && !TRV_MUTANT(forgotten_offset_not_told)) changes_.note({command.group, partition});
  }
}

void GroupOffsets::apply_feed(FeedStep step) {
  changes_.apply(step);
  if (step.kind != FeedStep::Kind::begin) return;
  for (const auto& [group, state] : groups_) note_all(group, state);
}

void GroupOffsets::note_all(const std::string& group, const GroupState& state) {
  if (!changes_.is_followed()) return;
  for (const auto& [partition, committed] : state.offsets) changes_.note({group, partition});
}

void GroupOffsets::drop_if_unused(std::string_view group) {
  auto it = groups_.find(group);
  if (it != groups_.end() && it->second.unused()) groups_.erase(it);
}

Status GroupOffsets::check_room(std::string_view group, std::size_t count) const {
  auto it = groups_.find(group);
  std::size_t present = it == groups_.end() ? 0 : it->second.offsets.size();
  if (it != groups_.end()) {
    for (const auto& [producer, pending] : it->second.pending) present += pending.offsets.size();
  }
  if (present + count <= group_offsets_max) return {};
  return Error{Errc::overloaded, "too many partitions committed by one group"};
}

Status GroupOffsets::check_pending(std::string_view group, ProducerId producer,
                                   std::int16_t epoch) const {
  auto state = groups_.find(group);
  if (state != groups_.end()) {
    auto pending = state->second.pending.find(producer);
    if (pending != state->second.pending.end() && epoch < pending->second.epoch) {
      return Error{Errc::fenced, "offsets of an older producer epoch"};
    }
  }
  auto it = expected_.find({std::string(group), producer});
  if (it == expected_.end() || it->second > epoch) {
    bool older = it != expected_.end();
    return Error{older ? Errc::fenced : Errc::invalid_state,
                 "the group is not in the producer's transaction"};
  }
  if (it->second == epoch) return {};
  return Error{Errc::invalid_state, "the group is not in the producer's transaction"};
}

void GroupOffsets::expect_transaction(std::string_view group, ProducerId producer,
                                      std::int16_t epoch) {
  auto [it, added] = expected_.try_emplace({std::string(group), producer}, epoch);
  if (!added) it->second = std::max(it->second, epoch);
}

const CommittedOffset* GroupOffsets::find(std::string_view group,
                                          const GroupPartition& partition) const {
  const Offsets* offsets = offsets_of(group);
  if (offsets == nullptr) return nullptr;
  auto it = offsets->find(partition);
  return it == offsets->end() ? nullptr : &it->second;
}

bool GroupOffsets::is_unstable(std::string_view group, const GroupPartition& partition) const {
  auto it = groups_.find(group);
  if (it == groups_.end()) return false;
  return std::any_of(
      it->second.pending.begin(), it->second.pending.end(),
      [&](const auto& pending) { return pending.second.offsets.contains(partition); });
}

const GroupOffsets::Offsets* GroupOffsets::offsets_of(std::string_view group) const {
  auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : &it->second.offsets;
}

std::vector<std::string> GroupOffsets::groups() const {
  std::vector<std::string> names;
  names.reserve(groups_.size());
  for (const auto& [name, state] : groups_) names.push_back(name);
  return names;
}

std::vector<std::string> GroupOffsets::occupied_groups() const {
  std::vector<std::string> names;
  for (const auto& [name, state] : groups_) {
    if (state.occupied) names.push_back(name);
  }
  return names;
}

std::vector<GroupOffsets::Expired> GroupOffsets::expired(
    WallTime now, std::chrono::milliseconds retention) const {
  std::vector<Expired> all;
  std::int64_t limit = now.ms - retention.count();
  for (const auto& [name, state] : groups_) {
    if (state.occupied) continue;
    if (state.empty_since && state.empty_since->ms > limit) continue;
    Expired expired{name, {}};
    for (const auto& [partition, committed] : state.offsets) {
      if (committed.committed_at.ms <= limit && !is_unstable(name, partition)) {
        expired.partitions.push_back(partition);
      }
    }
    if (!expired.partitions.empty()) all.push_back(std::move(expired));
  }
  return all;
}

bool GroupOffsets::operator==(const GroupOffsets& other) const {
  return groups_ == other.groups_ && next_order_ == other.next_order_ && changes_ == other.changes_;
}

std::string GroupOffsets::snapshot() const {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(snapshot_version);
  out.varint(next_order_);
  out.varint(groups_.size());
  for (const auto& [name, state] : groups_) {
    out.sized(name);
    out.u8(static_cast<std::uint8_t>((state.occupied ? 1 : 0) | (state.empty_since ? 2 : 0)));
    if (state.empty_since) out.varint_signed(state.empty_since->ms);
    write_offsets(out, state.offsets);
    out.varint(state.pending.size());
    for (const auto& [producer, pending] : state.pending) {
      out.varint_signed(producer.value);
      out.varint_signed(pending.epoch);
      write_offsets(out, pending.offsets);
    }
  }
  changes_.write(out, [](ByteWriter& to, const Key& key) {
    to.sized(key.group);
    write_partition(to, key.partition);
  });
  return bytes;
}

Status GroupOffsets::restore(ByteView snapshot) {
  ByteReader in(snapshot);
  const std::uint8_t version = in.u8();
  if (version != snapshot_version && version != snapshot_version_unfollowed) {
    return Error{Errc::corrupt, "group offsets: unknown snapshot version"};
  }
  GroupOffsets fresh;
  fresh.next_order_ = in.varint();
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    GroupState& state = fresh.groups_[std::string(in.sized())];
    std::uint8_t flags = in.u8();
    state.occupied = (flags & 1) != 0;
    if ((flags & 2) != 0) state.empty_since = WallTime{in.varint_signed()};
    state.offsets = read_offsets(in);
    for (std::uint64_t producers = in.varint(); producers > 0 && in.ok(); --producers) {
      ProducerId producer{in.varint_signed()};
      Pending& pending = state.pending[producer];
      pending.epoch = static_cast<std::int16_t>(in.varint_signed());
      pending.offsets = read_offsets(in);
    }
  }
  if (version == snapshot_version) {
    fresh.changes_.read(in, [](ByteReader& from) {
      std::string group(from.sized());
      return Key{std::move(group), read_partition(from)};
    });
  }
  if (!in.done()) return Error{Errc::corrupt, "group offsets: damaged snapshot"};
  *this = std::move(fresh);
  return {};
}

}  // namespace trv::model
