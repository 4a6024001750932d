// CursorCache: where the latest readers stopped inside a batch, so that reading on from there does
// not check and decode the batch from its beginning again.
//
// Owner: Topics::State. What is kept is a copy of the reader's cursor, under the batch's blob,
// whose bytes never change; so nothing here needs to be told of changes. The batches' bytes are
// kept alive meanwhile: at most entry_count of at most records_size_max.
#pragma once

#include <array>
#include <cstdint>

#include "base/ids.h"
#include "broker/detail/record_cursor.h"

namespace trv::broker::detail {

class CursorCache {
 public:
  static constexpr std::size_t entry_count = 16;
  static constexpr std::size_t records_size_max = 1u << 20;

  // The furthest cursor of that batch which `passed` accepts, given where it would go on and the id
  // of the record before. Null when there is none; valid until the next keep().
  template <class Passed>
  const RecordCursor* find(const BlobRange& blob, Passed&& passed) const {
    const Entry* best = nullptr;
    for (const Entry& entry : entries_) {
      if (entry.blob.length == 0 || !(entry.blob == blob)) continue;
      if (!passed(entry.cursor.position(), entry.last_id)) continue;
      if (!best || entry.cursor.position() > best->cursor.position()) best = &entry;
    }
    return best ? &best->cursor : nullptr;
  }

  // A reader has stopped behind the record with that id.
  void keep(const BlobRange& blob, const RecordCursor& cursor, RecordId last_id) {
    if (cursor.byte_size() > records_size_max) return;
    // It takes the place of where the same reader most likely stopped before.
    Entry* place = nullptr;
    for (Entry& entry : entries_) {
      if (!(entry.blob == blob) || entry.cursor.position() > cursor.position()) continue;
      if (!place || entry.cursor.position() > place->cursor.position()) place = &entry;
    }
    if (!place) place = &entries_[next_++ % entry_count];
    *place = Entry{blob, last_id, cursor};
  }

 private:
  struct Entry {
    BlobRange blob;
    RecordId last_id;
    RecordCursor cursor;
  };
  std::array<Entry, entry_count> entries_;
  std::size_t next_ = 0;
};

}  // namespace trv::broker::detail
