// Sorted sets: members of one key.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "redis/handlers/families.h"
#include "redis/handlers/member_scan.h"
#include "redis/handlers/random_members.h"
#include "redis/handlers/sorted.h"

namespace trv::redis {

namespace {

using model::SortedMember;
using model::SortedSet;

struct AddOptions {
  bool if_absent = false;     // NX
  bool if_present = false;    // XX
  bool if_greater = false;    // GT
  bool if_less = false;       // LT
  bool tell_changed = false;  // CH
  bool increment = false;     // INCR
  std::size_t first = 2;      // index of the first score
};

bool parse_add(Call& call, AddOptions& options) {
  for (; options.first < call.args.size(); ++options.first) {
    ByteView word = call.args[options.first];
    if (is_word(word, "nx")) {
      options.if_absent = true;
    } else if (is_word(word, "xx")) {
      options.if_present = true;
    } else if (is_word(word, "gt")) {
      options.if_greater = true;
    } else if (is_word(word, "lt")) {
      options.if_less = true;
    } else if (is_word(word, "ch")) {
      options.tell_changed = true;
    } else if (is_word(word, "incr")) {
      options.increment = true;
    } else {
      break;
    }
  }
  std::size_t left = call.args.size() - options.first;
  std::string_view why;
  if (left == 0 || left % 2 != 0) {
    why = text::syntax;
  } else if (options.if_absent && options.if_present) {
    why = "ERR XX and NX options at the same time are not compatible";
  } else if ((options.if_greater && (options.if_absent || options.if_less)) ||
             (options.if_less && options.if_absent)) {
    why = "ERR GT, LT, and/or NX options at the same time are not compatible";
  } else if (options.increment && left > 2) {
    why = "ERR INCR option supports a single increment-element pair";
  }
  if (why.empty()) return true;
  call.reply.error(why);
  return false;
}

// What one ZADD makes of the scores, pair after pair.
struct Additions {
  std::unordered_map<ByteView, double> scores;  // as they are by now, of those named
  std::int64_t added = 0;
  std::int64_t changed = 0;
  std::optional<double> last;  // the score that INCR answers; none when it was refused
};

// Nothing when the sum is no number.
bool add_one(const AddOptions& options, const SortedSet* sorted, ByteView name, double score,
             Additions& result) {
  auto known = result.scores.find(name);
  std::optional<double> present;
  if (known != result.scores.end()) {
    present = known->second;
  } else if (const SortedMember* member = sorted ? sorted->find(name) : nullptr) {
    present = member->score;
  }
  result.last.reset();
  if (present ? options.if_absent : options.if_present) return true;
  if (present && options.increment) score += *present;
  if (std::isnan(score)) return false;
  if (present &&
      ((options.if_greater && score <= *present) || (options.if_less && score >= *present))) {
    return true;
  }
  result.last = score;
  if (!present) ++result.added;
  if (present && score != *present) ++result.changed;
  if (!present || score != *present) result.scores[name] = score;
  return true;
}

void add(Call& call, const AddOptions& options) {
  std::vector<double> scores;
  for (std::size_t i = options.first; i < call.args.size(); i += 2) {
    std::optional<double> score = real_arg(call, i);
    if (!score) return;
    scores.push_back(*score);
  }
  ByteView key = call.args[1];
  Found<SortedSet> found = find_collection<SortedSet>(call, key);
  if (found.refused) return;
  Additions result;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    ByteView name = call.args[options.first + 2 * i + 1];
    if (!add_one(options, found.value, name, scores[i], result)) {
      return call.reply.error("ERR resulting score is not a number (NaN)");
    }
  }
  Change change(call);
  for (const auto& [name, score] : result.scores) {
    model::append_scored(change.command(Op::sorted_add, key), score, name);
  }
  if (!change.store(broker::Space::more)) return;
  if (!options.increment) {
    return call.reply.integer(result.added + (options.tell_changed ? result.changed : 0));
  }
  if (result.last) {
    call.reply.real(*result.last);
  } else {
    call.reply.null();
  }
}

void zadd(Call& call) {
  AddOptions options;
  if (parse_add(call, options)) add(call, options);
}

void zincrby(Call& call) {
  AddOptions options;
  options.increment = true;
  add(call, options);
}

void zrem(Call& call) {
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (found.refused) return;
  std::vector<ByteView> gone;
  for (ByteView name : call.args.subspan(2)) {
    if (found.value && found.value->find(name)) gone.push_back(name);
  }
  std::sort(gone.begin(), gone.end());
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  Change change(call);
  for (ByteView name : gone) {
    ByteWriter(change.command(Op::sorted_remove, call.args[1])).sized(name);
  }
  if (change.store(broker::Space::less)) call.reply.count(gone.size());
}

void zcard(Call& call) {
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (!found.refused) call.reply.count(found.value ? found.value->size() : 0);
}

void write_score(Call& call, const SortedSet* sorted, ByteView name) {
  const SortedMember* member = sorted ? sorted->find(name) : nullptr;
  if (member) {
    call.reply.real(member->score);
  } else {
    call.reply.null();
  }
}

void zscore(Call& call) {
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (!found.refused) write_score(call, found.value, call.args[2]);
}

void zmscore(Call& call) {
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (found.refused) return;
  call.reply.array(call.args.size() - 2);
  for (ByteView name : call.args.subspan(2)) write_score(call, found.value, name);
}

void tell_rank(Call& call, bool backwards) {
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (found.refused) return;
  const SortedMember* member = found.value ? found.value->find(call.args[2]) : nullptr;
  if (!member) return call.reply.null();
  std::size_t rank = found.value->rank_of(*member);
  call.reply.count(backwards ? found.value->size() - 1 - rank : rank);
}

void zrank(Call& call) { tell_rank(call, false); }
void zrevrank(Call& call) { tell_rank(call, true); }

void zrandmember(Call& call) {
  if (call.args.size() == 2) {
    Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
    if (found.refused) return;
    if (!found.value) return call.reply.null();
    const auto& members = found.value->members();
    return call.reply.bulk(members.at(call.service.random()() % members.size()).name);
  }
  const std::optional<RandomCount> wanted = random_count_args(call, "withscores");
  if (!wanted) return;
  Found<SortedSet> found = find_collection<SortedSet>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return call.reply.array(0);
  const auto& members = found.value->members();
  write_random(
      call, members.size(), wanted->count,
      [&](std::size_t count) { array_of_scored(call.reply, count, wanted->with_values); },
      [&](std::size_t index) { write_scored(call.reply, members.at(index), wanted->with_values); });
}

void zscan(Call& call) {
  scan_members<SortedSet>(call, &SortedSet::members, 2,
                          [](const SortedMember& member, ReplyWriter& writer) {
                            writer.bulk(member.name);
                            writer.bulk(real_text(member.score));
                          });
}

constexpr std::uint32_t reads = flag::read_only;
constexpr std::uint32_t quick_reads = reads | flag::fast;
constexpr std::uint32_t adds = flag::write | flag::deny_oom | flag::fast;

constexpr Command rows[] = {
    {"zadd", -4, adds, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "1.2.0",
     "Adds members to a sorted set, or changes their scores.", zadd},
    {"zincrby", 4, adds, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "1.2.0",
     "Adds to the score of a member.", zincrby},
    {"zrem", -3, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set",
     "1.2.0", "Removes members from a sorted set.", zrem},
    {"zcard", 2, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "1.2.0",
     "Returns the number of members.", zcard},
    {"zscore", 3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "1.2.0",
     "Returns the score of a member.", zscore},
    {"zmscore", -3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "6.2.0",
     "Returns the scores of several members.", zmscore},
    {"zrank", 3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.0.0",
     "Returns how many members come before one.", zrank},
    {"zrevrank", 3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.0.0",
     "Returns how many members come behind one.", zrevrank},
    {"zrandmember", -2, reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "6.2.0",
     "Returns random members of a sorted set.", zrandmember},
    {"zscan", -3, reads, Where::keys, KeyRule::range, 1, 1, 1, "sorted-set", "2.8.0",
     "Iterates over the members of a sorted set.", zscan},
};

}  // namespace

std::span<const Command> sorted_commands() { return rows; }

}  // namespace trv::redis
