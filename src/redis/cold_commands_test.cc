// Proves that commands which read what is on the disk only wait for it beside the core, get it
// whole and in their order, happen once, and not before: what becomes of keys, groups, clients,
// rules and pauses meanwhile counts. The disk is one in memory that says what it would have to be
// waited for; the clients are the other ends of socket pairs.
#include "redis/cold_commands.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "broker/broker_test_support.h"
#include "redis/connection.h"
#include "redis/convert.h"

namespace trv::redis {
namespace {

// A client of another core, as this one sees it.
class FarClient final : public Client {
 public:
  explicit FarClient(Service& service) : service_(service) {
    session_.id = service.add_client(*this);
    service.accounts().begin(session_);
  }
  ~FarClient() override { service_.remove_client(session_.id); }
  FarClient(const FarClient&) = delete;
  FarClient& operator=(const FarClient&) = delete;

  Session& session() override { return session_; }
  ClientFacts facts() const override { return {}; }
  bool is_near() const override { return true; }
  void push(const Slice&) override {}
  void push_behind(const Slice&) override {}
  std::uint64_t defer() override { return 0; }
  void fulfil(std::uint64_t place, std::string bytes, broker::Commit) override {
    answers += std::to_string(place) + " " + bytes.substr(0, bytes.find('\r')) + "\n";
  }
  void on_durable(std::uint64_t, bool) override {}
  void resume() override {}
  bool unblock(bool) override { return false; }
  void await(std::uint64_t place, CoreIndex, bool) override { awaited.push_back(place); }
  bool may_answer(UniqueFunction<void()> then) override {
    if (!has_turn) on_turn = std::move(then);
    return has_turn;
  }
  void kill(bool) override {}

  void ship(std::vector<std::string> args) {
    const Command* command = service_.table().find(args[0]);
    const std::vector<ByteView> views(args.begin(), args.end());
    service_.run_shipped(*command, PackedArgs(views), caller(), place());
  }
  void ship_transaction(std::vector<std::vector<std::string>> queue) {
    std::vector<QueuedCommand> queued;
    for (auto& args : queue) queued.push_back({service_.table().find(args[0]), args});
    service_.run_shipped_transaction(queued, {}, caller(), place());
  }

  std::string answers;  // place and first line of each
  std::vector<std::uint64_t> awaited;
  bool has_turn = true;
  UniqueFunction<void()> on_turn;

 private:
  Caller caller() const {
    return {session_.id, service_.broker().core().index(), Protocol::resp2, Tracks::nothing,
            "",          session_.account->name()};
  }
  ReplyPlace place() { return {service_.broker().core().index(), session_.id, next_place_++, 0}; }

  Service& service_;
  Session session_;
  std::uint64_t next_place_ = 1;
};

class ColdCommandsTest : public testing::Test {
 protected:
  ColdCommandsTest() { open(); }
  ~ColdCommandsTest() override { close(); }

  void hear_nothing() {
    broker_.run_reads();
    broker_.round([] {});
  }
  // What is answered, and pushed meanwhile, when nothing else happens.
  std::string ask(std::size_t client, std::string_view requests) {
    const int socket = peers_[client].socket;
    EXPECT_EQ(::send(socket, requests.data(), requests.size(), 0),
              static_cast<ssize_t>(requests.size()));
    return hear(client);
  }
  std::string hear(std::size_t client) {
    for (int i = 0; i < 3; ++i) broker_.round([] {});
    std::string heard;
    char buffer[65536];
    for (;;) {
      const ssize_t size = ::recv(peers_[client].socket, buffer, sizeof buffer, 0);
      if (size <= 0) return heard;
      heard.append(buffer, static_cast<std::size_t>(size));
    }
  }
  // The same when the disk has given what was asked for.
  std::string hear_late(std::size_t client) {
    broker_.run_reads();
    return hear(client);
  }
  void shut_down_sending(std::size_t client) {
    EXPECT_EQ(::shutdown(peers_[client].socket, SHUT_WR), 0);
    for (int i = 0; i < 3; ++i) broker_.round([] {});
  }
  // One batch each, with ids from 1-0 on.
  void fill(int count, std::size_t size = 2000) {
    for (int i = 1; i <= count; ++i) {
      const std::string value = std::to_string(i) + std::string(size, 'x');
      ASSERT_TRUE(
          ask(0, "XADD s " + std::to_string(i) + "-0 f " + value + "\r\n").starts_with('$'));
    }
  }
  void restart_cold() {
    close();
    broker_.restart_cold();
    open();
  }
  // What the request is answered when all is in memory.
  std::string warm(const std::string& request) {
    const std::string answer = ask(0, request);
    EXPECT_FALSE(answer.empty()) << request;
    EXPECT_EQ(broker_.read_count(), 0u) << request;
    return answer;
  }
  std::string fact(std::size_t client, const std::string& request, const std::string& name) {
    const std::string answer = ask(client, request);
    const std::size_t at = answer.find(name);
    return at == std::string::npos ? "" : answer.substr(at, answer.find("\r", at) - at);
  }

  broker::TestBroker broker_;
  std::unique_ptr<Service> service_;

 private:
  struct Peer {
    int socket = -1;
    std::unique_ptr<Connection> connection;
  };

  void open() {
    service_ = std::make_unique<Service>(*broker_, ServiceSettings{});
    service_->connect({service_.get()});
    for (Peer& peer : peers_) {
      int ends[2];
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
      peer.socket = ends[0];
      broker_.round([&] {
        auto stream = runtime::Stream::adopt(broker_->core(), ends[1]);
        ASSERT_TRUE(stream.ok());
        peer.connection = std::make_unique<Connection>(*service_, std::move(*stream));
        broker_->core().spawn(serve(peer));
      });
    }
  }
  void close() {
    for (Peer& peer : peers_) {
      ::close(peer.socket);
      for (int tries = 0; tries < 1000 && peer.connection; ++tries) hear_nothing();
      EXPECT_FALSE(peer.connection);
    }
    EXPECT_EQ(service_->cold_commands().size(), 0u);
    EXPECT_EQ(service_->waiters().size(), 0u);
    service_.reset();
  }
  static runtime::Task<> serve(Peer& peer) {
    co_await peer.connection->run();
    peer.connection.reset();
  }

  std::array<Peer, 2> peers_;
};

TEST_F(ColdCommandsTest, WhatIsReadIsTheSameWhereverItIs) {
  fill(40);
  ASSERT_EQ(ask(0, "XDEL s 7-0\r\n"), ":1\r\n");
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  const std::string requests[] = {
      "XRANGE s - +\r\n",
      "XRANGE s 5 9\r\n",
      "XRANGE s (5-0 + COUNT 4\r\n",
      "XRANGE s 41 +\r\n",
      "XREVRANGE s + -\r\n",
      "XREVRANGE s 20 3 COUNT 9\r\n",
      "XREVRANGE s 20-5 3\r\n",
      "XREAD STREAMS s 0\r\n",
      "XREAD COUNT 3 STREAMS s s 4 30\r\n",
      "XREAD BLOCK 1000 STREAMS s 38\r\n",
      "XREAD STREAMS s +\r\n",
      "XINFO STREAM s\r\n",
      "XINFO STREAM s FULL\r\n",
      "XINFO STREAM s FULL COUNT 0\r\n",
      "XINFO GROUPS s\r\n",
      "XRANGE missing - +\r\n",
  };
  for (const std::string& request : requests) {
    restart_cold();
    std::string answer = ask(0, request);
    answer += hear_late(0);
    EXPECT_EQ(warm(request), answer) << request;
  }
}

TEST_F(ColdCommandsTest, NobodyElseWaits) {
  fill(20);
  const std::string all = warm("XRANGE s - +\r\n");
  restart_cold();
  EXPECT_EQ(ask(0, "XRANGE s - +\r\nPING\r\nXLEN s\r\n"), "");
  EXPECT_GT(broker_.read_count(), 0u);
  EXPECT_EQ(ask(1, "PING\r\nXLEN s\r\n"), "+PONG\r\n:20\r\n");
  EXPECT_EQ(hear_late(0), all + "+PONG\r\n:20\r\n");
}

TEST_F(ColdCommandsTest, MuchIsAskedForAtOnce) {
  fill(900, 5000);
  const std::string all = warm("XRANGE s - +\r\n");
  restart_cold();
  EXPECT_EQ(ask(0, "XRANGE s - +\r\n"), "");
  EXPECT_GT(broker_.read_count(), 1u);
  int reads = 0;
  for (; broker_.read_count() > 0; ++reads) broker_.run_read();
  EXPECT_LT(reads, 20);
  EXPECT_EQ(hear(0), all);
}

// One reader of single entries that lie anywhere.
TEST_F(ColdCommandsTest, WhatLiesApartIsAskedForAtOnce) {
  fill(300, 7000);
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  ASSERT_NE(ask(0, "XREADGROUP GROUP g c STREAMS s >\r\n"), "");
  restart_cold();
  EXPECT_EQ(ask(0, "XCLAIM s g d 0 1-0 50-0 100-0 150-0 200-0 250-0 300-0 JUSTID\r\n"), "");
  EXPECT_GT(broker_.read_count(), 1u);
  for (std::size_t round = broker_.read_count(); round > 0; --round) broker_.run_read();
  EXPECT_TRUE(hear_late(0).starts_with("*7\r\n"));
}

TEST_F(ColdCommandsTest, WhoReadsOnWaitsSeldom) {
  fill(300);
  restart_cold();
  int waits = 0;
  for (int at = 1; at <= 300; at += 10) {
    std::string answer = ask(0, "XRANGE s " + std::to_string(at) + " + COUNT 10\r\n");
    if (answer.empty()) {
      ++waits;
      answer = hear_late(0);
    }
    EXPECT_TRUE(answer.starts_with("*10\r\n"));
  }
  EXPECT_LE(waits, 4);
}

// What is read has left memory before it is looked at.
TEST_F(ColdCommandsTest, WhatIsShortOfMemoryEndsAllTheSame) {
  fill(5);
  restart_cold();
  int reads = 0;
  broker_->cold_reads().use([&](UniqueFunction<void()>, UniqueFunction<void()> done) {
    if (++reads < 100) broker_->core().post(std::move(done));
  });
  std::string answer = ask(0, "XRANGE s - +\r\n");
  for (int i = 0; i < 100 && answer.empty(); ++i) answer = hear(0);
  EXPECT_TRUE(answer.starts_with("*5\r\n")) << answer;
  EXPECT_GE(reads, ColdCommands::tries_max);
  EXPECT_LT(reads, 100);
}

TEST_F(ColdCommandsTest, ErrorsOfTheDiskComeOut) {
  fill(3);
  restart_cold();
  EXPECT_EQ(ask(0, "XRANGE s - +\r\n"), "");
  broker_.faults().arm({io::Operation::try_read, 0, Errc::io_error, 0, true});
  const std::string answer = hear_late(0);
  EXPECT_TRUE(answer.starts_with("-")) << answer;
  broker_.faults().disarm();
}

TEST_F(ColdCommandsTest, AGroupIsNotChangedBeforeAllIsThere) {
  fill(6);
  ASSERT_EQ(ask(0, "XADD t 1-0 f v\r\n"), "$3\r\n1-0\r\n");
  for (const char* key : {"s", "t"}) {
    ASSERT_EQ(ask(0, std::string("XGROUP CREATE ") + key + " g 0\r\n"), "+OK\r\n");
  }
  restart_cold();
  // What is there comes first.
  ASSERT_EQ(ask(1, "XRANGE t - +\r\n"), "");
  ASSERT_NE(hear_late(1), "");
  ASSERT_EQ(ask(0, "XREADGROUP GROUP g c COUNT 2 STREAMS t s > >\r\n"), "");
  EXPECT_EQ(ask(1, "XINFO CONSUMERS t g\r\nXINFO CONSUMERS s g\r\n"), "*0\r\n*0\r\n");
  EXPECT_TRUE(ask(1, "XPENDING t g\r\n").starts_with("*4\r\n:0\r\n"));
  const std::string answer = hear_late(0);
  EXPECT_TRUE(answer.starts_with("*2\r\n")) << answer;
  EXPECT_TRUE(ask(1, "XPENDING t g\r\n").starts_with("*4\r\n:1\r\n"));
  EXPECT_TRUE(ask(1, "XPENDING s g\r\n").starts_with("*4\r\n:2\r\n"));
  EXPECT_TRUE(ask(1, "XPENDING s g - + 9\r\n").starts_with("*2\r\n*4\r\n$3\r\n1-0\r\n$1\r\nc\r\n"));
}

TEST_F(ColdCommandsTest, PendingEntriesAreGivenAgainAndTakenOver) {
  fill(6);
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  ASSERT_NE(ask(0, "XREADGROUP GROUP g c COUNT 4 STREAMS s >\r\n"), "");
  ASSERT_EQ(ask(0, "XDEL s 2-0\r\n"), ":1\r\n");
  restart_cold();
  ASSERT_EQ(ask(0, "XREADGROUP GROUP g c STREAMS s 0\r\n"), "");
  std::string answer = hear_late(0);
  EXPECT_TRUE(answer.starts_with("*1\r\n*2\r\n$1\r\ns\r\n*4\r\n")) << answer;
  broker_.forget_what_was_read();
  restart_cold();
  ASSERT_EQ(ask(0, "XAUTOCLAIM s g d 0 1 COUNT 3\r\n"), "");
  EXPECT_EQ(ask(1, "XPENDING s g - + 9 d\r\n"), "*0\r\n");
  answer = hear_late(0);
  EXPECT_TRUE(answer.starts_with("*3\r\n$3\r\n4-0\r\n*2\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("*1\r\n$3\r\n2-0\r\n")) << answer;
  restart_cold();
  ASSERT_EQ(ask(0, "XCLAIM s g e 0 1-0 3-0 4-0 JUSTID\r\n"), "");
  EXPECT_EQ(ask(1, "XPENDING s g - + 9 e\r\n"), "*0\r\n");
  EXPECT_EQ(hear_late(0), "*3\r\n$3\r\n1-0\r\n$3\r\n3-0\r\n$3\r\n4-0\r\n");
  restart_cold();
  ASSERT_EQ(ask(0, "XREADGROUP GROUP g f COUNT 9 CLAIM 0 STREAMS s >\r\n"), "");
  EXPECT_EQ(ask(1, "XPENDING s g - + 9 f\r\n"), "*0\r\n");
  EXPECT_TRUE(hear_late(0).starts_with("*1\r\n*2\r\n$1\r\ns\r\n*5\r\n"));
}

// The second time it is what comes behind the first.
TEST_F(ColdCommandsTest, AStreamThatIsNamedTwiceIsReadAsEver) {
  fill(4);
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  restart_cold();
  const std::string answer = ask(0, "XREADGROUP GROUP g c COUNT 2 STREAMS s s > >\r\n");
  EXPECT_TRUE(answer.starts_with("*2\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n")) << answer;
  EXPECT_NE(answer.find("$3\r\n4-0\r\n"), std::string::npos);
}

TEST_F(ColdCommandsTest, TransactionsAndScriptsReadOnTheCore) {
  fill(3);
  restart_cold();
  ASSERT_EQ(ask(0, "MULTI\r\nXRANGE s - +\r\n"), "+OK\r\n+QUEUED\r\n");
  EXPECT_TRUE(ask(0, "EXEC\r\n").starts_with("*1\r\n*3\r\n"));
  broker_.forget_what_was_read();
  EXPECT_EQ(ask(0, "EVAL \"return #redis.call('XRANGE', 's', '-', '+')\" 1 s\r\n"), ":3\r\n");
  EXPECT_EQ(broker_.read_count(), 0u);
}

TEST_F(ColdCommandsTest, ACommandCountsOnce) {
  fill(3);
  restart_cold();
  ASSERT_EQ(ask(1, "CONFIG SET notify-keyspace-events KEA slowlog-log-slower-than 0\r\n"),
            "+OK\r\n");
  ASSERT_EQ(ask(1, "CONFIG RESETSTAT\r\nXGROUP CREATE s g 0\r\n"), "+OK\r\n+OK\r\n");
  ASSERT_EQ(ask(1, "SLOWLOG RESET\r\nMONITOR\r\n"), "+OK\r\n+OK\r\n");
  ASSERT_EQ(ask(0, "XREADGROUP GROUP g c STREAMS s >\r\n"), "");
  EXPECT_EQ(hear(1), "");
  ASSERT_NE(hear_late(0), "");
  const std::string told = hear(1);
  EXPECT_NE(told.find("\"XREADGROUP\""), std::string::npos);
  EXPECT_EQ(told.find("\"XREADGROUP\""), told.rfind("\"XREADGROUP\""));
  EXPECT_TRUE(fact(0, "INFO commandstats\r\n", "cmdstat_xreadgroup:calls=")
                  .starts_with("cmdstat_xreadgroup:calls=1,"));
  const std::string slow = ask(0, "SLOWLOG GET\r\n");
  EXPECT_NE(slow.find("XREADGROUP"), std::string::npos);
  EXPECT_EQ(slow.find("XREADGROUP"), slow.rfind("XREADGROUP"));
}

TEST_F(ColdCommandsTest, KeysAndGroupsMayBeGoneThen) {
  fill(3);
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  restart_cold();
  ASSERT_EQ(ask(0, "XREADGROUP GROUP g c STREAMS s >\r\n"), "");
  ASSERT_EQ(ask(1, "XGROUP DESTROY s g\r\n"), ":1\r\n");
  EXPECT_TRUE(hear_late(0).starts_with("-NOGROUP"));
  broker_.forget_what_was_read();
  ASSERT_EQ(ask(0, "XRANGE s - +\r\n"), "");
  ASSERT_EQ(ask(1, "DEL s\r\n"), ":1\r\n");
  EXPECT_EQ(hear_late(0), "*0\r\n");
}

TEST_F(ColdCommandsTest, WhatFindsNothingThenBlocks) {
  fill(3);
  restart_cold();
  ASSERT_EQ(ask(0, "XREAD BLOCK 0 STREAMS s 0\r\n"), "");
  ASSERT_EQ(ask(1, "FLUSHALL\r\n"), "+OK\r\n");
  ASSERT_EQ(hear_late(0), "");
  EXPECT_EQ(service_->waiters().size(), 1u);
  ASSERT_EQ(ask(1, "XADD s 9-0 f v\r\n"), "$3\r\n9-0\r\n");
  EXPECT_NE(hear(0).find("$3\r\n9-0\r\n"), std::string::npos);
  EXPECT_EQ(ask(0, "PING\r\n"), "+PONG\r\n");
}

TEST_F(ColdCommandsTest, WhoLeavesIsGivenNothing) {
  fill(3);
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  restart_cold();
  const std::string id = ask(0, "CLIENT ID\r\n").substr(1);
  ASSERT_EQ(ask(0, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >\r\n"), "");
  ASSERT_EQ(ask(1, "CLIENT KILL ID " + id), ":1\r\n");
  EXPECT_EQ(service_->cold_commands().size(), 0u);
  broker_.run_reads();
  EXPECT_EQ(ask(1, "XINFO CONSUMERS s g\r\n"), "*0\r\n");
}

// Whoever has ended its sending still reads.
TEST_F(ColdCommandsTest, WhoWaitsForTheLastReplyGetsIt) {
  fill(3);
  restart_cold();
  ASSERT_EQ(ask(0, "XRANGE s - +\r\n"), "");
  shut_down_sending(0);
  EXPECT_TRUE(hear_late(0).starts_with("*3\r\n"));
}

// But it does not wait for others to have something for it.
TEST_F(ColdCommandsTest, WhoHasEndedItsSendingIsNotBlocked) {
  fill(3);
  restart_cold();
  ASSERT_EQ(ask(0, "XREAD BLOCK 0 STREAMS s 0\r\n"), "");
  shut_down_sending(0);
  ASSERT_EQ(ask(1, "DEL s\r\n"), ":1\r\n");
  EXPECT_EQ(hear_late(0), "");
  EXPECT_EQ(service_->waiters().size(), 0u);
  EXPECT_EQ(service_->clients().size(), 1u);
}

TEST_F(ColdCommandsTest, ItIsNotBlocked) {
  fill(3);
  restart_cold();
  const std::string id = ask(0, "CLIENT ID\r\n").substr(1);
  ASSERT_EQ(ask(0, "XREAD BLOCK 0 STREAMS s 0\r\n"), "");
  EXPECT_EQ(ask(1, "CLIENT UNBLOCK " + id), ":0\r\n");
  EXPECT_TRUE(hear_late(0).starts_with("*1\r\n"));
  broker_.forget_what_was_read();
  ASSERT_EQ(ask(0, "XRANGE s - +\r\n"), "");
  EXPECT_EQ(ask(1, "CLIENT KILL ID " + id), ":1\r\n");
  broker_.run_reads();
  EXPECT_EQ(hear(0), "");
}

TEST_F(ColdCommandsTest, RepliesThatAreOffAreNotSent) {
  fill(3);
  restart_cold();
  ASSERT_EQ(ask(0, "CLIENT REPLY SKIP\r\nXRANGE s - +\r\nPING\r\n"), "");
  EXPECT_EQ(hear_late(0), "+PONG\r\n");
  broker_.forget_what_was_read();
  ASSERT_EQ(ask(0, "CLIENT REPLY OFF\r\nXRANGE s - +\r\nCLIENT REPLY ON\r\n"), "");
  EXPECT_EQ(hear_late(0), "+OK\r\n");
}

TEST_F(ColdCommandsTest, RulesThatCameMeanwhileCount) {
  fill(3);
  restart_cold();
  ASSERT_EQ(ask(0, "XRANGE s - +\r\n"), "");
  ASSERT_EQ(ask(1, "ACL SETUSER default -xrange\r\n"), "+OK\r\n");
  EXPECT_TRUE(hear_late(0).starts_with("-NOPERM"));
}

TEST_F(ColdCommandsTest, APauseHoldsWhatIsThere) {
  fill(3);
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  restart_cold();
  ASSERT_EQ(ask(0, "XREADGROUP GROUP g c STREAMS s >\r\n"), "");
  ASSERT_EQ(ask(1, "CLIENT PAUSE 60000 WRITE\r\n"), "+OK\r\n");
  EXPECT_EQ(hear_late(0), "");
  EXPECT_EQ(ask(1, "XINFO CONSUMERS s g\r\n"), "*0\r\n");
  ASSERT_EQ(ask(1, "CLIENT UNPAUSE\r\n"), "+OK\r\n");
  EXPECT_TRUE(hear(0).starts_with("*1\r\n"));
}

TEST_F(ColdCommandsTest, WhatIsShippedKeepsItsOrder) {
  fill(3);
  restart_cold();
  FarClient client(*service_);
  broker_.round([&] {
    client.ship({"set", "a", "1"});
    client.ship({"xrange", "s", "-", "+"});
    client.ship({"xlen", "s"});
    client.ship_transaction({{"del", "s"}, {"get", "a"}});
    client.ship({"xrange", "s", "-", "+"});
  });
  EXPECT_EQ(client.answers, "1 +OK\n");
  EXPECT_EQ(client.awaited, (std::vector<std::uint64_t>{2, 3, 4, 5}));
  EXPECT_EQ(ask(0, "EXISTS s\r\n"), ":1\r\n");
  broker_.run_reads();
  EXPECT_EQ(client.answers, "1 +OK\n2 *3\n3 :3\n4 *2\n5 *0\n");
  EXPECT_EQ(service_->cold_commands().size(), 0u);
}

// One waits again behind the other.
TEST_F(ColdCommandsTest, WhatStandsInLineMayWaitForTheDisk) {
  fill(3);
  ASSERT_EQ(ask(0, "XADD u 1-0 f v\r\n"), "$3\r\n1-0\r\n");
  restart_cold();
  FarClient client(*service_);
  broker_.round([&] {
    client.ship({"xrange", "s", "-", "3-0"});
    client.ship({"xrange", "s", "-", "2-0"});
    client.ship({"xread", "block", "0", "streams", "u", "1"});
  });
  broker_.run_reads();
  EXPECT_EQ(client.answers, "1 *3\n2 *2\n");
  EXPECT_EQ(service_->waiters().size(), 1u);
  ASSERT_EQ(ask(0, "XADD u 2-0 f v\r\n"), "$3\r\n2-0\r\n");
  EXPECT_EQ(client.answers, "1 *3\n2 *2\n3 *1\n");
}

TEST_F(ColdCommandsTest, WhoHasWaitedIsAnsweredInItsTurn) {
  fill(3);
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  restart_cold();
  FarClient client(*service_);
  client.has_turn = false;
  broker_.round([&] { client.ship({"xreadgroup", "group", "g", "c", "streams", "s", ">"}); });
  broker_.run_reads();
  EXPECT_EQ(client.answers, "");
  ASSERT_EQ(ask(1, "CLIENT PAUSE 60000 WRITE\r\n"), "+OK\r\n");
  broker_.round([&] { client.on_turn(); });
  EXPECT_EQ(client.answers, "") << "meanwhile all has to wait";
  client.has_turn = true;
  ASSERT_EQ(ask(1, "CLIENT UNPAUSE\r\n"), "+OK\r\n");
  EXPECT_EQ(client.answers, "1 *1\n");
}

TEST_F(ColdCommandsTest, WhoLeavesHasDoneWhatItSaid) {
  fill(3);
  ASSERT_EQ(ask(0, "XGROUP CREATE s g 0\r\n"), "+OK\r\n");
  restart_cold();
  FarClient client(*service_);
  broker_.round([&] {
    client.ship({"xrange", "s", "-", "+"});
    client.ship({"set", "a", "1"});
    client.ship({"xreadgroup", "group", "g", "c", "streams", "s", ">"});
  });
  EXPECT_EQ(client.answers, "");
  broker_.round([&] { service_->cold_commands().leave(client.session().id); });
  EXPECT_EQ(service_->cold_commands().size(), 0u);
  broker_.run_reads();
  EXPECT_EQ(client.answers, "2 +OK\n");
  EXPECT_EQ(ask(0, "XINFO CONSUMERS s g\r\n"), "*0\r\n");
}

}  // namespace
}  // namespace trv::redis
