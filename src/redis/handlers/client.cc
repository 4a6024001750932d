// CLIENT: about this connection and the others.
#include <fmt/format.h>

#include "redis/handlers/client.h"
#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/number.h"

namespace trv::redis {

namespace {

constexpr std::string_view bad_name =
    "ERR Client names cannot contain spaces, newlines or special characters.";

bool printable(ByteView text) {
  for (char c : text) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

struct FlagLetter {
  char letter;
  bool on;
};

std::string flags_of(const Session& session, bool blocked) {
  const TrackingOptions& tracking = session.tracking;
  const FlagLetter letters[] = {
      {'O', session.monitor},
      {'P', session.subscription_count() > 0},
      {'x', session.transaction != TransactionState::none},
      {'b', blocked},
      {'t', tracking.on},
      {'R', tracking.broken},
      {'B', tracking.broadcast},
      {'e', session.no_evict},
      {'T', session.no_touch},
  };
  std::string flags;
  for (const FlagLetter& one : letters) {
    if (one.on) flags += one.letter;
  }
  return flags.empty() ? "N" : flags;
}

// Arguments are read where they lie in the input, and replies are not kept in pieces: what Redis
// tells of such buffers is 0 here. The socket's number is not known.
}  // namespace

std::string describe_client(Client& client) {
  const Session& session = client.session();
  const ClientFacts facts = client.facts();
  const bool in_transaction = session.transaction != TransactionState::none;
  const long queued = in_transaction ? static_cast<long>(session.queue.size()) : -1;
  const long redirect =
      session.tracking.on ? static_cast<long>(session.tracking.redirect.value) : -1;
  return fmt::format(
      "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db=0 sub={} psub={} ssub=0 "
      "multi={} qbuf={} qbuf-free=0 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl=0 oll=0 omem={} "
      "tot-mem={} events=r cmd={} user={} redir={} resp={} lib-name={} lib-ver={}\n",
      session.id.value, facts.peer_address, facts.local_address, session.name, facts.age.count(),
      facts.idle.count(), flags_of(session, facts.blocked), session.channels.size(),
      session.patterns.size(), queued, facts.input_bytes, session.queue_bytes, facts.output_bytes,
      facts.input_bytes + session.queue_bytes + facts.output_bytes,
      session.last_command ? session.last_command->name : std::string_view("NULL"),
      session.account->name(), redirect, static_cast<int>(session.protocol), session.library_name,
      session.library_version);
}

namespace {

void client_id(Call& call) { call.reply.count(call.session->id.value); }

void client_getname(Call& call) {
  if (call.session->name.empty()) return call.reply.null();
  call.reply.bulk(call.session->name);
}

void client_setname(Call& call) {
  if (!printable(call.args[2])) return call.reply.error(bad_name);
  call.session->name = call.args[2];
  call.reply.ok();
}

void client_setinfo(Call& call) {
  bool name = is_word(call.args[2], "lib-name");
  bool version = is_word(call.args[2], "lib-ver");
  if (!name && !version) {
    return call.reply.error("ERR Unrecognized option '" + std::string(call.args[2]) + "'");
  }
  if (!printable(call.args[3])) {
    return call.reply.error("ERR " + std::string(name ? "lib-name" : "lib-ver") +
                            " cannot contain spaces, newlines or special characters.");
  }
  (name ? call.session->library_name : call.session->library_version) = call.args[3];
  call.reply.ok();
}

void client_info(Call& call) { call.reply.verbatim(describe_client(*call.client)); }

// --- several clients -----------------------------------------------------------------------------

// Which clients a command is about; empty fields do not matter.
struct ClientFilter {
  std::vector<std::uint64_t> ids;
  std::optional<std::string> address;
  std::optional<std::string> local_address;
  std::optional<std::string> type;
  std::optional<std::string> user;
  std::optional<std::chrono::seconds> age_min;
  bool skip_me = true;
  std::uint64_t me = 0;

  bool matches(Client& client) const {
    const Session& session = client.session();
    if (!ids.empty() && std::find(ids.begin(), ids.end(), session.id.value) == ids.end()) {
      return false;
    }
    if (address && client.facts().peer_address != *address) return false;
    if (local_address && client.facts().local_address != *local_address) return false;
    if (user && *user != session.account->name()) return false;
    if (age_min && client.facts().age < *age_min) return false;
    if (type) {
      bool pubsub = session.subscription_count() > 0;
      if (is_word(*type, "normal") ? pubsub : is_word(*type, "pubsub") ? !pubsub : true) {
        return false;
      }
    }
    return true;
  }
};

bool known_type(ByteView type) {
  return is_word(type, "normal") || is_word(type, "pubsub") || is_word(type, "master") ||
         is_word(type, "replica") || is_word(type, "slave");
}

bool parse_ids(Call& call, std::size_t from, std::vector<std::uint64_t>& ids) {
  for (std::size_t i = from; i < call.args.size(); ++i) {
    std::optional<std::uint64_t> id = parse_unsigned(call.args[i]);
    if (!id || *id == 0) {
      call.reply.error("ERR Invalid client ID");
      return false;
    }
    ids.push_back(*id);
  }
  return true;
}

void client_list(Call& call) {
  ClientFilter filter;
  if (call.args.size() > 2) {
    if (is_word(call.args[2], "type") && call.args.size() == 4) {
      if (!known_type(call.args[3])) {
        return call.reply.error("ERR Unknown client type '" + std::string(call.args[3]) + "'");
      }
      filter.type = std::string(call.args[3]);
    } else if (is_word(call.args[2], "id") && call.args.size() > 3) {
      if (!parse_ids(call, 3, filter.ids)) return;
    } else {
      return call.reply.error(text::syntax);
    }
  }
  call.service.gather(
      call,
      [filter](Service& service) {
        std::string lines;
        for (const auto& [id, client] : service.clients()) {
          if (filter.matches(*client)) lines += describe_client(*client);
        }
        return lines;
      },
      [](std::vector<std::string> parts, ReplyWriter& reply) {
        std::string lines;
        for (const std::string& part : parts) lines += part;
        reply.verbatim(lines);
      });
}

// Ends the clients that match; result: how many. This connection ends after its reply.
std::int64_t kill_here(Service& service, const ClientFilter& filter) {
  std::vector<ConnectionId> doomed;
  for (const auto& [id, client] : service.clients()) {
    if (filter.skip_me && id.value == filter.me) continue;
    if (filter.matches(*client)) doomed.push_back(id);
  }
  for (ConnectionId id : doomed) {
    auto at = service.clients().find(id);
    if (at == service.clients().end()) continue;
    if (id.value == filter.me) {
      at->second->session().closing = true;
    } else {
      at->second->kill(false);
    }
  }
  return static_cast<std::int64_t>(doomed.size());
}

bool parse_kill(Call& call, ClientFilter& filter) {
  if (call.args.size() % 2 != 0) {
    call.reply.error(text::syntax);
    return false;
  }
  for (std::size_t i = 2; i < call.args.size(); i += 2) {
    ByteView word = call.args[i];
    std::string value(call.args[i + 1]);
    if (is_word(word, "id")) {
      std::optional<std::uint64_t> id = parse_unsigned(value);
      if (!id || *id == 0) {
        call.reply.error("ERR client-id should be greater than 0");
        return false;
      }
      filter.ids.assign(1, *id);
    } else if (is_word(word, "addr")) {
      filter.address = value;
    } else if (is_word(word, "laddr")) {
      filter.local_address = value;
    } else if (is_word(word, "maxage")) {
      std::optional<std::int64_t> age = parse_integer(value);
      if (!age || *age < 1) {
        call.reply.error(age ? "ERR maxage is not an integer or out of range" : text::not_integer);
        return false;
      }
      filter.age_min = std::chrono::seconds(*age);
    } else if (is_word(word, "user")) {
      if (!call.service.accounts().find(value)) {
        call.reply.error("ERR No such user '" + value + "'");
        return false;
      }
      filter.user = value;
    } else if (is_word(word, "type")) {
      if (!known_type(value)) {
        call.reply.error("ERR Unknown client type '" + value + "'");
        return false;
      }
      filter.type = value;
    } else if (is_word(word, "skipme") && (is_word(value, "yes") || is_word(value, "no"))) {
      filter.skip_me = is_word(value, "yes");
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

void client_kill(Call& call) {
  ClientFilter filter;
  filter.me = call.session->id.value;
  bool old_form = call.args.size() == 3;
  if (old_form) {
    filter.address = std::string(call.args[2]);
    filter.skip_me = false;
  } else if (!parse_kill(call, filter)) {
    return;
  }
  call.service.gather(
      call, [filter](Service& service) { return kill_here(service, filter); },
      [old_form](std::vector<std::int64_t> parts, ReplyWriter& reply) {
        std::int64_t killed = 0;
        for (std::int64_t part : parts) killed += part;
        if (!old_form) return reply.integer(killed);
        if (killed == 0) return reply.error("ERR No such client");
        reply.ok();
      });
}

void client_unblock(Call& call) {
  std::optional<std::uint64_t> id = parse_unsigned(call.args[2]);
  if (!id) return call.reply.error(text::not_integer);
  bool with_error = false;
  if (call.args.size() == 4) {
    with_error = is_word(call.args[3], "error");
    if (!with_error && !is_word(call.args[3], "timeout")) {
      return call.reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  } else if (call.args.size() > 4) {
    return call.reply.error(wrong_arity("client|unblock"));
  }
  call.service.gather(
      call,
      [id = ConnectionId(*id), with_error](Service& service) {
        auto at = service.clients().find(id);
        return at != service.clients().end() && at->second->unblock(with_error) ? 1 : 0;
      },
      [](std::vector<int> parts, ReplyWriter& reply) {
        int unblocked = 0;
        for (int part : parts) unblocked += part;
        reply.integer(unblocked);
      });
}

void client_reply(Call& call) {
  if (is_word(call.args[2], "on")) {
    call.session->reply_mode = ReplyMode::on;
    return call.reply.ok();
  }
  if (is_word(call.args[2], "off")) {
    call.session->reply_mode = ReplyMode::off;
  } else if (is_word(call.args[2], "skip")) {
    if (call.session->reply_mode == ReplyMode::on) call.session->reply_mode = ReplyMode::skip;
  } else {
    call.reply.error(text::syntax);
  }
}

void set_flag(Call& call, bool& target) {
  bool on = is_word(call.args[2], "on");
  if (!on && !is_word(call.args[2], "off")) return call.reply.error(text::syntax);
  target = on;
  call.reply.ok();
}
// Nothing is ever evicted, and nothing counts uses: both are kept for CLIENT LIST only.
void client_no_evict(Call& call) { set_flag(call, call.session->no_evict); }
void client_no_touch(Call& call) { set_flag(call, call.session->no_touch); }

constexpr std::uint32_t any = flag::loading | flag::stale | flag::no_script;

constexpr Command rows[] = {
    {"client", -2, flag::container | any, Where::session, KeyRule::none, 0, 0, 0, "connection",
     "2.4.0", "A container for client connection commands.", nullptr},
    {"client|id", 2, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "5.0.0",
     "Returns the connection's id.", client_id},
    {"client|getname", 2, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "2.6.9",
     "Returns the connection's name.", client_getname},
    {"client|setname", 3, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "2.6.9",
     "Sets the connection's name.", client_setname},
    {"client|setinfo", 4, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "7.2.0",
     "Sets what the client's library is.", client_setinfo},
    {"client|info", 2, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "6.2.0",
     "Tells about the connection.", client_info},
    {"client|list", -2, any | flag::admin, Where::every_core, KeyRule::none, 0, 0, 0, "connection",
     "2.4.0", "Lists the connections.", client_list},
    {"client|kill", -3, any | flag::admin, Where::every_core, KeyRule::none, 0, 0, 0, "connection",
     "2.4.0", "Ends connections.", client_kill},
    {"client|unblock", -3, any | flag::admin, Where::every_core, KeyRule::none, 0, 0, 0,
     "connection", "5.0.0", "Ends the waiting of a blocked client.", client_unblock},
    {"client|reply", 3, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "3.2.0",
     "Turns replies on or off.", client_reply},
    {"client|no-evict", 3, any | flag::admin, Where::session, KeyRule::none, 0, 0, 0, "connection",
     "7.0.0", "Keeps the connection from being evicted; none ever is.", client_no_evict},
    {"client|no-touch", 3, any, Where::session, KeyRule::none, 0, 0, 0, "connection", "7.2.0",
     "Keeps commands from counting as uses of their keys.", client_no_touch},
};

}  // namespace

std::span<const Command> client_commands() { return rows; }

}  // namespace trv::redis
