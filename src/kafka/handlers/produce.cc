// Produce: appends the batches of a request and answers when they are durable.
//
// A topic's batches are appended on the core of its owner (produce_run). In the second transaction
// protocol a partition joins the transaction of its producer when it is first written to: the
// batch is refused by its partition, the coordinator adds the partition and announces it, and the
// batch is appended in a second attempt. Meanwhile the connection takes no other request, so that
// later batches of the producer do not overtake this one.
#include "base/mutant.h"
#include "broker/quotas.h"
#include "kafka/handlers/coordinate.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/produce_run.h"
#include "kafka/handlers/topic_places.h"

namespace trv::kafka {
namespace {

using Answer = Gathering<wire::ProduceResponse>;

constexpr std::int16_t acks_none = 0;
// From here on topics are named by id.
constexpr std::int16_t ids_from_version = 13;

void refuse_undurable(std::vector<ProduceAnswer>& partitions, const Error& error) {
  for (ProduceAnswer& partition : partitions) {
    if (partition.error_code == 0) {
      refuse(partition, produce_error_code(error.code), error.message);
    }
  }
}

// On the owner's core: hands the partitions home once they may be spoken of.
void answer_when_durable(broker::Broker& owner, CoreIndex home, std::shared_ptr<Answer> answer,
                         std::size_t place, ProduceOutcome outcome) {
  auto finish = [&owner, home, answer = std::move(answer),
                 place](std::vector<ProduceAnswer> partitions) {
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

// --- joining a transaction ----------------------------------------------------------------------

// One topic of a request, on its way between cores.
struct TopicWork {
  Service* service;
  std::shared_ptr<Answer> answer;
  std::size_t place;
  ProduceTerms terms;
  ProduceTopic topic;  // with batches of its own
};

// On the home core: the coordinator has answered.
void on_joined(TopicWork work, ProduceOutcome outcome,
               const broker::Transactions::Outcome& joined) {
  // Partitions call a fenced producer one with an old epoch, in all versions.
  ErrorCode code = outcome_code(joined, false);
  if (code == ErrorCode::invalid_txn_state) code = ErrorCode::transaction_abortable;
  if (code != ErrorCode::none) {
    for (std::size_t at : outcome.unjoined) {
      refuse(outcome.partitions[at], code, "the partition could not join the transaction");
    }
    outcome.unjoined.clear();
  }
  CoreIndex home = work.service->home();
  broker::Broker& here = work.service->broker();
  std::string name = work.topic.name;
  here.at(name, [home, work = std::move(work),
                 outcome = std::move(outcome)](broker::Broker& owner) mutable {
    append_joined(owner, work.topic, work.terms, outcome);
    answer_when_durable(owner, home, std::move(work.answer), work.place, std::move(outcome));
  });
}

// On the home core.
void join_transaction(TopicWork work, ProduceOutcome outcome) {
  work.answer->reply.hold();
  std::vector<model::TransactionPartition> partitions;
  for (std::size_t at : outcome.unjoined) {
    partitions.push_back({work.topic.name, PartitionIndex(outcome.partitions[at].index)});
  }
  Service& service = *work.service;
  std::string id = *work.terms.transactional_id;
  model::ProducerIdentity producer = outcome.producer;
  coordinate(
      service, id,
      [id, producer, partitions = std::move(partitions)](broker::Transactions& transactions,
                                                         broker::Transactions::Done done) {
        transactions.add_partitions(id, producer, partitions, std::move(done));
      },
      [work = std::move(work),
       outcome = std::move(outcome)](const broker::Transactions::Outcome& joined) mutable {
        on_joined(std::move(work), std::move(outcome), joined);
      });
}

// --- the topics of a request --------------------------------------------------------------------

void append_here(TopicWork work) {
  broker::Broker& here = work.service->broker();
  ProduceOutcome outcome = append_parts(here, work.topic, work.terms);
  if (!outcome.unjoined.empty()) {
    work.topic.own();
    return join_transaction(std::move(work), std::move(outcome));
  }
  answer_when_durable(here, work.service->home(), std::move(work.answer), work.place,
                      std::move(outcome));
}

void append_there(TopicWork work) {
  broker::Broker& here = work.service->broker();
  // Whether partitions must join is known over there only.
  if (work.terms.transactional_id) work.answer->reply.hold();
  work.topic.own();
  CoreIndex home = work.service->home();
  std::string name = work.topic.name;
  here.at(name, [home, work = std::move(work)](broker::Broker& owner) mutable {
    ProduceOutcome outcome = append_parts(owner, work.topic, work.terms);
    if (outcome.unjoined.empty()) {
      answer_when_durable(owner, home, std::move(work.answer), work.place, std::move(outcome));
      return;
    }
    owner.post(home, [work = std::move(work), outcome = std::move(outcome)]() mutable {
      join_transaction(std::move(work), std::move(outcome));
    });
  });
}

// What a request uses of the quota of its client, where there is one.
struct Cost {
  std::optional<model::Quotas::Found> quota;
  std::size_t size = 0;
};

// Without acknowledgement a failure has only one way to be told: the connection ends.
void produce_unacknowledged(const Reply& reply, const ProduceTerms& terms, const Cost& cost,
                            std::vector<ProduceTopic> topics) {
  Service& service = reply.service();
  broker::Broker& here = service.broker();
  bool failed = false;
  for (ProduceTopic& topic : topics) {
    if (here.owns(topic.name)) {
      failed = append_parts(here, topic, terms).failed() || failed;
      continue;
    }
    topic.own();
    std::string name = topic.name;
    here.at(name,
            [topic = std::move(topic), terms, reply, home = service.home()](broker::Broker& owner) {
              if (!append_parts(owner, topic, terms).failed()) return;
              owner.post(home, [reply] { reply.close(); });
            });
  }
  if (failed) return reply.close();
  if (!cost.quota) return reply.nothing();
  // It is counted on whichever core; what the client has sent meanwhile must not get ahead of the
  // pause.
  reply.hold();
  here.quotas().use(*cost.quota, cost.size, [reply](broker::Quotas::Outcome used) {
    reply.mute(used.wait);
    reply.nothing();
  });
}

wire::ProduceResponse::Topic start_answer(const ProduceTopic& topic) {
  wire::ProduceResponse::Topic answer;
  answer.name = topic.name;
  answer.topic_id = topic.id.value_or(wire::Uuid());
  return answer;
}

void refuse_all(const Reply& reply, const std::vector<ProduceTopic>& topics, ErrorCode code,
                const std::string& message) {
  wire::ProduceResponse response;
  for (const ProduceTopic& topic : topics) {
    auto& answer = response.topics.emplace_back(start_answer(topic));
    for (const ProducePart& part : topic.parts) {
      ProduceAnswer& refused = answer.partitions.emplace_back();
      refused.index = part.index;
      refuse(refused, code, message);
    }
  }
  reply.send(response);
}

void count_cost(const std::shared_ptr<Answer>& answer, const Cost& cost) {
  answer->expect();
  broker::Broker& here = answer->reply.service().broker();
  here.quotas().use(*cost.quota, cost.size, [answer](broker::Quotas::Outcome used) {
    answer->response.throttle_time_ms = static_cast<std::int32_t>(used.wait.count());
    answer->reply.mute(used.wait);
    answer->done();
  });
}

bool has_transactional(const std::vector<ProduceTopic>& topics) {
  for (const ProduceTopic& topic : topics) {
    for (const ProducePart& part : topic.parts) {
      if (part.records && is_transactional(*part.records)) return true;
    }
  }
  return false;
}

// On the home core, when all topics that can be named are.
void produce(const Reply& reply, std::int16_t acks, const ProduceTerms& terms, const Cost& cost,
             std::vector<ProduceTopic> topics) {
  if (!terms.transactional_id && has_transactional(topics)) {
    if (acks == acks_none) return reply.close();
    return refuse_all(reply, topics, ErrorCode::transactional_id_authorization_failed,
                      "a transactional batch without a transactional id");
  }
  Service& service = reply.service();
  if (acks == acks_none) return produce_unacknowledged(reply, terms, cost, std::move(topics));
  auto answer = gather_answer<wire::ProduceResponse>(reply);
  if (cost.quota) count_cost(answer, cost);
  for (const ProduceTopic& topic : topics) {
    answer->response.topics.push_back(start_answer(topic));
  }
  for (std::size_t place = 0; place < topics.size(); ++place) {
    answer->expect();
    bool mine = service.broker().owns(topics[place].name);
    TopicWork work{&service, answer, place, terms, std::move(topics[place])};
    mine ? append_here(std::move(work)) : append_there(std::move(work));
  }
  answer->done();
}

std::vector<ProduceTopic> topics_of(const wire::ProduceRequest& request, bool by_id) {
  std::vector<ProduceTopic> topics;
  topics.reserve(request.topics.size());
  for (const auto& asked : request.topics) {
    ProduceTopic& topic = topics.emplace_back();
    topic.name = std::string(asked.name);
    if (by_id) topic.id = asked.topic_id;
    topic.parts.reserve(asked.partitions.size());
    for (const auto& partition : asked.partitions) {
      topic.parts.push_back({partition.index, partition.records});
    }
  }
  return topics;
}

}  // namespace

void handle_produce(const Call& call, const wire::ProduceRequest& request) {
  Service& service = call.service;
  ProduceTerms terms{call.header.version, std::nullopt};
  if (request.transactional_id) terms.transactional_id.emplace(*request.transactional_id);
  std::vector<ProduceTopic> topics = topics_of(request, terms.version >= ids_from_version);
  std::int16_t acks = request.acks;
  if (acks != acks_none && acks != 1 && acks != -1) {
    return refuse_all(call.reply, topics, ErrorCode::invalid_required_acks,
                      "acks must be -1, 0 or 1");
  }
  const Cost cost{
      service.broker().quotas().find(model::QuotaKind::write_rate, call.session.login().user(),
                                     call.header.client_id),
      call.body.size()};
  std::vector<wire::Uuid> unknown = name_topics(service, topics);
  if (unknown.empty()) return produce(call.reply, acks, terms, cost, std::move(topics));
  // Later batches must not overtake these.
  call.reply.hold();
  for (ProduceTopic& topic : topics) topic.own();
  resolve_topic_ids(service, std::move(unknown),
                    [&service, reply = call.reply, acks, cost, terms = std::move(terms),
                     topics = std::move(topics)](TopicNames names) mutable {
                      note_topics(service, std::move(names));
                      name_topics(service, topics);
                      produce(reply, acks, terms, cost, std::move(topics));
                    });
}

}  // namespace trv::kafka
