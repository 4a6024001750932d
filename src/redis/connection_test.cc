// Proves: what only a connection can get wrong, whose replies and pushes share one way out. The
// client is the other end of a socket pair.
#include "redis/connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "broker/broker_test_support.h"

namespace trv::redis {
namespace {

class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() : service_(*broker_, ServiceSettings{}) {
    service_.connect({&service_});
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    socket_ = ends[0];
    broker_.round([&] {
      auto stream = runtime::Stream::adopt(broker_->core(), ends[1]);
      ASSERT_TRUE(stream.ok());
      connection_ = std::make_unique<Connection>(service_, std::move(*stream));
      broker_->core().spawn(serve());
    });
  }
  ~ConnectionTest() override {
    ::close(socket_);
    for (int tries = 0; tries < 1000 && connection_; ++tries) broker_.round([] {});
    EXPECT_FALSE(connection_);
  }

  // What is answered, and pushed meanwhile, when nothing waits.
  std::string ask(std::string_view requests) {
    EXPECT_EQ(::send(socket_, requests.data(), requests.size(), 0),
              static_cast<ssize_t>(requests.size()));
    for (int i = 0; i < 3; ++i) broker_.round([] {});
    char buffer[4096];
    const ssize_t size = ::recv(socket_, buffer, sizeof buffer, 0);
    return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : std::string();
  }

  broker::TestBroker broker_;
  Service service_;

 private:
  runtime::Task<> serve() {
    co_await connection_->run();
    connection_.reset();
  }

  int socket_ = -1;
  std::unique_ptr<Connection> connection_;
};

// The line about EXEC goes to the client whose EXEC it is, in the middle of what is counted of it.
TEST_F(ConnectionTest, ARefusedTransactionOfAMonitorIsCounted) {
  EXPECT_EQ(ask("MONITOR\r\n"), "+OK\r\n");
  EXPECT_TRUE(ask("MULTI\r\n").starts_with("+OK\r\n"));
  EXPECT_TRUE(ask("GET\r\n").starts_with("-ERR wrong number of arguments"));
  const std::string answer = ask("EXEC\r\n");
  EXPECT_TRUE(answer.starts_with("-EXECABORT ")) << answer;
  EXPECT_NE(answer.find("\"exec\"\r\n"), std::string::npos) << answer;
  EXPECT_EQ(service_.counters().errors, 2u);
  EXPECT_EQ(service_.counters().errors_by_kind["EXECABORT"], 1u);
}

}  // namespace
}  // namespace trv::redis
