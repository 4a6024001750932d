// Record batches as a client makes them, good and bad ones, and as it reads what it fetched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/batch.h"

namespace trv::fuzz {

struct BatchSpec {
  struct Record {
    std::optional<std::string> key;
    std::optional<std::string> value;
  };
  // What may be wrong with it.
  enum class Damage : std::uint8_t {
    none,
    checksum,
    truncated,
    count,    // says that there are more records
    magic,    // of a version that is none
    content,  // not of the codec that it names
    codec,    // one that is none
    control,  // only the broker writes those
    twice,    // two batches where one belongs
    empty
  };
  model::Compression codec = model::Compression::none;
  std::vector<Record> records;
  std::int64_t timestamp_ms = 0;
  model::BatchBuilder::Identity producer;
  bool transactional = false;
  Damage damage = Damage::none;
};
std::string make_batch(const BatchSpec& spec);

struct ReadRecord {
  std::int64_t offset;
  std::optional<std::string> key;
  std::optional<std::string> value;
};
struct ReadBatch {
  model::BatchHeader header;
  std::vector<ReadRecord> records;
  bool commits = false;  // of a control batch
};
// By itself, whatever the broker's code says.
bool has_right_sum(ByteView batch);
// Asserts that they are whole, checked by their sums, and ascend.
std::vector<ReadBatch> read_batches(ByteView bytes);

// Kafka's client: what a reader of committed records passes on of them, told which transactions
// were aborted and from which offsets on.
struct AbortedTransaction {
  std::int64_t producer_id;
  std::int64_t first_offset;
};
std::vector<const ReadBatch*> committed_batches(const std::vector<ReadBatch>& batches,
                                                std::vector<AbortedTransaction> aborted);

}  // namespace trv::fuzz
