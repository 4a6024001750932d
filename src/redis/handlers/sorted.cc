#include "redis/handlers/sorted.h"

#include <algorithm>
#include <limits>

#include "redis/wire/number.h"

namespace trv::redis {

using model::SortedMember;
using model::SortedSet;

bool Bounds::parse_score(ByteView text, Bound& bound) {
  if (text.starts_with('(')) {
    bound.exclusive = true;
    text.remove_prefix(1);
  }
  std::optional<double> score = parse_real(text);
  if (score) bound.score = *score;
  return score.has_value();
}

bool Bounds::parse_name(ByteView text, Bound& bound) {
  if (text == "-" || text == "+") {
    bound.infinite = text == "-" ? -1 : 1;
    return true;
  }
  bound.exclusive = text.starts_with('(');
  if (!bound.exclusive && !text.starts_with('[')) return false;
  bound.name = text.substr(1);
  return true;
}

std::optional<Bounds> Bounds::parse(Call& call, Kind kind, ByteView least, ByteView most) {
  Bounds bounds;
  bounds.kind_ = kind;
  if (kind == Kind::score) {
    if (parse_score(least, bounds.least_) && parse_score(most, bounds.most_)) return bounds;
    call.reply.error("ERR min or max is not a float");
    return std::nullopt;
  }
  if (kind == Kind::name) {
    if (parse_name(least, bounds.least_) && parse_name(most, bounds.most_)) return bounds;
    call.reply.error("ERR min or max not valid string range item");
    return std::nullopt;
  }
  std::optional<std::int64_t> first = parse_integer(least);
  std::optional<std::int64_t> last = parse_integer(most);
  if (!first || !last) {
    call.reply.error(text::not_integer);
    return std::nullopt;
  }
  bounds.least_.rank = *first;
  bounds.most_.rank = *last;
  return bounds;
}

RankRange Bounds::ranks(std::size_t size, bool backwards) const {
  auto n = static_cast<std::int64_t>(size);
  std::int64_t first = least_.rank < 0 ? std::max<std::int64_t>(least_.rank + n, 0) : least_.rank;
  std::int64_t last = most_.rank < 0 ? most_.rank + n : most_.rank;
  last = std::min(last, n - 1);
  if (first > last) return {};
  RankRange range{static_cast<std::size_t>(first), static_cast<std::size_t>(last) + 1};
  if (!backwards) return range;
  return {size - range.last, size - range.first};
}

RankRange Bounds::in(const SortedSet& sorted, bool backwards) const {
  if (kind_ == Kind::rank) return ranks(sorted.size(), backwards);
  RankRange range;
  if (kind_ == Kind::score) {
    range.first = sorted.count_while([&](const SortedMember& member) {
      return member.score < least_.score || (least_.exclusive && member.score == least_.score);
    });
    range.last = sorted.count_while([&](const SortedMember& member) {
      return member.score < most_.score || (!most_.exclusive && member.score == most_.score);
    });
  } else {
    range.first = sorted.count_while([&](const SortedMember& member) {
      if (least_.infinite != 0) return least_.infinite > 0;
      int order = ByteView(member.name).compare(least_.name);
      return order < 0 || (least_.exclusive && order == 0);
    });
    range.last = sorted.count_while([&](const SortedMember& member) {
      if (most_.infinite != 0) return most_.infinite > 0;
      int order = ByteView(member.name).compare(most_.name);
      return order < 0 || (!most_.exclusive && order == 0);
    });
  }
  range.last = std::max(range.first, range.last);
  return range;
}

void array_of_scored(ReplyWriter& reply, std::size_t count, bool with_scores) {
  bool flat = with_scores && reply.protocol() == Protocol::resp2;
  reply.array(flat ? count * 2 : count);
}

void write_scored(ReplyWriter& reply, const SortedMember& member, bool with_scores) {
  if (with_scores && reply.protocol() == Protocol::resp3) reply.array(2);
  reply.bulk(member.name);
  if (with_scores) reply.real(member.score);
}

void write_range(Call& call, const SortedSet& sorted, RankRange range, bool backwards,
                 bool with_scores) {
  std::size_t start = call.reply.out().size();
  array_of_scored(call.reply, range.size(), with_scores);
  each_ranked(sorted, range, backwards,
              [&](const SortedMember& member) { write_scored(call.reply, member, with_scores); });
  reply_too_large(call, start);
}

void add_range(Change& change, ByteView key, const SortedSet& sorted, RankRange range) {
  each_ranked(sorted, range, false, [&](const SortedMember& member) {
    model::append_scored(change.command(Op::sorted_add, key), member.score, member.name);
  });
}

void remove_range(Change& change, ByteView key, const SortedSet& sorted, RankRange range) {
  if (range.size() == sorted.size()) return change.remove(key);
  each_ranked(sorted, range, false, [&](const SortedMember& member) {
    ByteWriter(change.command(Op::sorted_remove, key)).sized(member.name);
  });
}

}  // namespace trv::redis
