#include "storage/format.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <random>

#include "base/crc32c.h"
#include "base/mutant.h"

namespace trv::storage {
namespace {

constexpr ByteView segment_magic = "TRVSEGM1";
// Offsets in a segment header copy.
constexpr std::size_t at_version = 8;
constexpr std::size_t at_flags = 12;
constexpr std::size_t at_uuid = 16;
constexpr std::size_t at_id = 32;
constexpr std::size_t at_size = 40;
constexpr std::size_t at_crc = 44;
constexpr std::size_t header_copy_size = 48;
// Offsets in a frame header.
constexpr std::size_t at_marker = 0;
constexpr std::size_t at_header_crc = 4;
constexpr std::size_t at_length = 8;
constexpr std::size_t at_body_crc = 12;
constexpr std::size_t at_entry_first = 16;
constexpr std::size_t at_synced = 24;
constexpr std::size_t at_entry_count = 32;
constexpr std::size_t at_frame_flags = 36;
static_assert(at_frame_flags + 4 == frame_header_size);
constexpr std::uint32_t flag_round_goes_on = 1;

std::optional<SegmentHeader> parse_copy(ByteView copy) {
  if (copy.size() < header_copy_size || !copy.starts_with(segment_magic)) return {};
  if (load_le<std::uint32_t>(&copy[at_crc]) != crc32c(0, copy.substr(0, at_crc))) return {};
  // A future version may lay out its frames differently: not ours to read.
  if (load_le<std::uint32_t>(&copy[at_version]) != format_version) return {};
  if (load_le<std::uint32_t>(&copy[at_flags]) != 0) return {};
  SegmentHeader header;
  std::memcpy(header.uuid.data(), &copy[at_uuid], header.uuid.size());
  header.id = SegmentId::of(load_le<std::uint64_t>(&copy[at_id]));
  header.size = load_le<std::uint32_t>(&copy[at_size]);
  return header;
}

}  // namespace

std::string numbered_name(ByteView prefix, std::uint64_t number, int digits) {
  std::string name(prefix);
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    name.push_back("0123456789abcdef"[(number >> shift) & 0xf]);
  }
  return name;
}

std::optional<std::uint64_t> parse_numbered_name(ByteView prefix, ByteView name,
                                                 std::size_t digits) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + digits) return {};
  std::uint64_t number = 0;
  const char* begin = name.data() + prefix.size();
  const char* end = name.data() + name.size();
  auto [stop, error] = std::from_chars(begin, end, number, 16);
  if (error != std::errc{} || stop != end) return {};
  // One spelling for one number: no capitals, no sign.
  if (numbered_name(prefix, number, static_cast<int>(digits)) != name) return {};
  return number;
}

std::string segment_name(SegmentId id) { return numbered_name(segment_prefix, id.blob(), 16); }

std::optional<SegmentId> parse_segment_name(ByteView name) {
  std::optional<std::uint64_t> blob = parse_numbered_name(segment_prefix, name, 16);
  if (!blob) return {};
  return SegmentId::of(*blob);
}

Uuid make_uuid() {
  std::random_device random;
  Uuid uuid;
  for (std::size_t i = 0; i < uuid.size(); i += 4) {
    store_le<std::uint32_t>(&uuid[i], static_cast<std::uint32_t>(random()));
  }
  return uuid;
}

std::string encode_segment_header(const SegmentHeader& header) {
  std::string bytes(segment_header_size, '\0');
  for (std::size_t copy : {std::size_t{0}, std::size_t{segment_header_copy_position}}) {
    char* p = &bytes[copy];
    std::memcpy(p, segment_magic.data(), segment_magic.size());
    store_le<std::uint32_t>(p + at_version, format_version);
    store_le<std::uint32_t>(p + at_flags, 0);
    std::memcpy(p + at_uuid, header.uuid.data(), header.uuid.size());
    store_le<std::uint64_t>(p + at_id, header.id.blob());
    store_le<std::uint32_t>(p + at_size, header.size);
    store_le<std::uint32_t>(p + at_crc, crc32c(0, ByteView(p, at_crc)));
  }
  return bytes;
}

std::optional<SegmentHeader> parse_segment_header(ByteView bytes) {
  if (std::optional<SegmentHeader> header = parse_copy(bytes)) return header;
  if (bytes.size() <= segment_header_copy_position) return {};
  return parse_copy(bytes.substr(segment_header_copy_position));
}

FrameSeal::FrameSeal(const Uuid& uuid)
    // Odd, so that zeroes never look like a frame.
    : marker_(load_le<std::uint32_t>(uuid.data()) | 1),
      base_(crc32c(0, ByteView(uuid.data(), uuid.size()))) {}

std::uint32_t FrameSeal::seed(std::uint32_t position) const {
  if (TRV_MUTANT(checksum_without_position)) return base_;
  char raw[4];
  store_le(raw, position);
  return crc32c(base_, ByteView(raw, sizeof raw));
}

void seal_frame(char* frame, const FrameHeader& header, const FrameSeal& seal,
                std::uint32_t position) {
  std::uint32_t seed = seal.seed(position);
  ByteView body(frame + frame_header_size, header.length - frame_header_size);
  store_le<std::uint32_t>(frame + at_marker, seal.marker());
  store_le<std::uint32_t>(frame + at_length, header.length);
  store_le<std::uint32_t>(frame + at_body_crc, crc32c(seed, body));
  store_le<std::uint64_t>(frame + at_entry_first, header.entry_first);
  store_le<std::uint64_t>(frame + at_synced, header.synced.packed());
  store_le<std::uint32_t>(frame + at_entry_count, header.entry_count);
  store_le<std::uint32_t>(frame + at_frame_flags, header.round_goes_on ? flag_round_goes_on : 0);
  store_le<std::uint32_t>(frame + at_header_crc,
                          crc32c(seed, ByteView(frame + at_length, frame_header_size - at_length)));
}

ParsedFrame parse_frame(ByteView bytes, const FrameSeal& seal, std::uint32_t position,
                        bool check_body) {
  ParsedFrame parsed;
  if (bytes.size() < frame_header_size) return parsed;
  const char* p = bytes.data();
  if (load_le<std::uint32_t>(p + at_marker) != seal.marker()) return parsed;
  std::uint32_t seed = seal.seed(position);
  if (load_le<std::uint32_t>(p + at_header_crc) !=
      crc32c(seed, ByteView(p + at_length, frame_header_size - at_length))) {
    return parsed;
  }
  FrameHeader& header = parsed.header;
  header.length = load_le<std::uint32_t>(p + at_length);
  header.entry_first = load_le<std::uint64_t>(p + at_entry_first);
  header.synced = LanePlace::of(load_le<std::uint64_t>(p + at_synced));
  header.entry_count = load_le<std::uint32_t>(p + at_entry_count);
  const std::uint32_t flags = load_le<std::uint32_t>(p + at_frame_flags);
  header.round_goes_on = (flags & flag_round_goes_on) != 0;
  if (flags > flag_round_goes_on || header.length < frame_header_size ||
      header.length % frame_alignment != 0 ||
      header.entry_count > (header.length - frame_header_size) / entry_header_size) {
    return parsed;
  }
  if (header.length > bytes.size()) {
    parsed.state = FrameState::beyond;
  } else if (check_body && !TRV_MUTANT(frame_checksum_not_checked) &&
             load_le<std::uint32_t>(p + at_body_crc) !=
                 crc32c(seed, bytes.substr(frame_header_size, header.length - frame_header_size))) {
    parsed.state = FrameState::body_damaged;
  } else {
    parsed.state = FrameState::valid;
  }
  return parsed;
}

void encode_entry_header(char* into, std::uint8_t kind, ShardId shard, std::uint32_t size) {
  into[0] = static_cast<char>(kind);
  into[1] = static_cast<char>(shard.value);
  store_le<std::uint16_t>(into + 2, 0);
  store_le<std::uint32_t>(into + 4, size);
}

EntryHeader parse_entry_header(const char* from) {
  return {static_cast<std::uint8_t>(from[0]), ShardId(static_cast<std::uint8_t>(from[1])),
          load_le<std::uint32_t>(from + 4)};
}

}  // namespace trv::storage
