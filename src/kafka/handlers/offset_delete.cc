// OffsetDelete: forgets committed offsets of a group, but for topics that its members read.
#include <set>

#include "broker/groups.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"

namespace trv::kafka {
namespace {

struct Work {
  struct Topic {
    std::string name;
    std::vector<std::pair<std::int32_t, ErrorCode>> partitions;  // with the outcome
  };
  std::string group;
  std::vector<Topic> topics;
  ErrorCode code = ErrorCode::none;
};

// What members read; `all` when that cannot be told, as while they are joining.
struct Subscriptions {
  bool all = false;
  std::set<std::string, std::less<>> topics;

  bool contain(const std::string& topic) const { return all || topics.contains(topic); }
};

// Adds the topics that a member's metadata names, in the form of the consumer protocol: version,
// then topics. False when it has another form.
bool add_subscription(ByteView metadata, Subscriptions& subscriptions) {
  ByteReader in(metadata);
  in.i16();
  std::int32_t count = in.i32();
  for (std::int32_t i = 0; i < count && in.ok(); ++i) {
    subscriptions.topics.emplace(in.bytes(in.u16()));
  }
  return in.ok() && count >= 0;
}

Subscriptions subscriptions_of(const model::GroupDescription& group) {
  Subscriptions subscriptions;
  for (const model::GroupDescription::Member& member : group.members) {
    if (!add_subscription(member.metadata, subscriptions)) subscriptions.all = true;
  }
  return subscriptions;
}

Subscriptions subscriptions_of(const model::ConsumerGroup& group) {
  Subscriptions subscriptions;
  for (const auto& [id, member] : group.members()) {
    subscriptions.topics.insert(member.topics.begin(), member.topics.end());
    auto matches = group.patterns().find(member.pattern);
    if (matches == group.patterns().end()) continue;
    subscriptions.topics.insert(matches->second.begin(), matches->second.end());
  }
  return subscriptions;
}

// Marks what may not be forgotten; the rest.
std::vector<model::GroupPartition> choose(Work& work, const Subscriptions& subscriptions) {
  std::vector<model::GroupPartition> chosen;
  for (Work::Topic& topic : work.topics) {
    for (auto& [index, code] : topic.partitions) {
      if (code != ErrorCode::none) continue;
      if (subscriptions.contain(topic.name)) {
        code = ErrorCode::group_subscribed_to_topic;
      } else {
        chosen.push_back({topic.name, PartitionIndex(index)});
      }
    }
  }
  return chosen;
}

// On the group's owner.
void delete_there(broker::Broker& owner, Work work, UniqueFunction<void(Work)> done) {
  auto refuse = [&](ErrorCode code) {
    work.code = code;
    done(std::move(work));
  };
  Subscriptions subscriptions;
  if (const auto* assigned_here = owner.groups().consumers().find(work.group)) {
    subscriptions = subscriptions_of(*assigned_here);
  } else {
    std::optional<model::GroupDescription> group = owner.groups().describe(work.group);
    if (!group || group->state == "Dead") return refuse(ErrorCode::group_id_not_found);
    if (!group->members.empty() && group->protocol_type != "consumer") {
      return refuse(ErrorCode::non_empty_group);
    }
    subscriptions = subscriptions_of(*group);
  }
  std::vector<model::GroupPartition> chosen = choose(work, subscriptions);
  if (chosen.empty()) return done(std::move(work));
  Result<broker::Commit> forgotten = owner.groups().forget_offsets(work.group, chosen);
  if (!forgotten) return refuse(ErrorCode::coordinator_not_available);
  owner.when_durable(*forgotten, [work = std::move(work),
                                  done = std::move(done)](Result<broker::Durable> result) mutable {
    if (!result) work.code = ErrorCode::coordinator_not_available;
    done(std::move(work));
  });
}

void send(const Reply& reply, const Work& work) {
  wire::OffsetDeleteResponse response;
  response.error_code = wire_code(work.code);
  if (work.code == ErrorCode::none) {
    for (const Work::Topic& topic : work.topics) {
      auto& answer = response.topics.emplace_back();
      answer.name = topic.name;
      for (auto [index, code] : topic.partitions) {
        answer.partitions.push_back({index, wire_code(code)});
      }
    }
  }
  reply.send(response);
}

}  // namespace

void handle_offset_delete(const Call& call, const wire::OffsetDeleteRequest& request) {
  Work work;
  work.group = std::string(request.group_id);
  if (work.group.empty()) {
    work.code = ErrorCode::invalid_group_id;
    return send(call.reply, work);
  }
  std::vector<std::string> names;
  for (const auto& asked : request.topics) {
    Work::Topic& topic = work.topics.emplace_back();
    topic.name = std::string(asked.name);
    names.push_back(topic.name);
    for (const auto& partition : asked.partitions) {
      topic.partitions.emplace_back(partition.index, ErrorCode::none);
    }
  }
  Service& service = call.service;
  find_topic_places(
      service, std::move(names),
      [&service, reply = call.reply, work = std::move(work)](const TopicPlaces& places) mutable {
        for (Work::Topic& topic : work.topics) {
          auto place = places.find(topic.name);
          for (auto& [index, code] : topic.partitions) {
            bool exists = place != places.end() && place->second.has(index);
            if (!exists) code = ErrorCode::unknown_topic_or_partition;
          }
        }
        std::string group = work.group;
        service.broker().at(group, [reply, work = std::move(work),
                                    home = service.home()](broker::Broker& owner) mutable {
          delete_there(owner, std::move(work), [&owner, home, reply](Work done) {
            back_home(owner, home, [reply, done = std::move(done)] { send(reply, done); });
          });
        });
      });
}

}  // namespace trv::kafka
