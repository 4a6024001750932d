// Reply: the right to answer one request, once. A small value; it may travel to another core, but
// is used on its home core only, where the connection may be gone by then (the answer is dropped).
#pragma once

#include <chrono>

#include "base/ids.h"
#include "kafka/service.h"
#include "kafka/wire/codec.h"
#include "kafka/wire/frame.h"

namespace trv::kafka {

class Reply {
 public:
  Reply(Service& service, ConnectionId connection, std::uint64_t slot,
        const wire::RequestHeader& header, bool flexible, bool tagged_header)
      : service_(&service),
        connection_(connection),
        slot_(slot),
        correlation_id_(header.correlation_id),
        version_(header.version),
        flexible_(flexible),
        tagged_header_(tagged_header) {}

  std::int16_t version() const { return version_; }
  Service& service() const { return *service_; }
  ConnectionId connection() const { return connection_; }

  // Requires: on the home core; the first call of send(), nothing() and close().
  template <class Response>
  void send(const Response& response) const {
    wire::EncodedMessage message = begin();
    wire::Encoder encoder(message, version_, flexible_);
    encode(encoder, response);
    finish(std::move(message));
  }
  // For requests that want no answer.
  void nothing() const;
  // Later requests of the connection wait for this one's answer, as when it must not be overtaken.
  // Requires: on the home core, before the answer.
  void hold() const;
  // The connection is not read from for so long.
  void mute(std::chrono::milliseconds duration) const;
  // The request cannot be answered in the protocol: ends the connection.
  void close() const;

 private:
  // Size (to be patched) and answer header.
  wire::EncodedMessage begin() const;
  void finish(wire::EncodedMessage message) const;

  Service* service_;
  ConnectionId connection_;
  std::uint64_t slot_;
  std::int32_t correlation_id_;
  std::int16_t version_;
  bool flexible_;
  bool tagged_header_;
};

}  // namespace trv::kafka
