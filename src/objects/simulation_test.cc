// Proves that nothing that was acknowledged is lost, doubled, reordered or invented, whatever the
// store and the processes do: a few brokers append to shared shards, crash, pause and wake late,
// take each other's shards over at the same time, checkpoint and trim, over a store that delays,
// repeats and loses calls. A twin remembers what was promised and looks at every state that is
// rebuilt. Everything is drawn from one seed.
//
// And that the simulation would notice: each rule of the design is broken on purpose, and each time
// some seed must fail.
//
// TRV_SEEDS: how many seeds instead of the short form's; TRV_SEED: the first one.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "io/memory_objects.h"
#include "objects/placement.h"
#include "objects/slot_journal.h"

namespace trv::objects {
namespace {

enum class Broken : std::uint8_t {
  nothing,
  seal_deleted,
  cas_skipped,           // put in its place
  ack_out_of_order,      // a slot is acknowledged when it is created, whatever is before it
  ack_on_unknown,        // no answer counts as a yes
  blob_name_reused,      // and written with put
  blob_removed_early,    // before the root that replaces it is durable
  taken_without_seal,    // the owner's last slots are read, and it is left alive
  dropped_while_needed,  // slots go before a checkpoint covers them
};

constexpr Broken all_broken[] = {
    Broken::seal_deleted,       Broken::cas_skipped,          Broken::ack_out_of_order,
    Broken::ack_on_unknown,     Broken::blob_name_reused,     Broken::blob_removed_early,
    Broken::taken_without_seal, Broken::dropped_while_needed,
};

const char* name_of(Broken broken) {
  switch (broken) {
    case Broken::nothing:
      return "nothing";
    case Broken::seal_deleted:
      return "seal deleted";
    case Broken::cas_skipped:
      return "cas skipped";
    case Broken::ack_out_of_order:
      return "ack out of order";
    case Broken::ack_on_unknown:
      return "ack on unknown";
    case Broken::blob_name_reused:
      return "blob name reused";
    case Broken::blob_removed_early:
      return "blob removed before the root";
    case Broken::taken_without_seal:
      return "taken without a seal";
    case Broken::dropped_while_needed:
      return "slots dropped while needed";
  }
  return "";
}

// The store as a process sees it whose code breaks a rule.
class BreakingStore final : public io::ObjectStore {
 public:
  BreakingStore(io::ObjectStore& inner, Broken broken) : inner_(inner), broken_(broken) {}

  // Called with the name of each slot that was created, at once.
  void set_on_slot(UniqueFunction<void(const std::string&)> f) { on_slot_ = std::move(f); }

  // A few names for all blobs, when they are reused.
  static std::string place_of(Broken broken, std::string name) {
    if (broken != Broken::blob_name_reused || !name.starts_with("blobs/")) return name;
    return std::string("blobs/") + (name.back() < '8' ? "0" : "1");
  }

  void create_if_absent(std::string name, std::string bytes,
                        Done<io::ObjectVersion> done) override {
    if (broken_ == Broken::blob_name_reused && name.starts_with("blobs/")) {
      return inner_.put(place_of(broken_, name), std::move(bytes), std::move(done));
    }
    const bool frame =
        name.starts_with("slots/") && parse_slot(bytes).value().kind == SlotKind::frame;
    if (!frame) return inner_.create_if_absent(std::move(name), std::move(bytes), std::move(done));
    const io::ObjectVersion version = io::version_of(bytes);
    auto then = [this, name, version, done = std::move(done)](auto result) mutable {
      const bool unknown = !result.ok() && !io::is_certain(result.error().code);
      if (unknown && broken_ == Broken::ack_on_unknown) result = version;
      if (result.ok() && on_slot_) on_slot_(name);
      done(std::move(result));
    };
    inner_.create_if_absent(name, std::move(bytes), std::move(then));
  }
  void cas(std::string name, io::ObjectVersion expected, std::string bytes,
           Done<io::ObjectVersion> done) override {
    if (broken_ == Broken::cas_skipped) {
      return inner_.put(std::move(name), std::move(bytes), std::move(done));
    }
    inner_.cas(std::move(name), std::move(expected), std::move(bytes), std::move(done));
  }
  void get(std::string name, io::ObjectRange range, Done<io::Object> done) override {
    inner_.get(place_of(broken_, std::move(name)), range, std::move(done));
  }
  void put(std::string name, std::string bytes, Done<io::ObjectVersion> done) override {
    inner_.put(std::move(name), std::move(bytes), std::move(done));
  }
  void list(std::string prefix, std::string after, Done<io::ObjectPage> done) override {
    inner_.list(std::move(prefix), std::move(after), std::move(done));
  }
  void remove(std::string name, Done<void> done) override {
    inner_.remove(place_of(broken_, std::move(name)), std::move(done));
  }

 private:
  io::ObjectStore& inner_;
  Broken broken_;
  UniqueFunction<void(const std::string&)> on_slot_;
};

struct Entry {
  Epoch epoch;
  std::uint64_t value = 0;  // counted over the whole run, in the order of the appends
  auto operator<=>(const Entry&) const = default;
};
using Log = std::vector<Entry>;

struct ShardEntry {
  int shard = 0;
  Entry entry;
};

std::string encode_log(const Log& log) {
  std::string bytes;
  ByteWriter writer(bytes);
  for (const Entry& entry : log) {
    writer.u64_le(entry.epoch.value);
    writer.u64_le(entry.value);
  }
  return bytes;
}

Log parse_log(ByteView bytes) {
  ByteReader reader(bytes);
  Log log;
  while (reader.remaining() > 0) {
    const Epoch epoch(reader.u64_le());
    log.push_back({epoch, reader.u64_le()});
  }
  TRV_ASSERT(reader.done());
  return log;
}

// What was promised to clients, and what must therefore be found.
class Twin {
 public:
  const std::string& failure() const { return failure_; }
  void fail(int shard, const std::string& what) {
    if (failure_.empty()) failure_ = "shard " + std::to_string(shard) + ": " + what;
  }

  Entry issue(int shard, Epoch epoch) {
    const Entry entry{epoch, ++value_last_};
    shards_[shard].issued.insert(entry);
    return entry;
  }
  void refuse(int shard, Entry entry) { shards_[shard].refused.insert(entry); }

  void acknowledge(int shard, SessionId session, Entry entry) {
    Shard& s = shards_[shard];
    auto [owner, first] = s.owners.emplace(entry.epoch, session);
    if (owner->second != session) fail(shard, "two owners acknowledge in one epoch");
    s.acknowledged.insert(entry);
    auto later = s.rebuilt.upper_bound(entry.epoch);
    if (later != s.rebuilt.end() && !holds(later->second, entry)) {
      fail(shard, "acknowledged after its epoch, and lost");
    }
    ++acknowledged_count;
  }

  // `log` is all that was written in epochs before `epoch`, as its new owner has rebuilt it.
  void rebuilt(int shard, Epoch epoch, const Log& log) {
    Shard& s = shards_[shard];
    for (std::size_t i = 1; i < log.size(); ++i) {
      if (!(log[i - 1] < log[i])) fail(shard, "out of order, or twice");
    }
    for (const Entry& entry : log) {
      if (!s.issued.contains(entry)) fail(shard, "never written");
      if (s.refused.contains(entry)) fail(shard, "refused for certain, and there");
    }
    for (const Entry& entry : s.acknowledged) {
      if (entry.epoch < epoch && !holds(log, entry)) fail(shard, "acknowledged, and lost");
    }
    auto [place, first] = s.rebuilt.emplace(epoch, log);
    if (!first) return fail(shard, "two owners of one epoch");
    if (place != s.rebuilt.begin()) check_prefix(shard, std::prev(place)->second, log);
    if (auto next = std::next(place); next != s.rebuilt.end())
      check_prefix(shard, log, next->second);
    ++rebuilt_count;
  }

  // The root's cell, whenever it has changed.
  void observe(int shard, const Root& root) {
    std::optional<Root>& last = shards_[shard].root;
    if (last && root.epoch < last->epoch) fail(shard, "the epoch shrank");
    if (last && root.epoch == last->epoch && root.session != last->session) {
      fail(shard, "the owner changed within an epoch");
    }
    last = root;
  }

  bool promised(int shard) { return !shards_[shard].acknowledged.empty(); }

  std::uint64_t acknowledged_count = 0;
  std::uint64_t rebuilt_count = 0;

 private:
  struct Shard {
    std::set<Entry> issued, refused, acknowledged;
    std::map<Epoch, SessionId> owners;
    std::map<Epoch, Log> rebuilt;
    std::optional<Root> root;
  };

  static bool holds(const Log& log, const Entry& entry) {
    return std::find(log.begin(), log.end(), entry) != log.end();
  }
  void check_prefix(int shard, const Log& before, const Log& after) {
    if (before.size() > after.size() || !std::equal(before.begin(), before.end(), after.begin())) {
      fail(shard, "a later owner sees another past");
    }
  }

  std::map<int, Shard> shards_;
  std::uint64_t value_last_ = 0;
  std::string failure_;
};

struct Totals {
  std::uint64_t fenced = 0, crashed = 0, unknown = 0, raced = 0, trimmed = 0, dropped = 0;
};

// What all brokers of a run share.
struct World {
  World(std::uint64_t seed, Broken b, io::ObjectFaults faults)
      : random(seed), broken(b), objects(seed + 1, faults) {}
  std::uint64_t draw(std::uint64_t limit) { return random() % limit; }

  std::mt19937_64 random;
  Broken broken;
  io::MemoryObjects objects;
  Twin twin;
  Totals totals;
  int shard_count = 1;
  std::vector<SessionId> retired;  // sessions that once owned a shard that another owns now
};

// A shard's log while it is rebuilt.
class Rebuilding final : public Rebuild {
 public:
  Rebuilding(World& world, BlobStore& blobs, int shard)
      : world_(world), blobs_(blobs), shard_(shard) {}

  void load(std::optional<BlobRef> checkpoint, Done<void> done) override {
    loaded = checkpoint;
    // A blob of nothing keeps the answer asynchronous without a case of its own.
    if (!checkpoint) return blobs_.write({}, [done = std::move(done)](auto) mutable { done({}); });
    blobs_.read(*checkpoint, [this, done = std::move(done)](Result<std::string> bytes) mutable {
      if (!bytes.ok()) return done(bytes.error());
      log = parse_log(*bytes);
      done({});
    });
  }
  void apply(Epoch epoch, Slot, ByteView frame) override {
    ByteReader reader(frame);
    while (reader.remaining() > 0) {
      const int shard = reader.u8();
      const Entry entry{Epoch(reader.u64_le()), reader.u64_le()};
      if (shard == shard_ && entry.epoch == epoch) log.push_back(entry);
    }
    TRV_ASSERT(reader.done());
  }
  void save(Done<std::optional<BlobRef>> done) override {
    if (loaded && world_.broken == Broken::blob_removed_early) blobs_.remove(*loaded, [](auto) {});
    blobs_.write(encode_log(log), [this, done = std::move(done)](Result<BlobRef> blob) mutable {
      if (!blob.ok()) return done(blob.error());
      saved = *blob;
      done(std::optional<BlobRef>(*blob));
    });
  }

  Log log;
  std::optional<BlobRef> loaded, saved;

 private:
  World& world_;
  BlobStore& blobs_;
  int shard_;
};

// One life of a broker. Destroying it is a crash.
class Broker {
 public:
  Broker(World& world, NodeId node)
      : world_(world),
        node_(node),
        connection_(world.objects.connect()),
        store_(*connection_, world.broken) {
    store_.set_on_slot([this](const std::string& name) {
      if (world_.broken == Broken::ack_out_of_order) on_frame_durable(name);
    });
    journals_.create([this](Result<SessionId> session) {
      if (!session.ok()) return die();
      journal_.emplace(store_, *session, writer_, 4);
    });
  }

  bool dead() const { return dead_ || (journal_ && journal_->state() != SlotJournal::State::open); }
  bool fenced() const { return journal_ && journal_->state() == SlotJournal::State::fenced; }
  bool ready() const { return journal_ && !dead(); }
  bool owns(int shard) const { return owned_.contains(shard); }
  bool paused() const { return paused_; }
  void pause() {
    paused_ = true;
    connection_->pause();
  }
  void resume() {
    paused_ = false;
    connection_->resume();
  }

  // One group commit with entries for some of the shards that it owns.
  void append() {
    if (owned_.empty()) return;
    std::vector<ShardEntry> entries;
    for (std::uint64_t count = 1 + world_.draw(3); count > 0; --count) {
      auto it = std::next(owned_.begin(), static_cast<long>(world_.draw(owned_.size())));
      const Entry entry = world_.twin.issue(it->first, it->second.placed.root.epoch);
      entries.push_back({it->first, entry});
    }
    std::string frame;
    ByteWriter writer(frame);
    for (const ShardEntry& e : entries) {
      writer.u8(static_cast<std::uint8_t>(e.shard));
      writer.u64_le(e.entry.epoch.value);
      writer.u64_le(e.entry.value);
    }
    const std::string name = slot_name(journal_->session(), journal_->next());
    Status taken = journal_->append(std::move(frame), [this, name](Status s) {
      if (s.ok() && world_.broken != Broken::ack_out_of_order) on_frame_durable(name);
    });
    if (taken.ok()) {
      on_their_way_[name] = std::move(entries);
    } else {
      for (const ShardEntry& e : entries) world_.twin.refuse(e.shard, e.entry);
    }
  }

  void take(int shard) {
    if (owns(shard) || taking_.contains(shard)) return;
    const Claim claim{ShardId(static_cast<std::uint8_t>(shard)), node_, journal_->session(),
                      journal_->next()};
    Taking& t = taking_[shard];
    t.first = claim.first;
    t.state = std::make_unique<Rebuilding>(world_, blobs_, shard);
    if (world_.broken == Broken::taken_without_seal) return take_without_seal(claim);
    placement_.take(claim, *t.state, [this, shard](auto placed) { on_taken(shard, placed); });
  }

  // Puts all that is acknowledged into a new checkpoint.
  void checkpoint(int shard) {
    auto it = owned_.find(shard);
    if (it == owned_.end() || it->second.advancing) return;
    it->second.advancing = true;
    const Slot first = journal_->acknowledged();
    if (it->second.placed.root.checkpoint && world_.broken == Broken::blob_removed_early) {
      blobs_.remove(*it->second.placed.root.checkpoint, [](auto) {});
    }
    blobs_.write(encode_log(it->second.log), [this, shard, first](Result<BlobRef> blob) {
      if (!blob.ok()) return look_again(shard);
      placement_.advance(owned_.at(shard).placed, first, *blob,
                         [this, shard](auto placed) { on_advanced(shard, placed); });
    });
  }

  // Drops the slots of its own session that no root needs.
  void trim() {
    Slot below = journal_->acknowledged();
    if (world_.broken != Broken::dropped_while_needed) {
      for (const auto& [shard, o] : owned_) below = std::min(below, o.placed.root.first);
      for (const auto& [shard, t] : taking_) below = std::min(below, t.first);
    }
    journals_.trim(journal_->session(), below, [this](Result<Slot> trimmed) {
      if (trimmed.ok()) ++world_.totals.trimmed;
    });
  }

  // Drops a session of which no root is left.
  void drop_retired() {
    if (world_.retired.empty() || dropping_) return;
    dropping_ = true;
    drop_unless_named(world_.retired[world_.draw(world_.retired.size())], 0);
  }

 private:
  struct Owned {
    Placed placed;
    Log log;  // what is acknowledged
    bool advancing = false;
  };
  struct Taking {
    Slot first;
    std::unique_ptr<Rebuilding> state;
  };

  void die() { dead_ = true; }

  void on_frame_durable(const std::string& name) {
    for (const ShardEntry& e : on_their_way_[name]) {
      world_.twin.acknowledge(e.shard, journal_->session(), e.entry);
      auto it = owned_.find(e.shard);
      if (it != owned_.end()) it->second.log.push_back(e.entry);
    }
    on_their_way_.erase(name);
  }

  void on_taken(int shard, const Result<Placed>& placed) {
    std::unique_ptr<Rebuilding> state = std::move(taking_.at(shard).state);
    taking_.erase(shard);
    if (placed.ok()) {
      world_.twin.rebuilt(shard, placed->root.epoch, state->log);
      owned_[shard] = {*placed, state->log};
      if (!state->loaded) return;
      blobs_.remove(*state->loaded, [](auto) {});
      return;
    }
    const Errc code = placed.error().code;
    if (code == Errc::precondition_failed) {
      ++world_.totals.raced;
      if (state->saved) blobs_.remove(*state->saved, [](auto) {});
    }
    if (code == Errc::timed_out) ++world_.totals.unknown;
    if (code == Errc::in_use) die();
  }

  void on_advanced(int shard, const Result<Placed>& placed) {
    if (!placed.ok()) return look_again(shard);
    Owned& o = owned_.at(shard);
    o.advancing = false;
    const std::optional<BlobRef> before = o.placed.root.checkpoint;
    o.placed = *placed;
    if (before) blobs_.remove(*before, [](auto) {});
  }

  // After an advance that failed, or of which nothing is known.
  void look_again(int shard) {
    placement_.locate(ShardId(static_cast<std::uint8_t>(shard)), [this, shard](auto placed) {
      if (!placed.ok()) return die();
      auto it = owned_.find(shard);
      it->second.advancing = false;
      if (placed->root.session == journal_->session()) {
        it->second.placed = *placed;
      } else {
        owned_.erase(it);
      }
    });
  }

  void drop_unless_named(SessionId session, int shard) {
    if (shard == world_.shard_count) {
      return journals_.seal(session, [this, session](Result<SessionRecord> record) {
        if (!record.ok()) return void(dropping_ = false);
        journals_.trim(session, record->end, [this](Result<Slot> trimmed) {
          dropping_ = false;
          if (trimmed.ok()) ++world_.totals.dropped;
        });
      });
    }
    const ShardId id(static_cast<std::uint8_t>(shard));
    placement_.locate(id, [this, session, shard](Result<Placed> placed) {
      const bool free =
          placed.ok() ? placed->root.session != session : placed.error().code == Errc::not_found;
      if (!free) return void(dropping_ = false);
      drop_unless_named(session, shard + 1);
    });
  }

  // Like Placement::take(), but what the owner has written so far counts as all it will ever write.
  void take_without_seal(const Claim& claim) {
    const int shard = claim.shard.value;
    placement_.locate(claim.shard, [this, claim, shard](Result<Placed> seen) {
      if (!seen.ok() && seen.error().code == Errc::not_found) {
        return placement_.take(claim, *taking_.at(shard).state,
                               [this, shard](auto placed) { on_taken(shard, placed); });
      }
      if (!seen.ok() || seen->root.session == claim.session) {
        return on_taken(shard, Error{Errc::in_use, ""});
      }
      taking_.at(shard).state->load(seen->root.checkpoint, [this, claim, seen](Status s) {
        if (!s.ok()) return on_taken(claim.shard.value, s.error());
        read_unsealed(claim, *seen, seen->root.first);
      });
    });
  }
  void read_unsealed(const Claim& claim, const Placed& seen, Slot slot) {
    const int shard = claim.shard.value;
    Rebuilding& state = *taking_.at(shard).state;
    fetch(store_, slot_name(seen.root.session, slot), {}, [&, this, claim, seen, slot](auto found) {
      if (found.ok()) {
        state.apply(seen.root.epoch, slot, parse_slot(found->bytes).value().payload);
        return read_unsealed(claim, seen, slot + 1);
      }
      state.save([this, claim, seen, shard = claim.shard.value](auto blob) {
        if (!blob.ok()) return on_taken(shard, blob.error());
        Root root{seen.root.epoch + 1, claim.node, claim.session, claim.first, *blob};
        cells_.change(seen.cell, encode_root(root), [this, shard, root](Result<Cell> cell) {
          on_taken(shard, cell.ok() ? Result<Placed>(Placed{*cell, root}) : cell.error());
        });
      });
    });
  }

  World& world_;
  NodeId node_;
  std::unique_ptr<io::MemoryObjects::Connection> connection_;
  BreakingStore store_;
  WriterId writer_{world_.random()};
  Random random_{[this] { return world_.random(); }};
  CellStore cells_{store_, writer_, random_};
  BlobStore blobs_{store_, writer_, random_};
  JournalStore journals_{store_, cells_, writer_, random_};
  Placement placement_{cells_, journals_};
  std::optional<SlotJournal> journal_;
  std::map<int, Owned> owned_;
  std::map<int, Taking> taking_;
  std::map<std::string, std::vector<ShardEntry>> on_their_way_;  // by slot
  bool paused_ = false;
  bool dead_ = false;
  bool dropping_ = false;
};

// One run.
class Simulation {
 public:
  Simulation(std::uint64_t seed, Broken broken)
      : faults_(faults_of(seed)), world_(seed, broken, faults_) {
    world_.shard_count = 1 + static_cast<int>(world_.draw(3));
    brokers_.resize(2 + world_.draw(3));
  }

  // The first promise that was not kept; empty when there is none.
  std::string run() {
    for (int i = 0; i < 1200 && world_.twin.failure().empty(); ++i) {
      if (world_.draw(1000) < 2) world_.objects.set_faults(outage);
      if (world_.draw(100) < 2) world_.objects.set_faults(faults_);
      if (world_.draw(100) < 80) {
        world_.objects.step();
      } else {
        act();
      }
      observe();
    }
    if (world_.twin.failure().empty()) settle();
    if (world_.twin.failure().empty()) audit();
    return world_.twin.failure();
  }
  const Twin& twin() const { return world_.twin; }
  const Totals& totals() const { return world_.totals; }

 private:
  // While it lasts, calls are given up.
  static constexpr io::ObjectFaults outage{.request_lost = 700, .reply_lost = 100, .late = 150};

  static io::ObjectFaults faults_of(std::uint64_t seed) {
    std::mt19937_64 random(seed + 2);
    auto share = [&random] { return static_cast<std::uint32_t>(random() % 3 * (random() % 50)); };
    return {share(), share(), share(), share(), share()};
  }

  void act() {
    std::unique_ptr<Broker>& broker = brokers_[world_.draw(brokers_.size())];
    const std::uint64_t drawn = world_.draw(100);
    if (!broker) {
      broker = std::make_unique<Broker>(world_, NodeId(++node_last_));
    } else if (broker->paused()) {
      if (drawn < 10) broker->resume();
    } else if (drawn < 3 || broker->dead()) {
      ++(broker->fenced() ? world_.totals.fenced : world_.totals.crashed);
      broker.reset();
    } else if (drawn < 7) {
      broker->pause();
    } else if (drawn < 15 && world_.broken == Broken::seal_deleted) {
      delete_a_seal();
    } else if (broker->ready()) {
      act_as(*broker, drawn);
    }
  }
  void act_as(Broker& broker, std::uint64_t drawn) {
    const int shard = static_cast<int>(world_.draw(world_.shard_count));
    if (drawn < 25) {
      broker.take(shard);
    } else if (drawn < 35) {
      broker.checkpoint(shard);
    } else if (drawn < 40) {
      broker.trim();
    } else if (drawn < 44) {
      broker.drop_retired();
    } else {
      broker.append();
    }
  }

  void delete_a_seal() {
    for (const auto& [name, bytes] : world_.objects.test_objects()) {
      if (!name.starts_with("slots/") || parse_slot(bytes)->kind != SlotKind::seal) continue;
      return world_.objects.test_erase(std::string(name));
    }
  }

  // Looks at all roots, as nobody in the run can: at once.
  void observe() {
    const auto& objects = world_.objects.test_objects();
    for (int shard = 0; shard < world_.shard_count; ++shard) {
      auto it = objects.find(root_cell_name(ShardId(static_cast<std::uint8_t>(shard))));
      if (it == objects.end()) continue;
      std::string& seen = roots_[shard];
      if (it->second != seen) on_root(shard, seen, it->second);
      const Root root = parse_root(parse_cell(seen)->value).value();
      if (!root.checkpoint) continue;
      if (!objects.contains(BreakingStore::place_of(world_.broken, root.checkpoint->name))) {
        world_.twin.fail(shard, "the root names a blob that is not there");
      }
    }
  }
  void on_root(int shard, std::string& seen, const std::string& now) {
    const Root root = parse_root(parse_cell(now)->value).value();
    if (!seen.empty()) {
      const Root before = parse_root(parse_cell(seen)->value).value();
      if (before.session != root.session) world_.retired.push_back(before.session);
    }
    world_.twin.observe(shard, root);
    seen = now;
  }

  // All wake up, and whatever is under way comes to its end.
  void settle() {
    for (auto& broker : brokers_) {
      if (broker) broker->resume();
    }
    world_.objects.set_faults({});
    while (world_.objects.step()) observe();
  }

  // A last broker takes everything over.
  void audit() {
    brokers_.clear();
    Broker auditor(world_, NodeId(++node_last_));
    while (world_.objects.step()) {
    }
    for (int shard = 0; shard < world_.shard_count; ++shard) {
      for (int i = 0; i < 3 && !auditor.owns(shard); ++i) {
        auditor.take(shard);
        while (world_.objects.step()) {
        }
      }
      observe();
      if (!auditor.owns(shard)) world_.twin.fail(shard, "cannot be taken over any more");
    }
  }

  io::ObjectFaults faults_;
  World world_;
  std::vector<std::unique_ptr<Broker>> brokers_;
  std::map<int, std::string> roots_;  // the cells' bytes, as last seen
  std::uint64_t node_last_ = 0;
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = ::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Simulation, NothingAcknowledgedIsLost) {
  const std::uint64_t first = setting("TRV_SEED", 1), count = setting("TRV_SEEDS", 1000);
  ASSERT_GT(count, 0u);
  Totals sum;
  std::uint64_t acknowledged = 0, rebuilt = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Simulation run(seed, Broken::nothing);
    ASSERT_EQ(run.run(), "") << "TRV_SEEDS=1 TRV_SEED=" << seed;
    acknowledged += run.twin().acknowledged_count;
    rebuilt += run.twin().rebuilt_count;
    sum.fenced += run.totals().fenced;
    sum.crashed += run.totals().crashed;
    sum.unknown += run.totals().unknown;
    sum.raced += run.totals().raced;
    sum.trimmed += run.totals().trimmed;
    sum.dropped += run.totals().dropped;
  }
  std::cout << count << " seeds: " << acknowledged << " acknowledged, " << rebuilt << " takeovers, "
            << sum.raced << " lost races, " << sum.fenced << " fenced, " << sum.crashed
            << " crashes, " << sum.unknown << " left unknown, " << sum.trimmed << " trims, "
            << sum.dropped << " sessions dropped\n";
  if (count < 100) return;
  // What is said above happens, and often.
  EXPECT_GT(acknowledged, count * 10);
  EXPECT_GT(rebuilt, count * 3);
  for (std::uint64_t often :
       {sum.fenced, sum.crashed, sum.raced, sum.trimmed, sum.dropped, sum.unknown * 20}) {
    EXPECT_GT(often, count / 5);
  }
}

class BrokenRule : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenRule, IsCaught) {
  constexpr std::uint64_t seeds_max = 100;
  for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
    const std::string failure = Simulation(seed, GetParam()).run();
    if (failure.empty()) continue;
    std::cout << name_of(GetParam()) << ": caught by seed " << seed << ": " << failure << "\n";
    return;
  }
  FAIL() << name_of(GetParam()) << " was not caught by " << seeds_max << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Rules, BrokenRule, ::testing::ValuesIn(all_broken), [](const auto& each) {
  std::string name = name_of(each.param);
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

}  // namespace
}  // namespace trv::objects
