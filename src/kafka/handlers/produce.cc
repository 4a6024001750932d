// Produce: appends the batches of a request and answers when they are durable.
#include <span>

#include "base/mutant.h"
#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

using Answer = Gathering<wire::ProduceResponse>;
using AnswerPartition = wire::ProduceResponse::Topic::Partition;

constexpr std::int16_t acks_none = 0;
constexpr std::int16_t zstd_from_version = 7;

struct Part {
  std::int32_t index = 0;
  std::optional<ByteView> records;
};

struct Outcome {
  std::vector<AnswerPartition> partitions;
  std::optional<broker::Commit> commit;  // of what was appended, duplicates included
  bool failed = false;
};

void refuse(AnswerPartition& partition, ErrorCode code, std::string message) {
  partition.error_code = wire_code(code);
  partition.error_message = std::move(message);
  partition.base_offset = -1;
}

bool is_zstd(ByteView batch) {
  return batch.size() > model::batch_crc_begin + 1 &&
         (batch[model::batch_crc_begin + 1] & model::batch_attributes::compression_mask) ==
             static_cast<int>(model::Compression::zstd);
}

// Names the records for which a batch was refused that a topic compacted by key cannot take: a
// producer then knows that the others were good.
void name_keyless_records(ByteView batch, AnswerPartition& answer) {
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

void append_part(broker::Broker& owner, broker::Topic* topic, const Part& part,
                 std::int16_t version, Outcome& outcome) {
  AnswerPartition& answer = outcome.partitions.emplace_back();
  answer.index = part.index;
  auto fail = [&](ErrorCode code, std::string message) {
    refuse(answer, code, std::move(message));
    outcome.failed = true;
  };
  if (topic == nullptr || part.index < 0 ||
      part.index >= broker::Topics::settings(*topic).partition_count) {
    return fail(ErrorCode::unknown_topic_or_partition, "no such topic or partition");
  }
  if (!part.records || part.records->empty()) {
    return fail(ErrorCode::invalid_record, "no record batch");
  }
  if (version < zstd_from_version && is_zstd(*part.records)) {
    return fail(ErrorCode::unsupported_compression_type, "zstd needs Produce 7");
  }
  Result<broker::Appended> appended =
      owner.topics().append_batch(*topic, PartitionIndex(part.index), *part.records);
  if (!appended) {
    if (appended.error().code == Errc::invalid_argument &&
        broker::Topics::settings(*topic).cleaning.on) {
      name_keyless_records(*part.records, answer);
    }
    return fail(produce_error_code(appended.error().code), appended.error().message);
  }
  answer.base_offset = appended->base_offset.value;
  answer.log_start_offset = appended->log_start.value;
  if (broker::Topics::settings(*topic).append_time) {
    answer.log_append_time_ms = appended->append_time.ms;
  }
  outcome.commit = outcome.commit ? *outcome.commit | appended->commit : appended->commit;
}

// On the owner's core.
Outcome append_parts(broker::Broker& owner, std::string_view name, std::span<const Part> parts,
                     std::int16_t version) {
  Outcome outcome;
  outcome.partitions.reserve(parts.size());
  broker::Topic* topic = owner.topics().find(name);
  for (const Part& part : parts) append_part(owner, topic, part, version, outcome);
  return outcome;
}

void refuse_undurable(std::vector<AnswerPartition>& partitions, const Error& error) {
  for (AnswerPartition& partition : partitions) {
    if (partition.error_code == 0) {
      refuse(partition, produce_error_code(error.code), error.message);
    }
  }
}

// On the owner's core: hands the partitions home once they may be spoken of.
void answer_when_durable(broker::Broker& owner, CoreIndex home, std::shared_ptr<Answer> answer,
                         std::size_t place, Outcome outcome) {
  auto finish = [&owner, home, answer = std::move(answer),
                 place](std::vector<AnswerPartition> partitions) {
    back_home(owner, home, [answer, place, partitions = std::move(partitions)]() mutable {
      answer->response.topics[place].partitions = std::move(partitions);
      answer->done();
    });
  };
  if (!outcome.commit || TRV_MUTANT(produce_answered_early)) {
    finish(std::move(outcome.partitions));
    return;
  }
  owner.when_durable(*outcome.commit,
                     [finish = std::move(finish), partitions = std::move(outcome.partitions)](
                         Result<broker::Durable> result) mutable {
                       if (!result) refuse_undurable(partitions, result.error());
                       finish(std::move(partitions));
                     });
}

// Copies of the batches, to be appended on another core.
struct Parcel {
  std::string name;
  std::vector<Part> parts;
  Slice bytes;
};

Parcel make_parcel(ByteView name, std::span<const Part> parts) {
  Parcel parcel{std::string(name), {parts.begin(), parts.end()}, {}};
  std::string bytes;
  for (const Part& part : parts) bytes.append(part.records.value_or(ByteView()));
  parcel.bytes = Slice::own(std::move(bytes));
  std::size_t at = 0;
  for (Part& part : parcel.parts) {
    if (!part.records) continue;
    part.records = parcel.bytes.view().substr(at, part.records->size());
    at += part.records->size();
  }
  return parcel;
}

std::vector<Part> parts_of(const wire::ProduceRequest::Topic& topic) {
  std::vector<Part> parts;
  parts.reserve(topic.partitions.size());
  for (const auto& partition : topic.partitions) {
    parts.push_back({partition.index, partition.records});
  }
  return parts;
}

// Without acknowledgement a failure has only one way to be told: the connection ends.
void produce_unacknowledged(const Call& call, const wire::ProduceRequest& request) {
  broker::Broker& here = call.service.broker();
  std::int16_t version = call.header.version;
  bool failed = false;
  for (const auto& topic : request.topics) {
    std::vector<Part> parts = parts_of(topic);
    if (here.owns(topic.name)) {
      failed = append_parts(here, topic.name, parts, version).failed || failed;
      continue;
    }
    here.at(topic.name, [parcel = make_parcel(topic.name, parts), version, reply = call.reply,
                         home = call.service.home()](broker::Broker& owner) {
      if (!append_parts(owner, parcel.name, parcel.parts, version).failed) return;
      owner.post(home, [reply] { reply.close(); });
    });
  }
  if (failed) {
    call.reply.close();
  } else {
    call.reply.nothing();
  }
}

void refuse_acks(const Call& call, const wire::ProduceRequest& request) {
  wire::ProduceResponse response;
  for (const auto& topic : request.topics) {
    auto& answer = response.topics.emplace_back();
    answer.name = std::string(topic.name);
    for (const auto& partition : topic.partitions) {
      auto& refused = answer.partitions.emplace_back();
      refused.index = partition.index;
      refuse(refused, ErrorCode::invalid_required_acks, "acks must be -1, 0 or 1");
    }
  }
  call.reply.send(response);
}

}  // namespace

void handle_produce(const Call& call, const wire::ProduceRequest& request) {
  if (request.acks == acks_none) return produce_unacknowledged(call, request);
  if (request.acks != 1 && request.acks != -1) return refuse_acks(call, request);
  broker::Broker& here = call.service.broker();
  CoreIndex home = call.service.home();
  std::int16_t version = call.header.version;
  auto answer = gather_answer<wire::ProduceResponse>(call.reply);
  answer->response.topics.resize(request.topics.size());
  for (std::size_t place = 0; place < request.topics.size(); ++place) {
    const auto& topic = request.topics[place];
    answer->response.topics[place].name = std::string(topic.name);
    answer->expect();
    std::vector<Part> parts = parts_of(topic);
    if (here.owns(topic.name)) {
      answer_when_durable(here, home, answer, place,
                          append_parts(here, topic.name, parts, version));
      continue;
    }
    here.at(topic.name, [answer, place, home, version,
                         parcel = make_parcel(topic.name, parts)](broker::Broker& owner) mutable {
      answer_when_durable(owner, home, std::move(answer), place,
                          append_parts(owner, parcel.name, parcel.parts, version));
    });
  }
  answer->done();
}

}  // namespace trv::kafka
