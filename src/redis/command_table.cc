#include "redis/command_table.h"

#include "redis/errors.h"

#include <bit>

#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::uint64_t hash_of(ByteView name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (char c : name) {
    hash ^= static_cast<unsigned char>(lower(c));
    hash *= 0x100000001b3u;
  }
  return hash;
}

}  // namespace

bool Call::wait_for(const Result<broker::Commit>& change) {
  if (change) {
    wait_for(*change);
  } else {
    write_error(reply, change.error());
  }
  return change.ok();
}

bool is_word(ByteView arg, std::string_view lower_case_word) {
  if (arg.size() != lower_case_word.size()) return false;
  for (std::size_t i = 0; i < arg.size(); ++i) {
    if (lower(arg[i]) != lower_case_word[i]) return false;
  }
  return true;
}

std::optional<std::int64_t> integer_arg(Call& call, std::size_t index) {
  std::optional<std::int64_t> value = parse_integer(call.args[index]);
  if (!value) call.reply.error("ERR value is not an integer or out of range");
  return value;
}

std::array<std::span<const Command>, family_count> families() {
  return {connection_commands(),   client_commands(),
          client_pause_commands(), client_tracking_commands(),
          string_commands(),       key_commands(),
          stream_write_commands(), stream_read_commands(),
          stream_info_commands(),  group_commands(),
          claim_commands(),        pubsub_commands(),
          transaction_commands(),  server_commands(),
          config_commands(),       introspection_commands(),
          scan_commands(),         hash_commands(),
          list_commands(),         list_move_commands(),
          set_commands(),          set_algebra_commands(),
          sorted_commands(),       sorted_range_commands(),
          sorted_pop_commands(),   sorted_algebra_commands(),
          string_part_commands(),  key_move_commands(),
          bit_commands(),          bitfield_commands(),
          sorting_commands(),      script_commands(),
          hyper_log_commands(),    geo_commands(),
          geo_search_commands(),   slow_log_commands(),
          latency_commands(),      stream_reference_commands(),
          group_read_commands(),   acl_commands(),
          acl_change_commands()};
}

std::string upper_case(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

namespace {

// Lines of text: each subcommand and, behind four blanks, what it does.
void help(Call& call) {
  const CommandTable& table = call.service.table();
  const std::string container(call.command.name.substr(0, call.command.name.find('|')));
  const std::vector<const Command*> rows = table.subcommands_of(*table.find(container));
  call.reply.array(1 + 2 * rows.size());
  call.reply.simple(upper_case(container) +
                    " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const Command* row : rows) {
    call.reply.simple(upper_case(row->name.substr(container.size() + 1)));
    call.reply.simple("    " + std::string(row->summary));
  }
}

}  // namespace

void CommandTable::add(const Command& command) {
  all_.push_back(&command);
  if (!command.has(flag::container)) return;
  Help& made = helps_.emplace_back();
  made.name = std::string(command.name) + "|help";
  made.row = {made.name,
              2,
              flag::loading | flag::stale,
              Where::anywhere,
              KeyRule::none,
              0,
              0,
              0,
              command.family,
              command.since,
              "Prints this help.",
              help};
  all_.push_back(&made.row);
}

CommandTable::CommandTable() {
  for (std::span<const Command> family : families()) {
    for (const Command& command : family) add(command);
  }
  slots_.resize(std::bit_ceil(all_.size() * 4));
  for (std::size_t index = 0; index < all_.size(); ++index) {
    const Command* command = all_[index];
    TRV_ASSERT(command->name.size() <= name_size_max);
    TRV_ASSERT(command->has(flag::container) || command->run != nullptr);
    TRV_ASSERT(find(command->name) == nullptr);
    std::uint64_t hash = hash_of(command->name);
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].command) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {command, hash, index};
  }
}

const Command* CommandTable::find(ByteView name) const {
  const Slot* slot = locate(name);
  return slot ? slot->command : nullptr;
}

std::size_t CommandTable::index_of(const Command& command) const {
  const Slot* slot = locate(command.name);
  TRV_ASSERT(slot != nullptr);
  return slot->index;
}

const CommandTable::Slot* CommandTable::locate(ByteView name) const {
  if (name.size() > name_size_max) return nullptr;
  std::uint64_t hash = hash_of(name);
  for (std::size_t at = hash & (slots_.size() - 1); slots_[at].command;
       at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash == hash && is_word(name, slots_[at].command->name)) {
      return &slots_[at];
    }
  }
  return nullptr;
}

const Command* CommandTable::find_subcommand(const Command& container, ByteView name) const {
  char full[name_size_max];
  if (container.name.size() + 1 + name.size() > name_size_max) return nullptr;
  std::size_t size = container.name.copy(full, container.name.size());
  full[size++] = '|';
  size += name.copy(full + size, name.size());
  return find({full, size});
}

std::vector<const Command*> CommandTable::subcommands_of(const Command& container) const {
  std::vector<const Command*> found;
  std::string prefix = std::string(container.name) + "|";
  for (const Command* command : all_) {
    if (command->name.starts_with(prefix)) found.push_back(command);
  }
  return found;
}

std::optional<std::size_t> streams_index(std::span<const ByteView> args) {
  for (std::size_t i = 1; i < args.size(); ++i) {
    if (is_word(args[i], "group")) {
      i += 2;
    } else if (is_word(args[i], "count") || is_word(args[i], "block")) {
      ++i;
    } else if (is_word(args[i], "streams")) {
      std::size_t left = args.size() - i - 1;
      if (left == 0 || left % 2 != 0) return std::nullopt;
      return i;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> store_index(std::span<const ByteView> args) {
  std::optional<std::size_t> found;
  for (std::size_t i = 2; i + 1 < args.size(); ++i) {
    if (is_word(args[i], "limit")) {
      i += 2;
    } else if (is_word(args[i], "by") || is_word(args[i], "get")) {
      ++i;
    } else if (is_word(args[i], "store") || is_word(args[i], "storedist")) {
      found = ++i;
    }
  }
  return found;
}

std::int64_t key_count(std::span<const ByteView> args, std::size_t index) {
  return index < args.size() ? parse_integer(args[index]).value_or(0) : 0;
}

}  // namespace trv::redis
