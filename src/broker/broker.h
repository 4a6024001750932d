// Broker: one per core, and the only door that the protocols use. It owns the core's share of the
// 256 virtual shards: topics, queues, keyspace, groups, transactions and (on one core) the catalog.
//
// Owner: server::Node; lives as long as its core runs. All calls come from the core's own thread.
//
// How a front-end works with it:
//   1. decode and validate on the connection's core;
//   2. run the operation on the core that owns the name:
//        broker.at(name, [args...](Broker& owner) { ... });
//      The closure runs at once when the owner is this core, else as a message. It captures values,
//      never references to this core's objects. It calls the owner's services: owner.topics() etc.;
//      pointers that these give are valid until the closure returns.
//   3. changes come back with a Commit. Say nothing about the change to anybody before
//        owner.when_durable(commit, [..](Result<Durable> result) { ... });
//      runs, which is in this round's hook at the earliest. To answer on another core:
//        owner.post(home_core, [..]() { ... });
//
// Invariants:
//   - state is changed only by entries that were put into the journal first, through the same apply
//     that recovery uses (broker/entry.h); what the journal refuses is not applied either, and the
//     caller gets the error: journal() and promise() are the only doors;
//   - a round's changes are there after a crash as a whole or not at all (docs/decisions/0004).
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/record.h"
#include "model/router.h"
#include "runtime/core.h"
#include "storage/journal.h"
#include "storage/store.h"

namespace trv::broker {

class Topics;
class Queues;
class Catalog;
class Publisher;
class Quotas;
class Keyspaces;
class ClaimGroups;
class Groups;
class Transactions;
class Compactor;
class Delays;
class ColdReads;
struct ShardState;

using storage::Completion;
using storage::Durable;

// Names a change by its round, and how far it must get before it may be spoken of. Commits of one
// Broker combine. Dies with the process.
struct Commit {
  std::uint64_t round = 0;
  Durability level = Durability::memory;
  // Covers both.
  friend Commit operator|(Commit a, Commit b) {
    return {std::max(a.round, b.round), std::max(a.level, b.level)};
  }
};

// Whether a change may still be made when the disk is full.
enum class Space : std::uint8_t {
  more,  // what it adds to takes space: refused
  less,  // acknowledgements, deletes, trims, positions: there is a reserve for them
};

struct BrokerOptions {
  Durability durability = Durability::fsync;  // of everything that does not say otherwise
  std::uint32_t message_size_max = 16u << 20;
  std::int32_t auto_partition_count = 1;
  std::chrono::milliseconds group_initial_delay{500};
  std::string cluster_id;  // stable for a data directory
  // Names with the same part in braces, a{tag}b, lie on one shard. Fixed for a data directory.
  bool placement_by_tag = true;
};

// How records of an origin are read by protocols that did not write them. Each front-end that
// writes records gives one; `server` wires them (docs/view-contract.md).
class OriginCodec {
 public:
  virtual ~OriginCodec() = default;
  // Views point into the record's bytes or into Message::owners.
  virtual model::Message to_message(const model::StoredRecord& record) const = 0;
};

// Why a record left its queue for the dead-letter exchange.
enum class DeathReason : std::uint8_t {
  rejected,  // by a consumer
  expired,   // its time to live was over
  overflow,  // its queue was full
  failures,  // more failed deliveries than its queue allows
};
struct Death {
  std::string queue;
  DeathReason reason = DeathReason::rejected;
  WallTime at;
  // The new address. An empty key means: as it was published.
  std::string exchange;
  std::string routing_key;
};

// Rewrites records of origin message, whose envelopes the broker does not understand.
class MessageCodec : public OriginCodec {
 public:
  struct Envelope {
    std::string bytes;
    std::string routing_key;
    std::vector<std::string> more_keys;
    // Queues that it left before without a rejection since: it must not go round for ever.
    std::vector<std::string> left_queues;
  };
  // The envelope of the record as a dead letter, with its history. Records of other origins are
  // converted first.
  virtual Envelope dead_letter(const model::StoredRecord& record, const model::Message& message,
                               const Death& death) const = 0;
  // Milliseconds after which the record expires by its own wish; -1 for never.
  virtual std::int64_t time_to_live(const model::StoredRecord& record) const = 0;
  // As its publisher wished; 0 when nothing was said.
  virtual std::uint8_t priority(const model::StoredRecord& record) const = 0;
  // The headers to route by. `envelope` outlives the result.
  virtual std::unique_ptr<model::HeaderLookup> header_lookup(ByteView envelope) const = 0;
  // The envelope of a message that an exchange has kept back as long as it asked for.
  virtual std::string after_delay(ByteView envelope) const = 0;
};

struct Codecs {
  const OriginCodec* batch = nullptr;
  const MessageCodec* message = nullptr;
  const OriginCodec* fields = nullptr;
};

class Broker {
 public:
  Broker(runtime::Core& core, BrokerOptions options, Codecs codecs);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // --- place ---------------------------------------------------------------------------------
  // Fixed for ever: what is on disk lies there.
  ShardId shard_of(std::string_view name) const;
  CoreIndex owner_of(ShardId shard) const;
  CoreIndex owner_of(std::string_view name) const { return owner_of(shard_of(name)); }
  bool owns(std::string_view name) const { return owner_of(name) == core().index(); }
  runtime::Core& core() const { return core_; }
  int core_count() const { return static_cast<int>(peers_.size()); }

  // Runs `work` with the Broker that owns `name`: at once when that is this one.
  template <class F>
  void at(std::string_view name, F&& work) {
    at_core(owner_of(name), std::forward<F>(work));
  }
  template <class F>
  void at_core(CoreIndex index, F&& work) {
    Broker& owner = *peers_[index.value];
    if (&owner == this) {
      work(*this);
    } else {
      owner.core().post([&owner, work = std::forward<F>(work)]() mutable { work(owner); });
    }
  }
  // Posts to a core in any case; runs in one of its later rounds.
  void post(CoreIndex index, UniqueFunction<void()> work) {
    peers_[index.value]->core().post(std::move(work));
  }
  // Runs `each(Broker&) -> R` on every core and then `done(std::vector<R>)` here, in core order.
  template <class F, class Done>
  void gather(F each, Done done);

  // --- durability ----------------------------------------------------------------------------
  // Runs `done` on this core once the change is durable, in order within a level.
  void when_durable(Commit commit, Completion done);
  bool is_durable(Commit commit) const;
  // Covers all changes made here so far at the default level.
  Commit tail() const;
  // False when nothing can be written: why() tells. Reads and acknowledgements may still work.
  Status writable() const;
  // The disk is full, as this core or another has found lately at the end of a round: what adds to
  // it is refused. A client that can wait is better not heard than refused.
  bool short_of_space() const { return full_cores_ > 0; }
  // Runs `done` on this core, in a later round, when that is over.
  void when_space(UniqueFunction<void()> done) { space_waiters_.push_back(std::move(done)); }

  // --- services of this core's shards ----------------------------------------------------------
  Topics& topics() { return *topics_; }
  Queues& queues() { return *queues_; }
  Catalog& catalog() { return *catalog_; }
  Publisher& publisher() { return *publisher_; }
  Quotas& quotas() { return *quotas_; }
  Keyspaces& keyspaces() { return *keyspaces_; }
  ClaimGroups& claim_groups() { return *claim_groups_; }
  Groups& groups() { return *groups_; }
  Transactions& transactions() { return *transactions_; }
  Compactor& compactor() { return *compactor_; }
  Delays& delays() { return *delays_; }
  ColdReads& cold_reads() { return *cold_reads_; }

  const BrokerOptions& options() const { return options_; }
  const Codecs& codecs() const { return codecs_; }
  // The neutral form of any record.
  model::Message message_of(const model::StoredRecord& record) const;
  WallTime wall_now() const { return core_.wall_now(); }

  // --- for the services ------------------------------------------------------------------------
  // Puts an entry into this round, after the records that were appended before it. Errors (why
  // there is no place for it: no_space, io_error, closed, too_large): then the change must not be
  // made.
  Result<BlobRange> journal(Space space, storage::EntryKind kind, ShardId shard,
                            std::span<const ByteView> parts);
  Result<BlobRange> journal(Space space, storage::EntryKind kind, ShardId shard, ByteView payload) {
    return journal(space, kind, shard, std::span(&payload, 1));
  }
  // The same in two steps, for changes that are gathered: a promise sets room aside, with the same
  // errors; then, in the same round, journal_promised() uses up what was promised for its entry.
  // Promises add up.
  Status promise(Space space, std::uint64_t size);
  BlobRange journal_promised(storage::EntryKind kind, ShardId shard,
                             std::span<const ByteView> parts, std::uint64_t promised);
  // Nothing will come of it.
  void take_back(std::uint64_t promised) { promised_ -= promised; }
  // While it lives, all that a promise found room for is taken, also when the disk fills up in the
  // middle of it: what a client sent as one change is not done by halves. One at a time.
  class Whole {
   public:
    explicit Whole(Broker& broker) : broker_(broker) { broker_.whole_ = true; }
    ~Whole() { broker_.whole_ = false; }
    Whole(const Whole&) = delete;
    Whole& operator=(const Whole&) = delete;

   private:
    Broker& broker_;
  };
  Result<storage::Journal::Blob> read_blob(BlobRange where);
  // The same, but nothing where the disk would have to be waited for; and the file, to be read
  // elsewhere. For ColdReads.
  Result<std::optional<storage::Journal::Blob>> try_read_blob(BlobRange where);
  Result<std::shared_ptr<io::File>> file_of(BlobRange where);
  // The state of a shard that this core owns.
  ShardState& shard(ShardId id);
  ShardState& shard(std::string_view name) { return shard(shard_of(name)); }
  // Visits the shards owned here that hold anything.
  void each_shard(const std::function<void(ShardState&)>& visit);
  Broker& peer(CoreIndex index) const { return *peers_[index.value]; }

  // --- for server::Node ------------------------------------------------------------------------
  // Order: construct all; connect all; recovery feeds apply(); start() each on its own thread.
  void connect(std::vector<Broker*> peers) { peers_ = std::move(peers); }
  Status restore_shard(ShardId shard, ByteView state);
  Status apply(storage::EntryKind kind, ShardId shard, ByteView payload, BlobRange where);
  // Takes the journal and begins to work: rounds, timers, catalog snapshots.
  void start(std::unique_ptr<storage::Journal> journal);
  // Ends deliveries and timers, commits what is pending and closes the journal. Result: its end.
  Result<storage::Journal::End> stop();
  // One shard's state and, appended to the journal at the same place, the checkpoint's mark.
  // Errors: as journal().
  Result<storage::CheckpointSection> checkpoint_shard(ShardId shard,
                                                      const storage::CheckpointPlan& plan);
  // Where pages that a checkpoint has written are read from; without it all stays in memory. Before
  // recovery. After it, opens what is there, so that no later read lacks a descriptor.
  void use_pages(std::shared_ptr<storage::PageFiles> files);
  void open_pages(const std::set<std::uint64_t>& files);
  // It is there for good, and the kept ones refer to these page files.
  void on_checkpoint_written(std::uint64_t id, const std::set<std::uint64_t>& page_files);
  // Adds, for each segment that holds batches of this core's topics, how many bytes of them
  // somebody may still read. Those of a checkpoint are counted before what it covers is awaited.
  using SegmentBytes = std::map<std::uint64_t, std::uint64_t>;
  void count_segments(SegmentBytes& out);
  // All others than these were freed.
  void forget_segments_but(const SegmentBytes& live) {
    if (journal_) journal_->forget_unless([&](std::uint64_t b) { return live.contains(b); });
  }
  // The segment that the journal writes to; 0 when stopped.
  std::uint64_t active_segment() const { return journal_ ? journal_->active_segment() : 0; }
  // What was journaled in this process life, as far as replaying it takes time.
  struct Volume {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
  };
  Volume volume() const { return volume_; }

 private:
  struct Waiting {
    Commit commit;
    Completion done;
  };
  void end_round();
  void schedule_tick();
  void request_round();
  void note_space();
  storage::Ticket ticket_of(std::uint64_t round) const;
  Status admit(Space space, std::uint64_t size) const;

  runtime::Core& core_;
  BrokerOptions options_;
  Codecs codecs_;
  std::vector<Broker*> peers_;  // by core index, this one included
  std::unique_ptr<storage::Journal> journal_;
  std::uint64_t round_ = 1;                    // the one that is under way
  std::deque<storage::Ticket> round_tickets_;  // of the latest past rounds
  std::vector<Waiting> waiting_;               // for the end of this round
  bool full_ = false;                          // this core's journal, as all cores were told
  int full_cores_ = 0;                         // of which it was told, this one included
  std::vector<UniqueFunction<void()>> space_waiters_;
  Volume volume_;
  std::uint64_t promised_ = 0;  // bytes set aside for this round's gathered entries
  bool whole_ = false;          // a Whole lives
  bool tick_due_ = false;       // the journal's, at the end of the round
  bool in_hook_ = false;
  bool round_requested_ = false;
  std::vector<std::unique_ptr<ShardState>> shards_;  // by shard id; null when not here or empty
  std::uint64_t hash_seed_;
  std::shared_ptr<storage::PageFiles> page_files_;
  std::unique_ptr<Topics> topics_;
  std::unique_ptr<Queues> queues_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Quotas> quotas_;
  std::unique_ptr<Keyspaces> keyspaces_;
  std::unique_ptr<ClaimGroups> claim_groups_;
  std::unique_ptr<Groups> groups_;
  std::unique_ptr<Transactions> transactions_;
  std::unique_ptr<Compactor> compactor_;
  std::unique_ptr<Delays> delays_;
  std::unique_ptr<ColdReads> cold_reads_;
  runtime::Timer tick_;
};

template <class F, class Done>
void Broker::gather(F each, Done done) {
  using R = std::invoke_result_t<F&, Broker&>;
  struct Progress {
    std::vector<R> results;
    int missing;
    Done done;
  };
  // Shared by the replies of all cores; only this core touches it.
  auto progress = std::make_shared<Progress>(
      Progress{std::vector<R>(peers_.size()), core_count(), std::move(done)});
  CoreIndex home = core().index();
  for (Broker* owner : peers_) {
    at_core(owner->core().index(), [each, progress, home](Broker& here) mutable {
      std::size_t index = here.core().index().value;
      auto finish = [progress, index](R result) mutable {
        progress->results[index] = std::move(result);
        if (--progress->missing == 0) progress->done(std::move(progress->results));
      };
      if (here.core().index() == home) {
        finish(each(here));
      } else {
        here.post(home, [finish, result = each(here)]() mutable { finish(std::move(result)); });
      }
    });
  }
}

}  // namespace trv::broker
