// A file system in memory that can lose power. For tests and fuzzing.
//
// What a disk may forget, it forgets when told to: file contents written since the file's last
// sync(), and creates, renames and removes since the directory's last sync(). After a crash every
// File and Lock from before it is dead (io_error), as if the process had been killed too.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/file.h"

namespace trv::io {

struct CrashOptions {
  // What was not synced: none of it survives, or a part chosen by `seed` does (each 512-byte
  // sector, each file size and each directory operation on its own), or all of it is kept and is
  // still unsynced (the process was killed, the machine was not).
  enum class Unsynced : std::uint8_t { lost, kept, part } unsynced = Unsynced::lost;
  std::uint64_t seed = 0;
};

class MemoryDirectory final : public Directory {
 public:
  MemoryDirectory();
  ~MemoryDirectory() override;

  Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& name) override;
  Result<std::vector<std::string>> list() override;
  // Shares this one's fate at a crash; capacity is not shared.
  Result<std::unique_ptr<Directory>> subdirectory(const std::string& name) override;
  Status sync() override;
  Result<std::unique_ptr<Lock>> lock(const std::string& name) override;
  Result<DiskSpace> space() override;

  void crash(const CrashOptions& options);
  // The sum of all file sizes may not grow beyond this. Unlimited at first.
  void set_capacity(std::uint64_t bytes);
  // A file's present contents, for tests that look at or damage them. Changes count as synced.
  // Requires: the file exists.
  std::string contents(const std::string& name) const;
  void set_contents(const std::string& name, std::string bytes);
  // From now on every block counts as on the disk only until it is read or written; told again,
  // all of them do anew. Sub-directories have their own.
  void forget_what_was_read();

 private:
  struct Disk;
  friend class MemoryFile;
  friend class MemoryLock;
  explicit MemoryDirectory(std::shared_ptr<Disk> disk);
  // Shared with the open files, which may outlive the directory object.
  std::shared_ptr<Disk> disk_;
};

}  // namespace trv::io
