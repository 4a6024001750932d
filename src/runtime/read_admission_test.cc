// What a core promises while its connections hold all the memory that they may: little more is
// held, every message gets whole in the end, and who stops in the middle of one does not stop the
// others.
#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "runtime/detail/core_state.h"
#include "runtime/stream_test_support.h"

namespace trv::runtime {
namespace {

constexpr std::size_t limit = 1u << 20;

struct Client {
  std::unique_ptr<Stream> stream;
  int peer = -1;
  std::size_t received = 0;
  bool dropped = false;
  bool reads_once = false;  // and then waits until it is closed
};

class Admission : public CoreWithClients<Client> {
 protected:
  Admission() {
    core_.set_connection_limits({.received_max = limit, .stall_timeout = std::chrono::seconds(1)});
  }
  ~Admission() override {
    for (std::thread& thread : threads_) thread.join();
  }

  // One that reads a message of `size` bytes, and whose peer sends the first `sent` of them.
  Client& add(std::size_t size, std::size_t sent) {
    Client& client = add_client();
    core_.spawn(gate_, serve(client, size));
    threads_.emplace_back([peer = client.peer, bytes = std::string(sent, 'x')] {
      std::size_t done = 0;
      while (done < bytes.size()) {
        const ssize_t n = ::send(peer, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
        if (n <= 0) return;
        done += static_cast<std::size_t>(n);
      }
    });
    return client;
  }

  Task<> serve(Client& client, std::size_t size) {
    InputBuffer buffer(core_.input_blocks());
    while (buffer.size() < size) {
      const auto got = co_await client.stream->read(buffer);
      held_max_ = std::max(held_max_, core_.input_blocks().in_use());
      if (!got || *got == 0) break;
      while (client.reads_once && !client.stream->closed()) {
        co_await core_.sleep(std::chrono::milliseconds(1));
      }
    }
    client.dropped = client.stream->closed();
    client.received = buffer.size();
    client.stream->close(std::chrono::milliseconds(0));
  }

  int ended() const { return static_cast<int>(clients_.size()) - gate_.count(); }

  std::vector<std::thread> threads_;
  std::size_t held_max_ = 0;
};

TEST_F(Admission, EveryMessageGetsWholeAndLittleMoreThanTheLimitIsHeld) {
  constexpr std::size_t size = 700'000;
  std::vector<Client*> all;
  for (int i = 0; i < 24; ++i) all.push_back(&add(size, size));
  run_until([&] { return ended() == 24; });
  for (const Client* client : all) {
    EXPECT_GE(client->received, size);
    EXPECT_FALSE(client->dropped);
  }
  // One block that was doubled as the limit was met, and the one who reads alone.
  EXPECT_LE(held_max_, limit + (2u << 20));
}

TEST_F(Admission, SmallMessagesPassThoseThatWaitForTheirEnd) {
  for (int i = 0; i < 3; ++i) add(900'000, 600'000);
  Client& small = add(100, 100);
  run_until([&] { return small.received > 0 || small.dropped; });
  EXPECT_EQ(small.received, 100u);
  EXPECT_FALSE(small.dropped);
}

// Of a client that waits for something else than bytes.
TEST_F(Admission, TheTurnOfWhoDoesNotReadGoesToAnother) {
  for (int i = 0; i < 2; ++i) add(900'000, 600'000);
  Client& busy = add(900'000, 600'000);
  busy.reads_once = true;
  Client& small = add(100, 100);
  run_until([&] { return small.received > 0 || small.dropped; });
  EXPECT_EQ(small.received, 100u);
}

TEST_F(Admission, WhoStopsWhileTheOthersWaitIsDropped) {
  std::vector<Client*> halves;
  for (int i = 0; i < 6; ++i) halves.push_back(&add(900'000, 600'000));
  run_until([&] { return ended() == 4; });
  const auto dropped =
      std::count_if(halves.begin(), halves.end(), [](const Client* c) { return c->dropped; });
  EXPECT_GE(dropped, 4);
  EXPECT_LE(held_max_, limit + (2u << 20));
}

struct Nobody final : detail::RoundMember {
  void on_round_start() override {}
  void on_round_end() override {}
};

TEST(ReadAdmission, LetsGoOnAsManyAsThereIsMemoryForInOrder) {
  InputBlockPool blocks;
  detail::ReadAdmission admission(blocks);
  admission.set_limit(4 * InputBuffer::block_size);
  std::vector<std::shared_ptr<detail::RoundMember>> all;
  for (int i = 0; i < 1000; ++i) admission.wait(all.emplace_back(std::make_shared<Nobody>()));
  const InputBlock taken = blocks.take(InputBuffer::block_size);
  std::vector<std::shared_ptr<detail::RoundMember>> starting;
  admission.admit(starting);
  // One of them may meet the limit.
  EXPECT_EQ(starting, (std::vector(all.begin(), all.begin() + 4)));
  while (admission.anyone_waits()) admission.admit(starting);
  EXPECT_EQ(starting, all);
}

}  // namespace
}  // namespace trv::runtime
