// Producer ids and transactions: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn.
#include "kafka/handlers/coordinate.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"
#include "kafka/internal_topics.h"

namespace trv::kafka {
namespace {

using broker::Transactions;

// The second transaction protocol: each end raises the producer's epoch.
constexpr std::int16_t raising_from_version = 5;

void send_identity(const Reply& reply, const Transactions::Outcome& outcome) {
  wire::InitProducerIdResponse response;
  ErrorCode code = outcome_code(outcome, reply.version() >= 4);
  response.error_code = wire_code(code);
  if (code == ErrorCode::none) {
    response.producer_id = outcome.producer.id.value;
    response.producer_epoch = outcome.producer.epoch;
  }
  reply.send(response);
}

struct AddWork {
  std::string transactional_id;
  model::ProducerIdentity producer;
  std::vector<std::pair<std::string, std::vector<std::int32_t>>> topics;
};

// One code for all partitions.
void send_added(const Reply& reply, const AddWork& work, ErrorCode code) {
  wire::AddPartitionsToTxnResponse response;
  for (const auto& [name, partitions] : work.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = name;
    for (std::int32_t index : partitions) topic.partitions.push_back({index, wire_code(code)});
  }
  reply.send(response);
}

// Why one partition can be in no transaction of a client; none when it can.
ErrorCode check_partition(const std::string& topic, std::int32_t index, const TopicPlaces& places) {
  if (is_internal_topic(topic)) return ErrorCode::topic_authorization_failed;
  const auto place = places.find(topic);
  const bool exists = place != places.end() && place->second.has(index);
  return exists ? ErrorCode::none : ErrorCode::unknown_topic_or_partition;
}

// Some partition cannot be added: then none is.
bool refuse_partitions(const Reply& reply, const AddWork& work, const TopicPlaces& places) {
  wire::AddPartitionsToTxnResponse response;
  bool refused = false;
  for (const auto& [name, partitions] : work.topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = name;
    for (std::int32_t index : partitions) {
      ErrorCode code = check_partition(name, index, places);
      refused = refused || code != ErrorCode::none;
      if (code == ErrorCode::none) code = ErrorCode::operation_not_attempted;
      topic.partitions.push_back({index, wire_code(code)});
    }
  }
  if (refused) reply.send(response);
  return refused;
}

void add_known(Service& service, const Reply& reply, AddWork work) {
  std::vector<model::TransactionPartition> partitions;
  for (const auto& [name, indexes] : work.topics) {
    for (std::int32_t index : indexes) partitions.push_back({name, PartitionIndex(index)});
  }
  std::string id = work.transactional_id;
  coordinate(
      service, id,
      [id, producer = work.producer, partitions = std::move(partitions)](Transactions& transactions,
                                                                         Transactions::Done done) {
        transactions.add_partitions(id, producer, partitions, std::move(done));
      },
      [reply, work = std::move(work)](const Transactions::Outcome& outcome) {
        send_added(reply, work, outcome_code(outcome, reply.version() >= 2));
      });
}

}  // namespace

void handle_init_producer_id(const Call& call, const wire::InitProducerIdRequest& request) {
  Reply reply = call.reply;
  // Who asks for the next epoch names what it has: both or neither.
  if ((request.producer_id == -1) != (request.producer_epoch == -1)) {
    Transactions::Outcome outcome;
    outcome.error = model::TransactionError::invalid_request;
    return send_identity(reply, outcome);
  }
  if (!request.transactional_id) {
    call.service.broker().transactions().init_idempotent(
        [reply](const Transactions::Outcome& outcome) { send_identity(reply, outcome); });
    return;
  }
  std::string id(*request.transactional_id);
  std::optional<model::ProducerIdentity> expected;
  if (request.producer_id != -1) {
    expected = model::ProducerIdentity{ProducerId(request.producer_id), request.producer_epoch};
  }
  coordinate(
      call.service, id,
      [id, expected, timeout = std::chrono::milliseconds(request.transaction_timeout_ms)](
          Transactions& transactions, Transactions::Done done) {
        transactions.init(id, timeout, expected, std::move(done));
      },
      [reply](const Transactions::Outcome& outcome) { send_identity(reply, outcome); });
}

void handle_add_partitions_to_txn(const Call& call,
                                  const wire::AddPartitionsToTxnRequest& request) {
  AddWork work;
  work.transactional_id = std::string(request.transactional_id);
  work.producer = {ProducerId(request.producer_id), request.producer_epoch};
  std::vector<std::string> names;
  for (const auto& topic : request.topics) {
    names.emplace_back(topic.name);
    work.topics.emplace_back(std::string(topic.name), topic.partitions);
  }
  Service& service = call.service;
  find_topic_places(
      service, std::move(names),
      [&service, reply = call.reply, work = std::move(work)](const TopicPlaces& places) mutable {
        if (refuse_partitions(reply, work, places)) return;
        add_known(service, reply, std::move(work));
      });
}

void handle_add_offsets_to_txn(const Call& call, const wire::AddOffsetsToTxnRequest& request) {
  Reply reply = call.reply;
  if (request.group_id.empty()) {
    wire::AddOffsetsToTxnResponse response;
    response.error_code = wire_code(ErrorCode::invalid_group_id);
    reply.send(response);
    return;
  }
  std::string id(request.transactional_id);
  model::ProducerIdentity producer{ProducerId(request.producer_id), request.producer_epoch};
  coordinate(
      call.service, id,
      [id, producer, group = std::string(request.group_id)](Transactions& transactions,
                                                            Transactions::Done done) {
        transactions.add_group(id, producer, group, std::move(done));
      },
      [reply](const Transactions::Outcome& outcome) {
        wire::AddOffsetsToTxnResponse response;
        response.error_code = wire_code(outcome_code(outcome, reply.version() >= 2));
        reply.send(response);
      });
}

void handle_end_txn(const Call& call, const wire::EndTxnRequest& request) {
  Reply reply = call.reply;
  std::string id(request.transactional_id);
  model::ProducerIdentity producer{ProducerId(request.producer_id), request.producer_epoch};
  bool raising = call.header.version >= raising_from_version;
  coordinate(
      call.service, id,
      [id, producer, commit = request.committed, raising](Transactions& transactions,
                                                          Transactions::Done done) {
        if (raising) {
          transactions.end_raising(id, producer, commit, std::move(done));
        } else {
          transactions.end(id, producer, commit, std::move(done));
        }
      },
      [reply](const Transactions::Outcome& outcome) {
        wire::EndTxnResponse response;
        ErrorCode code = outcome_code(outcome, reply.version() >= 2);
        response.error_code = wire_code(code);
        if (code == ErrorCode::none) {
          response.producer_id = outcome.producer.id.value;
          response.producer_epoch = outcome.producer.epoch;
        }
        reply.send(response);
      });
}

}  // namespace trv::kafka
