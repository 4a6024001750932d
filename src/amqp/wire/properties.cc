#include "amqp/wire/properties.h"

#include "amqp/wire/table.h"

namespace trv::amqp::wire {

bool parse_properties(ByteView bytes, Properties& out) {
  ByteReader r(bytes);
  out = Properties{};
  out.flags = r.u16();
  if ((out.flags & 3) != 0) return false;
  const auto text = [&](Property property, ByteView& into) {
    if (out.has(property)) into = read_short_string(r);
  };
  text(Property::content_type, out.content_type);
  text(Property::content_encoding, out.content_encoding);
  if (out.has(Property::headers)) out.headers = read_table(r);
  if (out.has(Property::delivery_mode)) out.delivery_mode = r.u8();
  if (out.has(Property::priority)) out.priority = r.u8();
  text(Property::correlation_id, out.correlation_id);
  text(Property::reply_to, out.reply_to);
  text(Property::expiration, out.expiration);
  text(Property::message_id, out.message_id);
  if (out.has(Property::timestamp)) out.timestamp = r.u64();
  text(Property::type, out.type);
  text(Property::user_id, out.user_id);
  text(Property::app_id, out.app_id);
  text(Property::cluster_id, out.cluster_id);
  return r.done();
}

void encode_properties(ByteWriter& w, const Properties& p) {
  w.u16(p.flags);
  const auto text = [&](Property property, ByteView value) {
    if (p.has(property)) write_short_string(w, value);
  };
  text(Property::content_type, p.content_type);
  text(Property::content_encoding, p.content_encoding);
  if (p.has(Property::headers)) write_long_string(w, p.headers);
  if (p.has(Property::delivery_mode)) w.u8(p.delivery_mode);
  if (p.has(Property::priority)) w.u8(p.priority);
  text(Property::correlation_id, p.correlation_id);
  text(Property::reply_to, p.reply_to);
  text(Property::expiration, p.expiration);
  text(Property::message_id, p.message_id);
  if (p.has(Property::timestamp)) w.u64(p.timestamp);
  text(Property::type, p.type);
  text(Property::user_id, p.user_id);
  text(Property::app_id, p.app_id);
  text(Property::cluster_id, p.cluster_id);
}

}  // namespace trv::amqp::wire
