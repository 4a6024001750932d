// Lists: adding, reading, changing and removing elements of one key.
#include "redis/handlers/lists.h"

#include <algorithm>
#include <limits>

#include "redis/handlers/families.h"
#include "redis/wire/number.h"

namespace trv::redis {

std::optional<End> end_arg(Call& call, std::size_t index) {
  if (is_word(call.args[index], "left")) return End::front;
  if (is_word(call.args[index], "right")) return End::back;
  call.reply.error(text::syntax);
  return std::nullopt;
}

void pop_many(Call& call, ByteView key, const model::List& list, End end, std::size_t count) {
  std::string body;
  ReplyWriter writer(body, call.reply.protocol());
  writer.array(count);
  for (std::size_t i = 0; i < count; ++i) writer.bulk(from_end(list, end, i));
  if (body.size() > reply_bytes_max) return call.reply.error(text::reply_too_large);
  Change change(call);
  ByteWriter(change.fresh(pop_op(end), key)).varint(count);
  if (change.store(broker::Space::less)) call.reply.out() += body;
}

namespace {

using model::List;

void push(Call& call, End end, bool must_exist) {
  ByteView key = call.args[1];
  Found<List> found = find_collection<List>(call, key);
  if (found.refused) return;
  if (must_exist && !found.value) return call.reply.integer(0);
  std::size_t size = (found.value ? found.value->size() : 0) + call.args.size() - 2;
  Change change(call);
  for (ByteView element : call.args.subspan(2)) {
    ByteWriter(change.command(push_op(end), key)).sized(element);
  }
  if (change.store(broker::Space::more)) call.reply.count(size);
}

void lpush(Call& call) { push(call, End::front, false); }
void rpush(Call& call) { push(call, End::back, false); }
void lpushx(Call& call) { push(call, End::front, true); }
void rpushx(Call& call) { push(call, End::back, true); }

void pop(Call& call, End end) {
  if (call.args.size() > 3) return call.reply.error(wrong_arity(call.command.name));
  std::optional<std::int64_t> count;
  if (call.args.size() == 3) {
    count = positive_arg(call, 2);
    if (!count) return;
  }
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return count ? call.reply.null_array() : call.reply.null();
  if (count) {
    if (*count == 0) return call.reply.array(0);
    auto many = std::min(static_cast<std::size_t>(*count), found.value->size());
    return pop_many(call, call.args[1], *found.value, end, many);
  }
  std::string element = from_end(*found.value, end, 0);
  Change change(call);
  ByteWriter(change.fresh(pop_op(end), call.args[1])).varint(1);
  if (change.store(broker::Space::less)) call.reply.bulk(element);
}

void lpop(Call& call) { pop(call, End::front); }
void rpop(Call& call) { pop(call, End::back); }

void llen(Call& call) {
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (!found.refused) call.reply.count(found.value ? found.value->size() : 0);
}

// Negative ones count from the end. Nothing when there is no such element.
std::optional<std::size_t> element_index(const List& list, std::int64_t index) {
  auto size = static_cast<std::int64_t>(list.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  return static_cast<std::size_t>(index);
}

void lindex(Call& call) {
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return call.reply.null();
  std::optional<std::int64_t> wanted = integer_arg(call, 2);
  if (!wanted) return;
  if (std::optional<std::size_t> index = element_index(*found.value, *wanted)) {
    call.reply.bulk(found.value->at(*index));
  } else {
    call.reply.null();
  }
}

void lset(Call& call) {
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return call.reply.error(text::no_such_key);
  std::optional<std::int64_t> wanted = integer_arg(call, 2);
  if (!wanted) return;
  std::optional<std::size_t> index = element_index(*found.value, *wanted);
  if (!index) return call.reply.error(text::index_out_of_range);
  Change change(call);
  ByteWriter writer(change.fresh(Op::list_set, call.args[1]));
  writer.varint(*index);
  writer.bytes(call.args[3]);
  if (change.store(broker::Space::more)) call.reply.ok();
}

void linsert(Call& call) {
  bool after = is_word(call.args[2], "after");
  if (!after && !is_word(call.args[2], "before")) return call.reply.error(text::syntax);
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return call.reply.integer(0);
  const auto& elements = found.value->elements();
  auto pivot = std::find(elements.begin(), elements.end(), call.args[3]);
  if (pivot == elements.end()) return call.reply.integer(-1);
  std::size_t size = elements.size() + 1;
  Change change(call);
  ByteWriter writer(change.fresh(Op::list_insert, call.args[1]));
  writer.varint(static_cast<std::uint64_t>(pivot - elements.begin()) + (after ? 1 : 0));
  writer.bytes(call.args[4]);
  if (change.store(broker::Space::more)) call.reply.count(size);
}

// Indexes as clients give them: from the end when negative. Nothing after an error reply.
struct RangeArgs {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
std::optional<RangeArgs> range_args(Call& call) {
  std::optional<std::int64_t> first = integer_arg(call, 2);
  if (!first) return std::nullopt;
  std::optional<std::int64_t> last = integer_arg(call, 3);
  if (!last) return std::nullopt;
  return RangeArgs{*first, *last};
}

// The same within the list; empty when first > last.
struct IndexRange {
  std::size_t first = 0;
  std::size_t count = 0;
};
IndexRange clip_range(RangeArgs asked, std::size_t size) {
  auto n = static_cast<std::int64_t>(size);
  auto [first, last] = asked;
  if (first < 0) first = std::max<std::int64_t>(first + n, 0);
  if (last < 0) last += n;
  last = std::min(last, n - 1);
  if (first > last) return {};
  return {static_cast<std::size_t>(first), static_cast<std::size_t>(last - first + 1)};
}

void lrange(Call& call) {
  std::optional<RangeArgs> asked = range_args(call);
  if (!asked) return;
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return call.reply.array(0);
  IndexRange range = clip_range(*asked, found.value->size());
  std::size_t start = call.reply.out().size();
  call.reply.array(range.count);
  auto element = found.value->elements().begin() + static_cast<std::ptrdiff_t>(range.first);
  for (std::size_t i = 0; i < range.count; ++i, ++element) {
    call.reply.bulk(*element);
    if (reply_too_large(call, start)) return;
  }
}

void ltrim(Call& call) {
  std::optional<RangeArgs> asked = range_args(call);
  if (!asked) return;
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return call.reply.ok();
  std::size_t size = found.value->size();
  IndexRange kept = clip_range(*asked, size);
  Change change(call);
  if (kept.count == 0) {
    change.remove(call.args[1]);
  } else {
    std::size_t behind = size - kept.first - kept.count;
    if (kept.first > 0) {
      ByteWriter(change.fresh(Op::pop_front, call.args[1])).varint(kept.first);
    }
    if (behind > 0) ByteWriter(change.fresh(Op::pop_back, call.args[1])).varint(behind);
  }
  if (change.store(broker::Space::less)) call.reply.ok();
}

// The first `limit` indexes of equal elements, from the end when `backwards`.
std::vector<std::size_t> indexes_of(const List& list, ByteView element, bool backwards,
                                    std::size_t limit) {
  std::vector<std::size_t> indexes;
  const auto& elements = list.elements();
  for (std::size_t i = 0; i < elements.size() && indexes.size() < limit; ++i) {
    std::size_t index = backwards ? elements.size() - 1 - i : i;
    if (elements[index] == element) indexes.push_back(index);
  }
  return indexes;
}

void lrem(Call& call) {
  std::optional<std::int64_t> count = integer_arg(call, 2);
  if (!count) return;
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return call.reply.integer(0);
  std::uint64_t limit = *count < 0 ? -static_cast<std::uint64_t>(*count) : *count;
  if (*count == 0) limit = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> indexes = indexes_of(*found.value, call.args[3], *count < 0, limit);
  std::sort(indexes.begin(), indexes.end());
  Change change(call);
  if (!indexes.empty()) {
    ByteWriter writer(change.fresh(Op::list_erase, call.args[1]));
    std::size_t before = 0;
    for (std::size_t index : indexes) {
      writer.varint(index - before);
      before = index;
    }
  }
  if (change.store(broker::Space::less)) call.reply.count(indexes.size());
}

struct PositionOptions {
  std::int64_t rank = 1;
  std::optional<std::int64_t> count;
  std::int64_t length_max = 0;
};

bool parse_positions(Call& call, PositionOptions& options) {
  for (std::size_t i = 3; i < call.args.size(); i += 2) {
    if (i + 1 >= call.args.size()) {
      call.reply.error(text::syntax);
      return false;
    }
    ByteView word = call.args[i];
    if (is_word(word, "rank")) {
      std::optional<std::int64_t> rank = integer_arg(call, i + 1);
      if (!rank) return false;
      if (*rank == 0 || *rank == std::numeric_limits<std::int64_t>::min()) {
        call.reply.error(
            *rank == 0
                ? "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second "
                  "... or use negative to start from the end of the list"
                : "ERR value is out of range, value must between -9223372036854775807 and "
                  "9223372036854775807");
        return false;
      }
      options.rank = *rank;
    } else if (is_word(word, "count") || is_word(word, "maxlen")) {
      bool is_count = is_word(word, "count");
      std::optional<std::int64_t> value = parse_integer(call.args[i + 1]);
      if (!value || *value < 0) {
        call.reply.error(is_count ? "ERR COUNT can't be negative" : "ERR MAXLEN can't be negative");
        return false;
      }
      if (is_count) {
        options.count = *value;
      } else {
        options.length_max = *value;
      }
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

void lpos(Call& call) {
  PositionOptions options;
  if (!parse_positions(call, options)) return;
  Found<List> found = find_collection<List>(call, call.args[1]);
  if (found.refused) return;
  if (!found.value) return options.count ? call.reply.array(0) : call.reply.null();
  const auto& elements = found.value->elements();
  bool backwards = options.rank < 0;
  std::int64_t to_skip = (backwards ? -options.rank : options.rank) - 1;
  std::size_t limit = options.count.value_or(1) == 0
                          ? elements.size()
                          : static_cast<std::size_t>(options.count.value_or(1));
  std::size_t compared_max =
      options.length_max == 0 ? elements.size() : static_cast<std::size_t>(options.length_max);
  std::vector<std::size_t> indexes;
  for (std::size_t i = 0; i < elements.size() && i < compared_max && indexes.size() < limit; ++i) {
    std::size_t index = backwards ? elements.size() - 1 - i : i;
    if (elements[index] != call.args[2]) continue;
    if (to_skip-- > 0) continue;
    indexes.push_back(index);
  }
  if (options.count) {
    call.reply.array(indexes.size());
    for (std::size_t index : indexes) call.reply.count(index);
  } else if (indexes.empty()) {
    call.reply.null();
  } else {
    call.reply.count(indexes[0]);
  }
}

constexpr std::uint32_t reads = flag::read_only;
constexpr std::uint32_t adds = flag::write | flag::deny_oom;
constexpr std::uint32_t quick_adds = adds | flag::fast;

constexpr Command rows[] = {
    {"lpush", -3, quick_adds, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Prepends elements to a list.", lpush},
    {"rpush", -3, quick_adds, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Appends elements to a list.", rpush},
    {"lpushx", -3, quick_adds, Where::keys, KeyRule::range, 1, 1, 1, "list", "2.2.0",
     "Prepends elements to a list that exists.", lpushx},
    {"rpushx", -3, quick_adds, Where::keys, KeyRule::range, 1, 1, 1, "list", "2.2.0",
     "Appends elements to a list that exists.", rpushx},
    {"lpop", -2, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Removes and returns the first elements of a list.", lpop},
    {"rpop", -2, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Removes and returns the last elements of a list.", rpop},
    {"llen", 2, reads | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Returns the length of a list.", llen},
    {"lindex", 3, reads, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Returns an element by its index.", lindex},
    {"lset", 4, adds, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Replaces an element by its index.", lset},
    {"linsert", 5, adds, Where::keys, KeyRule::range, 1, 1, 1, "list", "2.2.0",
     "Inserts an element before or after another one.", linsert},
    {"lrange", 4, reads, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Returns a range of elements.", lrange},
    {"ltrim", 4, flag::write, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Removes all elements outside a range.", ltrim},
    {"lrem", 4, flag::write, Where::keys, KeyRule::range, 1, 1, 1, "list", "1.0.0",
     "Removes elements of a value.", lrem},
    {"lpos", -3, reads, Where::keys, KeyRule::range, 1, 1, 1, "list", "6.0.6",
     "Returns the indexes of elements of a value.", lpos},
};

}  // namespace

std::span<const Command> list_commands() { return rows; }

}  // namespace trv::redis
