// Small whole files that must be there completely or not at all.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/file.h"

namespace trv::storage {

// Writes under an unfinished name, syncs, renames over `name`, syncs the directory. When there is a
// file called `reserve`, it is used up, so that a full disk does not prevent the write.
Status write_durably(io::Directory& directory, const std::string& name,
                     std::span<const std::string_view> parts, const std::string& reserve = {});
// Makes the reserve for the next time, when there is space for one.
Status make_reserve(io::Directory& directory, const std::string& reserve);
// Errors: not_found, too_large (more than `size_max`), io_error.
Result<std::string> read_whole(io::Directory& directory, const std::string& name,
                               std::uint64_t size_max);

}  // namespace trv::storage
