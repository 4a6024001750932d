#include "broker/detail/record_cursor.h"

namespace trv::broker::detail {
namespace {

// The value of the single nameless header; nothing when there is something else.
std::optional<ByteView> envelope_of(const model::BatchRecord& raw) {
  if (raw.header_count != 1) return std::nullopt;
  ByteReader reader(raw.headers);
  if (reader.varint_signed() != 0) return std::nullopt;
  std::int64_t size = reader.varint_signed();
  if (!reader.ok() || size < 0 || static_cast<std::uint64_t>(size) != reader.remaining()) {
    return std::nullopt;
  }
  return reader.rest();
}

}  // namespace

void append_envelope_header(std::string& out, ByteView envelope) {
  model::append_header(out, {std::string_view(), envelope});
}

Result<RecordCursor> RecordCursor::open(const model::BatchEntry& entry,
                                        const model::BatchHeader& header, const Slice& batch) {
  Result<Slice> records = model::batch_records(batch, header);
  if (!records) return records.error();
  RecordCursor cursor;
  cursor.entry_ = entry;
  cursor.header_ = header;
  cursor.records_ = std::move(records).value();
  cursor.reader_ = model::BatchRecordReader(cursor.records_.view(), header.record_count);
  return cursor;
}

bool RecordCursor::next(model::StoredRecord& record) {
  model::BatchRecord raw;
  if (!reader_.next(raw)) {
    ok_ = reader_.ok();
    return false;
  }
  if (raw.offset_delta < index_ || raw.offset_delta >= entry_.count) {
    ok_ = false;
    return false;
  }
  index_ = raw.offset_delta;
  if (!fill(raw, record)) {
    ok_ = false;
    return false;
  }
  ++index_;
  return true;
}

bool RecordCursor::fill(const model::BatchRecord& raw, model::StoredRecord& record) {
  record.sequence = entry_.first_sequence + index_;
  record.offset = entry_.base_offset + index_;
  record.partition = entry_.partition;
  record.origin = entry_.origin;
  bool append_time = (header_.attributes & model::batch_attributes::append_time) != 0;
  record.timestamp_ms =
      append_time ? header_.max_timestamp : header_.base_timestamp + raw.timestamp_delta;
  record.key = raw.key;
  record.value = raw.value;
  record.headers = raw.headers;
  record.header_count = raw.header_count;
  record.envelope = {};
  record.owner = records_;
  record.id = {entry_.first_id.ms, entry_.first_id.seq + static_cast<std::uint64_t>(index_)};
  if (entry_.origin == model::Origin::batch) return true;

  std::optional<ByteView> envelope = envelope_of(raw);
  if (!envelope) return false;
  record.headers = {};
  record.header_count = 0;
  if (entry_.origin == model::Origin::message) {
    record.envelope = *envelope;
    return true;
  }
  ByteReader reader(*envelope);
  record.id.ms = reader.varint();
  record.id.seq = reader.varint();
  return reader.done();
}

}  // namespace trv::broker::detail
