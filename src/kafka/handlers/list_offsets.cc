// ListOffsets and OffsetForLeaderEpoch: where in a log something is.
#include <map>

#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"

namespace trv::kafka {
namespace {

using ListAnswer = Gathering<wire::ListOffsetsResponse>;
using ListedPartition = wire::ListOffsetsResponse::Topic::Partition;
using EpochAnswer = Gathering<wire::OffsetForLeaderEpochResponse>;
using EpochPartition = wire::OffsetForLeaderEpochResponse::Topic::Partition;

constexpr std::int64_t timestamp_latest = -1;
constexpr std::int64_t timestamp_earliest = -2;
constexpr std::int64_t timestamp_max = -3;
constexpr std::int16_t timestamp_max_from_version = 7;
// A log has one leader epoch here: it never changes hands.
constexpr std::int32_t leader_epoch = 0;

struct AskedOffset {
  std::int32_t index = 0;
  std::int32_t leader_epoch = -1;
  std::int64_t timestamp = 0;
  bool duplicate = false;  // named more than once
};

struct Terms {
  std::string name;
  std::int16_t version = 0;
  bool committed = false;
};

void list_by_time(broker::Broker& owner, broker::Topic& topic, const AskedOffset& asked,
                  ListedPartition& answer) {
  auto found = owner.topics().offset_since(topic, PartitionIndex(asked.index), asked.timestamp);
  if (!found) {
    answer.error_code = wire_code(error_code(found.error().code));
  } else if (*found) {
    answer.offset = (*found)->offset.value;
    answer.timestamp = (*found)->timestamp_ms;
    answer.leader_epoch = leader_epoch;
  }
}

void list_offset(broker::Broker& owner, broker::Topic* topic, const AskedOffset& asked,
                 const Terms& terms, ListedPartition& answer) {
  answer.index = asked.index;
  auto fail = [&](ErrorCode code) { answer.error_code = wire_code(code); };
  if (asked.duplicate) return fail(ErrorCode::invalid_request);
  if (topic == nullptr || asked.index < 0 ||
      asked.index >= broker::Topics::settings(*topic).partition_count) {
    return fail(ErrorCode::unknown_topic_or_partition);
  }
  if (asked.leader_epoch > leader_epoch) return fail(ErrorCode::unknown_leader_epoch);
  PartitionIndex partition(asked.index);
  if (asked.timestamp >= 0) return list_by_time(owner, *topic, asked, answer);
  if (asked.timestamp == timestamp_latest) {
    answer.offset = terms.committed ? owner.topics().last_stable_offset(*topic, partition).value
                                    : owner.topics().high_watermark(*topic, partition).value;
  } else if (asked.timestamp == timestamp_earliest) {
    answer.offset = owner.topics().state(*topic).log_start(partition).value;
  } else if (asked.timestamp == timestamp_max && terms.version >= timestamp_max_from_version) {
    auto found = owner.topics().max_timestamp(*topic, partition);
    if (!found) return;
    answer.offset = found->offset.value;
    answer.timestamp = found->timestamp_ms;
  } else {
    return fail(ErrorCode::unsupported_version);
  }
  answer.leader_epoch = leader_epoch;
}

struct AskedEpoch {
  std::int32_t index = 0;
  std::int32_t current_epoch = -1;
  std::int32_t epoch = 0;
};

EpochPartition end_of_epoch(broker::Broker& owner, broker::Topic* topic, const AskedEpoch& asked) {
  EpochPartition answer;
  answer.index = asked.index;
  if (topic == nullptr || asked.index < 0 ||
      asked.index >= broker::Topics::settings(*topic).partition_count) {
    answer.error_code = wire_code(ErrorCode::unknown_topic_or_partition);
  } else if (asked.current_epoch > leader_epoch) {
    answer.error_code = wire_code(ErrorCode::unknown_leader_epoch);
  } else if (asked.epoch == leader_epoch) {
    answer.leader_epoch = leader_epoch;
    answer.end_offset = owner.topics().high_watermark(*topic, PartitionIndex(asked.index)).value;
  }
  return answer;
}

}  // namespace

void handle_list_offsets(const Call& call, const wire::ListOffsetsRequest& request) {
  auto answer = gather_answer<wire::ListOffsetsResponse>(call.reply);
  answer->response.topics.resize(request.topics.size());
  CoreIndex home = call.service.home();
  for (std::size_t place = 0; place < request.topics.size(); ++place) {
    const auto& topic = request.topics[place];
    Terms terms{std::string(topic.name), call.header.version, request.isolation_level == 1};
    answer->response.topics[place].name = terms.name;
    std::vector<AskedOffset> asked;
    std::map<std::int32_t, int> times;
    for (const auto& partition : topic.partitions) ++times[partition.index];
    for (const auto& partition : topic.partitions) {
      int& count = times[partition.index];
      if (count == 0) continue;  // refused already
      asked.push_back(
          {partition.index, partition.current_leader_epoch, partition.timestamp, count > 1});
      count = 0;
    }
    answer->expect();
    call.service.broker().at(topic.name, [answer, place, home, terms = std::move(terms),
                                          asked = std::move(asked)](broker::Broker& owner) mutable {
      broker::Topic* found = owner.topics().find(terms.name);
      std::vector<ListedPartition> partitions(asked.size());
      for (std::size_t i = 0; i < asked.size(); ++i) {
        list_offset(owner, found, asked[i], terms, partitions[i]);
      }
      back_home(owner, home,
                [answer = std::move(answer), place, partitions = std::move(partitions)]() mutable {
                  answer->response.topics[place].partitions = std::move(partitions);
                  answer->done();
                });
    });
  }
  answer->done();
}

void handle_offset_for_leader_epoch(const Call& call,
                                    const wire::OffsetForLeaderEpochRequest& request) {
  auto answer = gather_answer<wire::OffsetForLeaderEpochResponse>(call.reply);
  answer->response.topics.resize(request.topics.size());
  CoreIndex home = call.service.home();
  for (std::size_t place = 0; place < request.topics.size(); ++place) {
    const auto& topic = request.topics[place];
    std::string name(topic.name);
    answer->response.topics[place].name = name;
    std::vector<AskedEpoch> asked;
    for (const auto& partition : topic.partitions) {
      asked.push_back({partition.index, partition.current_leader_epoch, partition.leader_epoch});
    }
    answer->expect();
    call.service.broker().at(topic.name, [answer, place, home, name,
                                          asked = std::move(asked)](broker::Broker& owner) mutable {
      broker::Topic* found = owner.topics().find(name);
      std::vector<EpochPartition> partitions;
      for (const AskedEpoch& one : asked) partitions.push_back(end_of_epoch(owner, found, one));
      back_home(owner, home,
                [answer = std::move(answer), place, partitions = std::move(partitions)]() mutable {
                  answer->response.topics[place].partitions = std::move(partitions);
                  answer->done();
                });
    });
  }
  answer->done();
}

}  // namespace trv::kafka
