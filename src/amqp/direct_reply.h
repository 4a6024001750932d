// Direct replies: a channel consumes from a name that is no queue, and answers that are published
// to its own address reach it straight, without a log. They are not durable and not acknowledged.
//
//   amq.rabbitmq.reply-to                       the name to consume from, and to give as reply-to
//   amq.rabbitmq.reply-to.CORE.CONN.CH.SER.SEC  what reply-to becomes (hexadecimal numbers): the
//                                               channel, and a secret that nobody else can know
#pragma once

#include <optional>
#include <string>

#include "amqp/channel.h"
#include "amqp/session.h"

namespace trv::amqp {

inline constexpr std::string_view direct_reply_queue = "amq.rabbitmq.reply-to";

struct ReplyAddress {
  CoreIndex core;
  ConnectionId connection;
  ChannelRef channel;
  std::uint64_t secret = 0;
};

// Whether the name is the one above or looks like an address.
inline bool is_direct_reply(ByteView name) { return name.starts_with(direct_reply_queue); }
std::string to_name(const ReplyAddress& address);
std::optional<ReplyAddress> parse_reply_address(ByteView name);

// The address of the channel's reply consumer; nothing when it has none.
std::optional<ReplyAddress> reply_address(const Session& session, Channel& channel);
std::uint64_t new_reply_secret();

// Sends an answer on its way to its channel. False when `address` is none that could be reached.
bool send_reply(Session& session, ByteView address, ByteView envelope, ByteView body);

}  // namespace trv::amqp
