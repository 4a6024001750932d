// File and Directory: the only way that anything durable reaches a disk. Implementations: posix
// (the real thing), memory (tests; forgets what was not synced when told to crash) and faulty
// (wraps another and fails chosen operations).
//
// Calls block; callers decide on which thread. One File may be synced on one thread while another
// writes to it, and may be read on any. Offsets and sizes are bytes. No call is retried
// behind the caller's back, except EINTR and short writes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/slice.h"

namespace trv::io {

// Bytes `begin` to `end` of a file.
struct Stretch {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class File {
 public:
  virtual ~File() = default;
  // Fills `into` wholly. Errors: out_of_range when the file ends before, io_error.
  virtual Status read_at(std::uint64_t position, std::span<char> into) = 0;
  // The same of what is in memory: false when some of it would have to be waited for; `into` then
  // holds anything. Where that cannot be told it waits. Errors: as read_at().
  virtual Result<bool> try_read_at(std::uint64_t position, std::span<char> into) = 0;
  // Writes all parts, one after the other. Errors: no_space, io_error; how much was written is then
  // unknown.
  virtual Status write_at(std::uint64_t position, std::span<const std::string_view> parts) = 0;
  // After ok, all that was written before the call survives power loss (fdatasync). After an error
  // nothing is known about unsynced bytes, for ever: the caller must not sync this file again.
  virtual Status sync() = 0;
  // Reserves space so that later writes below `size` cannot fail for lack of it; the size grows.
  virtual Status allocate(std::uint64_t size) = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
  // The first stretch at or behind `position` in which there may be anything but zeros, as far as
  // can be told without reading; empty, at the file's end, when there is none. What was read lately
  // may count as data: ask for all stretches first, then read.
  virtual Result<Stretch> next_data(std::uint64_t position) = 0;
};

// Bytes of a file system: what can still be written, of how much.
struct DiskSpace {
  std::uint64_t free = 0;
  std::uint64_t total = 0;
};

enum class OpenMode : std::uint8_t {
  read,        // must exist
  read_write,  // must exist
  create,      // must not exist; errors: already_exists
};

// Held until destroyed or the process ends.
class Lock {
 public:
  virtual ~Lock() = default;
};

// One directory, not its children's children. Names are plain file names. Calls may come from any
// thread.
class Directory {
 public:
  virtual ~Directory() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode) = 0;
  // Replaces `to` when it exists.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& name) = 0;
  virtual Result<std::vector<std::string>> list() = 0;
  // Creates the sub-directory when it is missing (and syncs this one).
  virtual Result<std::unique_ptr<Directory>> subdirectory(const std::string& name) = 0;
  // Makes creates, renames and removes in this directory durable (fsync of the directory).
  virtual Status sync() = 0;
  // Takes the exclusive lock `name`, creating its file when missing. Errors: in_use (another
  // process or another Directory of this one holds it), access_refused, io_error.
  virtual Result<std::unique_ptr<Lock>> lock(const std::string& name) = 0;
  virtual Result<DiskSpace> space() = 0;
};

}  // namespace trv::io
