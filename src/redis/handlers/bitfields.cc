// BITFIELD: integers of any width at any bit of a string value.
#include <algorithm>

#include "redis/handlers/bit_offset.h"
#include "redis/handlers/change.h"
#include "redis/handlers/families.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

enum class Action : std::uint8_t { get, set, increment };
enum class Overflow : std::uint8_t { wrap, saturate, fail };

struct Field {
  bool is_signed = false;
  unsigned width = 0;
  std::uint64_t offset = 0;  // of its highest bit
};

struct Step {
  Action action = Action::get;
  Field field;
  std::int64_t value = 0;
  Overflow overflow = Overflow::wrap;
};

// 128 bits: wide enough for every field, plus any increment.
using Wide = int __attribute__((mode(TI)));

Wide least_of(const Field& field) {
  return field.is_signed ? -(static_cast<Wide>(1) << (field.width - 1)) : 0;
}
Wide most_of(const Field& field) {
  return (static_cast<Wide>(1) << (field.is_signed ? field.width - 1 : field.width)) - 1;
}

Wide read_field(ByteView bytes, const Field& field) {
  Wide value = 0;
  for (unsigned i = 0; i < field.width; ++i) {
    std::uint64_t bit = field.offset + i;
    auto at = static_cast<std::size_t>(bit / 8);
    unsigned byte = at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
    value = value * 2 + (byte >> (7 - bit % 8) & 1u);
  }
  if (field.is_signed && value > most_of(field)) value -= static_cast<Wide>(1) << field.width;
  return value;
}

// Requires: the field lies within the bytes.
void write_field(std::string& bytes, const Field& field, Wide value) {
  for (unsigned i = 0; i < field.width; ++i) {
    std::uint64_t bit = field.offset + i;
    unsigned mask = 0x80u >> (bit % 8);
    bool set = (value >> (field.width - 1 - i) & 1) != 0;
    auto& byte = bytes[static_cast<std::size_t>(bit / 8)];
    unsigned old = static_cast<unsigned char>(byte);
    byte = static_cast<char>(set ? old | mask : old & ~mask);
  }
}

// The value that is stored for a wanted one; nothing when that is refused.
std::optional<Wide> fitted(const Field& field, Wide wanted, Overflow overflow) {
  if (wanted >= least_of(field) && wanted <= most_of(field)) return wanted;
  if (overflow == Overflow::fail) return std::nullopt;
  if (overflow == Overflow::saturate) {
    return wanted < least_of(field) ? least_of(field) : most_of(field);
  }
  Wide modulus = static_cast<Wide>(1) << field.width;
  Wide wrapped = (wanted % modulus + modulus) % modulus;
  return wrapped > most_of(field) ? wrapped - modulus : wrapped;
}

// --- arguments -----------------------------------------------------------------------------------

bool parse_type(Call& call, ByteView text, Field& field) {
  field.is_signed = text.starts_with('i');
  std::optional<std::int64_t> width;
  if (field.is_signed || text.starts_with('u')) width = parse_integer(text.substr(1));
  if (width && *width >= 1 && *width <= (field.is_signed ? 64 : 63)) {
    field.width = static_cast<unsigned>(*width);
    return true;
  }
  call.reply.error(
      "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
      "i64 "
      "is.");
  return false;
}

bool parse_overflow(Call& call, ByteView word, Overflow& overflow) {
  if (is_word(word, "wrap")) {
    overflow = Overflow::wrap;
  } else if (is_word(word, "sat")) {
    overflow = Overflow::saturate;
  } else if (is_word(word, "fail")) {
    overflow = Overflow::fail;
  } else {
    call.reply.error("ERR Invalid OVERFLOW type specified");
    return false;
  }
  return true;
}

bool parse_steps(Call& call, std::vector<Step>& steps) {
  Overflow overflow = Overflow::wrap;
  for (std::size_t i = 2; i < call.args.size();) {
    std::size_t left = call.args.size() - i - 1;
    Step step;
    if (is_word(call.args[i], "overflow") && left >= 1) {
      if (!parse_overflow(call, call.args[i + 1], overflow)) return false;
      i += 2;
      continue;
    }
    if (is_word(call.args[i], "get") && left >= 2) {
      step.action = Action::get;
    } else if (is_word(call.args[i], "set") && left >= 3) {
      step.action = Action::set;
    } else if (is_word(call.args[i], "incrby") && left >= 3) {
      step.action = Action::increment;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
    if (!parse_type(call, call.args[i + 1], step.field)) return false;
    std::optional<std::uint64_t> offset = bit_offset_arg(call, call.args[i + 2], step.field.width);
    if (!offset) return false;
    step.field.offset = *offset;
    step.overflow = overflow;
    if (step.action != Action::get) {
      std::optional<std::int64_t> value = integer_arg(call, i + 3);
      if (!value) return false;
      step.value = *value;
    }
    steps.push_back(step);
    i += step.action == Action::get ? 3 : 4;
  }
  return true;
}

// --- running -------------------------------------------------------------------------------------

// Writes one answer, and changes the bytes.
void run_step(const Step& step, std::string& bytes, ReplyWriter& reply) {
  Wide old = read_field(bytes, step.field);
  if (step.action == Action::get) return reply.integer(static_cast<std::int64_t>(old));
  bool unsigned_set = step.action == Action::set && !step.field.is_signed;
  Wide wanted = unsigned_set ? static_cast<Wide>(static_cast<std::uint64_t>(step.value))
                             : static_cast<Wide>(step.value);
  if (step.action == Action::increment) wanted += old;
  std::optional<Wide> stored = fitted(step.field, wanted, step.overflow);
  if (!stored) return reply.null();
  write_field(bytes, step.field, *stored);
  reply.integer(static_cast<std::int64_t>(step.action == Action::set ? old : *stored));
}

void run_steps(Call& call, const std::vector<Step>& steps) {
  FoundString found = find_string(call, call.args[1]);
  if (found.refused) return;
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t last = 0;
  for (const Step& step : steps) {
    if (step.action == Action::get) continue;
    first = std::min(first, step.field.offset / 8);
    last = std::max(last, (step.field.offset + step.field.width + 7) / 8);
  }
  std::string bytes = found.entry ? found.entry->value.text() : std::string();
  // Redis makes the string as long as its writes demand, also when they are refused.
  bytes.resize(std::max(bytes.size(), static_cast<std::size_t>(last)), '\0');
  std::string body;
  ReplyWriter writer(body, call.reply.protocol());
  for (const Step& step : steps) run_step(step, bytes, writer);
  Change change(call);
  // What is so already is no change.
  if (last > 0 && (!found.entry || found.entry->value.text() != bytes)) {
    ByteWriter command(change.fresh(Op::overwrite, call.args[1]));
    command.varint(first);
    command.bytes(ByteView(bytes).substr(static_cast<std::size_t>(first),
                                         static_cast<std::size_t>(last - first)));
  }
  if (!change.store(broker::Space::more)) return;
  call.reply.array(steps.size());
  call.reply.out() += body;
}

void bitfield(Call& call) {
  std::vector<Step> steps;
  if (parse_steps(call, steps)) run_steps(call, steps);
}

void bitfield_ro(Call& call) {
  std::vector<Step> steps;
  if (!parse_steps(call, steps)) return;
  for (const Step& step : steps) {
    if (step.action != Action::get) {
      return call.reply.error("ERR BITFIELD_RO only supports the GET subcommand");
    }
  }
  run_steps(call, steps);
}

constexpr Command rows[] = {
    {"bitfield", -2, flag::write | flag::deny_oom, Where::keys, KeyRule::range, 1, 1, 1, "bitmap",
     "3.2.0", "Reads and changes integers of any width in a string value.", bitfield},
    {"bitfield_ro", -2, flag::read_only | flag::fast, Where::keys, KeyRule::range, 1, 1, 1,
     "bitmap", "6.0.0", "Reads integers of any width in a string value.", bitfield_ro},
};

}  // namespace

std::span<const Command> bitfield_commands() { return rows; }

}  // namespace trv::redis
