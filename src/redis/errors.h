// The texts of error replies, as Redis clients compare them, and what the broker's error kinds
// become. The first word is the error's kind and must stay exact.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace trv::redis {

class ReplyWriter;

namespace text {
inline constexpr std::string_view wrong_type =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr std::string_view syntax = "ERR syntax error";
inline constexpr std::string_view not_integer = "ERR value is not an integer or out of range";
inline constexpr std::string_view not_positive = "ERR value is out of range, must be positive";
inline constexpr std::string_view not_real = "ERR value is not a valid float";
inline constexpr std::string_view makes_no_number = "ERR increment would produce NaN or Infinity";
inline constexpr std::string_view out_of_range = "ERR value is out of range";
inline constexpr std::string_view index_out_of_range = "ERR index out of range";
inline constexpr std::string_view overflow = "ERR increment or decrement would overflow";
inline constexpr std::string_view no_such_key = "ERR no such key";
inline constexpr std::string_view timeout_not_integer =
    "ERR timeout is not an integer or out of range";
inline constexpr std::string_view timeout_negative = "ERR timeout is negative";
inline constexpr std::string_view timeout_not_real = "ERR timeout is not a float or out of range";
inline constexpr std::string_view no_auth = "NOAUTH Authentication required.";
inline constexpr std::string_view wrong_pass =
    "WRONGPASS invalid username-password pair or user is disabled.";
inline constexpr std::string_view auth_without_password =
    "ERR AUTH <password> called without any password configured for the default user. Are you sure "
    "your configuration is correct?";
inline constexpr std::string_view hello_no_auth =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "<proto> "
    "AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol "
    "version at the same time";
inline constexpr std::string_view no_proto = "NOPROTO unsupported protocol version";
inline constexpr std::string_view db_index = "ERR DB index is out of range";
inline constexpr std::string_view invalid_cursor = "ERR invalid cursor";
inline constexpr std::string_view nested_multi = "ERR MULTI calls can not be nested";
inline constexpr std::string_view exec_without_multi = "ERR EXEC without MULTI";
inline constexpr std::string_view discard_without_multi = "ERR DISCARD without MULTI";
inline constexpr std::string_view watch_inside_multi = "ERR WATCH inside MULTI is not allowed";
inline constexpr std::string_view exec_abort =
    "EXECABORT Transaction discarded because of previous errors.";
inline constexpr std::string_view not_in_transaction =
    "ERR Command not allowed inside a transaction";
inline constexpr std::string_view unblocked = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
inline constexpr std::string_view too_many_clients = "ERR max number of clients reached";
inline constexpr std::string_view invalid_id =
    "ERR Invalid stream ID specified as stream command argument";
inline constexpr std::string_view several_cores =
    "ERR the keys of this command or transaction lie on several shards of this server";
inline constexpr std::string_view cannot_store =
    "MISCONF Errors writing to the disk: the server cannot make changes durable";
inline constexpr std::string_view reply_too_large = "ERR the reply would be too large, use COUNT";
}  // namespace text

// "wrong number of arguments for 'x' command"
std::string wrong_arity(std::string_view command);

// Of a subcommand of `container` (in capitals), which is there, but not like this.
std::string wrong_subcommand(std::string_view container, ByteView subcommand);

// What a client is told of a broker's error that no handler has words of its own for.
std::string error_text(const Error& error);
void write_error(ReplyWriter& reply, const Error& error);

}  // namespace trv::redis
