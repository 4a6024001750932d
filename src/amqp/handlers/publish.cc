// basic.publish and its content.
#include <charconv>

#include "amqp/access.h"
#include "amqp/convert.h"
#include "amqp/direct_reply.h"
#include "amqp/envelope.h"
#include "amqp/handlers/handlers.h"
#include "amqp/names.h"
#include "amqp/wire/properties.h"
#include "amqp/wire/table.h"
#include "base/mutant.h"
#include "base/scoped_name.h"
#include "broker/catalog.h"
#include "broker/publisher.h"

namespace trv::amqp {

using wire::MethodId;
using wire::Properties;
using wire::Property;

namespace {

// Further keys that one message may name.
constexpr std::size_t copies_max = 256;

void fail_publish(Session& session, Channel& channel, const Failure& failure) {
  session.fail(channel, MethodId::basic_publish, failure);
}

Failure too_large(std::uint64_t size, std::uint64_t size_max) {
  return precondition("message size " + std::to_string(size) +
                      " is larger than configured max size " + std::to_string(size_max));
}

// Why a message could not be stored.
Failure storing_failure(Session& session, const Error& error, ByteView exchange,
                        std::size_t body_size) {
  if (error.code != Errc::too_large) return failure_of(error, exchange_resource(exchange));
  return too_large(body_size, session.broker().options().message_size_max);
}

void send_return(Session& session, std::uint16_t channel, ByteView exchange, ByteView routing_key,
                 ByteView properties, const Slice& body) {
  session.send_message(
      channel,
      wire::BasicReturn{.reply_code = static_cast<std::uint16_t>(ReplyCode::no_route),
                        .reply_text = "NO_ROUTE",
                        .exchange = exchange,
                        .routing_key = routing_key},
      properties, body);
}

// What a return needs when it can be decided only after other cores have answered.
struct Returnable {
  ChannelRef channel;
  std::uint64_t number = 0;  // for the confirm; 0: none
  bool mandatory = false;
  std::size_t body_size = 0;
  std::string exchange;
  std::string routing_key;
  std::string properties;
  std::string body;
  std::shared_ptr<ExchangeCounts> counts;
};

bool add_copies(ByteView headers, ByteView name, std::vector<ByteView>& keys, Failure& failure) {
  const auto value = wire::find_field(headers, name);
  if (!value) return true;
  if (value->type != 'A') {
    failure = precondition("invalid message: {unacceptable_type_in_header,\"" + std::string(name) +
                           "\"," + wire::type_name(value->type) + "}");
    return false;
  }
  wire::ArrayReader reader(value->raw);
  for (wire::Value key; reader.next(key);) {
    if (key.type != 'S') continue;
    if (key.raw.size() > 255 || keys.size() >= copies_max) {
      failure = precondition("invalid " + std::string(name) +
                             " header: a key is too long, or there "
                             "are too many");
      return false;
    }
    keys.push_back(key.raw);
  }
  return true;
}

// Why a message cannot expire after `text` milliseconds; empty when it can.
std::string refuse_expiration(ByteView text) {
  constexpr std::int64_t ten_years_ms = 315'360'000'000;
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::invalid_argument) return "no_integer";
  const ByteView digits(text.data(), static_cast<std::size_t>(at - text.data()));
  if (at != end) return "{leftover_string,\"" + std::string(at, end) + "\"}";
  if (text.front() == '-') return "{value_negative," + std::string(digits) + "}";
  if (error == std::errc::result_out_of_range || value > ten_years_ms) {
    return "{value_too_large," + std::string(digits) + "}";
  }
  return {};
}

std::string encoded(const Properties& properties) {
  std::string out;
  ByteWriter w(out);
  wire::encode_properties(w, properties);
  return out;
}

// The same properties without the header BCC.
std::string without_blind_copies(Properties properties) {
  std::string headers;
  wire::TableWriter fields(headers);
  wire::TableReader reader(properties.headers);
  for (wire::Field field; reader.next(field);) {
    if (field.name != "BCC") fields.add(field.name, field.value);
  }
  properties.headers = headers;
  properties.set(Property::headers, !headers.empty());
  return encoded(properties);
}

// Checks in the order in which clients expect the failures.
bool check(Session& session, Channel& channel, const Properties& p,
           std::vector<ByteView>& more_keys, Failure& failure) {
  const Content& content = channel.content;
  if (auto refusal = refuse_exchange(session, auth::Right::write, content.routed_by)) {
    failure = std::move(*refusal);
    return false;
  }
  const model::Exchange* exchange = session.broker().catalog().snapshot()->find(content.routed_by);
  if (!exchange) {
    failure = no_exchange(content.routed_by);
    return false;
  }
  if (exchange->internal) {
    failure = {ReplyCode::access_refused,
               "cannot publish to internal " + exchange_resource(content.routed_by)};
    return false;
  }
  if (p.reply_to == direct_reply_queue && !channel.find_reply_consumer()) {
    failure = precondition("fast reply consumer does not exist");
    return false;
  }
  if (p.has(Property::expiration)) {
    const std::string why = refuse_expiration(p.expiration);
    if (!why.empty()) {
      failure = precondition("invalid expiration '" + std::string(p.expiration) + "': " + why);
      return false;
    }
  }
  if (p.has(Property::headers)) {
    if (!add_copies(p.headers, "CC", more_keys, failure)) return false;
    if (!add_copies(p.headers, "BCC", more_keys, failure)) return false;
  }
  if (auto refusal = refuse_key(session, auth::Right::write, *exchange, content.routing_key)) {
    failure = std::move(*refusal);
    return false;
  }
  const bool foreign = p.has(Property::user_id) && p.user_id != session.user();
  if (foreign && !TRV_MUTANT(user_id_not_checked)) {
    failure = precondition("user_id property set to '" + std::string(p.user_id) +
                           "' but authenticated user was '" + session.user() + "'");
    return false;
  }
  return true;
}

void on_stored(Session& session, const Returnable& message, const broker::Published& published) {
  Channel* channel = session.find_open(message.channel);
  if (!channel) return;
  if (published.status) {
    session.count_publish(*channel, message.mandatory, *message.counts, published.routed);
  }
  if (message.mandatory && published.routed == 0) {
    send_return(session, message.channel.number, message.exchange, message.routing_key,
                message.properties, Slice::own(message.body));
  }
  if (message.number != 0) {
    const bool ok = published.status.ok() && !published.refused;
    session.on_confirmed(message.channel, message.number, ok);
  } else if (!published.status) {
    fail_publish(session, *channel,
                 storing_failure(session, published.status.error(),
                                 session.exchange_name(message.exchange), message.body_size));
  }
}

// One message with everything checked.
void publish(Session& session, Channel& channel, const broker::Publication& publication,
             ByteView properties, ByteView body) {
  const Content& content = channel.content;
  const std::uint64_t number = channel.confirms.on() ? channel.confirms.next() : 0;
  std::shared_ptr<Returnable> later;  // shared with the completion, which may never run
  UniqueFunction<void(broker::Published)> done;
  if (session.broker().core_count() > 1) {
    later = std::make_shared<Returnable>();
    done = [link = session.link(), later](const broker::Published& published) {
      Session* found = link.find();
      if (!found) return;
      on_stored(*found, *later, published);
      if ((found = link.find())) found->publish_pending_end();
    };
  }
  auto outcome = session.broker().publisher().publish(publication, std::move(done));
  if (!outcome) {
    fail_publish(session, channel,
                 failure_of(outcome.error(), exchange_resource(content.routed_by)));
    return;
  }
  auto counts = session.exchange_counts(content.routed_by);
  if (outcome->pending) {
    *later = {channel.ref, number, content.mandatory, body.size(), {}, {},
              {},          {},     std::move(counts)};
    if (content.mandatory) {
      later->exchange = content.exchange;
      later->routing_key = content.routing_key;
      later->properties = properties;
      later->body = body;
    }
    session.publish_pending_begin();
    if (number != 0) {
      session.confirm_flush(channel, number - 1);
      channel.confirms.open_group(number);
    }
    return;
  }
  if (outcome->published.status) {
    session.count_publish(channel, content.mandatory, *counts, outcome->published.routed);
  }
  if (content.mandatory && outcome->published.routed == 0) {
    send_return(session, channel.ref.number, content.exchange, content.routing_key, properties,
                Slice::own(std::string(body)));
  }
  const broker::Published& published = outcome->published;
  if (!published.status && number == 0) {
    fail_publish(
        session, channel,
        storing_failure(session, published.status.error(), content.routed_by, body.size()));
    return;
  }
  if ((!published.status || published.refused) && number != 0) {
    session.confirm_flush(channel, number - 1);
    channel.confirms.open_group(number);
    session.on_confirmed(channel.ref, number, false);
    return;
  }
  session.note_publish(outcome->commit);
  if (number != 0) {
    channel.publish_commit = channel.publish_commit | outcome->commit;
    session.mark_dirty(channel);
  }
}

// A message to a channel's reply address; whether that is still there is not waited for.
void answer(Session& session, Channel& channel, const broker::Publication& publication,
            ByteView properties) {
  const Content& content = channel.content;
  const bool sent = send_reply(session, content.routing_key, publication.record.envelope,
                               publication.record.value);
  session.count_publish(channel, content.mandatory, *session.exchange_counts(content.routed_by),
                        sent ? 1 : 0);
  if (!sent && content.mandatory) {
    send_return(session, channel.ref.number, content.exchange, content.routing_key, properties,
                Slice::own(std::string(publication.record.value)));
  }
  if (!channel.confirms.on()) return;
  channel.confirms.next();
  session.mark_dirty(channel);
}

// The memory that it takes: with many destinations their names are most of it.
std::size_t size_of(const Transaction::Message& message) {
  const broker::Unit::Publication& unit = message.unit;
  std::size_t size = sizeof message;
  for (const auto* names : {&unit.targets, &unit.delaying, &unit.more_keys}) {
    for (const std::string& name : *names) size += sizeof name + name.size();
  }
  for (const std::string* part :
       {&unit.routing_key, &unit.value, &unit.envelope, &unit.partition_key, &message.exchange,
        &message.routing_key, &message.properties}) {
    size += part->size();
  }
  return size;
}

// Keeps the message for the commit of the channel's transaction. Where it goes is decided now.
void stage(Session& session, Channel& channel, const broker::Publication& publication,
           ByteView properties) {
  Transaction::Message message;
  message.unit = session.broker().publisher().plan(publication);
  message.mandatory = channel.content.mandatory;
  message.exchange = channel.content.exchange;
  message.routing_key = channel.content.routing_key;
  if (message.mandatory) message.properties = properties;
  const std::size_t size = size_of(message);
  if (!session.reserve_assembly(size)) {
    session.fail_connection(MethodId::basic_publish,
                            {ReplyCode::resource_error, "a transaction is too large"});
    return;
  }
  channel.transaction->bytes += size;
  channel.transaction->messages.push_back(std::move(message));
}

void on_complete(Session& session, Channel& channel, ByteView body) {
  Content& content = channel.content;
  content.stage = Content::Stage::none;
  Properties p;
  if (!wire::parse_properties(content.properties, p)) {
    session.fail_connection(MethodId::basic_publish,
                            {ReplyCode::frame_error, "cannot decode content properties"});
    return;
  }
  std::vector<ByteView> more_keys;
  Failure failure;
  if (!check(session, channel, p, more_keys, failure)) {
    fail_publish(session, channel, failure);
    return;
  }
  std::string edited;
  std::string reply_name;
  ByteView properties = content.properties;
  if (p.reply_to == direct_reply_queue) {
    reply_name = to_name(*reply_address(session, channel));
    p.reply_to = reply_name;
    edited = encoded(p);
    properties = edited;
  }
  if (p.has(Property::headers) && wire::find_field(p.headers, "BCC")) {
    edited = without_blind_copies(p);
    properties = edited;
  }
  std::string& envelope = content.envelope;
  envelope.clear();
  encode_envelope(envelope, {content.exchange, content.routing_key, properties, false});
  const PropertyLookup headers(p);
  const RoutingKeys keys(content.routed_key, session.vhost(), content.exchange, content.routing_key,
                         more_keys);
  broker::Publication publication;
  publication.exchange = content.routed_by;
  publication.routing_key = keys.key();
  publication.more_keys = keys.more();
  publication.headers = &headers;
  publication.record.origin = model::Origin::message;
  publication.record.value = body;
  publication.record.envelope = envelope;
  publication.record.partition_key = content.routing_key;
  publication.record.level = p.delivery_mode == 2 ? Durability::fsync : Durability::memory;
  // Answers are no part of a transaction: as RabbitMQ, they go out when they are published.
  if (content.exchange.empty() && is_direct_reply(content.routing_key)) {
    answer(session, channel, publication, properties);
  } else if (channel.transaction) {
    stage(session, channel, publication, properties);
  } else {
    publish(session, channel, publication, properties, body);
  }
}

}  // namespace

void handle(Session& session, Call call, const wire::BasicPublish& method) {
  if (method.immediate) {
    session.fail(call.channel, call.method, {ReplyCode::not_implemented, "immediate=true"});
    return;
  }
  Content& content = call.channel.content;
  content.stage = Content::Stage::header;
  content.mandatory = method.mandatory;
  content.exchange = method.exchange;
  content.routed_by.clear();
  if (!method.exchange.empty()) {
    assign_scoped(content.routed_by, session.vhost(), method.exchange);
  }
  content.routing_key = method.routing_key;
  session.await_space();
}

void on_publish_header(Session& session, Channel& channel, const wire::ContentHeader& header) {
  Content& content = channel.content;
  const std::uint64_t size_max = session.broker().options().message_size_max;
  if (header.body_size > size_max && !TRV_MUTANT(body_size_unchecked)) {
    content.stage = Content::Stage::none;
    fail_publish(session, channel, too_large(header.body_size, size_max));
    return;
  }
  content.properties = header.properties;
  content.body_size = header.body_size;
  content.stage = Content::Stage::body;
  if (content.body_size == 0) on_complete(session, channel, {});
}

void on_publish_body(Session& session, Channel& channel, ByteView part) {
  Content& content = channel.content;
  if (content.body.empty() && part.size() == content.body_size) {
    on_complete(session, channel, part);  // straight from the read buffer
    return;
  }
  const bool longer = content.body.size() + part.size() > content.body_size;
  if (longer && !TRV_MUTANT(body_longer_than_announced_accepted)) {
    session.fail_connection(
        MethodId::basic_publish,
        {ReplyCode::unexpected_frame, "content body is longer than announced (" +
                                          std::to_string(content.body_size) + " bytes)"});
    return;
  }
  const std::size_t capacity = content.body.capacity();
  content.body.append(part);
  if (!session.reserve_assembly(content.body.capacity() - capacity)) {
    content.body.consume(content.body.size());
    content.body.release_if_empty();
    session.release_assembly(capacity);
    session.fail_connection(
        MethodId::basic_publish,
        {ReplyCode::resource_error, "too many message bodies are under way at once"});
    return;
  }
  if (content.body.size() < content.body_size) return;
  const ByteView body = content.body.unread();
  content.body.consume(body.size());
  session.release_assembly(content.body.capacity());
  // Not with the channel's content, which goes when the message is refused.
  runtime::InputBlock block = content.body.take_block();
  on_complete(session, channel, body);
  session.broker().core().input_blocks().give_back(std::move(block));
}

}  // namespace trv::amqp
