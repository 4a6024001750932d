// Names as clients say them in their virtual host, and as the broker knows them: scoped by it
// (base/scoped_name.h). What comes in goes through here once, at the front of a handler; behind it,
// names are the broker's, and texts for clients say the local part and the virtual host of such a
// name (errors.h). What is stored of a message keeps its publisher's words.
//
// Two names are the same everywhere: the default exchange, which has none, and the queue of direct
// replies. Keys for the default exchange are names of queues.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace trv::amqp {

std::string queue_in(std::string_view vhost, ByteView name);
std::string exchange_in(std::string_view vhost, ByteView name);

// The keys by which a message is routed, as the broker knows them.
class RoutingKeys {
 public:
  // `key` and `more` outlive it; so does `kept`, which is used again.
  RoutingKeys(std::string& kept, std::string_view vhost, ByteView exchange, ByteView key,
              std::span<const ByteView> more);
  RoutingKeys(const RoutingKeys&) = delete;
  RoutingKeys& operator=(const RoutingKeys&) = delete;

  ByteView key() const { return key_; }
  std::span<const ByteView> more() const { return more_; }

 private:
  ByteView key_;
  std::span<const ByteView> more_;
  std::vector<std::string> kept_more_;
  std::vector<ByteView> views_;
};

}  // namespace trv::amqp
