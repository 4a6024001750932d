#include "model/keyspace.h"

#include <xxhash.h>

#include <utility>

#include "base/mutant.h"

namespace trv::model {

namespace {

using Op = KeyspaceOp;

constexpr std::size_t bucket_count_min = 16;

void begin(std::string& out, Op op) { out.push_back(static_cast<char>(op)); }

Error corrupt(const char* what) {
  return {Errc::corrupt, std::string("keyspace command: ") + what};
}

// Times before the epoch have no meaning here; they are in the past all the same.
std::uint64_t time_to_wire(WallTime time) {
  return time.ms < 0 ? 0 : static_cast<std::uint64_t>(time.ms);
}
WallTime time_from_wire(std::uint64_t ms) {
  constexpr auto ms_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return {static_cast<std::int64_t>(std::min(ms, ms_max))};
}

}  // namespace

Keyspace::Keyspace(std::uint64_t hash_seed) : seed_(hash_seed) {}

Keyspace::~Keyspace() { clear(); }

std::uint64_t Keyspace::hash_of(ByteView key) const {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed_);
}

Keyspace::Entry* Keyspace::find_entry(ByteView key, std::uint64_t hash) const {
  if (buckets_.empty()) return nullptr;
  Entry* entry = buckets_[hash & (buckets_.size() - 1)].get();
  while (entry && (entry->hash_ != hash || entry->key != key)) entry = entry->next_.get();
  return entry;
}

const Keyspace::Entry* Keyspace::find(ByteView key, WallTime now) const {
  const Entry* entry = find_entry(key, hash_of(key));
  if (TRV_MUTANT(expired_key_is_read)) return entry;
  return entry && entry->expires && *entry->expires <= now ? nullptr : entry;
}

void Keyspace::prefetch(ByteView key) const {
  if (buckets_.empty()) return;
  __builtin_prefetch(buckets_[hash_of(key) & (buckets_.size() - 1)].get());
}

std::uint64_t Keyspace::mark_of(ByteView key) const {
  const Entry* entry = find_entry(key, hash_of(key));
  return entry ? entry->mark : removal_mark_;
}

std::optional<WallTime> Keyspace::next_expiry() const {
  if (expiring_.empty()) return std::nullopt;
  return (*expiring_.begin())->expires;
}

std::size_t Keyspace::due_count(WallTime now, std::size_t limit) const {
  std::size_t count = 0;
  for (const Entry* entry : expiring_) {
    if (count == limit || *entry->expires > now) break;
    ++count;
  }
  return count;
}

std::vector<std::string> Keyspace::due_keys(WallTime now) const {
  std::vector<std::string> keys;
  for (const Entry* entry : expiring_) {
    if (*entry->expires > now) break;
    keys.push_back(entry->key);
  }
  return keys;
}

bool Keyspace::holds_expired(ByteView key, WallTime now) const {
  const Entry* entry = find_entry(key, hash_of(key));
  return entry && entry->expires && *entry->expires <= now;
}

void Keyspace::encode_put(std::string& out, ByteView key, ByteView value,
                          std::optional<WallTime> expires) {
  begin(out, Op::put);
  ByteWriter writer(out);
  writer.sized(key);
  writer.varint(expires ? time_to_wire(*expires) + 1 : 0);
  writer.bytes(value);
}

void Keyspace::encode_append(std::string& out, ByteView key, ByteView bytes) {
  begin(out, Op::append);
  ByteWriter writer(out);
  writer.sized(key);
  writer.bytes(bytes);
}

void Keyspace::encode_remove(std::string& out, ByteView key) {
  begin(out, Op::remove);
  ByteWriter(out).sized(key);
}

void Keyspace::encode_expire(std::string& out, ByteView key, WallTime expires) {
  begin(out, Op::expire);
  ByteWriter writer(out);
  writer.sized(key);
  writer.varint(time_to_wire(expires));
}

void Keyspace::encode_persist(std::string& out, ByteView key) {
  begin(out, Op::persist);
  ByteWriter(out).sized(key);
}

void Keyspace::encode_clear(std::string& out) { begin(out, Op::clear); }

void Keyspace::encode_drop_due(std::string& out, WallTime now) {
  begin(out, Op::drop_due);
  ByteWriter(out).varint(time_to_wire(now));
}

Status Keyspace::apply_put(ByteReader& reader, std::uint64_t mark) {
  ByteView key = reader.sized();
  std::uint64_t expiry = reader.varint();
  if (!reader.ok()) return corrupt("short put");
  std::uint64_t hash = hash_of(key);
  Entry* entry = find_entry(key, hash);
  if (!entry) entry = &insert(key, hash);
  ByteView value = reader.rest();
  byte_size_ += value.size();
  byte_size_ -= entry->value.byte_size();
  // A much smaller value gives its memory back.
  if (!entry->value.is_string() || entry->value.text().capacity() > 2 * value.size() + 64) {
    entry->value.reset_string();
  }
  entry->value.text().assign(value);
  if (expiry > 0 || !TRV_MUTANT(set_keeps_the_expiry)) {
    set_expiry(*entry, expiry ? std::optional(time_from_wire(expiry - 1)) : std::nullopt);
  }
  touch(*entry, mark);
  return {};
}

void Keyspace::forget_value(Entry& entry) {
  byte_size_ -= entry.value.byte_size();
  entry.value.reset_string();
  set_expiry(entry, std::nullopt);
}

Keyspace::Entry* Keyspace::open_string(ByteView key, WallTime now) {
  std::uint64_t hash = hash_of(key);
  Entry* entry = find_entry(key, hash);
  if (!entry) return &insert(key, hash);
  if (entry->expires && *entry->expires <= now) forget_value(*entry);
  return entry->value.is_string() ? entry : nullptr;
}

Status Keyspace::apply_append(ByteReader& reader, WallTime now, std::uint64_t mark) {
  ByteView key = reader.sized();
  if (!reader.ok()) return corrupt("short append");
  ByteView bytes = reader.rest();
  const Entry* present = find(key, now);
  std::size_t before = present && present->value.is_string() ? present->value.size() : 0;
  if (bytes.size() > value_size_max - std::min(before, value_size_max)) {
    return Error{Errc::too_large, "the value would exceed its maximum size"};
  }
  Entry* entry = open_string(key, now);
  if (!entry) return corrupt("append to another type");
  entry->value.text().append(bytes);
  byte_size_ += bytes.size();
  touch(*entry, mark);
  return {};
}

Status Keyspace::apply_overwrite(ByteReader& reader, WallTime now, std::uint64_t mark) {
  ByteView key = reader.sized();
  std::uint64_t offset = reader.varint();
  if (!reader.ok()) return corrupt("short overwrite");
  ByteView bytes = reader.rest();
  if (offset > value_size_max || bytes.size() > value_size_max - offset) {
    return Error{Errc::too_large, "the value would exceed its maximum size"};
  }
  Entry* entry = open_string(key, now);
  if (!entry) return corrupt("overwrite of another type");
  std::string& text = entry->value.text();
  auto at = static_cast<std::size_t>(offset);
  if (text.size() < at + bytes.size()) {
    byte_size_ += at + bytes.size() - text.size();
    text.resize(at + bytes.size(), '\0');
  }
  text.replace(at, bytes.size(), bytes);
  touch(*entry, mark);
  return {};
}

Status Keyspace::apply_drop_due(WallTime due) {
  while (!expiring_.empty() && *(*expiring_.begin())->expires <= due) {
    // The key is copied: it dies with its entry.
    bool removed = remove(std::string((*expiring_.begin())->key));
    TRV_ASSERT(removed);
  }
  return {};
}

Status Keyspace::apply(ByteView command, WallTime now, std::uint64_t mark) {
  ByteReader reader(command);
  auto op = static_cast<Op>(reader.u8());
  if (!reader.ok()) return corrupt("empty");
  now_ = now;
  if (op == Op::put) return apply_put(reader, mark);
  if (op == Op::append) return apply_append(reader, now, mark);
  if (op == Op::overwrite) return apply_overwrite(reader, now, mark);
  if (op >= Op::push_front && op <= Op::sorted_remove) {
    return apply_collection(op, reader, now, mark);
  }
  if (op == Op::clear) {
    if (!reader.done()) return corrupt("long clear");
    removal_mark_ = mark;
    clear();
    return {};
  }
  if (op == Op::drop_due) {
    std::uint64_t due = reader.varint();
    if (!reader.done()) return corrupt("bad drop_due");
    removal_mark_ = mark;
    return apply_drop_due(time_from_wire(due));
  }
  ByteView key = reader.sized();
  std::uint64_t expiry = op == Op::expire ? reader.varint() : 0;
  if (!reader.done()) return corrupt("bad length");
  if (op == Op::remove) {
    if (remove(key)) removal_mark_ = mark;
    return {};
  }
  if (op != Op::expire && op != Op::persist) return corrupt("unknown operation");
  Entry* entry = find_entry(key, hash_of(key));
  // Expired as of this frame: as good as gone, and must not come back to life.
  if (!entry || (entry->expires && *entry->expires <= now)) return {};
  set_expiry(*entry, op == Op::expire ? std::optional(time_from_wire(expiry)) : std::nullopt);
  touch(*entry, mark);
  return {};
}

void Keyspace::snapshot(const std::function<void(ByteView)>& sink) const {
  // Entries lie anywhere in memory: the next ones are fetched while this one is encoded.
  constexpr std::size_t ahead = 8;
  std::string command;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (i + ahead < buckets_.size()) __builtin_prefetch(buckets_[i + ahead].get());
    for (const Entry* entry = buckets_[i].get(); entry; entry = entry->next_.get()) {
      if (!entry->value.is_string()) {
        encode_copy(*entry, entry->key, sink);
        continue;
      }
      command.clear();
      encode_put(command, entry->key, entry->value.text(),
                 TRV_MUTANT(expiry_lost_in_checkpoint) ? std::nullopt : entry->expires);
      sink(command);
    }
  }
}

std::uint64_t Keyspace::scan(std::uint64_t cursor, std::size_t count,
                             const std::function<void(const Entry&)>& visit) const {
  if (buckets_.empty()) return 0;
  std::uint64_t mask = buckets_.size() - 1;
  std::size_t visited = 0;
  do {
    for (const Entry* entry = buckets_[cursor & mask].get(); entry; entry = entry->next_.get()) {
      visit(*entry);
      ++visited;
    }
    cursor = next_cursor(cursor, mask);
  } while (cursor != 0 && visited < count);
  return cursor;
}

const Keyspace::Entry* Keyspace::pick(std::uint64_t random) const {
  if (size_ == 0) return nullptr;
  std::uint64_t mask = buckets_.size() - 1;
  std::uint64_t at = random & mask;
  while (!buckets_[at]) at = (at + 1) & mask;
  std::size_t length = 0;
  for (const Entry* one = buckets_[at].get(); one; one = one->next_.get()) ++length;
  const Entry* entry = buckets_[at].get();
  for (std::size_t skip = (random >> 32) % length; skip > 0; --skip) entry = entry->next_.get();
  return entry;
}

Keyspace::Entry& Keyspace::insert(ByteView key, std::uint64_t hash) {
  if (size_ >= buckets_.size()) resize(std::max(bucket_count_min, buckets_.size() * 2));
  auto entry = std::make_unique<Entry>();
  entry->key = key;
  entry->hash_ = hash;
  auto& bucket = buckets_[hash & (buckets_.size() - 1)];
  entry->next_ = std::move(bucket);
  bucket = std::move(entry);
  ++size_;
  byte_size_ += key.size();
  return *bucket;
}

bool Keyspace::remove(ByteView key) {
  if (buckets_.empty()) return false;
  std::uint64_t hash = hash_of(key);
  std::unique_ptr<Entry>* link = &buckets_[hash & (buckets_.size() - 1)];
  while (*link && ((*link)->hash_ != hash || (*link)->key != key)) link = &(*link)->next_;
  if (!*link) return false;
  set_expiry(**link, std::nullopt);
  byte_size_ -= (*link)->key.size() + (*link)->value.byte_size();
  std::unique_ptr<Entry> gone = std::move(*link);
  *link = std::move(gone->next_);
  --size_;
  ++version_;
  if (buckets_.size() > bucket_count_min && size_ * 8 < buckets_.size()) {
    resize(buckets_.size() / 2);
  }
  return true;
}

void Keyspace::set_expiry(Entry& entry, std::optional<WallTime> expires) {
  if (entry.expires == expires) return;
  if (entry.expires) expiring_.erase(&entry);
  entry.expires = expires;
  if (entry.expires) expiring_.insert(&entry);
}

void Keyspace::touch(Entry& entry, std::uint64_t mark) {
  entry.version = ++version_;
  entry.mark = mark;
  entry.used = now_;
}

void Keyspace::clear() {
  expiring_.clear();
  for (auto& bucket : buckets_) {
    // One by one: a chain must not be destroyed by recursion.
    while (bucket) bucket = std::move(bucket->next_);
  }
  buckets_.clear();
  size_ = 0;
  byte_size_ = 0;
  ++version_;
}

void Keyspace::resize(std::size_t buckets) {
  std::vector<std::unique_ptr<Entry>> old(buckets);
  old.swap(buckets_);
  for (auto& chain : old) {
    while (chain) {
      std::unique_ptr<Entry> entry = std::move(chain);
      chain = std::move(entry->next_);
      auto& bucket = buckets_[entry->hash_ & (buckets - 1)];
      entry->next_ = std::move(bucket);
      bucket = std::move(entry);
    }
  }
}

}  // namespace trv::model
