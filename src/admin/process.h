// ProcessFacts: what the operating system says of this process and its machine.
#pragma once

#include <cstdint>
#include <string>

namespace trv::admin {

struct ProcessFacts {
  std::int64_t id = 0;
  std::int64_t threads = 0;
  std::int64_t threads_max = 0;      // of the machine
  std::int64_t threads_running = 0;  // or waiting for a processor, besides who asks
  std::int64_t sockets_open = 0;
  std::int64_t processors = 0;
  std::int64_t files_open = 0;
  std::int64_t files_max = 0;
  std::int64_t memory_used = 0;   // bytes resident
  std::int64_t memory_total = 0;  // bytes of the machine
  std::int64_t disk_free = 0;     // bytes, where `data_dir` is
  std::int64_t disk_total = 0;    // the same
};

// What cannot be read stays 0.
ProcessFacts process_facts(const std::string& data_dir);

}  // namespace trv::admin
