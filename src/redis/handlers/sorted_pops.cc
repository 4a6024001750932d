// Sorted sets: popping the members with the lowest or highest scores, and waiting for them.
#include <algorithm>

#include "redis/handlers/families.h"
#include "redis/handlers/lists.h"
#include "redis/handlers/sorted.h"

namespace trv::redis {

namespace {

using model::SortedMember;
using model::SortedSet;

constexpr std::string_view sorted_tag = "sorted";

enum class Extreme : std::uint8_t { least, most };

RankRange popped_range(const SortedSet& sorted, Extreme extreme, std::size_t count) {
  std::size_t size = sorted.size();
  count = std::min(count, size);
  return extreme == Extreme::least ? RankRange{0, count} : RankRange{size - count, size};
}

// Pops the range and adds the reply that `write` made of it before.
template <class Write>
void pop_range(Call& call, ByteView key, const SortedSet& sorted, RankRange range, Write write) {
  std::string body;
  ReplyWriter writer(body, call.reply.protocol());
  write(writer);
  if (body.size() > reply_bytes_max) return call.reply.error(text::reply_too_large);
  Change change(call);
  remove_range(change, key, sorted, range);
  if (change.store(broker::Space::less)) call.reply.out() += body;
}

void pop(Call& call, Extreme extreme) {
  if (call.args.size() > 3) return call.reply.error(text::syntax);
  std::int64_t count = 1;
  bool counted = call.args.size() == 3;
  if (counted) {
    std::optional<std::int64_t> given = positive_arg(call, 2);
    if (!given) return;
    count = *given;
  }
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value || count == 0) return call.reply.array(0);
  RankRange range = popped_range(*found.value, extreme, static_cast<std::size_t>(count));
  pop_range(call, call.args[1], *found.value, range, [&](ReplyWriter& writer) {
    // One member is flat in both protocols, several are pairs in RESP3.
    if (counted) {
      array_of_scored(writer, range.size(), true);
    } else {
      writer.array(2);
    }
    each_ranked(*found.value, range, extreme == Extreme::most, [&](const SortedMember& member) {
      if (counted) return write_scored(writer, member, true);
      writer.bulk(member.name);
      writer.real(member.score);
    });
  });
}

void zpopmin(Call& call) { pop(call, Extreme::least); }
void zpopmax(Call& call) { pop(call, Extreme::most); }

void pop_or_wait(Call& call, Extreme extreme) {
  std::optional<std::chrono::milliseconds> timeout = seconds_arg(call, call.args.size() - 1);
  if (!timeout) return;
  std::span<const ByteView> keys = call.args.subspan(1, call.args.size() - 2);
  for (ByteView key : keys) {
    PopSource<SortedSet> source = find_source<SortedSet>(call, key);
    if (source.refused) return;
    if (!source.value) continue;
    RankRange range = popped_range(*source.value, extreme, 1);
    return pop_range(call, key, *source.value, range, [&](ReplyWriter& writer) {
      const SortedMember& member = source.value->at_rank(range.first);
      writer.array(3);
      writer.bulk(key);
      writer.bulk(member.name);
      writer.real(member.score);
    });
  }
  if (!call.may_block()) return call.reply.null_array();
  wait_for_keys(call, keys, *timeout, sorted_tag);
}

void bzpopmin(Call& call) { pop_or_wait(call, Extreme::least); }
void bzpopmax(Call& call) { pop_or_wait(call, Extreme::most); }

struct ManyPop {
  std::span<const ByteView> keys;
  Extreme extreme;
  std::size_t count;
};

std::optional<ManyPop> many_pop_args(Call& call, std::size_t count_index) {
  std::optional<CountedKeys> keys = counted_keys(call, count_index);
  if (!keys) return std::nullopt;
  bool least = is_word(call.args[keys->next], "min");
  if (!least && !is_word(call.args[keys->next], "max")) {
    call.reply.error(text::syntax);
    return std::nullopt;
  }
  std::optional<std::size_t> count = pop_count_arg(call, keys->next + 1);
  if (!count) return std::nullopt;
  return ManyPop{keys->keys, least ? Extreme::least : Extreme::most, *count};
}

// False when all keys are empty; else there is a reply.
bool many_pop(Call& call, const ManyPop& what) {
  for (ByteView key : what.keys) {
    PopSource<SortedSet> source = find_source<SortedSet>(call, key);
    if (source.refused) return true;
    if (!source.value) continue;
    RankRange range = popped_range(*source.value, what.extreme, what.count);
    pop_range(call, key, *source.value, range, [&](ReplyWriter& writer) {
      writer.array(2);
      writer.bulk(key);
      writer.array(range.size());
      each_ranked(*source.value, range, what.extreme == Extreme::most,
                  [&](const SortedMember& member) {
                    writer.array(2);
                    writer.bulk(member.name);
                    writer.real(member.score);
                  });
    });
    return true;
  }
  return false;
}

void zmpop(Call& call) {
  std::optional<ManyPop> what = many_pop_args(call, 1);
  if (what && !many_pop(call, *what)) call.reply.null_array();
}

void bzmpop(Call& call) {
  std::optional<ManyPop> what = many_pop_args(call, 2);
  if (!what) return;
  std::optional<std::chrono::milliseconds> timeout = seconds_arg(call, 1);
  if (!timeout || many_pop(call, *what)) return;
  if (!call.may_block()) return call.reply.null_array();
  wait_for_keys(call, what->keys, *timeout, sorted_tag);
}

constexpr std::uint32_t pops = flag::write | flag::fast;
constexpr std::uint32_t waits = flag::write | flag::blocking;

constexpr Command rows[] = {
    {"zpopmin", -2, pops, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "5.0.0",
     "Removes and returns the members with the lowest scores.", zpopmin},
    {"zpopmax", -2, pops, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "5.0.0",
     "Removes and returns the members with the highest scores.", zpopmax},
    {"bzpopmin", -3, waits | flag::fast | flag::no_script, Where::keys, KeyRule::range, 1, -2, 1,
     "sorted-set", "5.0.0",
     "Removes and returns the member with the lowest score, and waits for it.", bzpopmin},
    {"bzpopmax", -3, waits | flag::fast | flag::no_script, Where::keys, KeyRule::range, 1, -2, 1,
     "sorted-set", "5.0.0",
     "Removes and returns the member with the highest score, and waits for it.", bzpopmax},
    {"zmpop", -4, flag::write, Where::keys, KeyRule::counted, 1, 0, 0, "sorted-set", "7.0.0",
     "Removes and returns members of the first sorted set that is not empty.", zmpop},
    {"bzmpop", -5, waits, Where::keys, KeyRule::counted, 2, 0, 0, "sorted-set", "7.0.0",
     "Removes and returns members of the first sorted set that is not empty, and waits for them.",
     bzmpop},
};

}  // namespace

std::span<const Command> sorted_pop_commands() { return rows; }

}  // namespace trv::redis
