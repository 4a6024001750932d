// Lists: moving elements between keys, popping from the first of several, and waiting for them.
#include <algorithm>
#include <cmath>

#include "redis/handlers/families.h"
#include "redis/handlers/lists.h"
#include "redis/wire/number.h"

namespace trv::redis {

std::optional<std::chrono::milliseconds> seconds_arg(Call& call, std::size_t index) {
  std::optional<long double> seconds = parse_long_real(call.args[index]);
  if (!seconds) {
    call.reply.error(text::timeout_not_real);
    return std::nullopt;
  }
  long double ms = std::ceil(*seconds * 1000);
  if (ms < 0) {
    call.reply.error(text::timeout_negative);
    return std::nullopt;
  }
  constexpr long double ms_max = 9.2e15L;  // centuries, and still a time when added to now
  if (ms > ms_max) {
    call.reply.error("ERR timeout is out of range");
    return std::nullopt;
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(ms));
}

void wait_for_keys(Call& call, std::span<const ByteView> keys, std::chrono::milliseconds timeout,
                   std::string_view tag) {
  BlockRequest request;
  request.names.assign(keys.begin(), keys.end());
  request.args.assign(call.args.begin(), call.args.end());
  request.timeout = timeout;
  request.tag = tag;
  call.block = std::move(request);
}

std::optional<CountedKeys> counted_keys(Call& call, std::size_t count_index) {
  std::optional<std::int64_t> count = parse_integer(call.args[count_index]);
  if (!count || *count <= 0) {
    call.reply.error("ERR numkeys should be greater than 0");
    return std::nullopt;
  }
  std::size_t first = count_index + 1;
  if (static_cast<std::uint64_t>(*count) >= call.args.size() - first) {
    call.reply.error(text::syntax);
    return std::nullopt;
  }
  auto size = static_cast<std::size_t>(*count);
  return CountedKeys{call.args.subspan(first, size), first + size};
}

std::optional<std::size_t> pop_count_arg(Call& call, std::size_t index) {
  if (index == call.args.size()) return 1;
  if (index + 1 == call.args.size() || !is_word(call.args[index], "count")) {
    call.reply.error(text::syntax);
    return std::nullopt;
  }
  std::optional<std::int64_t> count = parse_integer(call.args[index + 1]);
  if (!count || *count <= 0) {
    call.reply.error("ERR count should be greater than 0");
    return std::nullopt;
  }
  if (index + 2 != call.args.size()) {
    call.reply.error(text::syntax);
    return std::nullopt;
  }
  return static_cast<std::size_t>(*count);
}

namespace {

using model::List;

// Waiters for elements of one list compete, whatever they do with them.
constexpr std::string_view list_tag = "list";

// --- moves ---------------------------------------------------------------------------------------

struct Ends {
  End from;
  End to;
};

// Requires: the source is not empty.
void move_element(Call& call, const List& source, Ends ends) {
  Found<List> target = find_collection<List>(call, call.args[2]);
  if (target.refused) return;
  std::string element = from_end(source, ends.from, 0);
  Change change(call);
  // First in, then out: a list that turns round itself must not be empty in between.
  ByteWriter(change.fresh(push_op(ends.to), call.args[2])).sized(element);
  ByteWriter(change.fresh(pop_op(ends.from), call.args[1])).varint(1);
  if (change.store(broker::Space::more)) call.reply.bulk(element);
}

void move_now(Call& call, Ends ends) {
  Found<List> source = find_collection<List>(call, call.args[1]);
  if (source.refused) return;
  if (!source.value) return call.reply.null();
  move_element(call, *source.value, ends);
}

void move_or_wait(Call& call, Ends ends, std::size_t timeout_index) {
  std::optional<std::chrono::milliseconds> timeout = seconds_arg(call, timeout_index);
  if (!timeout) return;
  PopSource<List> source = find_source<List>(call, call.args[1]);
  if (source.refused) return;
  if (source.value) return move_element(call, *source.value, ends);
  if (!call.may_block()) return call.reply.null();
  wait_for_keys(call, call.args.subspan(1, 1), *timeout, list_tag);
}

std::optional<Ends> ends_arg(Call& call) {
  std::optional<End> from = end_arg(call, 3);
  if (!from) return std::nullopt;
  std::optional<End> to = end_arg(call, 4);
  if (!to) return std::nullopt;
  return Ends{*from, *to};
}

void lmove(Call& call) {
  if (std::optional<Ends> ends = ends_arg(call)) move_now(call, *ends);
}
void blmove(Call& call) {
  if (std::optional<Ends> ends = ends_arg(call)) move_or_wait(call, *ends, 5);
}
void rpoplpush(Call& call) { move_now(call, {End::back, End::front}); }
void brpoplpush(Call& call) { move_or_wait(call, {End::back, End::front}, 3); }

// --- pops of several keys ------------------------------------------------------------------------

void bpop(Call& call, End end) {
  std::optional<std::chrono::milliseconds> timeout = seconds_arg(call, call.args.size() - 1);
  if (!timeout) return;
  std::span<const ByteView> keys = call.args.subspan(1, call.args.size() - 2);
  for (ByteView key : keys) {
    PopSource<List> source = find_source<List>(call, key);
    if (source.refused) return;
    if (!source.value) continue;
    std::string element = from_end(*source.value, end, 0);
    Change change(call);
    ByteWriter(change.fresh(pop_op(end), key)).varint(1);
    if (!change.store(broker::Space::less)) return;
    call.reply.array(2);
    call.reply.bulk(key);
    return call.reply.bulk(element);
  }
  if (!call.may_block()) return call.reply.null_array();
  wait_for_keys(call, keys, *timeout, list_tag);
}

void blpop(Call& call) { bpop(call, End::front); }
void brpop(Call& call) { bpop(call, End::back); }

struct ManyPop {
  std::span<const ByteView> keys;
  End end;
  std::size_t count;
};

std::optional<ManyPop> many_pop_args(Call& call, std::size_t count_index) {
  std::optional<CountedKeys> keys = counted_keys(call, count_index);
  if (!keys) return std::nullopt;
  std::optional<End> end = end_arg(call, keys->next);
  if (!end) return std::nullopt;
  std::optional<std::size_t> count = pop_count_arg(call, keys->next + 1);
  if (!count) return std::nullopt;
  return ManyPop{keys->keys, *end, *count};
}

// False when all keys are empty; else there is a reply.
bool many_pop(Call& call, const ManyPop& what) {
  for (ByteView key : what.keys) {
    PopSource<List> source = find_source<List>(call, key);
    if (source.refused) return true;
    if (!source.value) continue;
    std::size_t start = call.reply.out().size();
    call.reply.array(2);
    call.reply.bulk(key);
    std::size_t elements = call.reply.out().size();
    pop_many(call, key, *source.value, what.end, std::min(what.count, source.value->size()));
    std::string& out = call.reply.out();
    if (out[elements] == '-') out.erase(start, elements - start);  // the error alone
    return true;
  }
  return false;
}

void lmpop(Call& call) {
  std::optional<ManyPop> what = many_pop_args(call, 1);
  if (what && !many_pop(call, *what)) call.reply.null_array();
}

void blmpop(Call& call) {
  std::optional<ManyPop> what = many_pop_args(call, 2);
  if (!what) return;
  std::optional<std::chrono::milliseconds> timeout = seconds_arg(call, 1);
  if (!timeout || many_pop(call, *what)) return;
  if (!call.may_block()) return call.reply.null_array();
  wait_for_keys(call, what->keys, *timeout, list_tag);
}

constexpr std::uint32_t moves = flag::write | flag::deny_oom;
constexpr std::uint32_t waits = flag::write | flag::blocking;

constexpr Command rows[] = {
    {"lmove", 5, moves, Where::keys, KeyRule::range, 1, 2, 1, "list", "6.2.0",
     "Moves an element from one list to another.", lmove},
    {"rpoplpush", 3, moves, Where::keys, KeyRule::range, 1, 2, 1, "list", "1.2.0",
     "Moves the last element of a list to the front of another.", rpoplpush},
    {"blmove", 6, moves | waits | flag::no_script, Where::keys, KeyRule::range, 1, 2, 1, "list",
     "6.2.0", "Moves an element from one list to another, and waits for it.", blmove},
    {"brpoplpush", 4, moves | waits | flag::no_script, Where::keys, KeyRule::range, 1, 2, 1, "list",
     "2.2.0", "Moves the last element of a list to the front of another, and waits for it.",
     brpoplpush},
    {"blpop", -3, waits | flag::no_script, Where::keys, KeyRule::range, 1, -2, 1, "list", "2.0.0",
     "Removes and returns the first element of one of the lists, and waits for it.", blpop},
    {"brpop", -3, waits | flag::no_script, Where::keys, KeyRule::range, 1, -2, 1, "list", "2.0.0",
     "Removes and returns the last element of one of the lists, and waits for it.", brpop},
    {"lmpop", -4, flag::write, Where::keys, KeyRule::counted, 1, 0, 0, "list", "7.0.0",
     "Removes and returns elements of the first list that is not empty.", lmpop},
    {"blmpop", -5, waits, Where::keys, KeyRule::counted, 2, 0, 0, "list", "7.0.0",
     "Removes and returns elements of the first list that is not empty, and waits for them.",
     blmpop},
};

}  // namespace

std::span<const Command> list_move_commands() { return rows; }

}  // namespace trv::redis
