// Proves the request codecs against tests/golden/kafka/requests.txt: requests as another
// implementation encodes them, in every version that is served. Each must decode to its last byte,
// and no proper prefix of it may decode to one.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "kafka/handlers/handlers.h"

namespace trv::kafka::wire {
namespace {

struct Decoded {
  bool ok = false;
  std::size_t left = 0;
};

template <class Request>
Decoded decode_as(ByteView body, std::int16_t version, bool flexible) {
  Request request;
  Decoder in(body, version, flexible);
  decode(in, request);
  return {in.ok(), in.remaining()};
}

template <class... Apis>
Decoded decode_by_key(std::int16_t key, ByteView body, std::int16_t version, bool flexible) {
  Decoded decoded;
  bool known = ((key == Apis::key
                     ? (decoded = decode_as<typename Apis::Request>(body, version, flexible), true)
                     : false) ||
                ...);
  EXPECT_TRUE(known) << "key " << key;
  return decoded;
}

Decoded decode_body(std::int16_t key, ByteView body, std::int16_t version, bool flexible) {
  return decode_by_key<
      ProduceApi, FetchApi, ListOffsetsApi, MetadataApi, OffsetCommitApi, OffsetFetchApi,
      FindCoordinatorApi, JoinGroupApi, HeartbeatApi, LeaveGroupApi, SyncGroupApi,
      DescribeGroupsApi, ListGroupsApi, ApiVersionsApi, CreateTopicsApi, DeleteTopicsApi,
      InitProducerIdApi, OffsetForLeaderEpochApi, AddPartitionsToTxnApi, AddOffsetsToTxnApi,
      EndTxnApi, TxnOffsetCommitApi, DescribeConfigsApi, AlterConfigsApi, CreatePartitionsApi,
      DeleteRecordsApi, DeleteGroupsApi, IncrementalAlterConfigsApi, DescribeClusterApi,
      DescribeLogDirsApi, ElectLeadersApi, AlterPartitionReassignmentsApi,
      ListPartitionReassignmentsApi, OffsetDeleteApi, DescribeProducersApi, DescribeTransactionsApi,
      ListTransactionsApi, DescribeTopicPartitionsApi, ConsumerGroupHeartbeatApi,
      ConsumerGroupDescribeApi, SaslHandshakeApi, SaslAuthenticateApi, ShareGroupHeartbeatApi,
      ShareGroupDescribeApi, ShareFetchApi, ShareAcknowledgeApi, DescribeShareGroupOffsetsApi,
      AlterShareGroupOffsetsApi, DeleteShareGroupOffsetsApi, DescribeAclsApi, CreateAclsApi,
      DeleteAclsApi, CreateDelegationTokenApi, RenewDelegationTokenApi, ExpireDelegationTokenApi,
      DescribeDelegationTokenApi, DescribeUserScramCredentialsApi, AlterUserScramCredentialsApi,
      ListConfigResourcesApi, DescribeClientQuotasApi, AlterClientQuotasApi>(key, body, version,
                                                                             flexible);
}

int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::string unhex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1])));
  }
  return bytes;
}

TEST(Golden, RequestsOfAnotherImplementationDecodeWholly) {
  std::ifstream file(TRV_GOLDEN_DIR "/kafka/requests.txt");
  ASSERT_TRUE(file.is_open());
  std::map<std::int16_t, std::set<std::int16_t>> seen;
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::int16_t key = 0;
    std::int16_t version = 0;
    std::string hex;
    words >> key >> version >> hex;
    std::string frame = unhex(hex);
    const ApiRow* row = find_api(key);
    ASSERT_NE(row, nullptr) << line;
    bool flexible = version >= row->flexible_from;
    ByteReader in(frame);
    RequestHeader header = read_header_begin(in);
    read_header_end(in, flexible, header);
    ASSERT_TRUE(in.ok()) << line;
    EXPECT_EQ(header.key, key);
    EXPECT_EQ(header.version, version);
    EXPECT_EQ(header.client_id, "golden");
    ByteView body = in.rest();
    Decoded whole = decode_body(key, body, version, flexible);
    EXPECT_TRUE(whole.ok) << line;
    EXPECT_EQ(whole.left, 0u) << line;
    for (std::size_t size = 0; size < body.size(); ++size) {
      EXPECT_FALSE(decode_body(key, body.substr(0, size), version, flexible).ok)
          << line << " cut at " << size;
    }
    seen[key].insert(version);
  }
  for (const ApiRow& row : api_table()) {
    for (std::int16_t version = row.version_served_min; version <= row.version_max; ++version) {
      EXPECT_TRUE(seen[row.key].contains(version))
          << "no example of " << row.key << " v" << version;
    }
  }
}

}  // namespace
}  // namespace trv::kafka::wire
