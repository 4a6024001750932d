// SortedSet: the members of a sorted set key, found by name and ordered by score, then by name.
//
// Owner: the keyspace entry. Pure. The order is a skip list whose links know how many members they
// pass, so that ranks are found in O(log n), too:
//
//   level 1   head ----------- 3 -----------> c ----- 2 -----> end
//   level 0   head - 1 -> a - 1 -> b - 1 ->   c - 1 -> d - 1 -> end
//
// A member's height comes from a keyed hash of its name, so that peers cannot choose it; nothing
// that can be seen depends on it. Scores are never NaN.
#pragma once

#include <array>
#include <memory>

#include "model/values/member_table.h"

namespace trv::model {

struct SortedMember : TableMember<SortedMember> {
  double score = 0;

 private:
  friend class SortedSet;
  struct Link {
    SortedMember* to = nullptr;
    std::size_t span = 0;  // members up to and with `to`; to the end: all that are left
  };
  std::unique_ptr<Link[]> links_;
  int height_ = 0;
  SortedMember* back_ = nullptr;  // null: the first one
};

class SortedSet {
 public:
  explicit SortedSet(std::uint64_t seed);

  std::size_t size() const { return members_.size(); }
  std::size_t byte_size() const { return members_.name_bytes() + size() * sizeof(double); }
  const MemberTable<SortedMember>& members() const { return members_; }
  // Null when there is none. Valid until it is removed.
  const SortedMember* find(ByteView name) const { return members_.find(name); }

  // How many come before it.
  std::size_t rank_of(const SortedMember& member) const;
  // Requires: rank < size().
  const SortedMember& at_rank(std::size_t rank) const;
  // Null behind the last, or before the first one.
  static const SortedMember* next(const SortedMember& member) { return member.links_[0].to; }
  static const SortedMember* previous(const SortedMember& member) { return member.back_; }
  // How many members at the front fulfil `below`. Requires: behind one that does not, none does.
  template <class Below>
  std::size_t count_while(Below below) const;

  // Adds the member, or changes its score.
  void set(ByteView name, double score);
  // Whether it was there.
  bool remove(ByteView name);

 private:
  static constexpr int height_max = 24;
  // What is before a place, on every level: the member there (the head: null) and its rank + 1.
  struct Path {
    std::array<SortedMember*, height_max> before;
    std::array<std::size_t, height_max> passed;
  };

  static bool less(const SortedMember& a, double score, ByteView name) {
    return a.score < score || (a.score == score && a.name < name);
  }
  const SortedMember::Link& link(const SortedMember* before, int level) const {
    return before ? before->links_[static_cast<std::size_t>(level)]
                  : head_[static_cast<std::size_t>(level)];
  }
  SortedMember::Link& link(SortedMember* before, int level) {
    return before ? before->links_[static_cast<std::size_t>(level)]
                  : head_[static_cast<std::size_t>(level)];
  }
  Path path_to(double score, ByteView name);
  void link_in(SortedMember& member);
  void unlink(SortedMember& member);

  std::uint64_t seed_;
  MemberTable<SortedMember> members_;
  std::array<SortedMember::Link, height_max> head_{};
  int height_ = 1;
};

template <class Below>
std::size_t SortedSet::count_while(Below below) const {
  const SortedMember* at = nullptr;
  std::size_t passed = 0;
  for (int level = height_ - 1; level >= 0; --level) {
    for (;;) {
      const SortedMember::Link& ahead = link(at, level);
      if (!ahead.to || !below(*ahead.to)) break;
      passed += ahead.span;
      at = ahead.to;
    }
  }
  return passed;
}

}  // namespace trv::model
