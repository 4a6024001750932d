#include "model/batch_entry.h"

namespace trv::model {
namespace {

enum EntryFlag : std::uint8_t {
  flag_control = 1,
  flag_transactional = 2,
  flag_aborted = 4,
  flag_partial = 8,
};

}  // namespace

void encode(const BatchEntry& entry, ByteWriter& writer) {
  writer.varint_signed(entry.first_sequence.value);
  writer.varint_signed(entry.base_offset.value);
  writer.varint(entry.first_id.ms);
  writer.varint(entry.first_id.seq);
  writer.varint_signed(entry.max_timestamp);
  writer.varint(entry.blob.blob);
  writer.varint(entry.blob.position);
  writer.varint(entry.blob.length);
  writer.varint_signed(entry.producer_id.value);
  writer.varint(static_cast<std::uint64_t>(entry.count));
  writer.varint(static_cast<std::uint64_t>(entry.partition.value));
  writer.u8(static_cast<std::uint8_t>(entry.origin));
  writer.u8(static_cast<std::uint8_t>(
      (entry.control ? flag_control : 0) | (entry.transactional ? flag_transactional : 0) |
      (entry.aborted ? flag_aborted : 0) | (entry.kept < entry.count ? flag_partial : 0)));
  if (entry.kept < entry.count) writer.varint(static_cast<std::uint64_t>(entry.kept));
}

BatchEntry decode_batch_entry(ByteReader& reader) {
  BatchEntry entry;
  entry.first_sequence = Sequence(reader.varint_signed());
  entry.base_offset = Offset(reader.varint_signed());
  entry.first_id.ms = reader.varint();
  entry.first_id.seq = reader.varint();
  entry.max_timestamp = reader.varint_signed();
  entry.blob.blob = reader.varint();
  entry.blob.position = static_cast<std::uint32_t>(reader.varint());
  entry.blob.length = static_cast<std::uint32_t>(reader.varint());
  entry.producer_id = ProducerId(reader.varint_signed());
  entry.count = static_cast<std::int32_t>(reader.varint());
  entry.partition = PartitionIndex(static_cast<std::int32_t>(reader.varint()));
  entry.origin = static_cast<Origin>(reader.u8());
  std::uint8_t flags = reader.u8();
  entry.control = (flags & flag_control) != 0;
  entry.transactional = (flags & flag_transactional) != 0;
  entry.aborted = (flags & flag_aborted) != 0;
  entry.kept =
      (flags & flag_partial) != 0 ? static_cast<std::int32_t>(reader.varint()) : entry.count;
  return entry;
}

}  // namespace trv::model
