#include "storage/session_file.h"

#include "base/crc32c.h"
#include "base/mutant.h"

namespace trv::storage {
namespace {

constexpr ByteView session_magic = "TRVSESS1";
constexpr std::size_t seal_size = 24;

}  // namespace

std::string session_name(std::uint32_t session) {
  return numbered_name(session_prefix, session, 8);
}

std::string encode_session(const SessionRecord& record) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.bytes(session_magic);
  writer.u32_le(format_version);
  writer.u32_le(record.session);
  writer.u32_le(static_cast<std::uint32_t>(record.seals.size()));
  for (const LaneSeal& seal : record.seals) {
    writer.u64_le(SegmentId{seal.session, seal.lane, seal.end.number}.blob());
    writer.u32_le(seal.end.position);
    writer.u32_le(0);
    writer.u64_le(seal.entries);
  }
  writer.u32_le(crc32c(0, bytes));
  return bytes;
}

std::optional<SessionRecord> parse_session(ByteView bytes) {
  if (bytes.size() < 4) return {};
  ByteView checked = bytes.substr(0, bytes.size() - 4);
  const bool whole = load_le<std::uint32_t>(bytes.data() + checked.size()) == crc32c(0, checked);
  if (!whole && !TRV_MUTANT(session_checksum_not_checked)) return {};
  ByteReader reader(checked);
  if (reader.bytes(session_magic.size()) != session_magic) return {};
  if (reader.u32_le() != format_version) return {};
  SessionRecord record;
  record.session = reader.u32_le();
  std::uint32_t count = reader.u32_le();
  if (!reader.ok() || reader.remaining() != std::uint64_t{count} * seal_size) return {};
  record.seals.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    SegmentId id = SegmentId::of(reader.u64_le());
    LaneSeal seal{id.session, id.lane, {id.number, reader.u32_le()}, 0};
    reader.skip(4);
    seal.entries = reader.u64_le();
    record.seals.push_back(seal);
  }
  return record;
}

}  // namespace trv::storage
