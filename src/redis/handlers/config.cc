// CONFIG: what can be said of the settings in Redis's words. What OBJECT ENCODING names small, how
// long scripts may take and which keyspace notifications there are can be changed while it runs.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "auth/password.h"
#include "redis/access/changes.h"
#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/glob.h"
#include "redis/wire/number.h"

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

struct EncodingOption {
  std::string_view name;
  std::string_view former_name;
  std::size_t EncodingSettings::*setting;
};
constexpr EncodingOption encoding_options[] = {
    {"hash-max-listpack-entries", "hash-max-ziplist-entries", &EncodingSettings::hash_fields_max},
    {"hash-max-listpack-value", "hash-max-ziplist-value", &EncodingSettings::hash_value_size_max},
    {"set-max-intset-entries", "set-max-intset-entries", &EncodingSettings::set_integers_max},
    {"zset-max-listpack-entries", "zset-max-ziplist-entries",
     &EncodingSettings::sorted_members_max},
    {"zset-max-listpack-value", "zset-max-ziplist-value", &EncodingSettings::sorted_value_size_max},
};

const EncodingOption* find_encoding_option(std::string_view name) {
  for (const EncodingOption& option : encoding_options) {
    if (option.name == name || option.former_name == name) return &option;
  }
  return nullptr;
}

// How many milliseconds a script may take; the second name is what it is called since Redis 7.
constexpr std::string_view script_time_options[] = {"lua-time-limit", "busy-reply-threshold"};
constexpr std::uint64_t script_ms_max = 3'600'000;

bool is_script_time(std::string_view name) {
  return name == script_time_options[0] || name == script_time_options[1];
}

constexpr std::string_view trim_block_option = "stream-node-max-entries";
constexpr std::uint64_t trim_block_max = 1'000'000'000;
constexpr char slow_limit_option[] = "slowlog-log-slower-than";
constexpr char slow_size_option[] = "slowlog-max-len";
constexpr std::uint64_t slow_size_limit = 100'000;
constexpr char key_events_option[] = "notify-keyspace-events";
constexpr char latency_option[] = "latency-tracking";
constexpr char latency_threshold_option[] = "latency-monitor-threshold";
constexpr std::uint64_t latency_threshold_max = 86'400'000;
constexpr char tracked_keys_option[] = "tracking-table-max-keys";
constexpr char denials_option[] = "acllog-max-len";
constexpr char percentiles_option[] = "latency-tracking-info-percentiles";
constexpr char password_option[] = "requirepass";

std::string percentiles_text(const CommandStats::Settings& stats) {
  std::string text;
  for (double percent : stats.percentiles) {
    if (!text.empty()) text += ' ';
    text += percent_text(percent);
  }
  return text;
}

// The password of who gives no name, as long as it is known: only a digest is kept, so not one that
// came by ACL SETUSER, nor one that was set before the server started.
std::string password_told(Service& service) {
  const std::string& password = service.settings().password;
  const std::vector<std::string>& digests = service.accounts().nobody()->rules().digests();
  const std::string digest = auth::digest_of(password);
  const bool is_needed = std::find(digests.begin(), digests.end(), digest) != digests.end();
  return is_needed ? password : std::string();
}

std::map<std::string, std::string> present_settings(Call& call) {
  const ServiceSettings& settings = call.service.settings();
  std::map<std::string, std::string> present = {
      {"appendfsync", std::string(sync_word(call.broker.options().durability))},
      {"appendonly", call.broker.options().durability == Durability::memory ? "no" : "yes"},
      {"bind", settings.bind},
      {"databases", "1"},
      {"maxclients", fmt::format("{}", settings.clients_max)},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {key_events_option, key_event::text(call.service.key_events().flags())},
      {"port", fmt::format("{}", settings.port)},
      {"proto-max-bulk-len", fmt::format("{}", settings.bulk_size_max)},
      {password_option, password_told(call.service)},
      {"save", ""},
      {std::string(trim_block_option), fmt::format("{}", settings.trim_block)},
      {"timeout", "0"},
  };
  const SlowLog::Settings& slow = call.service.slow_log().settings();
  present.emplace(slow_limit_option, fmt::format("{}", slow.slower_than_us));
  present.emplace(slow_size_option, fmt::format("{}", slow.size_max));
  const CommandStats::Settings& stats = call.service.command_stats().settings();
  present.emplace(latency_option, stats.latency ? "yes" : "no");
  present.emplace(percentiles_option, percentiles_text(stats));
  present.emplace(denials_option, fmt::format("{}", call.service.accounts().log_size_max()));
  present.emplace(tracked_keys_option, fmt::format("{}", settings.tracked_keys_max));
  present.emplace(latency_threshold_option,
                  fmt::format("{}", call.service.latency_events().threshold_ms()));
  for (std::string_view name : script_time_options) {
    present.emplace(name, fmt::format("{}", settings.script_time_max.count()));
  }
  for (const EncodingOption& option : encoding_options) {
    std::string value = fmt::format("{}", settings.encodings.*option.setting);
    present.emplace(option.name, value);
    present.emplace(option.former_name, value);
  }
  return present;
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

// What can be changed while the server runs.
struct Changeable {
  EncodingSettings encodings;
  std::uint64_t trim_block;
  std::chrono::milliseconds script_time_max;
  std::uint32_t key_events;
  SlowLog::Settings slow;
  CommandStats::Settings stats;
  std::uint64_t latency_threshold_ms;
  std::uint64_t tracked_keys_max;
  std::uint64_t denials_max;
  std::optional<std::string> password;
};

std::string lower(ByteView text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Every core has settings of its own.
void change_settings(Service& service, const Changeable& changed) {
  service.each_core([changed](Service& there) {
    there.settings().encodings = changed.encodings;
    there.settings().trim_block = changed.trim_block;
    there.settings().script_time_max = changed.script_time_max;
    there.key_events().set_flags(changed.key_events);
    there.slow_log().set_settings(changed.slow);
    there.command_stats().set_settings(changed.stats);
    there.latency_events().set_threshold(changed.latency_threshold_ms);
    there.settings().tracked_keys_max = changed.tracked_keys_max;
    there.limit_tracking();
    there.accounts().set_log_size_max(changed.denials_max);
    if (changed.password) there.settings().password = *changed.password;
  });
}

// A password is that of the user `default`, and kept as all users are.
void change_all(Call& call, const Changeable& changed) {
  if (!changed.password) {
    change_settings(call.service, changed);
    return call.reply.ok();
  }
  std::vector<std::string> rules = {"resetpass", ">" + *changed.password};
  if (changed.password->empty()) rules = {"nopass"};
  change_user(call, std::string(Account::nobody), rules,
              [changed](Service& there) { change_settings(there, changed); });
}

void refuse_value(Call& call, std::string_view name, std::string_view why) {
  call.reply.error("ERR CONFIG SET failed (possibly related to argument '" + std::string(name) +
                   "') - " + std::string(why));
}

bool change_key_events(Call& call, ByteView value, std::uint32_t& flags) {
  std::optional<std::uint32_t> parsed = key_event::parse(value);
  if (parsed) {
    flags = *parsed;
  } else {
    refuse_value(call, key_events_option, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
  }
  return parsed.has_value();
}

bool change_slow_limit(Call& call, ByteView value, SlowLog::Settings& settings) {
  std::optional<std::int64_t> number = parse_integer(value);
  const bool sound = number && *number >= -1;
  if (sound) settings.slower_than_us = *number;
  if (!number) {
    refuse_value(call, slow_limit_option, "argument couldn't be parsed into an integer");
  } else if (!sound) {
    refuse_value(call, slow_limit_option,
                 fmt::format("argument must be between -1 and {} inclusive",
                             std::numeric_limits<std::int64_t>::max()));
  }
  return sound;
}

// Writes the error reply, too, when it is not a number in the range.
bool number_within(Call& call, std::string_view name, ByteView value, std::uint64_t least,
                   std::uint64_t most, std::uint64_t& out) {
  std::optional<std::uint64_t> number = parse_unsigned(value);
  if (!number) {
    refuse_value(call, name, "argument couldn't be parsed into an integer");
  } else if (*number < least || *number > most) {
    refuse_value(call, name,
                 fmt::format("argument must be between {} and {} inclusive", least, most));
  } else {
    out = *number;
    return true;
  }
  return false;
}

bool change_latency(Call& call, ByteView value, CommandStats::Settings& settings) {
  settings.latency = is_word(value, "yes");
  if (settings.latency || is_word(value, "no")) return true;
  refuse_value(call, latency_option, "argument must be 'yes' or 'no'");
  return false;
}

bool change_percentiles(Call& call, ByteView value, CommandStats::Settings& settings) {
  settings.percentiles.clear();
  for (std::size_t at = 0; at < value.size();) {
    std::size_t end = std::min(value.find(' ', at), value.size());
    ByteView word = value.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    std::optional<double> percent = parse_real(word);
    if (!percent || settings.percentiles.size() == CommandStats::percentiles_max) {
      refuse_value(call, percentiles_option,
                   "Invalid latency-tracking-info-percentiles parameters");
      return false;
    }
    if (*percent < 0 || *percent > 100) {
      refuse_value(call, percentiles_option,
                   "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
      return false;
    }
    settings.percentiles.push_back(*percent);
  }
  return true;
}

// Whether the setting is one that can be changed. `ok` becomes false after an error reply.
bool change(Call& call, std::string_view name, ByteView value, Changeable& settings, bool& ok) {
  constexpr std::uint64_t any_number = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t number = 0;
  if (name == key_events_option) {
    ok = change_key_events(call, value, settings.key_events);
  } else if (name == slow_limit_option) {
    ok = change_slow_limit(call, value, settings.slow);
  } else if (name == slow_size_option) {
    ok = number_within(call, name, value, 0, slow_size_limit, number);
    if (ok) settings.slow.size_max = number;
  } else if (name == latency_option) {
    ok = change_latency(call, value, settings.stats);
  } else if (name == latency_threshold_option) {
    ok = number_within(call, name, value, 0, latency_threshold_max, settings.latency_threshold_ms);
  } else if (name == tracked_keys_option) {
    ok = number_within(call, name, value, 0, any_number, settings.tracked_keys_max);
  } else if (name == denials_option) {
    ok = number_within(call, name, value, 0, DenialLog::size_limit, settings.denials_max);
  } else if (name == percentiles_option) {
    ok = change_percentiles(call, value, settings.stats);
  } else if (name == trim_block_option) {
    ok = number_within(call, name, value, 1, trim_block_max, settings.trim_block);
  } else if (is_script_time(name)) {
    ok = number_within(call, name, value, 1, script_ms_max, number);
    if (ok) settings.script_time_max = std::chrono::milliseconds(number);
  } else if (name == password_option) {
    settings.password = value;
  } else if (const EncodingOption* encoding = find_encoding_option(name)) {
    ok = number_within(call, name, value, 0, any_number, number);
    if (ok) settings.encodings.*encoding->setting = static_cast<std::size_t>(number);
  } else {
    return false;
  }
  return true;
}

// Setting what is set already is right; anything else but these few would be a promise that is not
// kept.
void config_set(Call& call) {
  std::map<std::string, std::string> settings = present_settings(call);
  if (call.args.size() % 2 != 0) return call.reply.error(wrong_arity("config|set"));
  Changeable changed{call.service.settings().encodings,
                     call.service.settings().trim_block,
                     call.service.settings().script_time_max,
                     call.service.key_events().flags(),
                     call.service.slow_log().settings(),
                     call.service.command_stats().settings(),
                     call.service.latency_events().threshold_ms(),
                     call.service.settings().tracked_keys_max,
                     call.service.accounts().log_size_max(),
                     std::nullopt};
  std::set<std::string> named;
  for (std::size_t i = 2; i < call.args.size(); i += 2) {
    auto at = settings.find(lower(call.args[i]));
    if (at == settings.end()) {
      return call.reply.error("ERR Unknown option or number of arguments for CONFIG SET - '" +
                              std::string(call.args[i]) + "'");
    }
    if (!named.insert(at->first).second) {
      return refuse_value(call, at->first, "duplicate parameter");
    }
    bool ok = true;
    if (change(call, at->first, call.args[i + 1], changed, ok)) {
      if (!ok) return;
      continue;
    }
    if (at->second != call.args[i + 1]) {
      return refuse_value(call, at->first, "can't set immutable config");
    }
  }
  change_all(call, changed);
}

void config_resetstat(Call& call) {
  call.service.gather(
      call,
      [](Service& service) {
        service.counters() = Counters();
        service.command_stats().clear();
        return 0;
      },
      [](const std::vector<int>&, ReplyWriter& reply) { reply.ok(); });
}

// Settings are given with the command line, whose words are not ours to change.
void config_rewrite(Call& call) {
  call.reply.error("ERR The server is running without a config file");
}

constexpr std::uint32_t any = flag::loading | flag::stale | flag::admin | flag::no_script;

constexpr Command rows[] = {
    {"config", -2, flag::container | any, Where::session, KeyRule::none, 0, 0, 0, "server", "2.0.0",
     "A container for server configuration commands.", nullptr},
    {"config|get", -3, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "2.0.0",
     "Returns settings by name or pattern.", config_get},
    {"config|set", -4, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "2.0.0",
     "Changes a few settings, and accepts the present value of others.", config_set},
    {"config|resetstat", 2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.0.0",
     "Resets the counters that INFO shows.", config_resetstat},
    {"config|rewrite", 2, any, Where::anywhere, KeyRule::none, 0, 0, 0, "server", "2.8.0",
     "Refuses: there is no file to write settings to.", config_rewrite},
};

}  // namespace

std::span<const Command> config_commands() { return rows; }

}  // namespace trv::redis
