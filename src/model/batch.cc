#include "model/batch.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/mutant.h"

namespace trv::model {
namespace {

constexpr std::int16_t marker_version = 0;
constexpr std::int16_t marker_abort = 0;
constexpr std::int16_t marker_commit = 1;

// Sizes, counts and offset deltas are varints of 32 bits: at most five bytes. What is longer or
// larger is refused here, because consumers' own decoders would stop at it for ever.
std::int64_t read_varint32(ByteReader& reader) {
  std::size_t before = reader.remaining();
  std::int64_t v = reader.varint_signed();
  if (before - reader.remaining() > 5 || v != static_cast<std::int32_t>(v)) {
    reader.fail();
    return 0;
  }
  return v;
}

std::optional<ByteView> read_nullable(ByteReader& reader) {
  std::int64_t size = read_varint32(reader);
  if (size == -1) return std::nullopt;
  if (size < 0 || static_cast<std::uint64_t>(size) > reader.remaining()) {
    reader.fail();
    return std::nullopt;
  }
  return reader.bytes(static_cast<std::size_t>(size));
}

std::size_t nullable_size(std::optional<ByteView> bytes) {
  if (!bytes) return 1;
  return varint_size(zigzag(static_cast<std::int64_t>(bytes->size()))) + bytes->size();
}

void write_nullable(ByteWriter& writer, std::optional<ByteView> bytes) {
  if (!bytes) {
    writer.varint_signed(-1);
    return;
  }
  writer.varint_signed(static_cast<std::int64_t>(bytes->size()));
  writer.bytes(*bytes);
}

void append_before_value(std::string& out, const BatchRecord& record) {
  std::size_t size = 1 + varint_size(zigzag(record.timestamp_delta)) +
                     varint_size(zigzag(record.offset_delta)) + nullable_size(record.key) +
                     nullable_size(record.value) + varint_size(zigzag(record.header_count)) +
                     record.headers.size();
  ByteWriter writer(out);
  writer.varint_signed(static_cast<std::int64_t>(size));
  writer.u8(0);
  writer.varint_signed(record.timestamp_delta);
  writer.varint_signed(record.offset_delta);
  write_nullable(writer, record.key);
  writer.varint_signed(record.value ? static_cast<std::int64_t>(record.value->size()) : -1);
}

void append_after_value(std::string& out, const BatchRecord& record) {
  ByteWriter writer(out);
  writer.varint_signed(record.header_count);
  writer.bytes(record.headers);
}

// Advances over one header; false at damage.
bool read_header(ByteReader& reader, Header& header) {
  std::optional<ByteView> name = read_nullable(reader);
  if (!reader.ok() || !name) {
    reader.fail();
    return false;
  }
  header.name = *name;
  header.value = read_nullable(reader);
  return reader.ok();
}

}  // namespace

std::vector<Header> read_headers(const StoredRecord& record) {
  std::vector<Header> headers;
  ByteReader reader(record.headers);
  Header header;
  for (std::int32_t i = 0; i < record.header_count && read_header(reader, header); ++i) {
    headers.push_back(header);
  }
  return headers;
}

Result<BatchHeader> parse_batch_header(ByteView bytes) {
  if (bytes.size() < batch_header_size)
    return Error{Errc::corrupt, "batch shorter than its header"};
  ByteReader reader(bytes);
  BatchHeader h;
  h.base_offset = Offset(reader.i64());
  h.length = reader.i32();
  h.leader_epoch = reader.i32();
  h.magic = reader.i8();
  h.crc = reader.u32();
  h.attributes = reader.i16();
  h.last_offset_delta = reader.i32();
  h.base_timestamp = reader.i64();
  h.max_timestamp = reader.i64();
  h.producer_id = ProducerId(reader.i64());
  h.producer_epoch = reader.i16();
  h.base_sequence = reader.i32();
  h.record_count = reader.i32();
  if (h.length < 0 || h.size() < batch_header_size) {
    return Error{Errc::corrupt, "batch length below its header"};
  }
  return h;
}

Result<BatchHeader> check_batch(ByteView bytes) {
  Result<BatchHeader> header = parse_batch_header(bytes);
  if (!header) return header;
  if (header->magic != batch_magic) {
    return Error{Errc::invalid_argument, "only record batches of format 2 are supported"};
  }
  if (header->size() != bytes.size()) return Error{Errc::corrupt, "batch length does not match"};
  const bool whole = crc32c(0, bytes.substr(batch_crc_begin)) == header->crc;
  if (!whole && !TRV_MUTANT(batch_checksum_not_checked)) {
    return Error{Errc::corrupt, "batch checksum does not match"};
  }
  return header;
}

bool BatchRecordReader::next(BatchRecord& record) {
  if (left_ <= 0 || !reader_.ok()) return false;
  std::int64_t size = read_varint32(reader_);
  if (!reader_.ok() || size < 0 || static_cast<std::uint64_t>(size) > reader_.remaining()) {
    reader_.fail();
    return false;
  }
  ByteReader body(reader_.bytes(static_cast<std::size_t>(size)));
  body.u8();  // attributes, unused
  record.timestamp_delta = body.varint_signed();
  record.offset_delta = static_cast<std::int32_t>(read_varint32(body));
  record.key = read_nullable(body);
  record.value = read_nullable(body);
  std::int64_t header_count = read_varint32(body);
  // A header takes two bytes at least.
  if (!body.ok() || header_count < 0 ||
      static_cast<std::uint64_t>(header_count) > body.remaining() / 2) {
    reader_.fail();
    return false;
  }
  record.header_count = static_cast<std::int32_t>(header_count);
  record.headers = body.rest();
  --left_;
  return true;
}

Result<Slice> batch_records(const Slice& batch, const BatchHeader& header) {
  Slice records = batch.sub(batch_header_size);
  if (header.compression() == Compression::none) return records;
  Result<std::string> plain =
      decompress(header.compression(), records.view(), batch_decompressed_size_max);
  if (!plain) return plain.error();
  return Slice::own(std::move(plain).value());
}

Status check_batch_records(const Slice& batch, const BatchHeader& header) {
  Result<Slice> records = batch_records(batch, header);
  if (!records) return records.error();
  return check_records(records->view(), header.record_count);
}

Status check_records(ByteView records, std::int32_t record_count) {
  BatchRecordReader reader(records, record_count);
  BatchRecord record;
  std::int32_t expected = 0;
  while (reader.next(record)) {
    const bool next = record.offset_delta == expected++;
    if (!next && !TRV_MUTANT(record_offsets_not_checked))
      return Error{Errc::corrupt, "record offsets not dense"};
    ByteReader headers(record.headers);
    Header one;
    for (std::int32_t i = 0; i < record.header_count; ++i) read_header(headers, one);
    if (!headers.done()) return Error{Errc::corrupt, "record headers are damaged"};
  }
  if (!reader.ok() || expected != record_count) {
    return Error{Errc::corrupt, "records are damaged"};
  }
  return {};
}

void append_header(std::string& out, const Header& header) {
  ByteWriter writer(out);
  writer.varint_signed(static_cast<std::int64_t>(header.name.size()));
  writer.bytes(header.name);
  write_nullable(writer, header.value);
}

void append_record(std::string& out, const BatchRecord& record) {
  append_before_value(out, record);
  if (record.value) out.append(*record.value);
  append_after_value(out, record);
}

BatchRecord BatchBuilder::next(std::int64_t timestamp_ms) {
  TRV_ASSERT(value_alone_.empty());
  if (count_ == 0) {
    base_timestamp_ = timestamp_ms;
    max_timestamp_ = timestamp_ms;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp_ms);
  BatchRecord record;
  record.timestamp_delta = timestamp_ms - base_timestamp_;
  record.offset_delta = count_++;
  return record;
}

void BatchBuilder::add(std::int64_t timestamp_ms, std::optional<ByteView> key,
                       std::optional<ByteView> value, ByteView headers_encoded,
                       std::int32_t header_count) {
  BatchRecord record = next(timestamp_ms);
  record.key = key;
  record.value = value;
  record.headers = headers_encoded;
  record.header_count = header_count;
  append_record(records_, record);
}

void BatchBuilder::add_alone(std::int64_t timestamp_ms, ByteView value, ByteView headers_encoded,
                             std::int32_t header_count) {
  TRV_ASSERT(empty());
  BatchRecord record = next(timestamp_ms);
  record.value = value;
  record.headers = headers_encoded;
  record.header_count = header_count;
  append_before_value(records_, record);
  value_alone_ = value;
  append_after_value(after_alone_, record);
}

void BatchBuilder::add(std::int64_t timestamp_ms, std::optional<ByteView> key,
                       std::optional<ByteView> value, const std::vector<Header>& headers) {
  std::string encoded;
  for (const Header& header : headers) append_header(encoded, header);
  add(timestamp_ms, key, value, encoded, static_cast<std::int32_t>(headers.size()));
}

std::string BatchBuilder::header(Offset base_offset, std::int16_t attributes,
                                 Identity identity) const {
  TRV_ASSERT(count_ > 0);
  std::string out;
  out.reserve(batch_header_size);
  ByteWriter writer(out);
  writer.i64(base_offset.value);
  writer.i32(static_cast<std::int32_t>(size() - 12));
  writer.i32(0);
  writer.i8(batch_magic);
  writer.u32(0);
  writer.i16(attributes);
  writer.i32(count_ - 1);
  writer.i64(base_timestamp_);
  writer.i64(max_timestamp_);
  writer.i64(identity.producer_id.value);
  writer.i16(identity.producer_epoch);
  writer.i32(identity.base_sequence);
  writer.i32(count_);
  TRV_ASSERT(out.size() == batch_header_size);
  std::uint32_t crc = crc32c(0, ByteView(out).substr(batch_crc_begin));
  for (ByteView piece : records()) crc = crc32c(crc, piece);
  writer.patch_u32(17, crc);
  return out;
}

std::string BatchBuilder::take(Offset base_offset, std::int16_t attributes, Identity identity) {
  std::string out = header(base_offset, attributes, identity);
  for (ByteView piece : records()) out.append(piece);
  clear();
  return out;
}

void BatchBuilder::clear() {
  records_.clear();
  value_alone_ = {};
  after_alone_.clear();
  count_ = 0;
}

std::string make_end_marker(Offset base_offset, ProducerId producer_id, std::int16_t producer_epoch,
                            bool commit, std::int32_t coordinator_epoch,
                            std::int64_t timestamp_ms) {
  std::string key;
  ByteWriter key_writer(key);
  key_writer.i16(marker_version);
  key_writer.i16(commit ? marker_commit : marker_abort);
  std::string value;
  ByteWriter value_writer(value);
  value_writer.i16(marker_version);
  value_writer.i32(coordinator_epoch);
  BatchBuilder builder;
  builder.add(timestamp_ms, key, value, {}, 0);
  return builder.take(base_offset, batch_attributes::transactional | batch_attributes::control,
                      {producer_id, producer_epoch, -1});
}

Result<bool> marker_commits(ByteView records) {
  BatchRecordReader reader(records, 1);
  BatchRecord record;
  if (!reader.next(record) || !record.key || record.key->size() != 4) {
    return Error{Errc::corrupt, "damaged end marker"};
  }
  return load_be<std::int16_t>(record.key->data() + 2) == marker_commit;
}

}  // namespace trv::model
