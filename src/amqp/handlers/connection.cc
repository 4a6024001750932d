// The handshake and the end of a connection.
#include <boost/json/parse.hpp>

#include "amqp/handlers/handlers.h"
#include "amqp/wire/table.h"
#include "auth/directory.h"
#include "base/mutant.h"
#include "broker/catalog.h"

namespace trv::amqp {

namespace json = boost::json;
using wire::MethodId;

namespace {

constexpr std::uint32_t frame_min = 4096;
constexpr std::string_view mechanisms = "PLAIN AMQPLAIN";

// The user and password of a login, as views into `response`. False when malformed.
bool parse_login(ByteView mechanism, ByteView response, ByteView& user, ByteView& password) {
  if (mechanism == "PLAIN") {
    // authorization identity, 0, user, 0, password
    const std::size_t first = response.find('\0');
    const std::size_t second = first == ByteView::npos ? first : response.find('\0', first + 1);
    if (second == ByteView::npos) return false;
    user = response.substr(first + 1, second - first - 1);
    password = response.substr(second + 1);
    return true;
  }
  if (!wire::well_formed_table(response)) return false;
  const auto login = wire::find_field(response, "LOGIN");
  const auto secret = wire::find_field(response, "PASSWORD");
  if (!login || !secret || !login->text() || !secret->text()) return false;
  user = *login->text();
  password = *secret->text();
  return true;
}

bool capability(ByteView client_properties, ByteView name) {
  const auto capabilities = wire::find_field(client_properties, "capabilities");
  if (!capabilities || capabilities->type != 'F') return false;
  const auto value = wire::find_field(capabilities->raw, name);
  return value && value->boolean().value_or(false);
}

// That which was set as a global parameter over the HTTP API, or else one of its own.
std::string cluster_name(broker::Broker& broker) {
  const std::string* given = broker.catalog().access()->parameter("cluster_name");
  const json::value value = given ? json::parse(*given) : json::value();
  if (value.is_string()) return std::string(value.get_string());
  return "trivium@" + broker.options().cluster_id;
}

}  // namespace

void Session::send_start() {
  std::string capabilities;
  wire::TableWriter flags(capabilities);
  for (const char* name : {"publisher_confirms", "exchange_exchange_bindings", "basic.nack",
                           "consumer_cancel_notify", "connection.blocked", "consumer_priorities",
                           "authentication_failure_close", "per_consumer_qos", "direct_reply_to"}) {
    flags.add_bool(name, true);
  }
  std::string properties;
  wire::TableWriter fields(properties);
  fields.add_table("capabilities", capabilities);
  fields.add_text("cluster_name", cluster_name(broker()));
  fields.add_text("copyright", "Licensed under the Apache License, Version 2.0");
  fields.add_text("information", "RabbitMQ-compatible broker over one durable log");
  fields.add_text("platform", "Trivium");
  fields.add_text("product", "Trivium");
  fields.add_text("version", options_.version);
  send(0, wire::ConnectionStart{.version_major = 0,
                                .version_minor = 9,
                                .server_properties = properties,
                                .mechanisms = mechanisms,
                                .locales = "en_US"});
}

bool Session::credentials_fit(ByteView user, ByteView password) {
  const bool near_only = options_.loopback_only && user == auth::Directory::first_user;
  if (near_only && !peer_is_loopback_ && !TRV_MUTANT(guest_from_everywhere)) return false;
  const auto& directory = broker().catalog().access();
  if (TRV_MUTANT(password_not_compared)) return directory->find(user) != nullptr;
  return directory->log_in(user, password) != nullptr;
}

void Session::refuse_login(ByteView mechanism, bool announce) {
  if (announce) {
    fail_connection(MethodId{},
                    {ReplyCode::access_refused,
                     "Login was refused using authentication mechanism " + std::string(mechanism) +
                         ". For details see the broker logfile."});
    // A channel error by its code, but there is no channel yet.
  } else {
    finish();
  }
}

void Session::on_start_ok(const wire::ConnectionStartOk& method) {
  const bool announce = capability(method.client_properties, "authentication_failure_close");
  client_takes_cancel_ = capability(method.client_properties, "consumer_cancel_notify");
  client_takes_blocked_ = capability(method.client_properties, "connection.blocked");
  if (const auto name = wire::find_field(method.client_properties, "connection_name")) {
    client_name_ = std::string(name->text().value_or(""));
  }
  if (method.mechanism != "PLAIN" && method.mechanism != "AMQPLAIN") {
    fail_connection(MethodId::connection_start_ok,
                    {ReplyCode::command_invalid,
                     "unknown authentication mechanism '" + std::string(method.mechanism) + "'"});
    return;
  }
  ByteView user;
  ByteView password;
  if (!parse_login(method.mechanism, method.response, user, password) ||
      !credentials_fit(user, password)) {
    refuse_login(method.mechanism, announce);
    return;
  }
  user_ = user;
  mechanism_ = method.mechanism;
  client_properties_ = method.client_properties;
  state_ = State::tuning;
  send(0, wire::ConnectionTune{.channel_max = options_.channel_max,
                               .frame_max = options_.frame_max,
                               .heartbeat = options_.heartbeat_seconds});
}

void Session::on_tune_ok(const wire::ConnectionTuneOk& method) {
  const auto refuse = [&](std::string detail) {
    fail_connection(MethodId::connection_tune_ok, {ReplyCode::not_allowed, std::move(detail)});
  };
  const auto higher = [](std::string what, std::uint32_t max) {
    return what + " is higher than the maximum allowed value (" + std::to_string(max) + ")";
  };
  const std::string frame = "negotiated frame_max = " + std::to_string(method.frame_max);
  const std::string channel = "negotiated channel_max = " + std::to_string(method.channel_max);
  if (method.frame_max != 0 && method.frame_max < frame_min) {
    refuse(frame + " is lower than the minimum allowed value (" + std::to_string(frame_min) + ")");
  } else if (method.frame_max == 0) {
    refuse(higher(frame + " (no limit)", options_.frame_max));
  } else if (method.frame_max > options_.frame_max) {
    refuse(higher(frame, options_.frame_max));
  } else if (method.channel_max == 0) {
    refuse(higher(channel + " (no limit)", options_.channel_max));
  } else if (method.channel_max > options_.channel_max) {
    refuse(higher(channel, options_.channel_max));
  } else {
    frame_max_ = method.frame_max;
    channel_max_ = method.channel_max;
    heartbeat_seconds_ = method.heartbeat;
    state_ = State::opening;
  }
}

void Session::on_open(const wire::ConnectionOpen& method) {
  vhost_ = method.virtual_host;
  if (!broker().catalog().access()->find_vhost(vhost_)) {
    fail_connection(MethodId::connection_open, no_vhost(vhost_));
    return;
  }
  enter_census();
}

void Session::on_let_in() {
  if (!broker().catalog().access()->find_vhost(vhost_)) {  // it went meanwhile
    fail_connection(MethodId::connection_open, no_vhost(vhost_));
    return;
  }
  if (!rights() && !TRV_MUTANT(vhost_open_to_all)) {
    fail_connection(MethodId::connection_open,
                    {ReplyCode::not_allowed,
                     "access to vhost '" + vhost_ + "' refused for user '" + user_ + "'"});
    return;
  }
  begin_running();
  opened_at_ = broker().wall_now();
  count(ChurnEvent::connection_created);
  send(0, wire::ConnectionOpenOk{});
}

void Session::open_directly(std::string user, std::string vhost) {
  TRV_ASSERT(state_ == State::header);
  user_ = std::move(user);
  vhost_ = std::move(vhost);
  begin_running();
}

void Session::begin_running() {
  state_ = State::running;
  vhost_counts_ = services_.traffic.vhost(vhost_);
}

void Session::on_close(const wire::ConnectionClose&) {
  // What the connection held is given back before the client can see that it is closed.
  end();
  wait_for_publishes([](Session& session) {
    session.send(0, wire::ConnectionCloseOk{});
    session.peer_closes_ = true;
    session.finish();
  });
}

}  // namespace trv::amqp
