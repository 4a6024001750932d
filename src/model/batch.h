// RecordBatch v2, the unit in which all records are stored: parsing, checking, iterating, building.
// Source: Kafka protocol, "Record Batch"; record layout in docs/formats/batch.md.
//
//   0 base offset i64 | 8 length i32 (total - 12) | 12 leader epoch i32 | 16 magic i8 | 17 crc u32
//   21 attributes i16 | 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64
//   43 producer id i64 | 51 producer epoch i16 | 53 base sequence i32 | 57 record count i32
//   61 records, compressed as a whole when attributes say so
//
// The checksum (CRC-32C) covers byte 21 to the end, so base offset and leader epoch may be set
// without computing it anew.
#pragma once

#include <array>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "model/record.h"

namespace trv::model {

inline constexpr std::size_t batch_header_size = 61;
inline constexpr std::size_t batch_crc_begin = 21;
inline constexpr std::int8_t batch_magic = 2;
// Decompressed records of one batch, at most; guards against decompression bombs.
inline constexpr std::size_t batch_decompressed_size_max = 32u << 20;

enum class Compression : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

namespace batch_attributes {
inline constexpr std::int16_t compression_mask = 0x07;
inline constexpr std::int16_t append_time = 0x08;
inline constexpr std::int16_t transactional = 0x10;
inline constexpr std::int16_t control = 0x20;
inline constexpr std::int16_t delete_horizon = 0x40;
inline constexpr int origin_shift = 8;
inline constexpr std::int16_t origin_mask = 0x300;
}  // namespace batch_attributes

struct BatchHeader {
  Offset base_offset;
  std::int32_t length = 0;
  std::int32_t leader_epoch = 0;
  std::int8_t magic = 0;
  std::uint32_t crc = 0;
  std::int16_t attributes = 0;
  std::int32_t last_offset_delta = 0;
  std::int64_t base_timestamp = 0;
  std::int64_t max_timestamp = 0;
  ProducerId producer_id{-1};
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  std::int32_t record_count = 0;

  std::size_t size() const { return static_cast<std::size_t>(length) + 12; }
  // Of the batch's offsets; some of its records may be gone.
  std::int32_t offset_count() const { return last_offset_delta + 1; }
  Compression compression() const {
    return static_cast<Compression>(attributes & batch_attributes::compression_mask);
  }
  void set_compression(Compression codec) {
    attributes = static_cast<std::int16_t>((attributes & ~batch_attributes::compression_mask) |
                                           static_cast<int>(codec));
  }
  bool transactional() const { return (attributes & batch_attributes::transactional) != 0; }
  // Its base timestamp is the time until which its tombstones are kept.
  bool has_delete_horizon() const { return (attributes & batch_attributes::delete_horizon) != 0; }
  bool control() const { return (attributes & batch_attributes::control) != 0; }
  Origin origin() const {
    return static_cast<Origin>((attributes & batch_attributes::origin_mask) >>
                               batch_attributes::origin_shift);
  }
};

// Reads the fixed part. Errors: corrupt (too short, or length field below a header's).
Result<BatchHeader> parse_batch_header(ByteView bytes);

// Checks one whole batch as it stands in `bytes`: exact length, magic, checksum.
// Errors: corrupt (truncated or checksum), invalid_argument (magic other than 2).
Result<BatchHeader> check_batch(ByteView bytes);

// One record of a decompressed records section. Views point into that section.
struct BatchRecord {
  std::int64_t timestamp_delta = 0;
  std::int32_t offset_delta = 0;
  std::optional<ByteView> key;
  std::optional<ByteView> value;
  ByteView headers;
  std::int32_t header_count = 0;
};

// Iterates a decompressed records section. Errors stick: next() is false and ok() too.
class BatchRecordReader {
 public:
  BatchRecordReader(ByteView records, std::int32_t count) : reader_(records), left_(count) {}
  // False at the end or at damage.
  bool next(BatchRecord& record);
  // No damage so far; at the end: also nothing was left over.
  bool ok() const { return reader_.ok() && (left_ > 0 || reader_.remaining() == 0); }

 private:
  ByteReader reader_;
  std::int32_t left_;
};

// The records section of a checked batch, decompressed if need be; shares `batch` when it is not
// compressed. Errors: corrupt (undecodable), unsupported (codec), too_large (above the maximum).
Result<Slice> batch_records(const Slice& batch, const BatchHeader& header);

// Decodes every record of a checked batch of origin batch, headers included, as a produce request's
// content check. Errors: corrupt.
Status check_batch_records(const Slice& batch, const BatchHeader& header);
// The same of a records section that is decompressed already.
Status check_records(ByteView records, std::int32_t record_count);

// Snappy may come raw or in the framing of snappy-java; both are read.
Result<std::string> decompress(Compression codec, ByteView bytes, std::size_t size_max);
// In the form that all clients read. `level` is of the codec's own scale: gzip -1 to 9, lz4 1 to 12
// (what is above is 12), zstd as its library has them; nothing: as a compromise that costs little.
// Errors: unsupported (codec), io_error (the library's).
Result<std::string> compress(Compression codec, ByteView bytes,
                             std::optional<std::int32_t> level = std::nullopt);

// Appends one record as it stands in a records section.
void append_record(std::string& out, const BatchRecord& record);

// Assembles a batch record by record. Offsets are dense from the base. Reusable after take().
class BatchBuilder {
 public:
  // An optional key and value, and headers already encoded (`header_count` of them).
  void add(std::int64_t timestamp_ms, std::optional<ByteView> key, std::optional<ByteView> value,
           ByteView headers_encoded, std::int32_t header_count);
  void add(std::int64_t timestamp_ms, std::optional<ByteView> key, std::optional<ByteView> value,
           const std::vector<Header>& headers);
  // The only record of its batch, without a key; `value` is not copied and outlives the batch.
  // Requires: empty().
  void add_alone(std::int64_t timestamp_ms, ByteView value, ByteView headers_encoded,
                 std::int32_t header_count);

  std::int32_t record_count() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::size_t size() const {
    return batch_header_size + records_.size() + value_alone_.size() + after_alone_.size();
  }
  std::int64_t max_timestamp() const { return max_timestamp_; }

  struct Identity {  // of an idempotent or transactional producer; none by default
    ProducerId producer_id{-1};
    std::int16_t producer_epoch = -1;
    std::int32_t base_sequence = -1;
  };
  // The header of the batch with all fields and checksum in place, records() follow it on the wire.
  // Requires: !empty().
  std::string header(Offset base_offset, std::int16_t attributes) const {
    return header(base_offset, attributes, Identity{});
  }
  std::string header(Offset base_offset, std::int16_t attributes, Identity identity) const;
  // In pieces that follow each other.
  std::array<ByteView, 3> records() const { return {records_, value_alone_, after_alone_}; }
  // Header and records in one string; the builder is empty afterwards.
  std::string take(Offset base_offset, std::int16_t attributes) {
    return take(base_offset, attributes, Identity{});
  }
  std::string take(Offset base_offset, std::int16_t attributes, Identity identity);
  void clear();

 private:
  BatchRecord next(std::int64_t timestamp_ms);

  std::string records_;
  ByteView value_alone_;
  std::string after_alone_;
  std::int32_t count_ = 0;
  std::int64_t base_timestamp_ = 0;
  std::int64_t max_timestamp_ = 0;
};

// Appends one encoded header (name and optional value) as it stands in a record.
void append_header(std::string& out, const Header& header);

// A control batch that ends a transaction: commit or abort.
std::string make_end_marker(Offset base_offset, ProducerId producer_id, std::int16_t producer_epoch,
                            bool commit, std::int32_t coordinator_epoch, std::int64_t timestamp_ms);
// Whether a control batch is a commit marker. Errors: corrupt.
Result<bool> marker_commits(ByteView records);

}  // namespace trv::model
