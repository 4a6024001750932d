#include "storage/durable_file.h"

#include "base/mutant.h"
#include "storage/format.h"

namespace trv::storage {

namespace {

constexpr std::uint64_t reserve_size = 16u << 10;

Status write_and_sync(io::File& file, std::span<const std::string_view> parts) {
  std::uint64_t size = 0;
  for (std::string_view part : parts) size += part.size();
  if (Status s = file.write_at(0, parts); !s.ok()) return s;
  if (Status s = file.truncate(size); !s.ok()) return s;
  return TRV_MUTANT(renamed_before_synced) ? Status() : file.sync();
}

}  // namespace

Status write_durably(io::Directory& directory, const std::string& name,
                     std::span<const std::string_view> parts, const std::string& reserve) {
  const std::string unfinished = name + std::string(unfinished_suffix);
  if (Status s = directory.remove(unfinished); !s.ok() && s.error().code != Errc::not_found) {
    return s;
  }
  io::OpenMode mode = io::OpenMode::create;
  if (!reserve.empty() && directory.rename(reserve, unfinished).ok())
    mode = io::OpenMode::read_write;
  Result<std::unique_ptr<io::File>> file = directory.open(unfinished, mode);
  if (!file.ok()) return file.error();
  if (Status s = write_and_sync(**file, parts); !s.ok()) {
    (void)directory.remove(unfinished);  // the first error is the one to tell
    return s;
  }
  if (Status s = directory.rename(unfinished, name); !s.ok()) return s;
  return directory.sync();
}

Status make_reserve(io::Directory& directory, const std::string& reserve) {
  Result<std::unique_ptr<io::File>> file = directory.open(reserve, io::OpenMode::create);
  if (!file.ok()) {
    if (file.error().code == Errc::already_exists) return {};
    return file.error();
  }
  if (Status s = (*file)->allocate(reserve_size); !s.ok()) {
    (void)directory.remove(reserve);
    // Without one the next start may need space; that is all.
    if (s.error().code == Errc::no_space) return {};
    return s;
  }
  return (*file)->sync();
}

Result<std::string> read_whole(io::Directory& directory, const std::string& name,
                               std::uint64_t size_max) {
  Result<std::unique_ptr<io::File>> file = directory.open(name, io::OpenMode::read);
  if (!file.ok()) return file.error();
  Result<std::uint64_t> size = (*file)->size();
  if (!size.ok()) return size.error();
  if (*size > size_max) return Error{Errc::too_large, name + " is too large"};
  std::string bytes(static_cast<std::size_t>(*size), '\0');
  if (Status s = (*file)->read_at(0, bytes); !s.ok()) return s.error();
  return bytes;
}

}  // namespace trv::storage
