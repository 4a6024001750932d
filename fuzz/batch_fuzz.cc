// Record batches under arbitrary bytes: headers, records, every codec. The input is taken as it is,
// as the inside of a batch whose frame and checksum are right (or nothing would get past them), and
// as compressed bytes. What comes out lies within the stated maximum, and what
// check_batch_records() accepted can be read to its end and built anew.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/crc32c.h"
#include "model/batch.h"

namespace {

using namespace trv;
using namespace trv::model;

// A frame around the input: its first bytes choose attributes and count, the rest are the records.
std::string frame(std::string_view input) {
  ByteReader reader(input);
  std::int16_t attributes = reader.u8();
  std::int32_t count = reader.u8();
  std::string bytes;
  ByteWriter out(bytes);
  out.i64(0);
  out.i32(0);
  out.i32(0);
  out.i8(batch_magic);
  out.u32(0);
  out.i16(attributes);
  out.i32(count - 1);
  out.i64(1'000);
  out.i64(2'000);
  out.i64(-1);
  out.i16(-1);
  out.i32(-1);
  out.i32(count);
  out.bytes(reader.rest());
  out.patch_u32(8, static_cast<std::uint32_t>(bytes.size() - 12));
  out.patch_u32(17, crc32c(0, ByteView(bytes).substr(batch_crc_begin)));
  return bytes;
}

// What was accepted: reads to its end, and comes out the same from a builder.
void read_and_rebuild(const Slice& batch, const BatchHeader& header) {
  Result<Slice> records = batch_records(batch, header);
  TRV_ASSERT(records.ok());
  TRV_ASSERT(records->size() <= batch_decompressed_size_max ||
             header.compression() == Compression::none);
  BatchBuilder builder;
  BatchRecordReader reader(records->view(), header.record_count);
  BatchRecord record;
  std::int32_t count = 0;
  while (reader.next(record)) {
    StoredRecord stored;
    stored.headers = record.headers;
    stored.header_count = record.header_count;
    std::vector<Header> headers = read_headers(stored);
    TRV_ASSERT(headers.size() == static_cast<std::size_t>(record.header_count));
    builder.add(1'000, record.key, record.value, headers);
    ++count;
  }
  TRV_ASSERT(reader.ok());
  TRV_ASSERT(count == header.record_count);
  if (builder.empty()) return;
  std::string rebuilt = builder.take(Offset{7}, 0);
  Result<BatchHeader> again = check_batch(rebuilt);
  TRV_ASSERT(again.ok());
  TRV_ASSERT(check_batch_records(Slice::of_static(rebuilt), *again).ok());
}

void try_batch(std::string_view bytes) {
  Result<BatchHeader> header = check_batch(bytes);
  if (!header) return;
  Slice batch = Slice::of_static(bytes);
  if (check_batch_records(batch, *header)) read_and_rebuild(batch, *header);
  Result<Slice> records = batch_records(batch, *header);
  if (records) (void)marker_commits(records->view());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  try_batch(input);
  std::string framed = frame(input);
  try_batch(framed);
  (void)marker_commits(input);
  constexpr std::size_t small = 100'000;
  for (auto codec : {Compression::gzip, Compression::snappy, Compression::lz4, Compression::zstd}) {
    Result<std::string> plain = decompress(codec, input.substr(2), small);
    TRV_ASSERT(!plain || plain->size() <= small);
  }
  return 0;
}
