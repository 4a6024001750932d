// Journal: one core's append-only sequence of frames on disk, and the only thing that can say that
// something is durable.
//
// Owner: the core's Broker; used on that core's thread only. Blocking syncs may run through the
// Offload it was given.
//
// A round's entries form one frame: one gathered write at flush(), one sync for however many frames
// were written since the last. Frames, segments and checksums: docs/formats/journal.md.
//
// Invariants:
//   - what was appended between two flush() is there after a crash as a whole or not at all,
//     whatever the number of frames and segments
//     that it takes;
//   - entries reach the disk in the order of append(); a Ticket covers all entries before it;
//   - completions run in ticket order within one Durability, on the core's thread, and never from
//     inside append() or when();
//   - a file whose write or sync failed is given up: nothing is retried on it. What its segment
//     holds is written and synced to another file, which takes its name: all places stay. When that
//     fails too it is final: the journal stops being writable, every waiting and later completion
//     gets the error, and reads go on;
//   - a full disk is not final, and never meets an entry that was accepted: the space of the active
//     segment and of the next one is reserved beforehand. When the next one cannot be reserved,
//     writable() turns false, and what is left of the active segment (nearly all of it, since the
//     reservation is made right after a roll) is the reserve for small entries that free space
//     again: acknowledgements, deletes, trims. They need room() only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/function.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/slice.h"
#include "io/file.h"

namespace trv::storage {

// What an entry means is the broker's business (broker/entry.h). Kinds from 0xf0 are the storage's.
using EntryKind = std::uint8_t;

// Proof that a write has got as far as its durability level demands. Only the Journal makes them;
// whatever tells the outside world about a write must be handed one.
class Durable {
 public:
  Durable(const Durable&) = default;

 private:
  friend class Journal;
  Durable() = default;
};

// Names a prefix of the journal. Dies with the process.
struct Ticket {
  std::uint64_t entries = 0;
  constexpr auto operator<=>(const Ticket&) const = default;
};

using Completion = UniqueFunction<void(Result<Durable>)>;
// Runs the first closure where it may block, and then the second on the core. None: both run at
// once, in the caller.
using Offload = std::function<void(UniqueFunction<void()> blocking, UniqueFunction<void()> done)>;

struct JournalOptions {
  std::uint32_t segment_size = 64u << 20;  // bytes; rounded up to 4 KiB
  std::uint32_t cache_size = 32u << 20;    // bytes of recent frames kept in memory for readers
  // Bytes kept in memory until they are synced, beyond the cache. With more than that unsynced, a
  // file that fails cannot be replaced.
  std::uint32_t unsynced_size_max = 128u << 20;
  std::chrono::milliseconds sync_interval{100};  // for Durability::interval
  // What nobody asked to be more than `os` is synced after so many ticks, so that it does not pile
  // up before the sync of somebody who does.
  int lazy_sync_ticks = 1;
  // Sync on the core's thread when at most this many completions wait for it (a hand-off to another
  // thread and back costs more than a short sync), else through Offload. 0: always offload.
  std::uint32_t inline_sync_waiters_max = 64;
  // Pieces of ballast (storage/ballast.h), each an eighth of a segment.
  std::uint32_t ballast_pieces = 8;
  // A new segment file is not made when less than this would be left of the disk, or less than a
  // hundredth of it. 0: the last byte may be used.
  std::uint64_t disk_free_min = 0;
  // A round's bytes are written out at this size, before its end, to bound what it takes of memory.
  std::uint32_t unwritten_size_max = 8u << 20;
  // Zeroes written ahead, in steps: how far before the tail they begin, so that it does not run
  // into a step under way, and how far they lead it.
  std::uint32_t zeroes_gap = 1u << 20;
  std::uint32_t zeroes_lead = 16u << 20;
  std::uint32_t zeroes_step = 1u << 20;
};

class Journal {
 public:
  // Opens lane `lane` of session `session`: creates its first segment. The directory outlives it.
  static Result<std::unique_ptr<Journal>> open(io::Directory& directory, std::uint32_t session,
                                               CoreIndex lane, JournalOptions options,
                                               Offload offload);
  ~Journal();

  // Copies `parts`, one after the other, as one entry into the round's frame. Result: where the
  // entry's payload will be; readable at once through read(). Never blocks, but may write out the
  // frame and roll to the next segment first.
  // Requires: total size <= entry_size_max(). Asked of the caller first: writable(), or room().
  // An entry that has no place after all makes the journal fail, and is never acknowledged.
  BlobRange append(EntryKind kind, ShardId shard, std::span<const ByteView> parts);
  BlobRange append(EntryKind kind, ShardId shard, ByteView payload) {
    return append(kind, shard, std::span(&payload, 1));
  }
  std::uint32_t entry_size_max() const;

  // Covers everything appended so far.
  Ticket tail() const;
  // Requires: ticket <= tail().
  // Runs `done` when all entries covered by `ticket` have reached `level` (memory: at the next
  // flush), or with the error when the journal has failed.
  void when(Ticket ticket, Durability level, Completion done);
  // Whether all entries covered by `ticket` have reached `level` already.
  bool reached(Ticket ticket, Durability level) const;
  // Writes the round's frame, starts or performs the sync that waiters need, runs completions that
  // are due. Called once a round.
  void flush();
  // Called every sync_interval, idle or not. Syncs what was written since the last sync (at once
  // when some of it was to be more than `os`, else now and then), looks whether a full disk has
  // space again, and prepares the next segment bit by bit.
  void tick();

  // False after a failure that was final, or while the disk is full.
  bool writable() const;
  // What certainly has a place, the reserve included: the sum over entries of size + overhead.
  std::uint64_t room() const;
  static constexpr std::uint32_t entry_overhead_max = 64;
  // Why not. Requires: !writable().
  const Error& failure() const;

  struct Blob {
    Slice bytes;
    // As they were appended in this process. What comes from a file may be damaged: checksums
    // inside are the caller's to verify.
    bool from_memory = false;
  };
  // The bytes of an entry's payload, from the cache or the file of any lane and session (of another
  // lane: once they are durable).
  // Errors: io_error, not_found (no such segment), out_of_range.
  Result<Blob> read(BlobRange where);
  // The same, but nothing where the disk would have to be waited for.
  Result<std::optional<Blob>> try_read(BlobRange where);
  // The file that holds those bytes, to be read where it may block. Errors: as read(), but for what
  // only reading tells.
  Result<std::shared_ptr<io::File>> file_of(BlobRange where);
  // Segments that nobody will read again: their files may be gone, but hold space while open.
  void forget_unless(const std::function<bool(std::uint64_t blob)>& wanted);

  // The blob id of the segment that the next entry goes to; 0 while there is none (disk full).
  std::uint64_t active_segment() const;

  // Where the lane ends, as Store::end_session() is told.
  struct End {
    std::uint32_t segment = 0;   // number in the lane
    std::uint32_t position = 0;  // byte in it
    std::uint64_t entries = 0;   // 0: none were written
  };
  // Flushes, syncs, and closes. Only read() is legal afterwards.
  Result<End> close();

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trv::storage
