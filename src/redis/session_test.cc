// Proves: which requests are admitted, queued or refused in each state of a session, with what
// words, and that the command table is sound.
#include "redis/session.h"

#include <gtest/gtest.h>

#include "redis/access/account.h"

namespace trv::redis {
namespace {

class SessionTest : public testing::Test {
 protected:
  // The admitted command's name, or the reply.
  std::string ask(std::vector<std::string> words) {
    std::vector<ByteView> args(words.begin(), words.end());
    std::string out;
    ReplyWriter reply(out, session_.protocol);
    Denial denial;
    const Command* command = admit(table_, session_, args, reply, denial);
    return command ? std::string(command->name) : out;
  }
  CommandTable table_;
  Session session_;
};

TEST_F(SessionTest, FindsCommandsWhateverTheirCase) {
  EXPECT_EQ(ask({"GET", "a"}), "get");
  EXPECT_EQ(ask({"gEt", "a"}), "get");
  EXPECT_EQ(ask({"XGROUP", "create", "s", "g", "$"}), "xgroup|create");
  EXPECT_EQ(ask({"COMMAND"}), "command");
}

TEST_F(SessionTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(ask({"foo"}), "-ERR unknown command 'foo', with args beginning with: \r\n");
  EXPECT_EQ(ask({"foo", "a", "b"}),
            "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
  EXPECT_EQ(ask({"CLIENT", "MAINT_NOTIFICATIONS", "on"}),
            "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n");
  EXPECT_EQ(ask({"client|id"}), "-ERR unknown command 'client|id', with args beginning with: \r\n");
  EXPECT_EQ(ask({"GET"}), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_EQ(ask({"CLIENT"}), "-ERR wrong number of arguments for 'client' command\r\n");
  EXPECT_EQ(ask({"CLIENT", "ID", "x"}),
            "-ERR wrong number of arguments for 'client|id' command\r\n");
  std::string longest = ask({std::string(500, 'x'), std::string(500, 'y')});
  EXPECT_LT(longest.size(), 400u);
}

TEST_F(SessionTest, BeforeLoginOnlyLoggingIn) {
  session_.authenticated = false;
  EXPECT_EQ(ask({"GET", "a"}), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(ask({"PING"}), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(ask({"AUTH", "x"}), "auth");
  EXPECT_EQ(ask({"HELLO", "3"}), "hello");
  EXPECT_EQ(ask({"QUIT"}), "quit");
}

TEST_F(SessionTest, TransactionsQueue) {
  session_.transaction = TransactionState::queueing;
  EXPECT_EQ(ask({"GET", "a"}), "+QUEUED\r\n");
  EXPECT_EQ(ask({"SET", "a", "1"}), "+QUEUED\r\n");
  ASSERT_EQ(session_.queue.size(), 2u);
  EXPECT_EQ(session_.queue[1].args, (std::vector<std::string>{"SET", "a", "1"}));
  EXPECT_EQ(ask({"EXEC"}), "exec");
  EXPECT_EQ(ask({"MULTI"}), "multi");
  EXPECT_EQ(ask({"WATCH", "a"}), "watch");
  EXPECT_EQ(session_.transaction, TransactionState::queueing);
}

TEST_F(SessionTest, ARefusedCommandBreaksTheTransaction) {
  session_.transaction = TransactionState::queueing;
  EXPECT_EQ(ask({"GET", "a"}), "+QUEUED\r\n");
  EXPECT_TRUE(ask({"GET"}).starts_with("-ERR wrong number"));
  EXPECT_EQ(session_.transaction, TransactionState::broken);
  EXPECT_EQ(ask({"GET", "a"}), "+QUEUED\r\n");
  EXPECT_TRUE(session_.queue.empty());
}

TEST_F(SessionTest, TheQueueHasALimit) {
  session_.transaction = TransactionState::queueing;
  session_.queue_bytes = Session::queue_bytes_max - 10;
  EXPECT_EQ(ask({"SET", "a", "12345678901"}), "-ERR the transaction is too large\r\n");
  EXPECT_EQ(session_.transaction, TransactionState::broken);
}

TEST_F(SessionTest, Resp2SubscribersMayOnlyListen) {
  session_.channels.insert("ch");
  EXPECT_EQ(
      ask({"GET", "a"}),
      "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
      "are allowed in this context\r\n");
  EXPECT_EQ(ask({"PING"}), "ping");
  EXPECT_EQ(ask({"SUBSCRIBE", "b"}), "subscribe");
  session_.protocol = Protocol::resp3;
  EXPECT_EQ(ask({"GET", "a"}), "get");
}

TEST(CommandTable, RowsAreSound) {
  CommandTable table;
  for (const Command* command : table.all()) {
    EXPECT_EQ(table.find(command->name), command);
    EXPECT_NE(command->arity, 0) << command->name;
    EXPECT_FALSE(command->summary.empty());
    if (command->key_rule == KeyRule::range) {
      EXPECT_GE(command->first_key, 1) << command->name;
      EXPECT_NE(command->key_step, 0) << command->name;
    }
    if (command->where == Where::keys) {
      EXPECT_NE(command->key_rule, KeyRule::none) << command->name;
    }
    for (char c : command->name) EXPECT_FALSE(c >= 'A' && c <= 'Z') << command->name;
  }
}

TEST(CommandTable, FindsKeys) {
  CommandTable table;
  auto keys_of = [&](std::vector<std::string> words) {
    std::vector<ByteView> args(words.begin(), words.end());
    std::vector<std::string> keys;
    bool shaped = CommandTable::each_key(*table.find(args[0]), args,
                                         [&](std::size_t i) { keys.emplace_back(args[i]); });
    if (!shaped) keys = {"?"};
    return keys;
  };
  using Keys = std::vector<std::string>;
  EXPECT_EQ(keys_of({"get", "a"}), (Keys{"a"}));
  EXPECT_EQ(keys_of({"mset", "a", "1", "b", "2"}), (Keys{"a", "b"}));
  EXPECT_EQ(keys_of({"xread", "count", "1", "streams", "a", "b", "0", "0"}), (Keys{"a", "b"}));
  EXPECT_EQ(keys_of({"xreadgroup", "group", "streams", "c", "streams", "a", ">"}), (Keys{"a"}));
  EXPECT_EQ(keys_of({"xread", "streams", "a", "b", "0"}), (Keys{"?"}));
  EXPECT_EQ(keys_of({"ping"}), (Keys{}));
}

}  // namespace
}  // namespace trv::redis
