// The identity of a data directory, as Kafka clients see it: made once, kept in a file.
#pragma once

#include <string>

#include "base/result.h"
#include "io/file.h"

namespace trv::server {

// 22 characters of base64url. Errors: corrupt (the file holds something else), io_error, no_space.
Result<std::string> ensure_cluster_id(io::Directory& directory);

}  // namespace trv::server
