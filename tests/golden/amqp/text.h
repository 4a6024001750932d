// Methods, tables and properties as text and back, by the rows of the generated codec.
//
//   queue.declare queue="q" durable=true arguments={x-message-ttl:I1000, list:A[S"a",V]}
//
// Fields that are left out are zero, empty or false. Strings may hold \n, \" and \xNN.
#pragma once

#include <string>
#include <string_view>

namespace trv::amqp::golden {

// The payload of a method frame. Throws std::runtime_error on text that means nothing.
std::string parse_method(std::string_view text);
std::string print_method(std::string_view payload);

// Property flags and values from `delivery_mode=2 headers={...}`.
std::string parse_properties_text(std::string_view text);
std::string print_properties(std::string_view bytes);

std::string parse_string(std::string_view text);
std::string print_string(std::string_view bytes);
std::string parse_hex(std::string_view text);

}  // namespace trv::amqp::golden
