// Text forms that the view contract asks for.
#pragma once

#include <string>

#include "amqp/wire/table.h"
#include "base/bytes.h"

namespace trv::amqp {

bool is_utf8(ByteView bytes);
// A table value as text: bytes as they are, numbers in decimal, booleans as words, tables and
// arrays as JSON. Requires: not void.
std::string value_text(const wire::Value& value);

}  // namespace trv::amqp
