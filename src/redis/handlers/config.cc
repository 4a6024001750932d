// CONFIG: what can be said of the settings in Redis's words. None can be changed while it runs.
#include <fmt/format.h>

#include <map>

#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/glob.h"

namespace trv::redis {

namespace {

std::string_view sync_word(Durability level) {
  switch (level) {
    case Durability::fsync:
      return "always";
    case Durability::interval:
      return "everysec";
    case Durability::os:
    case Durability::memory:
      return "no";
  }
  return "no";
}

std::map<std::string, std::string> present_settings(Call& call) {
  const ServiceSettings& settings = call.service.settings();
  return {
      {"appendfsync", std::string(sync_word(call.broker.options().durability))},
      {"appendonly", call.broker.options().durability == Durability::memory ? "no" : "yes"},
      {"bind", settings.bind},
      {"databases", "1"},
      {"maxclients", fmt::format("{}", settings.clients_max)},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"notify-keyspace-events", ""},
      {"port", fmt::format("{}", settings.port)},
      {"proto-max-bulk-len", fmt::format("{}", settings.bulk_size_max)},
      {"requirepass", settings.password},
      {"save", ""},
      {"timeout", "0"},
  };
}

void config_get(Call& call) {
  std::map<std::string, std::string> settings = present_settings(call);
  std::erase_if(settings, [&](const auto& setting) {
    for (ByteView pattern : call.args.subspan(2)) {
      if (glob_match(pattern, setting.first, true)) return false;
    }
    return true;
  });
  call.reply.map(settings.size());
  for (const auto& [name, value] : settings) {
    call.reply.bulk(name);
    call.reply.bulk(value);
  }
}

std::string lower(ByteView text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Setting what is set already is right; anything else would be a promise that is not kept.
void config_set(Call& call) {
  std::map<std::string, std::string> settings = present_settings(call);
  if (call.args.size() % 2 != 0) return call.reply.error(wrong_arity("config|set"));
  for (std::size_t i = 2; i < call.args.size(); i += 2) {
    auto at = settings.find(lower(call.args[i]));
    if (at == settings.end()) {
      return call.reply.error("ERR Unknown option or number of arguments for CONFIG SET - '" +
                              std::string(call.args[i]) + "'");
    }
    if (at->second != call.args[i + 1]) {
      return call.reply.error("ERR CONFIG SET failed (possibly related to argument '" + at->first +
                              "') - can't set immutable config");
    }
  }
  call.reply.ok();
}

void config_resetstat(Call& call) {
  call.service.gather(
      call,
      [](Service& service) {
        service.counters() = Counters();
        return 0;
      },
      [](const std::vector<int>&, ReplyWriter& reply) { reply.ok(); });
}

constexpr std::uint32_t any = flag::loading | flag::stale | flag::admin;

constexpr Command rows[] = {
    {"config", -2, flag::container | any, Where::session, KeyRule::none, 0, 0, 0, "server", "2.0.0",
     "A container for server configuration commands.", nullptr},
    {"config|get", -3, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "2.0.0",
     "Returns settings by name or pattern.", config_get},
    {"config|set", -4, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "2.0.0",
     "Accepts the present value of a setting, and no other.", config_set},
    {"config|resetstat", 2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.0.0",
     "Resets the counters that INFO shows.", config_resetstat},
};

}  // namespace

std::span<const Command> config_commands() { return rows; }

}  // namespace trv::redis
