// Proves that a topic which wants one codec stores every batch in it: with the same records,
// offsets, times and producer, a right checksum, within the topic's limit, and after a crash still.
#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "broker/rows_test_support.h"
#include "model/batch.h"

namespace trv::broker {
namespace {

using model::Compression;

constexpr Compression codecs[] = {Compression::none, Compression::gzip, Compression::snappy,
                                  Compression::lz4, Compression::zstd};
constexpr PartitionIndex zero(0);

struct Values {
  int count = 3;
  std::string text = "value";
};

class Recompressed : public ::testing::Test {
 protected:
  Recompressed() {
    broker_.round([&] { ASSERT_TRUE(broker_->topics().create("t", {}).ok()); });
  }
  Topic& topic() { return *broker_->topics().find("t"); }
  void set(const std::function<void(model::TopicSettings&)>& change) {
    broker_.round([&] {
      model::TopicSettings settings = Topics::settings(topic());
      change(settings);
      ASSERT_TRUE(broker_->topics().change_settings(topic(), settings).ok());
    });
  }
  void want(std::optional<Compression> codec) {
    set([&](model::TopicSettings& settings) { settings.recompression.codec = codec; });
  }

  static std::string batch(Compression codec, const Values& values, std::int16_t attributes = 0,
                           model::BatchBuilder::Identity identity = {}) {
    model::BatchBuilder builder;
    const std::vector<model::Header> headers{{"name", "of a header"}};
    for (int i = 0; i < values.count; ++i) {
      builder.add(1000 - i, std::to_string(i), values.text + std::to_string(i), headers);
    }
    std::string plain = builder.take(Offset(0), attributes, identity);
    auto packed = model::compress(codec, ByteView(plain).substr(model::batch_header_size));
    std::string bytes = plain.substr(0, model::batch_header_size) + packed.value();
    store_be(bytes.data() + 8, static_cast<std::int32_t>(bytes.size() - 12));
    store_be(bytes.data() + 21, static_cast<std::int16_t>(attributes | static_cast<int>(codec)));
    store_be(bytes.data() + 17, crc32c(0, ByteView(bytes).substr(model::batch_crc_begin)));
    return bytes;
  }
  static std::string plain_records(ByteView bytes) {
    auto records = model::batch_records(Slice::of_static(bytes), *model::check_batch(bytes));
    return std::string(records.value().view());
  }
  Result<Appended> append(const std::string& bytes) {
    Result<Appended> appended = Error{Errc::closed, "not run"};
    broker_.round([&] { appended = broker_->topics().append_batch(topic(), zero, bytes); });
    return appended;
  }
  std::string stored(Offset at) {
    std::string bytes;
    broker_.round([&] {
      auto fetched = broker_->topics().fetch(topic(), zero, at, {}, Isolation::uncommitted);
      ASSERT_TRUE(fetched.ok() && !fetched->batches.empty());
      bytes = std::string(fetched->batches.front().bytes.view());
    });
    return bytes;
  }

  TestBroker broker_;
};

TEST_F(Recompressed, FromEveryCodecToEveryOther) {
  for (Compression wanted : codecs) {
    want(wanted);
    for (Compression came : codecs) {
      SCOPED_TRACE(std::to_string(static_cast<int>(came)) + " to " +
                   std::to_string(static_cast<int>(wanted)));
      const std::string sent = batch(came, {});
      auto appended = append(sent);
      ASSERT_TRUE(appended.ok()) << appended.error().message;
      const std::string bytes = stored(appended->base_offset);
      auto header = model::check_batch(bytes);
      ASSERT_TRUE(header.ok()) << header.error().message;
      EXPECT_EQ(header->compression(), wanted);
      EXPECT_EQ(header->base_offset, appended->base_offset);
      EXPECT_EQ(header->record_count, 3);
      EXPECT_EQ(header->last_offset_delta, 2);
      EXPECT_EQ(header->base_timestamp, 1000);
      EXPECT_EQ(header->max_timestamp, 1000);
      EXPECT_EQ(plain_records(bytes), plain_records(sent));
      // What is of that codec already stays as its producer packed it.
      if (came == wanted) {
        EXPECT_EQ(bytes.substr(12), std::string(4, '\0') + sent.substr(16));
      }
    }
  }
}

TEST_F(Recompressed, AsItCameUnlessTheTopicSaysSo) {
  want(Compression::zstd);
  want(std::nullopt);
  for (Compression came : codecs) {
    auto appended = append(batch(came, {}));
    ASSERT_TRUE(appended.ok());
    EXPECT_EQ(model::check_batch(stored(appended->base_offset))->compression(), came);
  }
}

TEST_F(Recompressed, ProducersAndTransactionsAreTheSame) {
  want(Compression::gzip);
  constexpr auto transactional = model::batch_attributes::transactional;
  broker_.round([&] { broker_->topics().expect_transaction(topic(), zero, ProducerId(7), 2); });
  const std::string sent = batch(Compression::lz4, {}, transactional, {ProducerId(7), 2, 0});
  auto first = append(sent);
  ASSERT_TRUE(first.ok()) << first.error().message;
  auto header = model::check_batch(stored(first->base_offset));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->compression(), Compression::gzip);
  EXPECT_TRUE(header->transactional());
  EXPECT_EQ(header->producer_id, ProducerId(7));
  EXPECT_EQ(header->producer_epoch, 2);
  EXPECT_EQ(header->base_sequence, 0);
  auto again = append(sent);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->base_offset, first->base_offset);
  broker_.round([&] {
    auto marked = broker_->topics().append_marker(topic(), zero, ProducerId(7), 2, true, 0);
    ASSERT_TRUE(marked.ok());
  });
  // The end of the transaction is the broker's own batch, and not packed.
  auto marker = model::check_batch(stored(first->base_offset + 3));
  ASSERT_TRUE(marker.ok());
  EXPECT_TRUE(marker->control());
  EXPECT_EQ(marker->compression(), Compression::none);
}

TEST_F(Recompressed, WithTheBrokersTime) {
  want(Compression::zstd);
  set([](model::TopicSettings& settings) { settings.append_time = true; });
  auto appended = append(batch(Compression::none, {}));
  ASSERT_TRUE(appended.ok());
  auto header = model::check_batch(stored(appended->base_offset));
  ASSERT_TRUE(header.ok()) << header.error().message;
  EXPECT_EQ(header->compression(), Compression::zstd);
  EXPECT_EQ(header->max_timestamp, appended->append_time.ms);
  EXPECT_NE(header->attributes & model::batch_attributes::append_time, 0);
}

TEST_F(Recompressed, TheLimitCountsOnBothSides) {
  set([](model::TopicSettings& settings) {
    settings.batch_size_max = 10'000;
    settings.recompression.codec = Compression::none;
  });
  const Values large{20, std::string(1000, 'a')};
  const std::string packed = batch(Compression::gzip, large);
  ASSERT_LT(packed.size(), 1000u);
  EXPECT_EQ(append(packed).error().code, Errc::too_large);
  // What came too large is not let in for becoming small.
  want(Compression::gzip);
  EXPECT_EQ(append(batch(Compression::none, large)).error().code, Errc::too_large);
  EXPECT_TRUE(append(packed).ok());
}

TEST_F(Recompressed, LevelsAreTheCodecsOwn) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += std::to_string(i * 7919 % 1000) + ",";
  const std::pair<Compression, std::pair<std::int32_t, std::int32_t>> levels[] = {
      {Compression::gzip, {1, 9}}, {Compression::lz4, {1, 12}}, {Compression::zstd, {-50, 19}}};
  for (const auto& [codec, pair] : levels) {
    want(codec);
    std::size_t sizes[2];
    for (int i : {0, 1}) {
      const std::int32_t level = i == 0 ? pair.first : pair.second;
      const Compression of = codec;
      set([&](model::TopicSettings& settings) { settings.recompression.levels[of] = level; });
      auto appended = append(batch(Compression::none, {1, text}));
      ASSERT_TRUE(appended.ok());
      const std::string bytes = stored(appended->base_offset);
      EXPECT_EQ(plain_records(bytes), plain_records(batch(Compression::none, {1, text})));
      sizes[i] = bytes.size();
    }
    EXPECT_NE(sizes[0], sizes[1]) << static_cast<int>(codec);
  }
}

TEST_F(Recompressed, IsSettledAlsoAfterACrash) {
  want(Compression::snappy);
  sync(broker_);
  broker_.crash();
  auto appended = append(batch(Compression::none, {}));
  ASSERT_TRUE(appended.ok());
  sync(broker_);
  broker_.checkpoint();
  broker_.crash();
  EXPECT_EQ(model::check_batch(stored(Offset(0)))->compression(), Compression::snappy);
  appended = append(batch(Compression::zstd, {}));
  ASSERT_TRUE(appended.ok());
  sync(broker_);
  EXPECT_EQ(model::check_batch(stored(Offset(3)))->compression(), Compression::snappy);
}

}  // namespace
}  // namespace trv::broker
