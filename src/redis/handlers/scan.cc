#include "redis/handlers/scan.h"

#include <algorithm>
#include <array>

#include "broker/keyspaces.h"
#include "broker/shard_state.h"
#include "redis/handlers/families.h"
#include "redis/handlers/keyed.h"
#include "redis/wire/glob.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

// Shards in the order of their cores.
std::array<ShardId, shard_count> shard_order(const broker::Broker& broker) {
  std::array<ShardId, shard_count> order;
  for (int i = 0; i < shard_count; ++i) order[i] = ShardId(static_cast<std::uint8_t>(i));
  std::stable_sort(order.begin(), order.end(),
                   [&](ShardId a, ShardId b) { return broker.owner_of(a) < broker.owner_of(b); });
  return order;
}

struct ScanOptions {
  std::optional<ByteView> pattern;
  std::optional<ByteView> type;
  std::int64_t count = 10;
};

bool parse_options(Call& call, std::size_t from, ScanOptions& options) {
  for (std::size_t i = from; i < call.args.size(); i += 2) {
    if (i + 1 >= call.args.size()) {
      call.reply.error(text::syntax);
      return false;
    }
    if (is_word(call.args[i], "match")) {
      options.pattern = call.args[i + 1];
    } else if (is_word(call.args[i], "type")) {
      options.type = call.args[i + 1];
    } else if (is_word(call.args[i], "count")) {
      std::optional<std::int64_t> count = integer_arg(call, i + 1);
      if (!count) return false;
      if (*count < 1) {
        call.reply.error(text::syntax);
        return false;
      }
      options.count = *count;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

void visit_topics(const broker::ShardState& shard, WallTime now,
                  const std::function<void(ByteView)>& visit) {
  for (const auto& [name, topic] : shard.topics) {
    const std::optional<WallTime>& expires = broker::Topics::settings(*topic).expires;
    if (!expires || *expires > now) visit(name);
  }
}

void scan(Call& call) {
  std::optional<std::uint64_t> cursor = parse_unsigned(call.args[1]);
  if (!cursor) return call.reply.error(text::invalid_cursor);
  ScanOptions options;
  if (!parse_options(call, 2, options)) return;
  bool streams = !options.type || is_word(*options.type, "stream");
  auto matches = [&](ByteView name) {
    return !options.pattern || glob_match(*options.pattern, name);
  };
  std::vector<std::string> names;
  std::size_t visited = 0;
  auto order = shard_order(call.broker);
  std::size_t ordinal = *cursor % shard_count;
  std::uint64_t inner = *cursor / shard_count;
  CoreIndex here = call.broker.core().index();
  auto count = static_cast<std::size_t>(options.count);
  while (ordinal < order.size() && call.broker.owner_of(order[ordinal]) == here &&
         visited < count) {
    broker::ShardState& shard = call.broker.shard(order[ordinal]);
    inner = shard.keyspace.scan(inner, count - visited, [&](const model::Keyspace::Entry& entry) {
      ++visited;
      bool expired = entry.expires && *entry.expires <= call.now;
      bool typed = !options.type || is_word(*options.type, type_name(entry.value.type()));
      if (typed && !expired && matches(entry.key)) names.push_back(entry.key);
    });
    if (inner != 0) break;
    visit_topics(shard, call.now, [&](ByteView name) {
      ++visited;
      if (streams && matches(name)) names.emplace_back(name);
    });
    ++ordinal;
  }
  std::uint64_t next = ordinal < order.size() ? inner * shard_count + ordinal : 0;
  call.reply.array(2);
  char digits[integer_text_max];
  call.reply.bulk({digits, print_unsigned(digits, next)});
  call.reply.array(names.size());
  for (const std::string& name : names) call.reply.bulk(name);
}

std::vector<std::string> names_here(Service& service, const std::string& pattern, WallTime now) {
  std::vector<std::string> names;
  service.broker().each_shard([&](broker::ShardState& shard) {
    shard.keyspace.scan(0, std::numeric_limits<std::size_t>::max(),
                        [&](const model::Keyspace::Entry& entry) {
                          bool expired = entry.expires && *entry.expires <= now;
                          if (!expired && glob_match(pattern, entry.key)) {
                            names.push_back(entry.key);
                          }
                        });
    visit_topics(shard, now, [&](ByteView name) {
      if (glob_match(pattern, name)) names.emplace_back(name);
    });
  });
  return names;
}

void keys(Call& call) {
  call.service.gather(
      call,
      [pattern = std::string(call.args[1]), now = call.now](Service& service) {
        return names_here(service, pattern, now);
      },
      [](std::vector<std::vector<std::string>> parts, ReplyWriter& reply) {
        std::size_t count = 0;
        for (const auto& part : parts) count += part.size();
        reply.array(count);
        for (const auto& part : parts) {
          for (const std::string& name : part) reply.bulk(name);
        }
      });
}

void dbsize(Call& call) {
  call.service.gather(
      call,
      [](Service& service) {
        std::uint64_t count = 0;
        service.broker().each_shard([&](broker::ShardState& shard) {
          count += shard.keyspace.size() + shard.topics.size();
        });
        return count;
      },
      [](std::vector<std::uint64_t> parts, ReplyWriter& reply) {
        std::uint64_t count = 0;
        for (std::uint64_t part : parts) count += part;
        reply.count(count);
      });
}

constexpr std::uint32_t read_flags = flag::read_only;

constexpr Command rows[] = {
    {"scan", -2, read_flags, Where::cursor, KeyRule::none, 0, 0, 0, "generic", "2.8.0",
     "Iterates over the key names in the database.", scan},
    {"keys", 2, read_flags, Where::every_core, KeyRule::none, 0, 0, 0, "generic", "1.0.0",
     "Returns all key names that match a pattern.", keys},
    {"dbsize", 1, read_flags | flag::fast, Where::every_core, KeyRule::none, 0, 0, 0, "server",
     "1.0.0", "Returns the number of keys in the database.", dbsize},
};

}  // namespace

std::span<const Command> scan_commands() { return rows; }

CoreIndex scan_owner(broker::Broker& broker, ByteView cursor) {
  std::optional<std::uint64_t> value = parse_unsigned(cursor);
  if (!value) return broker.core().index();
  return broker.owner_of(shard_order(broker)[*value % shard_count]);
}

}  // namespace trv::redis
