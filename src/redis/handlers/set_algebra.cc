// Sets: intersections, unions and differences of several keys.
#include <algorithm>
#include <limits>
#include <unordered_set>

#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/handlers/set_members.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

using model::Set;

// The sets under the keys, null where there is none. Nothing after an error reply.
using Sets = std::vector<const Set*>;
std::optional<Sets> find_sets(Call& call, std::span<const ByteView> keys) {
  Sets sets;
  for (ByteView key : keys) {
    Found<Set> found = find_collection<Set>(call, key);
    if (found.refused) return std::nullopt;
    sets.push_back(found.value);
  }
  return sets;
}

// What the sets make together: views into their members.
using Members = std::vector<ByteView>;

Members intersection(Sets sets, std::size_t limit) {
  if (std::find(sets.begin(), sets.end(), nullptr) != sets.end()) return {};
  std::stable_sort(sets.begin(), sets.end(),
                   [](const Set* a, const Set* b) { return a->size() < b->size(); });
  Members common;
  for (ByteView name : ordered_members(*sets[0])) {
    if (common.size() == limit) break;
    bool everywhere = std::all_of(sets.begin() + 1, sets.end(),
                                  [&](const Set* set) { return set->contains(name); });
    if (everywhere) common.push_back(name);
  }
  return common;
}

Members all_common(const Sets& sets) {
  return intersection(sets, std::numeric_limits<std::size_t>::max());
}

// Whether each member is an integer, and so is told in ascending order.
void order_integers(Members& members) {
  if (members.size() > integer_set_max) return;
  std::vector<std::pair<std::int64_t, ByteView>> integers;
  for (ByteView name : members) {
    std::optional<std::int64_t> value = parse_integer(name);
    if (!value) return;
    integers.emplace_back(*value, name);
  }
  std::sort(integers.begin(), integers.end());
  for (std::size_t i = 0; i < members.size(); ++i) members[i] = integers[i].second;
}

Members sum(const Sets& sets) {
  Members all;
  std::unordered_set<ByteView> seen;
  for (const Set* set : sets) {
    if (!set) continue;
    for (ByteView name : ordered_members(*set)) {
      if (seen.insert(name).second) all.push_back(name);
    }
  }
  order_integers(all);
  return all;
}

Members difference(const Sets& sets) {
  Members left;
  if (!sets[0]) return left;
  for (ByteView name : ordered_members(*sets[0])) {
    bool elsewhere = std::any_of(sets.begin() + 1, sets.end(),
                                 [&](const Set* set) { return set && set->contains(name); });
    if (!elsewhere) left.push_back(name);
  }
  return left;
}

using Combine = Members (*)(const Sets&);

void show(Call& call, Combine combine) {
  std::optional<Sets> sets = find_sets(call, call.args.subspan(1));
  if (!sets) return;
  Members members = combine(*sets);
  std::size_t start = call.reply.out().size();
  call.reply.set(members.size());
  for (ByteView name : members) call.reply.bulk(name);
  reply_too_large(call, start);
}

void store(Call& call, Combine combine) {
  std::optional<Sets> sets = find_sets(call, call.args.subspan(2));
  if (!sets) return;
  Members members = combine(*sets);
  Change change(call);
  if (!replace_key(call, change, call.args[1])) return;
  for (ByteView name : members) {
    ByteWriter(change.command(Op::set_add, call.args[1])).sized(name);
  }
  broker::Space space = members.empty() ? broker::Space::less : broker::Space::more;
  std::size_t size = members.size();
  if (change.store(space)) call.reply.count(size);
}

void sinter(Call& call) { show(call, all_common); }
void sunion(Call& call) { show(call, sum); }
void sdiff(Call& call) { show(call, difference); }
void sinterstore(Call& call) { store(call, all_common); }
void sunionstore(Call& call) { store(call, sum); }
void sdiffstore(Call& call) { store(call, difference); }

// numkeys key [key ...] [LIMIT n]
struct CardinalityArgs {
  std::span<const ByteView> keys;
  std::size_t limit = std::numeric_limits<std::size_t>::max();
};

std::optional<CardinalityArgs> cardinality_args(Call& call) {
  std::optional<std::int64_t> count = parse_integer(call.args[1]);
  if (!count || *count <= 0) {
    call.reply.error("ERR numkeys should be greater than 0");
    return std::nullopt;
  }
  if (static_cast<std::uint64_t>(*count) > call.args.size() - 2) {
    call.reply.error("ERR Number of keys can't be greater than number of args");
    return std::nullopt;
  }
  CardinalityArgs what{call.args.subspan(2, static_cast<std::size_t>(*count))};
  for (std::size_t i = 2 + what.keys.size(); i < call.args.size(); i += 2) {
    if (i + 1 == call.args.size() || !is_word(call.args[i], "limit")) {
      call.reply.error(text::syntax);
      return std::nullopt;
    }
    std::optional<std::int64_t> limit = parse_integer(call.args[i + 1]);
    if (!limit || *limit < 0) {
      call.reply.error("ERR LIMIT can't be negative");
      return std::nullopt;
    }
    if (*limit > 0) what.limit = static_cast<std::size_t>(*limit);
  }
  return what;
}

void sintercard(Call& call) {
  std::optional<CardinalityArgs> what = cardinality_args(call);
  if (!what) return;
  std::optional<Sets> sets = find_sets(call, what->keys);
  if (sets) call.reply.count(intersection(*sets, what->limit).size());
}

constexpr std::uint32_t reads = flag::read_only;
constexpr std::uint32_t stores = flag::write | flag::deny_oom;

constexpr Command rows[] = {
    {"sinter", -2, reads, Where::keys, KeyRule::range, 1, -1, 1, "set", "1.0.0",
     "Returns the members that all sets have.", sinter},
    {"sunion", -2, reads, Where::keys, KeyRule::range, 1, -1, 1, "set", "1.0.0",
     "Returns the members of all sets together.", sunion},
    {"sdiff", -2, reads, Where::keys, KeyRule::range, 1, -1, 1, "set", "1.0.0",
     "Returns the members of the first set that no other has.", sdiff},
    {"sinterstore", -3, stores, Where::keys, KeyRule::range, 1, -1, 1, "set", "1.0.0",
     "Stores the members that all sets have.", sinterstore},
    {"sunionstore", -3, stores, Where::keys, KeyRule::range, 1, -1, 1, "set", "1.0.0",
     "Stores the members of all sets together.", sunionstore},
    {"sdiffstore", -3, stores, Where::keys, KeyRule::range, 1, -1, 1, "set", "1.0.0",
     "Stores the members of the first set that no other has.", sdiffstore},
    {"sintercard", -3, reads, Where::keys, KeyRule::counted, 1, 0, 0, "set", "7.0.0",
     "Returns how many members all sets have.", sintercard},
};

}  // namespace

std::span<const Command> set_algebra_commands() { return rows; }

}  // namespace trv::redis
