// Sorted sets: ranges by rank, score and name: shown, stored, counted, removed.
#include <algorithm>

#include "redis/handlers/families.h"
#include "redis/handlers/sorted.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

using model::SortedSet;
using Kind = Bounds::Kind;

struct RangeRequest {
  Kind kind = Kind::rank;
  bool backwards = false;
  bool with_scores = false;
  bool kind_given = false;  // by the command's name
  bool stores = false;
  bool limited = false;
  std::int64_t offset = 0;
  std::int64_t limit = -1;  // negative: all
};

// One word of the options, with what belongs to it. False when it is none.
bool parse_range_word(Call& call, std::size_t& i, RangeRequest& request, bool& failed) {
  ByteView word = call.args[i];
  if (!request.stores && is_word(word, "withscores")) {
    request.with_scores = true;
  } else if (is_word(word, "limit") && i + 2 < call.args.size()) {
    std::optional<std::int64_t> offset = integer_arg(call, i + 1);
    std::optional<std::int64_t> limit = offset ? integer_arg(call, i + 2) : std::nullopt;
    failed = !limit;
    if (failed) return false;
    request.limited = true;
    request.offset = *offset;
    request.limit = *limit;
    i += 2;
  } else if (!request.kind_given && !request.backwards && is_word(word, "rev")) {
    request.backwards = true;
  } else if (!request.kind_given && request.kind == Kind::rank && is_word(word, "byscore")) {
    request.kind = Kind::score;
  } else if (!request.kind_given && request.kind == Kind::rank && is_word(word, "bylex")) {
    request.kind = Kind::name;
  } else {
    return false;
  }
  return true;
}

bool parse_range(Call& call, std::size_t from, RangeRequest& request) {
  bool failed = false;
  for (std::size_t i = from; i < call.args.size(); ++i) {
    if (parse_range_word(call, i, request, failed)) continue;
    if (!failed) call.reply.error(text::syntax);
    return false;
  }
  if (request.limited && request.kind == Kind::rank) {
    call.reply.error(
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    return false;
  }
  if (request.with_scores && request.kind == Kind::name) {
    call.reply.error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    return false;
  }
  return true;
}

// LIMIT counts in the order of the reply.
RankRange limited(RankRange range, const RangeRequest& request) {
  if (!request.limited) return range;
  std::size_t size = range.size();
  if (request.offset < 0 || static_cast<std::uint64_t>(request.offset) >= size) return {};
  auto offset = static_cast<std::size_t>(request.offset);
  std::size_t count = size - offset;
  if (request.limit >= 0) count = std::min(count, static_cast<std::size_t>(request.limit));
  if (request.backwards) return {range.last - offset - count, range.last - offset};
  return {range.first + offset, range.first + offset + count};
}

struct FoundRange {
  const SortedSet* sorted = nullptr;
  RankRange range;
};

// The range of the key at `key_index`, whose bounds follow it. Nothing after an error reply.
std::optional<FoundRange> find_range(Call& call, std::size_t key_index,
                                     const RangeRequest& request) {
  ByteView least = call.args[key_index + 1];
  ByteView most = call.args[key_index + 2];
  // Backwards, scores and names are given greatest first.
  if (request.backwards && request.kind != Kind::rank) std::swap(least, most);
  std::optional<Bounds> bounds = Bounds::parse(call, request.kind, least, most);
  if (!bounds) return std::nullopt;
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[key_index]);
  if (found.refused) return std::nullopt;
  if (!found.value) return FoundRange{};
  return FoundRange{found.value, limited(bounds->in(*found.value, request.backwards), request)};
}

void show(Call& call, RangeRequest request) {
  if (!parse_range(call, 4, request)) return;
  std::optional<FoundRange> found = find_range(call, 1, request);
  if (!found) return;
  if (!found->sorted) return call.reply.array(0);
  write_range(call, *found->sorted, found->range, request.backwards, request.with_scores);
}

void zrange(Call& call) { show(call, {}); }
void zrevrange(Call& call) {
  show(call, {.kind = Kind::rank, .backwards = true, .kind_given = true});
}
void zrangebyscore(Call& call) { show(call, {.kind = Kind::score, .kind_given = true}); }
void zrevrangebyscore(Call& call) {
  show(call, {.kind = Kind::score, .backwards = true, .kind_given = true});
}
void zrangebylex(Call& call) { show(call, {.kind = Kind::name, .kind_given = true}); }
void zrevrangebylex(Call& call) {
  show(call, {.kind = Kind::name, .backwards = true, .kind_given = true});
}

void zrangestore(Call& call) {
  RangeRequest request;
  request.stores = true;
  if (!parse_range(call, 5, request)) return;
  std::optional<FoundRange> found = find_range(call, 2, request);
  if (!found) return;
  Change change(call);
  if (!replace_key(call, change, call.args[1])) return;
  std::size_t size = found->range.size();
  if (found->sorted) add_range(change, call.args[1], *found->sorted, found->range);
  broker::Space space = size == 0 ? broker::Space::less : broker::Space::more;
  if (change.store(space)) call.reply.count(size);
}

void count(Call& call, Kind kind) {
  std::optional<FoundRange> found = find_range(call, 1, {.kind = kind});
  if (found) call.reply.count(found->range.size());
}

void zcount(Call& call) { count(call, Kind::score); }
void zlexcount(Call& call) { count(call, Kind::name); }

void remove(Call& call, Kind kind) {
  std::optional<FoundRange> found = find_range(call, 1, {.kind = kind});
  if (!found) return;
  std::size_t size = found->range.size();
  Change change(call);
  if (size > 0) remove_range(change, call.args[1], *found->sorted, found->range);
  if (change.store(broker::Space::less)) call.reply.count(size);
}

void zremrangebyrank(Call& call) { remove(call, Kind::rank); }
void zremrangebyscore(Call& call) { remove(call, Kind::score); }
void zremrangebylex(Call& call) { remove(call, Kind::name); }

constexpr std::uint32_t reads = flag::read_only;

constexpr Command rows[] = {
    {"zrange", -4, reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "1.2.0",
     "Returns members within a range of ranks, scores or names.", zrange},
    {"zrangestore", -5, flag::write | flag::deny_oom, Where::keys, KeyRule::range, 1, 2, 1,
     "sorted-set", "6.2.0", "Stores members within a range in another key.", zrangestore},
    {"zrevrange", -4, reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "1.2.0",
     "Returns members within a range of ranks, highest scores first.", zrevrange},
    {"zrangebyscore", -4, reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "1.0.5",
     "Returns members within a range of scores.", zrangebyscore},
    {"zrevrangebyscore", -4, reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.2.0",
     "Returns members within a range of scores, highest first.", zrevrangebyscore},
    {"zrangebylex", -4, reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.8.9",
     "Returns members within a range of names.", zrangebylex},
    {"zrevrangebylex", -4, reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.8.9",
     "Returns members within a range of names, last first.", zrevrangebylex},
    {"zcount", 4, reads | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.0.0",
     "Returns how many members are within a range of scores.", zcount},
    {"zlexcount", 4, reads | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set",
     "2.8.9", "Returns how many members are within a range of names.", zlexcount},
    {"zremrangebyrank", 4, flag::write, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.0.0",
     "Removes members within a range of ranks.", zremrangebyrank},
    {"zremrangebyscore", 4, flag::write, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set",
     "1.2.0", "Removes members within a range of scores.", zremrangebyscore},
    {"zremrangebylex", 4, flag::write, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.8.9",
     "Removes members within a range of names.", zremrangebylex},
};

}  // namespace

std::span<const Command> sorted_range_commands() { return rows; }

}  // namespace trv::redis
