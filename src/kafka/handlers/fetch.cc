// Fetch: reads batches of many partitions, waiting for data when asked to. Fetch sessions are not
// kept: every answer says session 0, which the protocol allows, and clients then send full
// requests.
#include <algorithm>

#include "kafka/errors.h"
#include "kafka/handlers/fetch_run.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {
namespace {

constexpr std::int16_t error_session_not_found = 70;
constexpr std::chrono::milliseconds wait_max(60'000);

}  // namespace

void handle_fetch(const Call& call, const wire::FetchRequest& request) {
  if (request.session_id != 0) {
    wire::FetchResponse response;
    response.error_code = error_session_not_found;
    call.reply.send(response);
    return;
  }
  FetchTerms terms;
  terms.bytes_min = static_cast<std::size_t>(std::max(request.min_bytes, 0));
  terms.bytes_max =
      std::min(static_cast<std::size_t>(std::max(request.max_bytes, 0)), fetch_size_max);
  // More than an answer may hold would never be there.
  terms.bytes_min = std::min(terms.bytes_min, terms.bytes_max);
  terms.isolation =
      request.isolation_level == 1 ? broker::Isolation::committed : broker::Isolation::uncommitted;
  terms.wait = std::clamp(std::chrono::milliseconds(request.max_wait_ms),
                          std::chrono::milliseconds(0), wait_max);
  if (terms.bytes_min == 0) terms.wait = std::chrono::milliseconds(0);
  std::vector<FetchTopic> topics;
  topics.reserve(request.topics.size());
  for (const auto& asked : request.topics) {
    FetchTopic& topic = topics.emplace_back();
    topic.name = std::string(asked.name);
    topic.partitions.reserve(asked.partitions.size());
    for (const auto& partition : asked.partitions) {
      topic.partitions.push_back({partition.index, partition.current_leader_epoch,
                                  partition.fetch_offset, partition.max_bytes});
    }
  }
  FetchId id = call.service.next_fetch_id();
  auto run = std::make_unique<FetchRun>(call.reply, id, terms, std::move(topics));
  call.service.add_fetch(id, std::move(run)).start();
}

}  // namespace trv::kafka
