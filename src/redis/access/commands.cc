// ACL, as far as it changes nothing: who there is, what they may do, and what was refused to them.
#include <algorithm>
#include <random>

#include "redis/access/categories.h"
#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

void whoami(Call& call) { call.reply.bulk(call.session->account->name()); }

void users(Call& call) {
  const std::vector<std::string> names = call.service.accounts().names();
  call.reply.array(names.size());
  for (const std::string& name : names) call.reply.bulk(name);
}

void list(Call& call) {
  Accounts& accounts = call.service.accounts();
  const std::vector<std::string> names = accounts.names();
  call.reply.array(names.size());
  for (const std::string& name : names) {
    call.reply.bulk("user " + name + " " + accounts.find(name)->rules().text());
  }
}

// How many fields it has.
constexpr std::size_t selector_fields = 3;
void write_selector(ReplyWriter& reply, const Selector& selector) {
  reply.bulk("commands");
  reply.bulk(selector.commands_text());
  reply.bulk("keys");
  reply.bulk(selector.keys_text());
  reply.bulk("channels");
  reply.bulk(selector.channels_text());
}

void getuser(Call& call) {
  const Accounts::Ref account = call.service.accounts().find(call.args[2]);
  if (!account) return call.reply.null();
  const UserRules& rules = account->rules();
  ReplyWriter& reply = call.reply;
  reply.map(3 + selector_fields);
  reply.bulk("flags");
  const std::vector<std::string> flags = rules.flags();
  reply.set(flags.size());
  for (const std::string& flag : flags) reply.bulk(flag);
  reply.bulk("passwords");
  const std::vector<std::string> hashes = rules.password_hashes();
  reply.array(hashes.size());
  for (const std::string& hash : hashes) reply.bulk(hash);
  write_selector(reply, rules.selectors().front());
  reply.bulk("selectors");
  reply.array(rules.selectors().size() - 1);
  for (std::size_t i = 1; i < rules.selectors().size(); ++i) {
    reply.map(selector_fields);
    write_selector(reply, rules.selectors()[i]);
  }
}

void cat(Call& call) {
  if (call.args.size() > 3) {
    return call.reply.error(wrong_subcommand("ACL", call.args[1]));
  }
  if (call.args.size() == 2) {
    call.reply.array(category_names.size());
    for (std::string_view name : category_names) call.reply.bulk(name);
    return;
  }
  const std::optional<std::uint32_t> category = find_category(call.args[2]);
  if (!category) {
    return call.reply.error("ERR Unknown category '" + std::string(call.args[2].substr(0, 128)) +
                            "'");
  }
  std::vector<const Command*> commands = call.service.table().all();
  std::erase_if(commands,
                [&](const Command* command) { return (categories_of(*command) & *category) == 0; });
  call.reply.array(commands.size());
  for (const Command* command : commands) call.reply.bulk(command->name);
}

void genpass(Call& call) {
  constexpr std::int64_t bits_max = 4096;
  std::int64_t bits = 256;
  if (call.args.size() > 3) {
    return call.reply.error(wrong_subcommand("ACL", call.args[1]));
  }
  if (call.args.size() == 3) {
    const std::optional<std::int64_t> given = integer_arg(call, 2);
    if (!given) return;
    bits = *given;
  }
  if (bits <= 0 || bits > bits_max) {
    return call.reply.error(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
        "number up to 4096");
  }
  // Of the system's source: somebody will rely on it.
  std::random_device random;
  std::string password;
  for (std::int64_t i = 0; i < (bits + 3) / 4; ++i) password += "0123456789abcdef"[random() & 15];
  call.reply.bulk(password);
}

void dryrun(Call& call) {
  const Accounts::Ref account = call.service.accounts().find(call.args[2]);
  if (!account) {
    return call.reply.error("ERR User '" + std::string(call.args[2]) + "' not found");
  }
  const CommandTable& table = call.service.table();
  const std::span<const ByteView> args = call.args.subspan(3);
  const Command* command = find_command(table, args);
  if (!command) {
    return call.reply.error("ERR Command '" + std::string(args[0]) + "' not found");
  }
  if (!has_arity(*command, args)) return call.reply.error(wrong_arity(command->name));
  const Refusal refusal = account->refusal(table, *command, args);
  if (refusal.lacks == Lacks::nothing) return call.reply.ok();
  call.reply.bulk(account->text_of(refusal, *command, args, true));
}

// There is no file of users: they are in the catalog, which is durable by itself.
void file(Call& call) {
  call.reply.error(
      "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
      "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
      "configuration file set) in order to store users in the Redis configuration.");
}

// --- the log -------------------------------------------------------------------------------------

void write_entry(ReplyWriter& reply, const DenialLog::Entry& entry, WallTime now) {
  reply.map(10);
  reply.bulk("count");
  reply.count(entry.count);
  reply.bulk("reason");
  reply.bulk(text_of(entry.event.reason));
  reply.bulk("context");
  reply.bulk(text_of(entry.event.context));
  reply.bulk("object");
  reply.bulk(entry.event.object);
  reply.bulk("username");
  reply.bulk(entry.event.user);
  reply.bulk("age-seconds");
  reply.real(static_cast<double>(now.ms - entry.updated.ms) / 1000);
  reply.bulk("client-info");
  reply.bulk(entry.event.client);
  reply.bulk("entry-id");
  reply.count(entry.id);
  reply.bulk("timestamp-created");
  reply.integer(entry.created.ms);
  reply.bulk("timestamp-last-updated");
  reply.integer(entry.updated.ms);
}

bool is_first(Service& service) { return service.broker().core().index() == CoreIndex(0); }

void log(Call& call) {
  using Entries = std::vector<DenialLog::Entry>;
  if (call.args.size() > 3) {
    return call.reply.error(wrong_subcommand("ACL", call.args[1]));
  }
  const bool clears = call.args.size() == 3 && is_word(call.args[2], "reset");
  std::int64_t count = 10;
  if (call.args.size() == 3 && !clears) {
    const std::optional<std::int64_t> given = integer_arg(call, 2);
    if (!given) return;
    count = std::max<std::int64_t>(*given, 0);
  }
  call.service.gather(
      call,
      [count, clears](Service& service) {
        const auto& entries = service.accounts().log().entries();
        Entries first;
        if (clears) {
          service.accounts().log().clear();
        } else if (is_first(service)) {
          const std::size_t some = std::min(static_cast<std::size_t>(count), entries.size());
          first.assign(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(some));
        }
        return first;
      },
      [clears, now = call.now](std::vector<Entries> parts, ReplyWriter& reply) {
        if (clears) return reply.ok();
        reply.array(parts.front().size());
        for (const DenialLog::Entry& entry : parts.front()) write_entry(reply, entry, now);
      });
}

constexpr std::uint32_t any = flag::loading | flag::stale | flag::no_script;

constexpr Command rows[] = {
    {"acl", -2, flag::container | any, Where::session, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "A container for access list commands.", nullptr},
    {"acl|whoami", 2, any, Where::session, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Tells which user the connection is.", whoami},
    {"acl|users", 2, any | flag::admin, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Lists the names of all users.", users},
    {"acl|list", 2, any | flag::admin, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Lists all users with their rules.", list},
    {"acl|getuser", 3, any | flag::admin, Where::anywhere, KeyRule::none, 0, 0, 0, "server",
     "6.0.0", "Tells the rules of a user.", getuser},
    {"acl|cat", -2, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Lists the categories, or the commands of one.", cat},
    {"acl|genpass", -2, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Makes a password that nobody guesses.", genpass},
    {"acl|dryrun", -4, any | flag::admin, Where::anywhere, KeyRule::none, 0, 0, 0, "server",
     "7.0.0", "Tells whether a user may run a command.", dryrun},
    {"acl|save", 2, any | flag::admin, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Users are kept without it.", file},
    {"acl|load", 2, any | flag::admin, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Users are kept without it.", file},
    {"acl|log", -2, any | flag::admin, Where::every_core, KeyRule::none, 0, 0, 0, "server", "6.0.0",
     "Lists what was refused to users.", log},
};

}  // namespace

std::span<const Command> acl_commands() { return rows; }

}  // namespace trv::redis
