// FaultyDirectory: wraps another Directory and makes chosen operations fail, on it and on its
// files. For tests: "fail the n-th operation of this kind" for every n, in a loop.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/file.h"

namespace trv::io {

enum class Operation : std::uint8_t {
  open,
  read,
  write,
  sync,
  allocate,
  truncate,
  size,
  rename,
  remove,
  list,
  sync_directory,
  lock,
  try_read,
};
inline constexpr std::size_t operation_count = 13;

struct Fault {
  // None: operations of every kind are counted and the n-th of all fails.
  std::optional<Operation> operation;
  std::uint64_t nth = 0;  // 0 is the next one
  Errc code = Errc::io_error;
  // A failing write first writes this many bytes of what it was given.
  std::uint64_t written_before = 0;
  // All later ones of that kind fail too.
  bool sticky = false;
};

class FaultyDirectory final : public Directory {
 public:
  // `inner` outlives it.
  explicit FaultyDirectory(Directory& inner);
  ~FaultyDirectory() override;

  Result<std::unique_ptr<File>> open(const std::string& name, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& name) override;
  Result<std::vector<std::string>> list() override;
  // Not wrapped: its owner wraps it when its operations should fail.
  Result<std::unique_ptr<Directory>> subdirectory(const std::string& name) override;
  Status sync() override;
  Result<std::unique_ptr<Lock>> lock(const std::string& name) override;
  Result<DiskSpace> space() override;

  void arm(Fault fault);
  void disarm();
  // Has the armed fault struck at least once?
  bool struck() const;
  // Operations of a kind so far, failed ones included.
  std::uint64_t count(Operation operation) const;
  // Syncs of a file whose sync had failed before: a bug in the caller, always.
  std::uint64_t syncs_after_failure() const;

 private:
  struct Plan;
  friend class FaultyFile;
  // Shared with the open files.
  std::shared_ptr<Plan> plan_;
  Directory& inner_;
};

}  // namespace trv::io
