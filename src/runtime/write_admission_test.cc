// What a core promises while its connections leave unsent all that they may: answers of any size
// are made one after the other, and those who take none do not stop the others.
#include <algorithm>
#include <string>
#include <vector>

#include "runtime/stream_test_support.h"

namespace trv::runtime {
namespace {

constexpr std::size_t limit = 1u << 20;
constexpr std::size_t answer_size = 4u << 20;  // more than a socket takes

struct Client {
  std::unique_ptr<Stream> stream;
  int peer = -1;
  bool answered = false;
  bool ended = false;  // was told that its peer has gone before it was answered
  std::size_t taken = 0;
  SteadyTime at;  // of its turn
};

class Turns : public CoreWithClients<Client> {
 protected:
  Turns() {
    core_.set_connection_limits({.unsent_max = limit, .stall_timeout = std::chrono::seconds(1)});
  }

  // Whose peer reads, or does not.
  Client& ask(bool reads) {
    Client& client = add_client(SOCK_NONBLOCK);
    core_.spawn(gate_, answer(client));
    if (reads) core_.spawn(gate_, take(client));
    return client;
  }
  Client& exhaust() {
    Client& client = add_client(SOCK_NONBLOCK);
    client.stream->write(std::string(answer_size, 'x'));
    return client;
  }

  Task<> answer(Client& client) {
    co_await client.stream->turn();
    if (client.stream->closed()) co_return;
    client.answered = true;
    client.at = core_.now();
    client.stream->write(Slice::own(std::string(answer_size, 'y')));
  }
  Task<> read(Client& client) {
    InputBuffer buffer(core_.input_blocks());
    const auto got = co_await client.stream->read(buffer);
    client.ended = got && *got == 0 && !client.answered;
  }
  Task<> take(Client& client) {
    std::string bytes(1 << 20, ' ');
    while (client.taken < answer_size && !client.stream->closed()) {
      const ssize_t n = ::recv(client.peer, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (n > 0) client.taken += static_cast<std::size_t>(n);
      unsent_max_ = std::max(unsent_max_, unsent());
      co_await core_.sleep(std::chrono::milliseconds(1));
    }
  }
  std::size_t unsent() const {
    std::size_t size = 0;
    for (const auto& client : clients_) size += client->stream->unsent();
    return size;
  }

  std::size_t unsent_max_ = 0;
};

TEST_F(Turns, AreAtOnceWhileThereIsMemory) {
  Client& first = ask(false);
  Client& second = ask(false);
  run_until([&] { return first.answered && second.answered; });
  EXPECT_LT(second.at - first.at, std::chrono::milliseconds(50));
}

TEST_F(Turns, GoOnWhenTheAnswerIsTaken) {
  exhaust();
  std::vector<Client*> all;
  for (int i = 0; i < 12; ++i) all.push_back(&ask(true));
  auto taken = [](const Client* client) { return client->taken == answer_size; };
  run_until([&] { return std::all_of(all.begin(), all.end(), taken); });
  EXPECT_LE(unsent_max_, 2 * answer_size);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_GE(all[i]->at, all[i - 1]->at);
}

// Below the limit, too: what is owed would let all of these be made at once.
TEST_F(Turns, ComeOneByOneWhileTheLimitIsNotOwed) {
  core_.set_connection_limits({.unsent_max = 3 * answer_size});
  for (int i = 0; i < 4; ++i) exhaust();
  Client& first = ask(false);
  Client& second = ask(false);
  run_until([&] { return second.answered; });
  EXPECT_GE(second.at - first.at, std::chrono::milliseconds(100));
}

TEST_F(Turns, OfWhoTakesNothingGoOnAfterAMomentAndItIsDropped) {
  Client& first = exhaust();
  Client& idle = ask(false);
  Client& other = ask(true);
  bool first_is_there = false;
  run_until([&] {
    first_is_there = !first.stream->closed();
    return other.taken == answer_size && idle.stream->closed();
  });
  EXPECT_GE(other.at - idle.at, std::chrono::milliseconds(100));
  EXPECT_TRUE(first_is_there) << "it was written to while there was memory";
}

TEST_F(Turns, OfWhoTakesNothingHoldTheLimitAndOneAnswer) {
  exhaust();
  ask(false);
  ask(false);
  Client& other = ask(true);
  run_until([&] { return other.taken == answer_size; });
  EXPECT_LE(unsent_max_, answer_size + limit + answer_size);
}

// Else an answer would be made for it.
TEST_F(Turns, OfWhoHasGoneTellItsReader) {
  core_.set_connection_limits({.received_max = InputBuffer::block_size, .unsent_max = limit});
  Client& first = exhaust();
  InputBuffer all_memory(core_.input_blocks());
  all_memory.append("x");
  Client& gone = ask(false);
  core_.spawn(gate_, read(gone));
  ::shutdown(gone.peer, SHUT_RDWR);
  core_.spawn(gate_, take(first));
  run_until([&] { return gone.answered; });
  EXPECT_TRUE(gone.ended);
}

TEST_F(Turns, EndWithTheirStream) {
  exhaust();
  Client& gone = ask(false);
  Client& other = ask(true);
  gone.stream->abort();
  run_until([&] { return other.taken == answer_size; });
  EXPECT_FALSE(gone.answered);
}

}  // namespace
}  // namespace trv::runtime
