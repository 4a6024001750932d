// Proves what a connection sees, without a socket: which requests are answered, in which order, and
// what produce, fetch and their waiting do against a broker on a disk in memory.
#include "kafka/session.h"

#include <gtest/gtest.h>

#include <map>

#include "broker/broker_test_support.h"
#include "broker/catalog.h"
#include "broker/groups.h"
#include "kafka/handlers/handlers.h"
#include "kafka/wire/codec_test_support.h"
#include "model/batch.h"
#include "model/quotas.h"

namespace trv::kafka {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

class SessionTest : public testing::Test {
 protected:
  SessionTest() { open(); }
  ~SessionTest() override { session_.reset(); }

  void restart_cold() {
    session_.reset();
    service_.reset();
    broker_.restart_cold();
    open();
    answers_.clear();
  }
  void open() {
    service_ = std::make_unique<Service>(*broker_, Options{});
    session_ = std::make_unique<Session>(
        *service_, ConnectionId(1), Session::Peer{"/127.0.0.1", "here", 9092},
        [this](wire::EncodedMessage message) { answers_.push_back(flat(message)); }, [] {});
  }

  static std::string frame(std::int16_t key, std::int16_t version, std::int32_t correlation,
                           std::string_view body) {
    std::string out;
    ByteWriter writer(out);
    writer.i16(key);
    writer.i16(version);
    writer.i32(correlation);
    writer.i16(-1);
    writer.bytes(body);
    return out;
  }
  // Answers come with size and correlation id; the body follows.
  static std::int32_t correlation_of(const std::string& answer) {
    return load_be<std::int32_t>(answer.data() + 4);
  }
  static std::string_view body_of(const std::string& answer) {
    EXPECT_EQ(load_be<std::uint32_t>(answer.data()), answer.size() - 4);
    return std::string_view(answer).substr(8);
  }

  bool send(const std::string& bytes) {
    bool wanted = true;
    broker_.round([&] { wanted = session_->on_frame(bytes); });
    return wanted;
  }

  void create_topic(const std::string& name) {
    broker_.round([&] { ASSERT_TRUE(broker_->topics().create(name, {}).ok()); });
  }

  static std::string batch(std::initializer_list<std::string_view> values) {
    model::BatchBuilder builder;
    for (std::string_view value : values) {
      builder.add(1000, std::nullopt, value, std::vector<model::Header>{});
    }
    return builder.take(Offset(0), 0);
  }

  // Produce version 3.
  static std::string produce_body(std::int16_t acks, std::string_view topic,
                                  std::string_view records) {
    std::string out;
    ByteWriter writer(out);
    writer.i16(-1);
    writer.i16(acks);
    writer.i32(1000);
    writer.i32(1);
    writer.i16(static_cast<std::int16_t>(topic.size()));
    writer.bytes(topic);
    writer.i32(1);
    writer.i32(0);
    writer.i32(static_cast<std::int32_t>(records.size()));
    writer.bytes(records);
    return out;
  }

  // Fetch version 4.
  static std::string fetch_body(std::string_view topic, std::int64_t offset, std::int32_t wait_ms) {
    std::string out;
    ByteWriter writer(out);
    writer.i32(-1);
    writer.i32(wait_ms);
    writer.i32(1);
    writer.i32(1 << 20);
    writer.i8(0);
    writer.i32(1);
    writer.i16(static_cast<std::int16_t>(topic.size()));
    writer.bytes(topic);
    writer.i32(1);
    writer.i32(0);
    writer.i64(offset);
    writer.i32(1 << 20);
    return out;
  }

  struct FetchedPart {
    std::int16_t error = 0;
    std::int64_t high_watermark = 0;
    std::string records;
  };
  static FetchedPart parse_fetch(std::string_view body) {
    ByteReader in(body);
    in.i32();                // throttle
    EXPECT_EQ(in.i32(), 1);  // topics
    in.bytes(in.u16());      // name
    EXPECT_EQ(in.i32(), 1);  // partitions
    in.i32();                // index
    FetchedPart part;
    part.error = in.i16();
    part.high_watermark = in.i64();
    in.i64();  // last stable offset
    // Aborted transactions: null for uncommitted readers, none where there is no such partition.
    EXPECT_EQ(in.i32(), part.error == 3 ? 0 : -1);
    part.records = std::string(in.bytes(in.u32()));
    EXPECT_TRUE(in.done());
    return part;
  }
  // Error and base offset.
  static std::pair<std::int16_t, std::int64_t> parse_produce(std::string_view body) {
    ByteReader in(body);
    EXPECT_EQ(in.i32(), 1);
    in.bytes(in.u16());
    EXPECT_EQ(in.i32(), 1);
    in.i32();
    std::int16_t error = in.i16();
    std::int64_t offset = in.i64();
    EXPECT_TRUE(in.ok());
    return {error, offset};
  }

  broker::TestBroker broker_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Session> session_;
  std::vector<std::string> answers_;
};

TEST_F(SessionTest, UnknownKeysAndVersionsGetNoAnswer) {
  EXPECT_FALSE(send(frame(999, 0, 1, "")));
  EXPECT_FALSE(send(frame(4, 0, 1, "")));
  EXPECT_FALSE(send(frame(wire::ProduceApi::key, 2, 1, "")));
  EXPECT_FALSE(send(frame(wire::MetadataApi::key, 99, 1, "")));
  EXPECT_FALSE(send("\x00\x03\x00"s));
  EXPECT_FALSE(send(frame(wire::MetadataApi::key, 1, 1, "\x00\x00"sv)));
  EXPECT_TRUE(answers_.empty());
}

TEST_F(SessionTest, ApiVersionsTooHighIsAnsweredInVersionZero) {
  ASSERT_TRUE(send(frame(wire::ApiVersionsApi::key, 77, 5, "whatever")));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(correlation_of(answers_[0]), 5);
  EXPECT_EQ(body_of(answers_[0]), "\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x04"sv);
}

TEST_F(SessionTest, ApiVersionsAdvertisesProduceAndJoinGroupFromZero) {
  ASSERT_TRUE(send(frame(wire::ApiVersionsApi::key, 0, 1, "")));
  ByteReader in(body_of(answers_.at(0)));
  EXPECT_EQ(in.i16(), 0);
  std::map<int, std::pair<int, int>> rows;
  for (int n = in.i32(); n > 0; --n) {
    int key = in.i16();
    int min = in.i16();
    rows[key] = {min, in.i16()};
  }
  EXPECT_TRUE(in.done());
  EXPECT_EQ(rows.at(0).first, 0);
  EXPECT_EQ(rows.at(11).first, 0);
  EXPECT_FALSE(rows.contains(71));
}

TEST_F(SessionTest, ProducesAndFetchesTheSameBytes) {
  create_topic("t");
  std::string sent = batch({"a", "b"});
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 1, produce_body(-1, "t", sent))));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(parse_produce(body_of(answers_[0])), (std::pair<std::int16_t, std::int64_t>(0, 0)));
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 2, produce_body(1, "t", sent))));
  EXPECT_EQ(parse_produce(body_of(answers_.at(1))), (std::pair<std::int16_t, std::int64_t>(0, 2)));

  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 3, fetch_body("t", 0, 0))));
  FetchedPart part = parse_fetch(body_of(answers_.at(2)));
  EXPECT_EQ(part.error, 0);
  EXPECT_EQ(part.high_watermark, 4);
  ASSERT_EQ(part.records.size(), 2 * sent.size());
  // Only the base offset and the leader epoch may differ.
  EXPECT_EQ(part.records.substr(16, sent.size() - 16), sent.substr(16));
  EXPECT_EQ(load_be<std::int64_t>(part.records.data() + sent.size()), 2);
}

TEST_F(SessionTest, NothingIsSaidBeforeItIsDurable) {
  create_topic("t");
  broker_.round([&] {
    session_->on_frame(frame(wire::ProduceApi::key, 3, 1, produce_body(-1, "t", batch({"a"}))));
    EXPECT_TRUE(answers_.empty());
    session_->on_frame(frame(wire::FetchApi::key, 4, 2, fetch_body("t", 0, 0)));
  });
  ASSERT_EQ(answers_.size(), 2u);
  // In the order of the requests, though the fetch was ready first; and it saw nothing.
  EXPECT_EQ(correlation_of(answers_[0]), 1);
  EXPECT_EQ(correlation_of(answers_[1]), 2);
  EXPECT_EQ(parse_fetch(body_of(answers_[1])).high_watermark, 0);
}

TEST_F(SessionTest, ACommitThatCouldNotBeSyncedIsNoSuccess) {
  create_topic("t");
  std::string body;
  ByteWriter writer(body);
  writer.i16(1);
  writer.bytes("g"sv);
  writer.i32(-1);
  writer.i16(0);
  writer.i64(-1);  // retention
  writer.i32(1);
  writer.i16(1);
  writer.bytes("t"sv);
  writer.i32(1);
  writer.i32(0);
  writer.i64(5);
  writer.i16(-1);
  auto error_of_commit = [&](std::int32_t correlation) {
    answers_.clear();
    EXPECT_TRUE(send(frame(wire::OffsetCommitApi::key, 2, correlation, body)));
    EXPECT_EQ(answers_.size(), 1u);
    return answers_.empty() ? 0 : load_be<std::int16_t>(answers_[0].data() + 8 + 4 + 3 + 4 + 4);
  };
  EXPECT_EQ(error_of_commit(1), 0);
  broker_.faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true});
  constexpr std::int16_t coordinator_not_available = 15;
  EXPECT_EQ(error_of_commit(2), coordinator_not_available);
  // The end of a broker whose disk has failed is no clean one.
  session_.reset();
  service_.reset();
  broker_.faults().disarm();
  broker_.crash();
}

TEST_F(SessionTest, AMemberIsToldNothingThatCouldNotBeSynced) {
  create_topic("t");
  auto error_of_join = [&](std::string_view member, std::int32_t correlation) {
    std::string body;
    ByteWriter writer(body);
    writer.bytes("\0\2g\2"sv);
    writer.bytes(member);
    writer.i32(0);  // epoch
    writer.bytes("\0\0"sv);
    writer.i32(1000);
    writer.bytes("\2\2t\0\1\0"sv);
    answers_.clear();
    EXPECT_TRUE(send(frame(wire::ConsumerGroupHeartbeatApi::key, 0, correlation, body)));
    EXPECT_EQ(answers_.size(), 1u);
    return answers_.empty() ? 0 : load_be<std::int16_t>(answers_[0].data() + 8 + 1 + 4);
  };
  EXPECT_EQ(error_of_join("m", 1), 0);
  broker_.faults().arm({io::Operation::sync, 0, Errc::io_error, 0, true});
  constexpr std::int16_t coordinator_not_available = 15;
  EXPECT_EQ(error_of_join("n", 2), coordinator_not_available);
  session_.reset();
  service_.reset();
  broker_.faults().disarm();
  broker_.crash();
  const model::ConsumerGroup* group = broker_->groups().consumers().find("g");
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->members().size(), 1u) << "who was refused has not joined";
}

TEST_F(SessionTest, FetchWaitsForData) {
  create_topic("t");
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 0, 30'000))));
  EXPECT_TRUE(answers_.empty());
  Service other(*broker_, Options{});
  std::vector<std::string> others;
  Session producer(
      other, ConnectionId(2), {}, [&](wire::EncodedMessage m) { others.push_back(flat(m)); },
      [] {});
  broker_.round([&] {
    producer.on_frame(frame(wire::ProduceApi::key, 3, 1, produce_body(-1, "t", batch({"x"}))));
  });
  EXPECT_EQ(others.size(), 1u);
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(parse_fetch(body_of(answers_[0])).high_watermark, 1);
  EXPECT_EQ(broker_->topics().watcher_count(), 0u);
}

TEST_F(SessionTest, FetchAnswersEmptyWhenItsTimeIsUp) {
  create_topic("t");
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 0, 1))));
  broker_.run_for(std::chrono::milliseconds(20));
  ASSERT_EQ(answers_.size(), 1u);
  FetchedPart part = parse_fetch(body_of(answers_[0]));
  EXPECT_EQ(part.error, 0);
  EXPECT_TRUE(part.records.empty());
  EXPECT_EQ(broker_->topics().watcher_count(), 0u);
}

// What is on the disk only is no end of the log, however little time the client has.
TEST_F(SessionTest, FetchWaitsForTheDisk) {
  create_topic("t");
  const std::string records = batch({"x"});
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 1, produce_body(-1, "t", records))));
  restart_cold();
  for (int wait_ms : {0, 1, 30'000}) {
    broker_.forget_what_was_read();
    ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 0, wait_ms))));
    broker_.run_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(answers_.empty());
    EXPECT_EQ(broker_->topics().watcher_count(), 0u);
    broker_.run_reads();
    ASSERT_EQ(answers_.size(), 1u) << wait_ms;
    EXPECT_EQ(parse_fetch(body_of(answers_[0])).records.size(), records.size());
    answers_.clear();
  }
}

TEST_F(SessionTest, WhoLeavesWhileTheDiskIsAskedIsForgotten) {
  create_topic("t");
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 1, produce_body(-1, "t", batch({"x"})))));
  restart_cold();
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 0, 0))));
  ASSERT_EQ(broker_.read_count(), 1u);
  broker_.round([&] { session_.reset(); });
  broker_.run_reads();
  EXPECT_TRUE(answers_.empty());
}

TEST_F(SessionTest, FetchTellsWhenTheDiskFails) {
  create_topic("t");
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 1, produce_body(-1, "t", batch({"x"})))));
  restart_cold();
  broker_.faults().arm({io::Operation::read, 0, Errc::io_error, 0, true});
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 0, 30'000))));
  broker_.run_reads();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(parse_fetch(body_of(answers_[0])).error, 56);
  broker_.faults().disarm();
}

TEST_F(SessionTest, WhatAnEndedConnectionWaitedForIsForgotten) {
  create_topic("t");
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 0, 30'000))));
  EXPECT_EQ(broker_->topics().watcher_count(), 1u);
  broker_.round([&] { session_.reset(); });
  EXPECT_EQ(broker_->topics().watcher_count(), 0u);
}

TEST_F(SessionTest, FetchOutsideTheLogIsRefused) {
  create_topic("t");
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 5, 30'000))));
  EXPECT_EQ(parse_fetch(body_of(answers_.at(0))).error, 1);
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 2, fetch_body("none", 0, 30'000))));
  EXPECT_EQ(parse_fetch(body_of(answers_.at(1))).error, 3);
}

TEST_F(SessionTest, DamagedAndUnknownProducesAreRefused) {
  create_topic("t");
  std::string damaged = batch({"abc"});
  damaged.back() ^= 1;
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 1, produce_body(-1, "t", damaged))));
  EXPECT_EQ(parse_produce(body_of(answers_.at(0))).first, 2);
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 2, produce_body(-1, "none", batch({"a"})))));
  EXPECT_EQ(parse_produce(body_of(answers_.at(1))).first, 3);
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 3, produce_body(7, "t", batch({"a"})))));
  EXPECT_EQ(parse_produce(body_of(answers_.at(2))).first, 21);
  std::string two = batch({"a"}) + batch({"b"});
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 4, produce_body(-1, "t", two))));
  EXPECT_NE(parse_produce(body_of(answers_.at(3))).first, 0);
}

TEST_F(SessionTest, UnacknowledgedProduceHasNoAnswerButEndsTheConnectionWhenItFails) {
  create_topic("t");
  ASSERT_TRUE(send(frame(wire::ProduceApi::key, 3, 1, produce_body(0, "t", batch({"a"})))));
  EXPECT_TRUE(answers_.empty());
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 2, fetch_body("t", 0, 0))));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(parse_fetch(body_of(answers_[0])).high_watermark, 1);
  EXPECT_FALSE(send(frame(wire::ProduceApi::key, 3, 3, produce_body(0, "no", batch({"a"})))));
  EXPECT_TRUE(session_->ended());
}

TEST_F(SessionTest, RecordsOfOtherProtocolsAreFetchedAsBatches) {
  create_topic("t");
  broker_.round([&] {
    broker::Topic& topic = *broker_->topics().find("t");
    for (std::string_view body : {"one"sv, "two"sv, "three"sv}) {
      model::NewRecord record;
      record.origin = model::Origin::message;
      record.value = body;
      record.envelope = "-1;k";
      ASSERT_TRUE(broker_->topics().append(topic, record).ok());
    }
  });
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 0, 0))));
  FetchedPart part = parse_fetch(body_of(answers_.at(0)));
  Slice batch = Slice::own(part.records);
  Result<model::BatchHeader> header = model::check_batch(batch.view());
  ASSERT_TRUE(header.ok()) << header.error().message;
  EXPECT_EQ(header->attributes, 0);
  EXPECT_EQ(header->record_count, 3);
  Result<Slice> records = model::batch_records(batch, *header);
  ASSERT_TRUE(records.ok());
  model::BatchRecordReader reader(records->view(), header->record_count);
  model::BatchRecord record;
  std::vector<std::string> values;
  while (reader.next(record)) values.emplace_back(record.value.value_or("null"));
  EXPECT_EQ(values, (std::vector<std::string>{"one", "two", "three"}));
}

TEST_F(SessionTest, ErasedRecordsLeaveAGap) {
  create_topic("t");
  std::vector<RecordId> ids;
  broker_.round([&] {
    broker::Topic& topic = *broker_->topics().find("t");
    for (std::string_view body : {"one"sv, "two"sv, "three"sv}) {
      model::NewRecord record;
      record.origin = model::Origin::message;
      record.value = body;
      record.envelope = "-1;k";
      auto appended = broker_->topics().append(topic, record);
      ASSERT_TRUE(appended.ok());
      ids.push_back(appended->first_id);
    }
  });
  broker_.round([&] {
    auto& topic = *broker_->topics().find("t");
    EXPECT_TRUE(broker_->topics().erase(topic, std::span(&ids[1], 1)).ok());
  });
  ASSERT_TRUE(send(frame(wire::FetchApi::key, 4, 1, fetch_body("t", 0, 0))));
  FetchedPart part = parse_fetch(body_of(answers_.at(0)));
  Result<model::BatchHeader> first = model::parse_batch_header(part.records);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->base_offset, Offset(0));
  EXPECT_EQ(first->record_count, 1);
  Result<model::BatchHeader> second =
      model::check_batch(ByteView(part.records).substr(first->size()));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->base_offset, Offset(2));
  EXPECT_EQ(second->record_count, 1);
  EXPECT_EQ(part.high_watermark, 3);
}

// Its requests wait; what it asked before is answered, with how long.
TEST_F(SessionTest, WhoUsesMoreThanItsQuotaIsNotHeard) {
  create_topic("t");
  broker_.round([&] {
    broker_->catalog().execute_quota(model::encode_quota({{}, {model::QuotaName::Of::others}},
                                                         {{model::QuotaKind::write_rate, 1}}),
                                     [](Result<broker::Durable> done) { EXPECT_TRUE(done.ok()); });
  });
  const std::string produce = frame(0, 3, 7, produce_body(1, "t", batch({"some bytes"})));
  EXPECT_FALSE(session_->must_wait_for(produce));
  ASSERT_TRUE(send(produce));
  ASSERT_EQ(answers_.size(), 1u);
  const std::string_view body = body_of(answers_[0]);
  EXPECT_GT(load_be<std::int32_t>(body.data() + body.size() - 4), 1000);
  EXPECT_TRUE(session_->must_wait_for(produce));
  EXPECT_TRUE(session_->waiting());
}

}  // namespace
}  // namespace trv::kafka
