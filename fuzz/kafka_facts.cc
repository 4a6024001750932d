// What clients learn from answers.
#include "kafka_facts.h"

#include <algorithm>

#include "kafka_witness.h"

namespace trv::fuzz {

namespace {

enum Key : std::int16_t {
  produce = 0,
  fetch = 1,
  metadata = 3,
  join_group = 11,
  heartbeat = 12,
  leave_group = 13,
  sync_group = 14,
  create_topics = 19,
  init_producer_id = 22,
  end_txn = 26,
  consumer_heartbeat = 68,
  share_heartbeat = 76,
  share_fetch = 78,
  share_acknowledge = 79
};

constexpr std::int64_t unknown_member = 25;
constexpr std::int64_t member_id_required = 79;
constexpr std::int64_t fenced_member = 110;

void learn_ids(KafkaFacts& facts, const Value& answer) {
  for (const Value& topic : answer["topics"].items()) {
    const std::string& id = topic["topic_id"].text();
    if (topic["error_code"].number() != 0 || id.empty() || id == no_uuid()) continue;
    facts.topic_ids[topic["name"].text()] = id;
  }
}

void learn_producer(Producer& producer, const Value& answer) {
  if (!answer.has("producer_id") || answer["producer_id"].number() < 0) return;
  producer.id = answer["producer_id"].number();
  producer.epoch = static_cast<std::int16_t>(answer["producer_epoch"].number());
  producer.next.clear();
}

void learn_identity(KafkaFacts& facts, const Value& request, const Value& answer) {
  const std::string& id = request["transactional_id"].text();
  if (Producer* producer = facts.find_producer(id)) return learn_producer(*producer, answer);
  if (!id.empty() || !request.has("producer")) return;
  learn_producer(facts.producers[static_cast<std::size_t>(request["producer"].number())], answer);
}

// What was not taken is sent again under its number.
void learn_produced(KafkaFacts& facts, const Exchange& exchange, const Value& answer) {
  each_partition(facts, answer, [&](const LogName& log, auto&, const Value& partition) {
    const auto sent = exchange.produced.find(log);
    if (partition["error_code"].number() == 0 || sent == exchange.produced.end()) return;
    if (!sent->second) return;
    const model::BatchHeader& header = sent->second->header;
    for (Producer& producer : facts.producers) {
      if (producer.id != header.producer_id.value || producer.epoch != header.producer_epoch) {
        continue;
      }
      std::int32_t& next = producer.next[log];
      if (header.base_sequence >= next) continue;
      next = header.base_sequence;
      // What came before it is not known to have been one batch.
      producer.last_count[log] = std::min(next, 1);
    }
  });
}

void learn_fetched(KafkaFacts& facts, const Exchange& exchange, const Value& answer) {
  FetchSession& session = facts.fetch_sessions[exchange.peer];
  if (answer["error_code"].number() != 0) {
    session = {};
  } else if (answer["session_id"].number() != 0 &&
             exchange.request["session_epoch"].number() == 0) {
    session = {static_cast<std::int32_t>(answer["session_id"].number()), 1};
  }
}

void learn_member(Member& member, const Exchange& exchange, const Value& answer) {
  const std::int64_t error = answer["error_code"].number();
  switch (exchange.api->key) {
    case join_group:
      if (error == 0 || error == member_id_required) {
        member.classic_id = answer["member_id"].text();
        member.generation = static_cast<std::int32_t>(answer["generation_id"].number());
      }
      [[fallthrough]];
    case heartbeat:
    case sync_group:
      if (error == unknown_member) member.classic_id.clear();
      break;
    case leave_group:
      if (error == 0) member.classic_id.clear();
      break;
    default:
      if (error == 0) {
        member.id = answer["member_id"].text();
        member.epoch = static_cast<std::int32_t>(answer["member_epoch"].number());
      } else if (error == unknown_member || error == fenced_member) {
        member.epoch = 0;
      }
  }
}

void forget_acknowledged(KafkaFacts& facts, Member& member, const Exchange& exchange) {
  each_partition(facts, exchange.request, [&](const LogName& log, auto&, const Value& partition) {
    for (const Value& batch : partition["acknowledgement_batches"].items()) {
      std::erase_if(member.acquired, [&](const Member::Acquired& range) {
        return range.log == log && range.first == batch["first_offset"].number();
      });
    }
  });
}

void learn_shared(KafkaFacts& facts, Member& member, const Exchange& exchange,
                  const Value& answer) {
  const std::int64_t epoch = exchange.request["share_session_epoch"].number();
  forget_acknowledged(facts, member, exchange);
  if (answer["error_code"].number() != 0 || epoch < 0) {
    member.share_session_epoch = 0;
    member.acquired.clear();
    return;
  }
  member.share_session_epoch = static_cast<std::int32_t>(epoch + 1);
  each_partition(facts, answer, [&](const LogName& log, auto&, const Value& partition) {
    for (const Value& range : partition["acquired_records"].items()) {
      member.acquired.push_back(
          {log, range["first_offset"].number(), range["last_offset"].number()});
    }
  });
}

}  // namespace

void learn(KafkaFacts& facts, const Exchange& exchange, const Value& answer) {
  const std::size_t group = facts.group_index(exchange.request["group_id"].text());
  Member* member = group < facts.groups.size() ? &facts.members[exchange.peer][group] : nullptr;
  switch (exchange.api->key) {
    case produce:
      return learn_produced(facts, exchange, answer);
    case fetch:
      return learn_fetched(facts, exchange, answer);
    case metadata:
    case create_topics:
      return learn_ids(facts, answer);
    case init_producer_id:
      if (answer["error_code"].number() != 0) return;
      return learn_identity(facts, exchange.request, answer);
    case end_txn: {
      Producer* producer = facts.find_producer(exchange.request["transactional_id"].text());
      if (producer && answer["error_code"].number() == 0) learn_producer(*producer, answer);
      return;
    }
    case join_group:
    case heartbeat:
    case leave_group:
    case sync_group:
    case consumer_heartbeat:
    case share_heartbeat:
      if (member) learn_member(*member, exchange, answer);
      return;
    case share_fetch:
    case share_acknowledge:
      if (member) learn_shared(facts, *member, exchange, answer);
      return;
    default:
      return;
  }
}

}  // namespace trv::fuzz
