// Proves the hand-written primitives and, through some generated messages, what the generator makes
// of versions, nullable, tagged and flexible fields. Byte vectors follow the protocol's
// description; messages of other clients are in tests/golden/kafka.
#include "kafka/wire/codec.h"

#include <gtest/gtest.h>

#include "kafka/wire/api_versions.gen.h"
#include "kafka/wire/codec_test_support.h"
#include "kafka/wire/fetch.gen.h"
#include "kafka/wire/frame.h"
#include "kafka/wire/metadata.gen.h"
#include "kafka/wire/produce.gen.h"

namespace trv::kafka::wire {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

template <class Response>
std::string encoded(const Response& response, std::int16_t version, std::int16_t flexible_from) {
  EncodedMessage out;
  Encoder encoder(out, version, version >= flexible_from);
  encode(encoder, response);
  return flat(out);
}

TEST(Decoder, ReadsStringsInBothForms) {
  Decoder classic("\x00\x02hi\xff\xff"sv, 0, false);
  EXPECT_EQ(classic.string(), "hi");
  EXPECT_FALSE(classic.nullable_string());
  EXPECT_TRUE(classic.ok());

  Decoder compact("\x03hi\x00"sv, 0, true);
  EXPECT_EQ(compact.string(), "hi");
  EXPECT_FALSE(compact.nullable_string());
  EXPECT_TRUE(compact.ok());
}

TEST(Decoder, RefusesNullWhereNoneIsAllowedAndNegativeLengths) {
  Decoder null_string("\xff\xff"sv, 0, false);
  null_string.string();
  EXPECT_FALSE(null_string.ok());
  Decoder negative("\xff\xfe"sv, 0, false);
  EXPECT_TRUE(negative.nullable_string());
  EXPECT_FALSE(negative.ok());
  Decoder null_array("\xff\xff\xff\xff"sv, 0, false);
  EXPECT_EQ(null_array.array(1), 0u);
  EXPECT_FALSE(null_array.ok());
}

TEST(Decoder, BoundsArraysByTheRestOfTheFrame) {
  Decoder claims_much("\x7f\xff\xff\xff\x00\x00\x00\x00"sv, 0, false);
  EXPECT_EQ(claims_much.array(4), 0u);
  EXPECT_FALSE(claims_much.ok());
  // Fewer elements than bytes, but each takes several.
  Decoder claims_more_than_fit("\x00\x00\x00\x02\x00\x00\x00\x07"sv, 0, false);
  EXPECT_EQ(claims_more_than_fit.array(4), 0u);
  EXPECT_FALSE(claims_more_than_fit.ok());
  Decoder fits("\x00\x00\x00\x01\x00\x00\x00\x07"sv, 0, false);
  EXPECT_EQ(fits.array(4), 1u);
  EXPECT_TRUE(fits.ok());
}

TEST(Decoder, BoundsAllArraysOfAMessageTogether) {
  std::string many(array_elements_max, '\0');
  std::string frame("\x00\x00\x00\x01"sv);
  frame += "\x00\x03\x0d\x40"sv;  // 200,000
  frame += many;
  Decoder in(frame, 0, false);
  EXPECT_EQ(in.array(1), 1u);
  EXPECT_EQ(in.array(1), 0u);
  EXPECT_FALSE(in.ok());
}

TEST(Decoder, SkipsUnknownTagsAndRefusesUnorderedOnes) {
  Decoder good("\x02\x05\x01x\x09\x00z"sv, 0, true);
  good.skip_tags();
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(good.remaining(), 1u);
  Decoder unordered("\x02\x09\x00\x05\x00"sv, 0, true);
  unordered.skip_tags();
  EXPECT_FALSE(unordered.ok());
  Decoder too_long("\x01\x05\x7f"sv, 0, true);
  too_long.skip_tags();
  EXPECT_FALSE(too_long.ok());
}

TEST(Generated, MetadataTopicsAreNullableFromVersionOne) {
  Decoder all("\xff\xff\xff\xff"sv, 1, false);
  MetadataRequest request;
  decode(all, request);
  EXPECT_TRUE(all.ok());
  EXPECT_FALSE(request.topics);
  EXPECT_TRUE(request.allow_auto_topic_creation);

  Decoder null_in_zero("\xff\xff\xff\xff"sv, 0, false);
  decode(null_in_zero, request);
  EXPECT_FALSE(null_in_zero.ok());
}

TEST(Generated, FetchReadsTaggedFields) {
  std::string frame;
  ByteWriter out(frame);
  out.i32(-1);
  out.i32(500);
  out.i32(1);
  out.i32(1 << 20);
  out.i8(1);
  out.i32(0);
  out.i32(-1);
  out.varint(1);  // no topics
  out.varint(1);  // nothing forgotten
  out.varint(1);  // rack
  out.varint(1);  // one tag
  out.varint(0);
  out.sized(
      "\x03"
      "ab");
  Decoder in(frame, 12, true);
  FetchRequest request;
  decode(in, request);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.remaining(), 0u);
  EXPECT_EQ(request.max_wait_ms, 500);
  EXPECT_EQ(request.cluster_id, "ab");
}

TEST(Generated, ResponsesFollowTheirVersion) {
  ApiVersionsResponse response;
  response.error_code = 35;
  response.api_keys.push_back({18, 0, 4});
  EXPECT_EQ(encoded(response, 0, 3), "\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x04"sv);
  EXPECT_EQ(encoded(response, 2, 3),
            "\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x04\x00\x00\x00\x00"sv);
  EXPECT_EQ(encoded(response, 3, 3),
            "\x00\x23\x02\x00\x12\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00"sv);
  response.finalized_features_epoch = 7;
  EXPECT_EQ(encoded(response, 3, 3),
            "\x00\x23\x02\x00\x12\x00\x00\x00\x04\x00\x00\x00\x00\x00\x01\x01\x08"
            "\x00\x00\x00\x00\x00\x00\x00\x07"sv);
}

TEST(Generated, RecordsAreSplicedNotCopied) {
  FetchResponse response;
  auto& partition = response.topics.emplace_back().partitions.emplace_back();
  Slice large = Slice::own(std::string(splice_size_min, 'x'));
  partition.records.add(Slice::of_static("small"));
  partition.records.add(large);
  EncodedMessage out;
  Encoder encoder(out, 4, false);
  encode(encoder, response);
  ASSERT_EQ(out.splices.size(), 1u);
  EXPECT_EQ(out.splices[0].bytes.data(), large.data());
  EXPECT_EQ(out.splices[0].position, out.text.size());
  EXPECT_EQ(out.text.substr(out.text.size() - 9), "\x00\x00\x04\x05small"sv);
}

TEST(Frame, IsCutWhenAllOfItHasArrived) {
  ByteView wire =
      "\x00\x00\x00\x03"
      "abc"
      "\x00\x00\x00\x01"sv;
  for (std::size_t size = 0; size < 7; ++size) {
    auto frame = cut_frame(wire.substr(0, size));
    ASSERT_TRUE(frame);
    EXPECT_FALSE(*frame) << size;
  }
  for (std::size_t size = 7; size <= wire.size(); ++size) {
    auto frame = cut_frame(wire.substr(0, size));
    ASSERT_TRUE(frame && *frame);
    EXPECT_EQ(**frame, "abc");
  }
}

TEST(Frame, IsRefusedByItsSizeAlone) {
  for (std::string_view size : {"\x00\x00\x00\x00"sv, "\xff\xff\xff\xff"sv, "\x7f\xff\xff\xff"sv}) {
    EXPECT_FALSE(cut_frame(size));
  }
}

TEST(Header, ClientIdKeepsItsShortLengthInFlexibleVersions) {
  std::string frame = "\x00\x12\x00\x03\x00\x00\x00\x07\x00\x02me\x00rest"s;
  ByteReader in(frame);
  RequestHeader header = read_header_begin(in);
  read_header_end(in, true, header);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(header.key, 18);
  EXPECT_EQ(header.version, 3);
  EXPECT_EQ(header.correlation_id, 7);
  EXPECT_EQ(header.client_id, "me");
  EXPECT_EQ(in.rest(), "rest");
}

}  // namespace
}  // namespace trv::kafka::wire
