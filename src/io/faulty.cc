#include "io/faulty.h"

#include <algorithm>
#include <mutex>

namespace trv::io {

struct FaultyDirectory::Plan {
  mutable std::mutex mutex;
  std::optional<Fault> fault;
  std::uint64_t seen = 0;  // matching operations since the fault was armed
  bool struck = false;
  std::array<std::uint64_t, operation_count> counts{};
  std::uint64_t syncs_after_failure = 0;

  // The fault, when this operation must fail.
  std::optional<Fault> on(Operation operation) {
    std::lock_guard guard(mutex);
    ++counts[static_cast<std::size_t>(operation)];
    if (!fault || (fault->operation && *fault->operation != operation)) return {};
    std::uint64_t index = seen++;
    if (index != fault->nth && !(fault->sticky && index > fault->nth)) return {};
    struck = true;
    return fault;
  }
};

namespace {

Error error_of(const Fault& fault, const std::string& what) {
  return {fault.code, "injected fault: " + what};
}

}  // namespace

class FaultyFile final : public File {
 public:
  using Plan = FaultyDirectory::Plan;
  FaultyFile(std::shared_ptr<Plan> plan, std::unique_ptr<File> inner, std::string name)
      : plan_(std::move(plan)), inner_(std::move(inner)), name_(std::move(name)) {}

  Status read_at(std::uint64_t position, std::span<char> into) override {
    if (auto fault = plan_->on(Operation::read)) return error_of(*fault, "read " + name_);
    return inner_->read_at(position, into);
  }
  Result<bool> try_read_at(std::uint64_t position, std::span<char> into) override {
    if (auto fault = plan_->on(Operation::try_read)) return error_of(*fault, "read " + name_);
    return inner_->try_read_at(position, into);
  }
  Status write_at(std::uint64_t position, std::span<const std::string_view> parts) override {
    auto fault = plan_->on(Operation::write);
    if (!fault) return inner_->write_at(position, parts);
    std::uint64_t left = fault->written_before;
    for (std::string_view part : parts) {
      part = part.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, part.size())));
      if (Status s = inner_->write_at(position, std::span(&part, 1)); !s.ok()) return s;
      position += part.size();
      left -= part.size();
    }
    return error_of(*fault, "write " + name_);
  }
  Status sync() override {
    if (sync_failed_) {
      std::lock_guard guard(plan_->mutex);
      ++plan_->syncs_after_failure;
    }
    if (auto fault = plan_->on(Operation::sync)) {
      sync_failed_ = true;
      return error_of(*fault, "sync " + name_);
    }
    return inner_->sync();
  }
  Status allocate(std::uint64_t size) override {
    if (auto fault = plan_->on(Operation::allocate)) return error_of(*fault, "allocate " + name_);
    return inner_->allocate(size);
  }
  Status truncate(std::uint64_t size) override {
    if (auto fault = plan_->on(Operation::truncate)) return error_of(*fault, "truncate " + name_);
    return inner_->truncate(size);
  }
  Result<std::uint64_t> size() override {
    if (auto fault = plan_->on(Operation::size)) return error_of(*fault, "size " + name_);
    return inner_->size();
  }
  Result<Stretch> next_data(std::uint64_t position) override { return inner_->next_data(position); }

 private:
  std::shared_ptr<Plan> plan_;
  std::unique_ptr<File> inner_;
  std::string name_;
  bool sync_failed_ = false;
};

FaultyDirectory::FaultyDirectory(Directory& inner)
    : plan_(std::make_shared<Plan>()), inner_(inner) {}
FaultyDirectory::~FaultyDirectory() = default;

Result<std::unique_ptr<File>> FaultyDirectory::open(const std::string& name, OpenMode mode) {
  if (auto fault = plan_->on(Operation::open)) return error_of(*fault, "open " + name);
  Result<std::unique_ptr<File>> file = inner_.open(name, mode);
  if (!file.ok()) return file.error();
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(plan_, std::move(*file), name));
}

Status FaultyDirectory::rename(const std::string& from, const std::string& to) {
  if (auto fault = plan_->on(Operation::rename)) return error_of(*fault, "rename " + from);
  return inner_.rename(from, to);
}

Status FaultyDirectory::remove(const std::string& name) {
  if (auto fault = plan_->on(Operation::remove)) return error_of(*fault, "remove " + name);
  return inner_.remove(name);
}

Result<std::vector<std::string>> FaultyDirectory::list() {
  if (auto fault = plan_->on(Operation::list)) return error_of(*fault, "list");
  return inner_.list();
}

Result<std::unique_ptr<Directory>> FaultyDirectory::subdirectory(const std::string& name) {
  return inner_.subdirectory(name);
}

Status FaultyDirectory::sync() {
  if (auto fault = plan_->on(Operation::sync_directory)) return error_of(*fault, "sync directory");
  return inner_.sync();
}

Result<std::unique_ptr<Lock>> FaultyDirectory::lock(const std::string& name) {
  if (auto fault = plan_->on(Operation::lock)) return error_of(*fault, "lock " + name);
  return inner_.lock(name);
}

Result<DiskSpace> FaultyDirectory::space() { return inner_.space(); }

void FaultyDirectory::arm(Fault fault) {
  std::lock_guard guard(plan_->mutex);
  plan_->fault = fault;
  plan_->seen = 0;
  plan_->struck = false;
}

void FaultyDirectory::disarm() {
  std::lock_guard guard(plan_->mutex);
  plan_->fault.reset();
}

bool FaultyDirectory::struck() const {
  std::lock_guard guard(plan_->mutex);
  return plan_->struck;
}

std::uint64_t FaultyDirectory::count(Operation operation) const {
  std::lock_guard guard(plan_->mutex);
  return plan_->counts[static_cast<std::size_t>(operation)];
}

std::uint64_t FaultyDirectory::syncs_after_failure() const {
  std::lock_guard guard(plan_->mutex);
  return plan_->syncs_after_failure;
}

}  // namespace trv::io
