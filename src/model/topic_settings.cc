// How a topic's settings are kept (docs/formats/entries.md).
#include <charconv>

#include "model/topic.h"

namespace trv::model {
namespace {

constexpr std::uint8_t settings_version = 4;
constexpr std::uint8_t settings_version_with_expiry = 3;
constexpr std::uint8_t settings_version_plain = 2;
constexpr std::int32_t millionths = 1'000'000;

// In the place of a codec's number.
constexpr std::uint8_t codec_as_it_came = 255;

enum SettingsFlag : std::uint8_t { flag_cleaning = 1, flag_retention_off = 2 };

template <class T>
void take_number(std::string_view text, T& out) {
  T number{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) out = number;
}

// Version 1 kept compaction as it was given, and did nothing about it.
void take_given(TopicSettings& settings) {
  Cleaning& cleaning = settings.cleaning;
  for (const auto& [name, value] : settings.given) {
    if (name == "cleanup.policy") {
      cleaning.on = value.find("compact") != std::string::npos;
      cleaning.retention_off = cleaning.on && value.find("delete") == std::string::npos;
    }
    if (name == "min.cleanable.dirty.ratio") {
      double ratio = 0.5;
      take_number(value, ratio);
      cleaning.dirty_millionths = static_cast<std::int32_t>(ratio * millionths);
    }
    if (name == "min.compaction.lag.ms") take_number(value, cleaning.lag_min_ms);
    if (name == "max.compaction.lag.ms") take_number(value, cleaning.lag_max_ms);
    if (name == "delete.retention.ms") take_number(value, cleaning.tombstone_ms);
  }
}

void read_cleaning(ByteReader& reader, Cleaning& cleaning) {
  const std::uint8_t flags = reader.u8();
  cleaning.on = (flags & flag_cleaning) != 0;
  cleaning.retention_off = (flags & flag_retention_off) != 0;
  cleaning.dirty_millionths = static_cast<std::int32_t>(reader.varint());
  cleaning.lag_min_ms = reader.varint_signed();
  cleaning.lag_max_ms = reader.varint_signed();
  cleaning.tombstone_ms = reader.varint_signed();
}

// The lowest that holds all that the settings say.
std::uint8_t version_of(const TopicSettings& settings) {
  if (settings.recompression != Recompression()) return settings_version;
  return settings.expires ? settings_version_with_expiry : settings_version_plain;
}

bool known_codec(std::uint8_t number) {
  return number <= static_cast<std::uint8_t>(Compression::zstd);
}

void write_recompression(ByteWriter& writer, const Recompression& recompression) {
  writer.u8(recompression.codec ? static_cast<std::uint8_t>(*recompression.codec)
                                : codec_as_it_came);
  writer.varint(recompression.levels.size());
  for (const auto& [codec, level] : recompression.levels) {
    writer.u8(static_cast<std::uint8_t>(codec));
    writer.varint_signed(level);
  }
}

void read_recompression(ByteReader& reader, Recompression& recompression) {
  const std::uint8_t codec = reader.u8();
  if (codec != codec_as_it_came) {
    if (!known_codec(codec)) return reader.fail();
    recompression.codec = static_cast<Compression>(codec);
  }
  for (std::uint64_t count = reader.varint(); count > 0 && reader.ok(); --count) {
    const std::uint8_t of = reader.u8();
    if (!known_codec(of)) return reader.fail();
    recompression.levels[static_cast<Compression>(of)] =
        static_cast<std::int32_t>(reader.varint_signed());
  }
}

}  // namespace

void encode(const TopicSettings& settings, std::string& out) {
  ByteWriter writer(out);
  const std::uint8_t version = version_of(settings);
  writer.u8(version);
  writer.varint(static_cast<std::uint64_t>(settings.partition_count));
  writer.u8(static_cast<std::uint8_t>(settings.durability));
  writer.u8(settings.transient ? 1 : 0);
  writer.u8(settings.owned_by_queue ? 1 : 0);
  writer.varint_signed(settings.retention_ms);
  writer.varint_signed(settings.retention_bytes);
  writer.varint(static_cast<std::uint64_t>(settings.batch_size_max));
  writer.u8(settings.append_time ? 1 : 0);
  writer.sized(settings.payload_field);
  writer.varint(settings.given.size());
  for (const auto& [name, value] : settings.given) {
    writer.sized(name);
    writer.sized(value);
  }
  const Cleaning& cleaning = settings.cleaning;
  writer.u8(static_cast<std::uint8_t>((cleaning.on ? flag_cleaning : 0) |
                                      (cleaning.retention_off ? flag_retention_off : 0)));
  writer.varint(static_cast<std::uint64_t>(cleaning.dirty_millionths));
  writer.varint_signed(cleaning.lag_min_ms);
  writer.varint_signed(cleaning.lag_max_ms);
  writer.varint_signed(cleaning.tombstone_ms);
  if (version == settings_version) writer.u8(settings.expires ? 1 : 0);
  if (settings.expires) writer.varint_signed(settings.expires->ms);
  if (version == settings_version) write_recompression(writer, settings.recompression);
}

Result<TopicSettings> decode_topic_settings(ByteView bytes) {
  ByteReader reader(bytes);
  TopicSettings settings;
  const std::uint8_t version = reader.u8();
  if (version == 0 || version > settings_version) {
    return Error{Errc::corrupt, "unknown topic settings version"};
  }
  settings.partition_count = static_cast<std::int32_t>(reader.varint());
  settings.durability = static_cast<Durability>(reader.u8());
  settings.transient = reader.u8() != 0;
  settings.owned_by_queue = reader.u8() != 0;
  settings.retention_ms = reader.varint_signed();
  settings.retention_bytes = reader.varint_signed();
  settings.batch_size_max = static_cast<std::int32_t>(reader.varint());
  settings.append_time = reader.u8() != 0;
  settings.payload_field = std::string(reader.sized());
  std::uint64_t count = reader.varint();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    std::string name(reader.sized());
    std::string value(reader.sized());
    settings.given.emplace_back(std::move(name), std::move(value));
  }
  if (version == 1) {
    take_given(settings);
  } else {
    read_cleaning(reader, settings.cleaning);
  }
  const bool expires =
      version == settings_version ? reader.u8() != 0 : version == settings_version_with_expiry;
  if (expires) settings.expires = WallTime{reader.varint_signed()};
  if (version == settings_version) read_recompression(reader, settings.recompression);
  if (!reader.done() || settings.partition_count <= 0) {
    return Error{Errc::corrupt, "damaged topic settings"};
  }
  return settings;
}

}  // namespace trv::model
