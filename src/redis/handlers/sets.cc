// Sets: members of one key, and moving one to another.
#include <algorithm>
#include <unordered_set>

#include "base/mutant.h"
#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/handlers/member_scan.h"
#include "redis/handlers/random_members.h"
#include "redis/handlers/set_members.h"

namespace trv::redis {

std::vector<ByteView> ordered_members(const model::Set& set) {
  std::vector<ByteView> names;
  names.reserve(set.size());
  for (std::size_t i = 0; i < set.size(); ++i) names.push_back(set.members().at(i).name);
  if (set.size() > integer_set_max) return names;
  std::vector<std::pair<std::int64_t, ByteView>> integers;
  for (ByteView name : names) {
    std::optional<std::int64_t> value = parse_integer(name);
    if (!value) return names;
    integers.emplace_back(*value, name);
  }
  std::sort(integers.begin(), integers.end());
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = integers[i].second;
  return names;
}

namespace {

using model::Set;
using model::SetMember;

// The arguments from index 2 on, each once, that are in the set (or are not).
std::vector<ByteView> distinct_args(Call& call, const Set* set, bool present) {
  std::vector<ByteView> members;
  for (ByteView member : call.args.subspan(2)) {
    if ((set && set->contains(member)) == present) members.push_back(member);
  }
  // In the order in which they came, which small sets keep.
  std::vector<ByteView> sorted(members);
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end()) return members;
  std::vector<ByteView> once;
  std::unordered_set<ByteView> seen;
  for (ByteView member : members) {
    if (seen.insert(member).second) once.push_back(member);
  }
  return once;
}

// Adds those arguments that are not in the set, or removes those that are.
void change_members(Call& call, bool adds) {
  Found<Set> found = find_collection<Set>(call, call.args[1]);
  if (found.refused) return;
  const std::vector<ByteView> members = distinct_args(call, found.value, !adds);
  Change change(call);
  for (ByteView member : members) {
    ByteWriter(change.command(adds ? Op::set_add : Op::set_remove, call.args[1])).sized(member);
  }
  if (change.store(adds ? broker::Space::more : broker::Space::less)) {
    call.reply.count(members.size());
  }
}

void sadd(Call& call) { change_members(call, true); }
void srem(Call& call) { change_members(call, false); }

void sismember(Call& call) {
  Found<Set> found = find_collection<Set>(call, call.args[1]);
  if (found.refused) return;
  call.reply.integer(found.value && found.value->contains(call.args[2]) ? 1 : 0);
}

void smismember(Call& call) {
  Found<Set> found = find_collection<Set>(call, call.args[1]);
  if (found.refused) return;
  call.reply.array(call.args.size() - 2);
  for (ByteView member : call.args.subspan(2)) {
    call.reply.integer(found.value && found.value->contains(member) ? 1 : 0);
  }
}

void scard(Call& call) {
  Found<Set> found = find_collection<Set>(call, call.args[1]);
  if (!found.refused) call.reply.count(found.value ? found.value->size() : 0);
}

void smembers(Call& call) {
  Found<Set> found = find_collection<Set>(call, call.args[1]);
  if (found.refused) return;
  std::size_t start = call.reply.out().size();
  call.reply.set(found.value ? found.value->size() : 0);
  if (!found.value) return;
  for (ByteView name : ordered_members(*found.value)) call.reply.bulk(name);
  reply_too_large(call, start);
}

void smove(Call& call) {
  Found<Set> source = find_collection<Set>(call, call.args[1]);
  if (source.refused) return;
  if (!source.value) return call.reply.integer(0);
  Found<Set> target = find_collection<Set>(call, call.args[2]);
  if (target.refused) return;
  if (!source.value->contains(call.args[3])) return call.reply.integer(0);
  if (call.args[1] == call.args[2]) return call.reply.integer(1);
  Change change(call);
  ByteWriter(change.command(Op::set_remove, call.args[1])).sized(call.args[3]);
  // A target that has it already is not changed: who watches it need not know.
  if (!target.value || !target.value->contains(call.args[3])) {
    ByteWriter(change.command(Op::set_add, call.args[2])).sized(call.args[3]);
  }
  if (change.store(broker::Space::more)) call.reply.integer(1);
}

void pop_count(Call& call, const Set& set, std::size_t count) {
  std::vector<std::size_t> chosen = distinct_indexes(call.service.random(), set.size(), count);
  std::string body;
  ReplyWriter writer(body, call.reply.protocol());
  writer.set(chosen.size());
  Change change(call);
  bool all = chosen.size() == set.size();
  for (std::size_t index : chosen) {
    const std::string& name = set.members().at(index).name;
    writer.bulk(name);
    if (!all) ByteWriter(change.command(Op::set_remove, call.args[1])).sized(name);
  }
  if (all) change.remove(call.args[1]);
  if (body.size() > reply_bytes_max) return call.reply.error(text::reply_too_large);
  if (change.store(broker::Space::less)) call.reply.out() += body;
}

void spop(Call& call) {
  if (call.args.size() > 3) return call.reply.error(text::syntax);
  std::optional<std::int64_t> count;
  if (call.args.size() == 3) {
    count = positive_arg(call, 2);
    if (!count) return;
  }
  Found<Set> found = find_collection<Set>(call, call.args[1]);
  if (found.refused) return;
  if (count) {
    if (!found.value || *count == 0) return call.reply.set(0);
    return pop_count(call, *found.value, static_cast<std::size_t>(*count));
  }
  if (!found.value) return call.reply.null();
  std::string name = found.value->members().at(call.service.random()() % found.value->size()).name;
  Change change(call);
  ByteWriter(change.command(Op::set_remove, call.args[1]))
      .sized(TRV_MUTANT(spop_removes_another) ? found.value->members().at(0).name : name);
  if (change.store(broker::Space::less)) call.reply.bulk(name);
}

void srandmember(Call& call) {
  if (call.args.size() > 3) return call.reply.error(text::syntax);
  std::optional<std::int64_t> count;
  if (call.args.size() == 3) {
    count = random_count_arg(call, 2);
    if (!count) return;
  }
  Found<Set> found = find_collection<Set>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return count ? call.reply.array(0) : call.reply.null();
  const auto& members = found.value->members();
  if (!count) {
    return call.reply.bulk(members.at(call.service.random()() % members.size()).name);
  }
  write_random(
      call, members.size(), *count, [&](std::size_t size) { call.reply.array(size); },
      [&](std::size_t index) { call.reply.bulk(members.at(index).name); });
}

void sscan(Call& call) {
  scan_members<Set>(call, &Set::members, 1,
                    [](const SetMember& member, ReplyWriter& writer) { writer.bulk(member.name); });
}

constexpr std::uint32_t reads = flag::read_only;
constexpr std::uint32_t quick_reads = reads | flag::fast;
constexpr std::uint32_t removes = flag::write | flag::fast;

constexpr Command rows[] = {
    {"sadd", -3, removes | flag::deny_oom, Where::keys, KeyRule::range, 1, 1, 1, "set", "1.0.0",
     "Adds members to a set.", sadd},
    {"srem", -3, removes, Where::keys, KeyRule::range, 1, 1, 1, "set", "1.0.0",
     "Removes members from a set.", srem},
    {"sismember", 3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "set", "1.0.0",
     "Tells whether something is a member of a set.", sismember},
    {"smismember", -3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "set", "6.2.0",
     "Tells which of several are members of a set.", smismember},
    {"scard", 2, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "set", "1.0.0",
     "Returns the number of members.", scard},
    {"smembers", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "set", "1.0.0",
     "Returns all members of a set.", smembers},
    {"smove", 4, removes, Where::keys, KeyRule::range, 1, 2, 1, "set", "1.0.0",
     "Moves a member from one set to another.", smove},
    {"spop", -2, removes, Where::keys, KeyRule::range, 1, 1, 1, "set", "1.0.0",
     "Removes and returns random members.", spop},
    {"srandmember", -2, reads, Where::keys, KeyRule::range, 1, 1, 1, "set", "1.0.0",
     "Returns random members.", srandmember},
    {"sscan", -3, reads, Where::keys, KeyRule::range, 1, 1, 1, "set", "2.8.0",
     "Iterates over the members of a set.", sscan},
};

}  // namespace

std::span<const Command> set_commands() { return rows; }

}  // namespace trv::redis
