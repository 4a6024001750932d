// Base64 (RFC 4648), with padding.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace trv {

std::string base64_encode(ByteView bytes);
// Padding may be missing; anything else that is not base64 is refused. Errors: invalid_argument.
Result<std::string> base64_decode(ByteView text);

}  // namespace trv
