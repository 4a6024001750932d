#include "objects/format.h"

#include <fmt/format.h>

#include "base/crc32c.h"

namespace trv::objects {
namespace {

constexpr ByteView slot_magic = "TRVSLOT1";
constexpr ByteView cell_magic = "TRVCELL1";
constexpr std::size_t checksum_end = 12;
constexpr std::size_t blob_name_size_max = 200;

// The magic, and the checksum of `rest` before it.
std::string frame_of(ByteView magic, ByteView rest) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.bytes(magic);
  writer.u32_le(crc32c(0, rest));
  writer.bytes(rest);
  return bytes;
}

// What is behind the checksum, when that fits.
std::optional<ByteView> unframe(ByteView magic, ByteView bytes) {
  if (bytes.size() < checksum_end || !bytes.starts_with(magic)) return {};
  const ByteView rest = bytes.substr(checksum_end);
  if (load_le<std::uint32_t>(bytes.data() + magic.size()) != crc32c(0, rest)) return {};
  return rest;
}

}  // namespace

std::string slot_prefix(SessionId session) { return fmt::format("slots/{:016x}/", session.value); }

std::string slot_name(SessionId session, Slot slot) {
  return slot_prefix(session) + fmt::format("{:016x}", slot.value);
}

std::string encode_slot(const SlotContent& content) {
  std::string rest;
  ByteWriter writer(rest);
  writer.u32_le(static_cast<std::uint32_t>(content.kind));
  writer.u64_le(content.session.value);
  writer.u64_le(content.slot.value);
  writer.u64_le(content.writer.value);
  writer.u64_le(content.payload.size());
  writer.bytes(content.payload);
  return frame_of(slot_magic, rest);
}

std::optional<SlotContent> parse_slot(ByteView bytes) {
  const std::optional<ByteView> rest = unframe(slot_magic, bytes);
  if (!rest) return {};
  ByteReader reader(*rest);
  const std::uint32_t kind = reader.u32_le();
  SlotContent content;
  content.session = SessionId(reader.u64_le());
  content.slot = Slot(reader.u64_le());
  content.writer = WriterId(reader.u64_le());
  const std::uint64_t size = reader.u64_le();
  content.payload = reader.rest();
  if (!reader.ok() || content.payload.size() != size) return {};
  if (kind == static_cast<std::uint32_t>(SlotKind::frame)) return content;
  content.kind = SlotKind::seal;
  if (kind != static_cast<std::uint32_t>(SlotKind::seal) || size != 0) return {};
  return content;
}

std::string encode_cell(const CellContent& content) {
  std::string rest;
  ByteWriter writer(rest);
  writer.u32_le(static_cast<std::uint32_t>(content.value.size()));
  writer.u64_le(content.revision);
  writer.u64_le(content.writer.value);
  writer.u64_le(content.nonce);
  writer.bytes(content.value);
  return frame_of(cell_magic, rest);
}

std::optional<CellContent> parse_cell(ByteView bytes) {
  const std::optional<ByteView> rest = unframe(cell_magic, bytes);
  if (!rest) return {};
  ByteReader reader(*rest);
  const std::uint32_t size = reader.u32_le();
  CellContent content;
  content.revision = reader.u64_le();
  content.writer = WriterId(reader.u64_le());
  content.nonce = reader.u64_le();
  content.value = reader.rest();
  if (!reader.ok() || content.value.size() != size || content.revision == 0) return {};
  return content;
}

std::string session_cell_name(SessionId session) {
  return fmt::format("cells/session-{:016x}", session.value);
}

std::string encode_session(const SessionRecord& record) {
  std::string value;
  ByteWriter writer(value);
  writer.u32_le(static_cast<std::uint32_t>(record.state));
  writer.u32_le(0);
  writer.u64_le(record.trim.value);
  writer.u64_le(record.end.value);
  return value;
}

std::optional<SessionRecord> parse_session(ByteView value) {
  ByteReader reader(value);
  const std::uint32_t state = reader.u32_le();
  const std::uint32_t reserved = reader.u32_le();
  SessionRecord record;
  record.trim = Slot(reader.u64_le());
  record.end = Slot(reader.u64_le());
  if (!reader.done() || reserved != 0) return {};
  if (state < static_cast<std::uint32_t>(SessionState::open) ||
      state > static_cast<std::uint32_t>(SessionState::sealed)) {
    return {};
  }
  record.state = static_cast<SessionState>(state);
  const bool sealed = record.state == SessionState::sealed;
  if (sealed ? record.trim > record.end : record.end != Slot()) return {};
  return record;
}

std::string root_cell_name(ShardId shard) { return fmt::format("cells/shard-{:02x}", shard.value); }

std::string encode_root(const Root& root) {
  const BlobRef checkpoint = root.checkpoint.value_or(BlobRef());
  std::string value;
  ByteWriter writer(value);
  writer.u64_le(root.epoch.value);
  writer.u64_le(root.node.value);
  writer.u64_le(root.session.value);
  writer.u64_le(root.first.value);
  writer.u64_le(checkpoint.size);
  writer.u32_le(checkpoint.checksum);
  writer.u32_le(0);
  writer.sized(checkpoint.name);
  return value;
}

std::optional<Root> parse_root(ByteView value) {
  ByteReader reader(value);
  Root root;
  root.epoch = Epoch(reader.u64_le());
  root.node = NodeId(reader.u64_le());
  root.session = SessionId(reader.u64_le());
  root.first = Slot(reader.u64_le());
  BlobRef checkpoint;
  checkpoint.size = reader.u64_le();
  checkpoint.checksum = reader.u32_le();
  const std::uint32_t reserved = reader.u32_le();
  checkpoint.name = reader.sized();
  if (!reader.done() || reserved != 0 || root.epoch == Epoch()) return {};
  if (checkpoint.name.size() > blob_name_size_max) return {};
  if (checkpoint.name.empty()) {
    if (checkpoint != BlobRef()) return {};
  } else {
    root.checkpoint = std::move(checkpoint);
  }
  return root;
}

}  // namespace trv::objects
