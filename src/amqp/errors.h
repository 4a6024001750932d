// What can go wrong, in this protocol's words: reply codes and the exact texts that clients and
// their test suites compare.
//
// A Failure closes a channel or the whole connection; its code decides which. Source: AMQP 0-9-1
// "reply codes", and the texts that RabbitMQ uses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trv::amqp {

enum class ReplyCode : std::uint16_t {
  content_too_large = 311,
  no_route = 312,
  no_consumers = 313,
  connection_forced = 320,
  invalid_path = 402,
  access_refused = 403,
  not_found = 404,
  resource_locked = 405,
  precondition_failed = 406,
  frame_error = 501,
  syntax_error = 502,
  command_invalid = 503,
  channel_error = 504,
  unexpected_frame = 505,
  resource_error = 506,
  not_allowed = 530,
  not_implemented = 540,
  internal_error = 541,
};

struct Failure {
  ReplyCode code = ReplyCode::internal_error;
  std::string detail;
};

bool closes_connection(ReplyCode code);
// "NAME - detail", at most 255 bytes.
std::string reply_text(const Failure& failure);

// "queue 'q' in vhost '/'", "exchange 'x' in vhost '/'". Names are the broker's, here and below,
// except those of what is reserved, which are as clients say them.
std::string queue_resource(std::string_view name);
std::string exchange_resource(std::string_view name);

Failure no_vhost(std::string_view name);
Failure no_queue(std::string_view name);
Failure no_exchange(std::string_view name);
Failure no_previous_queue();
Failure queue_locked(std::string_view name);
Failure queue_in_exclusive_use(std::string_view name);
Failure reserved_queue_name(std::string_view name);
Failure reserved_exchange_name(std::string_view name);
Failure default_exchange_refused();
Failure unknown_delivery_tag(std::uint64_t tag);
Failure not_built(std::string_view what);
// inequivalent arg 'durable' for R: received 'false' but current is 'true'
Failure inequivalent(std::string_view field, const std::string& resource, std::string_view received,
                     std::string_view current);
// Precondition failures with a free text.
Failure precondition(std::string detail);

// A broker's error about `resource`; each kind is mapped once.
Failure failure_of(const Error& error, const std::string& resource);

}  // namespace trv::amqp
