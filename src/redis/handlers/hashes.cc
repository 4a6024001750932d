// Hashes.
#include <cmath>
#include <limits>

#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/handlers/member_scan.h"
#include "redis/handlers/random_members.h"

namespace trv::redis {

namespace {

using model::Hash;
using model::HashField;

// Sets pairs of arguments from index 2 on. How many fields are new; nothing after an error reply.
std::optional<std::int64_t> set_fields(Call& call) {
  if (call.args.size() % 2 != 0) {
    call.reply.error(wrong_arity(call.command.name));
    return std::nullopt;
  }
  ByteView key = call.args[1];
  Found<Hash> found = find_collection<Hash>(call, key);
  if (found.refused) return std::nullopt;
  Change change(call);
  std::vector<ByteView> fresh;
  for (std::size_t i = 2; i < call.args.size(); i += 2) {
    ByteWriter writer(change.command(Op::hash_set, key));
    writer.sized(call.args[i]);
    writer.sized(call.args[i + 1]);
    if (!found.value || !found.value->find(call.args[i])) fresh.push_back(call.args[i]);
  }
  if (!change.store(broker::Space::more)) return std::nullopt;
  std::sort(fresh.begin(), fresh.end());
  return std::unique(fresh.begin(), fresh.end()) - fresh.begin();
}

void hset(Call& call) {
  if (std::optional<std::int64_t> fresh = set_fields(call)) call.reply.integer(*fresh);
}

void hmset(Call& call) {
  if (set_fields(call)) call.reply.ok();
}

bool set_field(Call& call, ByteView field, ByteView value) {
  Change change(call);
  ByteWriter writer(change.command(Op::hash_set, call.args[1]));
  writer.sized(field);
  writer.sized(value);
  return change.store(broker::Space::more);
}

void hsetnx(Call& call) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  if (found.value && found.value->find(call.args[2])) return call.reply.integer(0);
  if (set_field(call, call.args[2], call.args[3])) call.reply.integer(1);
}

void hdel(Call& call) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  std::vector<ByteView> gone;
  for (ByteView field : call.args.subspan(2)) {
    if (found.value && found.value->find(field)) gone.push_back(field);
  }
  std::sort(gone.begin(), gone.end());
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  Change change(call);
  for (ByteView field : gone) {
    ByteWriter(change.command(Op::hash_remove, call.args[1])).sized(field);
  }
  if (change.store(broker::Space::less)) call.reply.count(gone.size());
}

// Null stands for what is not there.
void write_value(Call& call, const Hash* hash, ByteView field) {
  const std::string* value = hash ? hash->find(field) : nullptr;
  value ? call.reply.bulk(*value) : call.reply.null();
}

void hget(Call& call) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  write_value(call, found.value, call.args[2]);
}

void hmget(Call& call) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  call.reply.array(call.args.size() - 2);
  for (ByteView field : call.args.subspan(2)) write_value(call, found.value, field);
}

void hexists(Call& call) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  call.reply.integer(found.value && found.value->find(call.args[2]) ? 1 : 0);
}

void hlen(Call& call) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (!found.refused) call.reply.count(found.value ? found.value->size() : 0);
}

void hstrlen(Call& call) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  const std::string* value = found.value ? found.value->find(call.args[2]) : nullptr;
  call.reply.count(value ? value->size() : 0);
}

void hgetall(Call& call) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  std::size_t start = call.reply.out().size();
  std::size_t size = found.value ? found.value->size() : 0;
  call.reply.map(size);
  for (std::size_t i = 0; i < size; ++i) {
    const HashField& field = found.value->fields().at(i);
    call.reply.bulk(field.name);
    call.reply.bulk(field.value);
  }
  reply_too_large(call, start);
}

void list_fields(Call& call, std::string HashField::*part) {
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  std::size_t start = call.reply.out().size();
  std::size_t size = found.value ? found.value->size() : 0;
  call.reply.array(size);
  for (std::size_t i = 0; i < size; ++i) call.reply.bulk(found.value->fields().at(i).*part);
  reply_too_large(call, start);
}

void hkeys(Call& call) { list_fields(call, &HashField::name); }
void hvals(Call& call) { list_fields(call, &HashField::value); }

void hincrby(Call& call) {
  std::optional<std::int64_t> amount = integer_arg(call, 3);
  if (!amount) return;
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  std::int64_t value = 0;
  if (const std::string* text = found.value ? found.value->find(call.args[2]) : nullptr) {
    std::optional<std::int64_t> present = parse_integer(*text);
    if (!present) return call.reply.error("ERR hash value is not an integer");
    value = *present;
  }
  std::int64_t sum = 0;
  if (__builtin_add_overflow(value, *amount, &sum)) return call.reply.error(text::overflow);
  char digits[integer_text_max];
  if (set_field(call, call.args[2], {digits, print_integer(digits, sum)})) {
    call.reply.integer(sum);
  }
}

void hincrbyfloat(Call& call) {
  std::optional<long double> amount = parse_long_real(call.args[3]);
  if (!amount) return call.reply.error(text::not_real);
  if (std::isinf(*amount)) return call.reply.error("ERR value is NaN or Infinity");
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  long double value = 0;
  if (const std::string* text = found.value ? found.value->find(call.args[2]) : nullptr) {
    std::optional<long double> present = parse_long_real(*text);
    if (!present) return call.reply.error("ERR hash value is not a float");
    value = *present;
  }
  value += *amount;
  if (!std::isfinite(value)) return call.reply.error(text::makes_no_number);
  std::string text = long_real_text(value);
  if (set_field(call, call.args[2], text)) call.reply.bulk(text);
}

void write_field(ReplyWriter& reply, const HashField& field, bool with_value) {
  if (with_value && reply.protocol() == Protocol::resp3) reply.array(2);
  reply.bulk(field.name);
  if (with_value) reply.bulk(field.value);
}

void hrandfield(Call& call) {
  if (call.args.size() == 2) {
    Found<Hash> found = find_collection<Hash>(call, call.args[1]);
    if (found.refused) return;
    if (!found.value) return call.reply.null();
    const auto& fields = found.value->fields();
    return call.reply.bulk(fields.at(call.service.random()() % fields.size()).name);
  }
  const std::optional<RandomCount> wanted = random_count_args(call, "withvalues");
  if (!wanted) return;
  Found<Hash> found = find_collection<Hash>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return call.reply.array(0);
  const bool flat = wanted->with_values && call.reply.protocol() == Protocol::resp2;
  const auto& fields = found.value->fields();
  write_random(
      call, fields.size(), wanted->count,
      [&](std::size_t count) { call.reply.array(flat ? count * 2 : count); },
      [&](std::size_t index) { write_field(call.reply, fields.at(index), wanted->with_values); });
}

void hscan(Call& call) {
  scan_members<Hash>(call, &Hash::fields, 2, [](const HashField& field, ReplyWriter& writer) {
    writer.bulk(field.name);
    writer.bulk(field.value);
  });
}

constexpr std::uint32_t reads = flag::read_only;
constexpr std::uint32_t quick_reads = flag::read_only | flag::fast;
constexpr std::uint32_t adds = flag::write | flag::deny_oom | flag::fast;

constexpr Command rows[] = {
    {"hset", -4, adds, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Creates or changes fields of a hash.", hset},
    {"hmset", -4, adds, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Sets the values of several fields.", hmset},
    {"hsetnx", 4, adds, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Sets a field that does not exist yet.", hsetnx},
    {"hdel", -3, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Deletes fields of a hash.", hdel},
    {"hget", 3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Returns the value of a field.", hget},
    {"hmget", -3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Returns the values of several fields.", hmget},
    {"hexists", 3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Tells whether a field exists.", hexists},
    {"hlen", 2, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Returns the number of fields.", hlen},
    {"hstrlen", 3, quick_reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "3.2.0",
     "Returns the length of a field's value.", hstrlen},
    {"hgetall", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Returns all fields and their values.", hgetall},
    {"hkeys", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Returns the names of all fields.", hkeys},
    {"hvals", 2, reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Returns the values of all fields.", hvals},
    {"hincrby", 4, adds, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.0.0",
     "Adds to the integer in a field.", hincrby},
    {"hincrbyfloat", 4, adds, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.6.0",
     "Adds to the number in a field.", hincrbyfloat},
    {"hrandfield", -2, reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "6.2.0",
     "Returns random fields of a hash.", hrandfield},
    {"hscan", -3, reads, Where::keys, KeyRule::range, 1, 1, 1, "hash", "2.8.0",
     "Iterates over the fields of a hash.", hscan},
};

}  // namespace

std::span<const Command> hash_commands() { return rows; }

}  // namespace trv::redis
