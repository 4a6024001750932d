// The file FORMAT: which format a data directory has (docs/formats/journal.md).
#pragma once

#include "base/result.h"
#include "io/file.h"

namespace trv::storage {

// From 2 on, names lie where their part in braces says.
inline constexpr int format_newest = 2;

// The number of the directory's format; a directory without one gets the newest. Errors: corrupt
// (not one that we know), io_error, no_space.
Result<int> ensure_format(io::Directory& directory);

}  // namespace trv::storage
