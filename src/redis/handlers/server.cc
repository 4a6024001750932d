// INFO and what else is asked about the server as a whole.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "broker/shard_state.h"
#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/number.h"
#include "redis/wire/version.h"

namespace trv::redis {

namespace {

// What INFO needs of one core.
struct CoreFacts {
  Counters counters;
  CommandStats::Rows commands;
  std::uint64_t clients = 0;
  std::uint64_t waiters = 0;
  std::uint64_t held = 0;      // by a pause
  std::uint64_t tracking = 0;  // clients
  Tracking::Figures tracked;
  std::uint64_t subscribers = 0;
  std::uint64_t channels = 0;
  std::uint64_t patterns = 0;
  std::uint64_t keys = 0;
  std::uint64_t expires = 0;
  bool writable = true;
  std::size_t scripts = 0;  // every core has them
  std::size_t script_source_bytes = 0;
  std::size_t script_engine_bytes = 0;

  void add(const CoreFacts& other) {
    counters.connections += other.counters.connections;
    counters.connections_refused += other.counters.connections_refused;
    counters.commands += other.counters.commands;
    counters.errors += other.counters.errors;
    for (const auto& [kind, count] : other.counters.errors_by_kind) {
      counters.errors_by_kind[kind] += count;
    }
    counters.input_bytes += other.counters.input_bytes;
    counters.output_bytes += other.counters.output_bytes;
    counters.hits += other.counters.hits;
    counters.misses += other.counters.misses;
    counters.slow_subscribers += other.counters.slow_subscribers;
    counters.expired += other.counters.expired;
    counters.denied.add(other.counters.denied);
    for (const auto& [name, row] : other.commands) commands[name].add(row);
    clients += other.clients;
    waiters += other.waiters;
    held += other.held;
    tracking += other.tracking;
    tracked.keys += other.tracked.keys;
    tracked.items += other.tracked.items;
    // Every core has them all.
    tracked.prefixes = std::max(tracked.prefixes, other.tracked.prefixes);
    subscribers += other.subscribers;
    channels += other.channels;
    patterns += other.patterns;
    keys += other.keys;
    expires += other.expires;
    writable = writable && other.writable;
    scripts = std::max(scripts, other.scripts);
    script_source_bytes += other.script_source_bytes;
    script_engine_bytes += other.script_engine_bytes;
  }
};

CoreFacts facts_here(Service& service, bool with_commands) {
  CoreFacts facts;
  facts.counters = service.counters();
  if (with_commands) service.command_stats().add_to(facts.commands);
  facts.clients = service.clients().size();
  facts.waiters = service.waiters().size();
  facts.tracked = service.tracking().figures();
  for (const auto& [id, client] : service.clients()) {
    const Session& session = client->session();
    facts.subscribers += session.subscription_count() > 0 ? 1 : 0;
    facts.held += session.held ? 1 : 0;
    facts.tracking += session.tracking.on ? 1 : 0;
  }
  facts.channels = service.channels().channels().size();
  facts.patterns = service.channels().patterns().size();
  service.broker().each_shard([&](broker::ShardState& shard) {
    facts.keys += shard.keyspace.size() + shard.topics.size();
    facts.expires += shard.keyspace.expiring_count();
  });
  facts.writable = service.broker().writable().ok();
  facts.scripts = service.scripts().script_count();
  facts.script_source_bytes = service.scripts().source_size();
  facts.script_engine_bytes = service.scripts().memory_size();
  return facts;
}

// What INFO needs of the server, with all its cores together.
struct Report {
  CoreFacts all;
  std::uint16_t port = 0;
  std::string run_id;
  std::int64_t uptime_seconds = 0;
  std::int64_t started_seconds = 0;
  CommandStats::Settings commands;
};

std::string server_section(const Report& report) {
  utsname system{};
  bool known = ::uname(&system) == 0;
  return fmt::format(
      "# Server\r\nredis_version:{}\r\nredis_mode:standalone\r\nos:{}\r\narch_bits:64\r\n"
      "process_id:{}\r\nrun_id:{}\r\ntcp_port:{}\r\nuptime_in_seconds:{}\r\nuptime_in_days:{}\r\n"
      "server_name:trivium\r\n",
      reported_version,
      known ? fmt::format("{} {} {}", system.sysname, system.release, system.machine) : "unknown",
      ::getpid(), report.run_id, report.port, report.uptime_seconds, report.uptime_seconds / 86400);
}

std::string clients_section(const Report& report) {
  return fmt::format(
      "# Clients\r\nconnected_clients:{}\r\nblocked_clients:{}\r\ntracking_clients:{}\r\n"
      "pubsub_clients:{}\r\n",
      report.all.clients, report.all.waiters + report.all.held, report.all.tracking,
      report.all.subscribers);
}

// What is deleted is gone at once: nothing is ever freed later.
std::string memory_section(const Report& report) {
  struct mallinfo2 memory = ::mallinfo2();
  std::size_t used = memory.uordblks + memory.hblkhd;
  return fmt::format(
      "# Memory\r\nused_memory:{}\r\nused_memory_human:{:.2f}M\r\nmaxmemory:0\r\n"
      "maxmemory_human:0B\r\nmaxmemory_policy:noeviction\r\nlazyfree_pending_objects:0\r\n"
      "lazyfreed_objects:0\r\nused_memory_lua:{}\r\n"
      "used_memory_vm_eval:{}\r\nused_memory_scripts_eval:{}\r\nnumber_of_cached_scripts:{}\r\n",
      used, static_cast<double>(used) / 1048576.0, report.all.script_engine_bytes,
      report.all.script_engine_bytes, report.all.script_source_bytes, report.all.scripts);
}

// The journal is what Redis calls an append-only file; there are no snapshots to ask for.
std::string persistence_section(const Report& report) {
  std::string_view status = report.all.writable ? "ok" : "err";
  return fmt::format(
      "# Persistence\r\nloading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:0\r\n"
      "rdb_bgsave_in_progress:0\r\nrdb_last_save_time:{}\r\nrdb_last_bgsave_status:ok\r\n"
      "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_last_bgrewrite_status:ok\r\n"
      "aof_last_write_status:{}\r\n",
      report.started_seconds, status);
}

std::string stats_section(const Report& report) {
  const Counters& counters = report.all.counters;
  return fmt::format(
      "# Stats\r\ntotal_connections_received:{}\r\ntotal_commands_processed:{}\r\n"
      "total_net_input_bytes:{}\r\ntotal_net_output_bytes:{}\r\nrejected_connections:{}\r\n"
      "expired_keys:{}\r\nevicted_keys:0\r\nkeyspace_hits:{}\r\nkeyspace_misses:{}\r\npubsub_"
      "channels:{}\r\n"
      "pubsub_patterns:{}\r\ntracking_total_keys:{}\r\ntracking_total_items:{}\r\n"
      "tracking_total_prefixes:{}\r\ntotal_error_replies:{}\r\nclient_output_buffer_limit_"
      "disconnections:{}"
      "\r\nacl_access_denied_auth:{}\r\nacl_access_denied_cmd:{}\r\nacl_access_denied_key:{}\r\n"
      "acl_access_denied_channel:{}\r\n",
      counters.connections, counters.commands, counters.input_bytes, counters.output_bytes,
      counters.connections_refused, counters.expired, counters.hits, counters.misses,
      report.all.channels, report.all.patterns, report.all.tracked.keys, report.all.tracked.items,
      report.all.tracked.prefixes, counters.errors, counters.slow_subscribers,
      counters.denied.login, counters.denied.command, counters.denied.key, counters.denied.channel);
}

std::string replication_section(const Report& report) {
  return fmt::format(
      "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:{}\r\n"
      "master_repl_offset:0\r\n",
      report.run_id);
}

std::string error_section(const Report& report) {
  std::string text = "# Errorstats\r\n";
  for (const auto& [kind, count] : report.all.counters.errors_by_kind) {
    text += fmt::format("errorstat_{}:count={}\r\n", kind, count);
  }
  return text;
}

std::string command_section(const Report& report) {
  return CommandStats::command_section(report.all.commands);
}

std::string latency_section(const Report& report) {
  return CommandStats::latency_section(report.all.commands, report.commands);
}

std::string cluster_section(const Report&) { return "# Cluster\r\ncluster_enabled:0\r\n"; }

std::string keyspace_section(const Report& report) {
  std::string text = "# Keyspace\r\n";
  if (report.all.keys > 0) {
    text +=
        fmt::format("db0:keys={},expires={},avg_ttl=0\r\n", report.all.keys, report.all.expires);
  }
  return text;
}

struct Section {
  std::string_view name;
  std::string (*write)(const Report&);
  bool about_commands = false;  // long, and told only when asked for
};
constexpr Section sections[] = {
    {"server", server_section},
    {"clients", clients_section},
    {"memory", memory_section},
    {"persistence", persistence_section},
    {"stats", stats_section},
    {"replication", replication_section},
    {"commandstats", command_section, true},
    {"errorstats", error_section},
    {"latencystats", latency_section, true},
    {"cluster", cluster_section},
    {"keyspace", keyspace_section},
};

std::vector<bool> wanted_sections(std::span<const ByteView> names) {
  std::vector<bool> wanted(std::size(sections), false);
  for (std::size_t i = 0; i < std::size(sections); ++i) {
    const bool usual = !sections[i].about_commands;
    wanted[i] = names.empty() && usual;
    for (ByteView name : names) {
      const bool all = is_word(name, "all") || is_word(name, "everything");
      const bool named = is_word(name, sections[i].name) || (usual && is_word(name, "default"));
      if (all || named) wanted[i] = true;
    }
  }
  return wanted;
}

void info(Call& call) {
  const std::vector<bool> wanted = wanted_sections(call.args.subspan(1));
  bool with_commands = false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    with_commands = with_commands || (wanted[i] && sections[i].about_commands);
  }
  Report report;
  report.commands = call.service.command_stats().settings();
  report.port = call.service.settings().port;
  report.run_id = call.service.settings().run_id;
  report.uptime_seconds = std::chrono::duration_cast<std::chrono::seconds>(
                              call.broker.core().now() - call.service.started())
                              .count();
  report.started_seconds = call.now.ms / 1000 - report.uptime_seconds;
  call.service.gather(
      call, [with_commands](Service& service) { return facts_here(service, with_commands); },
      [report, wanted](std::vector<CoreFacts> parts, ReplyWriter& reply) {
        Report whole = report;
        for (const CoreFacts& part : parts) whole.all.add(part);
        std::string text;
        for (std::size_t i = 0; i < std::size(sections); ++i) {
          if (!wanted[i]) continue;
          if (!text.empty()) text += "\r\n";
          text += sections[i].write(whole);
        }
        reply.verbatim(text);
      });
}

void role(Call& call) {
  call.reply.array(3);
  call.reply.bulk("master");
  call.reply.integer(0);
  call.reply.array(0);
}

// Nothing waits to be saved: every change is written when it is answered.
void lastsave(Call& call) {
  auto uptime = std::chrono::duration_cast<std::chrono::seconds>(call.broker.core().now() -
                                                                 call.service.started());
  call.reply.integer(call.now.ms / 1000 - uptime.count());
}

bool timeout_arg(Call& call, std::size_t index) {
  std::optional<std::int64_t> timeout = parse_integer(call.args[index]);
  if (!timeout) call.reply.error(text::timeout_not_integer);
  if (timeout && *timeout < 0) call.reply.error(text::timeout_negative);
  return timeout && *timeout >= 0;
}

// There are no replicas: none has taken anything, now or after a timeout.
void wait_replicas(Call& call) {
  if (!integer_arg(call, 1) || !timeout_arg(call, 2)) return;
  call.reply.integer(0);
}

void waitaof(Call& call) {
  std::optional<std::int64_t> local = integer_arg(call, 1);
  if (!local) return;
  if (*local < 0 || *local > 1) {
    return call.reply.error("ERR value is out of range, value must between 0 and 1");
  }
  std::optional<std::int64_t> replicas = integer_arg(call, 2);
  if (!replicas) return;
  if (*replicas < 0) return call.reply.error(text::not_positive);
  if (!timeout_arg(call, 3)) return;
  if (!call.service.single_core()) return call.reply.error(text::several_cores);
  broker::Commit commit = call.broker.tail();
  commit.level = Durability::fsync;
  call.wait_for_shown(commit);
  call.reply.array(2);
  call.reply.integer(1);
  call.reply.integer(0);
}

constexpr std::uint32_t any = flag::loading | flag::stale;

constexpr Command rows[] = {
    {"info", -1, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "1.0.0",
     "Tells about the server.", info},
    {"role", 1, any | flag::fast | flag::admin | flag::no_script, Where::anywhere, KeyRule::none, 0,
     0, 0, "server", "2.8.12", "Returns the replication role.", role},
    {"lastsave", 1, any | flag::fast | flag::admin, Where::anywhere, KeyRule::none, 0, 0, 0,
     "server", "1.0.0", "Returns the time of the last save.", lastsave},
    {"wait", 3, flag::no_script, Where::anywhere, KeyRule::none, 0, 0, 0, "generic", "3.0.0",
     "Tells how many replicas have this connection's writes.", wait_replicas},
    {"waitaof", 4, flag::no_script, Where::session, KeyRule::none, 0, 0, 0, "generic", "7.2.0",
     "Waits until this connection's writes are on stable storage.", waitaof},
};

}  // namespace

std::span<const Command> server_commands() { return rows; }

}  // namespace trv::redis
