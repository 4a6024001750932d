#include "redis/handlers/read_options.h"

#include "redis/errors.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

bool parse_block(Call& call, ByteView text, ReadOptions& options) {
  constexpr std::int64_t block_ms_max = std::int64_t{1} << 50;
  std::optional<std::int64_t> ms = parse_integer(text);
  if (!ms || *ms > block_ms_max) {
    call.reply.error(text::timeout_not_integer);
    return false;
  }
  if (*ms < 0) {
    call.reply.error(text::timeout_negative);
    return false;
  }
  options.block = std::chrono::milliseconds(*ms);
  return true;
}

// A limit over all streams, at least 1.
bool parse_total(Call& call, std::size_t at, const char* name, std::size_t& total) {
  std::optional<std::int64_t> value = integer_arg(call, at);
  if (!value) return false;
  if (*value <= 0) {
    call.reply.error(std::string("ERR ") + name + " must be a positive integer");
    return false;
  }
  total = static_cast<std::size_t>(*value);
  return true;
}

bool parse_claim_idle(Call& call, ByteView text, ReadOptions& options) {
  const std::optional<std::int64_t> ms = parse_integer(text);
  if (!ms) {
    call.reply.error("ERR min-idle-time is not an integer");
    return false;
  }
  if (*ms < 0) {
    call.reply.error("ERR min-idle-time must be a positive integer");
    return false;
  }
  options.claim_idle = std::chrono::milliseconds(*ms);
  return true;
}

// Whether the options go together.
bool check_read_options(Call& call, bool lacks_group, const ReadOptions& options) {
  if (options.stream_count == 0) {
    call.reply.error(text::syntax);
    return false;
  }
  if (options.count != ReadOptions{}.count && options.total_count < options.count) {
    call.reply.error("ERR MAXCOUNT must be greater than or equal to COUNT");
    return false;
  }
  if (lacks_group) {
    call.reply.error("ERR Missing GROUP option for XREADGROUP");
    return false;
  }
  return true;
}

}  // namespace

bool parse_read_options(Call& call, bool with_group, ReadOptions& options) {
  const std::string name(call.command.name);
  std::size_t size = call.args.size();
  bool has_group = false;
  for (std::size_t i = 1; i < size; ++i) {
    ByteView arg = call.args[i];
    std::size_t more = size - i - 1;
    if (is_word(arg, "block") && more > 0) {
      if (call.scripted) {
        call.reply.error("ERR " + name + " command is not allowed with BLOCK option from scripts");
        return false;
      }
      if (!parse_block(call, call.args[++i], options)) return false;
    } else if (is_word(arg, "count") && more > 0) {
      std::optional<std::int64_t> count = integer_arg(call, ++i);
      if (!count) return false;
      // 0 and less mean no limit.
      if (*count > 0) options.count = static_cast<std::size_t>(*count);
    } else if (is_word(arg, "maxcount") && more > 0) {
      if (!parse_total(call, ++i, "MAXCOUNT", options.total_count)) return false;
    } else if (is_word(arg, "maxsize") && more > 0) {
      if (!parse_total(call, ++i, "MAXSIZE", options.total_size)) return false;
    } else if (is_word(arg, "streams") && more > 0) {
      options.keys_at = i + 1;
      if (more % 2 != 0) {
        call.reply.error("ERR Unbalanced '" + name +
                         "' list of streams: for each stream key an ID" +
                         (with_group ? " or '>'" : ", '+', or '$'") + " must be specified.");
        return false;
      }
      options.stream_count = more / 2;
      break;
    } else if (is_word(arg, "group") && more > 1) {
      if (!with_group) {
        call.reply.error(
            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
        return false;
      }
      options.group = call.args[i + 1];
      options.consumer = call.args[i + 2];
      has_group = true;
      i += 2;
    } else if (is_word(arg, "claim") && more > 0) {
      if (!with_group) {
        call.reply.error(
            "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.");
        return false;
      }
      if (!parse_claim_idle(call, call.args[++i], options)) return false;
    } else if (is_word(arg, "noack")) {
      if (!with_group) {
        call.reply.error(
            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
        return false;
      }
      options.no_ack = true;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return check_read_options(call, with_group && !has_group, options);
}

}  // namespace trv::redis
