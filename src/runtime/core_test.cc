// What a Core promises: order of posted work, rounds and their hook, timers, tasks that sleep, wait
// and are destroyed with their core, and hand-offs between threads. Loops run on the test's thread
// until they stop themselves; no test depends on how long something takes.
#include "runtime/core.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "runtime/offload_pool.h"
#include "runtime/process.h"
#include "runtime/test_time.h"
#include "runtime/timer_queue.h"

namespace trv::runtime {
namespace {

using std::chrono::milliseconds;

Task<int> immediate(int value) { co_return value; }

Task<long> sum_of_many(int count) {
  long sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await immediate(i);
  co_return sum;
}

TEST(Task, awaits_any_number_without_growing_the_stack) {
  Core core(CoreIndex(0));
  long sum = 0;
  core.spawn([](Core& c, long& out) -> Task<> {
    out = co_await sum_of_many(1'000'000);
    c.stop();
  }(core, sum));
  core.run();
  EXPECT_EQ(sum, 499'999'500'000L);
}

Task<std::unique_ptr<std::string>> make_text(Core& core) {
  co_await core.sleep(milliseconds(0));
  co_return std::make_unique<std::string>("text");
}

TEST(Task, carries_move_only_values_through_suspension) {
  Core core(CoreIndex(0));
  std::string got;
  core.spawn([](Core& c, std::string& out) -> Task<> {
    out = *co_await make_text(c);
    c.stop();
  }(core, got));
  core.run();
  EXPECT_EQ(got, "text");
}

TEST(Core, posted_work_keeps_its_order_and_runs_in_a_later_round) {
  Core core(CoreIndex(0));
  std::vector<int> order;
  int rounds = 0;
  core.set_round_hook([&] { ++rounds; });
  core.post([&] {
    int posted_in = rounds;
    core.post([&order, &rounds, posted_in] {
      EXPECT_GT(rounds, posted_in);
      order.push_back(1);
    });
    core.post([&] { order.push_back(2); });
    core.post([&] { core.stop(); });
    order.push_back(0);
  });
  core.run();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
}

TEST(Core, what_the_hook_posts_is_not_slept_on) {
  Core core(CoreIndex(0));
  int hooks = 0;
  core.set_round_hook([&] {
    ++hooks;
    if (hooks < 5) core.post([] {});
    if (hooks == 5) core.stop();
  });
  core.post([] {});
  core.run();  // would sleep for ever if a hook's work were overlooked
  EXPECT_EQ(hooks, 5);
}

TEST(Core, stop_before_run_returns_at_once_and_run_can_be_called_again) {
  Core core(CoreIndex(0));
  bool ran = false;
  core.stop();
  core.run();
  core.post([&] {
    ran = true;
    core.stop();
  });
  core.run();
  EXPECT_TRUE(ran);
}

TEST(Core, nothing_runs_after_the_handler_that_stops_but_the_rounds_end) {
  Core core(CoreIndex(0));
  std::vector<std::string> log;
  for (int i = 1; i <= 3; ++i) {
    core.post([&log, &core, i] {
      log.push_back(std::to_string(i));
      if (i < 3) core.stop();
    });
  }
  core.set_round_hook([&] { log.push_back("hook"); });
  core.run();
  core.run();
  EXPECT_EQ(log, (std::vector<std::string>{"1", "hook", "2", "hook"}));
}

TEST(Core, receives_from_many_threads_in_each_ones_order) {
  Core core(CoreIndex(0));
  constexpr int threads = 4;
  constexpr int each = 10'000;
  std::vector<int> next(threads, 0);
  int total = 0;
  std::vector<std::thread> senders;
  for (int t = 0; t < threads; ++t) {
    senders.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        core.post([&, t, i] {
          EXPECT_TRUE(core.on_this_thread());
          EXPECT_EQ(next[t]++, i);
          if (++total == threads * each) core.stop();
        });
      }
    });
  }
  core.run();
  for (auto& sender : senders) sender.join();
  EXPECT_EQ(total, threads * each);
}

TEST(Core, two_cores_play_ping_pong) {
  Core a(CoreIndex(0));
  Core b(CoreIndex(1));
  std::thread other([&] { b.run(); });
  int turns = 0;
  std::function<void()> ping = [&] {
    EXPECT_EQ(Core::current(), &a);
    if (++turns == 10'000) {
      b.stop();
      a.stop();
      return;
    }
    b.post([&] { a.post([&] { ping(); }); });
  };
  a.post([&] { ping(); });
  a.run();
  other.join();
  EXPECT_EQ(turns, 10'000);
}

TEST(Core, what_one_core_posts_to_others_comes_whole_and_in_order_though_it_stops) {
  Core a(CoreIndex(0));
  Core b(CoreIndex(1));
  constexpr int count = 1'000;
  int next = 0;
  std::thread other([&] { b.run(); });
  a.set_round_hook([&] {
    b.post([&] {
      EXPECT_EQ(next, count);
      b.stop();
    });
  });
  a.post([&] {
    for (int i = 0; i < count; ++i) {
      b.post([&next, i] { EXPECT_EQ(next++, i); });
    }
    a.stop();
  });
  a.run();
  other.join();
  EXPECT_EQ(next, count);
}

TEST(Timer, fires_in_order_and_not_after_cancel_or_destruction) {
  Core core(CoreIndex(0));
  std::vector<int> fired;
  Timer late = core.schedule(milliseconds(6), [&] { core.stop(); });
  Timer second = core.schedule(milliseconds(4), [&] { fired.push_back(2); });
  Timer first = core.schedule(milliseconds(2), [&] { fired.push_back(1); });
  Timer cancelled = core.schedule(milliseconds(1), [&] { fired.push_back(-1); });
  {
    Timer destroyed = core.schedule(milliseconds(1), [&] { fired.push_back(-2); });
  }
  Timer replaced = core.schedule(milliseconds(1), [&] { fired.push_back(-3); });
  replaced = core.schedule(milliseconds(5), [&] { fired.push_back(3); });
  EXPECT_TRUE(cancelled.armed());
  cancelled.cancel();
  EXPECT_FALSE(cancelled.armed());
  core.run();
  EXPECT_EQ(fired, (std::vector{1, 2, 3}));
  EXPECT_FALSE(first.armed());
}

TEST(Timer, may_replace_itself_while_it_fires) {
  Core core(CoreIndex(0));
  Timer timer;
  int fired = 0;
  std::function<void()> again = [&] {
    if (++fired == 3) return core.stop();
    timer = core.schedule(milliseconds(0), [&] { again(); });
  };
  timer = core.schedule(milliseconds(0), [&] { again(); });
  core.run();
  EXPECT_EQ(fired, 3);
}

TEST(Timer, never_fires_early) {
  Core core(CoreIndex(0));
  auto start = std::chrono::steady_clock::now();
  Timer timer = core.schedule(milliseconds(3), [&] { core.stop(); });
  core.run();
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(3));
}

TEST(Timer, fires_when_a_test_lets_its_time_pass) {
  Core core(CoreIndex(0));
  bool fired = false;
  Timer timer = core.schedule(std::chrono::hours(1), [&] { fired = true; });
  const WallTime before = core.wall_now();
  test_set_time_passed(std::chrono::hours(1) + milliseconds(1));
  Timer end = core.schedule(milliseconds(1), [&] { core.stop(); });
  core.run();
  EXPECT_TRUE(fired);
  EXPECT_GE(core.wall_now().ms - before.ms, 3'600'001);
  test_set_time_passed({});
}

TEST(TimerQueue, agrees_with_a_sorted_list_under_random_adds_and_removes) {
  std::mt19937 random(7);
  TimerQueue queue;
  std::vector<std::shared_ptr<TimerEntry>> twin;
  SteadyTime start{};
  for (int i = 0; i < 20'000; ++i) {
    if (twin.empty() || random() % 3 != 0) {
      auto entry = std::make_shared<TimerEntry>();
      entry->due = start + Duration(random() % 1000);
      queue.add(entry);
      twin.push_back(entry);
    } else if (random() % 2 == 0) {
      std::size_t victim = random() % twin.size();
      queue.remove(*twin[victim]);
      twin.erase(twin.begin() + static_cast<std::ptrdiff_t>(victim));
    } else {
      auto soonest = std::min_element(twin.begin(), twin.end(), [](auto& a, auto& b) {
        return std::pair(a->due, a->order) < std::pair(b->due, b->order);
      });
      ASSERT_EQ(queue.next_due(), (*soonest)->due);
      ASSERT_EQ(queue.take_due((*soonest)->due - Duration(1)), nullptr);
      ASSERT_EQ(queue.take_due((*soonest)->due), *soonest);
      twin.erase(soonest);
    }
    ASSERT_EQ(queue.size(), twin.size());
  }
}

Task<> wait_for(Event& event, std::vector<std::string>& log) {
  co_await event.wait();
  log.push_back("woken");
}

TEST(Event, wakes_from_the_loop_and_remembers_once) {
  Core core(CoreIndex(0));
  Event event;
  std::vector<std::string> log;
  core.spawn([](Core& c, Event& e, std::vector<std::string>& l) -> Task<> {
    e.set();
    co_await e.wait();  // remembered
    l.push_back("remembered");
    c.post([&e, &l] {
      e.set();
      l.push_back("set");
    });
    co_await wait_for(e, l);
    c.stop();
  }(core, event, log));
  core.run();
  EXPECT_EQ(log, (std::vector<std::string>{"remembered", "set", "woken"}));
}

TEST(Gate, close_waits_for_everything_inside) {
  Core core(CoreIndex(0));
  Gate gate;
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    core.spawn(gate, [](Core& c, int ms, int& count) -> Task<> {
      co_await c.sleep(milliseconds(ms));
      ++count;
    }(core, i, ended));
  }
  core.spawn([](Core& c, Gate& g, int& count) -> Task<> {
    co_await g.close();
    EXPECT_EQ(count, 3);
    c.stop();
  }(core, gate, ended));
  EXPECT_EQ(gate.count(), 3);
  core.run();
  EXPECT_TRUE(gate.closed());
}

TEST(Gate, close_of_an_empty_gate_does_not_suspend) {
  Core core(CoreIndex(0));
  Gate gate;
  core.spawn([](Core& c, Gate& g) -> Task<> {
    co_await g.close();
    c.stop();
  }(core, gate));
  core.run();
  EXPECT_TRUE(gate.closed());
}

struct Flag {
  bool& flag;
  ~Flag() { flag = true; }
};

TEST(Core, destroys_suspended_tasks_and_queued_closures) {
  bool sleeper = false;
  bool waiter = false;
  bool closure = false;
  bool never_started = false;
  Event event;
  {
    Core core(CoreIndex(0));
    core.spawn([](Core& c, bool& f) -> Task<> {
      Flag flag{f};
      co_await c.sleep(std::chrono::hours(1));
    }(core, sleeper));
    core.spawn([](Core& c, Event& e, bool& f) -> Task<> {
      Flag flag{f};
      co_await c.sleep(milliseconds(0));
      c.post([&c] { c.stop(); });
      co_await e.wait();
    }(core, event, waiter));
    core.run();
    core.post([flag = std::unique_ptr<Flag>(new Flag{closure})] {});
    core.spawn([](std::unique_ptr<Flag>) -> Task<> {
      co_return;
    }(std::unique_ptr<Flag>(new Flag{never_started})));
  }
  EXPECT_TRUE(sleeper);
  EXPECT_TRUE(waiter);
  EXPECT_TRUE(closure);
  EXPECT_TRUE(never_started);
}

TEST(Core, offload_runs_elsewhere_and_comes_back) {
  OffloadPool pool;
  Core core(CoreIndex(0), &pool);
  std::thread::id blocking_thread;
  bool done = false;
  core.post([&] {
    core.offload([&] { blocking_thread = std::this_thread::get_id(); },
                 [&] {
                   EXPECT_TRUE(core.on_this_thread());
                   done = true;
                   core.stop();
                 });
  });
  core.run();
  EXPECT_TRUE(done);
  EXPECT_NE(blocking_thread, std::this_thread::get_id());
  pool.stop();
}

TEST(Core, offload_without_a_pool_makes_its_own) {
  Core core(CoreIndex(0));
  core.post([&] { core.offload([] {}, [&] { core.stop(); }); });
  core.run();
}

TEST(CoreThread, calls_run_on_the_core_and_have_ended_on_return) {
  Core core(CoreIndex(0));
  CoreThread thread(core);
  int calls = 0;
  for (int i = 0; i < 100; ++i) {
    thread.call([&] {
      EXPECT_TRUE(core.on_this_thread());
      ++calls;
    });
    EXPECT_EQ(calls, i + 1);
  }
  thread.call([&] { core.stop(); });
}

TEST(OffloadPool, stop_runs_what_was_submitted) {
  std::atomic<int> ran = 0;
  OffloadPool pool(2);
  for (int i = 0; i < 100; ++i) pool.submit([&] { ++ran; });
  pool.stop();
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace trv::runtime
