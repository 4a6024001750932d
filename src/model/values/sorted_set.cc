#include "model/values/sorted_set.h"

#include <bit>

#include "base/assert.h"
#include "base/mutant.h"

namespace trv::model {

namespace {

// One in four members reaches the next level.
int height_of(ByteView name, std::uint64_t seed, int height_max) {
  // Not the table's hash: members of one bucket must not be of one height.
  std::uint64_t hash = XXH3_64bits_withSeed(name.data(), name.size(), ~seed);
  return std::min(1 + std::countr_zero(hash) / 2, height_max);
}

}  // namespace

SortedSet::SortedSet(std::uint64_t seed) : seed_(seed), members_(seed) {}

SortedSet::Path SortedSet::path_to(double score, ByteView name) {
  Path path;
  SortedMember* at = nullptr;
  std::size_t passed = 0;
  for (int level = height_ - 1; level >= 0; --level) {
    for (;;) {
      SortedMember::Link& ahead = link(at, level);
      if (!ahead.to || !less(*ahead.to, score, name)) break;
      passed += ahead.span;
      at = ahead.to;
    }
    path.before[static_cast<std::size_t>(level)] = at;
    path.passed[static_cast<std::size_t>(level)] = passed;
  }
  return path;
}

// Requires: it is in the table already, and not linked.
void SortedSet::link_in(SortedMember& member) {
  std::size_t others = members_.size() - 1;
  for (; height_ < member.height_; ++height_) {
    head_[static_cast<std::size_t>(height_)] = {nullptr, others};
  }
  Path path = path_to(member.score, TRV_MUTANT(sorted_by_score_only) ? ByteView() : member.name);
  std::size_t rank = path.passed[0];
  for (int level = 0; level < height_; ++level) {
    auto l = static_cast<std::size_t>(level);
    SortedMember::Link& before = link(path.before[l], level);
    if (level >= member.height_) {
      ++before.span;
      continue;
    }
    std::size_t from_before = rank - path.passed[l];
    member.links_[l] = {before.to, before.span - from_before};
    before = {&member, from_before + 1};
  }
  member.back_ = path.before[0];
  if (member.links_[0].to) member.links_[0].to->back_ = &member;
}

void SortedSet::unlink(SortedMember& member) {
  Path path = path_to(member.score, member.name);
  for (int level = 0; level < height_; ++level) {
    auto l = static_cast<std::size_t>(level);
    SortedMember::Link& before = link(path.before[l], level);
    if (before.to == &member) {
      before = {member.links_[l].to, before.span + member.links_[l].span - 1};
    } else {
      --before.span;
    }
  }
  if (member.links_[0].to) member.links_[0].to->back_ = member.back_;
  while (height_ > 1 && !head_[static_cast<std::size_t>(height_ - 1)].to) --height_;
}

std::size_t SortedSet::rank_of(const SortedMember& member) const {
  return count_while([&](const SortedMember& one) { return less(one, member.score, member.name); });
}

const SortedMember& SortedSet::at_rank(std::size_t rank) const {
  TRV_ASSERT(rank < size());
  const SortedMember* at = nullptr;
  std::size_t left = rank + 1;
  for (int level = height_ - 1; level >= 0; --level) {
    for (;;) {
      const SortedMember::Link& ahead = link(at, level);
      if (!ahead.to || ahead.span > left) break;
      left -= ahead.span;
      at = ahead.to;
    }
    if (left == 0) break;
  }
  TRV_ASSERT(at && left == 0);
  return *at;
}

void SortedSet::set(ByteView name, double score) {
  auto [member, fresh] = members_.insert(name);
  if (fresh) {
    member->height_ = height_of(name, seed_, height_max);
    member->links_ =
        std::make_unique<SortedMember::Link[]>(static_cast<std::size_t>(member->height_));
  } else {
    unlink(*member);
  }
  member->score = score;
  link_in(*member);
}

bool SortedSet::remove(ByteView name) {
  SortedMember* member = members_.find(name);
  if (!member) return false;
  unlink(*member);
  members_.erase(*member);
  return true;
}

}  // namespace trv::model
