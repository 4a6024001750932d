// Where copies are: DescribeLogDirs, ListPartitionReassignments, AlterPartitionReassignments,
// ElectLeaders. There is one copy of each partition that clients are told of, on this broker, and
// it leads: so nothing can move, and nobody else can be elected. The answers are those of a Kafka
// cluster of one broker.
#include <map>

#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/handlers/topic_places.h"
#include "kafka/names.h"

namespace trv::kafka {
namespace {

// --- log directories ----------------------------------------------------------------------------

using SizesByTopic = std::map<std::string, std::vector<std::uint64_t>>;  // by partition

SizesByTopic sizes_here(broker::Broker& owner) {
  SizesByTopic sizes;
  for (const broker::TopicFacts& facts : owner.topics().list()) {
    if (!valid_topic_name(facts.name)) continue;
    const model::Topic& state = owner.topics().state(*owner.topics().find(facts.name));
    std::vector<std::uint64_t>& partitions = sizes[facts.name];
    for (std::int32_t p = 0; p < state.partition_count(); ++p) {
      partitions.push_back(state.log_bytes(PartitionIndex(p)));
    }
  }
  return sizes;
}

using AnswerDirTopic = wire::DescribeLogDirsResponse::Result::Topic;

void add_size(AnswerDirTopic& topic, const std::vector<std::uint64_t>& sizes, std::int32_t index) {
  if (index < 0 || static_cast<std::size_t>(index) >= sizes.size()) return;
  auto size = static_cast<std::int64_t>(sizes[static_cast<std::size_t>(index)]);
  topic.partitions.push_back({index, size, 0, false});
}

struct AskedDirTopic {
  std::string name;
  std::vector<std::int32_t> partitions;
};
// Nothing: all topics.
using AskedDirTopics = std::optional<std::vector<AskedDirTopic>>;

std::vector<AnswerDirTopic> choose_sizes(const SizesByTopic& sizes, const AskedDirTopics& asked) {
  std::vector<AnswerDirTopic> topics;
  if (!asked) {
    for (const auto& [name, partitions] : sizes) {
      AnswerDirTopic topic{name, {}};
      for (std::size_t p = 0; p < partitions.size(); ++p) {
        add_size(topic, partitions, static_cast<std::int32_t>(p));
      }
      topics.push_back(std::move(topic));
    }
    return topics;
  }
  for (const AskedDirTopic& one : *asked) {
    auto found = sizes.find(one.name);
    if (found == sizes.end()) continue;
    AnswerDirTopic topic{one.name, {}};
    for (std::int32_t index : one.partitions) add_size(topic, found->second, index);
    if (!topic.partitions.empty()) topics.push_back(std::move(topic));
  }
  return topics;
}

// --- reassignments ------------------------------------------------------------------------------

using MoveResponse = wire::AlterPartitionReassignmentsResponse;

struct Move {
  std::string topic;
  struct Partition {
    std::int32_t index = 0;
    std::optional<std::vector<std::int32_t>> replicas;  // nothing: end what is under way
  };
  std::vector<Partition> partitions;
};

struct Outcome {
  ErrorCode code = ErrorCode::none;
  std::optional<std::string> message;
};

Outcome check_replicas(const std::vector<std::int32_t>& replicas, std::int32_t node_id) {
  const std::string begin = "The manual partition assignment includes ";
  if (replicas.empty()) {
    return {ErrorCode::invalid_replica_assignment, begin + "an empty replica list."};
  }
  for (std::int32_t replica : replicas) {
    if (replica != node_id) {
      return {ErrorCode::invalid_replica_assignment,
              begin + "broker " + std::to_string(replica) + ", but no such broker is registered."};
    }
  }
  if (replicas.size() > 1) {
    return {ErrorCode::invalid_replica_assignment,
            begin + "the broker " + std::to_string(node_id) + " more than once."};
  }
  return {};  // it is there already
}

Outcome move_partition(const std::string& topic, const Move::Partition& asked,
                       const TopicPlaces& places, std::int32_t node_id) {
  auto place = places.find(topic);
  if (place == places.end()) {
    return {ErrorCode::unknown_topic_or_partition, "Unable to find a topic named " + topic + "."};
  }
  if (!place->second.has(asked.index)) {
    return {ErrorCode::unknown_topic_or_partition,
            "Unable to find partition " + topic + ":" + std::to_string(asked.index) + "."};
  }
  if (!asked.replicas) return {ErrorCode::no_reassignment_in_progress, std::nullopt};
  return check_replicas(*asked.replicas, node_id);
}

// --- elections ----------------------------------------------------------------------------------

constexpr std::int8_t election_preferred = 0;
constexpr std::int8_t election_unclean = 1;

struct Election {
  std::string topic;
  std::vector<std::int32_t> partitions;
};

Outcome elect(const Election& asked, std::int32_t index, const TopicPlaces& places,
              std::int8_t type) {
  if (type != election_preferred && type != election_unclean) {
    return {ErrorCode::invalid_request, "Unknown election type " + std::to_string(type)};
  }
  auto place = places.find(asked.topic);
  if (place == places.end()) {
    return {ErrorCode::unknown_topic_or_partition, "No such topic as " + asked.topic};
  }
  if (!place->second.has(index)) {
    return {ErrorCode::unknown_topic_or_partition,
            "No such partition as " + asked.topic + "-" + std::to_string(index)};
  }
  return {ErrorCode::election_not_needed, "Leader election not needed for topic partition."};
}

}  // namespace

void handle_describe_log_dirs(const Call& call, const wire::DescribeLogDirsRequest& request) {
  AskedDirTopics asked;
  if (request.topics) {
    asked.emplace();
    for (const auto& topic : *request.topics) {
      asked->push_back({std::string(topic.name), topic.partitions});
    }
  }
  call.service.broker().gather(sizes_here, [reply = call.reply, asked = std::move(asked)](
                                               std::vector<SizesByTopic> by_core) {
    SizesByTopic sizes;
    for (SizesByTopic& here : by_core) sizes.merge(here);
    wire::DescribeLogDirsResponse response;
    auto& result = response.results.emplace_back();
    result.log_dir = reply.service().options().data_dir;
    result.topics = choose_sizes(sizes, asked);
    reply.send(response);
  });
}

void handle_list_partition_reassignments(const Call& call,
                                         const wire::ListPartitionReassignmentsRequest&) {
  call.reply.send(wire::ListPartitionReassignmentsResponse());
}

void handle_alter_partition_reassignments(const Call& call,
                                          const wire::AlterPartitionReassignmentsRequest& request) {
  std::vector<Move> moves;
  std::vector<std::string> names;
  for (const auto& topic : request.topics) {
    Move& move = moves.emplace_back();
    move.topic = std::string(topic.name);
    names.push_back(move.topic);
    for (const auto& partition : topic.partitions) {
      move.partitions.push_back({partition.index, partition.replicas});
    }
  }
  find_topic_places(call.service, std::move(names),
                    [reply = call.reply, moves = std::move(moves)](const TopicPlaces& places) {
                      std::int32_t node_id = reply.service().options().node_id;
                      MoveResponse response;
                      for (const Move& move : moves) {
                        auto& topic = response.topics.emplace_back();
                        topic.name = move.topic;
                        for (const Move::Partition& one : move.partitions) {
                          Outcome outcome = move_partition(move.topic, one, places, node_id);
                          topic.partitions.push_back(
                              {one.index, wire_code(outcome.code), std::move(outcome.message)});
                        }
                      }
                      reply.send(response);
                    });
}

void handle_elect_leaders(const Call& call, const wire::ElectLeadersRequest& request) {
  std::vector<Election> elections;
  std::vector<std::string> names;
  // All partitions have their leader: of those nothing is said.
  if (request.topics) {
    for (const auto& topic : *request.topics) {
      elections.push_back({std::string(topic.name), topic.partitions});
      names.emplace_back(topic.name);
    }
  }
  find_topic_places(call.service, std::move(names),
                    [reply = call.reply, type = request.election_type,
                     elections = std::move(elections)](const TopicPlaces& places) {
                      wire::ElectLeadersResponse response;
                      if (type != election_preferred && type != election_unclean) {
                        response.error_code = wire_code(ErrorCode::invalid_request);
                      }
                      for (const Election& election : elections) {
                        auto& topic = response.topics.emplace_back();
                        topic.name = election.topic;
                        for (std::int32_t index : election.partitions) {
                          Outcome outcome = elect(election, index, places, type);
                          topic.partitions.push_back(
                              {index, wire_code(outcome.code), std::move(outcome.message)});
                        }
                      }
                      reply.send(response);
                    });
}

}  // namespace trv::kafka
