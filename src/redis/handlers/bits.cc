// Strings as arrays of bits, the highest bit of a byte first.
#include <algorithm>
#include <bit>
#include <cstring>

#include "redis/handlers/bit_offset.h"
#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/wire/number.h"

namespace trv::redis {

std::optional<std::uint64_t> bit_offset_arg(Call& call, ByteView text, unsigned width) {
  constexpr std::string_view why = "ERR bit offset is not an integer or out of range";
  bool in_widths = width > 0 && text.starts_with('#');
  std::optional<std::int64_t> offset = parse_integer(text.substr(in_widths ? 1 : 0));
  std::int64_t bits = 0;
  if (!offset || *offset < 0 ||
      __builtin_mul_overflow(*offset, in_widths ? static_cast<std::int64_t>(width) : 1, &bits) ||
      (bits >> 3) >= call.service.settings().bulk_size_max) {
    call.reply.error(why);
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(bits);
}

namespace {

bool bit_at(ByteView bytes, std::uint64_t bit) {
  std::size_t at = static_cast<std::size_t>(bit / 8);
  if (at >= bytes.size()) return false;
  return (static_cast<unsigned char>(bytes[at]) >> (7 - bit % 8) & 1u) != 0;
}

void setbit(Call& call) {
  std::optional<std::uint64_t> offset = bit_offset_arg(call, call.args[2], 0);
  if (!offset) return;
  std::optional<std::int64_t> wanted = parse_integer(call.args[3]);
  if (!wanted || (*wanted != 0 && *wanted != 1)) {
    return call.reply.error("ERR bit is not an integer or out of range");
  }
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  ByteView bytes = found.entry ? ByteView(found.entry->value.text()) : ByteView();
  bool old = bit_at(bytes, *offset);
  auto at = static_cast<std::size_t>(*offset / 8);
  auto byte = static_cast<unsigned>(at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0);
  unsigned mask = 0x80u >> (*offset % 8);
  byte = *wanted == 1 ? byte | mask : byte & ~mask;
  // What is so already is no change.
  if (found.entry && at < bytes.size() && old == (*wanted == 1)) {
    return call.reply.integer(old ? 1 : 0);
  }
  Change change(call);
  ByteWriter writer(change.fresh(Op::overwrite, call.args[1]));
  writer.varint(at);
  writer.u8(static_cast<std::uint8_t>(byte));
  if (change.store(broker::Space::more)) call.reply.integer(old ? 1 : 0);
}

void getbit(Call& call) {
  std::optional<std::uint64_t> offset = bit_offset_arg(call, call.args[2], 0);
  if (!offset) return;
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  call.reply.integer(found.entry && bit_at(found.entry->value.text(), *offset) ? 1 : 0);
}

// --- counting and finding ------------------------------------------------------------------------

// Bits from `first` to before `last`.
struct BitRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool end_given = false;
};

// [start [end [BYTE|BIT]]] from that index on. Nothing after an error reply.
std::optional<BitRange> bit_range(Call& call, std::size_t at, std::size_t byte_count) {
  BitRange range{0, std::uint64_t{8} * byte_count};
  if (call.args.size() == at) return range;
  if (call.args.size() > at + 3) {
    call.reply.error(text::syntax);
    return std::nullopt;
  }
  std::optional<std::int64_t> start = integer_arg(call, at);
  if (!start) return std::nullopt;
  range.end_given = call.args.size() > at + 1;
  std::optional<std::int64_t> given = range.end_given ? integer_arg(call, at + 1) : -1;
  if (!given) return std::nullopt;
  bool in_bits = call.args.size() == at + 3 && is_word(call.args[at + 2], "bit");
  if (call.args.size() == at + 3 && !in_bits && !is_word(call.args[at + 2], "byte")) {
    call.reply.error(text::syntax);
    return std::nullopt;
  }
  std::int64_t size = static_cast<std::int64_t>(byte_count) * (in_bits ? 8 : 1);
  std::int64_t end = *given < 0 ? std::max<std::int64_t>(*given + size, 0) : *given;
  end = std::min(end, size - 1);  // -1 when the string is empty
  std::int64_t begin = *start < 0 ? std::max<std::int64_t>(*start + size, 0) : *start;
  if (begin > end) return BitRange{0, 0, range.end_given};
  std::uint64_t unit = in_bits ? 1 : 8;
  range.first = static_cast<std::uint64_t>(begin) * unit;
  range.last = (static_cast<std::uint64_t>(end) + 1) * unit;
  return range;
}

// The first bit with that value in the range; its end when there is none.
std::uint64_t find_bit(ByteView bytes, BitRange range, bool value) {
  const auto skipped = static_cast<char>(value ? 0 : 0xff);
  std::uint64_t bit = range.first;
  while (bit < range.last) {
    if (bit % 8 == 0 && range.last - bit >= 8 &&
        bytes[static_cast<std::size_t>(bit / 8)] == skipped) {
      bit += 8;
    } else if (bit_at(bytes, bit) == value) {
      return bit;
    } else {
      ++bit;
    }
  }
  return range.last;
}

std::uint64_t count_bits(ByteView bytes, BitRange range) {
  std::uint64_t count = 0;
  std::uint64_t bit = range.first;
  for (; bit < range.last && bit % 8 != 0; ++bit) count += bit_at(bytes, bit) ? 1 : 0;
  for (; range.last - bit >= 64; bit += 64) {
    count +=
        static_cast<std::uint64_t>(std::popcount(load_le<std::uint64_t>(bytes.data() + bit / 8)));
  }
  for (; bit < range.last; ++bit) count += bit_at(bytes, bit) ? 1 : 0;
  return count;
}

// Two indexes from the end in the wrong order: nothing, whatever else is said and however short the
// string is. BITPOS does not look at it so.
bool turned_round(Call& call) {
  if (call.args.size() != 4 && call.args.size() != 5) return false;
  std::optional<std::int64_t> start = parse_integer(call.args[2]);
  std::optional<std::int64_t> end = parse_integer(call.args[3]);
  return start && end && *start < 0 && *end < 0 && *start > *end;
}

void bitcount(Call& call) {
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  if (!found.entry) return call.reply.integer(0);
  if (call.args.size() == 3) return call.reply.error(text::syntax);
  if (turned_round(call)) return call.reply.integer(0);
  const std::string& bytes = found.entry->value.text();
  std::optional<BitRange> range = bit_range(call, 2, bytes.size());
  if (range) call.reply.count(count_bits(bytes, *range));
}

void bitpos(Call& call) {
  std::optional<std::int64_t> wanted = integer_arg(call, 2);
  if (!wanted) return;
  if (*wanted != 0 && *wanted != 1) {
    return call.reply.error("ERR The bit argument must be 1 or 0.");
  }
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  // A missing string is zeroes without end.
  if (!found.entry) return call.reply.integer(*wanted == 1 ? -1 : 0);
  const std::string& bytes = found.entry->value.text();
  std::optional<BitRange> range = bit_range(call, 3, bytes.size());
  if (!range) return;
  if (range->first >= range->last) return call.reply.integer(-1);
  std::uint64_t bit = find_bit(bytes, *range, *wanted == 1);
  if (bit < range->last) return call.reply.count(bit);
  // Zeroes follow the end of the string, unless the client has named an end.
  call.reply.integer(*wanted == 0 && !range->end_given ? static_cast<std::int64_t>(bit) : -1);
}

// --- BITOP ---------------------------------------------------------------------------------------

enum class BitOperation : std::uint8_t { all, any, odd, none };

std::optional<BitOperation> operation_arg(Call& call) {
  if (is_word(call.args[1], "and")) return BitOperation::all;
  if (is_word(call.args[1], "or")) return BitOperation::any;
  if (is_word(call.args[1], "xor")) return BitOperation::odd;
  if (is_word(call.args[1], "not")) return BitOperation::none;
  call.reply.error(text::syntax);
  return std::nullopt;
}

char byte_of(ByteView bytes, std::size_t at) { return at < bytes.size() ? bytes[at] : '\0'; }

std::string combine(BitOperation operation, const std::vector<ByteView>& sources) {
  std::size_t size = 0;
  for (ByteView source : sources) size = std::max(size, source.size());
  std::string result(size, '\0');
  for (std::size_t at = 0; at < size; ++at) {
    auto byte = static_cast<unsigned>(byte_of(sources[0], at));
    if (operation == BitOperation::none) byte = ~byte;
    for (std::size_t i = 1; i < sources.size(); ++i) {
      auto other = static_cast<unsigned>(byte_of(sources[i], at));
      if (operation == BitOperation::all) byte &= other;
      if (operation == BitOperation::any) byte |= other;
      if (operation == BitOperation::odd) byte ^= other;
    }
    result[at] = static_cast<char>(byte);
  }
  return result;
}

void bitop(Call& call) {
  std::optional<BitOperation> operation = operation_arg(call);
  if (!operation) return;
  if (*operation == BitOperation::none && call.args.size() != 4) {
    return call.reply.error("ERR BITOP NOT must be called with a single source key.");
  }
  std::vector<ByteView> sources;
  for (ByteView key : call.args.subspan(3)) {
    FoundString found = find_string(call, key);
    if (found.refused) return;
    sources.push_back(found.entry ? ByteView(found.entry->value.text()) : ByteView());
  }
  std::string result = combine(*operation, sources);
  Change change(call);
  if (!replace_key(call, change, call.args[2])) return;
  if (!result.empty()) change.put(call.args[2], result);
  broker::Space space = result.empty() ? broker::Space::less : broker::Space::more;
  if (change.store(space)) call.reply.count(result.size());
}

constexpr std::uint32_t reads = flag::read_only;
constexpr std::uint32_t writes = flag::write | flag::deny_oom;

constexpr Command rows[] = {
    {"setbit", 4, writes, Where::keys, KeyRule::range, 1, 1, 1, "bitmap", "2.2.0",
     "Sets or clears one bit of a string value.", setbit},
    {"getbit", 3, reads | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "bitmap", "2.2.0",
     "Returns one bit of a string value.", getbit},
    {"bitcount", -2, reads, Where::keys, KeyRule::range, 1, 1, 1, "bitmap", "2.6.0",
     "Counts the bits that are set.", bitcount},
    {"bitpos", -3, reads, Where::keys, KeyRule::range, 1, 1, 1, "bitmap", "2.8.7",
     "Finds the first bit that is set or clear.", bitpos},
    {"bitop", -4, writes, Where::keys, KeyRule::range, 2, -1, 1, "bitmap", "2.6.0",
     "Combines string values bit by bit and stores the result.", bitop},
};

}  // namespace

std::span<const Command> bit_commands() { return rows; }

}  // namespace trv::redis
