#include "storage/store.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/mutant.h"
#include "storage/ballast.h"
#include "storage/checkpoint_file.h"
#include "storage/detail/marks.h"
#include "storage/durable_file.h"
#include "storage/format_file.h"
#include "storage/lane_replay.h"
#include "storage/listing.h"
#include "storage/segment_files.h"
#include "storage/session_file.h"

namespace trv::storage {
namespace {

constexpr char lock_name[] = "LOCK";
constexpr char reserve_name[] = "RESERVE";
constexpr std::uint64_t session_size_max = 64u << 20;
constexpr std::size_t checkpoints_kept = 2;
// As a part of the disk, what has to stay free; and of what has to stay free or of the disk, what
// calls for somebody to look.
constexpr std::uint64_t disk_free_divisor = 100;
constexpr std::uint64_t disk_low_factor = 4;
constexpr std::uint64_t disk_low_divisor = 20;
constexpr EntryKind storage_kind_first = 0xf0;

struct Checkpoint {
  std::uint64_t id = 0;
  Marks marks;
  std::set<std::uint64_t> page_files;  // that it refers to
};

// Changes of one shard that its visitor could not apply, since others before them are lost.
struct Unfit {
  std::uint64_t count = 0;
  BlobRange first;
  std::string why;  // of the first
};

}  // namespace

struct Store::State {
  State(io::Directory& d, JournalOptions o, std::unique_ptr<io::Lock> l)
      : directory(d), options(o), lock(std::move(l)) {}

  void read_session_record(RecoveryReport& report);
  Status load_checkpoints(RecoveryVisitor& visitor, RecoveryReport& report);
  bool check_page_files(const CheckpointFile& file, RecoveryReport& report);
  Status load_sections(const CheckpointFile& file, Marks& marks, RecoveryVisitor& visitor,
                       RecoveryReport& report);
  std::map<LaneKey, std::vector<std::uint32_t>> lanes_to_replay() const;
  Status replay_lane(LaneKey key, const std::vector<std::uint32_t>& numbers,
                     LaneReplay::Scratch& scratch, RecoveryVisitor& visitor,
                     RecoveryReport& report);
  Status hand_out(const EntryHeader& entry, ByteView payload, BlobRange where,
                  RecoveryVisitor& visitor, RecoveryReport& report);
  void report_unfit(RecoveryReport& report) const;
  Status sync_accepted(LaneKey key, const std::vector<std::uint32_t>& numbers,
                       std::uint32_t from_number);
  Status start_session();
  Status clear_leftovers();
  Status trim_clean_ends();
  Status choose_page_leavers(const FileSizes* live);
  Status remove_old_checkpoints(const FileSizes& live);
  bool reclaimable(LaneKey key, std::uint32_t number) const;
  Result<std::uint64_t> size_of_closed(SegmentId id) const;
  Status recycle(const std::vector<std::string>& names);
  Status fill_ballast();

  io::Directory& directory;
  JournalOptions options;
  std::unique_ptr<io::Lock> lock;

  int format = 0;
  bool recovered = false;
  std::uint32_t session = 0;  // of this process life; 0 before the first lane is opened
  std::uint32_t session_last = 0;
  SessionRecord session_record;         // of this process life
  Listing found;                        // at recovery
  std::map<LaneKey, LaneSeal> seals;    // of lanes of ended sessions
  std::set<LaneKey> empty_lanes;        // of ended sessions, without a single entry
  std::set<LaneKey> clean_ends;         // of lanes of the last session: nothing torn or damaged
  std::vector<Checkpoint> checkpoints;  // newest first
  Marks recovery_marks;
  std::map<ShardId, Unfit> unfit;
  std::uint64_t checkpoint_last = 0;
  std::set<std::uint64_t> page_leavers;
  std::set<std::uint64_t> bad_page_files;               // that were reported
  std::map<std::uint64_t, std::uint64_t> closed_sizes;  // of what the last reclaim() kept
};

// --- opening -------------------------------------------------------------------------------------

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(io::Directory& directory, JournalOptions options) {
  Result<std::unique_ptr<io::Lock>> lock = directory.lock(lock_name);
  if (!lock.ok()) return lock.error();
  Result<int> format = ensure_format(directory);
  if (!format) return format.error();
  if (options.disk_free_min > 0) {
    Result<io::DiskSpace> disk = directory.space();
    if (!disk.ok()) return disk.error();
    options.disk_free_min = std::max(options.disk_free_min, disk->total / disk_free_divisor);
  }
  auto state = std::make_unique<State>(directory, options, std::move(*lock));
  state->format = *format;
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

bool Store::places_by_tag() const { return state_->format >= 2; }

// --- recovery ------------------------------------------------------------------------------------

Result<RecoveryReport> Store::recover(RecoveryVisitor& visitor) {
  State& s = *state_;
  TRV_ASSERT(!s.recovered);
  RecoveryReport report;
  Result<Listing> listing = list(s.directory);
  if (!listing.ok()) return listing.error();
  s.found = std::move(*listing);
  s.read_session_record(report);
  if (Status status = s.load_checkpoints(visitor, report); !status.ok()) return status.error();
  LaneReplay::Scratch scratch;
  for (const auto& [key, numbers] : s.lanes_to_replay()) {
    if (Status status = s.replay_lane(key, numbers, scratch, visitor, report); !status.ok()) {
      return status.error();
    }
  }
  s.report_unfit(report);
  if (Status status = s.choose_page_leavers(nullptr); !status.ok()) return status.error();
  s.recovered = true;
  return report;
}

void Store::State::read_session_record(RecoveryReport& report) {
  for (const auto& [key, numbers] : found.lanes) session_last = std::max(session_last, key.first);
  if (!found.sessions.empty()) session_last = std::max(session_last, *found.sessions.rbegin());
  for (auto it = found.sessions.rbegin(); it != found.sessions.rend(); ++it) {
    Result<std::string> bytes = read_whole(directory, session_name(*it), session_size_max);
    std::optional<SessionRecord> record;
    if (bytes.ok()) record = parse_session(*bytes);
    if (!record) {
      report.damaged.push_back({0, 0,
                                session_name(*it) + " is unreadable: where earlier sessions "
                                                    "end is judged from their frames alone"});
      continue;
    }
    for (const LaneSeal& seal : record->seals) seals[{seal.session, seal.lane}] = seal;
    return;
  }
}

Status Store::State::load_checkpoints(RecoveryVisitor& visitor, RecoveryReport& report) {
  // One of which nothing came but its pages had that number, too.
  if (!found.page_files.empty()) checkpoint_last = *found.page_files.rbegin();
  for (auto it = found.checkpoints.rbegin(); it != found.checkpoints.rend(); ++it) {
    checkpoint_last = std::max(checkpoint_last, *it);
    Result<CheckpointFile> file = CheckpointFile::open(directory, *it);
    if (!file.ok()) {
      if (file.error().code != Errc::corrupt) return file.error();
      report.damaged.push_back({0, 0, file.error().message});
      continue;
    }
    if (!check_page_files(*file, report)) continue;
    Checkpoint checkpoint{*it, {}, file->page_files()};
    for (const CheckpointFile::Section& section : file->sections()) {
      checkpoint.marks.of_shard[section.shard.value] = section.mark;
    }
    checkpoints.push_back(std::move(checkpoint));
    if (Status s = load_sections(*file, recovery_marks, visitor, report); !s.ok()) return s;
  }
  return {};
}

// A page file that cannot be opened is a reason to take the checkpoint before, if that does without
// it. False: do. What is in it is lost otherwise, and told when it is asked for.
bool Store::State::check_page_files(const CheckpointFile& file, RecoveryReport& report) {
  PageFiles pages(directory);
  std::set<std::uint64_t> bad;
  for (std::uint64_t id : file.page_files()) {
    Status opened = pages.open(id);
    if (opened.ok()) continue;
    bad.insert(id);
    if (!bad_page_files.insert(id).second) continue;  // the other checkpoint's, too
    report.damaged.push_back({0, 0, opened.error().message});
  }
  if (bad.empty() || TRV_MUTANT(missing_page_file_ignored)) return true;
  auto before = found.checkpoints.find(file.id());
  if (before == found.checkpoints.begin()) return true;
  Result<CheckpointFile> older = CheckpointFile::open(directory, *std::prev(before));
  if (!older.ok()) return true;
  return std::any_of(bad.begin(), bad.end(),
                     [&](std::uint64_t id) { return older->page_files().contains(id); });
}

// Only of the shards that no newer checkpoint had whole.
Status Store::State::load_sections(const CheckpointFile& file, Marks& marks,
                                   RecoveryVisitor& visitor, RecoveryReport& report) {
  for (const CheckpointFile::Section& section : file.sections()) {
    std::optional<BlobRange>& mark = marks.of_shard[section.shard.value];
    if (mark) continue;
    Result<std::string> state = file.read(section);
    if (!state.ok()) {
      if (state.error().code != Errc::corrupt) return state.error();
      report.damaged.push_back({0, 0,
                                state.error().message + " (shard " +
                                    std::to_string(section.shard.value) + "); taken from before"});
      continue;
    }
    if (Status s = visitor.on_checkpoint(section.shard, *state); !s.ok()) return s;
    mark = section.mark;
  }
  return {};
}

// Those of which the session file knows without there being a file, too. If they are needed, they
// are lost; what was freed is not needed.
std::map<LaneKey, std::vector<std::uint32_t>> Store::State::lanes_to_replay() const {
  auto lanes = found.lanes;
  for (const auto& [key, seal] : seals) lanes.try_emplace(key);
  return lanes;
}

Status Store::State::replay_lane(LaneKey key, const std::vector<std::uint32_t>& numbers,
                                 LaneReplay::Scratch& scratch, RecoveryVisitor& visitor,
                                 RecoveryReport& report) {
  std::optional<std::uint32_t> first = recovery_marks.first_needed(key);
  if (!first) return {};
  LaneReplay::Input input{key.first, key.second, *first, {}, {}, key.first == session_last};
  std::copy_if(numbers.begin(), numbers.end(), std::back_inserter(input.numbers),
               [&](std::uint32_t number) { return number >= *first; });
  auto seal = seals.find(key);
  if (seal != seals.end() && !TRV_MUTANT(seal_ignored)) input.seal = seal->second;
  auto on_entry = [&](const EntryHeader& entry, ByteView payload, BlobRange where) -> Status {
    return hand_out(entry, payload, where, visitor, report);
  };
  std::size_t bad_before = report.damaged.size() + report.torn_tails.size();
  LaneReplay replay(directory, std::move(input), scratch, on_entry, report);
  if (Status s = replay.run(); !s.ok()) return s;
  LaneSeal end = replay.end();
  bool clean = report.damaged.size() + report.torn_tails.size() == bad_before;
  bool was_sealed = seal != seals.end();
  if (clean && *first == 0 && end.entries == 0) empty_lanes.insert(key);
  // Sealed by the clean end of the last session, it has its full size still.
  const bool uncut = !was_sealed || key.first == session_last;
  if (clean && uncut && replay.reached_last()) clean_ends.insert(key);
  seals[key] = end;
  // What is served must not vanish at the next power loss, though it was never acknowledged.
  // Sessions before the last were synced when the one after them began.
  if (was_sealed || TRV_MUTANT(accepted_tail_not_synced)) return {};
  return sync_accepted(key, numbers, replay.synced_number());
}

// A change may build on one that damage took away. What cannot be applied then is part of the loss
// and no reason to keep everything else from its users; without damage it is a fault of ours.
Status Store::State::hand_out(const EntryHeader& entry, ByteView payload, BlobRange where,
                              RecoveryVisitor& visitor, RecoveryReport& report) {
  if (entry.kind >= storage_kind_first || recovery_marks.before(entry.shard, where)) return {};
  ++report.entries;
  Status applied = visitor.on_entry(entry.kind, entry.shard, payload, where);
  if (applied.ok() || report.damaged.empty()) return applied;
  if (applied.error().code == Errc::unsupported) return applied;  // of a newer version
  Unfit& shard = unfit[entry.shard];
  if (++shard.count == 1) {
    shard.first = where;
    shard.why = applied.error().message;
  }
  return {};
}

void Store::State::report_unfit(RecoveryReport& report) const {
  for (const auto& [shard, lost] : unfit) {
    report.damaged.push_back({lost.first.blob, lost.first.position,
                              std::to_string(lost.count) + " changes of shard " +
                                  std::to_string(shard.value) +
                                  " build on lost ones and are left out; the first: " + lost.why});
  }
}

Status Store::State::sync_accepted(LaneKey key, const std::vector<std::uint32_t>& numbers,
                                   std::uint32_t from_number) {
  for (std::uint32_t number : numbers) {
    if (number < from_number) continue;
    Result<std::unique_ptr<io::File>> file =
        directory.open(segment_name({key.first, key.second, number}), io::OpenMode::read_write);
    if (!file.ok()) return file.error();
    if (Status s = (*file)->sync(); !s.ok()) return s;
  }
  return directory.sync();
}

// --- a process life ------------------------------------------------------------------------------

// The order matters on a full disk: what was left over makes room first, the reserve takes the
// session's record, and only then are segments touched whose seals the record holds.
Status Store::State::start_session() {
  if (Status s = clear_leftovers(); !s.ok()) return s;
  SessionRecord record{session_last + 1, {}};
  for (const auto& [key, seal] : seals) {
    if (found.lanes.contains(key) && !empty_lanes.contains(key)) record.seals.push_back(seal);
  }
  std::string bytes = encode_session(record);
  std::string_view part = bytes;
  std::string name = session_name(record.session);
  if (Status s = write_durably(directory, name, std::span(&part, 1), reserve_name); !s.ok()) {
    return s;
  }
  session = record.session;
  session_record = std::move(record);
  for (std::uint32_t old : found.sessions) {
    if (Status s = directory.remove(session_name(old)); !s.ok()) return s;
  }
  std::vector<std::string> dead;
  for (const LaneKey& key : empty_lanes) {
    for (std::uint32_t number : found.lanes[key]) {
      dead.push_back(segment_name({key.first, key.second, number}));
    }
  }
  if (Status s = recycle(dead); !s.ok()) return s;
  if (Status s = trim_clean_ends(); !s.ok()) return s;
  if (Status s = make_reserve(directory, reserve_name); !s.ok()) return s;
  return fill_ballast();
}

// The reserved space behind the last frame of a lane that ended well is given back.
Status Store::State::trim_clean_ends() {
  for (const LaneKey& key : clean_ends) {
    if (empty_lanes.contains(key)) continue;
    LanePlace end = seals[key].end;
    std::string name = segment_name({key.first, key.second, end.number});
    Result<std::unique_ptr<io::File>> file = directory.open(name, io::OpenMode::read_write);
    if (!file.ok()) return file.error();
    if (Status s = (*file)->truncate(end.position); !s.ok()) return s;
    if (Status s = (*file)->sync(); !s.ok()) return s;
  }
  return {};
}

Status Store::State::clear_leftovers() {
  std::vector<std::string> spares;
  for (const std::string& name : found.leftovers) {
    if (!name.ends_with(unfinished_suffix)) {
      spares.push_back(name);
    } else if (Status s = directory.remove(name); !s.ok() && s.error().code != Errc::not_found) {
      return s;
    }
  }
  return recycle(spares);
}

Result<std::unique_ptr<Journal>> Store::open_lane(CoreIndex lane, Offload offload) {
  State& s = *state_;
  TRV_ASSERT(s.recovered);
  if (s.session == 0) {
    if (Status status = s.start_session(); !status.ok()) return status.error();
  }
  return Journal::open(s.directory, s.session, lane, s.options, std::move(offload));
}

Status Store::end_session(std::span<const Journal::End> ends) {
  State& s = *state_;
  SessionRecord record = s.session_record;
  for (std::size_t lane = 0; lane < ends.size(); ++lane) {
    const Journal::End& end = ends[lane];
    if (end.entries == 0 || TRV_MUTANT(clean_end_not_noted)) continue;
    record.seals.push_back(
        {s.session, static_cast<std::uint8_t>(lane), {end.segment, end.position}, end.entries});
  }
  const std::string bytes = encode_session(record);
  const std::string_view part = bytes;
  return write_durably_on_full_disk(s.directory, session_name(s.session), std::span(&part, 1));
}

// --- checkpoints and reclaiming ------------------------------------------------------------------

CheckpointPlan Store::begin_checkpoint() {
  CheckpointPlan plan;
  plan.id = ++state_->checkpoint_last;
  ByteWriter(plan.mark).u64_le(plan.id);
  plan.page_leavers = state_->page_leavers;
  return plan;
}

std::set<std::uint64_t> Store::page_files() const {
  std::set<std::uint64_t> files;
  for (const Checkpoint& checkpoint : state_->checkpoints) {
    files.insert(checkpoint.page_files.begin(), checkpoint.page_files.end());
  }
  return files;
}

Status Store::write_checkpoint(std::uint64_t id, std::vector<CheckpointSection> sections) {
  State& s = *state_;
  Checkpoint checkpoint{id, {}, {}};
  FileSizes live;  // of what this one refers to
  std::vector<ShardPages> pages;
  for (const CheckpointSection& section : sections) {
    for (const auto& [file, bytes] : section.pages.live()) live[file] += bytes;
    if (section.pages.size() > 0) pages.push_back({section.shard, section.pages.bytes()});
    std::optional<BlobRange>& mark = checkpoint.marks.of_shard[section.shard.value];
    if (section.mark.blob == 0) {
      return Error{Errc::invalid_argument, "a checkpoint section needs the place of its mark"};
    }
    if (mark) return Error{Errc::invalid_argument, "a checkpoint has two sections of one shard"};
    mark = section.mark;
  }
  for (const auto& [file, bytes] : live) checkpoint.page_files.insert(file);
  Status written = pages.empty() ? Status() : write_page_file(s.directory, id, pages);
  if (written.ok()) {
    written = write_checkpoint_file(s.directory, id, sections, checkpoint.page_files);
  }
  if (!written.ok()) return written;
  s.checkpoints.insert(s.checkpoints.begin(), std::move(checkpoint));
  if (s.checkpoints.size() > checkpoints_kept) s.checkpoints.resize(checkpoints_kept);
  return s.remove_old_checkpoints(live);
}

Status Store::State::remove_old_checkpoints(const FileSizes& live) {
  Result<Listing> listing = list(directory);
  if (!listing.ok()) return listing.error();
  const auto kept = [&](auto&& has) {
    return std::any_of(checkpoints.begin(), checkpoints.end(), has);
  };
  for (std::uint64_t id : listing->checkpoints) {
    if (kept([&](const Checkpoint& c) { return c.id == id; })) continue;
    if (Status status = directory.remove(checkpoint_name(id)); !status.ok()) return status;
  }
  for (std::uint64_t id : listing->page_files) {
    const bool needed = kept([&](const Checkpoint& c) { return c.page_files.contains(id); });
    if (needed && !(TRV_MUTANT(page_file_of_older_checkpoint_removed) && !live.contains(id))) {
      continue;
    }
    if (Status status = directory.remove(page_file_name(id)); !status.ok()) return status;
  }
  return choose_page_leavers(&live);
}

// What lives in them is not known (null) before a checkpoint of this life. That they are many is,
// and a short life has but one checkpoint.
Status Store::State::choose_page_leavers(const FileSizes* live) {
  if (checkpoints.empty()) return {};
  auto sizes = page_file_sizes(directory, checkpoints.front().page_files);
  if (!sizes.ok()) return sizes.error();
  page_leavers = choose_page_files_to_empty(*sizes, live ? *live : *sizes);
  return {};
}

bool Store::State::reclaimable(LaneKey key, std::uint32_t number) const {
  if (key.first != session) {
    auto seal = seals.find(key);
    // Behind what recovery accepted: never part of the log.
    if (seal != seals.end() && number > seal->second.end.number) return true;
  }
  if (checkpoints.size() < checkpoints_kept) return false;
  for (const Checkpoint& checkpoint : checkpoints) {
    std::optional<std::uint32_t> first = checkpoint.marks.first_needed(key);
    if (first && number >= *first) return false;
    // A lane of this session without a mark may be the home of no shard, but it is open.
    if (!first && key.first == session) return false;
    if (TRV_MUTANT(reclaim_for_newest_checkpoint_only)) break;
  }
  return true;
}

Result<std::vector<Store::SegmentSize>> Store::reclaim(const std::vector<std::uint64_t>& live) {
  State& s = *state_;
  const std::set<std::uint64_t> kept(live.begin(), live.end());
  Result<Listing> listing = list(s.directory);
  if (!listing.ok()) return listing.error();
  std::vector<std::string> dead;
  std::map<std::uint64_t, std::uint64_t> sizes;
  std::vector<SegmentSize> kept_closed;
  for (const auto& [key, numbers] : listing->lanes) {
    for (std::uint32_t number : numbers) {
      SegmentId id{key.first, key.second, number};
      if (!s.reclaimable(key, number)) continue;
      if (!kept.contains(id.blob()) || TRV_MUTANT(live_segment_reclaimed)) {
        dead.push_back(segment_name(id));
        continue;
      }
      Result<std::uint64_t> size = s.size_of_closed(id);
      if (!size.ok()) return size.error();
      kept_closed.push_back({id.blob(), *size});
      sizes.emplace(id.blob(), *size);
    }
  }
  s.closed_sizes = std::move(sizes);
  if (Status status = s.recycle(dead); !status.ok()) return status.error();
  if (Status status = s.fill_ballast(); !status.ok()) return status.error();
  return kept_closed;
}

Status Store::State::fill_ballast() {
  return storage::fill_ballast(directory, options.ballast_pieces,
                               ballast_piece_size(options.segment_size));
}

// Never changes, so it is asked once.
Result<std::uint64_t> Store::State::size_of_closed(SegmentId id) const {
  if (auto known = closed_sizes.find(id.blob()); known != closed_sizes.end()) return known->second;
  Result<std::unique_ptr<io::File>> file = directory.open(segment_name(id), io::OpenMode::read);
  if (!file.ok()) return file.error();
  return (*file)->size();
}

// Their names are gone durably before the files are used again: no name ever shows bytes of another
// segment. Spare files beyond a few are removed.
Status Store::State::recycle(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  Result<Listing> listing = list(directory);
  if (!listing.ok()) return listing.error();
  std::vector<std::pair<std::string, std::string>> moves;  // unfinished name, free name
  std::uint32_t slot = 0;
  for (const std::string& name : names) {
    while (slot < free_files_max && listing->free_slots.contains(slot)) ++slot;
    if (slot == free_files_max) {
      if (Status s = directory.remove(name); !s.ok()) return s;
      continue;
    }
    std::string free = free_name(slot++);
    std::string unfinished = free + std::string(unfinished_suffix);
    if (Status s = directory.rename(name, unfinished); !s.ok()) return s;
    moves.emplace_back(std::move(unfinished), std::move(free));
  }
  Status gone = TRV_MUTANT(recycled_before_its_name_is_gone) ? Status() : directory.sync();
  if (!gone.ok()) return gone;
  for (const auto& [unfinished, free] : moves) {
    if (Status s = directory.rename(unfinished, free); !s.ok()) return s;
  }
  return {};
}

Result<Store::DiskState> Store::disk_state() const {
  Result<io::DiskSpace> disk = state_->directory.space();
  if (!disk.ok()) return disk.error();
  const std::uint64_t least = state_->options.disk_free_min;
  const std::uint64_t low = std::max(least * disk_low_factor, disk->total / disk_low_divisor);
  return DiskState{*disk, least > 0 && disk->free < low};
}

Result<std::uint64_t> Store::size_on_disk() const {
  Result<Listing> listing = list(state_->directory);
  if (!listing.ok()) return listing.error();
  std::uint64_t total = 0;
  for (const std::string& name : listing->counted) {
    Result<std::unique_ptr<io::File>> file = state_->directory.open(name, io::OpenMode::read);
    if (!file.ok()) {
      if (file.error().code == Errc::not_found) continue;  // taken for re-use meanwhile
      return file.error();
    }
    Result<std::uint64_t> size = (*file)->size();
    if (!size.ok()) return size.error();
    total += *size;
  }
  return total;
}

}  // namespace trv::storage
