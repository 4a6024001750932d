// CommandTable: finds commands by name, and keys among arguments. The rows are in handlers/*.cc,
// one constexpr array a family, listed in command_table.cc.
//
// Owner: the Server, one for each core; read only after construction.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <vector>

#include "redis/command.h"

namespace trv::redis {

class CommandTable {
 public:
  CommandTable();

  // Ignores case; null when there is none.
  const Command* find(ByteView name) const;
  // Where all() has the command, which may be of another core's table.
  std::size_t index_of(const Command& command) const;
  // The row for "container|name".
  const Command* find_subcommand(const Command& container, ByteView name) const;
  // All rows, subcommands included, in the order of the families.
  const std::vector<const Command*>& all() const { return all_; }
  std::vector<const Command*> subcommands_of(const Command& container) const;

  // Calls `visit(index)` for the index of each key among `args`. False when the arguments do not
  // have the command's shape.
  template <class Visit>
  static bool each_key(const Command& command, std::span<const ByteView> args, Visit&& visit);

  static constexpr std::size_t name_size_max = 32;

 private:
  struct Slot {
    const Command* command = nullptr;
    std::uint64_t hash = 0;
    std::size_t index = 0;  // in all_
  };
  const Slot* locate(ByteView name) const;
  void add(const Command& command);

  // The row "container|help", which every container has.
  struct Help {
    std::string name;
    Command row;
  };
  std::deque<Help> helps_;  // rows are pointed to
  std::vector<const Command*> all_;
  std::vector<Slot> slots_;  // open addressing, a power of two
};

// As messages show a command's name.
std::string upper_case(std::string_view name);

// The index of the word STREAMS; nothing when it is missing or what follows is not of even count.
std::optional<std::size_t> streams_index(std::span<const ByteView> args);

// The index of the key that SORT or GEORADIUS stores into; nothing when it stores nothing.
std::optional<std::size_t> store_index(std::span<const ByteView> args);

// The number of keys that the argument tells; 0 when it is none.
std::int64_t key_count(std::span<const ByteView> args, std::size_t index);

template <class Visit>
bool CommandTable::each_key(const Command& command, std::span<const ByteView> args, Visit&& visit) {
  if (command.key_rule == KeyRule::none) return true;
  if (command.key_rule == KeyRule::streams) {
    std::optional<std::size_t> word = streams_index(args);
    if (!word) return false;
    std::size_t count = (args.size() - *word - 1) / 2;
    for (std::size_t i = 0; i < count; ++i) visit(*word + 1 + i);
    return true;
  }
  auto size = static_cast<std::int64_t>(args.size());
  if (command.key_rule == KeyRule::counted) {
    std::int64_t count = key_count(args, static_cast<std::size_t>(command.first_key));
    if (count <= 0 || count > size - command.first_key - 1) return false;
    if (command.last_key != 0) visit(static_cast<std::size_t>(command.last_key));
    for (std::int64_t i = 1; i <= count; ++i) {
      visit(static_cast<std::size_t>(command.first_key + i));
    }
    return true;
  }
  if (command.key_rule == KeyRule::sorted) {
    if (std::optional<std::size_t> store = store_index(args)) visit(*store);
  }
  std::int64_t last = command.last_key < 0 ? size + command.last_key : command.last_key;
  if (last >= size) return false;
  for (std::int64_t i = command.first_key; i <= last; i += command.key_step) {
    visit(static_cast<std::size_t>(i));
  }
  return true;
}

}  // namespace trv::redis
