// The real file system, through the calls of POSIX and Linux.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "io/file.h"

namespace trv::io {

// Opens the directory at `path`, creating it (and missing parents) first.
// Errors: access_refused, invalid_argument (something else is there), io_error.
Result<std::unique_ptr<Directory>> open_posix_directory(const std::string& path);

}  // namespace trv::io
