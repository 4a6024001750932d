// DeleteTopics, by name or by id.
#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

using Answer = Gathering<wire::DeleteTopicsResponse>;

struct Outcome {
  wire::Uuid id;
  ErrorCode code = ErrorCode::none;
  std::optional<std::string> message;
};

void add_topic(const std::shared_ptr<Answer>& answer, std::optional<std::string> name,
               Outcome outcome) {
  answer->response.topics.push_back(
      {std::move(name), outcome.id, wire_code(outcome.code), std::move(outcome.message)});
  answer->done();
}

// On the owner's core.
void remove_topic(broker::Broker& owner, std::shared_ptr<Answer> answer, std::string name,
                  CoreIndex home) {
  auto reply = [&owner, answer, name, home](Outcome outcome) {
    back_home(owner, home, [answer, name, outcome = std::move(outcome)]() mutable {
      add_topic(answer, std::move(name), std::move(outcome));
    });
  };
  broker::Topic* topic = valid_topic_name(name) ? owner.topics().find(name) : nullptr;
  if (topic == nullptr) {
    reply({{}, ErrorCode::unknown_topic_or_partition, std::nullopt});
    return;
  }
  wire::Uuid id = topic_uuid(owner.topics().state(*topic).id());
  Result<broker::Commit> removed = owner.topics().remove(name);
  if (!removed) {
    reply({id, error_code(removed.error().code), removed.error().message});
    return;
  }
  owner.when_durable(*removed, [reply, id](Result<broker::Durable> result) {
    if (result) {
      reply({id, ErrorCode::none, std::nullopt});
    } else {
      reply({id, error_code(result.error().code), result.error().message});
    }
  });
}

void remove_named(const std::shared_ptr<Answer>& answer, Service& service, std::string name) {
  answer->expect();
  std::string place = name;
  service.broker().at(place, [answer, name = std::move(name),
                              home = service.home()](broker::Broker& owner) mutable {
    remove_topic(owner, std::move(answer), std::move(name), home);
  });
}

}  // namespace

void handle_delete_topics(const Call& call, const wire::DeleteTopicsRequest& request) {
  auto answer = gather_answer<wire::DeleteTopicsResponse>(call.reply);
  for (ByteView name : request.topic_names) {
    remove_named(answer, call.service, std::string(name));
  }
  std::vector<wire::Uuid> ids;
  for (const auto& topic : request.topics) {
    if (!topic.name) {
      ids.push_back(topic.topic_id);
    } else if (topic.topic_id.is_zero()) {
      remove_named(answer, call.service, std::string(*topic.name));
    } else {
      answer->expect();
      add_topic(answer, std::string(*topic.name),
                {topic.topic_id, ErrorCode::invalid_request, "Both name and id were given."});
    }
  }
  if (!ids.empty()) {
    answer->expect();
    Service& service = call.service;
    resolve_topic_ids(service, std::move(ids), [answer, &service](TopicNames names) {
      for (auto& [id, name] : names) {
        if (!name.empty()) {
          remove_named(answer, service, std::move(name));
          continue;
        }
        answer->expect();
        add_topic(answer, std::nullopt, {id, ErrorCode::unknown_topic_id, std::nullopt});
      }
      answer->done();
    });
  }
  answer->done();
}

}  // namespace trv::kafka
