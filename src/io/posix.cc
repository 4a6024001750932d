#include "io/posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/mutant.h"

namespace trv::io {
namespace {

constexpr mode_t file_mode = 0640;
constexpr mode_t directory_mode = 0750;

Errc code_of(int error) {
  switch (error) {
    case ENOENT:
      return Errc::not_found;
    case EEXIST:
      return Errc::already_exists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::access_refused;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return Errc::no_space;
    case ENOTDIR:
    case ENAMETOOLONG:
      return Errc::invalid_argument;
    case EMFILE:
    case ENFILE:
      return Errc::overloaded;
    default:
      return Errc::io_error;
  }
}

Error error_of(int error, const char* operation, const std::string& name) {
  return {code_of(error), std::string(operation) + " " + name + ": " + std::strerror(error)};
}

template <class Call>
auto without_interrupts(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

  Status read_at(std::uint64_t position, std::span<char> into) override {
    while (!into.empty()) {
      ssize_t n = without_interrupts([&] {
        return ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(position));
      });
      if (n < 0) return error_of(errno, "read", name_);
      if (n == 0) return Error{Errc::out_of_range, "read " + name_ + ": the file ends before"};
      position += static_cast<std::uint64_t>(n);
      into = into.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

  Result<bool> try_read_at(std::uint64_t position, std::span<char> into) override {
    while (!into.empty()) {
      const iovec part{into.data(), into.size()};
      ssize_t n = without_interrupts(
          [&] { return ::preadv2(fd_.get(), &part, 1, static_cast<off_t>(position), RWF_NOWAIT); });
      if (n < 0 && errno == EAGAIN) return false;
      // Not every file system can tell.
      if (n < 0 && errno == EOPNOTSUPP) {
        if (Status waited = read_at(position, into); !waited.ok()) return waited.error();
        return true;
      }
      if (n < 0) return error_of(errno, "read", name_);
      if (n == 0) return Error{Errc::out_of_range, "read " + name_ + ": the file ends before"};
      position += static_cast<std::uint64_t>(n);
      into = into.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }

  Status write_at(std::uint64_t position, std::span<const std::string_view> parts) override {
    constexpr std::size_t vectors_max = 256;
    std::array<iovec, vectors_max> vectors;
    std::size_t part = 0;
    std::size_t skip = 0;  // bytes of parts[part] already written
    for (;;) {
      while (part < parts.size() && skip == parts[part].size()) {
        ++part;
        skip = 0;
      }
      if (part == parts.size()) return {};
      int count = 0;
      for (std::size_t i = part; i < parts.size() && count < static_cast<int>(vectors_max); ++i) {
        std::string_view rest = parts[i].substr(i == part ? skip : 0);
        vectors[static_cast<std::size_t>(count++)] = {const_cast<char*>(rest.data()), rest.size()};
      }
      ssize_t n = without_interrupts([&] {
        return ::pwritev(fd_.get(), vectors.data(), count, static_cast<off_t>(position));
      });
      if (TRV_MUTANT(ignore_short_write) && n > 0) return {};
      // A write of nothing, while there was something to write, would loop for ever.
      if (n <= 0) return error_of(n < 0 ? errno : EIO, "write", name_);
      position += static_cast<std::uint64_t>(n);
      for (std::size_t left = static_cast<std::size_t>(n); left > 0;) {
        std::size_t taken = std::min(left, parts[part].size() - skip);
        left -= taken;
        skip += taken;
        if (skip == parts[part].size()) {
          ++part;
          skip = 0;
        }
      }
    }
  }

  Status sync() override {
    if (TRV_MUTANT(skip_fdatasync)) return {};
    if (without_interrupts([&] { return ::fdatasync(fd_.get()); }) < 0) {
      return error_of(errno, "sync", name_);
    }
    return {};
  }

  Status allocate(std::uint64_t size) override {
    int result =
        without_interrupts([&] { return ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)); });
    if (result == 0) return {};
    if (errno != EOPNOTSUPP) return error_of(errno, "allocate", name_);
    return allocate_by_writing(size);
  }

  Status truncate(std::uint64_t size) override {
    if (without_interrupts([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) < 0) {
      return error_of(errno, "truncate", name_);
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(fd_.get(), &status) < 0) return error_of(errno, "stat", name_);
    return static_cast<std::uint64_t>(status.st_size);
  }

  // Space that was reserved and never written is a hole to SEEK_DATA, though it has blocks.
  Result<Stretch> next_data(std::uint64_t position) override {
    Result<std::uint64_t> file_end = size();
    if (!file_end.ok()) return file_end.error();
    off_t begin = ::lseek(fd_.get(), static_cast<off_t>(position), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return Stretch{*file_end, *file_end};
    off_t end = begin < 0 ? begin : ::lseek(fd_.get(), begin, SEEK_HOLE);
    if (end < 0) return Stretch{position, *file_end};  // the file system cannot tell
    return Stretch{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
  }

 private:
  // For file systems without fallocate: only what lies beyond the present end is written.
  Status allocate_by_writing(std::uint64_t size_wanted) {
    Result<std::uint64_t> now = size();
    if (!now.ok()) return now.error();
    const std::string zeros(1u << 20, '\0');
    for (std::uint64_t at = *now; at < size_wanted;) {
      std::size_t n =
          static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), size_wanted - at));
      std::string_view part(zeros.data(), n);
      if (Status s = write_at(at, std::span(&part, 1)); !s.ok()) return s;
      at += n;
    }
    return {};
  }

  Descriptor fd_;
  std::string name_;
};

class PosixLock final : public Lock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;  // flock is released with the descriptor
};

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::read:
        flags |= O_RDONLY;
        break;
      case OpenMode::read_write:
        flags |= O_RDWR;
        break;
      case OpenMode::create:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
    }
    int fd =
        without_interrupts([&] { return ::openat(fd_.get(), name.c_str(), flags, file_mode); });
    if (fd < 0) return error_of(errno, "open", full(name));
    return std::unique_ptr<File>(std::make_unique<PosixFile>(Descriptor(fd), full(name)));
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) < 0) {
      return error_of(errno, "rename", full(from));
    }
    return {};
  }

  Status remove(const std::string& name) override {
    if (::unlinkat(fd_.get(), name.c_str(), 0) < 0) return error_of(errno, "remove", full(name));
    return {};
  }

  Result<std::vector<std::string>> list() override {
    // A descriptor of its own, so that concurrent listings do not share a read position.
    int fd = without_interrupts(
        [&] { return ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return error_of(errno, "list", path_);
    DIR* stream = ::fdopendir(fd);
    if (stream == nullptr) {
      int error = errno;
      ::close(fd);
      return error_of(error, "list", path_);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    int error = errno;
    ::closedir(stream);
    if (error != 0) return error_of(error, "list", path_);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::unique_ptr<Directory>> subdirectory(const std::string& name) override {
    if (::mkdirat(fd_.get(), name.c_str(), directory_mode) < 0) {
      if (errno != EEXIST) return error_of(errno, "create", full(name));
    } else if (Status s = sync(); !s.ok()) {
      return s.error();
    }
    int fd = without_interrupts(
        [&] { return ::openat(fd_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return error_of(errno, "open", full(name));
    return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(Descriptor(fd), full(name)));
  }

  Status sync() override {
    if (TRV_MUTANT(skip_directory_fsync)) return {};
    if (without_interrupts([&] { return ::fsync(fd_.get()); }) < 0) {
      return error_of(errno, "sync", path_);
    }
    return {};
  }

  Result<std::unique_ptr<Lock>> lock(const std::string& name) override {
    int fd = without_interrupts(
        [&] { return ::openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, file_mode); });
    if (fd < 0) return error_of(errno, "lock", full(name));
    Descriptor owned(fd);
    if (TRV_MUTANT(data_directory_not_locked))
      return std::unique_ptr<Lock>(std::make_unique<PosixLock>(std::move(owned)));
    if (without_interrupts([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) < 0) {
      if (errno == EWOULDBLOCK) {
        return Error{Errc::in_use, "lock " + full(name) + ": another process holds it"};
      }
      return error_of(errno, "lock", full(name));
    }
    return std::unique_ptr<Lock>(std::make_unique<PosixLock>(std::move(owned)));
  }

  Result<DiskSpace> space() override {
    struct statvfs status {};
    if (::fstatvfs(fd_.get(), &status) < 0) return error_of(errno, "statvfs", path_);
    const std::uint64_t unit = status.f_frsize;
    return DiskSpace{status.f_bavail * unit, status.f_blocks * unit};
  }

 private:
  std::string full(const std::string& name) const { return path_ + "/" + name; }

  Descriptor fd_;
  std::string path_;
};

Status sync_path(const std::string& path) {
  int fd =
      without_interrupts([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return error_of(errno, "open", path);
  Descriptor owned(fd);
  if (without_interrupts([&] { return ::fsync(fd); }) < 0) return error_of(errno, "sync", path);
  return {};
}

// Creates each missing directory of `path`; the parent of a new one is synced, so that the new one
// is there after power loss.
Status create_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    std::string prefix = path.substr(0, end);
    if (::mkdir(prefix.c_str(), directory_mode) == 0) {
      std::size_t slash = prefix.rfind('/');
      std::string parent = slash == std::string::npos ? "."
                           : slash == 0               ? "/"
                                                      : prefix.substr(0, slash);
      if (Status s = sync_path(parent); !s.ok()) return s;
    } else if (errno != EEXIST && errno != EISDIR) {
      return error_of(errno, "create directory", prefix);
    }
    if (end == std::string::npos) return {};
  }
}

}  // namespace

Result<std::unique_ptr<Directory>> open_posix_directory(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  if (trimmed.empty()) return Error{Errc::invalid_argument, "the directory's name is empty"};
  if (Status s = create_directories(trimmed); !s.ok()) return s.error();
  int fd = without_interrupts(
      [&] { return ::open(trimmed.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return error_of(errno, "open", trimmed);
  return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(Descriptor(fd), trimmed));
}

}  // namespace trv::io
