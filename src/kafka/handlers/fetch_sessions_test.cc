// Proves what sessions of fetches keep: which requests continue them, what their answers leave out,
// and that neither their number nor their memory grows beyond its limits.
#include "kafka/handlers/fetch_sessions.h"

#include <gtest/gtest.h>

namespace trv::kafka {
namespace {

using std::chrono::minutes;

constexpr runtime::SteadyTime start{};

FetchTopic topic(const std::string& name, std::initializer_list<std::int32_t> indexes,
                 std::int64_t offset = 0) {
  FetchTopic topic{name, std::nullopt, {}};
  for (std::int32_t index : indexes) topic.partitions.push_back({index, -1, offset, 100});
  return topic;
}

struct Told {
  std::int32_t index = 0;
  std::int64_t high_watermark = 0;
  std::size_t size = 0;
  std::int16_t error = 0;
};

wire::FetchResponse answer(const std::string& name, std::initializer_list<Told> told) {
  wire::FetchResponse response;
  auto& topic = response.topics.emplace_back();
  topic.name = name;
  for (const Told& each : told) {
    auto& partition = topic.partitions.emplace_back();
    partition.index = each.index;
    partition.high_watermark = each.high_watermark;
    partition.log_start_offset = 0;
    partition.error_code = each.error;
    partition.records.size = each.size;
  }
  return response;
}

std::vector<std::int32_t> indexes(const wire::FetchResponse& response) {
  std::vector<std::int32_t> found;
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) found.push_back(partition.index);
  }
  return found;
}

// As "name:index@offset".
std::vector<std::string> wanted(const FetchSessions::Step& step) {
  std::vector<std::string> found;
  for (const FetchTopic& topic : step.topics) {
    for (const FetchPartition& partition : topic.partitions) {
      found.push_back(topic.name + ":" + std::to_string(partition.index) + "@" +
                      std::to_string(partition.offset));
    }
  }
  return found;
}

using Strings = std::vector<std::string>;
using Indexes = std::vector<std::int32_t>;

class FetchSessionsTest : public testing::Test {
 protected:
  std::int32_t open(const FetchTopic& asked, const wire::FetchResponse& told = {}) {
    return sessions_.open({asked}, false, told, now_);
  }
  FetchSessions::Step proceed(std::int32_t id, std::int32_t epoch,
                              std::vector<FetchTopic> asked = {},
                              std::vector<FetchTopic> forgotten = {}) {
    return sessions_.proceed({id, epoch, false, std::move(asked), std::move(forgotten)}, now_);
  }

  FetchSessions sessions_{1, {3, 10'000, minutes(2)}};
  runtime::SteadyTime now_ = start;
};

TEST_F(FetchSessionsTest, GoesOnWithWhatIsKnown) {
  std::int32_t id = open(topic("a", {0, 1}));
  ASSERT_GT(id, 0);
  FetchSessions::Step step = proceed(id, 1);
  EXPECT_EQ(step.error, ErrorCode::none);
  EXPECT_EQ(step.id, id);
  EXPECT_EQ(step.epoch, 2);
  EXPECT_EQ(wanted(step), (Strings{"a:0@0", "a:1@0"}));
  // What changes is another offset, another topic, and one partition less.
  step = proceed(id, 2, {topic("a", {1}, 7), topic("b", {4})}, {topic("a", {0})});
  EXPECT_EQ(wanted(step), (Strings{"a:1@7", "b:4@0"}));
}

TEST_F(FetchSessionsTest, RefusesWhatDoesNotContinueIt) {
  std::int32_t id = open(topic("a", {0}));
  EXPECT_EQ(proceed(id + 1, 1).error, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(proceed(0, 1).error, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(proceed(id, 2).error, ErrorCode::invalid_fetch_session_epoch);
  EXPECT_EQ(proceed(id, -2).error, ErrorCode::invalid_fetch_session_epoch);
  EXPECT_EQ(sessions_.proceed({id, 1, true, {}, {}}, now_).error,
            ErrorCode::fetch_session_topic_id_error);
  EXPECT_EQ(proceed(id, 1).error, ErrorCode::none);
  EXPECT_EQ(proceed(id, 1).error, ErrorCode::invalid_fetch_session_epoch);
  sessions_.close(id);
  EXPECT_EQ(proceed(id, 2).error, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(sessions_.bytes(), 0u);
}

TEST_F(FetchSessionsTest, EndsWithItsLastPartition) {
  std::int32_t id = open(topic("a", {0, 1}));
  FetchSessions::Step step =
      proceed(id, 1, {topic("b", {2})}, {topic("a", {0, 1, 9}), topic("b", {2})});
  EXPECT_EQ(step.error, ErrorCode::none);
  EXPECT_EQ(step.id, 0);
  EXPECT_EQ(wanted(step), (Strings{"b:2@0"}));  // as a request of its own
  EXPECT_EQ(sessions_.count(), 0u);
  EXPECT_EQ(sessions_.bytes(), 0u);
}

TEST_F(FetchSessionsTest, TellsOnlyNews) {
  std::int32_t id = open(topic("a", {0, 1, 2}), answer("a", {{0, 5}, {1, 5}, {2, 5}}));
  std::int32_t epoch = 1;
  auto settle = [&](std::initializer_list<Told> told) {
    EXPECT_EQ(proceed(id, epoch).error, ErrorCode::none);
    wire::FetchResponse response = answer("a", told);
    EXPECT_EQ(sessions_.settle(id, ++epoch, response), ErrorCode::none);
    return indexes(response);
  };
  EXPECT_EQ(settle({{0, 5}, {1, 5}, {2, 5}}), Indexes{});
  EXPECT_EQ(settle({{0, 5}, {1, 6}, {2, 5}}), Indexes{1});
  EXPECT_EQ(settle({{0, 5, 10}, {1, 6}, {2, 5}}), Indexes{0});
  EXPECT_EQ(settle({{0, 5}, {1, 6}, {2, -1, 0, 3}}), Indexes{2});
  EXPECT_EQ(settle({{0, 5}, {1, 6}, {2, -1, 0, 3}}), Indexes{2});
  EXPECT_EQ(settle({{0, 5}, {1, 6}, {2, 5}}), Indexes{2});  // the error has ended
  EXPECT_EQ(settle({{0, 5}, {1, 6}, {2, 5}}), Indexes{});
}

TEST_F(FetchSessionsTest, ReadsLastWhatGaveRecords) {
  std::int32_t id = sessions_.open({topic("a", {0, 1}), topic("b", {0})}, false, {}, now_);
  proceed(id, 1);
  wire::FetchResponse response = answer("a", {{0, 5, 10}, {1, 5}});
  EXPECT_EQ(sessions_.settle(id, 2, response), ErrorCode::none);
  EXPECT_EQ(wanted(proceed(id, 2)), (Strings{"b:0@0", "a:1@0", "a:0@0"}));
}

TEST_F(FetchSessionsTest, AnswersTheLastRequestOnly) {
  std::int32_t id = open(topic("a", {0}));
  proceed(id, 1);
  proceed(id, 2);
  wire::FetchResponse response = answer("a", {{0, 5}});
  EXPECT_EQ(sessions_.settle(id, 2, response), ErrorCode::invalid_fetch_session_epoch);
  EXPECT_EQ(sessions_.settle(id, 3, response), ErrorCode::none);
  sessions_.close(id);
  EXPECT_EQ(sessions_.settle(id, 3, response), ErrorCode::fetch_session_id_not_found);
}

TEST_F(FetchSessionsTest, MakesRoomAsKafkaDoes) {
  std::int32_t small = open(topic("a", {0}));
  std::int32_t large = open(topic("a", {0, 1, 2}));
  std::int32_t middle = open(topic("a", {0, 1}));
  EXPECT_EQ(open(topic("a", {0, 1, 2, 3})), 0);  // all are young
  now_ += minutes(1);
  proceed(large, 1);
  now_ += std::chrono::seconds(61);
  // `small` and `middle` were not used for longer than they are kept, and go first.
  EXPECT_GT(open(topic("a", {0})), 0);
  EXPECT_GT(open(topic("a", {0})), 0);
  EXPECT_EQ(proceed(small, 1).error, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(proceed(middle, 1).error, ErrorCode::fetch_session_id_not_found);
  // `large` is old, but only one with more partitions takes its place.
  EXPECT_EQ(proceed(large, 2).error, ErrorCode::none);
  EXPECT_EQ(open(topic("a", {0, 1, 2})), 0);
  EXPECT_GT(open(topic("a", {0, 1, 2, 3})), 0);
  EXPECT_EQ(proceed(large, 3).error, ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(sessions_.count(), 3u);
}

TEST_F(FetchSessionsTest, BoundsItsMemory) {
  EXPECT_EQ(open(topic(std::string(10'000, 'x'), {0})), 0);
  std::int32_t id = open(topic("a", {0}));
  std::size_t bytes = sessions_.bytes();
  EXPECT_EQ(proceed(id, 1, {topic("a", {0}, 9)}).error, ErrorCode::none);
  EXPECT_EQ(sessions_.bytes(), bytes);
  // What outgrows its place ends; its client begins anew.
  EXPECT_EQ(proceed(id, 2, {topic(std::string(5'000, 'x'), {0})}).error,
            ErrorCode::fetch_session_id_not_found);
  EXPECT_EQ(sessions_.count(), 0u);
  EXPECT_EQ(sessions_.bytes(), 0u);
}

}  // namespace
}  // namespace trv::kafka
