// The requests that this broker answers: one row each, in the order of their keys.
//
// What is advertised and what is served differ in two places: Produce and JoinGroup are advertised
// from 0, because widely used clients judge a broker by that; Produce below 3 is not served and
// closes the connection.
#pragma once

#include <cstdint>
#include <span>

#include "kafka/reply.h"
#include "kafka/session.h"
#include "kafka/wire/api_versions.gen.h"
#include "kafka/wire/frame.h"

namespace trv::kafka {

// A request on its way to its handler. Views are valid during the handler's call only.
struct Call {
  Service& service;
  Session& session;
  wire::RequestHeader header;
  ByteView body;
  bool flexible;
  Reply reply;
};

struct ApiRow {
  std::int16_t key;
  std::int16_t version_min;         // advertised
  std::int16_t version_served_min;  // below: not a request that we know
  std::int16_t version_max;
  std::int16_t flexible_from;
  // It changes, or tells of, what such requests change, and so waits for the answer to the one of
  // them before it. Of all requests it would be true in Kafka, but records, and waiting for groups
  // and data, need not hold up the others.
  bool in_order;
  // Decodes and handles; false when the body does not parse.
  bool (*run)(const Call&);
};

std::span<const ApiRow> api_table();
// Null when the key is unknown.
const ApiRow* find_api(std::int16_t key);

// Answers an ApiVersions request of a version that is too high.
void refuse_api_versions(const Reply& reply, const ApiRow& row);

}  // namespace trv::kafka
