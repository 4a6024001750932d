// What Stream and Listener promise, over real loopback sockets on ports that the kernel picks:
// whole and ordered bytes whatever the sizes, backpressure against a peer that does not read, close
// and abort at awkward moments, and ports that are taken. The peer is plain blocking code on a
// thread of its own.
#include "runtime/stream.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/output_queue.h"

namespace trv::runtime {
namespace {

using std::chrono::milliseconds;

// A blocking client socket.
class Peer {
 public:
  explicit Peer(int socket) : socket_(socket) {}
  static Peer connect(std::uint16_t port) {
    int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return Peer(socket);
  }
  Peer(Peer&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  ~Peer() {
    if (socket_ >= 0) ::close(socket_);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // "" at the peer's end, "!" when the connection is broken.
  std::string receive(std::size_t size_max) {
    std::string bytes(size_max, '\0');
    ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got < 0) return "!";
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }
  std::string receive_all() {
    std::string all;
    for (;;) {
      std::string part = receive(1 << 20);
      if (part.empty()) return all;
      if (part == "!") return all + "!";
      all += part;
    }
  }
  void end() { ::shutdown(socket_, SHUT_WR); }

 private:
  int socket_;
};

// A core, one connection on it made from a socket pair of TCP, and a peer.
class Connected : public ::testing::Test {
 public:
  Connected() {
    auto opened = Listener::open(core, "127.0.0.1", 0, false, [this](std::unique_ptr<Stream> s) {
      stream = std::move(s);
      core.stop();
    });
    listener = std::move(opened).value();
    peer = std::make_unique<Peer>(Peer::connect(listener->port()));
    core.run();
    listener.reset();
  }

  // Runs `serve` on the core and `client` on a thread, until `serve` ends.
  void run(
      Task<> serve, std::function<void()> client = [] {}) {
    std::thread thread(client);
    core.spawn(run_then_stop(std::move(serve)));
    core.run();
    thread.join();
  }
  Task<> run_then_stop(Task<> serve) {
    co_await serve;
    core.stop();
  }
  Task<> until_sockets_are_closed() {
    while (core.stream_count() > 0) co_await core.sleep(milliseconds(1));
  }

  Core core{CoreIndex(0)};
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Peer> peer;
};

// Bytes of which each depends on its place, so that a swap or loss shows.
std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = 88172645463325252u;
  for (char& c : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    c = static_cast<char>(state);
  }
  return bytes;
}

TEST_F(Connected, echoes_what_comes_in) {
  run(
      [](Stream& s) -> Task<> {
        InputBuffer buffer(s.core().input_blocks());
        for (;;) {
          auto got = co_await s.read(buffer);
          EXPECT_TRUE(got.ok());
          if (!got || *got == 0) break;
          s.write(buffer.unread());
          buffer.consume(*got);
        }
        s.close();
      }(*stream),
      [&] {
        for (std::string text : {"a", "hello", "third"}) {
          peer->send(text);
          EXPECT_EQ(peer->receive(100), text);
        }
        peer->end();
        EXPECT_EQ(peer->receive(100), "");
      });
  EXPECT_TRUE(stream->peer_is_loopback());
  EXPECT_EQ(stream->peer_address().substr(0, 10), "127.0.0.1:");
}

TEST_F(Connected, large_writes_arrive_whole_whatever_their_parts) {
  constexpr std::size_t total = 64u << 20;
  std::string sent = pattern(total);
  std::string received;
  run(
      [](Stream& s, std::string_view bytes) -> Task<> {
        Slice whole = Slice::own(std::string(bytes));
        // Parts from 1 byte to 1 MiB, copied and held in turn.
        std::size_t position = 0;
        std::size_t size = 1;
        for (int i = 0; position < bytes.size(); ++i) {
          std::size_t count = std::min(size, bytes.size() - position);
          if (i % 2 == 0) {
            s.write(bytes.substr(position, count));
          } else {
            s.write(whole.sub(position, count));
          }
          position += count;
          size = size * 5 / 3 + 1;
          if (size > (1u << 20)) size = 1;
          co_await s.drained(8u << 20);
          EXPECT_LE(s.unsent(), 8u << 20);
        }
        co_await s.drained(0);
        s.close();
      }(*stream, sent),
      [&] { received = peer->receive_all(); });
  ASSERT_EQ(received.size(), sent.size());
  EXPECT_TRUE(received == sent);
}

TEST_F(Connected, large_input_arrives_whole) {
  std::string sent = pattern(16u << 20);
  std::string received;
  run(
      [](Stream& s, std::string& into) -> Task<> {
        InputBuffer buffer(s.core().input_blocks());
        for (;;) {
          auto got = co_await s.read(buffer);
          EXPECT_TRUE(got.ok());
          if (!got || *got == 0) break;
          into += buffer.unread();
          buffer.consume(*got);
        }
      }(*stream, received),
      [&] {
        peer->send(sent);
        peer->end();
      });
  EXPECT_TRUE(received == sent);
}

TEST_F(Connected, a_peer_that_does_not_read_leaves_bytes_unsent_until_it_does) {
  std::string sent = pattern(32u << 20);  // more than the kernel takes
  std::string received;
  bool was_held_back = false;
  run(
      [](Connected& t, Stream& s, std::string bytes, Peer& p, std::string& into,
         bool& held_back) -> Task<> {
        s.write(Slice::own(std::move(bytes)));
        // Rounds go by and the kernel takes no more: the rest waits here.
        std::size_t before = 0;
        while (before != s.unsent()) {
          before = s.unsent();
          co_await t.core.sleep(milliseconds(2));
        }
        held_back = before > 0;
        std::thread reader([&p, &into] { into = p.receive_all(); });
        co_await s.drained(0);
        EXPECT_EQ(s.unsent(), 0u);
        s.close();
        co_await t.until_sockets_are_closed();
        reader.join();
      }(*this, *stream, sent, *peer, received, was_held_back),
      [] {});
  EXPECT_TRUE(was_held_back);
  // The reader above stopped at our end of the stream, with everything.
  EXPECT_TRUE(received == sent);
}

TEST_F(Connected, close_makes_a_suspended_read_return) {
  run([](Core& c, Stream& s) -> Task<> {
    c.post([&s] { s.close(); });
    InputBuffer buffer(s.core().input_blocks());
    auto got = co_await s.read(buffer);
    EXPECT_FALSE(got.ok());
    EXPECT_EQ(got.error().code, Errc::closed);
    auto again = co_await s.read(buffer);
    EXPECT_FALSE(again.ok());
    EXPECT_TRUE(s.closed());
  }(core, *stream));
}

TEST_F(Connected, close_makes_a_suspended_drain_return) {
  run([](Core& c, Stream& s) -> Task<> {
    s.write(Slice::own(std::string(32u << 20, 'x')));
    c.post([&c, &s] { c.post([&s] { s.abort(); }); });
    co_await s.drained(0);
    EXPECT_TRUE(s.closed());
  }(core, *stream));
}

TEST_F(Connected, a_peer_that_reads_nothing_is_dropped_in_the_end) {
  core.set_connection_limits({.send_timeout = std::chrono::seconds(1)});
  run([](Stream& s) -> Task<> {
    s.write(Slice::own(std::string(32u << 20, 'x')));
    InputBuffer buffer(s.core().input_blocks());
    const auto got = co_await s.read(buffer);
    EXPECT_FALSE(got.ok());
    EXPECT_TRUE(s.closed());
  }(*stream));
}

Task<> read_until_closed(Stream& s, bool& ended) {
  InputBuffer buffer(s.core().input_blocks());
  auto got = co_await s.read(buffer);
  EXPECT_FALSE(got.ok());
  ended = true;
}

TEST_F(Connected, a_stream_may_be_destroyed_right_after_close) {
  bool ended = false;
  core.spawn(read_until_closed(*stream, ended));
  // In a later round than the one that starts the task.
  core.post([&] {
    core.post([&] {
      stream->close();
      stream.reset();
      core.post([&] { core.stop(); });
    });
  });
  core.run();
  EXPECT_TRUE(ended);
}

TEST_F(Connected, close_still_sends_what_is_queued) {
  std::string sent = pattern(8u << 20);
  std::string received;
  run(
      [](Connected& t, Stream& s, std::string bytes, Peer& p) -> Task<> {
        p.send("unread input must not reset the connection");
        s.write(Slice::own(std::move(bytes)));
        s.close(std::chrono::seconds(20));
        s.write("dropped");
        co_await t.until_sockets_are_closed();
      }(*this, *stream, sent, *peer),
      [&] {
        received = peer->receive_all();
        peer->end();
      });
  EXPECT_TRUE(received == sent);
}

TEST_F(Connected, linger_ends_even_if_the_peer_never_reads) {
  run([](Connected& t, Stream& s) -> Task<> {
    s.write(Slice::own(std::string(32u << 20, 'x')));
    s.close(milliseconds(5));
    co_await t.until_sockets_are_closed();
  }(*this, *stream));
  EXPECT_EQ(core.stream_count(), 0u);
}

TEST_F(Connected, linger_ends_even_if_the_peer_never_closes) {
  run([](Connected& t, Stream& s) -> Task<> {
    s.write("goodbye");
    s.close(milliseconds(5));
    co_await t.until_sockets_are_closed();
  }(*this, *stream));
  EXPECT_EQ(peer->receive(100), "goodbye");
}

TEST_F(Connected, abort_resets) {
  run([](Connected& t, Stream& s) -> Task<> {
    s.write("dropped");
    s.abort();
    co_await t.until_sockets_are_closed();
  }(*this, *stream));
  EXPECT_EQ(peer->receive(100), "!");
}

TEST_F(Connected, writes_to_a_gone_peer_are_dropped_and_reads_tell) {
  peer.reset();
  run([](Stream& s) -> Task<> {
    InputBuffer buffer(s.core().input_blocks());
    auto got = co_await s.read(buffer);
    EXPECT_TRUE(got.ok() && *got == 0);
    for (int i = 0; i < 3; ++i) {
      s.write(std::string(1u << 20, 'x'));
      co_await s.drained(0);
      EXPECT_EQ(s.unsent(), 0u);
    }
    s.close();
  }(*stream));
}

TEST_F(Connected, a_busy_connection_shares_the_round_with_others) {
  // The first connection always has input. The second one's byte must still get through, and the
  // hook must run, before the first has read everything.
  constexpr std::size_t total = 32u << 20;
  int hooks = 0;
  core.set_round_hook([&] { ++hooks; });
  std::size_t got_total = 0;
  run(
      [](Stream& s, std::size_t& all) -> Task<> {
        InputBuffer buffer(s.core().input_blocks());
        for (;;) {
          auto got = co_await s.read(buffer);
          if (!got || *got == 0) break;
          all += *got;
          buffer.consume(*got);
        }
      }(*stream, got_total),
      [&] {
        peer->send(std::string(total, 'x'));
        peer->end();
      });
  EXPECT_EQ(got_total, total);
  EXPECT_GE(static_cast<std::size_t>(hooks), total / (512 * 1024));
}

TEST_F(Connected, a_core_may_go_with_a_read_suspended) {
  core.spawn([](std::unique_ptr<Stream> s) -> Task<> {
    InputBuffer buffer(s->core().input_blocks());
    s->write("x");
    (void)co_await s->read(buffer);
    ADD_FAILURE() << "resumed";
  }(std::move(stream)));
  core.post([&] { core.post([&] { core.stop(); }); });
  core.run();
  EXPECT_EQ(peer->receive(100), "x");
}

TEST(Listener, takes_a_port_and_tells_when_it_is_taken) {
  Core core(CoreIndex(0));
  auto first = Listener::open(core, "127.0.0.1", 0, false, [](auto) {});
  ASSERT_TRUE(first.ok());
  std::uint16_t port = (*first)->port();
  EXPECT_NE(port, 0);
  for (bool shared : {false, true}) {
    auto second = Listener::open(core, "127.0.0.1", port, shared, [](auto) {});
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, Errc::in_use);
    EXPECT_NE(second.error().message.find("127.0.0.1:" + std::to_string(port)), std::string::npos);
  }
}

TEST(Listener, core_zero_notices_a_shared_port_of_another_owner) {
  Core core(CoreIndex(0));
  auto first = Listener::open(core, "127.0.0.1", 0, true, [](auto) {});
  ASSERT_TRUE(first.ok());
  auto second = Listener::open(core, "127.0.0.1", (*first)->port(), true, [](auto) {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::in_use);
}

TEST(Listener, cores_share_a_port) {
  Core first_core(CoreIndex(0));
  Core second_core(CoreIndex(1));
  auto first = Listener::open(first_core, "127.0.0.1", 0, true, [](auto) {});
  ASSERT_TRUE(first.ok());
  auto second = Listener::open(second_core, "127.0.0.1", (*first)->port(), true, [](auto) {});
  EXPECT_TRUE(second.ok());
}

// Else a client could be served by a core that has not heard who may come in.
TEST(Listener, lets_in_nobody_before_what_was_posted_is_done) {
  Core core(CoreIndex(0));
  bool done = false;
  bool accepted = false;
  auto opened = Listener::open(core, "127.0.0.1", 0, false, [&](auto) {
    EXPECT_TRUE(done);
    accepted = true;
    core.stop();
  });
  ASSERT_TRUE(opened.ok());
  const Peer peer = Peer::connect((*opened)->port());
  core.post([&] { done = true; });
  core.run();
  EXPECT_TRUE(accepted);
}

TEST(Listener, refuses_addresses_that_are_none) {
  Core core(CoreIndex(0));
  for (const char* address : {"", "300.1.1.1", "no such host", "192.0.2.1"}) {
    auto opened = Listener::open(core, address, 0, false, [](auto) {});
    ASSERT_FALSE(opened.ok()) << address;
    EXPECT_EQ(opened.error().code, Errc::invalid_argument) << opened.error().message;
  }
}

// Not with AddressSanitizer and its companions: their own checks need descriptors, too.
#ifndef __SANITIZE_ADDRESS__
TEST(Listener, waits_for_file_descriptors_and_then_accepts) {
  Core core(CoreIndex(0));
  std::unique_ptr<Stream> accepted;
  auto opened = Listener::open(core, "127.0.0.1", 0, false, [&](std::unique_ptr<Stream> stream) {
    accepted = std::move(stream);
    core.stop();
  });
  ASSERT_TRUE(opened.ok());
  Peer peer = Peer::connect((*opened)->port());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  Timer relief = core.schedule(milliseconds(20), [&] {
    EXPECT_EQ(accepted, nullptr);
    ::setrlimit(RLIMIT_NOFILE, &before);
  });
  core.run();
  EXPECT_NE(accepted, nullptr);
  accepted.reset();
}
#endif

TEST(OutputQueue, keeps_order_and_frees_its_blocks) {
  OutputBlockPool pool;
  OutputQueue queue(pool);
  std::string expected;
  std::string sent;
  std::string source = pattern(100'000);
  std::size_t seed = 1;
  for (int i = 0; i < 5000; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    std::size_t size = (seed >> 33) % (i % 7 == 0 ? 20'000 : 700);
    std::string_view bytes = std::string_view(source).substr(0, size);
    expected += bytes;
    if ((seed >> 60) % 2 == 0) {
      queue.add(bytes);
    } else {
      queue.add(Slice::own(std::string(bytes)));
    }
    std::array<iovec, 3> parts;
    auto gathered = queue.gather(parts);
    std::size_t take = gathered.size * ((seed >> 20) % 5) / 4;
    std::string all;
    for (std::size_t p = 0; p < gathered.parts; ++p) {
      all.append(static_cast<char*>(parts[p].iov_base), parts[p].iov_len);
    }
    take = std::min(take, all.size());
    sent += all.substr(0, take);
    queue.consume(take);
    ASSERT_EQ(queue.size(), expected.size() - sent.size());
    ASSERT_EQ(pool.held, queue.held());
  }
  while (!queue.empty()) {
    std::array<iovec, 64> parts;
    auto gathered = queue.gather(parts);
    for (std::size_t p = 0; p < gathered.parts; ++p) {
      sent.append(static_cast<char*>(parts[p].iov_base), parts[p].iov_len);
    }
    queue.consume(gathered.size);
  }
  EXPECT_TRUE(sent == expected);
  EXPECT_EQ(pool.held, 0u);
}

TEST(OutputQueue, holds_a_large_part_until_all_of_it_is_sent) {
  OutputBlockPool pool;
  OutputQueue queue(pool);
  queue.add(Slice::own(std::string(100'000, 'x')));
  queue.add(Slice::own(std::string(50'000, 'y')));
  queue.consume(99'999);
  EXPECT_EQ(queue.size(), 50'001u);
  EXPECT_EQ(pool.held, 150'000u);
  queue.consume(2);
  EXPECT_EQ(pool.held, 50'000u);
  queue.clear();
  EXPECT_EQ(pool.held, 0u);
}

}  // namespace
}  // namespace trv::runtime
