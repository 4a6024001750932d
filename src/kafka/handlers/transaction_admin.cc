// Looking at producers and their transactions: DescribeProducers, DescribeTransactions,
// ListTransactions.
#include <algorithm>
#include <array>

#include "base/sort_unique.h"
#include "broker/topics.h"
#include "broker/transactions.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

using State = model::Transaction::State;
using ProducersAnswer = Gathering<wire::DescribeProducersResponse>;
using ProducersPartition = wire::DescribeProducersResponse::Topic::Partition;
using DescribeAnswer = Gathering<wire::DescribeTransactionsResponse>;
using Described = wire::DescribeTransactionsResponse::Transaction;

ProducersPartition describe_partition(broker::Broker& owner, broker::Topic* topic,
                                      std::int32_t index) {
  ProducersPartition answer;
  answer.index = index;
  if (topic == nullptr || index < 0 || index >= broker::Topics::settings(*topic).partition_count) {
    answer.error_code = wire_code(ErrorCode::unknown_topic_or_partition);
    return answer;
  }
  const model::Topic& state = owner.topics().state(*topic);
  for (const auto& producer : state.producers(PartitionIndex(index)).describe()) {
    answer.active_producers.push_back(
        {producer.producer.value, producer.epoch, producer.last_sequence,
         producer.last_timestamp.ms, producer.coordinator_epoch, producer.transaction_start.value});
  }
  return answer;
}

Described describe_transaction(broker::Broker& owner, const std::string& id) {
  Described answer;
  answer.transactional_id = id;
  if (id.empty()) {
    answer.error_code = wire_code(ErrorCode::invalid_request);
    return answer;
  }
  std::optional<model::Transaction> found = owner.transactions().describe(id);
  if (!found) {
    answer.error_code = wire_code(ErrorCode::transactional_id_not_found);
    return answer;
  }
  answer.state = std::string(model::transaction_state_name(found->state));
  answer.timeout_ms = static_cast<std::int32_t>(found->timeout.count());
  answer.start_time_ms = found->state == State::empty ? -1 : found->started.ms;
  answer.producer_id = found->producer.id.value;
  answer.producer_epoch = found->producer.epoch;
  for (const model::TransactionPartition& partition : found->partitions) {
    if (answer.topics.empty() || answer.topics.back().name != partition.topic) {
      answer.topics.emplace_back().name = partition.topic;
    }
    answer.topics.back().partitions.push_back(partition.partition.value);
  }
  return answer;
}

// --- listing ------------------------------------------------------------------------------------

constexpr std::array listed_states{State::empty,           State::ongoing,
                                   State::prepare_commit,  State::prepare_abort,
                                   State::complete_commit, State::complete_abort};
// States that Kafka has and transactions here never are in.
constexpr std::array<std::string_view, 2> other_states{"Dead", "PrepareEpochFence"};

bool known_state(std::string_view name) {
  return std::any_of(
             listed_states.begin(), listed_states.end(),
             [name](State state) { return model::transaction_state_name(state) == name; }) ||
         std::find(other_states.begin(), other_states.end(), name) != other_states.end();
}

struct Filters {
  std::vector<std::string> states;
  std::vector<std::int64_t> producers;
  std::int64_t duration_ms = -1;
  WallTime now;

  template <class T, class U>
  static bool allows(const std::vector<T>& wanted, const U& value) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
  }
  bool allow(const broker::Transactions::Listed& listed) const {
    if (!allows(states, model::transaction_state_name(listed.state))) return false;
    if (!allows(producers, listed.producer.value)) return false;
    return duration_ms < 0 || now.ms - listed.started.ms > duration_ms;
  }
};

}  // namespace

void handle_describe_producers(const Call& call, const wire::DescribeProducersRequest& request) {
  auto answer = gather_answer<wire::DescribeProducersResponse>(call.reply);
  answer->response.topics.resize(request.topics.size());
  CoreIndex home = call.service.home();
  for (std::size_t place = 0; place < request.topics.size(); ++place) {
    const auto& topic = request.topics[place];
    std::string name(topic.name);
    answer->response.topics[place].name = name;
    answer->expect();
    // Each once: a request of numbers must not become an answer of as many descriptions.
    std::vector<std::int32_t> indexes = topic.partitions;
    sort_unique(indexes);
    call.service.broker().at(topic.name, [answer, place, home, name,
                                          indexes = std::move(indexes)](broker::Broker& owner) {
      broker::Topic* found = valid_topic_name(name) ? owner.topics().find(name) : nullptr;
      std::vector<ProducersPartition> partitions;
      for (std::int32_t index : indexes) {
        partitions.push_back(describe_partition(owner, found, index));
        if (valid_topic_name(name)) continue;
        partitions.back().error_code = wire_code(ErrorCode::invalid_topic);
      }
      back_home(owner, home, [answer, place, partitions = std::move(partitions)]() mutable {
        answer->response.topics[place].partitions = std::move(partitions);
        answer->done();
      });
    });
  }
  answer->done();
}

void handle_describe_transactions(const Call& call,
                                  const wire::DescribeTransactionsRequest& request) {
  auto answer = gather_answer<wire::DescribeTransactionsResponse>(call.reply);
  std::vector<ByteView> ids = request.transactional_ids;
  sort_unique(ids);
  answer->response.transactions.resize(ids.size());
  CoreIndex home = call.service.home();
  for (std::size_t place = 0; place < ids.size(); ++place) {
    ByteView id = ids[place];
    answer->expect();
    call.service.broker().at(
        id, [answer, place, home, id = std::string(id)](broker::Broker& owner) {
          back_home(owner, home,
                    [answer, place, described = describe_transaction(owner, id)]() mutable {
                      answer->response.transactions[place] = std::move(described);
                      answer->done();
                    });
        });
  }
  answer->done();
}

void handle_list_transactions(const Call& call, const wire::ListTransactionsRequest& request) {
  Filters filters{{request.states_filter.begin(), request.states_filter.end()},
                  request.producer_ids_filter,
                  request.duration_filter_ms,
                  call.service.broker().wall_now()};
  call.service.broker().gather(
      [](broker::Broker& owner) { return owner.transactions().list(); },
      [reply = call.reply, filters = std::move(filters)](
          const std::vector<std::vector<broker::Transactions::Listed>>& by_core) {
        wire::ListTransactionsResponse response;
        for (const std::string& state : filters.states) {
          if (!known_state(state)) response.unknown_states.push_back(state);
        }
        for (const auto& all : by_core) {
          for (const broker::Transactions::Listed& listed : all) {
            if (!filters.allow(listed)) continue;
            response.transactions.push_back(
                {listed.transactional_id, listed.producer.value,
                 std::string(model::transaction_state_name(listed.state))});
          }
        }
        reply.send(response);
      });
}

}  // namespace trv::kafka
