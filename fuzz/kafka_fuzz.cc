// Fuzzes the Kafka parsers: framing, request headers and the bodies of all requests. The input is a
// connection's bytes as they arrive, cut into reads of changing size.
#include <algorithm>
#include <cstdint>

#include "kafka/handlers/handlers.h"

namespace {

using namespace trv;
using namespace trv::kafka;

template <class Request>
void decode_as(ByteView body, std::int16_t version, bool flexible) {
  Request request;
  wire::Decoder in(body, version, flexible);
  decode(in, request);
}

template <class... Apis>
void decode_by_key(std::int16_t key, ByteView body, std::int16_t version, bool flexible) {
  ((key == Apis::key ? decode_as<typename Apis::Request>(body, version, flexible) : void()), ...);
}

void on_frame(ByteView frame) {
  ByteReader in(frame);
  wire::RequestHeader header = wire::read_header_begin(in);
  const ApiRow* row = find_api(header.key);
  if (!in.ok() || row == nullptr) return;
  if (header.version < row->version_served_min || header.version > row->version_max) return;
  bool flexible = header.version >= row->flexible_from;
  wire::read_header_end(in, flexible, header);
  if (!in.ok()) return;
  decode_by_key<
      wire::ProduceApi, wire::FetchApi, wire::ListOffsetsApi, wire::MetadataApi,
      wire::OffsetCommitApi, wire::OffsetFetchApi, wire::FindCoordinatorApi, wire::JoinGroupApi,
      wire::HeartbeatApi, wire::LeaveGroupApi, wire::SyncGroupApi, wire::DescribeGroupsApi,
      wire::ListGroupsApi, wire::ApiVersionsApi, wire::CreateTopicsApi, wire::DeleteTopicsApi,
      wire::InitProducerIdApi, wire::OffsetForLeaderEpochApi, wire::AddPartitionsToTxnApi,
      wire::AddOffsetsToTxnApi, wire::EndTxnApi, wire::TxnOffsetCommitApi, wire::DescribeConfigsApi,
      wire::DeleteGroupsApi, wire::DescribeClusterApi, wire::AlterConfigsApi,
      wire::CreatePartitionsApi, wire::IncrementalAlterConfigsApi, wire::DeleteRecordsApi,
      wire::DescribeLogDirsApi, wire::ElectLeadersApi, wire::AlterPartitionReassignmentsApi,
      wire::ListPartitionReassignmentsApi, wire::OffsetDeleteApi, wire::DescribeProducersApi,
      wire::DescribeTransactionsApi, wire::ListTransactionsApi, wire::DescribeTopicPartitionsApi,
      wire::ConsumerGroupHeartbeatApi, wire::ConsumerGroupDescribeApi, wire::SaslHandshakeApi,
      wire::SaslAuthenticateApi, wire::ShareGroupHeartbeatApi, wire::ShareGroupDescribeApi,
      wire::ShareFetchApi, wire::ShareAcknowledgeApi, wire::DescribeShareGroupOffsetsApi,
      wire::AlterShareGroupOffsetsApi, wire::DeleteShareGroupOffsetsApi, wire::DescribeAclsApi,
      wire::CreateAclsApi, wire::DeleteAclsApi, wire::CreateDelegationTokenApi,
      wire::RenewDelegationTokenApi, wire::ExpireDelegationTokenApi,
      wire::DescribeDelegationTokenApi, wire::DescribeUserScramCredentialsApi,
      wire::AlterUserScramCredentialsApi, wire::ListConfigResourcesApi,
      wire::DescribeClientQuotasApi, wire::AlterClientQuotasApi>(header.key, in.rest(),
                                                                 header.version, flexible);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteView rest(reinterpret_cast<const char*>(data), size);
  for (;;) {
    auto frame = wire::cut_frame(rest, 1u << 20);
    if (!frame || !*frame) return 0;
    rest.remove_prefix(wire::frame_size_field + (*frame)->size());
    on_frame(**frame);
  }
}
