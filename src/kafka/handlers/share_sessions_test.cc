// Proves share sessions: their epochs, what they read, their end; and the checks of
// acknowledgements.
#include "kafka/handlers/share_sessions.h"

#include <gtest/gtest.h>

#include "kafka/handlers/share_visit.h"

namespace trv::kafka {
namespace {

using Batch = wire::ShareFetchRequest::Topic::Partition::AcknowledgementBatch;

constexpr wire::Uuid first_id{1, 1};
constexpr wire::Uuid second_id{1, 2};
const ShareSessions::Key key{"g", "m"};

std::string look(const ShareSessions::Topics& topics) {
  std::string text;
  for (const ShareSessionTopic& topic : topics) {
    text += (text.empty() ? "" : " ") + std::to_string(topic.id.low) + ":";
    for (std::int32_t index : topic.partitions) text += std::to_string(index);
  }
  return text;
}

TEST(ShareSessions, EpochsAscend) {
  ShareSessions sessions;
  EXPECT_EQ(sessions.proceed(key, 1), ErrorCode::share_session_not_found);
  EXPECT_EQ(sessions.proceed(key, -1), ErrorCode::share_session_not_found);
  EXPECT_EQ(sessions.open(key, ConnectionId(1), {}), ErrorCode::none);
  EXPECT_EQ(sessions.proceed(key, 2), ErrorCode::invalid_share_session_epoch);
  EXPECT_EQ(sessions.proceed(key, 1), ErrorCode::none);
  EXPECT_EQ(sessions.proceed(key, 1), ErrorCode::invalid_share_session_epoch);
  EXPECT_EQ(sessions.proceed(key, 2), ErrorCode::none);
  EXPECT_EQ(sessions.proceed(key, -1), ErrorCode::none);
  EXPECT_EQ(sessions.open(key, ConnectionId(1), {}), ErrorCode::none) << "it begins anew";
  EXPECT_EQ(sessions.proceed(key, 1), ErrorCode::none);
}

TEST(ShareSessions, RequestsNameOnlyWhatTheyChange) {
  ShareSessions sessions;
  sessions.open(key, ConnectionId(1), {{first_id, {0, 1}}, {second_id, {}}});
  EXPECT_EQ(look(sessions.next_turn(key)), "1:10");
  sessions.change(key, {{second_id, {5}}, {first_id, {1, 2}}}, {{first_id, {0}}});
  EXPECT_EQ(look(sessions.next_turn(key)), "2:5 1:21");
  EXPECT_EQ(look(sessions.next_turn(key)), "1:21 2:5");
  sessions.change(key, {}, {{second_id, {5, 6}}, {{9, 9}, {1}}});
  EXPECT_EQ(look(sessions.close(key)), "1:21");
  EXPECT_FALSE(sessions.exists(key));
  EXPECT_EQ(look(sessions.close(key)), "");
}

TEST(ShareSessions, TheyEndWithTheirConnection) {
  ShareSessions sessions;
  sessions.open(key, ConnectionId(1), {{first_id, {0}}});
  sessions.open({"g", "n"}, ConnectionId(2), {{second_id, {0}}});
  auto closed = sessions.close_all(ConnectionId(2));
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].first.second, "n");
  EXPECT_EQ(look(closed[0].second), "2:0");
  EXPECT_TRUE(sessions.exists(key));
}

TEST(ShareSessions, SoManyAtMost) {
  ShareSessions sessions;
  for (std::size_t i = 0; i < ShareSessions::count_max; ++i) {
    EXPECT_EQ(sessions.open({"g", std::to_string(i)}, ConnectionId(1), {}), ErrorCode::none);
  }
  EXPECT_EQ(sessions.open(key, ConnectionId(1), {}), ErrorCode::share_session_limit_reached);
  EXPECT_EQ(sessions.open({"g", "7"}, ConnectionId(1), {}), ErrorCode::none) << "in its place";
}

using As = model::ShareCursor::Ack::As;

TEST(ShareAcks, BatchesAreChecked) {
  auto wrong = [](std::vector<Batch> batches) { return share_acks(3, batches, false).wrong; };
  EXPECT_EQ(wrong({}), ErrorCode::none);
  EXPECT_EQ(wrong({{0, 4, {1}}, {5, 5, {2}}}), ErrorCode::none);
  EXPECT_EQ(wrong({{0, 1, {0, 3}}}), ErrorCode::none);
  EXPECT_EQ(wrong({{5, 5, {1}}, {4, 4, {1}}}), ErrorCode::none) << "in any order";
  EXPECT_EQ(wrong({{1, 2, {1}}, {0, 1, {1}}}), ErrorCode::invalid_record_state);
  const std::vector<std::vector<Batch>> bad{
      {{1, 0, {1}}},  {{0, 1, {}}},   {{0, 2, {1, 1}}},         {{0, 1, {4}}},
      {{0, 1, {-1}}}, {{-2, 1, {1}}}, {{0, INT64_MAX, {1, 1}}}, {{0, INT64_MAX, {1}}}};
  for (const auto& batches : bad) EXPECT_EQ(wrong(batches), ErrorCode::invalid_request);
}

TEST(ShareAcks, TypesBecomeOurs) {
  std::vector<Batch> batches{{0, 3, {1}}, {4, 6, {0, 2, 3}}};
  ShareAcks acks = share_acks(3, batches, false);
  ASSERT_EQ(acks.acks.size(), 4u);
  EXPECT_EQ(acks.acks[0].first, Offset(0));
  EXPECT_EQ(acks.acks[0].end, Offset(4));
  EXPECT_EQ(acks.acks[0].as, As::settled);
  EXPECT_EQ(acks.acks[1].as, As::settled) << "a gap";
  EXPECT_EQ(acks.acks[2].as, As::released);
  EXPECT_EQ(acks.acks[3].as, As::settled);
}

TEST(ShareAcks, OnlyARequestThatSaysSoRenews) {
  std::vector<Batch> batches{{0, 3, {4}}, {4, 5, {4, 1}}};
  EXPECT_EQ(share_acks(3, batches, false).wrong, ErrorCode::invalid_request);
  ShareAcks acks = share_acks(3, batches, true);
  EXPECT_EQ(acks.wrong, ErrorCode::none);
  ASSERT_EQ(acks.acks.size(), 3u);
  EXPECT_EQ(acks.acks[0].as, As::renewed);
  EXPECT_EQ(acks.acks[1].as, As::renewed);
  EXPECT_EQ(acks.acks[2].as, As::settled);
  batches.push_back({6, 6, {5}});
  EXPECT_EQ(share_acks(3, batches, true).wrong, ErrorCode::invalid_request);
}

}  // namespace
}  // namespace trv::kafka
