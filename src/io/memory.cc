#include "io/memory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <utility>

namespace trv::io {
namespace {

constexpr std::uint64_t sector_size = 512;
constexpr std::uint64_t block_size = 4096;

Error error_of(Errc code, const char* operation, const std::string& name) {
  return {code, std::string(operation) + " " + name + " (in memory)"};
}

// Contents of one file: what a reader sees, and what power loss leaves.
struct Inode {
  std::string present;
  std::string durable;
  std::set<std::uint64_t> dirty;  // sectors of `present` that differ from `durable`, perhaps
  // Blocks that try_read_at() finds; all of them while the disk does not tell them apart.
  std::set<std::uint64_t> warm;
  std::uint64_t warm_since = 0;  // of which Disk::forgotten they are

  void touch(std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t s = begin / sector_size; s * sector_size < end; ++s) dirty.insert(s);
  }
  void warm_up(std::uint64_t forgotten, std::uint64_t begin, std::uint64_t end) {
    if (forgotten == 0) return;
    if (std::exchange(warm_since, forgotten) != forgotten) warm.clear();
    for (std::uint64_t b = begin / block_size; b * block_size < end; ++b) warm.insert(b);
  }
  bool is_warm(std::uint64_t forgotten, std::uint64_t begin, std::uint64_t end) const {
    if (forgotten == 0) return true;
    for (std::uint64_t b = begin / block_size; b * block_size < end; ++b) {
      if (warm_since != forgotten || !warm.contains(b)) return false;
    }
    return true;
  }
  void sync() {
    durable.resize(present.size(), '\0');
    for (std::uint64_t s : dirty) copy_sector(s, present, durable);
    dirty.clear();
  }
  static void copy_sector(std::uint64_t sector, const std::string& from, std::string& to) {
    std::uint64_t begin = sector * sector_size;
    std::uint64_t end = std::min({begin + sector_size, static_cast<std::uint64_t>(from.size()),
                                  static_cast<std::uint64_t>(to.size())});
    if (begin < end) std::memcpy(to.data() + begin, from.data() + begin, end - begin);
  }
};
using InodePtr = std::shared_ptr<Inode>;  // shared by names, present and durable, and open files
using Names = std::map<std::string, InodePtr>;

struct Change {
  enum class Kind : std::uint8_t { create, rename, remove } kind;
  std::string name;
  std::string to;
  InodePtr inode;
};

void make_change(const Change& change, Names& names) {
  switch (change.kind) {
    case Change::Kind::create:
      names[change.name] = change.inode;
      break;
    case Change::Kind::rename:
      // Its creation may be among what was forgotten: then there is nothing to rename.
      if (auto it = names.find(change.name); it != names.end()) {
        names[change.to] = it->second;
        names.erase(change.name);
      }
      break;
    case Change::Kind::remove:
      names.erase(change.name);
      break;
  }
}

}  // namespace

struct MemoryDirectory::Disk {
  mutable std::mutex mutex;
  Names present;
  Names durable;
  std::vector<Change> unsynced;
  std::set<std::string> locks;
  std::map<std::string, std::shared_ptr<Disk>> children;
  std::uint64_t generation = 0;  // of processes: each crash begins a new one
  std::uint64_t forgotten = 0;   // how often it was told to forget what was read
  std::uint64_t used = 0;
  std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();

  void change(Change c) {
    make_change(c, present);
    unsynced.push_back(std::move(c));
  }
  void count_used() {
    used = 0;
    for (const auto& [name, inode] : present) used += inode->present.size();
  }
  void crash(const CrashOptions& options, std::mt19937_64& random);
};

class MemoryFile final : public File {
 public:
  using Disk = MemoryDirectory::Disk;
  MemoryFile(std::shared_ptr<Disk> disk, InodePtr inode, std::string name, bool writable)
      : disk_(std::move(disk)),
        inode_(std::move(inode)),
        name_(std::move(name)),
        generation_(disk_->generation),
        writable_(writable) {}

  Status read_at(std::uint64_t position, std::span<char> into) override {
    std::lock_guard guard(disk_->mutex);
    if (dead()) return error_of(Errc::io_error, "read after the crash", name_);
    const std::string& bytes = inode_->present;
    if (position > bytes.size() || into.size() > bytes.size() - position) {
      return error_of(Errc::out_of_range, "read", name_);
    }
    if (!into.empty()) std::memcpy(into.data(), bytes.data() + position, into.size());
    inode_->warm_up(disk_->forgotten, position, position + into.size());
    return {};
  }

  Result<bool> try_read_at(std::uint64_t position, std::span<char> into) override {
    {
      std::lock_guard guard(disk_->mutex);
      if (!dead() && !inode_->is_warm(disk_->forgotten, position, position + into.size())) {
        return false;
      }
    }
    if (Status read = read_at(position, into); !read.ok()) return read.error();
    return true;
  }

  Status write_at(std::uint64_t position, std::span<const std::string_view> parts) override {
    std::lock_guard guard(disk_->mutex);
    if (Status s = check_write("write"); !s.ok()) return s;
    for (std::string_view part : parts) {
      if (Status s = grow(position + part.size()); !s.ok()) return s;
      std::copy(part.begin(), part.end(),
                inode_->present.begin() + static_cast<std::ptrdiff_t>(position));
      inode_->touch(position, position + part.size());
      inode_->warm_up(disk_->forgotten, position, position + part.size());
      position += part.size();
    }
    return {};
  }

  Status sync() override {
    std::lock_guard guard(disk_->mutex);
    if (dead()) return error_of(Errc::io_error, "sync after the crash", name_);
    inode_->sync();
    return {};
  }

  Status allocate(std::uint64_t size) override {
    std::lock_guard guard(disk_->mutex);
    if (Status s = check_write("allocate"); !s.ok()) return s;
    return grow(size);
  }

  Status truncate(std::uint64_t size) override {
    std::lock_guard guard(disk_->mutex);
    if (Status s = check_write("truncate"); !s.ok()) return s;
    std::uint64_t before = inode_->present.size();
    if (size >= before) return grow(size);
    inode_->present.resize(size);
    inode_->touch(size, before);
    disk_->used -= before - size;
    return {};
  }

  Result<std::uint64_t> size() override {
    std::lock_guard guard(disk_->mutex);
    if (dead()) return error_of(Errc::io_error, "stat after the crash", name_);
    return static_cast<std::uint64_t>(inode_->present.size());
  }

  // As coarse as a file system's blocks.
  Result<Stretch> next_data(std::uint64_t position) override {
    static constexpr std::array<char, block_size> zeros{};
    std::lock_guard guard(disk_->mutex);
    if (dead()) return error_of(Errc::io_error, "seek after the crash", name_);
    const std::string& bytes = inode_->present;
    const std::uint64_t size = bytes.size();
    while (position < size) {
      const std::uint64_t end = std::min(size, (position / block_size + 1) * block_size);
      if (std::memcmp(bytes.data() + position, zeros.data(), end - position) != 0) {
        return Stretch{position, end};
      }
      position = end;
    }
    return Stretch{size, size};
  }

 private:
  bool dead() const { return generation_ != disk_->generation; }
  Status check_write(const char* operation) const {
    if (dead()) return error_of(Errc::io_error, "write after the crash", name_);
    if (!writable_) return error_of(Errc::access_refused, operation, name_);
    return {};
  }
  Status grow(std::uint64_t size) {
    std::uint64_t before = inode_->present.size();
    if (size <= before) return {};
    if (size - before > disk_->capacity - std::min(disk_->capacity, disk_->used)) {
      return error_of(Errc::no_space, "grow", name_);
    }
    inode_->present.resize(size, '\0');
    inode_->touch(before, size);
    disk_->used += size - before;
    return {};
  }

  std::shared_ptr<Disk> disk_;
  InodePtr inode_;
  std::string name_;
  std::uint64_t generation_;
  bool writable_;
};

class MemoryLock final : public Lock {
 public:
  MemoryLock(std::shared_ptr<MemoryDirectory::Disk> disk, std::string name)
      : disk_(std::move(disk)), name_(std::move(name)), generation_(disk_->generation) {}
  ~MemoryLock() override {
    std::lock_guard guard(disk_->mutex);
    if (generation_ == disk_->generation) disk_->locks.erase(name_);
  }

 private:
  std::shared_ptr<MemoryDirectory::Disk> disk_;
  std::string name_;
  std::uint64_t generation_;
};

void MemoryDirectory::Disk::crash(const CrashOptions& options, std::mt19937_64& random) {
  using Unsynced = CrashOptions::Unsynced;
  ++generation;
  locks.clear();
  for (auto& [name, child] : children) {
    std::lock_guard guard(child->mutex);
    child->crash(options, random);
  }
  if (options.unsynced == Unsynced::kept) return;  // and stays unsynced
  auto keep = [&] { return options.unsynced == Unsynced::part && random() % 2 == 0; };
  std::set<Inode*> inodes;
  for (const Change& change : unsynced) {
    if (keep()) make_change(change, durable);
  }
  unsynced.clear();
  for (auto& [name, inode] : durable) inodes.insert(inode.get());
  // By name, not by address: a seed must always do the same.
  for (auto& [name, inode] : durable) {
    if (inodes.erase(inode.get()) == 0) continue;
    std::string after = inode->durable;
    if (keep()) after.resize(inode->present.size(), '\0');
    for (std::uint64_t sector : inode->dirty) {
      if (keep()) Inode::copy_sector(sector, inode->present, after);
    }
    inode->present = inode->durable = std::move(after);
    inode->dirty.clear();
  }
  present = durable;
  count_used();
}

MemoryDirectory::MemoryDirectory() : disk_(std::make_shared<Disk>()) {}
MemoryDirectory::MemoryDirectory(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
MemoryDirectory::~MemoryDirectory() = default;

Result<std::unique_ptr<File>> MemoryDirectory::open(const std::string& name, OpenMode mode) {
  std::lock_guard guard(disk_->mutex);
  auto it = disk_->present.find(name);
  if (mode == OpenMode::create) {
    if (it != disk_->present.end()) return error_of(Errc::already_exists, "create", name);
    auto inode = std::make_shared<Inode>();
    disk_->change({Change::Kind::create, name, {}, inode});
    return std::unique_ptr<File>(std::make_unique<MemoryFile>(disk_, std::move(inode), name, true));
  }
  if (it == disk_->present.end()) return error_of(Errc::not_found, "open", name);
  return std::unique_ptr<File>(
      std::make_unique<MemoryFile>(disk_, it->second, name, mode == OpenMode::read_write));
}

Status MemoryDirectory::rename(const std::string& from, const std::string& to) {
  std::lock_guard guard(disk_->mutex);
  if (!disk_->present.contains(from)) return error_of(Errc::not_found, "rename", from);
  disk_->change({Change::Kind::rename, from, to, nullptr});
  disk_->count_used();
  return {};
}

Status MemoryDirectory::remove(const std::string& name) {
  std::lock_guard guard(disk_->mutex);
  if (!disk_->present.contains(name)) return error_of(Errc::not_found, "remove", name);
  disk_->change({Change::Kind::remove, name, {}, nullptr});
  disk_->count_used();
  return {};
}

Result<std::vector<std::string>> MemoryDirectory::list() {
  std::lock_guard guard(disk_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, inode] : disk_->present) names.push_back(name);
  for (const auto& [name, child] : disk_->children) names.push_back(name);
  return names;
}

Result<std::unique_ptr<Directory>> MemoryDirectory::subdirectory(const std::string& name) {
  std::lock_guard guard(disk_->mutex);
  std::shared_ptr<Disk>& child = disk_->children[name];
  if (!child) child = std::make_shared<Disk>();
  return std::unique_ptr<Directory>(new MemoryDirectory(child));
}

Status MemoryDirectory::sync() {
  std::lock_guard guard(disk_->mutex);
  disk_->durable = disk_->present;
  disk_->unsynced.clear();
  return {};
}

Result<std::unique_ptr<Lock>> MemoryDirectory::lock(const std::string& name) {
  std::lock_guard guard(disk_->mutex);
  if (!disk_->locks.insert(name).second) return error_of(Errc::in_use, "lock", name);
  return std::unique_ptr<Lock>(std::make_unique<MemoryLock>(disk_, name));
}

Result<DiskSpace> MemoryDirectory::space() {
  std::lock_guard guard(disk_->mutex);
  return DiskSpace{disk_->capacity - std::min(disk_->capacity, disk_->used), disk_->capacity};
}

void MemoryDirectory::crash(const CrashOptions& options) {
  std::lock_guard guard(disk_->mutex);
  std::mt19937_64 random(options.seed);
  disk_->crash(options, random);
}

void MemoryDirectory::set_capacity(std::uint64_t bytes) {
  std::lock_guard guard(disk_->mutex);
  disk_->capacity = bytes;
}

void MemoryDirectory::forget_what_was_read() {
  std::lock_guard guard(disk_->mutex);
  ++disk_->forgotten;
}

std::string MemoryDirectory::contents(const std::string& name) const {
  std::lock_guard guard(disk_->mutex);
  auto it = disk_->present.find(name);
  TRV_ASSERT(it != disk_->present.end());
  return it->second->present;
}

void MemoryDirectory::set_contents(const std::string& name, std::string bytes) {
  std::lock_guard guard(disk_->mutex);
  auto it = disk_->present.find(name);
  TRV_ASSERT(it != disk_->present.end());
  it->second->present = it->second->durable = std::move(bytes);
  it->second->dirty.clear();
  disk_->count_used();
}

}  // namespace trv::io
