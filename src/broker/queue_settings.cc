#include "broker/queue_settings.h"

namespace trv::broker {
namespace {

constexpr std::uint8_t version_first = 1;  // ends with the arguments
constexpr std::uint8_t version_now = 2;

enum Flag : std::uint8_t {
  flag_durable = 1,
  flag_exclusive = 2,
  flag_auto_delete = 4,
  flag_single_active = 8,
  flag_strict = 16,
  flag_dead_letters_stay = 32,
  flag_dead_letters_go = 64,
};

// A number that may be absent: 0, or the number and one.
template <class T>
void write_optional(ByteWriter& writer, const std::optional<T>& number) {
  writer.varint(number ? static_cast<std::uint64_t>(*number) + 1 : 0);
}

template <class T>
std::optional<T> read_optional(ByteReader& reader) {
  std::uint64_t number = reader.varint();
  if (number == 0) return std::nullopt;
  return static_cast<T>(number - 1);
}

void write_optional(ByteWriter& writer, const std::optional<std::string>& text) {
  writer.u8(text ? 1 : 0);
  writer.sized(text.value_or(""));
}

std::optional<std::string> read_optional_text(ByteReader& reader) {
  bool there = reader.u8() != 0;
  std::string text(reader.sized());
  if (!there) return std::nullopt;
  return text;
}

std::uint8_t flags_of(const QueueSettings& settings) {
  int flags = 0;
  if (settings.durable) flags |= flag_durable;
  if (settings.exclusive) flags |= flag_exclusive;
  if (settings.auto_delete) flags |= flag_auto_delete;
  if (settings.single_active) flags |= flag_single_active;
  if (settings.strict) flags |= flag_strict;
  if (settings.dead_letters_stay) {
    flags |= *settings.dead_letters_stay ? flag_dead_letters_stay : flag_dead_letters_go;
  }
  return static_cast<std::uint8_t>(flags);
}

}  // namespace

void encode(const QueueSettings& settings, std::string& out) {
  ByteWriter writer(out);
  writer.u8(version_now);
  writer.u8(flags_of(settings));
  writer.u64_le(settings.owner.value);
  writer.sized(settings.source);
  write_optional(writer, settings.message_ttl_ms);
  write_optional(writer, settings.dead_letter_exchange);
  write_optional(writer, settings.dead_letter_key);
  writer.sized(settings.arguments);
  write_optional(writer, settings.unused_ms_max);
  write_optional(writer, settings.limits.count_max);
  write_optional(writer, settings.limits.bytes_max);
  writer.u8(static_cast<std::uint8_t>(settings.limits.overflow));
  writer.u8(settings.level_max);
  write_optional(writer, settings.failures_max);
}

Result<QueueSettings> decode_queue_settings(ByteView bytes) {
  ByteReader reader(bytes);
  QueueSettings settings;
  std::uint8_t version = reader.u8();
  if (version < version_first || version > version_now) {
    return Error{Errc::corrupt, "unknown queue settings version"};
  }
  std::uint8_t flags = reader.u8();
  settings.durable = (flags & flag_durable) != 0;
  settings.exclusive = (flags & flag_exclusive) != 0;
  settings.auto_delete = (flags & flag_auto_delete) != 0;
  settings.single_active = (flags & flag_single_active) != 0;
  settings.strict = (flags & flag_strict) != 0;
  if (flags & (flag_dead_letters_stay | flag_dead_letters_go)) {
    settings.dead_letters_stay = (flags & flag_dead_letters_stay) != 0;
  }
  settings.owner = ConnectionId(reader.u64_le());
  settings.source = std::string(reader.sized());
  settings.message_ttl_ms = read_optional<std::int64_t>(reader);
  settings.dead_letter_exchange = read_optional_text(reader);
  settings.dead_letter_key = read_optional_text(reader);
  settings.arguments = std::string(reader.sized());
  if (version > version_first) {
    settings.unused_ms_max = read_optional<std::int64_t>(reader);
    settings.limits.count_max = read_optional<std::uint64_t>(reader);
    settings.limits.bytes_max = read_optional<std::uint64_t>(reader);
    std::uint8_t overflow = reader.u8();
    if (overflow > 2) return Error{Errc::corrupt, "unknown overflow of a queue"};
    settings.limits.overflow = static_cast<model::Overflow>(overflow);
    settings.level_max = reader.u8();
    settings.failures_max = read_optional<std::uint32_t>(reader);
  }
  if (!reader.done()) return Error{Errc::corrupt, "damaged queue settings"};
  return settings;
}

}  // namespace trv::broker
