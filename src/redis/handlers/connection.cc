// HELLO, AUTH, PING and the other commands about the connection itself.
#include "redis/handlers/families.h"
#include "redis/service.h"
#include "redis/wire/number.h"
#include "redis/wire/version.h"

namespace trv::redis {

namespace {

bool log_in(Call& call, ByteView user, ByteView password) {
  Accounts& accounts = call.service.accounts();
  Session& session = *call.session;
  if (Accounts::Ref account = accounts.log_in(user, password, call.client->is_near())) {
    session.become(std::move(account));
    session.authenticated = true;
    return true;
  }
  const auto context =
      call.transaction ? DenialLog::Context::transaction : DenialLog::Context::toplevel;
  accounts.note(
      call.caller,
      {DenialLog::Reason::login, context, std::string(call.args[0]), std::string(user), {}});
  call.reply.error(text::wrong_pass);
  return false;
}

void auth(Call& call) {
  if (call.args.size() > 3) return call.reply.error(text::syntax);
  const bool named = call.args.size() == 3;
  if (!named && call.service.accounts().nobody()->rules().open()) {
    return call.reply.error(text::auth_without_password);
  }
  const ByteView user = named ? call.args[1] : ByteView(Account::nobody);
  if (log_in(call, user, call.args.back())) call.reply.ok();
}

bool valid_client_name(ByteView name) {
  for (char c : name) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

constexpr std::string_view bad_name =
    "ERR Client names cannot contain spaces, newlines or special characters.";

struct HelloOptions {
  Protocol protocol;
  std::optional<ByteView> user;
  ByteView password;
  std::optional<ByteView> name;
};

bool parse_hello(Call& call, HelloOptions& options) {
  if (call.args.size() > 1) {
    std::optional<std::int64_t> version = parse_integer(call.args[1]);
    if (!version) {
      call.reply.error("ERR Protocol version is not an integer or out of range");
      return false;
    }
    if (*version != 2 && *version != 3) {
      call.reply.error(text::no_proto);
      return false;
    }
    options.protocol = *version == 3 ? Protocol::resp3 : Protocol::resp2;
  }
  for (std::size_t i = 2; i < call.args.size(); ++i) {
    std::size_t more = call.args.size() - i - 1;
    if (is_word(call.args[i], "auth") && more >= 2) {
      options.user = call.args[i + 1];
      options.password = call.args[i + 2];
      i += 2;
    } else if (is_word(call.args[i], "setname") && more >= 1) {
      options.name = call.args[++i];
    } else {
      call.reply.error("ERR Syntax error in HELLO option '" + std::string(call.args[i]) + "'");
      return false;
    }
  }
  return true;
}

void hello(Call& call) {
  HelloOptions options{call.session->protocol, {}, {}, {}};
  if (!parse_hello(call, options)) return;
  if (options.name && !valid_client_name(*options.name)) return call.reply.error(bad_name);
  if (options.user && !log_in(call, *options.user, options.password)) return;
  if (!call.session->authenticated) return call.reply.error(text::hello_no_auth);
  if (options.name) call.session->name = *options.name;
  call.session->protocol = options.protocol;
  call.reply.set_protocol(options.protocol);
  call.reply.map(7);
  call.reply.bulk("server");
  call.reply.bulk("redis");
  call.reply.bulk("version");
  call.reply.bulk(reported_version);
  call.reply.bulk("proto");
  call.reply.integer(static_cast<std::int64_t>(options.protocol));
  call.reply.bulk("id");
  call.reply.count(call.session->id.value);
  call.reply.bulk("mode");
  call.reply.bulk("standalone");
  call.reply.bulk("role");
  call.reply.bulk("master");
  call.reply.bulk("modules");
  call.reply.array(0);
}

void ping(Call& call) {
  if (call.args.size() > 2) return call.reply.error(wrong_arity("ping"));
  ByteView text = call.args.size() == 2 ? call.args[1] : ByteView();
  if (call.session && call.session->subscriber()) {
    call.reply.array(2);
    call.reply.bulk("pong");
    return call.reply.bulk(text);
  }
  if (call.args.size() == 2) return call.reply.bulk(text);
  call.reply.simple("PONG");
}

void echo(Call& call) { call.reply.bulk(call.args[1]); }

void select(Call& call) {
  std::optional<std::int64_t> index = parse_integer(call.args[1]);
  if (!index) return call.reply.error(text::not_integer);
  if (*index != 0) return call.reply.error(text::db_index);
  call.reply.ok();
}

void quit(Call& call) {
  call.reply.ok();
  call.session->closing = true;
}

void reset(Call& call) {
  Session& session = *call.session;
  for (const std::string& name : session.channels) {
    call.service.channels().unsubscribe(*call.client, name);
  }
  for (const std::string& name : session.patterns) {
    call.service.channels().unsubscribe_pattern(*call.client, name);
  }
  call.service.forget_client(session);
  ConnectionId id = session.id;
  std::string library = std::move(session.library_name);
  std::string library_version = std::move(session.library_version);
  session = Session();
  session.id = id;
  session.library_name = std::move(library);
  session.library_version = std::move(library_version);
  call.service.accounts().begin(session);
  call.reply.set_protocol(session.protocol);
  call.reply.simple("RESET");
}

void time(Call& call) {
  // The clock of the journal counts milliseconds.
  call.reply.array(2);
  call.reply.bulk_integer(call.now.ms / 1000);
  call.reply.bulk_integer(call.now.ms % 1000 * 1000);
}

constexpr std::uint32_t early =
    flag::no_auth | flag::loading | flag::stale | flag::fast | flag::no_script;

constexpr Command rows[] = {
    {"hello", -1, early, Where::session, KeyRule::none, 0, 0, 0, "connection", "6.0.0",
     "Chooses the protocol version and logs in.", hello},
    {"auth", -2, early, Where::session, KeyRule::none, 0, 0, 0, "connection", "1.0.0", "Logs in.",
     auth},
    {"ping", -1, flag::fast | flag::subscriber, Where::anywhere, KeyRule::none, 0, 0, 0,
     "connection", "1.0.0", "Tells that the server is there.", ping},
    {"echo", 2, flag::fast | flag::loading | flag::stale, Where::anywhere, KeyRule::none, 0, 0, 0,
     "connection", "1.0.0", "Returns its argument.", echo},
    {"select", 2, flag::fast | flag::loading | flag::stale, Where::session, KeyRule::none, 0, 0, 0,
     "connection", "1.0.0", "Chooses the database; there is one, 0.", select},
    {"quit", -1, early | flag::subscriber | flag::not_queued, Where::session, KeyRule::none, 0, 0,
     0, "connection", "1.0.0", "Ends the connection.", quit},
    {"reset", 1, early | flag::subscriber | flag::not_queued, Where::session, KeyRule::none, 0, 0,
     0, "connection", "6.2.0", "Brings the connection back to its beginning.", reset},
    {"time", 1, flag::fast | flag::loading | flag::stale, Where::anywhere, KeyRule::none, 0, 0, 0,
     "server", "2.6.0", "Returns the server's time.", time},
};

}  // namespace

std::span<const Command> connection_commands() { return rows; }

}  // namespace trv::redis
