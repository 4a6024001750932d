// The handlers of all requests. Each is three steps: check, ask the broker, encode the answer.
// A handler answers exactly once, now or later, through its call's Reply; the request's views end
// with the handler's call.
#pragma once

#include "kafka/api_table.h"
#include "kafka/wire/add_offsets_to_txn.gen.h"
#include "kafka/wire/add_partitions_to_txn.gen.h"
#include "kafka/wire/alter_client_quotas.gen.h"
#include "kafka/wire/alter_configs.gen.h"
#include "kafka/wire/alter_partition_reassignments.gen.h"
#include "kafka/wire/alter_share_group_offsets.gen.h"
#include "kafka/wire/alter_user_scram_credentials.gen.h"
#include "kafka/wire/api_versions.gen.h"
#include "kafka/wire/consumer_group_describe.gen.h"
#include "kafka/wire/consumer_group_heartbeat.gen.h"
#include "kafka/wire/create_acls.gen.h"
#include "kafka/wire/create_delegation_token.gen.h"
#include "kafka/wire/create_partitions.gen.h"
#include "kafka/wire/create_topics.gen.h"
#include "kafka/wire/delete_acls.gen.h"
#include "kafka/wire/delete_groups.gen.h"
#include "kafka/wire/delete_records.gen.h"
#include "kafka/wire/delete_share_group_offsets.gen.h"
#include "kafka/wire/delete_topics.gen.h"
#include "kafka/wire/describe_acls.gen.h"
#include "kafka/wire/describe_client_quotas.gen.h"
#include "kafka/wire/describe_cluster.gen.h"
#include "kafka/wire/describe_configs.gen.h"
#include "kafka/wire/describe_delegation_token.gen.h"
#include "kafka/wire/describe_groups.gen.h"
#include "kafka/wire/describe_log_dirs.gen.h"
#include "kafka/wire/describe_producers.gen.h"
#include "kafka/wire/describe_share_group_offsets.gen.h"
#include "kafka/wire/describe_topic_partitions.gen.h"
#include "kafka/wire/describe_transactions.gen.h"
#include "kafka/wire/describe_user_scram_credentials.gen.h"
#include "kafka/wire/elect_leaders.gen.h"
#include "kafka/wire/end_txn.gen.h"
#include "kafka/wire/expire_delegation_token.gen.h"
#include "kafka/wire/fetch.gen.h"
#include "kafka/wire/find_coordinator.gen.h"
#include "kafka/wire/heartbeat.gen.h"
#include "kafka/wire/incremental_alter_configs.gen.h"
#include "kafka/wire/init_producer_id.gen.h"
#include "kafka/wire/join_group.gen.h"
#include "kafka/wire/leave_group.gen.h"
#include "kafka/wire/list_config_resources.gen.h"
#include "kafka/wire/list_groups.gen.h"
#include "kafka/wire/list_offsets.gen.h"
#include "kafka/wire/list_partition_reassignments.gen.h"
#include "kafka/wire/list_transactions.gen.h"
#include "kafka/wire/metadata.gen.h"
#include "kafka/wire/offset_commit.gen.h"
#include "kafka/wire/offset_delete.gen.h"
#include "kafka/wire/offset_fetch.gen.h"
#include "kafka/wire/offset_for_leader_epoch.gen.h"
#include "kafka/wire/produce.gen.h"
#include "kafka/wire/renew_delegation_token.gen.h"
#include "kafka/wire/sasl_authenticate.gen.h"
#include "kafka/wire/sasl_handshake.gen.h"
#include "kafka/wire/share_acknowledge.gen.h"
#include "kafka/wire/share_fetch.gen.h"
#include "kafka/wire/share_group_describe.gen.h"
#include "kafka/wire/share_group_heartbeat.gen.h"
#include "kafka/wire/sync_group.gen.h"
#include "kafka/wire/txn_offset_commit.gen.h"

namespace trv::kafka {

void handle_produce(const Call& call, const wire::ProduceRequest& request);
void handle_fetch(const Call& call, const wire::FetchRequest& request);
void handle_list_offsets(const Call& call, const wire::ListOffsetsRequest& request);
void handle_metadata(const Call& call, const wire::MetadataRequest& request);
void handle_offset_commit(const Call& call, const wire::OffsetCommitRequest& request);
void handle_offset_fetch(const Call& call, const wire::OffsetFetchRequest& request);
void handle_find_coordinator(const Call& call, const wire::FindCoordinatorRequest& request);
void handle_join_group(const Call& call, const wire::JoinGroupRequest& request);
void handle_heartbeat(const Call& call, const wire::HeartbeatRequest& request);
void handle_leave_group(const Call& call, const wire::LeaveGroupRequest& request);
void handle_sasl_authenticate(const Call& call, const wire::SaslAuthenticateRequest& request);
void handle_sasl_handshake(const Call& call, const wire::SaslHandshakeRequest& request);
void handle_sync_group(const Call& call, const wire::SyncGroupRequest& request);
void handle_describe_groups(const Call& call, const wire::DescribeGroupsRequest& request);
void handle_list_groups(const Call& call, const wire::ListGroupsRequest& request);
void handle_api_versions(const Call& call, const wire::ApiVersionsRequest& request);
void handle_create_topics(const Call& call, const wire::CreateTopicsRequest& request);
void handle_delete_topics(const Call& call, const wire::DeleteTopicsRequest& request);
void handle_delete_records(const Call& call, const wire::DeleteRecordsRequest& request);
void handle_init_producer_id(const Call& call, const wire::InitProducerIdRequest& request);
void handle_offset_for_leader_epoch(const Call& call,
                                    const wire::OffsetForLeaderEpochRequest& request);
void handle_add_partitions_to_txn(const Call& call, const wire::AddPartitionsToTxnRequest& request);
void handle_add_offsets_to_txn(const Call& call, const wire::AddOffsetsToTxnRequest& request);
void handle_end_txn(const Call& call, const wire::EndTxnRequest& request);
void handle_txn_offset_commit(const Call& call, const wire::TxnOffsetCommitRequest& request);
void handle_describe_configs(const Call& call, const wire::DescribeConfigsRequest& request);
void handle_alter_configs(const Call& call, const wire::AlterConfigsRequest& request);
void handle_create_partitions(const Call& call, const wire::CreatePartitionsRequest& request);
void handle_delete_groups(const Call& call, const wire::DeleteGroupsRequest& request);
void handle_incremental_alter_configs(const Call& call,
                                      const wire::IncrementalAlterConfigsRequest& request);
void handle_consumer_group_heartbeat(const Call& call,
                                     const wire::ConsumerGroupHeartbeatRequest& request);
void handle_consumer_group_describe(const Call& call,
                                    const wire::ConsumerGroupDescribeRequest& request);
void handle_describe_cluster(const Call& call, const wire::DescribeClusterRequest& request);
void handle_alter_partition_reassignments(const Call& call,
                                          const wire::AlterPartitionReassignmentsRequest& request);
void handle_describe_log_dirs(const Call& call, const wire::DescribeLogDirsRequest& request);
void handle_describe_producers(const Call& call, const wire::DescribeProducersRequest& request);
void handle_describe_topic_partitions(const Call& call,
                                      const wire::DescribeTopicPartitionsRequest& request);
void handle_describe_transactions(const Call& call,
                                  const wire::DescribeTransactionsRequest& request);
void handle_elect_leaders(const Call& call, const wire::ElectLeadersRequest& request);
void handle_list_partition_reassignments(const Call& call,
                                         const wire::ListPartitionReassignmentsRequest& request);
void handle_list_transactions(const Call& call, const wire::ListTransactionsRequest& request);
void handle_offset_delete(const Call& call, const wire::OffsetDeleteRequest& request);
void handle_share_group_heartbeat(const Call& call,
                                  const wire::ShareGroupHeartbeatRequest& request);
void handle_share_group_describe(const Call& call, const wire::ShareGroupDescribeRequest& request);
void handle_share_fetch(const Call& call, const wire::ShareFetchRequest& request);
void handle_share_acknowledge(const Call& call, const wire::ShareAcknowledgeRequest& request);
void handle_describe_share_group_offsets(const Call& call,
                                         const wire::DescribeShareGroupOffsetsRequest& request);
void handle_alter_share_group_offsets(const Call& call,
                                      const wire::AlterShareGroupOffsetsRequest& request);
void handle_delete_share_group_offsets(const Call& call,
                                       const wire::DeleteShareGroupOffsetsRequest& request);
void handle_create_acls(const Call& call, const wire::CreateAclsRequest& request);
void handle_create_delegation_token(const Call& call,
                                    const wire::CreateDelegationTokenRequest& request);
void handle_alter_user_scram_credentials(const Call& call,
                                         const wire::AlterUserScramCredentialsRequest& request);
void handle_delete_acls(const Call& call, const wire::DeleteAclsRequest& request);
void handle_describe_acls(const Call& call, const wire::DescribeAclsRequest& request);
void handle_describe_delegation_token(const Call& call,
                                      const wire::DescribeDelegationTokenRequest& request);
void handle_describe_user_scram_credentials(
    const Call& call, const wire::DescribeUserScramCredentialsRequest& request);
void handle_expire_delegation_token(const Call& call,
                                    const wire::ExpireDelegationTokenRequest& request);
void handle_list_config_resources(const Call& call,
                                  const wire::ListConfigResourcesRequest& request);
void handle_renew_delegation_token(const Call& call,
                                   const wire::RenewDelegationTokenRequest& request);
void handle_describe_client_quotas(const Call& call,
                                   const wire::DescribeClientQuotasRequest& request);
void handle_alter_client_quotas(const Call& call, const wire::AlterClientQuotasRequest& request);

}  // namespace trv::kafka
