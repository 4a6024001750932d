// What the event loop costs: awaiting, posting, timers, and an echo over loopback.
//   ./dev bench runtime
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

#include "runtime/core.h"
#include "runtime/stream.h"

namespace {

using namespace trv;
using namespace trv::runtime;

Task<int> immediate(int value) { co_return value; }

void await_without_suspending(benchmark::State& state) {
  Core core(CoreIndex(0));
  core.spawn([](Core& c, benchmark::State& s) -> Task<> {
    int sum = 0;
    for (auto _ : s) sum += co_await immediate(1);
    benchmark::DoNotOptimize(sum);
    c.stop();
  }(core, state));
  core.run();
}
BENCHMARK(await_without_suspending);

void one_round_with_a_post(benchmark::State& state) {
  Core core(CoreIndex(0));
  std::function<void()> again = [&] {
    if (!state.KeepRunning()) return core.stop();
    core.post([&] { again(); });
  };
  core.post([&] { again(); });
  core.run();
}
BENCHMARK(one_round_with_a_post);

void post_to_another_core_and_back(benchmark::State& state) {
  Core here(CoreIndex(0));
  Core there(CoreIndex(1));
  std::thread thread([&] { there.run(); });
  std::function<void()> again = [&] {
    if (!state.KeepRunning()) return here.stop();
    there.post([&] { here.post([&] { again(); }); });
  };
  here.post([&] { again(); });
  here.run();
  there.stop();
  thread.join();
}
BENCHMARK(post_to_another_core_and_back)->UseRealTime();

void arm_and_cancel_among_many_timers(benchmark::State& state) {
  Core core(CoreIndex(0));
  std::vector<Timer> others;
  for (int i = 0; i < state.range(0); ++i) {
    others.push_back(core.schedule(std::chrono::seconds(i % 60), [] {}));
  }
  for (auto _ : state) {
    Timer timer = core.schedule(std::chrono::seconds(30), [] {});
    benchmark::DoNotOptimize(timer);
  }
}
BENCHMARK(arm_and_cancel_among_many_timers)->Arg(100)->Arg(100'000);

Task<> echo(std::unique_ptr<Stream> stream) {
  InputBuffer buffer(stream->core().input_blocks());
  for (;;) {
    auto got = co_await stream->read(buffer);
    if (!got || *got == 0) co_return;
    stream->write(buffer.unread());
    buffer.consume(*got);
    co_await stream->drained(1u << 20);
  }
}

int connect_to(std::uint16_t port) {
  int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

// Round trips of range(0) bytes with one connection.
void echo_round_trip(benchmark::State& state) {
  Core core(CoreIndex(0));
  auto listener = Listener::open(core, "127.0.0.1", 0, false,
                                 [&core](auto stream) { core.spawn(echo(std::move(stream))); });
  std::uint16_t port = (*listener)->port();
  std::thread thread([&] { core.run(); });
  int socket = connect_to(port);
  std::vector<char> bytes(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    if (::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) break;
    for (std::size_t got = 0; got < bytes.size();) {
      ssize_t part = ::recv(socket, bytes.data(), bytes.size() - got, 0);
      if (part <= 0) return state.SkipWithError("the connection broke");
      got += static_cast<std::size_t>(part);
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
  ::close(socket);
  core.stop();
  thread.join();
  (*listener).reset();
}
BENCHMARK(echo_round_trip)->Arg(16)->Arg(1024)->Arg(256 * 1024)->UseRealTime();

}  // namespace
