// Proves the bytes of the coordinators' records, and the partitions that they go to.
#include "kafka/state_records.h"

#include <gtest/gtest.h>

#include <limits>

namespace trv::kafka {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (char c : bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

TEST(StateRecords, ACommittedOffset) {
  const model::GroupOffsetKey key{"g", {"topic", PartitionIndex(3)}};
  model::CommittedOffset committed;
  committed.offset = Offset(258);
  committed.leader_epoch = -1;
  committed.metadata = "m";
  committed.committed_at = WallTime{1};
  const StateRecord record = offset_record(key, &committed);
  EXPECT_EQ(hex(record.key),
            "0001"
            "000167"
            "0005746f706963"
            "00000003");
  ASSERT_TRUE(record.value);
  EXPECT_EQ(hex(*record.value),
            "0003"
            "0000000000000102"
            "ffffffff"
            "00016d"
            "0000000000000001");
  const StateRecord gone = offset_record(key, nullptr);
  EXPECT_EQ(gone.key, record.key);
  EXPECT_EQ(gone.hash, record.hash);
  EXPECT_FALSE(gone.value);
}

TEST(StateRecords, ATransaction) {
  model::Transaction transaction;
  transaction.producer = {ProducerId(7), 2};
  transaction.timeout = std::chrono::milliseconds(60'000);
  transaction.started = WallTime{5};
  transaction.updated = WallTime{6};
  const StateRecord empty = transaction_record("x", &transaction);
  EXPECT_EQ(hex(empty.key),
            "0000"
            "000178");
  const std::string head =
      "0000"
      "0000000000000007"
      "0002"
      "0000ea60";
  EXPECT_EQ(hex(*empty.value), head +
                                   "00"
                                   "ffffffff"
                                   "0000000000000006"
                                   "ffffffffffffffff");

  transaction.state = model::Transaction::State::ongoing;
  transaction.partitions = {{"t", PartitionIndex(0)}, {"t", PartitionIndex(4)}};
  transaction.groups = {"g"};
  const StateRecord ongoing = transaction_record("x", &transaction);
  // 103, the hash of "g", is in partition 3 of 50.
  const std::string offsets =
      "0012"
      "5f5f636f6e73756d65725f6f666673657473"
      "00000001"
      "00000003";
  const std::string topic =
      "000174"
      "00000002"
      "00000000"
      "00000004";
  EXPECT_EQ(hex(*ongoing.value), head +
                                     "01"
                                     "00000002" +
                                     offsets + topic +
                                     "0000000000000006"
                                     "0000000000000005");
  EXPECT_FALSE(transaction_record("x", nullptr).value);
}

TEST(StateRecords, APlaceOfAShareGroup) {
  const model::ShareCursorKey key{TopicId(258), "g", PartitionIndex(3)};
  model::ShareCursors cursors;
  auto apply = [&cursors](const std::string& command) { ASSERT_TRUE(cursors.apply(command).ok()); };
  apply(model::ShareCursors::encode_start("g", PartitionIndex(3), Offset(5)));
  const model::ShareOutcome outcomes[] = {{Offset(6), Offset(7), 2}, {Offset(8), Offset(10), 0}};
  apply(model::ShareCursors::encode_outcomes("g", PartitionIndex(3), outcomes));
  const model::ShareCursor* cursor = cursors.find("g", PartitionIndex(3));
  ASSERT_NE(cursor, nullptr);
  const StateRecord record = share_record(key, cursor, WallTime{6});
  ASSERT_EQ(record.key.size(), 2u + 3u + 16u + 4u);
  EXPECT_EQ(hex(record.key.substr(0, 5)),
            "0000"
            "000167");
  EXPECT_EQ(hex(record.key.substr(13)),
            "0000000000000102"
            "00000003")
      << "our id, the partition";
  EXPECT_EQ(hex(*record.value),
            "0000"
            "000000000000000000000000"
            "0000000000000005"
            "ffffffffffffffff"
            "0000000000000006"
            "03"
            "0000000000000006"
            "0000000000000006"
            "00"
            "0002"
            "00"
            "0000000000000008"
            "0000000000000009"
            "02"
            "0001"
            "00"
            "01"
            "00"
            "04"
            "00000002");
  EXPECT_FALSE(share_record(key, nullptr, WallTime{6}).value);
}

// As Java 17 computes them.
TEST(StateRecords, Hashes) {
  EXPECT_EQ(java_hash(""), 0);
  EXPECT_EQ(java_hash("g"), 103);
  EXPECT_EQ(java_hash("console-consumer-12345"), 158455506);
  EXPECT_EQ(java_hash("connect-cluster"), 1440343063);
  EXPECT_EQ(java_hash("Gr\xc3\xbc\xc3\x9f"), 2232750);
  EXPECT_EQ(java_hash("\xf0\x9f\x98\x80"), 1772899) << "a surrogate pair";
}

TEST(StateRecords, Partitions) {
  EXPECT_EQ(state_partition(103, 50), 3);
  EXPECT_EQ(state_partition(-103, 50), 3);
  EXPECT_EQ(state_partition(std::numeric_limits<std::int32_t>::min(), 50), 0);
  EXPECT_EQ(state_partition(std::numeric_limits<std::int32_t>::max(), 50), 47);
}

}  // namespace
}  // namespace trv::kafka
