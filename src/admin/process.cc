#include "admin/process.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace trv::admin {

namespace {

std::int64_t entries_of(const char* directory) {
  std::error_code failed;
  std::filesystem::directory_iterator entries(directory, failed);
  if (failed) return 0;
  return std::distance(begin(entries), end(entries));
}

}  // namespace

ProcessFacts process_facts(const std::string& data_dir) {
  ProcessFacts facts;
  facts.id = ::getpid();
  facts.threads = entries_of("/proc/self/task");
  facts.files_open = entries_of("/proc/self/fd");
  facts.processors = ::sysconf(_SC_NPROCESSORS_ONLN);
  const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  facts.memory_total = ::sysconf(_SC_PHYS_PAGES) * page;
  std::int64_t pages_all = 0;
  std::int64_t pages_resident = 0;
  if (std::ifstream("/proc/self/statm") >> pages_all >> pages_resident) {
    facts.memory_used = pages_resident * page;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    facts.files_max = static_cast<std::int64_t>(limit.rlim_cur);
  }
  struct statvfs disk {};
  if (::statvfs(data_dir.c_str(), &disk) == 0) {
    facts.disk_free = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
  }
  return facts;
}

}  // namespace trv::admin
