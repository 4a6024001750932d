#include "amqp/direct_reply.h"

#include <charconv>
#include <random>

namespace trv::amqp {

namespace {

void append_hex(std::string& out, std::uint64_t number) {
  char digits[16];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number, 16);
  out += '.';
  out.append(digits, end);
}

bool read_hex(ByteView& text, std::uint64_t& number) {
  if (text.empty() || text.front() != '.') return false;
  text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end == text.data()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string to_name(const ReplyAddress& address) {
  std::string name(direct_reply_queue);
  append_hex(name, address.core.value);
  append_hex(name, address.connection.value);
  append_hex(name, address.channel.number);
  append_hex(name, address.channel.serial);
  append_hex(name, address.secret);
  return name;
}

std::optional<ReplyAddress> parse_reply_address(ByteView name) {
  if (!is_direct_reply(name)) return std::nullopt;
  name.remove_prefix(direct_reply_queue.size());
  std::uint64_t core = 0;
  std::uint64_t connection = 0;
  std::uint64_t number = 0;
  ReplyAddress address;
  const bool read = read_hex(name, core) && read_hex(name, connection) && read_hex(name, number) &&
                    read_hex(name, address.channel.serial) && read_hex(name, address.secret);
  if (!read || !name.empty() || core > 0xffff || number > 0xffff) return std::nullopt;
  address.core = CoreIndex(static_cast<std::uint16_t>(core));
  address.connection = ConnectionId(connection);
  address.channel.number = static_cast<std::uint16_t>(number);
  return address;
}

std::optional<ReplyAddress> reply_address(const Session& session, Channel& channel) {
  const Subscription* consumer = channel.find_reply_consumer();
  if (!consumer) return std::nullopt;
  return ReplyAddress{session.broker().core().index(), session.id(), channel.ref, consumer->secret};
}

std::uint64_t new_reply_secret() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

bool send_reply(Session& session, ByteView name, ByteView envelope, ByteView body) {
  const auto address = parse_reply_address(name);
  const auto& all = session.services().all_sessions;
  if (!address || address->core.value >= all.size()) return false;
  Sessions* sessions = all[address->core.value];
  // Later in any case: the receiver may be this session, in the middle of its reading.
  session.broker().post(address->core, [sessions, to = *address, envelope = std::string(envelope),
                                        body = std::string(body)] {
    Session* receiver = sessions->find(to.connection);
    if (!receiver) return;
    model::StoredRecord record;
    record.origin = model::Origin::message;
    record.owner = Slice::own(envelope + body);
    record.envelope = record.owner.view().substr(0, envelope.size());
    record.value = record.owner.view().substr(envelope.size());
    receiver->deliver_reply(to.channel, to.secret, std::move(record));
  });
  return true;
}

}  // namespace trv::amqp
