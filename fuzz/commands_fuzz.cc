// The journaled commands and snapshots of the group, transaction, producer and key models under
// arbitrary bytes: refused or applied, never a crash, and a state that they lead to survives its
// own snapshot.
#include <cstdint>
#include <set>
#include <string>

#include "base/assert.h"
#include "model/added_once.h"
#include "model/claim_group.h"
#include "model/consumer_group.h"
#include "model/group_offsets.h"
#include "model/keyspace.h"
#include "model/producer_state.h"
#include "model/share_changes.h"
#include "model/share_cursor.h"
#include "model/share_group.h"
#include "model/transaction.h"

namespace {

using namespace trv;
using namespace trv::model;

// The input as a list of length-prefixed commands, applied one after the other.
template <class State>
void run(State state, State restored, ByteView input) {
  ByteReader reader(input);
  for (std::int64_t now = 1; reader.ok() && reader.remaining() > 0; now += 1000) {
    State before = state;
    if (!state.apply(reader.sized(), WallTime{now})) TRV_ASSERT(state == before);
  }
  TRV_ASSERT(restored.restore(state.snapshot()).ok());
  TRV_ASSERT(restored == state);
}

// The same for commands that need no time.
void run_consumer_groups(ByteView input) {
  ConsumerGroups state, restored;
  ByteReader reader(input);
  while (reader.ok() && reader.remaining() > 0) {
    ConsumerGroups before = state;
    if (!state.apply(reader.sized())) TRV_ASSERT(state == before);
  }
  TRV_ASSERT(restored.restore(state.snapshot()).ok());
  TRV_ASSERT(restored == state);
}

template <class State>
std::string snapshot_of(const State& state) {
  std::string all;
  state.snapshot([&](ByteView command) { ByteWriter(all).sized(command); });
  return all;
}

// The same where a snapshot is a list of commands.
template <class State>
void run_commands(ByteView input) {
  State state, restored;
  ByteReader reader(input);
  for (std::int64_t now = 1; reader.ok() && reader.remaining() > 0; now += 1000) {
    const std::string before = input.size() < 4096 ? snapshot_of(state) : std::string();
    const bool done = state.apply(reader.sized(), WallTime{now}).ok();
    if (!done && input.size() < 4096) TRV_ASSERT(snapshot_of(state) == before);
  }
  state.snapshot([&](ByteView command) { TRV_ASSERT(restored.apply(command, WallTime{0}).ok()); });
  TRV_ASSERT(snapshot_of(restored) == snapshot_of(state));
}

// Each command goes to all; it is one of the group's, one of what it has read, or one of who
// follows that.
void run_share_groups(ByteView input) {
  ShareGroupRecords records, restored;
  ShareCursors cursors, restored_cursors;
  ShareChanges changes, restored_changes;
  constexpr TopicId topic(1);
  ByteReader reader(input);
  while (reader.ok() && reader.remaining() > 0) {
    ByteView command = reader.sized();
    ShareGroupRecords before = records;
    if (!records.apply(command)) TRV_ASSERT(records == before);
    static_cast<void>(cursors.apply(command, [&](std::string_view group, PartitionIndex partition) {
      changes.note({topic, std::string(group), partition});
    }));
    Result<bool> begins = changes.apply(command);
    if (begins && *begins) changes.note_all(topic, cursors);
  }
  TRV_ASSERT(restored_changes.restore(changes.snapshot()).ok());
  TRV_ASSERT(restored_changes == changes);
  TRV_ASSERT(restored.restore(records.snapshot()).ok());
  TRV_ASSERT(restored == records);
  cursors.snapshot([&](ByteView command) { TRV_ASSERT(restored_cursors.apply(command).ok()); });
  TRV_ASSERT(snapshot_of(restored_cursors) == snapshot_of(cursors));
}

std::set<std::string> dump(const Keyspace& keyspace) {
  std::set<std::string> entries;
  keyspace.scan(0, keyspace.size() + 1, [&](const Keyspace::Entry& entry) {
    std::string all;
    Keyspace::encode_copy(entry, entry.key, [&](ByteView command) { all += command; });
    entries.insert(all);
  });
  return entries;
}

// True for a write so far behind the end of a string that the zeroes alone would take the memory.
bool is_far_write(ByteView command) {
  constexpr std::uint64_t offset_max = 1u << 20;
  ByteReader reader(command);
  auto op = static_cast<KeyspaceOp>(reader.u8());
  reader.sized();
  return op == KeyspaceOp::overwrite && reader.varint() > offset_max;
}

void run_keyspace(ByteView input) {
  Keyspace state(1);
  ByteReader reader(input);
  for (std::int64_t now = 1; reader.ok() && reader.remaining() > 0; now += 1000) {
    ByteView command = reader.sized();
    if (is_far_write(command)) continue;
    std::size_t bytes = state.byte_size();
    if (!state.apply(command, WallTime{now})) TRV_ASSERT(state.byte_size() == bytes);
  }
  Keyspace restored(1);
  state.snapshot([&](ByteView command) { TRV_ASSERT(restored.apply(command, WallTime{0}).ok()); });
  TRV_ASSERT(restored.byte_size() == state.byte_size());
  TRV_ASSERT(restored.size() == state.size());
  // What was put in one order may be told in another: large tables keep none.
  if (state.size() < 100 && input.size() < 4096) TRV_ASSERT(dump(restored) == dump(state));
}

constexpr std::uint8_t keyspace_mark = 0xff;
constexpr std::uint8_t share_groups_mark = 0xfe;
constexpr std::uint8_t claim_groups_mark = 0xfd;
constexpr std::uint8_t added_once_mark = 0xfc;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == keyspace_mark) {
    run_keyspace(input);
    return 0;
  }
  if (data[0] == share_groups_mark) {
    run_share_groups(input);
    return 0;
  }
  if (data[0] == claim_groups_mark) {
    run_commands<ClaimGroups>(input);
    return 0;
  }
  if (data[0] == added_once_mark) {
    run_commands<AddedOnce>(input);
    return 0;
  }
  Transactions transactions(ShardId{1}, {});
  switch (data[0] % 7) {
    case 0:
      run(GroupOffsets(), GroupOffsets(), input);
      break;
    case 1:
      run(transactions, transactions, input);
      break;
    case 2: {
      Result<ProducerStates> states = ProducerStates::decode(input);
      if (states) TRV_ASSERT(ProducerStates::decode(states->encode()).ok());
      break;
    }
    case 3: {
      GroupOffsets offsets;
      if (offsets.restore(input)) TRV_ASSERT(GroupOffsets().restore(offsets.snapshot()).ok());
      break;
    }
    case 5:
      run_consumer_groups(input);
      break;
    case 6: {
      ConsumerGroups groups;
      if (groups.restore(input)) TRV_ASSERT(ConsumerGroups().restore(groups.snapshot()).ok());
      break;
    }
    default:
      if (transactions.restore(input)) {
        TRV_ASSERT(Transactions(ShardId{1}, {}).restore(transactions.snapshot()).ok());
      }
  }
  return 0;
}
