#include "admin/server.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <set>

#include "admin/access.h"
#include "admin/routes.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/mutant.h"
#include "runtime/http.h"
#include "runtime/input_buffer.h"
#include "runtime/stream.h"

namespace trv::admin {

namespace {

constexpr std::chrono::seconds idle_time_max{60};
// A reply is written whole; the next request waits until the peer has taken most of it.
constexpr std::size_t unsent_max = 1u << 20;

struct Login {
  std::string user;
  std::string password;
};

std::optional<Login> login_of(std::string_view authorization) {
  constexpr std::string_view scheme = "basic ";
  if (authorization.size() < scheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(authorization[i])) != scheme[i]) {
      return std::nullopt;
    }
  }
  auto decoded = base64_decode(authorization.substr(scheme.size()));
  const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  return Login{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

Reply login_failed() {
  Reply reply = failure(401, "not_authorized", "Login failed");
  reply.headers.emplace_back("www-authenticate", "Basic realm=\"RabbitMQ Management\"");
  return reply;
}

// False when the body is no JSON object.
bool parse_body(const std::string& body, boost::json::object& out) {
  if (body.empty()) return true;
  boost::system::error_code failed;
  boost::json::value value = boost::json::parse(body, failed);
  if (failed || !value.is_object()) return false;
  out = std::move(value.get_object());
  return true;
}

}  // namespace

struct Server::State {
  State(runtime::Core& core, broker::Broker& home, broker::Operations& operations,
        const Options& the_options, Facts facts)
      : options(the_options), context(core, home, operations, std::move(facts)) {}

  void on_accept(std::unique_ptr<runtime::Stream> stream) {
    if (stopping || open.size() >= options.connections_max) {
      stream->abort();
      return;
    }
    open.insert(stream.get());
    context.core().spawn(serve(*this, std::move(stream)));
  }

  // Owns its stream, so that both may outlive this State until their core goes.
  static runtime::Task<> serve(State& state, std::unique_ptr<runtime::Stream> stream);
  runtime::Task<Reply> answer(runtime::HttpRequest given, bool from_loopback);
  // False when the login is refused.
  runtime::Task<bool> log_in(std::string authorization, bool from_loopback, Request& request);
  // Whether somebody may send a large body, as far as its head tells.
  runtime::Task<bool> gives_leave(std::string authorization, bool from_loopback);

  const Options options;
  Context context;
  std::unique_ptr<runtime::Listener> listener;
  std::set<runtime::Stream*> open;
  bool stopping = false;
};

runtime::Task<bool> Server::State::gives_leave(std::string authorization, bool from_loopback) {
  Request request;
  const bool known = co_await log_in(std::move(authorization), from_loopback, request);
  co_return known&& request.has_rank(Rank::management);
}

runtime::Task<bool> Server::State::log_in(std::string authorization, bool from_loopback,
                                          Request& request) {
  const std::optional<Login> given = login_of(authorization);
  if (!given) co_return false;
  const Login& login = *given;
  const bool near_only = options.loopback_only && login.user == auth::Directory::first_user;
  if (near_only && !from_loopback) co_return false;
  const AccessView view = co_await access_view(context);
  const auth::User* user = TRV_MUTANT(http_password_not_compared)
                               ? view->find(login.user)
                               : view->log_in(login.user, login.password);
  if (!user) co_return false;
  request.user = user->name;
  request.tags = user->tags;
  request.access = view;
  co_return true;
}

runtime::Task<Reply> Server::State::answer(runtime::HttpRequest given, bool from_loopback) {
  Request request;
  request.method = given.method;
  request.reason = std::move(given.reason);
  if (!parse_target(given.target, request)) co_return bad_request("malformed path");
  if (request.path.empty() || request.path.front() != "api") co_return not_found();
  request.path.erase(request.path.begin());
  const Found found = find_route(request);
  if (found.allowed.empty()) co_return not_found();
  if (!found.route) {
    Reply reply{405, "", "", {}};
    reply.headers.emplace_back("allow", found.allowed);
    co_return reply;
  }
  const bool known = co_await log_in(std::move(given.authorization), from_loopback, request);
  if (!known) co_return login_failed();
  if (!request.has_rank(found.route->rank) && !TRV_MUTANT(http_rank_not_checked)) {
    co_return not_authorised(request.has_rank(Rank::management) ? "Not administrator user"
                                                                : "Not management user");
  }
  const bool in_vhost = request.params.contains("vhost") && known_vhost(request);
  if (in_vhost && !request.sees(request.param("vhost"))) {
    co_return not_authorised("User not authorised to access virtual host");
  }
  if (!parse_body(given.body, request.body)) co_return bad_request("not_json");
  co_return co_await found.route->handler(context, std::move(request));
}

runtime::Task<> Server::State::serve(State& state, std::unique_ptr<runtime::Stream> stream) {
  runtime::Core& core = stream->core();
  runtime::InputBuffer input(core.input_blocks());
  runtime::HttpParser parser({state.options.body_size_max, state.options.body_size_free});
  const auto watch = [&] {
    return core.schedule(idle_time_max, [s = stream.get()] { s->abort(); });
  };
  runtime::Timer idle = watch();
  bool keep = true;
  while (keep) {
    const auto got = co_await stream->read(input);
    if (!got || *got == 0) break;
    idle = watch();
    while (keep) {
      const auto used = parser.feed(input.unread());
      if (!used) {
        const int status = used.error().code == Errc::too_large ? 413 : 400;
        stream->write(
            encode_http_reply(failure(status, "bad_request", used.error().message), false, false));
        keep = false;
        break;
      }
      input.consume(*used);
      if (parser.needs_leave()) {
        const bool leave =
            co_await state.gives_leave(parser.authorization(), stream->peer_is_loopback());
        if (!leave) {  // What it sends is not looked at.
          stream->write(Slice::own(encode_http_reply(login_failed(), false, false)));
          keep = false;
          break;
        }
        parser.give_leave();
        continue;
      }
      if (parser.take_expectation()) stream->write(runtime::http_continue);
      if (!parser.complete()) break;
      runtime::HttpRequest request = parser.take();
      const bool without_body = request.method == "HEAD";
      keep = request.keep_alive && !state.stopping;
      idle.cancel();
      const Reply reply = co_await state.answer(std::move(request), stream->peer_is_loopback());
      idle = watch();
      stream->write(Slice::own(encode_http_reply(reply, keep, without_body)));
      co_await stream->drained(unsent_max);
      if (stream->closed()) keep = false;
      if (input.empty()) break;
    }
  }
  state.open.erase(stream.get());
  stream->close();
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(runtime::Core& core, broker::Broker& home,
                                             broker::Operations& operations, const Options& options,
                                             Facts facts) {
  auto state = std::make_unique<State>(core, home, operations, options, std::move(facts));
  auto listener = runtime::Listener::open(
      core, options.bind, options.port, false,
      [s = state.get()](std::unique_ptr<runtime::Stream> one) { s->on_accept(std::move(one)); });
  if (!listener) return listener.error();
  state->listener = std::move(*listener);
  state->context.facts().ports.push_back({"http", state->listener->port()});
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

std::uint16_t Server::port() const { return state_->listener->port(); }

void Server::stop() {
  state_->stopping = true;
  state_->listener->close();
  for (runtime::Stream* stream : state_->open) stream->close();
}

}  // namespace trv::admin
