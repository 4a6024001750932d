// COMMAND: the command table, told to clients.
#include <algorithm>

#include "redis/access/categories.h"
#include "redis/handlers/families.h"
#include "redis/handlers/key_uses.h"
#include "redis/service.h"
#include "redis/wire/glob.h"

namespace trv::redis {

namespace {

std::string shown_name(const Command& command) { return std::string(command.name); }

bool is_subcommand(const Command& command) {
  return command.name.find('|') != std::string_view::npos;
}

struct FlagName {
  std::uint32_t bit;
  std::string_view name;
};
constexpr FlagName flag_names[] = {
    {flag::write, "write"},     {flag::read_only, "readonly"}, {flag::deny_oom, "denyoom"},
    {flag::admin, "admin"},     {flag::pubsub, "pubsub"},      {flag::blocking, "blocking"},
    {flag::loading, "loading"}, {flag::stale, "stale"},        {flag::fast, "fast"},
    {flag::no_auth, "no_auth"}, {flag::no_multi, "no_multi"},  {flag::no_script, "noscript"},
};

std::vector<std::string> flags_of(const Command& command) {
  std::vector<std::string> names;
  for (const FlagName& one : flag_names) {
    if (command.has(one.bit)) names.emplace_back(one.name);
  }
  // What SORT_RO has behind BY and GET names keys, too.
  const bool fixed = command.key_rule == KeyRule::none || command.key_rule == KeyRule::range;
  if (!fixed || command.name == "sort_ro") names.emplace_back("movablekeys");
  return names;
}

std::vector<std::string> category_words(const Command& command) {
  const std::uint32_t categories = categories_of(command);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < category_names.size(); ++i) {
    if ((categories & 1u << i) != 0) names.push_back("@" + std::string(category_names[i]));
  }
  return names;
}

void write_words(ReplyWriter& reply, const std::vector<std::string>& words) {
  reply.set(words.size());
  for (const std::string& word : words) reply.simple(word);
}

// Keys that an argument counts, and the one of the result, which comes first.
void write_counted_key_specs(ReplyWriter& reply, const Command& command) {
  bool with_result = command.last_key != 0;
  reply.array(with_result ? 2 : 1);
  for (bool result : {true, false}) {
    if (result && !with_result) continue;
    reply.map(3);
    reply.bulk("flags");
    reply.set(1);
    reply.simple(result ? "OW" : command.has(flag::write) && !with_result ? "RW" : "RO");
    reply.bulk("begin_search");
    reply.map(2);
    reply.bulk("type");
    reply.bulk("index");
    reply.bulk("spec");
    reply.map(1);
    reply.bulk("index");
    reply.integer(result ? command.last_key : command.first_key);
    reply.bulk("find_keys");
    reply.map(2);
    reply.bulk("type");
    reply.bulk(result ? "range" : "keynum");
    reply.bulk("spec");
    reply.map(3);
    reply.bulk(result ? "lastkey" : "keynumidx");
    reply.integer(0);
    reply.bulk(result ? "keystep" : "firstkey");
    reply.integer(1);
    reply.bulk(result ? "limit" : "keystep");
    reply.integer(result ? 0 : 1);
  }
}

void write_key_specs(ReplyWriter& reply, const Command& command) {
  if (command.key_rule == KeyRule::none) return reply.array(0);
  if (command.key_rule == KeyRule::counted) return write_counted_key_specs(reply, command);
  bool streams = command.key_rule == KeyRule::streams;
  reply.array(1);
  reply.map(3);
  reply.bulk("flags");
  reply.set(1);
  reply.simple(command.has(flag::write) ? "RW" : "RO");
  reply.bulk("begin_search");
  reply.map(2);
  reply.bulk("type");
  reply.bulk(streams ? "keyword" : "index");
  reply.bulk("spec");
  reply.map(streams ? 2 : 1);
  if (streams) {
    reply.bulk("keyword");
    reply.bulk("STREAMS");
    reply.bulk("startfrom");
    reply.integer(1);
  } else {
    reply.bulk("index");
    reply.integer(command.first_key);
  }
  reply.bulk("find_keys");
  reply.map(2);
  reply.bulk("type");
  reply.bulk("range");
  reply.bulk("spec");
  reply.map(3);
  reply.bulk("lastkey");
  // Counted from the first key.
  reply.integer(streams                ? -1
                : command.last_key < 0 ? command.last_key
                                       : command.last_key - command.first_key);
  reply.bulk("keystep");
  reply.integer(streams ? 1 : command.key_step);
  reply.bulk("limit");
  reply.integer(streams ? 2 : 0);
}

void write_info(Call& call, const Command& command) {
  ReplyWriter& reply = call.reply;
  reply.array(10);
  reply.bulk(shown_name(command));
  reply.integer(command.arity);
  write_words(reply, flags_of(command));
  // Of counted keys only the one of the result has a fixed place.
  bool counted = command.key_rule == KeyRule::counted;
  reply.integer(counted ? command.last_key : command.first_key);
  reply.integer(command.last_key);
  reply.integer(counted ? (command.last_key != 0 ? 1 : 0) : command.key_step);
  write_words(reply, category_words(command));
  reply.array(0);
  write_key_specs(reply, command);
  std::vector<const Command*> subs;
  if (command.has(flag::container)) subs = call.service.table().subcommands_of(command);
  reply.array(subs.size());
  for (const Command* sub : subs) write_info(call, *sub);
}

void write_docs(Call& call, const Command& command) {
  ReplyWriter& reply = call.reply;
  std::vector<const Command*> subs;
  if (command.has(flag::container)) subs = call.service.table().subcommands_of(command);
  reply.bulk(shown_name(command));
  reply.map(subs.empty() ? 3 : 4);
  reply.bulk("summary");
  reply.bulk(command.summary);
  reply.bulk("since");
  reply.bulk(command.since);
  reply.bulk("group");
  reply.bulk(command.family);
  if (subs.empty()) return;
  reply.bulk("subcommands");
  reply.map(subs.size());
  for (const Command* sub : subs) write_docs(call, *sub);
}

std::vector<const Command*> top_level(Call& call) {
  std::vector<const Command*> commands;
  for (const Command* command : call.service.table().all()) {
    if (!is_subcommand(*command)) commands.push_back(command);
  }
  return commands;
}

void command_all(Call& call) {
  std::vector<const Command*> commands = top_level(call);
  call.reply.array(commands.size());
  for (const Command* command : commands) write_info(call, *command);
}

void command_count(Call& call) { call.reply.count(top_level(call).size()); }

void command_info(Call& call) {
  if (call.args.size() == 2) return command_all(call);
  call.reply.array(call.args.size() - 2);
  for (ByteView name : call.args.subspan(2)) {
    if (const Command* command = call.service.table().find(name)) {
      write_info(call, *command);
    } else {
      call.reply.null();
    }
  }
}

void command_docs(Call& call) {
  std::vector<const Command*> commands;
  if (call.args.size() == 2) commands = top_level(call);
  for (ByteView name : call.args.subspan(2)) {
    if (const Command* command = call.service.table().find(name)) commands.push_back(command);
  }
  call.reply.map(commands.size());
  for (const Command* command : commands) write_docs(call, *command);
}

void command_list(Call& call) {
  std::vector<const Command*> commands = call.service.table().all();
  if (call.args.size() == 5 && is_word(call.args[2], "filterby")) {
    ByteView filter = call.args[4];
    if (is_word(call.args[3], "module")) {
      commands.clear();
    } else if (is_word(call.args[3], "aclcat")) {
      const std::optional<std::uint32_t> category = find_category(filter);
      std::erase_if(commands, [&](const Command* command) {
        return !category || (categories_of(*command) & *category) == 0;
      });
    } else if (is_word(call.args[3], "pattern")) {
      std::erase_if(commands, [&](const Command* command) {
        return !glob_match(filter, command->name, true);
      });
    } else {
      return call.reply.error(text::syntax);
    }
  } else if (call.args.size() > 2) {
    return call.reply.error(text::syntax);
  }
  call.reply.array(commands.size());
  for (const Command* command : commands) call.reply.bulk(shown_name(*command));
}

struct FoundKeys {
  const Command* command = nullptr;
  std::vector<std::size_t> places;  // among the arguments, ascending
};

// The keys of the command that begins at the third argument. Nothing after an error reply.
std::optional<FoundKeys> find_keys(Call& call) {
  const auto refuse = [&call](const char* why) {
    call.reply.error(std::string("ERR ") + why);
    return std::nullopt;
  };
  std::span<const ByteView> args = call.args.subspan(2);
  const CommandTable& table = call.service.table();
  const Command* command = is_word(args[0], "") ? nullptr : table.find(args[0]);
  if (command && command->has(flag::container) && args.size() > 1) {
    command = table.find_subcommand(*command, args[1]);
  }
  if (!command) return refuse("Invalid command specified");
  if (command->key_rule == KeyRule::none) return refuse("The command has no key arguments");
  auto count = static_cast<std::int64_t>(args.size());
  bool fits = command->arity < 0 ? count >= -command->arity : count == command->arity;
  if (!fits) return refuse("Invalid number of arguments specified for command");
  FoundKeys keys{command, {}};
  // A script needs no keys.
  const bool without = command->has(flag::script) && args[2] == "0";
  if (without) return keys;
  bool shaped =
      CommandTable::each_key(*command, args, [&](std::size_t i) { keys.places.push_back(i); });
  if (!shaped) return refuse("Invalid arguments specified for command");
  std::sort(keys.places.begin(), keys.places.end());
  return keys;
}

void command_getkeys(Call& call) {
  const std::optional<FoundKeys> keys = find_keys(call);
  if (!keys) return;
  call.reply.array(keys->places.size());
  for (std::size_t place : keys->places) call.reply.bulk(call.args[place + 2]);
}

void write_words(ReplyWriter& reply, std::string_view words) {
  reply.set(1 + static_cast<std::size_t>(std::count(words.begin(), words.end(), ' ')));
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    reply.simple(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

void command_getkeysandflags(Call& call) {
  const std::optional<FoundKeys> keys = find_keys(call);
  if (!keys) return;
  const KeyUses uses = key_uses(*keys->command, call.args.subspan(2));
  call.reply.array(keys->places.size());
  for (std::size_t i = 0; i < keys->places.size(); ++i) {
    call.reply.array(2);
    call.reply.bulk(call.args[keys->places[i] + 2]);
    write_words(call.reply, i == 0 ? uses.first : uses.others);
  }
}

constexpr std::uint32_t any = flag::loading | flag::stale;

constexpr Command rows[] = {
    {"command", -1, flag::container | any, Where::anywhere, KeyRule::none, 0, 0, 0, "server",
     "2.8.13", "Returns the table of commands.", command_all},
    {"command|count", 2, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "2.8.13",
     "Returns the number of commands.", command_count},
    {"command|docs", -2, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "7.0.0",
     "Returns what commands are for.", command_docs},
    {"command|getkeys", -3, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "2.8.13",
     "Finds the keys in a command.", command_getkeys},
    {"command|getkeysandflags", -4, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "7.0.0",
     "Finds the keys in a command, and what it does with them.", command_getkeysandflags},
    {"command|info", -2, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "2.8.13",
     "Returns rows of the table of commands.", command_info},
    {"command|list", -2, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "7.0.0",
     "Lists the names of commands.", command_list},
};

}  // namespace

std::span<const Command> introspection_commands() { return rows; }

}  // namespace trv::redis
