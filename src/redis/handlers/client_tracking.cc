// CLIENT TRACKING: clients that keep what they read, and are told when it is no longer so.
#include <algorithm>

#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

constexpr std::size_t prefixes_max = 1000;  // of one client

bool parse_redirect(Call& call, ByteView arg, TrackingOptions& options) {
  if (options.redirect.value != 0) {
    call.reply.error("ERR A client can only redirect to a single other client");
    return false;
  }
  std::optional<std::int64_t> id = parse_integer(arg);
  if (!id) {
    call.reply.error(text::not_integer);
    return false;
  }
  options.redirect = ConnectionId(static_cast<std::uint64_t>(*id));
  return true;
}

bool parse_options(Call& call, TrackingOptions& options) {
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    ByteView arg = call.args[i];
    const bool more = i + 1 < call.args.size();
    if (is_word(arg, "redirect") && more) {
      if (!parse_redirect(call, call.args[++i], options)) return false;
    } else if (is_word(arg, "bcast")) {
      options.broadcast = true;
    } else if (is_word(arg, "optin")) {
      options.opt_in = true;
    } else if (is_word(arg, "optout")) {
      options.opt_out = true;
    } else if (is_word(arg, "noloop")) {
      options.no_loop = true;
    } else if (is_word(arg, "prefix") && more) {
      options.prefixes.emplace_back(call.args[++i]);
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

bool overlap(const std::string& a, const std::string& b) {
  return a.starts_with(b) || b.starts_with(a);
}

// Why the prefixes can not stand beside each other, or beside those that the client has; empty when
// they can.
std::string prefix_conflict(const TrackingOptions& wanted, const TrackingOptions& present) {
  constexpr std::string_view rule = ". Prefixes for a single client must not overlap.";
  auto text = [rule](const std::string& one, std::string_view kind, const std::string& other) {
    return "ERR Prefix '" + one + "' overlaps with " + std::string(kind) + " prefix '" + other +
           "'" + std::string(rule);
  };
  const std::vector<std::string>& prefixes = wanted.prefixes;
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    for (const std::string& old : present.prefixes) {
      if (overlap(prefixes[i], old)) return text(prefixes[i], "an existing", old);
    }
    for (std::size_t j = i + 1; j < prefixes.size(); ++j) {
      if (overlap(prefixes[i], prefixes[j])) {
        return text(prefixes[i], "another provided", prefixes[j]);
      }
    }
  }
  if (prefixes.size() + present.prefixes.size() > prefixes_max) return "ERR too many prefixes";
  return {};
}

std::string why_refused(const TrackingOptions& wanted, const TrackingOptions& present) {
  if (!wanted.broadcast && !wanted.prefixes.empty()) {
    return "ERR PREFIX option requires BCAST mode to be enabled";
  }
  if (present.on && present.broadcast != wanted.broadcast) {
    return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and "
           "then re-enabling it with a different mode.";
  }
  if (wanted.broadcast && (wanted.opt_in || wanted.opt_out)) {
    return "ERR OPTIN and OPTOUT are not compatible with BCAST";
  }
  if (wanted.opt_in && wanted.opt_out) {
    return "ERR You can't specify both OPTIN mode and OPTOUT mode";
  }
  if ((wanted.opt_in && present.opt_out) || (wanted.opt_out && present.opt_in)) {
    return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
           "then re-enabling it with a different mode.";
  }
  return wanted.broadcast ? prefix_conflict(wanted, present) : std::string();
}

// Every core knows the prefixes before the client hears that it may rely on them.
void begin(Call& call, const TrackingOptions& wanted) {
  const ConnectionId me = call.session->id;
  std::vector<std::string> fresh = wanted.prefixes;
  const std::vector<std::string>& old = call.session->tracking.prefixes;
  const bool everything = std::find(old.begin(), old.end(), "") != old.end();
  if (wanted.broadcast && fresh.empty() && !everything) fresh.emplace_back();
  Service& service = call.service;
  call.service.gather(
      call,
      [me, fresh, target = wanted.redirect](Service& here) {
        here.tracking().add_prefixes(me, fresh);
        return here.find_client(target) != nullptr;
      },
      [&service, me, fresh, wanted](const std::vector<bool>& found, ReplyWriter& reply) {
        Client* client = service.find_client(me);
        const bool exists = std::find(found.begin(), found.end(), true) != found.end();
        if (wanted.redirect.value != 0 && !exists) {
          const bool had_prefixes = client && client->session().tracking.broadcast;
          // Those that it has stay: none of these is among them.
          service.each_core([me, fresh, had_prefixes](Service& there) {
            had_prefixes ? there.tracking().remove_prefixes(me, fresh)
                         : there.tracking().remove_prefixes(me);
          });
          return reply.error("ERR The client ID you want redirect to does not exist");
        }
        reply.ok();
        if (!client) return;
        TrackingOptions& present = client->session().tracking;
        std::vector<std::string> prefixes = std::move(present.prefixes);
        prefixes.insert(prefixes.end(), fresh.begin(), fresh.end());
        const TrackingOptions::Caching caching = present.caching;
        present = wanted;
        present.on = true;
        present.caching = caching;
        present.prefixes = std::move(prefixes);
      });
}

void client_tracking(Call& call) {
  TrackingOptions wanted;
  if (!parse_options(call, wanted)) return;
  TrackingOptions& present = call.session->tracking;
  if (is_word(call.args[2], "on")) {
    if (std::string why = why_refused(wanted, present); !why.empty()) {
      return call.reply.error(why);
    }
    return begin(call, wanted);
  }
  if (!is_word(call.args[2], "off")) return call.reply.error(text::syntax);
  if (present.broadcast) {
    call.service.each_core(
        [me = call.session->id](Service& there) { there.tracking().remove_prefixes(me); });
  }
  present = {};
  call.reply.ok();
}

void client_caching(Call& call) {
  using Caching = TrackingOptions::Caching;
  TrackingOptions& tracking = call.session->tracking;
  if (!tracking.opt_in && !tracking.opt_out) {
    return call.reply.error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled");
  }
  if (is_word(call.args[2], "yes")) {
    if (!tracking.opt_in) {
      return call.reply.error(
          "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    }
    tracking.caching = Caching::yes;
  } else if (is_word(call.args[2], "no")) {
    if (!tracking.opt_out) {
      return call.reply.error(
          "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    }
    tracking.caching = Caching::no;
  } else {
    return call.reply.error(text::syntax);
  }
  call.reply.ok();
}

// Where invalidations go: -1 for nowhere, 0 for this connection.
std::int64_t redirection(const TrackingOptions& tracking) {
  return tracking.on ? static_cast<std::int64_t>(tracking.redirect.value) : -1;
}

void client_getredir(Call& call) { call.reply.integer(redirection(call.session->tracking)); }

void client_trackinginfo(Call& call) {
  using Caching = TrackingOptions::Caching;
  const TrackingOptions& tracking = call.session->tracking;
  std::vector<std::string_view> flags = {tracking.on ? "on" : "off"};
  if (tracking.broadcast) flags.emplace_back("bcast");
  if (tracking.opt_in) flags.emplace_back("optin");
  if (tracking.opt_in && tracking.caching == Caching::yes) flags.emplace_back("caching-yes");
  if (tracking.opt_out) flags.emplace_back("optout");
  if (tracking.opt_out && tracking.caching == Caching::no) flags.emplace_back("caching-no");
  if (tracking.no_loop) flags.emplace_back("noloop");
  if (tracking.broken) flags.emplace_back("broken_redirect");
  call.reply.map(3);
  call.reply.bulk("flags");
  call.reply.set(flags.size());
  for (std::string_view one : flags) call.reply.bulk(one);
  call.reply.bulk("redirect");
  call.reply.integer(redirection(tracking));
  call.reply.bulk("prefixes");
  call.reply.array(tracking.prefixes.size());
  for (const std::string& prefix : tracking.prefixes) call.reply.bulk(prefix);
}

constexpr std::uint32_t any = flag::loading | flag::stale | flag::no_script;

constexpr Command rows[] = {
    {"client|tracking", -3, any, Where::every_core, KeyRule::none, 0, 0, 0, "connection", "6.0.0",
     "Tells the connection when what it has read changes.", client_tracking},
    {"client|caching", 3, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "6.0.0",
     "Tells whether the next command's keys are kept.", client_caching},
    {"client|getredir", 2, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "6.0.0",
     "Returns where the connection's invalidations go.", client_getredir},
    {"client|trackinginfo", 2, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "6.2.0",
     "Tells what the connection tracks.", client_trackinginfo},
};

}  // namespace

std::span<const Command> client_tracking_commands() { return rows; }

}  // namespace trv::redis
