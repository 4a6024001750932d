// Strings: parts of values, fractions, several keys at once, and what two values have in common.
#include <algorithm>
#include <cmath>

#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

constexpr std::string_view too_long =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

// --- GETEX ---------------------------------------------------------------------------------------

enum class ExpiryWish : std::uint8_t { keep, drop, set };

bool parse_getex(Call& call, ExpiryWish& wish, std::optional<WallTime>& expires) {
  for (std::size_t i = 2; i < call.args.size(); ++i) {
    std::optional<TimeUnit> unit = expiry_word(call.args[i]);
    if (wish == ExpiryWish::keep && is_word(call.args[i], "persist")) {
      wish = ExpiryWish::drop;
    } else if (wish == ExpiryWish::keep && unit && i + 1 < call.args.size()) {
      wish = ExpiryWish::set;
      expires = expiry_arg(call, ++i, *unit, true);
      if (!expires) return false;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

void getex(Call& call) {
  ExpiryWish wish = ExpiryWish::keep;
  std::optional<WallTime> expires;
  // Words before values, as Redis looks at them.
  if (!parse_getex(call, wish, expires)) return;
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  if (!found.entry) return call.reply.null();
  std::string value = found.entry->value.text();
  ByteView key = call.args[1];
  if (wish == ExpiryWish::set && *expires <= call.now) {
    if (!remove_key(call, key)) return;
  } else if (wish == ExpiryWish::set) {
    std::string& command = call.service.scratch();
    model::Keyspace::encode_expire(command, key, *expires);
    if (!execute(call, broker::Space::more, key, command)) return;
  } else if (wish == ExpiryWish::drop && found.entry->expires) {
    std::string& command = call.service.scratch();
    model::Keyspace::encode_persist(command, key);
    if (!execute(call, broker::Space::more, key, command)) return;
  }
  call.reply.bulk(value);
}

// --- ranges --------------------------------------------------------------------------------------

void getrange(Call& call) {
  std::optional<std::int64_t> first = integer_arg(call, 2);
  if (!first) return;
  std::optional<std::int64_t> last = integer_arg(call, 3);
  if (!last) return;
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  if (!found.entry || (*first < 0 && *last < 0 && *first > *last)) return call.reply.bulk("");
  ByteView value = found.entry->value.text();
  auto size = static_cast<std::int64_t>(value.size());
  std::int64_t from = *first < 0 ? std::max<std::int64_t>(*first + size, 0) : *first;
  std::int64_t to = *last < 0 ? std::max<std::int64_t>(*last + size, 0) : *last;
  to = std::min(to, size - 1);
  if (from > to) return call.reply.bulk("");
  call.reply.bulk(
      value.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from + 1)));
}

void setrange(Call& call) {
  std::optional<std::int64_t> offset = integer_arg(call, 2);
  if (!offset) return;
  if (*offset < 0) return call.reply.error("ERR offset is out of range");
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  std::size_t size = found.entry ? found.entry->value.size() : 0;
  ByteView part = call.args[3];
  if (part.empty()) return call.reply.count(size);
  auto size_max = static_cast<std::uint64_t>(call.service.settings().bulk_size_max);
  auto at = static_cast<std::uint64_t>(*offset);
  if (at > size_max || part.size() > size_max - at) return call.reply.error(too_long);
  Change change(call);
  ByteWriter writer(change.fresh(Op::overwrite, call.args[1]));
  writer.varint(at);
  writer.bytes(part);
  if (change.store(broker::Space::more)) {
    call.reply.count(std::max(size, static_cast<std::size_t>(at) + part.size()));
  }
}

void incrbyfloat(Call& call) {
  ByteView key = call.args[1];
  FoundString found = find_string(call, key);
  if (found.refused) return;
  long double value = 0;
  if (found.entry) {
    std::optional<long double> present = parse_long_real(found.entry->value.text());
    if (!present) return call.reply.error(text::not_real);
    value = *present;
  }
  std::optional<long double> amount = parse_long_real(call.args[2]);
  if (!amount) return call.reply.error(text::not_real);
  value += *amount;
  if (!std::isfinite(value)) return call.reply.error(text::makes_no_number);
  std::string text = long_real_text(value);
  std::optional<WallTime> expires = found.entry ? found.entry->expires : std::nullopt;
  if (put_string(call, key, text, expires)) call.reply.bulk(text);
}

void msetnx(Call& call) {
  if (call.args.size() % 2 == 0) return call.reply.error(wrong_arity("msetnx"));
  for (std::size_t i = 1; i < call.args.size(); i += 2) {
    ByteView key = call.args[i];
    model::Keyspace& keyspace = call.broker.keyspaces().of(key);
    const KeyEntry* entry = keyspace.find(key, call.now);
    if (!entry && !call.broker.topics().find(key)) continue;
    shows(call, keyspace, key, entry);
    return call.reply.integer(0);
  }
  Change change(call);
  for (std::size_t i = 1; i < call.args.size(); i += 2) {
    change.put(call.args[i], call.args[i + 1]);
  }
  if (change.store(broker::Space::more)) call.reply.integer(1);
}

// --- LCS -----------------------------------------------------------------------------------------

struct CommonOptions {
  bool length_only = false;
  bool indexes = false;
  bool with_lengths = false;
  std::int64_t length_min = 0;
};

bool parse_lcs(Call& call, CommonOptions& options) {
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    if (is_word(call.args[i], "idx")) {
      options.indexes = true;
    } else if (is_word(call.args[i], "len")) {
      options.length_only = true;
    } else if (is_word(call.args[i], "withmatchlen")) {
      options.with_lengths = true;
    } else if (is_word(call.args[i], "minmatchlen") && i + 1 < call.args.size()) {
      std::optional<std::int64_t> length = integer_arg(call, ++i);
      if (!length) return false;
      options.length_min = std::max<std::int64_t>(*length, 0);
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  if (options.length_only && options.indexes) {
    call.reply.error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

// Lengths of the longest common subsequence of all pairs of beginnings.
class CommonTable {
 public:
  CommonTable(ByteView a, ByteView b) : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (std::size_t i = 1; i <= a.size(); ++i) {
      for (std::size_t j = 1; j <= b.size(); ++j) {
        cells_[i * width_ + j] =
            a[i - 1] == b[j - 1] ? at(i - 1, j - 1) + 1 : std::max(at(i - 1, j), at(i, j - 1));
      }
    }
  }
  std::uint32_t at(std::size_t i, std::size_t j) const { return cells_[i * width_ + j]; }

 private:
  std::size_t width_;
  std::vector<std::uint32_t> cells_;
};

struct CommonRange {
  std::size_t a = 0;
  std::size_t b = 0;
  std::size_t length = 0;
};

// The subsequence, and where it lies in both, last range first.
std::vector<CommonRange> common_ranges(const CommonTable& table, ByteView a, ByteView b,
                                       std::string& common) {
  common.resize(table.at(a.size(), b.size()));
  std::size_t left = common.size();
  std::vector<CommonRange> ranges;
  std::size_t i = a.size();
  std::size_t j = b.size();
  while (i > 0 && j > 0 && left > 0) {
    if (a[i - 1] == b[j - 1]) {
      --i, --j;
      common[--left] = a[i];
      bool goes_on = !ranges.empty() && ranges.back().a == i + 1 && ranges.back().b == j + 1;
      if (!goes_on) ranges.push_back({i + 1, j + 1, 0});
      ranges.back() = {i, j, ranges.back().length + 1};
    } else if (table.at(i - 1, j) > table.at(i, j - 1)) {
      --i;
    } else {
      --j;
    }
  }
  return ranges;
}

void write_common_ranges(Call& call, std::vector<CommonRange> ranges, std::size_t length,
                         const CommonOptions& options) {
  ReplyWriter& reply = call.reply;
  std::erase_if(ranges, [&](const CommonRange& range) {
    return range.length < static_cast<std::size_t>(options.length_min);
  });
  reply.map(2);
  reply.bulk("matches");
  reply.array(ranges.size());
  for (const CommonRange& range : ranges) {
    reply.array(options.with_lengths ? 3 : 2);
    for (std::size_t first : {range.a, range.b}) {
      reply.array(2);
      reply.count(first);
      reply.count(first + range.length - 1);
    }
    if (options.with_lengths) reply.count(range.length);
  }
  reply.bulk("len");
  reply.count(length);
}

void lcs(Call& call) {
  CommonOptions options;
  ByteView texts[2];
  for (std::size_t i = 0; i < 2; ++i) {
    ByteView key = call.args[1 + i];
    model::Keyspace& keyspace = call.broker.keyspaces().of(key);
    const KeyEntry* entry = keyspace.find(key, call.now);
    if (entry ? !entry->value.is_string() : call.broker.topics().find(key) != nullptr) {
      return call.reply.error("ERR The specified keys must contain string values");
    }
    shows(call, keyspace, key, entry);
    if (entry) texts[i] = entry->value.text();
  }
  if (!parse_lcs(call, options)) return;
  constexpr std::size_t cells_max = std::size_t{64} << 20;
  if (!texts[1].empty() && texts[0].size() >= cells_max / (texts[1].size() + 1)) {
    return call.reply.error("ERR Insufficient memory, failed allocating transient memory for LCS");
  }
  CommonTable table(texts[0], texts[1]);
  std::string common;
  std::vector<CommonRange> ranges = common_ranges(table, texts[0], texts[1], common);
  if (options.length_only) return call.reply.count(common.size());
  if (!options.indexes) return call.reply.bulk(common);
  write_common_ranges(call, std::move(ranges), common.size(), options);
}

constexpr std::uint32_t reads = flag::read_only;
constexpr std::uint32_t writes = flag::write | flag::deny_oom;

constexpr Command rows[] = {
    {"getex", -2, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "6.2.0",
     "Returns the string value of a key and changes its expiry.", getex},
    {"getrange", 4, reads, Where::keys, KeyRule::range, 1, 1, 1, "string", "2.4.0",
     "Returns a part of a string value.", getrange},
    {"substr", 4, reads, Where::keys, KeyRule::range, 1, 1, 1, "string", "1.0.0",
     "Returns a part of a string value.", getrange},
    {"setrange", 4, writes, Where::keys, KeyRule::range, 1, 1, 1, "string", "2.2.0",
     "Overwrites a part of a string value.", setrange},
    {"incrbyfloat", 3, writes | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "string", "2.6.0",
     "Adds to the number in a key.", incrbyfloat},
    {"msetnx", -3, writes, Where::keys, KeyRule::range, 1, -1, 2, "string", "1.0.1",
     "Sets the string values of several keys, none of which exists.", msetnx},
    {"lcs", -3, reads, Where::keys, KeyRule::range, 1, 2, 1, "string", "7.0.0",
     "Finds the longest common subsequence of two string values.", lcs},
};

}  // namespace

std::span<const Command> string_part_commands() { return rows; }

}  // namespace trv::redis
