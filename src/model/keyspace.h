// Keyspace: the keys of one virtual shard: a value of one of the types, and an optional expiry.
//
// Owner: the shard's Broker, on its core. Pure: no clock, no I/O. Every change is a command of
// bytes that the broker journals and then hands to apply(); replay calls the same apply(), so
// state == replay(commands) always.
//
// Commands say what was decided, not what was asked: conditions (NX, XX), increments, random
// choices and relative times are worked out by the caller from find(), so that applying one never
// depends on more than the state and the time in its frame. Their bytes: docs/formats/keyspace.md.
//
// Invariants:
//   - an expired entry is invisible to find(), and leaves memory only through a command;
//   - no collection is empty;
//   - entry versions only grow over the life of the object;
//   - a scan that starts at 0 and follows the cursors it is given visits every entry that exists
//     all the while, however the table grows or shrinks (it may visit some twice).
// It does not know about durability: the `mark` that apply() is given is stored beside what it
// changed, so that the owner can tell which journal ticket a read must wait for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/keyspace_command.h"
#include "model/values/value.h"

namespace trv::model {

class Keyspace {
 public:
  static constexpr std::size_t value_size_max = 512u << 20;

  class Entry {
    friend class Keyspace;
    // First what is looked at on the way to another entry: it lies together.
    std::unique_ptr<Entry> next_;  // in the bucket
    std::uint64_t hash_ = 0;

   public:
    std::string key;
    Value value;
    std::optional<WallTime> expires;  // visible while now < expires
    std::uint64_t version = 0;        // of the last change
    std::uint64_t mark = 0;           // given with the last change
    mutable WallTime used;            // changed, or seen in use since; that is not journaled
  };

  // `hash_seed` keeps peers from choosing colliding keys; it does not influence the state.
  explicit Keyspace(std::uint64_t hash_seed = 0);
  ~Keyspace();
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  // Null when the key is missing or has expired. Valid until the next apply().
  const Entry* find(ByteView key, WallTime now) const;
  // Has the processor fetch what find() of this key would look at. Nothing else comes of it.
  void prefetch(ByteView key) const;
  // The mark of the change that made the key what find() says: of its entry, or, when there is
  // none, of the last removal in this shard.
  std::uint64_t mark_of(ByteView key) const;

  // Any entry, expired ones too, as `random` picks it. Null when there is none. Not uniform.
  const Entry* pick(std::uint64_t random) const;
  // Entries in memory, expired ones included until they are dropped.
  std::size_t size() const { return size_; }
  std::size_t expiring_count() const { return expiring_.size(); }
  // Sum of the key and value sizes in bytes, without what keeping them takes.
  std::size_t byte_size() const { return byte_size_; }
  // When the next entry expires: the owner then journals a drop_due.
  std::optional<WallTime> next_expiry() const;
  // How many entries have expired by `now` and are still in memory, counted up to `limit`.
  std::size_t due_count(WallTime now, std::size_t limit) const;
  // Their keys.
  std::vector<std::string> due_keys(WallTime now) const;
  // The key has expired by `now` and is still in memory.
  bool holds_expired(ByteView key, WallTime now) const;

  static void encode_put(std::string& out, ByteView key, ByteView value,
                         std::optional<WallTime> expires);
  static void encode_append(std::string& out, ByteView key, ByteView bytes);
  static void encode_remove(std::string& out, ByteView key);
  static void encode_expire(std::string& out, ByteView key, WallTime expires);
  static void encode_persist(std::string& out, ByteView key);
  static void encode_clear(std::string& out);
  static void encode_drop_due(std::string& out, WallTime now);

  // Errors: corrupt (not a command, or one for another type), too_large (a string beyond
  // value_size_max). Nothing changes then.
  Status apply(ByteView command, WallTime now, std::uint64_t mark = 0);

  // Calls `sink` with the commands that make `key`, which must be missing, hold what the entry
  // holds, expiry included. Large collections take several.
  static void encode_copy(const Entry& entry, ByteView key,
                          const std::function<void(ByteView command)>& sink);
  // Calls `sink` with the commands that rebuild this state in an empty Keyspace.
  void snapshot(const std::function<void(ByteView command)>& sink) const;

  // Visits whole buckets from `cursor` until `visit` was called `count` times or the end is
  // reached. Result: where to go on; 0 when everything was seen. Expired entries are visited too.
  std::uint64_t scan(std::uint64_t cursor, std::size_t count,
                     const std::function<void(const Entry&)>& visit) const;

 private:
  struct ExpiresFirst {
    bool operator()(const Entry* a, const Entry* b) const {
      if (a->expires != b->expires) return a->expires < b->expires;
      return std::less<>{}(a, b);
    }
  };

  std::uint64_t hash_of(ByteView key) const;
  Entry* find_entry(ByteView key, std::uint64_t hash) const;
  Entry& insert(ByteView key, std::uint64_t hash);
  bool remove(ByteView key);
  void set_expiry(Entry& entry, std::optional<WallTime> expires);
  void touch(Entry& entry, std::uint64_t mark);
  void clear();
  void resize(std::size_t buckets);
  Status apply_put(ByteReader& reader, std::uint64_t mark);
  Status apply_append(ByteReader& reader, WallTime now, std::uint64_t mark);
  Status apply_drop_due(WallTime due);
  Status apply_overwrite(ByteReader& reader, WallTime now, std::uint64_t mark);
  // --- collections: keyspace_collections.cc
  Status apply_collection(KeyspaceOp op, ByteReader& reader, WallTime now, std::uint64_t mark);
  template <class T>
  Status change_collection(KeyspaceOp op, ByteView key, ByteReader& reader, WallTime now,
                           std::uint64_t mark);
  // The string to change: made when the key is missing or expired. Null: another type.
  Entry* open_string(ByteView key, WallTime now);
  void forget_value(Entry& entry);

  std::uint64_t seed_;
  std::vector<std::unique_ptr<Entry>> buckets_;  // a power of two
  std::size_t size_ = 0;
  std::size_t byte_size_ = 0;
  std::uint64_t version_ = 0;
  std::uint64_t removal_mark_ = 0;
  WallTime now_;  // of the command that is being applied
  std::set<Entry*, ExpiresFirst> expiring_;
};

}  // namespace trv::model
