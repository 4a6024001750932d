#include "broker/broker.h"

#include <xxhash.h>

#include <iterator>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/mutant.h"
#include "broker/catalog.h"
#include "broker/claim_groups.h"
#include "broker/cold_reads.h"
#include "broker/compactor.h"
#include "broker/delays.h"
#include "broker/detail/compaction.h"
#include "broker/detail/recovery.h"
#include "broker/entry.h"
#include "broker/groups.h"
#include "broker/keyspaces.h"
#include "broker/publisher.h"
#include "broker/queues.h"
#include "broker/quotas.h"
#include "broker/shard_state.h"
#include "broker/topics.h"
#include "broker/transactions.h"

namespace trv::broker {
namespace {

constexpr std::uint64_t shard_hash_seed = 0x74726976'69756d31;
constexpr std::chrono::milliseconds tick_interval{100};
// How many rounds back the journal's tickets are remembered one by one.
constexpr std::size_t round_memory = 4096;

}  // namespace

Broker::Broker(runtime::Core& core, BrokerOptions options, Codecs codecs)
    : core_(core),
      options_(std::move(options)),
      codecs_(codecs),
      shards_(shard_count),
      hash_seed_(std::random_device{}()),
      topics_(std::make_unique<Topics>(*this)),
      queues_(std::make_unique<Queues>(*this)),
      catalog_(std::make_unique<Catalog>(*this)),
      publisher_(std::make_unique<Publisher>(*this)),
      quotas_(std::make_unique<Quotas>(*this)),
      keyspaces_(std::make_unique<Keyspaces>(*this)),
      claim_groups_(std::make_unique<ClaimGroups>(*this)),
      groups_(std::make_unique<Groups>(*this)),
      transactions_(std::make_unique<Transactions>(*this)),
      compactor_(std::make_unique<Compactor>(*this)),
      delays_(std::make_unique<Delays>(*this)),
      cold_reads_(std::make_unique<ColdReads>(*this)) {
  peers_ = {this};
}

Broker::~Broker() = default;

namespace {

// The text between the first brace and the next closing one, unless that is empty: else the name.
std::string_view placed_part(std::string_view name) {
  std::size_t open = name.find('{');
  if (open == std::string_view::npos) return name;
  std::size_t close = name.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return name;
  return name.substr(open + 1, close - open - 1);
}

}  // namespace

ShardId Broker::shard_of(std::string_view name) const {
  if (options_.placement_by_tag) name = placed_part(name);
  return ShardId(static_cast<std::uint8_t>(XXH64(name.data(), name.size(), shard_hash_seed)));
}

CoreIndex Broker::owner_of(ShardId shard) const {
  return CoreIndex(static_cast<std::uint16_t>(shard.value % peers_.size()));
}

ShardState& Broker::shard(ShardId id) {
  std::unique_ptr<ShardState>& state = shards_[id.value];
  if (!state) state = std::make_unique<ShardState>(id, hash_seed_, page_files_);
  return *state;
}

void Broker::each_shard(const std::function<void(ShardState&)>& visit) {
  for (const auto& state : shards_) {
    if (state) visit(*state);
  }
}

model::Message Broker::message_of(const model::StoredRecord& record) const {
  switch (record.origin) {
    case model::Origin::batch:
      return codecs_.batch->to_message(record);
    case model::Origin::message:
      return codecs_.message->to_message(record);
    case model::Origin::fields:
      return codecs_.fields->to_message(record);
  }
  TRV_ASSERT(false);
}

Status Broker::writable() const {
  if (!journal_) return Error{Errc::closed, "the broker is stopping"};
  if (!journal_->writable()) return journal_->failure();
  return {};
}

void Broker::note_space() {
  const Status state = writable();
  const bool full = !state && state.error().code == Errc::no_space;
  if (std::exchange(full_, full) != full) {
    const int change = full ? 1 : -1;
    for (const Broker* peer : peers_) {
      at_core(peer->core().index(), [change](Broker& there) { there.full_cores_ += change; });
    }
  }
  if (space_waiters_.empty() || short_of_space()) return;
  core_.post([waiters = std::exchange(space_waiters_, {})]() mutable {
    for (UniqueFunction<void()>& done : waiters) done();
  });
}

Status Broker::admit(Space space, std::uint64_t size) const {
  Status all = writable();
  if (!all && (!journal_ || (space == Space::more && !whole_))) return all;
  if (size > journal_->entry_size_max()) {
    return Error{Errc::too_large, "the change is larger than a journal file may hold"};
  }
  if (TRV_MUTANT(room_not_checked)) return {};
  if (promised_ + size + storage::Journal::entry_overhead_max <= journal_->room()) return {};
  if (!all) return all;
  return Error{Errc::overloaded, "too many changes at once"};
}

Result<BlobRange> Broker::journal(Space space, storage::EntryKind kind, ShardId shard,
                                  std::span<const ByteView> parts) {
  std::uint64_t size = 0;
  for (ByteView part : parts) size += part.size();
  if (Status admitted = admit(space, size); !admitted) return admitted.error();
  ++volume_.entries;
  volume_.bytes += size;
  return journal_->append(kind, shard, parts);
}

Status Broker::promise(Space space, std::uint64_t size) {
  Status admitted = admit(space, size);
  if (admitted) promised_ += size;
  return admitted;
}

BlobRange Broker::journal_promised(storage::EntryKind kind, ShardId shard,
                                   std::span<const ByteView> parts, std::uint64_t promised) {
  TRV_ASSERT(journal_);
  TRV_ASSERT(promised_ >= promised);
  promised_ -= promised;
  ++volume_.entries;
  for (ByteView part : parts) volume_.bytes += part.size();
  return journal_->append(kind, shard, parts);
}

namespace {

// Its segment is lost, or the page of an index that told where it lies.
template <class T>
Result<T> lost_is_damage(Result<T> found) {
  if (found || found.error().code != Errc::not_found) return found;
  return Error{Errc::corrupt, found.error().message};
}

}  // namespace

Result<storage::Journal::Blob> Broker::read_blob(BlobRange where) {
  if (!journal_) return Error{Errc::closed, "the broker is stopping"};
  return lost_is_damage(journal_->read(where));
}

Result<std::optional<storage::Journal::Blob>> Broker::try_read_blob(BlobRange where) {
  if (!journal_) return Error{Errc::closed, "the broker is stopping"};
  return lost_is_damage(journal_->try_read(where));
}

Result<std::shared_ptr<io::File>> Broker::file_of(BlobRange where) {
  if (!journal_) return Error{Errc::closed, "the broker is stopping"};
  return journal_->file_of(where);
}

Commit Broker::tail() const { return {round_, options_.durability}; }

bool Broker::is_durable(Commit commit) const {
  if (commit.round >= round_) return false;
  return journal_ && journal_->reached(ticket_of(commit.round), commit.level);
}

// The journal's ticket that covers a past round; one of a later round when it is long ago.
storage::Ticket Broker::ticket_of(std::uint64_t round) const {
  std::uint64_t first = round_ - round_tickets_.size();
  if (round_tickets_.empty()) return journal_->tail();
  return round_tickets_[round < first ? 0 : static_cast<std::size_t>(round - first)];
}

void Broker::when_durable(Commit commit, Completion done) {
  waiting_.push_back({commit, std::move(done)});
  request_round();
}

// Completions that run in the hook may ask for more; nothing else might wake the loop.
void Broker::request_round() {
  if (!in_hook_ || round_requested_) return;
  round_requested_ = true;
  core_.post([this] { round_requested_ = false; });
}

void Broker::end_round() {
  if (!journal_) return;
  in_hook_ = true;
  // What becomes visible comes before the answers of the same round: who is answered may look.
  std::vector<Waiting> answers;
  answers.swap(waiting_);
  topics_->end_round();
  queues_->end_round();
  std::uint64_t round = round_++;
  storage::Ticket tail = journal_->tail();
  round_tickets_.push_back(tail);
  if (round_tickets_.size() > round_memory) round_tickets_.pop_front();

  std::vector<Waiting> waiting;
  waiting.swap(waiting_);
  std::move(answers.begin(), answers.end(), std::back_inserter(waiting));
  for (Waiting& one : waiting) {
    storage::Ticket ticket = one.commit.round >= round ? tail : ticket_of(one.commit.round);
    journal_->when(ticket, one.commit.level, std::move(one.done));
  }
  // Not in the timer's handler: what it writes out must end with a round.
  if (std::exchange(tick_due_, false)) {
    journal_->tick();
  } else {
    journal_->flush();
  }
  note_space();
  in_hook_ = false;
}

void Broker::start(std::unique_ptr<storage::Journal> journal) {
  journal_ = std::move(journal);
  core_.set_round_hook([this] { end_round(); });
  topics_->start();
  queues_->start();
  catalog_->start();
  groups_->start();
  transactions_->start();
  delays_->start();
  note_space();
  schedule_tick();
}

void Broker::schedule_tick() {
  tick_ = core_.schedule(tick_interval, [this] {
    if (!journal_) return;
    tick_due_ = true;
    topics_->tick();
    queues_->tick();
    keyspaces_->drop_expired();
    compactor_->tick();
    schedule_tick();
  });
}

Result<storage::Journal::End> Broker::stop() {
  tick_.cancel();
  compactor_->stop();
  delays_->stop();
  transactions_->stop();
  groups_->stop();
  if (!journal_) return storage::Journal::End{};
  end_round();
  core_.set_round_hook({});
  queues_->stop();
  Result<storage::Journal::End> closed = journal_->close();
  journal_.reset();
  return closed;
}

Status Broker::restore_shard(ShardId shard, ByteView state) {
  ByteReader reader(state);
  while (reader.remaining() > 0 && reader.ok()) {
    storage::EntryKind kind = reader.u8();
    ByteView payload = reader.sized();
    if (!reader.ok()) break;
    if (Status applied = apply(kind, shard, payload, BlobRange{}); !applied) return applied;
  }
  if (!reader.ok()) return Error{Errc::corrupt, "damaged checkpoint section"};
  return {};
}

Status Broker::apply(storage::EntryKind kind, ShardId shard_id, ByteView payload, BlobRange where) {
  return detail::apply_entry(*this, kind, shard(shard_id), payload, where);
}

Result<storage::CheckpointSection> Broker::checkpoint_shard(ShardId shard_id,
                                                            const storage::CheckpointPlan& plan) {
  topics_->end_round();
  queues_->end_round();
  storage::CheckpointSection section;
  section.shard = shard_id;
  // The catalog is part of its shard, which may hold nothing else.
  if (shards_[shard_id.value] || shard_id == shard_of(Catalog::home)) {
    ShardState& state = shard(shard_id);
    state.pages.begin(plan, plan.takes_pages && !short_of_space());
    detail::write_snapshot(*this, state, section.state);
    section.state.shrink_to_fit();  // all shards' are held until the last one is taken
    section.pages = state.pages.end();
  }
  Result<BlobRange> place = journal(Space::less, storage::Store::mark_kind, shard_id, plan.mark);
  if (!place) return place.error();
  section.mark = *place;
  return section;
}

void Broker::use_pages(std::shared_ptr<storage::PageFiles> files) {
  page_files_ = std::move(files);
}

void Broker::open_pages(const std::set<std::uint64_t>& files) {
  if (!page_files_) return;
  for (std::uint64_t file : files) {
    Status opened = page_files_->open(file);
    if (!opened) log::error("pages are lost: {}", opened.error().message);
  }
}

void Broker::on_checkpoint_written(std::uint64_t id, const std::set<std::uint64_t>& page_files) {
  if (!page_files_) return;
  page_files_->close_unless(page_files);
  if (!page_files.contains(id)) return;
  if (Status opened = page_files_->open(id); !opened) {
    log::warn("what checkpoint {} has written stays in memory, too: {}", id,
              opened.error().message);
    return;
  }
  each_shard([id](ShardState& state) {
    for (const auto& [name, topic] : state.topics) topic->state.on_stored(id);
  });
}

void Broker::count_segments(SegmentBytes& out) {
  each_shard([&out](ShardState& state) {
    for (const auto& [name, topic] : state.topics) detail::count_segments(*topic, out);
    if (TRV_MUTANT(delayed_message_counts_as_dead)) return;
    state.delays.each([&out](const BlobRange& where) { out[where.blob] += where.length; });
  });
}

}  // namespace trv::broker
