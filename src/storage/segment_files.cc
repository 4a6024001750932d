#include "storage/segment_files.h"

#include <algorithm>

#include "base/mutant.h"
#include "storage/ballast.h"

namespace trv::storage {
namespace {

constexpr std::size_t opened_max = 64;
constexpr std::uint64_t zero_block_size = 256u << 10;

std::string spare_name(SegmentId id) { return numbered_name(spare_prefix, id.blob(), 16); }

// Opens the spare's file and reserves its space.
Result<SegmentFile> reserve_file(io::Directory& directory, SegmentId id, std::uint32_t size,
                                 io::OpenMode mode) {
  Result<std::unique_ptr<io::File>> opened = directory.open(spare_name(id), mode);
  if (!opened.ok()) return opened.error();
  io::File& file = **opened;
  Result<std::uint64_t> size_now = file.size();
  if (!size_now.ok()) return size_now.error();
  if (*size_now > size) {
    if (Status s = file.truncate(size); !s.ok()) return s.error();
  }
  if (Status s = file.allocate(size); !s.ok()) return s.error();
  return SegmentFile{{make_uuid(), id, size}, std::move(*opened), segment_header_size};
}

}  // namespace

std::string free_name(std::uint32_t slot) { return numbered_name(free_prefix, slot, 2); }

void SegmentJob::run() {
  if (!claim.try_take()) return;
  if (!header.empty()) {
    std::string_view part = header;
    result = file->write_at(0, std::span(&part, 1));
  } else {
    const std::string zeroes(static_cast<std::size_t>(std::min(zero_block_size, zero_size)), '\0');
    std::vector<std::string_view> parts;
    for (std::uint64_t done = 0; done < zero_size; done += zeroes.size()) {
      std::uint64_t n = std::min<std::uint64_t>(zeroes.size(), zero_size - done);
      parts.emplace_back(zeroes.data(), static_cast<std::size_t>(n));
    }
    result = file->write_at(zero_from, parts);
  }
  if (result.ok()) result = file->sync();
  claim.finish();
}

SegmentFiles::SegmentFiles(io::Directory& directory, std::uint64_t disk_free_min)
    : directory_(directory), disk_free_min_(disk_free_min) {}

Result<SegmentFile> SegmentFiles::reserve(SegmentId id, std::uint32_t size) {
  const std::string name = spare_name(id);
  const bool used = take_free(name);
  if (!used) {
    if (Status s = spare_the_disk(size); !s.ok()) return s.error();
  }
  Result<SegmentFile> spare =
      reserve_file(directory_, id, size, used ? io::OpenMode::read_write : io::OpenMode::create);
  // A file that is short of space must not keep what space it has.
  if (!spare.ok()) (void)directory_.remove(name);
  if (spare.ok()) spare->touched_until = used ? size : segment_header_size;
  return spare;
}

Result<SegmentFile> SegmentFiles::reserve_ballast(SegmentId id, std::uint32_t size) {
  if (!take_ballast(directory_, spare_name(id))) {
    return Error{Errc::no_space, "the disk is full, and the ballast is used up"};
  }
  Result<SegmentFile> spare = reserve_file(directory_, id, size, io::OpenMode::read_write);
  if (!spare.ok()) (void)directory_.remove(spare_name(id));
  return spare;
}

bool SegmentFiles::take_free(const std::string& name) {
  for (std::uint32_t slot = 0; slot < free_files_max; ++slot) {
    if (directory_.rename(free_name(slot), name).ok()) return true;
  }
  return false;
}

Status SegmentFiles::spare_the_disk(std::uint32_t size) {
  if (disk_free_min_ == 0 || TRV_MUTANT(disk_free_min_ignored)) return {};
  Result<io::DiskSpace> disk = directory_.space();
  if (!disk.ok()) return disk.error();
  if (disk->free >= size + disk_free_min_) return {};
  return Error{Errc::no_space, "less of the disk is left than has to stay free"};
}

std::shared_ptr<SegmentJob> SegmentFiles::header_job(const SegmentFile& spare) {
  auto job = std::make_shared<SegmentJob>();
  job->blob = spare.header.id.blob();
  job->file = spare.file;
  job->header = encode_segment_header(spare.header);
  return job;
}

std::shared_ptr<SegmentJob> SegmentFiles::zero_job(SegmentFile& segment, std::uint64_t from,
                                                   std::uint64_t size_max) const {
  const SegmentId id = segment.header.id;
  from = std::max(from, segment.touched_until);
  segment.touched_until = segment.header.size;
  if (from >= segment.header.size) return nullptr;
  auto file = directory_.open(segment_name(id), io::OpenMode::read_write);
  if (!file.ok()) file = directory_.open(spare_name(id), io::OpenMode::read_write);
  if (!file.ok()) return nullptr;  // it goes without
  auto job = std::make_shared<SegmentJob>();
  job->blob = id.blob();
  job->file = std::move(*file);
  job->zero_from = from;
  job->zero_size = std::min(size_max, segment.header.size - from);
  segment.touched_until = from + job->zero_size;
  return job;
}

Status SegmentFiles::rename_spare(SegmentId from, SegmentId to) {
  return directory_.rename(spare_name(from), spare_name(to));
}

Status SegmentFiles::adopt(const SegmentFile& spare) {
  SegmentId id = spare.header.id;
  return directory_.rename(spare_name(id), segment_name(id));
}

void SegmentFiles::discard(const SegmentFile& spare) {
  // Should it stay, the next start clears it away.
  (void)directory_.remove(spare_name(spare.header.id));
}

Result<std::shared_ptr<io::File>> SegmentFiles::open_for_read(std::uint64_t blob) {
  auto it = std::find_if(opened_.begin(), opened_.end(),
                         [&](const Opened& opened) { return opened.blob == blob; });
  if (it != opened_.end()) {
    std::rotate(it, it + 1, opened_.end());
    return opened_.back().file;
  }
  Result<std::unique_ptr<io::File>> file =
      directory_.open(segment_name(SegmentId::of(blob)), io::OpenMode::read);
  if (!file.ok()) return file.error();
  if (opened_.size() == opened_max) opened_.erase(opened_.begin());
  opened_.push_back({blob, std::move(*file)});
  return opened_.back().file;
}

void SegmentFiles::close_unless(const std::function<bool(std::uint64_t)>& wanted) {
  std::erase_if(opened_, [&](const Opened& opened) { return !wanted(opened.blob); });
}

}  // namespace trv::storage
