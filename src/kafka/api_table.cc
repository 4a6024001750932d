#include "kafka/api_table.h"

#include <algorithm>
#include <array>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {
namespace {

template <class Api, void (*handle)(const Call&, const typename Api::Request&)>
bool run(const Call& call) {
  typename Api::Request request;
  wire::Decoder in(call.body, call.header.version, call.flexible);
  decode(in, request);
  if (!in.ok()) return false;
  handle(call, request);
  return true;
}

struct Versions {
  std::int16_t advertised_min;
  std::int16_t served_min;
  std::int16_t max;
};

template <class Api, void (*handle)(const Call&, const typename Api::Request&)>
constexpr ApiRow row(Versions versions) {
  static_assert(Api::version_min >= 0);
  return {Api::key, versions.advertised_min, versions.served_min, versions.max, Api::flexible_from,
          false,    run<Api, handle>};
}

template <class Api, void (*handle)(const Call&, const typename Api::Request&)>
constexpr ApiRow in_order(Versions versions) {
  ApiRow result = row<Api, handle>(versions);
  result.in_order = true;
  return result;
}

constexpr std::array table{
    row<wire::ProduceApi, handle_produce>({0, 3, 13}),
    row<wire::FetchApi, handle_fetch>({4, 4, 16}),
    in_order<wire::ListOffsetsApi, handle_list_offsets>({1, 1, 7}),
    in_order<wire::MetadataApi, handle_metadata>({0, 0, 12}),
    in_order<wire::OffsetCommitApi, handle_offset_commit>({2, 2, 9}),
    in_order<wire::OffsetFetchApi, handle_offset_fetch>({1, 1, 9}),
    row<wire::FindCoordinatorApi, handle_find_coordinator>({0, 0, 6}),
    row<wire::JoinGroupApi, handle_join_group>({0, 0, 9}),
    row<wire::HeartbeatApi, handle_heartbeat>({0, 0, 4}),
    in_order<wire::LeaveGroupApi, handle_leave_group>({0, 0, 5}),
    row<wire::SyncGroupApi, handle_sync_group>({0, 0, 5}),
    in_order<wire::DescribeGroupsApi, handle_describe_groups>({0, 0, 6}),
    row<wire::ListGroupsApi, handle_list_groups>({0, 0, 5}),
    row<wire::SaslHandshakeApi, handle_sasl_handshake>({0, 0, 1}),
    row<wire::ApiVersionsApi, handle_api_versions>({0, 0, 4}),
    in_order<wire::CreateTopicsApi, handle_create_topics>({2, 2, 7}),
    in_order<wire::DeleteTopicsApi, handle_delete_topics>({1, 1, 6}),
    in_order<wire::DeleteRecordsApi, handle_delete_records>({0, 0, 2}),
    in_order<wire::InitProducerIdApi, handle_init_producer_id>({0, 0, 5}),
    row<wire::OffsetForLeaderEpochApi, handle_offset_for_leader_epoch>({2, 2, 4}),
    in_order<wire::AddPartitionsToTxnApi, handle_add_partitions_to_txn>({0, 0, 3}),
    in_order<wire::AddOffsetsToTxnApi, handle_add_offsets_to_txn>({0, 0, 4}),
    in_order<wire::EndTxnApi, handle_end_txn>({0, 0, 5}),
    in_order<wire::TxnOffsetCommitApi, handle_txn_offset_commit>({0, 0, 5}),
    row<wire::DescribeAclsApi, handle_describe_acls>({1, 1, 3}),
    row<wire::CreateAclsApi, handle_create_acls>({1, 1, 3}),
    row<wire::DeleteAclsApi, handle_delete_acls>({1, 1, 3}),
    in_order<wire::DescribeConfigsApi, handle_describe_configs>({1, 1, 4}),
    in_order<wire::AlterConfigsApi, handle_alter_configs>({0, 0, 2}),
    row<wire::DescribeLogDirsApi, handle_describe_log_dirs>({1, 1, 4}),
    row<wire::SaslAuthenticateApi, handle_sasl_authenticate>({0, 0, 2}),
    in_order<wire::CreatePartitionsApi, handle_create_partitions>({0, 0, 3}),
    row<wire::CreateDelegationTokenApi, handle_create_delegation_token>({1, 1, 3}),
    row<wire::RenewDelegationTokenApi, handle_renew_delegation_token>({1, 1, 2}),
    row<wire::ExpireDelegationTokenApi, handle_expire_delegation_token>({1, 1, 2}),
    row<wire::DescribeDelegationTokenApi, handle_describe_delegation_token>({1, 1, 3}),
    in_order<wire::DeleteGroupsApi, handle_delete_groups>({0, 0, 2}),
    row<wire::ElectLeadersApi, handle_elect_leaders>({0, 0, 2}),
    in_order<wire::IncrementalAlterConfigsApi, handle_incremental_alter_configs>({0, 0, 1}),
    row<wire::AlterPartitionReassignmentsApi, handle_alter_partition_reassignments>({0, 0, 0}),
    row<wire::ListPartitionReassignmentsApi, handle_list_partition_reassignments>({0, 0, 0}),
    in_order<wire::OffsetDeleteApi, handle_offset_delete>({0, 0, 0}),
    in_order<wire::DescribeClientQuotasApi, handle_describe_client_quotas>({0, 0, 1}),
    in_order<wire::AlterClientQuotasApi, handle_alter_client_quotas>({0, 0, 1}),
    row<wire::DescribeUserScramCredentialsApi, handle_describe_user_scram_credentials>({0, 0, 0}),
    row<wire::AlterUserScramCredentialsApi, handle_alter_user_scram_credentials>({0, 0, 0}),
    row<wire::DescribeClusterApi, handle_describe_cluster>({0, 0, 1}),
    in_order<wire::DescribeProducersApi, handle_describe_producers>({0, 0, 0}),
    in_order<wire::DescribeTransactionsApi, handle_describe_transactions>({0, 0, 0}),
    in_order<wire::ListTransactionsApi, handle_list_transactions>({0, 0, 1}),
    in_order<wire::ConsumerGroupHeartbeatApi, handle_consumer_group_heartbeat>({0, 0, 1}),
    in_order<wire::ConsumerGroupDescribeApi, handle_consumer_group_describe>({0, 0, 1}),
    in_order<wire::ListConfigResourcesApi, handle_list_config_resources>({0, 0, 1}),
    in_order<wire::DescribeTopicPartitionsApi, handle_describe_topic_partitions>({0, 0, 0}),
    in_order<wire::ShareGroupHeartbeatApi, handle_share_group_heartbeat>({1, 1, 1}),
    in_order<wire::ShareGroupDescribeApi, handle_share_group_describe>({1, 1, 1}),
    row<wire::ShareFetchApi, handle_share_fetch>({1, 1, 2}),
    row<wire::ShareAcknowledgeApi, handle_share_acknowledge>({1, 1, 2}),
    in_order<wire::DescribeShareGroupOffsetsApi, handle_describe_share_group_offsets>({0, 0, 1}),
    in_order<wire::AlterShareGroupOffsetsApi, handle_alter_share_group_offsets>({0, 0, 0}),
    in_order<wire::DeleteShareGroupOffsetsApi, handle_delete_share_group_offsets>({0, 0, 0}),
};

constexpr bool ascending() {
  for (std::size_t i = 1; i < table.size(); ++i) {
    if (table[i - 1].key >= table[i].key) return false;
  }
  return true;
}
static_assert(ascending());

}  // namespace

std::span<const ApiRow> api_table() { return table; }

const ApiRow* find_api(std::int16_t key) {
  auto it = std::lower_bound(table.begin(), table.end(), key,
                             [](const ApiRow& row, std::int16_t k) { return row.key < k; });
  return it == table.end() || it->key != key ? nullptr : &*it;
}

void refuse_api_versions(const Reply& reply, const ApiRow& row) {
  wire::ApiVersionsResponse response;
  response.error_code = wire_code(ErrorCode::unsupported_version);
  response.api_keys.push_back({row.key, row.version_min, row.version_max});
  reply.send(response);
}

}  // namespace trv::kafka
