// The kinds of journal entries, and what their payloads are (docs/formats/entries.md).
// Numbers once used are never re-used. Kinds from 0xf0 belong to storage.
#pragma once

#include "storage/journal.h"

namespace trv::broker::entry {

using storage::EntryKind;

inline constexpr EntryKind topic_created = 1;
inline constexpr EntryKind topic_removed = 2;
inline constexpr EntryKind topic_changed = 3;  // settings or partition count
inline constexpr EntryKind batch = 4;          // prefix, then the stored batch
inline constexpr EntryKind topic_trimmed = 5;
inline constexpr EntryKind records_erased = 6;
inline constexpr EntryKind topic_id_set = 7;
inline constexpr EntryKind topic_state = 8;  // in checkpoints only: the index and counters
inline constexpr EntryKind partition_trimmed = 10;

inline constexpr EntryKind batch_moved = 9;  // prefix, then the stored batch
inline constexpr EntryKind batches_dropped = 11;
inline constexpr EntryKind partition_cleaned = 12;

inline constexpr EntryKind queue_declared = 16;
inline constexpr EntryKind queue_removed = 17;
inline constexpr EntryKind queue_settled = 18;
inline constexpr EntryKind queue_delivered = 19;
inline constexpr EntryKind queue_state = 20;  // in checkpoints only
inline constexpr EntryKind queue_failed = 21;

inline constexpr EntryKind catalog = 32;  // a model::Router command
inline constexpr EntryKind queue_placed = 33;
inline constexpr EntryKind access = 34;  // an auth::Directory command
inline constexpr EntryKind policy = 35;  // a model::Policies command
inline constexpr EntryKind quota = 40;   // a model::Quotas command

inline constexpr EntryKind keyspace = 48;     // a model::Keyspace command
inline constexpr EntryKind claim_group = 49;  // topic, then a model::ClaimGroups command
inline constexpr EntryKind added_once = 50;   // topic, time, then a model::AddedOnce command

inline constexpr EntryKind group_offsets = 64;        // time, then a model::GroupOffsets command
inline constexpr EntryKind transaction = 65;          // time, then a model::Transactions command
inline constexpr EntryKind group_offsets_state = 66;  // in checkpoints only
inline constexpr EntryKind transactions_state = 67;   // in checkpoints only

// docs/formats/consumer-groups.md
inline constexpr EntryKind consumer_group = 72;
inline constexpr EntryKind consumer_groups_state = 73;  // in checkpoints only

// docs/formats/share-groups.md
inline constexpr EntryKind share_group = 80;
inline constexpr EntryKind share_groups_state = 81;  // in checkpoints only
inline constexpr EntryKind share_cursor = 82;        // topic, then a model::ShareCursors command
// docs/formats/change-feed.md
inline constexpr EntryKind share_changes = 83;        // time, then a model::ShareChanges command
inline constexpr EntryKind share_changes_state = 84;  // in checkpoints only

// docs/formats/delays.md
inline constexpr EntryKind delay_added = 96;
inline constexpr EntryKind delay_ended = 97;
inline constexpr EntryKind delays_state = 98;  // in checkpoints only

}  // namespace trv::broker::entry
