#include "volatile_disk.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>

namespace trv::power {

namespace {

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

bool survives(Survivors survivors, std::mt19937_64& random) {
  switch (survivors) {
    case Survivors::none:
      return false;
    case Survivors::half:
      return random() % 2 == 0;
    case Survivors::most:
      return random() % 10 != 0;
    case Survivors::torn:
      return true;
  }
  return false;
}

}  // namespace

std::optional<Survivors> parse_survivors(std::string_view name) {
  if (name == "none") return Survivors::none;
  if (name == "half") return Survivors::half;
  if (name == "most") return Survivors::most;
  if (name == "torn") return Survivors::torn;
  return {};
}

VolatileDisk::VolatileDisk(const std::string& image_path, std::size_t sector_size)
    : sector_size_(sector_size), fd_(::open(image_path.c_str(), O_RDWR | O_CLOEXEC)) {
  if (fd_ < 0) fail(errno, "open " + image_path);
  const off_t size = ::lseek(fd_, 0, SEEK_END);
  if (sector_size == 0 || size <= 0 || static_cast<std::size_t>(size) % sector_size != 0) {
    fail(EINVAL, "size of " + image_path);
  }
  // NORESERVE: only what is written takes memory, however large the disk is.
  void* mapped = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_NORESERVE, fd_, 0);
  if (mapped == MAP_FAILED) fail(errno, "map " + image_path);
  seen_ = {static_cast<char*>(mapped), static_cast<std::size_t>(size)};
}

VolatileDisk::~VolatileDisk() {
  ::munmap(seen_.data(), seen_.size());
  ::close(fd_);
}

bool VolatileDisk::accepts(std::size_t offset, std::size_t bytes) const {
  return offset % sector_size_ == 0 && bytes % sector_size_ == 0 && offset <= size() &&
         bytes <= size() - offset;
}

std::string_view VolatileDisk::read(std::size_t offset, std::size_t bytes) const {
  return {seen_.data() + offset, bytes};
}

void VolatileDisk::write(std::size_t offset, std::string_view bytes) {
  std::copy(bytes.begin(), bytes.end(), seen_.data() + offset);
  if (!cut_ && !bytes.empty()) pending_.push_back({offset, std::string(bytes)});
}

void VolatileDisk::flush() {
  std::move(pending_.begin(), pending_.end(), std::back_inserter(durable_));
  pending_.clear();
}

CutReport VolatileDisk::cut(Survivors survivors, std::uint64_t seed) {
  CutReport report;
  std::mt19937_64 random(seed);
  for (const Write& write : durable_) store(write.offset, write.bytes);
  for (const Write& write : pending_) {
    ++report.pending_writes;
    report.pending_sectors += write.bytes.size() / sector_size_;
    report.surviving_sectors += store_chosen(write, survivors, &write == &pending_.back(), random);
  }
  cut_ = true;
  durable_.clear();
  pending_.clear();
  return report;
}

void VolatileDisk::store(std::size_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(written < 0 ? errno : ENOSPC, "write the image");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::size_t>(written);
  }
}

std::size_t VolatileDisk::store_chosen(const Write& write, Survivors survivors, bool last,
                                       std::mt19937_64& random) {
  const std::size_t count = write.bytes.size() / sector_size_;
  // Never the whole of it: a torn write of one sector is lost.
  const std::size_t end = survivors == Survivors::torn && last ? random() % count : count;
  std::size_t stored = 0;
  for (std::size_t sector = 0; sector < end; ++sector) {
    if (!survives(survivors, random)) continue;
    const std::size_t at = sector * sector_size_;
    store(write.offset + at, std::string_view(write.bytes).substr(at, sector_size_));
    ++stored;
  }
  return stored;
}

}  // namespace trv::power
