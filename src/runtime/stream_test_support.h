// A core with streams whose peers are the other ends of socket pairs, run on the test's thread.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <vector>

#include "runtime/stream.h"

namespace trv::runtime {

// `Client`: what a test keeps of one, with a Stream as `stream` and the other end as `peer`.
template <class Client>
class CoreWithClients : public ::testing::Test {
 protected:
  ~CoreWithClients() override {
    for (auto& client : clients_) ::close(client->peer);
  }

  // `flags`: of the sockets' type.
  Client& add_client(int flags = 0) {
    int sockets[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | flags, 0, sockets), 0);
    Client& client = *clients_.emplace_back(std::make_unique<Client>());
    client.stream = Stream::adopt(core_, sockets[0]).value();
    client.peer = sockets[1];
    return client;
  }

  // Ends all streams then, and what runs in the gate.
  void run_until(std::function<bool()> done) {
    core_.spawn(end_when(std::move(done)));
    core_.run();
  }

  Core core_{CoreIndex(0)};
  Gate gate_;
  std::vector<std::unique_ptr<Client>> clients_;

 private:
  Task<> end_when(std::function<bool()> done) {
    while (!done()) co_await core_.sleep(std::chrono::milliseconds(1));
    for (auto& client : clients_) client->stream->abort();
    co_await gate_.close();
    core_.stop();
  }
};

}  // namespace trv::runtime
