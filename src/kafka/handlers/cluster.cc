// What the broker is and where: ApiVersions, DescribeCluster, FindCoordinator.
#include <algorithm>

#include "kafka/errors.h"
#include "kafka/handlers/authorized_operations.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {
namespace {

constexpr std::int8_t endpoint_brokers = 1;
constexpr std::int8_t endpoint_controllers = 2;
constexpr std::int16_t error_mismatched_endpoint_type = 114;
constexpr std::int16_t error_unsupported_endpoint_type = 115;
constexpr std::int8_t coordinator_group = 0;
constexpr std::int8_t coordinator_transaction = 1;
constexpr std::int8_t coordinator_share = 2;  // of one partition of a share group
constexpr std::int16_t coordinator_share_from_version = 6;

// What clients ask for by the level of a feature, since versions of requests do not tell: groups
// whose partitions the broker assigns, share groups, and the second transaction protocol. Always
// on. Producers that know only the first one go on with the older versions of the requests.
struct Feature {
  std::string_view name;
  std::int16_t level_min;
  std::int16_t level_max;
};
constexpr Feature features[] = {
    {"group.version", 1, 1}, {"share.version", 1, 1}, {"transaction.version", 1, 2}};

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Letters, digits, '-' and '.', with a letter or digit at both ends.
bool valid_software_name(ByteView name) {
  return !name.empty() && is_alphanumeric(name.front()) && is_alphanumeric(name.back()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
}

// "group:topic id:partition".
bool valid_share_key(ByteView key) {
  constexpr std::size_t topic_id_size = 22;  // of 16 bytes in base 64
  const std::size_t last = key.rfind(':');
  if (last == ByteView::npos || last <= topic_id_size + 1) return false;
  const ByteView partition = key.substr(last + 1);
  const ByteView group = key.substr(0, last - topic_id_size);  // and its colon
  return group.size() > 1 && group.find(':') == group.size() - 1 && !partition.empty() &&
         std::all_of(partition.begin(), partition.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

wire::FindCoordinatorResponse::Coordinator coordinator_of(const Call& call, ByteView key,
                                                          std::int8_t key_type) {
  wire::FindCoordinatorResponse::Coordinator answer;
  answer.key = std::string(key);
  const bool known =
      key_type == coordinator_group || key_type == coordinator_transaction ||
      (key_type == coordinator_share && call.header.version >= coordinator_share_from_version &&
       valid_share_key(key));
  if (!known) {
    answer.error_code = wire_code(ErrorCode::invalid_request);
    answer.error_message = "unknown coordinator type, or not a key of that type";
    return answer;
  }
  answer.node_id = call.service.options().node_id;
  answer.host = call.session.peer().advertised_host;
  answer.port = call.session.peer().advertised_port;
  return answer;
}

}  // namespace

void handle_api_versions(const Call& call, const wire::ApiVersionsRequest& request) {
  wire::ApiVersionsResponse response;
  if (call.header.version >= 3 && (!valid_software_name(request.client_software_name) ||
                                   !valid_software_name(request.client_software_version))) {
    response.error_code = wire_code(ErrorCode::invalid_request);
  } else {
    for (const ApiRow& row : api_table()) {
      response.api_keys.push_back({row.key, row.version_min, row.version_max});
    }
    response.finalized_features_epoch = 0;
    for (const Feature& feature : features) {
      std::string name(feature.name);
      response.supported_features.push_back({name, feature.level_min, feature.level_max});
      response.finalized_features.push_back({name, feature.level_max, feature.level_max});
    }
  }
  call.reply.send(response);
}

void handle_describe_cluster(const Call& call, const wire::DescribeClusterRequest& request) {
  wire::DescribeClusterResponse response;
  if (request.endpoint_type != endpoint_brokers) {
    response.error_code = request.endpoint_type == endpoint_controllers
                              ? error_mismatched_endpoint_type
                              : error_unsupported_endpoint_type;
    response.error_message = "only the brokers' endpoint exists";
  } else {
    const Options& options = call.service.options();
    response.controller_id = options.node_id;
    response.brokers.push_back({options.node_id, call.session.peer().advertised_host,
                                call.session.peer().advertised_port, std::nullopt});
    response.cluster_id = call.service.broker().options().cluster_id;
  }
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = cluster_operations;
  }
  call.reply.send(response);
}

void handle_find_coordinator(const Call& call, const wire::FindCoordinatorRequest& request) {
  wire::FindCoordinatorResponse response;
  if (call.header.version >= 4) {
    for (ByteView key : request.coordinator_keys) {
      response.coordinators.push_back(coordinator_of(call, key, request.key_type));
    }
  } else {
    auto answer = coordinator_of(call, request.key, request.key_type);
    response.error_code = answer.error_code;
    response.error_message = std::move(answer.error_message);
    response.node_id = answer.node_id;
    response.host = std::move(answer.host);
    response.port = answer.port;
  }
  call.reply.send(response);
}

}  // namespace trv::kafka
