// OffloadPool: a few threads for work that blocks (fsync, reads of cold files), shared by all
// cores.
//
// Owner: server::Node, which stops it after the cores have stopped and before they are destroyed.
#pragma once

#include <memory>

#include "base/function.h"

namespace trv::runtime {

class OffloadPool {
 public:
  static constexpr int default_threads = 2;

  explicit OffloadPool(int threads = default_threads);
  ~OffloadPool();
  OffloadPool(const OffloadPool&) = delete;
  OffloadPool& operator=(const OffloadPool&) = delete;

  // From any thread. Runs `work` on one of the threads, in order of submission.
  // Requires: stop() was not called.
  void submit(UniqueFunction<void()> work);
  // Runs what was submitted, then ends the threads. Safe to call twice.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::runtime
