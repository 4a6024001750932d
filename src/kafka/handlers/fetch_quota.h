// What a client may read, of the two kinds of fetches.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "broker/quotas.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {

// The quota of the client's reading, where there is one. `bytes_max` becomes no more than what may
// pass at once.
inline std::optional<model::Quotas::Found> keep_to_quota(const Call& call, std::size_t& bytes_max) {
  auto quota = call.service.broker().quotas().find(
      model::QuotaKind::read_rate, call.session.login().user(), call.header.client_id);
  if (!quota) return quota;
  constexpr std::uint64_t seconds = model::QuotaUse::window_seconds;
  const std::uint64_t rate = std::min<std::uint64_t>(quota->rate, fetch_size_max);
  bytes_max = std::min<std::size_t>(bytes_max, rate * seconds);
  return quota;
}

}  // namespace trv::kafka
