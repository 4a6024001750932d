#include "amqp/names.h"

#include "amqp/direct_reply.h"
#include "base/mutant.h"
#include "base/scoped_name.h"

namespace trv::amqp {

std::string queue_in(std::string_view vhost, ByteView name) {
  return name == direct_reply_queue ? std::string(name) : scoped(vhost, name);
}

std::string exchange_in(std::string_view vhost, ByteView name) {
  return name.empty() ? std::string() : scoped(vhost, name);
}

RoutingKeys::RoutingKeys(std::string& kept, std::string_view vhost, ByteView exchange, ByteView key,
                         std::span<const ByteView> more)
    : key_(key), more_(more) {
  if (!exchange.empty()) return;
  if (TRV_MUTANT(default_exchange_crosses_vhosts)) return;
  assign_scoped(kept, vhost, key);
  key_ = kept;
  if (more.empty()) return;
  for (const ByteView one : more) kept_more_.push_back(scoped(vhost, one));
  views_.assign(kept_more_.begin(), kept_more_.end());
  more_ = views_;
}

}  // namespace trv::amqp
