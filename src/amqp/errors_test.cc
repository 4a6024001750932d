// Pins the code that each kind of error gets, and the texts that clients compare.
#include "amqp/errors.h"

#include <gtest/gtest.h>

namespace trv::amqp {
namespace {

TEST(Errors, EveryKindHasItsCode) {
  struct Row {
    Errc kind;
    int code;
  };
  const Row rows[] = {
      {Errc::not_found, 404},
      {Errc::already_exists, 406},
      {Errc::invalid_argument, 406},
      {Errc::precondition_failed, 406},
      {Errc::access_refused, 403},
      {Errc::locked, 405},
      {Errc::in_use, 406},
      {Errc::wrong_type, 406},
      {Errc::out_of_range, 406},
      {Errc::too_large, 406},
      {Errc::unsupported, 540},
      {Errc::corrupt, 541},
      {Errc::no_space, 506},
      {Errc::io_error, 541},
      {Errc::overloaded, 506},
      {Errc::fenced, 541},
      {Errc::sequence_gap, 406},
      {Errc::invalid_state, 406},
      {Errc::concurrent_update, 406},
      {Errc::timed_out, 541},
      {Errc::closed, 541},
  };
  EXPECT_EQ(std::size(rows), static_cast<std::size_t>(Errc::closed) + 1);
  for (const Row& row : rows) {
    const Failure failure = failure_of({row.kind, "m"}, queue_resource("q"));
    EXPECT_EQ(static_cast<int>(failure.code), row.code) << static_cast<int>(row.kind);
  }
}

TEST(Errors, Texts) {
  EXPECT_EQ(reply_text(no_queue("q")), "NOT_FOUND - no queue 'q' in vhost '/'");
  EXPECT_EQ(reply_text(no_exchange("x")), "NOT_FOUND - no exchange 'x' in vhost '/'");
  EXPECT_EQ(reply_text(unknown_delivery_tag(82)), "PRECONDITION_FAILED - unknown delivery tag 82");
  EXPECT_EQ(reply_text(inequivalent("durable", queue_resource("q"), "false", "true")),
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received "
            "'false' but current is 'true'");
  EXPECT_EQ(reply_text(failure_of({Errc::in_use, ""}, queue_resource("q"))),
            "PRECONDITION_FAILED - queue 'q' in vhost '/' in use");
  EXPECT_EQ(reply_text(precondition(std::string(500, 'x'))).size(), 255u);
}

TEST(Errors, CodesCloseWhatTheyShould) {
  for (const int code : {311, 312, 313, 403, 404, 405, 406}) {
    EXPECT_FALSE(closes_connection(static_cast<ReplyCode>(code))) << code;
  }
  for (const int code : {320, 402, 501, 502, 503, 504, 505, 506, 530, 540, 541}) {
    EXPECT_TRUE(closes_connection(static_cast<ReplyCode>(code))) << code;
  }
}

}  // namespace
}  // namespace trv::amqp
