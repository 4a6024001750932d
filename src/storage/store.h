// Store: the data directory of one process: its lock, its sessions, its checkpoints, and the
// recovery of all of them.
//
// Owner: server::Node; used from the starting thread before the cores run, later for checkpoints
// (write_checkpoint and reclaim may run on an offload thread, one call at a time).
//
// A process life is a session. Within a session each core writes its own lane, a chain of segments.
// A segment's id orders it: session (32 bits), lane (8), number (24). A virtual shard's entries lie
// in one lane per session, so replay in the order of (session, lane, number) is the order in which
// they were written.
//
// A checkpoint is one file with a section per shard: the state of that shard at the place of its
// mark in the journal. It is a hint: with it, entries before the mark need not be replayed. The
// last two are kept, and the journal from the older one's marks on, so that a damaged section costs
// a longer replay of that shard and nothing else.
//
// A shard without a section is replayed from its first entry, and keeps everything from being
// reclaimed: write a section for each of the 256, empty or not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "io/file.h"
#include "storage/journal.h"
#include "storage/page_file.h"

namespace trv::storage {

struct Damage {
  std::uint64_t segment = 0;  // blob id; 0: not in a segment but in another file, named in `what`
  std::uint32_t position = 0;
  std::string what;
};

struct RecoveryReport {
  std::uint64_t segments = 0;
  std::uint64_t entries = 0;       // replayed
  std::uint64_t bytes = 0;         // read
  std::vector<Damage> torn_tails;  // unacknowledged ends, cut off: normal after a crash
  std::vector<Damage> damaged;     // losses of what was durable: reported, never silent
};

class RecoveryVisitor {
 public:
  virtual ~RecoveryVisitor() = default;
  // The shard's state as of the checkpoint; before any on_entry of that shard.
  virtual Status on_checkpoint(ShardId shard, ByteView state) = 0;
  // `payload` is valid during the call. An error ends the recovery, unless damage was met before:
  // then the change is reported as lost with it, but for Errc::unsupported.
  virtual Status on_entry(EntryKind kind, ShardId shard, ByteView payload, BlobRange where) = 0;
};

// What a checkpoint that is begun is about.
struct CheckpointPlan {
  std::uint64_t id = 0;
  std::string mark;                      // the payload of its marks
  bool takes_pages = true;               // not while the disk is full
  std::set<std::uint64_t> page_leavers;  // page files that are to be emptied
};

struct CheckpointSection {
  ShardId shard;
  std::string state;
  // What append() of the shard's mark returned. Required.
  BlobRange mark = {};
  PageSection pages = {};
};

class Store {
 public:
  // Creates what is missing and takes the lock. Errors: in_use (another process has it open),
  // access_refused, io_error, corrupt (the directory's format is not one that we know).
  // `directory` outlives the Store.
  static Result<std::unique_ptr<Store>> open(io::Directory& directory, JournalOptions options);
  ~Store();

  // Whether names lie where their part in braces says (docs/formats/journal.md): for ever so.
  bool places_by_tag() const;

  // Replays everything, and syncs what it accepted. Damage before the last durable frame is put in
  // the report and its range is left out; the error result is for a visitor's refusal or a disk
  // that cannot be read. Once.
  Result<RecoveryReport> recover(RecoveryVisitor& visitor);

  // Starts this process life: its session number is durable before the first lane is opened.
  // A full disk is no error: the lane then is not writable(). Requires: recover() was ok; lane <=
  // 255.
  Result<std::unique_ptr<Journal>> open_lane(CoreIndex lane, Offload offload);

  // A clean end: notes where each lane, by its index, has ended, so that a loss of its last bytes
  // is seen as such at the next start. Requires: all lanes are closed. Errors: no_space, io_error:
  // then they end as after a crash.
  Status end_session(std::span<const Journal::End> ends);

  // Begins a checkpoint; each core then appends one mark per shard that it owns, right where it
  // took that shard's section:  journal.append(mark_kind, shard, plan.mark).
  CheckpointPlan begin_checkpoint();
  static constexpr EntryKind mark_kind = 0xf0;
  // Makes the checkpoint durable. Requires: all marks are synced. Keeps the one before as fallback
  // and removes older ones, and page files that neither refers to. Errors: invalid_argument (a
  // section without its mark), no_space, io_error; after an error the checkpoints before are as
  // they were.
  Status write_checkpoint(std::uint64_t checkpoint_id, std::vector<CheckpointSection> sections);

  // Those that the kept checkpoints refer to.
  std::set<std::uint64_t> page_files() const;

  struct SegmentSize {
    std::uint64_t blob = 0;
    std::uint64_t size = 0;  // bytes on disk
  };
  // Frees every segment that is closed, lies before the marks of both kept checkpoints and is not
  // in `live` (ids of segments that still hold readable data). A few files are kept for re-use.
  // Result: the segments that only `live` has kept.
  Result<std::vector<SegmentSize>> reclaim(const std::vector<std::uint64_t>& live);

  struct DiskState {
    io::DiskSpace space;
    bool low = false;  // not much more than what has to stay free
  };
  Result<DiskState> disk_state() const;

  // Bytes in all segments (spare ones included), checkpoints and page files.
  Result<std::uint64_t> size_on_disk() const;

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trv::storage
