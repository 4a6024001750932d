// Field tables and properties as JSON, and back, as RabbitMQ's HTTP API writes them.
//
// Every table becomes an object. Back, integers are written as 64 bits wide, and text as text: the
// octets that JSON has no words for do not survive the way there and back.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "amqp/wire/properties.h"
#include "base/bytes.h"
#include "base/result.h"

namespace trv::amqp {

boost::json::object table_to_json(ByteView table);
// Errors: invalid_argument: too deep, a name too long, a number that no octet holds.
Result<std::string> table_from_json(const boost::json::object& object);

boost::json::object properties_to_json(const wire::Properties& properties);
// The encoded properties. Errors: invalid_argument, naming the property.
Result<std::string> properties_from_json(const boost::json::object& object);

// Text as JSON may hold it: what is no UTF-8 is replaced by base64.
boost::json::string text_to_json(ByteView text);

}  // namespace trv::amqp
