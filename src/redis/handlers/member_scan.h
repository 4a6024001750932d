// HSCAN, SSCAN and ZSCAN: one shape over the three tables.
#pragma once

#include <optional>

#include "redis/handlers/keyed.h"
#include "redis/wire/glob.h"
#include "redis/wire/number.h"

namespace trv::redis {

struct MemberScanOptions {
  std::optional<ByteView> pattern;
  std::size_t count = 10;
};

// False after an error reply.
bool parse_member_scan(Call& call, MemberScanOptions& options);

// Replies with what `write(member, writer)` writes of each member, `parts` values each.
template <class T, class Table, class Write>
void scan_members(Call& call, const Table& (T::*table)() const, std::size_t parts, Write write) {
  std::optional<std::uint64_t> cursor = parse_unsigned(call.args[2]);
  if (!cursor) return call.reply.error(text::invalid_cursor);
  Found<T> found = find_collection<T>(call, call.args[1]);
  if (found.refused) return;
  MemberScanOptions options;
  if (found.value && !parse_member_scan(call, options)) return;
  std::string body;
  ReplyWriter writer(body, call.reply.protocol());
  std::size_t count = 0;
  std::uint64_t next = 0;
  if (found.value) {
    next = (found.value->*table)().scan(*cursor, options.count, [&](const auto& member) {
      if (options.pattern && !glob_match(*options.pattern, member.name)) return;
      write(member, writer);
      count += parts;
    });
  }
  call.reply.array(2);
  char digits[integer_text_max];
  call.reply.bulk({digits, print_unsigned(digits, next)});
  call.reply.array(count);
  call.reply.out() += body;
}

}  // namespace trv::redis
