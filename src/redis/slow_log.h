// SlowLog: the commands of this core that took long to run, the newest first.
//
// Owner: the core's Service. Bounded by `size_max` entries of at most 32 arguments of 128 bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace trv::redis {

struct Call;

class SlowLog {
 public:
  struct Settings {
    std::int64_t slower_than_us = 10'000;  // negative: nothing is kept
    std::uint64_t size_max = 128;
  };
  struct Entry {
    std::uint64_t id = 0;
    WallTime when;
    std::chrono::microseconds took{0};
    std::vector<std::string> args;
    std::string peer;
    std::string name;
  };

  // Ids differ from those of other cores.
  SlowLog(CoreIndex core, int core_count)
      : next_id_(core.value), id_step_(static_cast<std::uint64_t>(core_count)) {}

  const Settings& settings() const { return settings_; }
  void set_settings(const Settings& settings);
  // Keeps the command if it took too long.
  void consider(const Call& call, std::chrono::nanoseconds took);
  const std::deque<Entry>& entries() const { return entries_; }
  void clear() { entries_.clear(); }

 private:
  Settings settings_;
  std::deque<Entry> entries_;
  std::uint64_t next_id_;
  std::uint64_t id_step_;
};

// What may be shown of a command: no passwords. Empty: nothing of it.
std::vector<ByteView> shown_args(const Call& call);

}  // namespace trv::redis
