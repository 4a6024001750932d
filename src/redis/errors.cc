#include "redis/errors.h"

#include "redis/wire/reply_writer.h"

namespace trv::redis {

std::string wrong_arity(std::string_view command) {
  return "ERR wrong number of arguments for '" + std::string(command) + "' command";
}

namespace {

std::string_view kind_of(Errc code) {
  switch (code) {
    case Errc::wrong_type:
      return "WRONGTYPE";
    // As Redis answers when what it keeps cannot be written; OOM is of memory.
    case Errc::no_space:
    case Errc::io_error:
    case Errc::corrupt:
      return "MISCONF";
    case Errc::access_refused:
      return "NOPERM";
    case Errc::overloaded:
    case Errc::concurrent_update:
      return "TRYAGAIN";
    case Errc::fenced:
      return "READONLY";
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::invalid_argument:
    case Errc::precondition_failed:
    case Errc::locked:
    case Errc::in_use:
    case Errc::out_of_range:
    case Errc::too_large:
    case Errc::unsupported:
    case Errc::sequence_gap:
    case Errc::invalid_state:
    case Errc::timed_out:
    case Errc::closed:
      return "ERR";
  }
  return "ERR";
}

}  // namespace

std::string wrong_subcommand(std::string_view container, ByteView subcommand) {
  return "ERR unknown subcommand or wrong number of arguments for '" + std::string(subcommand) +
         "'. Try " + std::string(container) + " HELP.";
}

std::string error_text(const Error& error) {
  if (error.code == Errc::wrong_type) return std::string(text::wrong_type);
  return std::string(kind_of(error.code)) + " " + error.message;
}

void write_error(ReplyWriter& reply, const Error& error) { reply.error(error_text(error)); }

}  // namespace trv::redis
