// Proves the bookkeeping of a channel: which tags are known, and which confirms are due, in which
// order. A twin that keeps plain sets says what is right.
#include "amqp/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace trv::amqp {
namespace {

std::vector<std::uint64_t> tags(const std::vector<Unsettled>& entries) {
  std::vector<std::uint64_t> out;
  for (const Unsettled& entry : entries) out.push_back(entry.tag);
  return out;
}

TEST(Channel, TagsAgreeWithTheTwin) {
  std::mt19937 random(1);
  runtime::InputBlockPool blocks;
  Channel channel(1, 1, blocks);
  Subscription& consumer = channel.add_consumer(1, "c");
  std::set<std::uint64_t> twin;
  std::uint64_t last = 0;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      twin.insert(channel.add_delivery(consumer, Sequence(step)));
      last = *twin.rbegin();
      continue;
    }
    // A straggler is left for long, so that blanks pile up behind it.
    const std::uint64_t tag = last > 50 ? last - random() % 50 : random() % (last + 2);
    const bool multiple = random() % 97 == 0;
    std::vector<Unsettled> taken;
    const bool known = twin.contains(tag);
    ASSERT_EQ(channel.take_unsettled(tag, multiple, taken), known || (tag == 0 && multiple));
    std::vector<std::uint64_t> expected;
    if (known && !multiple) expected = {tag};
    if (known && multiple) expected.assign(twin.begin(), twin.upper_bound(tag));
    if (tag == 0 && multiple) expected.assign(twin.begin(), twin.end());
    ASSERT_EQ(tags(taken), expected);
    for (const std::uint64_t gone : expected) twin.erase(gone);
    ASSERT_EQ(channel.unsettled_count(), twin.size());
    ASSERT_EQ(consumer.unsettled, twin.size());
  }
  std::vector<Unsettled> rest;
  channel.take_all_unsettled(rest);
  EXPECT_EQ(tags(rest), std::vector<std::uint64_t>(twin.begin(), twin.end()));
}

TEST(Channel, AutomaticSettlementOnlyNumbers) {
  runtime::InputBlockPool blocks;
  Channel channel(1, 1, blocks);
  Subscription& consumer = channel.add_consumer(1, "c");
  consumer.no_ack = true;
  EXPECT_EQ(channel.add_delivery(consumer, Sequence(0)), 1u);
  EXPECT_EQ(channel.add_delivery(consumer, Sequence(1)), 2u);
  std::vector<Unsettled> taken;
  EXPECT_FALSE(channel.take_unsettled(1, false, taken));
  EXPECT_EQ(channel.unsettled_count(), 0u);
}

TEST(Channel, GetsDoNotCountAgainstLimits) {
  runtime::InputBlockPool blocks;
  Channel channel(1, 1, blocks);
  Subscription& holder = channel.add_get_holder(1, "q", false);
  channel.add_delivery(holder, Sequence(0));
  EXPECT_EQ(channel.unsettled_count(), 0u);
  EXPECT_EQ(holder.unsettled, 1u);
}

TEST(Channel, ATagIsFreeAgainWhenItsConsumerIsGone) {
  runtime::InputBlockPool blocks;
  Channel channel(1, 1, blocks);
  Subscription& first = channel.add_consumer(1, "c");
  channel.add_delivery(first, Sequence(0));
  EXPECT_EQ(channel.find_consumer("c"), &first);
  EXPECT_EQ(channel.find_consumer("d"), nullptr);
  first.state = Subscription::State::gone;
  EXPECT_EQ(channel.find_consumer("c"), nullptr);
  Subscription& second = channel.add_consumer(2, "c");
  std::vector<Unsettled> taken;
  channel.take_all_unsettled(taken);
  channel.drop_if_done(first);
  EXPECT_EQ(channel.find_subscription(1), nullptr);
  EXPECT_EQ(channel.find_consumer("c"), &second);
  channel.remove(second);
  EXPECT_EQ(channel.find_consumer("c"), nullptr);
}

TEST(Channel, AHolderIsOfOneQueueAndOneWayOfSettling) {
  runtime::InputBlockPool blocks;
  Channel channel(1, 1, blocks);
  Subscription& holder = channel.add_get_holder(1, "q", false);
  Subscription& automatic = channel.add_get_holder(2, "q", true);
  EXPECT_EQ(channel.find_get_holder("q", false), &holder);
  EXPECT_EQ(channel.find_get_holder("q", true), &automatic);
  EXPECT_EQ(channel.find_get_holder("r", true), nullptr);
  channel.remove(automatic);
  EXPECT_EQ(channel.find_get_holder("q", true), nullptr);
  EXPECT_EQ(channel.find_get_holder("q", false), &holder);
}

TEST(Channel, HeldDeliveriesTakeTurns) {
  runtime::InputBlockPool blocks;
  Channel channel(1, 1, blocks);
  EXPECT_EQ(channel.next_with_held(), nullptr);
  for (std::uint64_t key : {1, 2, 3}) channel.add_consumer(key, std::to_string(key));
  for (std::uint64_t key : {1, 3}) channel.find_subscription(key)->held.resize(2);
  std::string turns;
  while (Subscription* next = channel.next_with_held()) {
    next->held.pop_front();
    channel.held_turn = next->key;
    turns += next->tag;
  }
  EXPECT_EQ(turns, "1313");
}

TEST(Channel, AFlushConcernsWhatWasSettled) {
  runtime::InputBlockPool blocks;
  Channel channel(1, 1, blocks);
  Subscription& busy = channel.add_consumer(1, "busy");
  channel.add_consumer(2, "idle");
  EXPECT_TRUE(channel.take_touched().empty());
  channel.add_delivery(busy, Sequence(0));
  channel.add_delivery(busy, Sequence(1));
  std::vector<Unsettled> taken;
  channel.take_unsettled(2, true, taken);
  EXPECT_EQ(channel.take_touched(), std::vector<std::uint64_t>{1});
  EXPECT_TRUE(channel.take_touched().empty());
}

TEST(Channel, TheFirstDueIsTheOneThatStillWaits) {
  using std::chrono::seconds;
  runtime::InputBlockPool blocks;
  Channel channel(1, 1, blocks);
  Subscription& s = channel.add_consumer(1, "c");
  const runtime::SteadyTime start(seconds(100));
  EXPECT_EQ(channel.first_due(), nullptr);
  channel.add_delivery(s, Sequence(0));
  EXPECT_EQ(channel.first_due(), nullptr);
  channel.add_delivery(s, Sequence(1), start + seconds(2));
  channel.add_delivery(s, Sequence(2), start + seconds(1));
  ASSERT_NE(channel.first_due(), nullptr);
  EXPECT_EQ(channel.first_due()->sequence, Sequence(2));
  std::vector<Unsettled> out;
  ASSERT_TRUE(channel.take_unsettled(3, false, out));
  EXPECT_EQ(channel.first_due()->sequence, Sequence(1));
}

TEST(Confirms, AreAnsweredInOrderAndTogether) {
  Confirms confirms;
  confirms.turn_on();
  for (int i = 0; i < 6; ++i) confirms.next();
  confirms.open_group(2);
  confirms.open_group(3);
  confirms.open_group(5);
  Confirms::Answer answer;
  confirms.close_group(3, true);
  EXPECT_FALSE(confirms.take_answer(answer));  // 1 and 2 are not safe yet
  confirms.close_group(2, true);
  ASSERT_TRUE(confirms.take_answer(answer));
  EXPECT_EQ(answer.first, 1u);
  EXPECT_EQ(answer.last, 3u);
  EXPECT_TRUE(answer.ok);
  EXPECT_FALSE(confirms.take_answer(answer));
  confirms.close_group(5, false);
  ASSERT_TRUE(confirms.take_answer(answer));
  EXPECT_EQ(answer.first, 4u);
  EXPECT_EQ(answer.last, 5u);
  EXPECT_FALSE(answer.ok);
  EXPECT_EQ(confirms.grouped(), 5u);
}

TEST(Confirms, FailuresAreNotMixedWithSuccesses) {
  Confirms confirms;
  confirms.turn_on();
  for (int i = 0; i < 3; ++i) confirms.open_group(confirms.next());
  confirms.close_group(1, true);
  confirms.close_group(2, false);
  confirms.close_group(3, true);
  Confirms::Answer answer;
  std::vector<bool> oks;
  while (confirms.take_answer(answer)) oks.push_back(answer.ok);
  EXPECT_THAT(oks, testing::ElementsAre(true, false, true));
}

}  // namespace
}  // namespace trv::amqp
