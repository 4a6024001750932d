// How a topic's settings are kept (docs/formats/entries.md).
#include <charconv>

#include "model/topic.h"

namespace trv::model {
namespace {

constexpr std::uint8_t settings_version = 3;
constexpr std::uint8_t settings_version_without_expiry = 2;
constexpr std::int32_t millionths = 1'000'000;

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

}  // namespace

void encode(const TopicSettings& settings, std::string& out) {
  ByteWriter writer(out);
  writer.u8(settings.expires ? settings_version : settings_version_without_expiry);
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
  if (settings.expires) writer.varint_signed(settings.expires->ms);
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
  if (version > settings_version_without_expiry) {
    settings.expires = WallTime{reader.varint_signed()};
  }
  if (!reader.done() || settings.partition_count <= 0) {
    return Error{Errc::corrupt, "damaged topic settings"};
  }
  return settings;
}

}  // namespace trv::model
