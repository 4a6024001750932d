// Proves the byte codecs, the checksum and the small value types by known vectors and round trips.
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/function.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/sort_unique.h"

namespace trv {
namespace {

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(crc32c(0, "1234"), "56789"), 0xe3069283u);
}

TEST(Crc32c, IsTheSumBitByBit) {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes.push_back(static_cast<char>(i * 7 + i / 256));
  std::uint32_t expected = ~0u;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(crc32c(0, ByteView(bytes).substr(0, size)), ~expected) << size;
    expected ^= static_cast<std::uint8_t>(bytes[size]);
    for (int bit = 0; bit < 8; ++bit) {
      expected = (expected >> 1) ^ ((expected & 1) != 0 ? 0x82f63b78 : 0);
    }
  }
}

TEST(ByteReader, ShortInputSticks) {
  ByteReader reader(ByteView("\x01\x02\x03", 3));
  EXPECT_EQ(reader.u16(), 0x0102);
  EXPECT_EQ(reader.u16(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
}

TEST(ByteReader, VarintRoundTrip) {
  for (std::uint64_t v : {0ull, 1ull, 127ull, 128ull, 16383ull, 16384ull, ~0ull, 1ull << 63}) {
    std::string out;
    ByteWriter(out).varint(v);
    EXPECT_EQ(out.size(), varint_size(v));
    ByteReader reader(out);
    EXPECT_EQ(reader.varint(), v);
    EXPECT_TRUE(reader.done());
  }
  for (std::int64_t v : {0l, -1l, 1l, -64l, 64l, INT64_MIN, INT64_MAX}) {
    std::string out;
    ByteWriter(out).varint_signed(v);
    ByteReader reader(out);
    EXPECT_EQ(reader.varint_signed(), v);
  }
}

TEST(ByteReader, OverlongVarintFails) {
  ByteReader reader(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10));
  reader.varint();
  EXPECT_FALSE(reader.ok());
}

TEST(ByteReader, ClaimedSizeBeyondInputFails) {
  std::string out;
  ByteWriter(out).varint(1ull << 60);
  ByteReader reader(out);
  EXPECT_TRUE(reader.sized().empty());
  EXPECT_FALSE(reader.ok());
}

TEST(RecordId, NextAndPreviousCrossTheMillisecond) {
  RecordId last{5, ~0ull};
  EXPECT_EQ(last.next(), (RecordId{6, 0}));
  EXPECT_EQ((RecordId{6, 0}).previous(), last);
}

TEST(Result, CarriesEither) {
  Result<int> good = 3;
  Result<int> bad = Error{Errc::not_found, "x"};
  EXPECT_EQ(good.value(), 3);
  EXPECT_EQ(bad.error().code, Errc::not_found);
}

TEST(UniqueFunction, OwnsMoveOnlyCaptures) {
  auto p = std::make_unique<int>(7);
  UniqueFunction<int()> f = [p = std::move(p)] { return *p; };
  EXPECT_EQ(f(), 7);
}

TEST(SortUnique, EachOnceInOrder) {
  std::vector<int> values{3, 1, 3, 2, 1};
  sort_unique(values);
  EXPECT_EQ(values, (std::vector<int>{1, 2, 3}));
  values.clear();
  sort_unique(values);
  EXPECT_TRUE(values.empty());
}

}  // namespace
}  // namespace trv
