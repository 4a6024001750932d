// BatchEntry: what the index of a topic keeps of a stored batch.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "model/batch.h"

namespace trv::model {

struct BatchEntry {
  Sequence first_sequence;
  Offset base_offset;
  RecordId first_id;
  std::int64_t max_timestamp = 0;
  BlobRange blob;
  ProducerId producer_id{-1};
  std::int32_t count = 0;  // of offsets; records that are gone included
  std::int32_t kept = 0;   // records that are stored
  PartitionIndex partition;
  Origin origin = Origin::batch;
  bool control = false;
  bool transactional = false;
  bool aborted = false;

  Sequence end_sequence() const { return first_sequence + count; }
  Offset end_offset() const { return base_offset + count; }
  // Readers by sequence pass over it.
  bool hidden() const { return control || aborted; }

  bool operator==(const BatchEntry&) const = default;
};

// As checkpoints have it (docs/formats/entries.md). Decoding damaged bytes gives anything; the
// reader tells of it where it can.
void encode(const BatchEntry& entry, ByteWriter& writer);
BatchEntry decode_batch_entry(ByteReader& reader);

}  // namespace trv::model
