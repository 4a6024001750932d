// DeleteTopics, by name or by id.
#include <map>

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

void refuse_topic(const std::shared_ptr<Answer>& answer, std::optional<std::string> name,
                  const wire::Uuid& id, ErrorCode code, std::optional<std::string> message) {
  answer->expect();
  add_topic(answer, std::move(name), {id, code, std::move(message)});
}

void remove_named(const std::shared_ptr<Answer>& answer, Service& service, std::string name) {
  answer->expect();
  std::string place = name;
  service.broker().at(place, [answer, name = std::move(name),
                              home = service.home()](broker::Broker& owner) mutable {
    remove_topic(owner, std::move(answer), std::move(name), home);
  });
}

// What is asked for, and how often.
struct Asked {
  std::map<std::string, int> names;
  std::map<wire::Uuid, int> ids;
};

constexpr std::string_view said_twice = "The request names this topic more than once.";

void remove_asked(const std::shared_ptr<Answer>& answer, Service& service, Asked asked,
                  const TopicNames& names) {
  for (const auto& [id, name] : names) {
    auto named = asked.names.find(name);
    if (name.empty()) {
      refuse_topic(answer, std::nullopt, id, ErrorCode::unknown_topic_id, std::nullopt);
    } else if (named != asked.names.end()) {
      asked.names.erase(named);
      refuse_topic(answer, name, id, ErrorCode::invalid_request, std::string(said_twice));
    } else {
      remove_named(answer, service, name);
    }
  }
  for (const auto& [name, times] : asked.names) {
    if (times == 1) {
      remove_named(answer, service, name);
    } else {
      refuse_topic(answer, name, {}, ErrorCode::invalid_request, std::string(said_twice));
    }
  }
  answer->done();
}

}  // namespace

void handle_delete_topics(const Call& call, const wire::DeleteTopicsRequest& request) {
  auto answer = gather_answer<wire::DeleteTopicsResponse>(call.reply);
  Asked asked;
  for (ByteView name : request.topic_names) ++asked.names[std::string(name)];
  for (const auto& topic : request.topics) {
    if (topic.name && topic.topic_id.is_zero()) {
      ++asked.names[std::string(*topic.name)];
    } else if (topic.name) {
      refuse_topic(answer, std::string(*topic.name), topic.topic_id, ErrorCode::invalid_request,
                   "Both name and id were given.");
    } else if (topic.topic_id.is_zero()) {
      refuse_topic(answer, std::nullopt, {}, ErrorCode::invalid_request, "No name and no id.");
    } else {
      ++asked.ids[topic.topic_id];
    }
  }
  std::vector<wire::Uuid> ids;
  for (const auto& [id, times] : asked.ids) {
    if (times == 1) {
      ids.push_back(id);
    } else {
      refuse_topic(answer, std::nullopt, id, ErrorCode::invalid_request, std::string(said_twice));
    }
  }
  Service& service = call.service;
  if (ids.empty()) return remove_asked(answer, service, std::move(asked), {});
  resolve_topic_ids(service, std::move(ids),
                    [answer, &service, asked = std::move(asked)](const TopicNames& names) mutable {
                      remove_asked(answer, service, std::move(asked), names);
                    });
}

}  // namespace trv::kafka
