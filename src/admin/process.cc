#include "admin/process.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
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

std::int64_t number_in(const char* file) {
  std::int64_t number = 0;
  std::ifstream(file) >> number;
  return number;
}

bool is_socket(const std::filesystem::path& descriptor) {
  std::error_code failed;
  const std::filesystem::path target = std::filesystem::read_symlink(descriptor, failed);
  return !failed && target.native().starts_with("socket:");
}

// Its state stands behind its name, which is in parentheses and may hold anything.
bool is_running(const std::filesystem::path& thread) {
  std::ifstream file(thread / "stat");
  const std::string line(std::istreambuf_iterator<char>(file), {});
  const std::size_t name_end = line.rfind(')');
  return name_end != std::string::npos && line.substr(name_end, 3) == ") R";
}

// How many entries `is_one` picks.
std::int64_t count_entries(const char* directory, bool (*is_one)(const std::filesystem::path&)) {
  std::error_code failed;
  std::int64_t count = 0;
  std::filesystem::directory_iterator entries(directory, failed);
  while (!failed && entries != std::filesystem::directory_iterator()) {
    if (is_one(entries->path())) ++count;
    entries.increment(failed);
  }
  return count;
}

}  // namespace

ProcessFacts process_facts(const std::string& data_dir) {
  ProcessFacts facts;
  facts.id = ::getpid();
  facts.threads = entries_of("/proc/self/task");
  facts.threads_max = number_in("/proc/sys/kernel/threads-max");
  const std::int64_t running = count_entries("/proc/self/task", is_running);
  facts.threads_running = std::max<std::int64_t>(running - 1, 0);
  facts.sockets_open = count_entries("/proc/self/fd", is_socket);
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
    facts.disk_total = static_cast<std::int64_t>(disk.f_blocks * disk.f_frsize);
  }
  return facts;
}

}  // namespace trv::admin
