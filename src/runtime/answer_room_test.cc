#include "runtime/answer_room.h"

#include <gtest/gtest.h>

#include <string>

namespace trv::runtime {
namespace {

constexpr std::size_t room_size = 100;

class AnswerRoomTest : public testing::Test {
 protected:
  AnswerRoomTest() {
    ConnectionLimits limits;
    limits.unsent_max = room_size;
    core_.set_connection_limits(limits);
  }

  void wait(std::size_t size, char name) {
    room_.enter_later(size, [this, name] {
      entered_ += name;
      return true;
    });
  }

  // Until nothing is left to be done.
  void run() {
    core_.post([this] { core_.post([this] { core_.stop(); }); });
    core_.run();
  }

  Core core_{CoreIndex{0}};
  AnswerRoom room_{core_};
  std::string entered_;
};

TEST_F(AnswerRoomTest, lets_in_what_fits) {
  EXPECT_TRUE(room_.try_enter(60));
  EXPECT_TRUE(room_.try_enter(40));
  EXPECT_FALSE(room_.try_enter(1));
  room_.leave(40);
  EXPECT_TRUE(room_.try_enter(40));
}

TEST_F(AnswerRoomTest, lets_in_whoever_waits_in_order_and_later) {
  ASSERT_TRUE(room_.try_enter(60));
  wait(50, 'a');
  wait(10, 'b');
  wait(90, 'c');
  EXPECT_FALSE(room_.try_enter(10)) << "others wait";
  room_.leave(60);
  EXPECT_EQ(entered_, "");
  run();
  EXPECT_EQ(entered_, "ab");
  room_.leave(10);
  run();
  EXPECT_EQ(entered_, "ab");
  room_.leave(50);
  run();
  EXPECT_EQ(entered_, "abc");
}

TEST_F(AnswerRoomTest, what_is_larger_is_alone_until_the_next_round) {
  ASSERT_TRUE(room_.try_enter(room_size + 1));
  EXPECT_FALSE(room_.try_enter(0));
  wait(1, 'a');
  run();
  EXPECT_EQ(entered_, "");
  room_.leave(room_size + 1);
  EXPECT_FALSE(room_.try_enter(1));
  run();
  EXPECT_EQ(entered_, "a");
  EXPECT_TRUE(room_.try_enter(1));
}

TEST_F(AnswerRoomTest, who_waits_where_nobody_is_enters_soon) {
  wait(room_size, 'a');
  EXPECT_EQ(entered_, "");
  run();
  EXPECT_EQ(entered_, "a");
  EXPECT_FALSE(room_.try_enter(1));
}

TEST_F(AnswerRoomTest, who_has_no_use_for_it_leaves_it) {
  ASSERT_TRUE(room_.try_enter(room_size));
  room_.enter_later(room_size + 1, [] { return false; });
  wait(room_size, 'a');
  room_.leave(room_size);
  run();
  run();
  EXPECT_EQ(entered_, "a");
  EXPECT_FALSE(room_.try_enter(1));
  room_.leave(room_size);
  EXPECT_TRUE(room_.try_enter(room_size));
}

TEST_F(AnswerRoomTest, what_is_larger_does_not_shut_the_room_for_good) {
  ASSERT_TRUE(room_.try_enter(room_size + 1));
  room_.leave(room_size + 1);
  run();
  EXPECT_TRUE(room_.try_enter(room_size));
}

}  // namespace
}  // namespace trv::runtime
