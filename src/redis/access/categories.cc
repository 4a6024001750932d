#include "redis/access/categories.h"

#include <algorithm>

namespace trv::redis {

namespace {

constexpr std::uint32_t bit_of(std::string_view name) {
  for (std::size_t i = 0; i < category_names.size(); ++i) {
    if (category_names[i] == name) return 1u << i;
  }
  return 0;
}

// What follows from nothing else in a command's row.
struct Extra {
  std::string_view command;
  std::uint32_t categories;
};
constexpr std::uint32_t dangerous = bit_of("dangerous");
constexpr std::uint32_t keyspace = bit_of("keyspace");
constexpr std::uint32_t sorting = bit_of("set") | bit_of("sortedset") | bit_of("list") | dangerous;
constexpr Extra extras[] = {
    {"keys", keyspace | dangerous},
    {"flushall", keyspace | dangerous},
    {"flushdb", keyspace | dangerous},
    {"dbsize", keyspace},
    {"sort", sorting},
    {"sort_ro", sorting},
    {"info", dangerous},
    {"role", dangerous},
    {"lastsave", dangerous},
    {"monitor", dangerous},
    {"wait", bit_of("connection")},
    {"waitaof", bit_of("connection")},
};

struct Family {
  std::string_view name;
  std::uint32_t category;
};
constexpr Family families[] = {
    {"generic", keyspace},
    {"string", bit_of("string")},
    {"bitmap", bit_of("bitmap")},
    {"hash", bit_of("hash")},
    {"list", bit_of("list")},
    {"set", bit_of("set")},
    {"sorted-set", bit_of("sortedset")},
    {"geo", bit_of("geo")},
    {"hyperloglog", bit_of("hyperloglog")},
    {"stream", bit_of("stream")},
    {"connection", bit_of("connection")},
    {"transactions", bit_of("transaction")},
    {"scripting", bit_of("scripting")},
};

std::uint32_t stated_categories(const Command& command) {
  for (const Extra& one : extras) {
    if (one.command == command.name) return one.categories;
  }
  if (command.name == "command" || command.name.starts_with("command|")) {
    return bit_of("connection");
  }
  // A container does nothing itself.
  if (command.has(flag::container)) return 0;
  for (const Family& one : families) {
    if (one.name == command.family) return one.category;
  }
  return 0;
}

}  // namespace

std::uint32_t categories_of(const Command& command) {
  std::uint32_t all = stated_categories(command);
  if (command.has(flag::write)) all |= bit_of("write");
  const bool scripting = (all & bit_of("scripting")) != 0;
  if (command.has(flag::read_only) && !scripting) all |= bit_of("read");
  const bool container = command.has(flag::container);
  if (command.has(flag::admin) && !container) all |= bit_of("admin") | dangerous;
  if (command.has(flag::pubsub) && !container) all |= bit_of("pubsub");
  if (command.has(flag::blocking)) all |= bit_of("blocking");
  all |= command.has(flag::fast) ? bit_of("fast") : bit_of("slow");
  return all;
}

std::optional<std::uint32_t> find_category(ByteView name) {
  for (std::size_t i = 0; i < category_names.size(); ++i) {
    if (is_word(name, category_names[i])) return 1u << i;
  }
  return std::nullopt;
}

}  // namespace trv::redis
