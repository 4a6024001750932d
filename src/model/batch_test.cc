// Proves that batches survive a round trip in every codec, that each kind of damage is refused, and
// that neither claimed sizes nor compression can make a small batch large.
#include "model/batch.h"

#include <gtest/gtest.h>
#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include "base/crc32c.h"

namespace trv::model {
namespace {

std::string gzip(ByteView plain) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(plain.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string lz4(ByteView plain) {
  std::string out(LZ4F_compressFrameBound(plain.size(), nullptr), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), plain.data(), plain.size(), nullptr));
  return out;
}

std::string zstd(ByteView plain, int level = 3) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), level));
  return out;
}

// As streaming producers do it: no content size in the frame, a window as the level says.
std::string zstd_stream(ByteView plain, int window_log) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string out(ZSTD_compressBound(plain.size()) + 100, '\0');
  ZSTD_inBuffer none{nullptr, 0, 0};
  ZSTD_inBuffer in{plain.data(), plain.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  EXPECT_EQ(ZSTD_compressStream2(context, &to, &in, ZSTD_e_flush), 0u);
  EXPECT_EQ(ZSTD_compressStream2(context, &to, &none, ZSTD_e_end), 0u);
  ZSTD_freeCCtx(context);
  out.resize(to.pos);
  return out;
}

std::string snappy_raw(ByteView plain) {
  std::string out;
  snappy::Compress(plain.data(), plain.size(), &out);
  return out;
}

std::string snappy_framed(ByteView plain) {
  std::string out("\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
  ByteWriter writer(out);
  for (std::size_t at = 0; at < plain.size(); at += 32768) {
    std::string block = snappy_raw(plain.substr(at, 32768));
    writer.u32(static_cast<std::uint32_t>(block.size()));
    writer.bytes(block);
  }
  return out;
}

// The batch `plain` with its records replaced, frame and checksum right.
std::string with_records(const std::string& plain, ByteView records, Compression codec,
                         std::optional<std::int32_t> count = {}) {
  std::string out = plain.substr(0, batch_header_size);
  out.append(records);
  ByteWriter writer(out);
  writer.patch_u32(8, static_cast<std::uint32_t>(out.size() - 12));
  writer.patch_u16(21, static_cast<std::uint16_t>(codec));
  if (count) writer.patch_u32(57, static_cast<std::uint32_t>(*count));
  writer.patch_u32(17, crc32c(0, ByteView(out).substr(batch_crc_begin)));
  return out;
}

Status check(const std::string& bytes) {
  Result<BatchHeader> header = check_batch(bytes);
  if (!header) return header.error();
  return check_batch_records(Slice::of_static(bytes), *header);
}

std::string sample() {
  BatchBuilder builder;
  builder.add(1000, "key", "value", std::vector<Header>{{"h", "v"}, {"null", std::nullopt}});
  builder.add(1500, std::nullopt, "", std::vector<Header>{});
  builder.add(900, "", std::nullopt, std::vector<Header>{{"", ""}});
  return builder.take(Offset{42}, 0);
}

TEST(Batch, RoundTrip) {
  std::string bytes = sample();
  Result<BatchHeader> header = check_batch(bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->base_offset, Offset{42});
  EXPECT_EQ(header->record_count, 3);
  EXPECT_EQ(header->last_offset_delta, 2);
  EXPECT_EQ(header->base_timestamp, 1000);
  EXPECT_EQ(header->max_timestamp, 1500);
  EXPECT_EQ(header->size(), bytes.size());
  ASSERT_TRUE(check(bytes).ok());
  BatchRecordReader reader(ByteView(bytes).substr(batch_header_size), 3);
  BatchRecord record;
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(record.key, "key");
  EXPECT_EQ(record.value, "value");
  StoredRecord stored;
  stored.headers = record.headers;
  stored.header_count = record.header_count;
  auto headers = read_headers(stored);
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].value, "v");
  EXPECT_EQ(headers[1].value, std::nullopt);
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(record.key, std::nullopt);
  EXPECT_EQ(record.value, "");
  EXPECT_EQ(record.timestamp_delta, 500);
  ASSERT_TRUE(reader.next(record));
  EXPECT_EQ(record.timestamp_delta, -100);
  EXPECT_EQ(record.value, std::nullopt);
  EXPECT_FALSE(reader.next(record));
  EXPECT_TRUE(reader.ok());
}

TEST(Batch, ALoneRecordIsTheSameInPieces) {
  const std::string value(70'000, 'v');
  BatchBuilder gathered;
  gathered.add(1234, std::nullopt, value, "\x02h\x02v", 1);
  BatchBuilder alone;
  alone.add_alone(1234, value, "\x02h\x02v", 1);
  EXPECT_EQ(alone.records()[1].data(), value.data());
  EXPECT_EQ(alone.size(), gathered.size());
  const std::string expected = gathered.take(Offset(7), 0);
  EXPECT_EQ(alone.take(Offset(7), 0), expected);
  EXPECT_TRUE(alone.empty());
  alone.add(1234, std::nullopt, value, "\x02h\x02v", 1);
  EXPECT_EQ(alone.take(Offset(7), 0), expected);
}

TEST(Batch, EveryCodec) {
  BatchBuilder builder;
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += "line " + std::to_string(i * 7919 % 1000);
    builder.add(i, std::to_string(i), text, std::vector<Header>{});
  }
  std::string plain = builder.take(Offset{0}, 0);
  ByteView records = ByteView(plain).substr(batch_header_size);
  struct Case {
    const char* name;
    Compression codec;
    std::string compressed;
  };
  const Case cases[] = {
      {"gzip", Compression::gzip, gzip(records)},
      {"lz4", Compression::lz4, lz4(records)},
      {"zstd", Compression::zstd, zstd(records)},
      {"zstd, best", Compression::zstd, zstd(records, 22)},
      {"zstd, streamed", Compression::zstd, zstd_stream(records, 21)},
      {"zstd, streamed, largest window", Compression::zstd, zstd_stream(records, 27)},
      {"snappy", Compression::snappy, snappy_raw(records)},
      {"snappy, framed", Compression::snappy, snappy_framed(records)},
  };
  for (const Case& c : cases) {
    std::string bytes = with_records(plain, c.compressed, c.codec);
    Status status = check(bytes);
    ASSERT_TRUE(status.ok()) << c.name << ": " << status.error().message;
    auto read = batch_records(Slice::of_static(bytes), *check_batch(bytes));
    EXPECT_EQ(read->view(), records) << c.name;
    for (std::size_t cut : {std::size_t{0}, c.compressed.size() / 2, c.compressed.size() - 1}) {
      EXPECT_FALSE(check(with_records(plain, c.compressed.substr(0, cut), c.codec)).ok())
          << c.name << " cut at " << cut;
    }
    for (std::size_t at = 0; at < c.compressed.size(); at += 1 + c.compressed.size() / 40) {
      std::string flipped = c.compressed;
      flipped[at] = static_cast<char>(flipped[at] ^ 0x41);
      (void)check(with_records(plain, flipped, c.codec));  // any answer, no crash
    }
  }
}

TEST(Batch, UnknownCodec) {
  std::string plain = sample();
  for (int codec : {5, 6, 7}) {
    auto status = check(with_records(plain, ByteView(plain).substr(batch_header_size),
                                     static_cast<Compression>(codec)));
    EXPECT_EQ(status.error().code, Errc::unsupported);
  }
}

TEST(Batch, BombsStopAtTheMaximum) {
  std::string zeros(33u << 20, '\0');
  static_assert(batch_decompressed_size_max < (33u << 20));
  std::string plain = sample();
  struct Case {
    Compression codec;
    std::string compressed;
  };
  const Case cases[] = {
      {Compression::gzip, gzip(zeros)},
      {Compression::lz4, lz4(zeros)},
      {Compression::zstd, zstd(zeros)},
      {Compression::snappy, snappy_raw(zeros)},
      {Compression::snappy, snappy_framed(zeros)},
  };
  for (const Case& c : cases) {
    auto status = check(with_records(plain, c.compressed, c.codec));
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, Errc::too_large) << static_cast<int>(c.codec);
  }
}

TEST(Batch, ClaimedSizesOfCompressedDataCostNothing) {
  // zstd: single segment, 8-byte content size of 2^60, one empty raw block.
  std::string frame("\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x10\x01\0\0", 16);
  EXPECT_FALSE(decompress(Compression::zstd, frame, 1u << 20).ok());
  // snappy: a preamble of 31 MiB before nothing.
  std::string preamble("\x80\x80\x80\x0f", 4);
  EXPECT_FALSE(decompress(Compression::snappy, preamble, 32u << 20).ok());
}

TEST(Batch, DamageIsRefused) {
  std::string good = sample();
  ByteView records = ByteView(good).substr(batch_header_size);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(check_batch(good.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(check_batch(good + "x").ok());
  for (std::size_t at = 16; at < good.size(); ++at) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    EXPECT_FALSE(check_batch(flipped).ok()) << at;
  }
  for (std::int32_t count : {-1, 0, 1, 2, 4, 2147483647}) {
    EXPECT_FALSE(check(with_records(good, records, Compression::none, count)).ok()) << count;
  }
  EXPECT_FALSE(check(with_records(good, std::string(records) + '\0', Compression::none)).ok());
}

TEST(Batch, BadRecords) {
  // size, attributes, timestamp delta, offset delta, key, value, header count; all zig-zag.
  struct Case {
    const char* name;
    std::string record;
    bool good;
  };
  auto bytes = [](std::initializer_list<int> list) {
    std::string out;
    for (int b : list) out.push_back(static_cast<char>(b));
    return out;
  };
  const Case cases[] = {
      {"nulls", bytes({12, 0, 0, 0, 1, 1, 0}), true},
      {"offset delta 1", bytes({12, 0, 0, 2, 1, 1, 0}), false},
      {"key length -2", bytes({12, 0, 0, 0, 3, 1, 0}), false},
      {"key beyond the record", bytes({12, 0, 0, 0, 8, 1, 0}), false},
      {"record size negative", bytes({11, 0, 0, 0, 1, 1, 0}), false},
      {"record size beyond the batch", bytes({14, 0, 0, 0, 1, 1, 0}), false},
      {"record size too small", bytes({10, 0, 0, 0, 1, 1, 0}), false},
      {"leftover in the record", bytes({14, 0, 0, 0, 1, 1, 0, 0}), false},
      {"header count negative", bytes({12, 0, 0, 0, 1, 1, 1}), false},
      {"header count claimed", bytes({20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f}), false},
      {"header with null name", bytes({16, 0, 0, 0, 1, 1, 2, 1, 1}), false},
      {"header", bytes({16, 0, 0, 0, 1, 1, 2, 0, 1}), true},
      {"offset delta 2^32", bytes({20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x20, 1, 1, 0}), false},
      {"overlong offset delta", bytes({22, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0}), false},
      {"overlong record size", bytes({0x8c, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 1, 1, 0}), false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(check(with_records(sample(), c.record, Compression::none, 1)).ok(), c.good) << c.name;
  }
}

TEST(Batch, EndMarker) {
  for (bool commit : {true, false}) {
    std::string bytes = make_end_marker(Offset{9}, ProducerId{5}, 2, commit, 3, 777);
    auto header = check_batch(bytes);
    ASSERT_TRUE(header.ok());
    EXPECT_TRUE(header->control());
    EXPECT_TRUE(header->transactional());
    EXPECT_EQ(header->producer_id, ProducerId{5});
    EXPECT_EQ(header->base_sequence, -1);
    auto commits = marker_commits(ByteView(bytes).substr(batch_header_size));
    ASSERT_TRUE(commits.ok());
    EXPECT_EQ(*commits, commit);
  }
  EXPECT_FALSE(marker_commits("").ok());
}

}  // namespace
}  // namespace trv::model
