#include "amqp/errors.h"

#include "base/scoped_name.h"

namespace trv::amqp {

namespace {

const char* name_of(ReplyCode code) {
  switch (code) {
    case ReplyCode::content_too_large:
      return "CONTENT_TOO_LARGE";
    case ReplyCode::no_route:
      return "NO_ROUTE";
    case ReplyCode::no_consumers:
      return "NO_CONSUMERS";
    case ReplyCode::connection_forced:
      return "CONNECTION_FORCED";
    case ReplyCode::invalid_path:
      return "INVALID_PATH";
    case ReplyCode::access_refused:
      return "ACCESS_REFUSED";
    case ReplyCode::not_found:
      return "NOT_FOUND";
    case ReplyCode::resource_locked:
      return "RESOURCE_LOCKED";
    case ReplyCode::precondition_failed:
      return "PRECONDITION_FAILED";
    case ReplyCode::frame_error:
      return "FRAME_ERROR";
    case ReplyCode::syntax_error:
      return "SYNTAX_ERROR";
    case ReplyCode::command_invalid:
      return "COMMAND_INVALID";
    case ReplyCode::channel_error:
      return "CHANNEL_ERROR";
    case ReplyCode::unexpected_frame:
      return "UNEXPECTED_FRAME";
    case ReplyCode::resource_error:
      return "RESOURCE_ERROR";
    case ReplyCode::not_allowed:
      return "NOT_ALLOWED";
    case ReplyCode::not_implemented:
      return "NOT_IMPLEMENTED";
    case ReplyCode::internal_error:
      return "INTERNAL_ERROR";
  }
  return "INTERNAL_ERROR";
}

std::string resource(std::string_view kind, std::string_view name) {
  const ScopedName parts = split_scoped(name);
  return std::string(kind) + " '" + std::string(parts.name) + "' in vhost '" +
         std::string(parts.scope) + "'";
}

}  // namespace

bool closes_connection(ReplyCode code) {
  switch (code) {
    case ReplyCode::content_too_large:
    case ReplyCode::no_route:
    case ReplyCode::no_consumers:
    case ReplyCode::access_refused:
    case ReplyCode::not_found:
    case ReplyCode::resource_locked:
    case ReplyCode::precondition_failed:
      return false;
    case ReplyCode::connection_forced:
    case ReplyCode::invalid_path:
    case ReplyCode::frame_error:
    case ReplyCode::syntax_error:
    case ReplyCode::command_invalid:
    case ReplyCode::channel_error:
    case ReplyCode::unexpected_frame:
    case ReplyCode::resource_error:
    case ReplyCode::not_allowed:
    case ReplyCode::not_implemented:
    case ReplyCode::internal_error:
      return true;
  }
  return true;
}

std::string reply_text(const Failure& failure) {
  std::string text = std::string(name_of(failure.code)) + " - " + failure.detail;
  if (text.size() > 255) text.resize(255);
  return text;
}

std::string queue_resource(std::string_view name) { return resource("queue", name); }
std::string exchange_resource(std::string_view name) { return resource("exchange", name); }

Failure no_vhost(std::string_view name) {
  return {ReplyCode::not_allowed, "vhost " + std::string(name) + " not found"};
}
Failure no_queue(std::string_view name) {
  return {ReplyCode::not_found, "no " + queue_resource(name)};
}
Failure no_exchange(std::string_view name) {
  return {ReplyCode::not_found, "no " + exchange_resource(name)};
}
Failure no_previous_queue() { return {ReplyCode::not_found, "no previously declared queue"}; }

Failure queue_locked(std::string_view name) {
  return {ReplyCode::resource_locked,
          "cannot obtain exclusive access to locked " + queue_resource(name) +
              ". It could be originally declared on another connection or the exclusive property "
              "value does not match that of the original declaration."};
}
Failure queue_in_exclusive_use(std::string_view name) {
  return {ReplyCode::access_refused, queue_resource(name) + " in exclusive use"};
}
Failure reserved_queue_name(std::string_view name) {
  return {ReplyCode::access_refused,
          "queue name '" + std::string(name) + "' contains reserved prefix 'amq.*'"};
}
Failure reserved_exchange_name(std::string_view name) {
  return {ReplyCode::access_refused,
          "exchange name '" + std::string(name) + "' contains reserved prefix 'amq.*'"};
}
Failure default_exchange_refused() {
  return {ReplyCode::access_refused, "operation not permitted on the default exchange"};
}
Failure unknown_delivery_tag(std::uint64_t tag) {
  return precondition("unknown delivery tag " + std::to_string(tag));
}
Failure not_built(std::string_view what) {
  return {ReplyCode::not_implemented, std::string(what) + " is not implemented"};
}
Failure inequivalent(std::string_view field, const std::string& resource_text,
                     std::string_view received, std::string_view current) {
  return precondition("inequivalent arg '" + std::string(field) + "' for " + resource_text +
                      ": received '" + std::string(received) + "' but current is '" +
                      std::string(current) + "'");
}
Failure precondition(std::string detail) {
  return {ReplyCode::precondition_failed, std::move(detail)};
}

Failure failure_of(const Error& error, const std::string& resource_text) {
  const auto with = [&](ReplyCode code) {
    return Failure{code, resource_text + ": " + error.message};
  };
  switch (error.code) {
    case Errc::not_found:
      return {ReplyCode::not_found, "no " + resource_text};
    case Errc::in_use:
      return precondition(resource_text + " in use");
    case Errc::access_refused:
      return with(ReplyCode::access_refused);
    case Errc::locked:
      return {ReplyCode::resource_locked,
              "cannot obtain exclusive access to locked " + resource_text +
                  ". It could be originally declared on another connection or the exclusive "
                  "property value does not match that of the original declaration."};
    case Errc::already_exists:
    case Errc::invalid_argument:
    case Errc::precondition_failed:
    case Errc::wrong_type:
    case Errc::out_of_range:
    case Errc::too_large:
    case Errc::sequence_gap:
    case Errc::invalid_state:
    case Errc::concurrent_update:
      return with(ReplyCode::precondition_failed);
    case Errc::unsupported:
      return with(ReplyCode::not_implemented);
    case Errc::no_space:
    case Errc::overloaded:
      return with(ReplyCode::resource_error);
    case Errc::corrupt:
    case Errc::io_error:
    case Errc::fenced:
    case Errc::timed_out:
    case Errc::closed:
      return with(ReplyCode::internal_error);
  }
  return with(ReplyCode::internal_error);
}

}  // namespace trv::amqp
