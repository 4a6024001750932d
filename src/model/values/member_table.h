// MemberTable: the members of a set, hash or sorted set, found by name, picked by index, and
// scanned with cursors.
//
// Owner: the collection. Members stay where they are in memory until they are erased.
//
// Invariants:
//   - at(0) .. at(size() - 1) are all members, each once: in the order in which they came while the
//     table is small (ordered_max), in any order above;
//   - a scan that starts at 0 and follows the cursors it is given visits every member that is there
//     all the while, however the table grows or shrinks (it may visit some twice);
//   - what is found does not depend on the seed, which keeps peers from choosing colliding names.
#pragma once

#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace trv::model {

// Derived is what a table keeps of each member.
template <class Derived>
struct TableMember {
  std::string name;

 private:
  template <class>
  friend class MemberTable;
  Derived* chain_ = nullptr;  // the next one in the bucket
  std::uint64_t hash_ = 0;
  std::size_t index_ = 0;
};

// The next number counted in the reversed order of bits, below the power of two mask + 1; 0 at the
// end. So a bucket's number keeps its low bits when a table grows or shrinks, and what was seen
// under the low bits stays seen.
constexpr std::uint64_t reverse_bits(std::uint64_t v) {
  v = ((v >> 1) & 0x5555555555555555u) | ((v & 0x5555555555555555u) << 1);
  v = ((v >> 2) & 0x3333333333333333u) | ((v & 0x3333333333333333u) << 2);
  v = ((v >> 4) & 0x0f0f0f0f0f0f0f0fu) | ((v & 0x0f0f0f0f0f0f0f0fu) << 4);
  return byte_swap(v);
}
constexpr std::uint64_t next_cursor(std::uint64_t cursor, std::uint64_t mask) {
  return reverse_bits(reverse_bits(cursor | ~mask) + 1);
}

template <class Member>
class MemberTable {
 public:
  // Erasing keeps the order up to this many members, because it costs a move of them all.
  static constexpr std::size_t ordered_max = 512;
  // Without buckets below this.
  static constexpr std::size_t bucketless_max = 16;

  explicit MemberTable(std::uint64_t seed) : seed_(seed) {}

  std::size_t size() const { return members_.size(); }
  // Sum of the sizes of the names.
  std::size_t name_bytes() const { return name_bytes_; }
  const Member& at(std::size_t index) const { return *members_[index]; }

  // Null when there is none. Valid until it is erased.
  const Member* find(ByteView name) const { return find_hashed(name, hash_of(name)); }
  Member* find(ByteView name) { return find_hashed(name, hash_of(name)); }

  // The member, and whether it is new.
  std::pair<Member*, bool> insert(ByteView name) {
    std::uint64_t hash = hash_of(name);
    if (Member* present = find_hashed(name, hash)) return {present, false};
    auto fresh = std::make_unique<Member>();
    fresh->name.assign(name);
    fresh->hash_ = hash;
    fresh->index_ = members_.size();
    Member* member = fresh.get();
    members_.push_back(std::move(fresh));
    name_bytes_ += name.size();
    if (members_.size() > std::max(buckets_.size(), bucketless_max)) {
      rehash(std::max(buckets_.size() * 2, bucketless_max * 2));
    } else {
      link(*member);
    }
    return {member, true};
  }

  // Requires: it is in this table.
  void erase(const Member& member) {
    std::size_t index = member.index_;
    name_bytes_ -= member.name.size();
    unlink(member);
    if (members_.size() <= ordered_max) {
      members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(index));
      for (std::size_t i = index; i < members_.size(); ++i) members_[i]->index_ = i;
    } else {
      members_[index] = std::move(members_.back());
      members_[index]->index_ = index;
      members_.pop_back();
    }
    if (buckets_.size() > 2 * bucketless_max && members_.size() * 8 < buckets_.size()) {
      rehash(buckets_.size() / 2);
      members_.shrink_to_fit();
    }
  }

  // Visits whole buckets from `cursor` until `visit` was called `count` times or the end is
  // reached. Result: where to go on; 0 when everything was seen.
  template <class Visit>
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Visit&& visit) const {
    if (buckets_.empty()) {
      for (const auto& member : members_) visit(*member);
      return 0;
    }
    std::uint64_t mask = buckets_.size() - 1;
    std::size_t visited = 0;
    do {
      for (const Member* member = buckets_[cursor & mask]; member; member = member->chain_) {
        visit(*member);
        ++visited;
      }
      cursor = next_cursor(cursor, mask);
    } while (cursor != 0 && visited < count);
    return cursor;
  }

 private:
  std::uint64_t hash_of(ByteView name) const {
    return XXH3_64bits_withSeed(name.data(), name.size(), seed_);
  }

  Member* find_hashed(ByteView name, std::uint64_t hash) const {
    if (buckets_.empty()) {
      for (const auto& member : members_) {
        if (member->hash_ == hash && member->name == name) return member.get();
      }
      return nullptr;
    }
    Member* member = buckets_[hash & (buckets_.size() - 1)];
    while (member && (member->hash_ != hash || member->name != name)) member = member->chain_;
    return member;
  }

  void link(Member& member) {
    if (buckets_.empty()) return;
    Member*& bucket = buckets_[member.hash_ & (buckets_.size() - 1)];
    member.chain_ = bucket;
    bucket = &member;
  }

  void unlink(const Member& member) {
    if (buckets_.empty()) return;
    Member** at = &buckets_[member.hash_ & (buckets_.size() - 1)];
    while (*at != &member) at = &(*at)->chain_;
    *at = member.chain_;
  }

  void rehash(std::size_t count) {
    buckets_.assign(count, nullptr);
    for (const auto& member : members_) link(*member);
  }

  std::uint64_t seed_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<Member*> buckets_;  // a power of two, or none
  std::size_t name_bytes_ = 0;
};

}  // namespace trv::model
