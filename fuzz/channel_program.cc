#include "channel_program.h"

#include <array>

#include "amqp/wire/frame.h"
#include "amqp/wire/properties.h"
#include "amqp/wire/table.h"

namespace trv::fuzz {
namespace {

using namespace trv::amqp;
using wire::Property;

constexpr std::array<std::string_view, 10> queues{
    "a", "b", "c", "s", "", "x-q", "amq.x", "amq.rabbitmq.reply-to", "p", "nobody"};
constexpr std::array<std::string_view, 12> exchanges{
    "",          "x",          "y",           "d",      "h", "amq.direct",
    "amq.topic", "amq.fanout", "amq.headers", "nobody", "z", "amq.match"};
constexpr std::array<std::string_view, 12> keys{"a", "b",   "c", "s",   "p", "k",
                                                "",  "k.l", "#", "*.l", "3", "x-q"};
constexpr std::array<std::string_view, 8> kinds{
    "direct", "fanout", "topic", "headers", "x-consistent-hash", "x-delayed-message",
    "none",   "direct"};
constexpr std::array<std::string_view, 5> tags{"t", "u", "", "v", "t"};
constexpr std::array<std::uint64_t, 8> sizes{0, 1, 5, 100, 2000, 4088, 5000, 9000};
constexpr std::array<std::uint64_t, 8> delivery_tags{0, 1, 2, 3, 4, 7, 100, ~std::uint64_t{0}};

struct Argument {
  std::string_view name;
  char type;
  std::string_view text;
  std::int64_t number;
};
constexpr std::array<Argument, 40> arguments{{
    {"x-message-ttl", 'l', "", 0},
    {"x-message-ttl", 'I', "", 1},
    {"x-message-ttl", 'l', "", 60000},
    {"x-expires", 'I', "", 1},
    {"x-expires", 'l', "", 60000},
    {"x-max-length", 'I', "", 0},
    {"x-max-length", 'I', "", 1},
    {"x-max-length", 'l', "", 3},
    {"x-max-length-bytes", 'I', "", 6},
    {"x-overflow", 'S', "drop-head", 0},
    {"x-overflow", 'S', "reject-publish", 0},
    {"x-overflow", 'S', "reject-publish-dlx", 0},
    {"x-dead-letter-exchange", 'S', "", 0},
    {"x-dead-letter-exchange", 'S', "x", 0},
    {"x-dead-letter-exchange", 'S', "d", 0},
    {"x-dead-letter-routing-key", 'S', "a", 0},
    {"x-dead-letter-routing-key", 'S', "b", 0},
    {"x-max-priority", 'I', "", 3},
    {"x-max-priority", 'I', "", 255},
    {"x-queue-type", 'S', "quorum", 0},
    {"x-queue-type", 'S', "quorum", 0},
    {"x-queue-type", 'S', "stream", 0},
    {"x-queue-type", 'S', "classic", 0},
    {"x-single-active-consumer", 't', "", 1},
    {"x-delivery-limit", 'I', "", 0},
    {"x-delivery-limit", 'I', "", 1},
    {"x-dead-letter-strategy", 'S', "at-least-once", 0},
    {"x-consumer-timeout", 'I', "", 1},
    {"x-trivium-source", 'S', "s", 0},
    {"x-trivium-source", 'S', "a", 0},
    {"x-max-age", 'S', "1s", 0},
    {"x-priority", 'I', "", 5},
    {"x-stream-offset", 'S', "first", 0},
    {"x-stream-offset", 'l', "", 1},
    {"alternate-exchange", 'S', "y", 0},
    {"x-delayed-type", 'S', "topic", 0},
    {"hash-header", 'S', "h", 0},
    {"x-match", 'S', "any", 0},
    {"h", 'S', "1", 0},
    {"x-stream-filter", 'S', "1", 0},
}};

void add_argument(wire::TableWriter& fields, const Argument& argument) {
  switch (argument.type) {
    case 'S':
      fields.add_text(argument.name, argument.text);
      break;
    case 't':
      fields.add_bool(argument.name, argument.number != 0);
      break;
    case 'I':
      fields.add_i32(argument.name, static_cast<std::int32_t>(argument.number));
      break;
    default:
      fields.add_i64(argument.name, argument.number);
  }
}

// Up to six of the arguments above; now and then a table as it is, which may be none.
std::string pick_arguments(Program& program) {
  std::string table;
  const std::uint8_t how = program.byte();
  if (how >= 0xf8) {
    table = program.bytes(program.below(64));
    return table;
  }
  wire::TableWriter fields(table);
  for (int i = how % 7; i > 0; --i) add_argument(fields, program.pick(arguments));
  return table;
}

bool bit(std::uint8_t flags, int index) { return (flags >> index & 1) != 0; }

// Headers that mean something to exchanges and queues.
std::string pick_headers(Program& program) {
  std::string table;
  wire::TableWriter fields(table);
  const std::uint8_t which = program.byte();
  if (bit(which, 0)) fields.add_i32("x-delay", static_cast<std::int32_t>(which >> 6));
  if (bit(which, 1)) fields.add_text("h", "1");
  if (bit(which, 2)) fields.add_i64("h", 1);
  if (bit(which, 3) || bit(which, 4)) {
    std::string copies;
    ByteWriter w(copies);
    for (int i = 0; i < 2; ++i) wire::write_value(w, {'S', program.pick(keys)});
    fields.add_array(bit(which, 3) ? "CC" : "BCC", copies);
  }
  if (bit(which, 5)) fields.add_text("x-stream-filter-value", "1");
  if (which == 0xff) return std::string(program.bytes(program.below(64)));
  return table;
}

std::string pick_properties(Program& program) {
  static constexpr std::array<std::string_view, 6> lives{"0", "1", "60000", "x", "-1", ""};
  wire::Properties p;
  std::string headers;
  const std::uint8_t which = program.byte();
  if (which == 0xff) return std::string(program.bytes(program.below(64)));
  if (bit(which, 0)) p.set(Property::delivery_mode), p.delivery_mode = 2;
  if (bit(which, 1)) p.set(Property::priority), p.priority = program.byte();
  if (bit(which, 2)) p.set(Property::expiration), p.expiration = program.pick(lives);
  if (bit(which, 3)) p.set(Property::reply_to), p.reply_to = "amq.rabbitmq.reply-to";
  if (bit(which, 4)) p.set(Property::user_id), p.user_id = "guest";
  if (bit(which, 5)) p.set(Property::message_id), p.message_id = program.pick(keys);
  if (bit(which, 6)) {
    headers = pick_headers(program);
    p.set(Property::headers);
    p.headers = headers;
  }
  std::string out;
  ByteWriter w(out);
  wire::encode_properties(w, p);
  return out;
}

void say_frame(std::string& out, wire::FrameType type, std::uint16_t channel, ByteView payload) {
  wire::write_frame_head(out, type, channel, payload.size());
  out += payload;
  wire::write_frame_end(out);
}

void say_body(std::string& out, std::uint16_t channel, std::uint64_t size) {
  constexpr std::uint64_t part_max = 4096 - wire::frame_overhead;
  for (std::uint64_t part = 0; size > 0; size -= part) {
    part = std::min(size, part_max);
    say_frame(out, wire::FrameType::body, channel, std::string(part, 'm'));
  }
}

void say_publish(std::string& out, std::uint16_t channel, std::uint8_t flags, Program& program,
                 std::size_t count) {
  const std::string_view exchange = program.pick(exchanges);
  const std::string_view key = program.pick(keys);
  const std::uint64_t size = program.pick(sizes);
  const std::string properties = bit(flags, 1) ? pick_properties(program) : std::string(2, '\0');
  for (; count > 0; --count) {
    wire::write_method_frame(out, channel,
                             wire::BasicPublish{.exchange = exchange,
                                                .routing_key = key,
                                                .mandatory = bit(flags, 0),
                                                .immediate = flags == 31});
    wire::write_content_header(out, channel, size, properties);
    say_body(out, channel, size);
  }
}

// One of the frames of a publish without the others.
void say_publish_part(std::string& out, std::uint16_t channel, std::uint8_t flags,
                      Program& program) {
  if (bit(flags, 0)) {
    wire::write_method_frame(out, channel,
                             wire::BasicPublish{.exchange = {}, .routing_key = program.pick(keys)});
  }
  if (bit(flags, 1)) {
    wire::write_content_header(out, channel, program.pick(sizes), pick_properties(program));
  }
  if (bit(flags, 2)) say_body(out, channel, program.pick(sizes));
}

void say_exchange(std::string& out, Saying saying, std::uint16_t channel, std::uint8_t flags,
                  Program& program) {
  const std::string_view name = program.pick(exchanges);
  if (saying == Saying::exchange_delete) {
    wire::write_method_frame(
        out, channel,
        wire::ExchangeDelete{
            .exchange = name, .if_unused = bit(flags, 0), .no_wait = bit(flags, 4)});
    return;
  }
  if (saying == Saying::exchange_declare) {
    const std::string_view kind = program.pick(kinds);
    const std::string table = pick_arguments(program);
    wire::write_method_frame(out, channel,
                             wire::ExchangeDeclare{.exchange = name,
                                                   .type = kind,
                                                   .passive = flags == 15,
                                                   .durable = bit(flags, 0),
                                                   .auto_delete = bit(flags, 1),
                                                   .internal = bit(flags, 2),
                                                   .no_wait = bit(flags, 4),
                                                   .arguments = table});
    return;
  }
  const std::string_view source = program.pick(exchanges);
  const std::string_view key = program.pick(keys);
  const std::string table = pick_arguments(program);
  const wire::ExchangeBind bind{name, source, key, bit(flags, 4), table};
  if (saying == Saying::exchange_bind) {
    wire::write_method_frame(out, channel, bind);
  } else {
    wire::write_method_frame(out, channel,
                             wire::ExchangeUnbind{name, source, key, bit(flags, 4), table});
  }
}

void say_queue(std::string& out, Saying saying, std::uint16_t channel, std::uint8_t flags,
               Program& program) {
  const std::string_view name = program.pick(queues);
  const bool no_wait = bit(flags, 4);
  if (saying == Saying::queue_declare) {
    const std::string table = pick_arguments(program);
    wire::write_method_frame(out, channel,
                             wire::QueueDeclare{.queue = name,
                                                .passive = flags == 15,
                                                .durable = !bit(flags, 0),
                                                .exclusive = bit(flags, 1),
                                                .auto_delete = bit(flags, 2),
                                                .no_wait = no_wait,
                                                .arguments = table});
  } else if (saying == Saying::queue_purge) {
    wire::write_method_frame(out, channel, wire::QueuePurge{name, no_wait});
  } else if (saying == Saying::queue_delete) {
    wire::write_method_frame(out, channel,
                             wire::QueueDelete{name, bit(flags, 0), bit(flags, 1), no_wait});
  } else {
    const std::string_view source = program.pick(exchanges);
    const std::string_view key = program.pick(keys);
    const std::string table = pick_arguments(program);
    if (saying == Saying::queue_bind) {
      wire::write_method_frame(out, channel, wire::QueueBind{name, source, key, no_wait, table});
    } else {
      wire::write_method_frame(out, channel, wire::QueueUnbind{name, source, key, table});
    }
  }
}

void say_basic(std::string& out, Saying saying, std::uint16_t channel, std::uint8_t flags,
               Program& program) {
  const auto tag = [&] { return program.pick(delivery_tags); };
  if (saying == Saying::qos) {
    wire::write_method_frame(out, channel,
                             wire::BasicQos{.prefetch_size = flags == 31 ? 1u : 0u,
                                            .prefetch_count = program.byte(),
                                            .global = bit(flags, 0)});
  } else if (saying == Saying::consume) {
    const std::string_view queue = program.pick(queues);
    const std::string_view consumer = program.pick(tags);
    const std::string table = pick_arguments(program);
    wire::write_method_frame(out, channel,
                             wire::BasicConsume{.queue = queue,
                                                .consumer_tag = consumer,
                                                .no_local = bit(flags, 2),
                                                .no_ack = bit(flags, 0),
                                                .exclusive = bit(flags, 1),
                                                .no_wait = bit(flags, 4),
                                                .arguments = table});
  } else if (saying == Saying::cancel) {
    wire::write_method_frame(out, channel, wire::BasicCancel{program.pick(tags), bit(flags, 4)});
  } else if (saying == Saying::get) {
    wire::write_method_frame(out, channel, wire::BasicGet{program.pick(queues), bit(flags, 0)});
  } else if (saying == Saying::ack) {
    wire::write_method_frame(out, channel, wire::BasicAck{tag(), bit(flags, 0)});
  } else if (saying == Saying::reject) {
    wire::write_method_frame(out, channel, wire::BasicReject{tag(), bit(flags, 0)});
  } else if (saying == Saying::nack) {
    wire::write_method_frame(out, channel, wire::BasicNack{tag(), bit(flags, 0), bit(flags, 1)});
  } else if (saying == Saying::recover) {
    wire::write_method_frame(out, channel, wire::BasicRecover{!bit(flags, 0)});
  } else {
    wire::write_method_frame(out, channel, wire::BasicRecoverAsync{!bit(flags, 0)});
  }
}

// What makes a channel confirm or gather, and ends that.
void say_mode(std::string& out, Saying saying, std::uint16_t channel, std::uint8_t flags) {
  if (saying == Saying::confirm_select) {
    wire::write_method_frame(out, channel, wire::ConfirmSelect{bit(flags, 4)});
  } else if (saying == Saying::tx_select) {
    wire::write_method_frame(out, channel, wire::TxSelect{});
  } else if (saying == Saying::tx_commit) {
    wire::write_method_frame(out, channel, wire::TxCommit{});
  } else {
    wire::write_method_frame(out, channel, wire::TxRollback{});
  }
}

// Methods of channel 0, and what belongs to no channel.
void say_connection(std::string& out, std::uint8_t flags) {
  switch (flags % 6) {
    case 0:
      wire::write_method_frame(out, 0, wire::ConnectionClose{.reply_code = 200});
      break;
    case 1:
      wire::write_method_frame(out, 0, wire::ConnectionCloseOk{});
      break;
    case 2:
      wire::write_method_frame(out, 0, wire::ConnectionUpdateSecret{"s", "r"});
      break;
    case 3:
      wire::write_method_frame(out, 0, wire::ConnectionOpen{"/"});
      break;
    case 4:
      wire::write_method_frame(out, 0, wire::ConnectionTuneOk{8, 4096, 0});
      break;
    default:
      wire::write_heartbeat(out);
  }
}

void say_raw_method(std::string& out, std::uint16_t channel, Program& program) {
  const auto rows = wire::method_rows();
  std::string payload;
  ByteWriter w(payload);
  w.u32(static_cast<std::uint32_t>(rows[program.below(rows.size())].id));
  w.bytes(program.bytes(program.below(32)));
  say_frame(out, wire::FrameType::method, channel, payload);
}

}  // namespace

void say_handshake(std::string& out, std::uint8_t flags) {
  std::string capabilities;
  wire::TableWriter able(capabilities);
  able.add_bool("consumer_cancel_notify", !bit(flags, 0));
  able.add_bool("connection.blocked", !bit(flags, 1));
  able.add_bool("authentication_failure_close", true);
  std::string table;
  wire::TableWriter(table).add_table("capabilities", capabilities);
  constexpr std::string_view right{"\0guest\0guest", 12};
  constexpr std::string_view wrong{"\0guest\0wrong", 12};
  out += wire::protocol_header;
  wire::write_method_frame(
      out, 0, wire::ConnectionStartOk{table, "PLAIN", bit(flags, 4) ? wrong : right, "en_US"});
  wire::write_method_frame(out, 0, wire::ConnectionTuneOk{8, bit(flags, 2) ? 4096u : 131072u, 0});
  wire::write_method_frame(out, 0, wire::ConnectionOpen{bit(flags, 3) ? "nobody" : "/"});
}

void say(std::string& out, Saying saying, std::uint16_t channel, std::uint8_t flags,
         Program& program) {
  switch (saying) {
    case Saying::channel_open:
      wire::write_method_frame(out, channel, wire::ChannelOpen{});
      break;
    case Saying::channel_close:
      wire::write_method_frame(out, channel, wire::ChannelClose{.reply_code = 200});
      break;
    case Saying::channel_close_ok:
      wire::write_method_frame(out, channel, wire::ChannelCloseOk{});
      break;
    case Saying::channel_flow:
      wire::write_method_frame(out, channel, wire::ChannelFlow{bit(flags, 0)});
      break;
    case Saying::exchange_declare:
    case Saying::exchange_delete:
    case Saying::exchange_bind:
    case Saying::exchange_unbind:
      say_exchange(out, saying, channel, flags, program);
      break;
    case Saying::queue_declare:
    case Saying::queue_bind:
    case Saying::queue_unbind:
    case Saying::queue_purge:
    case Saying::queue_delete:
      say_queue(out, saying, channel, flags, program);
      break;
    case Saying::publish:
      say_publish(out, channel, flags, program, 1);
      break;
    case Saying::publish_many:
      say_publish(out, channel, flags, program, 2 + program.below(6));
      break;
    case Saying::publish_part:
      say_publish_part(out, channel, flags, program);
      break;
    case Saying::confirm_select:
    case Saying::tx_select:
    case Saying::tx_commit:
    case Saying::tx_rollback:
      say_mode(out, saying, channel, flags);
      break;
    case Saying::connection:
      say_connection(out, flags);
      break;
    case Saying::handshake:
      say_handshake(out, flags);
      break;
    case Saying::raw_method:
      say_raw_method(out, bit(flags, 4) ? 0 : channel, program);
      break;
    case Saying::raw_frame: {
      static constexpr std::array types{wire::FrameType::method, wire::FrameType::header,
                                        wire::FrameType::body, wire::FrameType::heartbeat};
      say_frame(out, types[flags & 3], bit(flags, 4) ? 0 : channel,
                program.bytes(program.below(64)));
      break;
    }
    case Saying::raw_bytes:
      out += program.bytes(program.below(64));
      break;
    default:
      say_basic(out, saying, channel, flags, program);
  }
}

}  // namespace trv::fuzz
