#include "kafka/handlers/produce_run.h"

#include <algorithm>

#include "broker/topics.h"
#include "kafka/handlers/refusal.h"
#include "kafka/internal_topics.h"
#include "kafka/names.h"
#include "model/batch.h"

namespace trv::kafka {
namespace {

constexpr std::int16_t zstd_from_version = 7;
// From here on producers know an error that ends their transaction and nothing more.
constexpr std::int16_t abortable_from_version = 11;
// The second transaction protocol: partitions join by being written to.
constexpr std::int16_t joining_from_version = 12;

// Of a batch's head: base offset, size of what follows, leader epoch, magic.
constexpr std::size_t batch_size_end = 12;
constexpr std::size_t batch_magic_at = 16;
constexpr std::size_t batch_attributes_low = model::batch_crc_begin + 1;
constexpr std::uint8_t magic_current = 2;

std::uint8_t attributes_of(ByteView batch) {
  return batch.size() > batch_attributes_low
             ? static_cast<std::uint8_t>(batch[batch_attributes_low])
             : std::uint8_t{0};
}

bool is_zstd(ByteView batch) {
  return (attributes_of(batch) & model::batch_attributes::compression_mask) ==
         static_cast<int>(model::Compression::zstd);
}

// How the bytes are cut into batches, which is looked at before any of them is. What is wrong
// within a batch is found when it is appended.
Refusal check_framing(ByteView records) {
  if (records.size() <= batch_magic_at) return {ErrorCode::invalid_record, "no record batch"};
  auto magic = static_cast<std::uint8_t>(records[batch_magic_at]);
  if (magic > magic_current) return {ErrorCode::corrupt_message, "unknown format of batches"};
  if (magic < magic_current) return {ErrorCode::invalid_record, "message formats 0 and 1 are gone"};
  ByteReader in(records);
  bool from_zero = in.i64() == 0;
  std::int32_t size = in.i32();
  if (size < 0) return {ErrorCode::corrupt_message, "negative size of a batch"};
  std::size_t end = batch_size_end + static_cast<std::size_t>(size);
  if (end > records.size()) return {ErrorCode::invalid_record, "an incomplete record batch"};
  if (records.size() >= end + model::batch_header_size) {
    return {ErrorCode::invalid_record, "more than one record batch"};
  }
  if (!from_zero) return {ErrorCode::invalid_record, "the first offset of a batch must be 0"};
  return {};
}

// Names the records for which a batch was refused that a topic compacted by key cannot take: a
// producer then knows that the others were good.
void name_keyless_records(ByteView batch, ProduceAnswer& answer) {
  Result<model::BatchHeader> header = model::check_batch(batch);
  if (!header) return;
  Slice whole = Slice::of_static(batch);
  if (!model::check_batch_records(whole, *header)) return;
  Result<Slice> records = model::batch_records(whole, *header);
  if (!records) return;
  model::BatchRecordReader reader(records->view(), header->record_count);
  model::BatchRecord record;
  for (std::int32_t index = 0; reader.next(record); ++index) {
    if (record.key) continue;
    answer.record_errors.push_back({index, "Compacted topic cannot accept message without key"});
  }
}

// One partition on its way into its log.
class Append {
 public:
  Append(broker::Broker& owner, broker::Topic* topic, const ProducePart& part,
         const ProduceTerms& terms)
      : owner_(owner), topic_(topic), part_(part), terms_(terms) {}

  // Where the batch went; nothing when the answer tells why not.
  std::optional<broker::Commit> run(ProduceAnswer& answer);
  // The batch is of a transaction that its partition is not in.
  bool unjoined() const { return unjoined_; }

 private:
  Refusal check() const;
  void on_refused(const Error& error, ProduceAnswer& answer);

  broker::Broker& owner_;
  broker::Topic* topic_;
  const ProducePart& part_;
  const ProduceTerms& terms_;
  bool unjoined_ = false;
};

Refusal Append::check() const {
  if (topic_ == nullptr || part_.index < 0 ||
      part_.index >= broker::Topics::settings(*topic_).partition_count) {
    return {ErrorCode::unknown_topic_or_partition, "no such topic or partition"};
  }
  if (!part_.records) return {ErrorCode::invalid_record, "no record batch"};
  if (terms_.version < zstd_from_version && is_zstd(*part_.records)) {
    return {ErrorCode::unsupported_compression_type, "zstd needs Produce 7"};
  }
  return check_framing(*part_.records);
}

std::optional<broker::Commit> Append::run(ProduceAnswer& answer) {
  answer.index = part_.index;
  if (Refusal refusal = check(); refusal.code != ErrorCode::none) {
    refuse(answer, refusal.code, std::move(refusal.message));
    return std::nullopt;
  }
  Result<broker::Appended> appended =
      owner_.topics().append_batch(*topic_, PartitionIndex(part_.index), *part_.records);
  if (!appended) {
    on_refused(appended.error(), answer);
    return std::nullopt;
  }
  answer.base_offset = appended->base_offset.value;
  answer.log_start_offset = appended->log_start.value;
  if (broker::Topics::settings(*topic_).append_time || appended->duplicate) {
    answer.log_append_time_ms = appended->append_time.ms;
  }
  return appended->commit;
}

void Append::on_refused(const Error& error, ProduceAnswer& answer) {
  ErrorCode code = produce_error_code(error.code);
  if (error.code == Errc::invalid_state && is_transactional(*part_.records)) {
    unjoined_ = true;
    if (terms_.version >= abortable_from_version) code = ErrorCode::transaction_abortable;
  }
  if (error.code == Errc::invalid_argument && broker::Topics::settings(*topic_).cleaning.on) {
    name_keyless_records(*part_.records, answer);
  }
  refuse(answer, code, error.message);
  // What the log itself refused comes with where it starts.
  if (code == ErrorCode::corrupt_message || code == ErrorCode::message_too_large ||
      code == ErrorCode::kafka_storage_error || unjoined_) {
    return;
  }
  answer.log_start_offset =
      owner_.topics().state(*topic_).log_start(PartitionIndex(part_.index)).value;
}

void add_commit(ProduceOutcome& outcome, const std::optional<broker::Commit>& commit) {
  if (!commit) return;
  outcome.commit = outcome.commit ? *outcome.commit | *commit : *commit;
}

// Requires: not asked by an id of another topic.
broker::Topic* find_topic(broker::Broker& owner, const ProduceTopic& asked) {
  return owner.topics().find(asked.name);
}

bool is_other(broker::Broker& owner, const ProduceTopic& asked, broker::Topic* found) {
  return asked.id &&
         (found == nullptr || topic_uuid(owner.topics().state(*found).id()) != *asked.id);
}

}  // namespace

void ProduceTopic::own() {
  std::string copy;
  for (const ProducePart& part : parts) copy.append(part.records.value_or(ByteView()));
  bytes = Slice::own(std::move(copy));
  std::size_t at = 0;
  for (ProducePart& part : parts) {
    if (!part.records) continue;
    part.records = bytes.view().substr(at, part.records->size());
    at += part.records->size();
  }
}

bool ProduceOutcome::failed() const {
  return std::any_of(partitions.begin(), partitions.end(),
                     [](const ProduceAnswer& answer) { return answer.error_code != 0; });
}

void refuse(ProduceAnswer& partition, ErrorCode code, std::string message) {
  partition.error_code = wire_code(code);
  partition.error_message = std::move(message);
  partition.base_offset = -1;
}

bool is_transactional(ByteView batch) {
  return (attributes_of(batch) & model::batch_attributes::transactional) != 0;
}

ProduceOutcome append_parts(broker::Broker& owner, const ProduceTopic& topic,
                            const ProduceTerms& terms) {
  ProduceOutcome outcome;
  outcome.partitions.reserve(topic.parts.size());
  broker::Topic* found = find_topic(owner, topic);
  bool other = is_other(owner, topic, found);
  const bool internal = is_internal_topic(topic.name);
  bool joins = terms.version >= joining_from_version && terms.transactional_id;
  for (const ProducePart& part : topic.parts) {
    ProduceAnswer& answer = outcome.partitions.emplace_back();
    if (other) {
      answer.index = part.index;
      refuse(answer, ErrorCode::unknown_topic_id, "no topic has this id");
      continue;
    }
    if (internal && found != nullptr) {
      answer.index = part.index;
      refuse(answer, ErrorCode::invalid_topic, "Cannot append to internal topic " + topic.name);
      continue;
    }
    Append append(owner, found, part, terms);
    add_commit(outcome, append.run(answer));
    if (!append.unjoined() || !joins) continue;
    // Its head was read when it was refused. All batches of a request have one producer; others
    // are refused when they come to join.
    Result<model::BatchHeader> header = model::check_batch(*part.records);
    if (!header) continue;
    outcome.producer = {header->producer_id, header->producer_epoch};
    outcome.unjoined.push_back(outcome.partitions.size() - 1);
  }
  return outcome;
}

void append_joined(broker::Broker& owner, const ProduceTopic& topic, const ProduceTerms& terms,
                   ProduceOutcome& outcome) {
  broker::Topic* found = find_topic(owner, topic);
  for (std::size_t place : outcome.unjoined) {
    outcome.partitions[place] = {};
    add_commit(outcome,
               Append(owner, found, topic.parts[place], terms).run(outcome.partitions[place]));
  }
}

}  // namespace trv::kafka
