// The records of the log as the rest of the broker sees them.
//
// A StoredRecord is a view of one record in a stored batch, in the form in which it came (its
// origin). A Message is the neutral form that every origin can be read as; conversion happens only
// when a protocol reads what another one wrote. The mapping is docs/view-contract.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/slice.h"

namespace trv::model {

// In which form a batch's records were given to us. Kept in bits 8-9 of the stored batch's
// attributes (docs/formats/batch.md); 0 is a batch stored byte for byte as its producer sent it.
enum class Origin : std::uint8_t {
  batch = 0,    // records with key, value and headers
  message = 1,  // a body (the value) and an envelope: addressing and properties, opaque here
  fields = 2,   // an ordered list of (name, value) pairs (the value; see FieldList)
};

struct Header {
  std::string_view name;
  std::optional<ByteView> value;
};

struct StoredRecord {
  Sequence sequence;
  PartitionIndex partition;
  Offset offset;
  RecordId id;
  std::int64_t timestamp_ms = 0;
  Origin origin = Origin::batch;
  std::optional<ByteView> key;  // origin batch only
  std::optional<ByteView>
      value;         // batch: the value; message: the body; fields: an encoded FieldList
  ByteView headers;  // origin batch: `header_count` encoded headers (see read_headers)
  std::int32_t header_count = 0;
  ByteView envelope;  // origin message: what the front-end stored beside the body
  Slice owner;        // keeps all views alive; owner.share(*value) is a Slice of it
};

// Decodes the headers of a record of origin batch. Stops at damage (the batch was checked on
// entry).
std::vector<Header> read_headers(const StoredRecord& record);

// The neutral form. Views may point into `owners`.
struct Message {
  std::optional<ByteView> key;
  std::optional<ByteView> value;
  std::vector<Header> headers;
  std::int64_t timestamp_ms = 0;
  std::vector<Slice> owners;

  // Keeps `bytes` alive with the message and gives a view of them.
  ByteView keep(std::string bytes) {
    owners.push_back(Slice::own(std::move(bytes)));
    return owners.back().view();
  }
};

// The encoding of an ordered field list: varint count, then name and value of each,
// length-prefixed. Names may repeat. `visit(name, value)`; false when damaged.
template <class Visit>
bool read_fields(ByteView encoded, Visit&& visit) {
  ByteReader reader(encoded);
  std::uint64_t count = reader.varint();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    ByteView name = reader.sized();
    ByteView value = reader.sized();
    if (!reader.ok()) return false;
    visit(name, value);
  }
  return reader.done();
}

// A record on its way into a log, in its own origin's form. Views are copied by the append.
struct NewRecord {
  Origin origin = Origin::message;
  ByteView value;              // message: body; fields: an encoded FieldList
  ByteView envelope;           // message only
  ByteView partition_key;      // chooses the partition when there are several; may be empty
  std::optional<RecordId> id;  // fields only: chosen by the user; must be above the topic's last
  Durability level = Durability::fsync;  // capped by the topic's own level
};

}  // namespace trv::model
