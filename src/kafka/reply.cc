#include "kafka/reply.h"

#include "kafka/session.h"

namespace trv::kafka {

wire::EncodedMessage Reply::begin() const {
  wire::EncodedMessage message;
  ByteWriter out(message.text);
  out.u32(0);
  out.i32(correlation_id_);
  if (tagged_header_) out.varint(0);
  return message;
}

void Reply::finish(wire::EncodedMessage message) const {
  store_be(message.text.data(), static_cast<std::uint32_t>(message.size() - 4));
  if (Session* session = service_->find(connection_)) session->finish(slot_, std::move(message));
}

void Reply::hold() const {
  if (Session* session = service_->find(connection_)) session->hold(slot_);
}

void Reply::mute(std::chrono::milliseconds duration) const {
  if (Session* session = service_->find(connection_)) session->mute(duration);
}

void Reply::nothing() const {
  if (Session* session = service_->find(connection_)) session->finish(slot_, {});
}

void Reply::close() const {
  if (Session* session = service_->find(connection_)) session->end();
}

}  // namespace trv::kafka
