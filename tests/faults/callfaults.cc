// A library to preload into the broker: its system calls fail, are interrupted, do less than they
// were asked to, or take long.
//
//   CALL_FAULTS="pread:EINTR:1:2 sendmsg:short openat:EMFILE:7:0:1"
//                call:fault[:first[:every[:count]]], of the calls of this name since the start:
//                `first` is the first to meet the fault (1), then each `every`-th (1; 0: no other
//                one), `count` of them at most (0: no limit).
//
// Faults: the name of an error; `short`, some bytes only; `late`, a few milliseconds. Each time
// that one is met, a line with the call's name goes to the file CALL_FAULTS_LOG. Unlike strace,
// which leaves a call out and makes its result up, this does what the result says.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sstream>
#include <string>

namespace {

constexpr std::size_t socket_bytes_max = 7;
constexpr std::size_t file_bytes_max = 1021;
constexpr long late_ns = 3'000'000;
constexpr std::size_t rules_max = 16;
constexpr int fault_short = -1;
constexpr int fault_late = -2;

struct Rule {
  std::string call;
  int fault = 0;  // an error number, or one of the two above
  std::uint64_t first = 1;
  std::uint64_t every = 1;
  std::uint64_t count = 0;
  std::atomic<std::uint64_t> seen{0};
  std::atomic<std::uint64_t> met{0};
};

int fault_of(const std::string& name) {
  struct Named {
    const char* name;
    int fault;
  };
  static constexpr Named known[] = {{"short", fault_short}, {"late", fault_late},
                                    {"EINTR", EINTR},       {"EMFILE", EMFILE},
                                    {"ENFILE", ENFILE},     {"EAGAIN", EAGAIN},
                                    {"ENOBUFS", ENOBUFS},   {"ENOMEM", ENOMEM},
                                    {"EIO", EIO},           {"ECONNABORTED", ECONNABORTED}};
  for (const Named& one : known) {
    if (name == one.name) return one.fault;
  }
  ::dprintf(STDERR_FILENO, "callfaults: unknown fault '%s'\n", name.c_str());
  ::_exit(99);
}

class Rules {
 public:
  Rules() {
    const char* text = std::getenv("CALL_FAULTS");
    std::istringstream words(text == nullptr ? "" : text);
    for (std::string word; words >> word && size_ < rules_max;) read(word, rules_[size_++]);
    const char* log = std::getenv("CALL_FAULTS_LOG");
    if (log != nullptr) {
      auto real = reinterpret_cast<int (*)(const char*, int, ...)>(::dlsym(RTLD_NEXT, "open"));
      log_ = real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
  }

  // The fault that this call meets; 0: none.
  int next(const char* call) {
    for (std::size_t i = 0; i < size_; ++i) {
      Rule& rule = rules_[i];
      if (rule.call != call) continue;
      const std::uint64_t number = ++rule.seen;
      const bool met = number == rule.first || (rule.every > 0 && number > rule.first &&
                                                (number - rule.first) % rule.every == 0);
      if (!met || (rule.count > 0 && rule.met.fetch_add(1) >= rule.count)) continue;
      tell(call);
      return rule.fault;
    }
    return 0;
  }

 private:
  static void read(const std::string& word, Rule& rule) {
    std::istringstream parts(word);
    std::string fault;
    std::getline(parts, rule.call, ':');
    std::getline(parts, fault, ':');
    rule.fault = fault_of(fault);
    for (std::uint64_t* number : {&rule.first, &rule.every, &rule.count}) {
      if (std::string part; std::getline(parts, part, ':')) *number = std::stoull(part);
    }
  }

  void tell(const char* call) const {
    if (log_ < 0) return;
    const std::string line = std::string(call) + "\n";
    (void)!::write(log_, line.data(), line.size());
  }

  Rule rules_[rules_max];
  std::size_t size_ = 0;
  int log_ = -1;
};

Rules& rules() {
  static Rules all;
  return all;
}

// What the call meets, when that is all of it: the caller returns -1.
bool fails(const char* call, int& fault) {
  fault = rules().next(call);
  if (fault == fault_late) {
    const timespec pause{0, late_ns};
    ::nanosleep(&pause, nullptr);
  }
  if (fault <= 0) return false;
  errno = fault;
  return true;
}

// The beginning of the parts, in one.
iovec beginning(const iovec* parts, int count, std::size_t size_max) {
  for (int i = 0; i < count; ++i) {
    if (parts[i].iov_len > 0) return {parts[i].iov_base, std::min(parts[i].iov_len, size_max)};
  }
  return {nullptr, 0};
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

#define TRV_REAL(name) static auto* const call = real<decltype(::name)>(#name)

extern "C" {

ssize_t recv(int socket, void* into, size_t size, int flags) {
  TRV_REAL(recv);
  int fault = 0;
  if (fails("recv", fault)) return -1;
  return call(socket, into, fault == fault_short ? std::min(size, socket_bytes_max) : size, flags);
}

ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  TRV_REAL(sendmsg);
  int fault = 0;
  if (fails("sendmsg", fault)) return -1;
  if (fault != fault_short) return call(socket, message, flags);
  iovec part = beginning(message->msg_iov, static_cast<int>(message->msg_iovlen), socket_bytes_max);
  msghdr less = *message;
  less.msg_iov = &part;
  less.msg_iovlen = 1;
  return call(socket, &less, flags);
}

int accept4(int socket, sockaddr* address, socklen_t* size, int flags) {
  TRV_REAL(accept4);
  int fault = 0;
  return fails("accept4", fault) ? -1 : call(socket, address, size, flags);
}

int epoll_wait(int epoll, epoll_event* events, int count, int timeout) {
  TRV_REAL(epoll_wait);
  int fault = 0;
  return fails("epoll_wait", fault) ? -1 : call(epoll, events, count, timeout);
}

int openat(int directory, const char* name, int flags, ...) {
  TRV_REAL(openat);
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  int fault = 0;
  return fails("openat", fault) ? -1 : call(directory, name, flags, mode);
}

ssize_t pread(int file, void* into, size_t size, off_t position) {
  TRV_REAL(pread);
  int fault = 0;
  if (fails("pread", fault)) return -1;
  return call(file, into, fault == fault_short ? std::min(size, file_bytes_max) : size, position);
}

ssize_t pwritev(int file, const iovec* parts, int count, off_t position) {
  TRV_REAL(pwritev);
  int fault = 0;
  if (fails("pwritev", fault)) return -1;
  if (fault != fault_short) return call(file, parts, count, position);
  const iovec part = beginning(parts, count, file_bytes_max);
  return call(file, &part, 1, position);
}

int fdatasync(int file) {
  TRV_REAL(fdatasync);
  int fault = 0;
  return fails("fdatasync", fault) ? -1 : call(file);
}

int fsync(int file) {
  TRV_REAL(fsync);
  int fault = 0;
  return fails("fsync", fault) ? -1 : call(file);
}

int fallocate(int file, int mode, off_t position, off_t size) {
  TRV_REAL(fallocate);
  int fault = 0;
  return fails("fallocate", fault) ? -1 : call(file, mode, position, size);
}

int ftruncate(int file, off_t size) noexcept {
  TRV_REAL(ftruncate);
  int fault = 0;
  return fails("ftruncate", fault) ? -1 : call(file, size);
}

int flock(int file, int operation) noexcept {
  TRV_REAL(flock);
  int fault = 0;
  return fails("flock", fault) ? -1 : call(file, operation);
}

int renameat(int from, const char* name, int to, const char* new_name) noexcept {
  TRV_REAL(renameat);
  int fault = 0;
  return fails("renameat", fault) ? -1 : call(from, name, to, new_name);
}

int unlinkat(int directory, const char* name, int flags) noexcept {
  TRV_REAL(unlinkat);
  int fault = 0;
  return fails("unlinkat", fault) ? -1 : call(directory, name, flags);
}

}  // extern "C"
