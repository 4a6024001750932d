#include "runtime/offload_pool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace trv::runtime {

struct OffloadPool::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<UniqueFunction<void()>> queue;
  bool stopping = false;
  std::vector<std::thread> threads;

  void serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      UniqueFunction<void()> work = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }
};

OffloadPool::OffloadPool(int threads) : state_(std::make_unique<State>()) {
  TRV_ASSERT(threads > 0);
  for (int i = 0; i < threads; ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->serve(); });
  }
}

OffloadPool::~OffloadPool() { stop(); }

void OffloadPool::submit(UniqueFunction<void()> work) {
  {
    std::lock_guard lock(state_->mutex);
    TRV_ASSERT(!state_->stopping);
    state_->queue.push_back(std::move(work));
  }
  state_->changed.notify_one();
}

void OffloadPool::stop() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->changed.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

}  // namespace trv::runtime
