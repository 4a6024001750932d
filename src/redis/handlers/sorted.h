// What the sorted set commands share: ranges as ranks, and members with scores in replies.
#pragma once

#include "redis/handlers/change.h"

namespace trv::redis {

// Members by rank: [first, last).
struct RankRange {
  std::size_t first = 0;
  std::size_t last = 0;
  std::size_t size() const { return last - first; }
};

// Bounds as clients give them, for a sorted set. Nothing after an error reply.
class Bounds {
 public:
  enum class Kind : std::uint8_t { rank, score, name };
  static std::optional<Bounds> parse(Call& call, Kind kind, ByteView least, ByteView most);
  // `backwards`: ranks count from the end.
  RankRange in(const model::SortedSet& sorted, bool backwards) const;

 private:
  struct Bound {
    std::int64_t rank = 0;
    double score = 0;
    ByteView name;
    bool exclusive = false;
    int infinite = 0;  // of names: -1 before all, 1 behind all
  };
  static bool parse_score(ByteView text, Bound& bound);
  static bool parse_name(ByteView text, Bound& bound);
  RankRange ranks(std::size_t size, bool backwards) const;

  Kind kind_ = Kind::rank;
  Bound least_;
  Bound most_;
};

// Visits the members of the range in ascending order, or from its end.
template <class Visit>
void each_ranked(const model::SortedSet& sorted, RankRange range, bool backwards, Visit visit) {
  if (range.first >= range.last) return;
  const model::SortedMember* at = &sorted.at_rank(backwards ? range.last - 1 : range.first);
  for (std::size_t left = range.size(); left > 0; --left) {
    visit(*at);
    at = backwards ? model::SortedSet::previous(*at) : model::SortedSet::next(*at);
  }
}

// A member of an array of `count` that array_of_scored() has opened.
void array_of_scored(ReplyWriter& reply, std::size_t count, bool with_scores);
void write_scored(ReplyWriter& reply, const model::SortedMember& member, bool with_scores);
// The members of the range as one array.
void write_range(Call& call, const model::SortedSet& sorted, RankRange range, bool backwards,
                 bool with_scores);
// The change that makes the key, which is removed before, hold the range.
void add_range(Change& change, ByteView key, const model::SortedSet& sorted, RankRange range);
// The change that removes the range.
void remove_range(Change& change, ByteView key, const model::SortedSet& sorted, RankRange range);

}  // namespace trv::redis
