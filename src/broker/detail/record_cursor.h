// Decodes the records of one stored batch into StoredRecords, one after the other.
#pragma once

#include "base/result.h"
#include "model/batch.h"
#include "model/record.h"
#include "model/topic.h"

namespace trv::broker::detail {

// The envelope of a record that came in its own origin's form is its one header, without a name.
void append_envelope_header(std::string& out, ByteView envelope);

class RecordCursor {
 public:
  RecordCursor() = default;
  // `batch` holds the whole stored batch, which was checked. Errors: corrupt, unsupported,
  // too_large.
  static Result<RecordCursor> open(const model::BatchEntry& entry, const model::BatchHeader& header,
                                   const Slice& batch);

  // False at the end, or at damage (see ok()).
  bool next(model::StoredRecord& record);
  bool ok() const { return ok_; }
  // Of the record that next() gives, or before it where records are gone.
  Sequence position() const { return entry_.first_sequence + index_; }
  // Of the decoded records.
  std::size_t byte_size() const { return records_.size(); }

 private:
  bool fill(const model::BatchRecord& raw, model::StoredRecord& record);

  model::BatchEntry entry_;
  model::BatchHeader header_;
  Slice records_;
  model::BatchRecordReader reader_{ByteView{}, 0};
  std::int32_t index_ = 0;
  bool ok_ = true;
};

}  // namespace trv::broker::detail
