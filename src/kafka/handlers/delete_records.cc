// DeleteRecords: moves the beginning of partitions forward. What lay before is gone for readers of
// all protocols.
#include "broker/topics.h"
#include "kafka/errors.h"
#include "kafka/handlers/gathering.h"
#include "kafka/handlers/handlers.h"
#include "kafka/internal_topics.h"
#include "kafka/names.h"
#include "kafka/topic_config.h"

namespace trv::kafka {
namespace {

using Answer = Gathering<wire::DeleteRecordsResponse>;
using AnswerPartition = wire::DeleteRecordsResponse::Topic::Partition;

constexpr std::int64_t offset_high_watermark = -1;

struct Asked {
  struct Partition {
    std::int32_t index = 0;
    std::int64_t offset = 0;
  };
  std::string name;
  std::vector<Partition> partitions;
};

bool deletes(const model::TopicSettings& settings) {
  std::string policy = topic_config_value(settings, *find_topic_config("cleanup.policy")).value;
  return policy.find("delete") != std::string::npos;
}

// Puts the outcome into `answer`; the commit that it waits for, if any.
std::optional<broker::Commit> delete_in(broker::Broker& owner, broker::Topic* topic,
                                        const Asked::Partition& asked, AnswerPartition& answer) {
  answer.index = asked.index;
  auto fail = [&answer](ErrorCode code) {
    answer.error_code = wire_code(code);
    return std::nullopt;
  };
  if (topic == nullptr || asked.index < 0 ||
      asked.index >= broker::Topics::settings(*topic).partition_count) {
    return fail(ErrorCode::unknown_topic_or_partition);
  }
  if (is_internal_topic(owner.topics().state(*topic).name())) return fail(ErrorCode::invalid_topic);
  if (!deletes(broker::Topics::settings(*topic))) return fail(ErrorCode::policy_violation);
  if (asked.offset < offset_high_watermark) return fail(ErrorCode::offset_out_of_range);
  PartitionIndex partition(asked.index);
  Offset offset = asked.offset == offset_high_watermark
                      ? owner.topics().high_watermark(*topic, partition)
                      : Offset(asked.offset);
  auto removed = owner.topics().trim_partition(*topic, partition, offset);
  if (!removed) return fail(error_code(removed.error().code));
  answer.low_watermark = owner.topics().state(*topic).log_start(partition).value;
  return removed->commit;
}

// The change did not become durable.
void fail_changed(std::vector<AnswerPartition>& partitions, ErrorCode code) {
  for (AnswerPartition& partition : partitions) {
    if (partition.error_code != wire_code(ErrorCode::none)) continue;
    partition.error_code = wire_code(code);
    partition.low_watermark = -1;
  }
}

// On the owner's core.
void delete_asked(broker::Broker& owner, std::shared_ptr<Answer> answer, std::size_t place,
                  const Asked& asked, CoreIndex home) {
  broker::Topic* topic = valid_topic_name(asked.name) ? owner.topics().find(asked.name) : nullptr;
  std::vector<AnswerPartition> partitions(asked.partitions.size());
  std::optional<broker::Commit> commit;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    auto one = delete_in(owner, topic, asked.partitions[i], partitions[i]);
    if (one) commit = commit ? *commit | *one : *one;
  }
  auto reply = [&owner, home, place, answer = std::move(answer),
                partitions = std::move(partitions)](ErrorCode code) mutable {
    if (code != ErrorCode::none) fail_changed(partitions, code);
    back_home(owner, home,
              [place, answer = std::move(answer), partitions = std::move(partitions)]() mutable {
                answer->response.topics[place].partitions = std::move(partitions);
                answer->done();
              });
  };
  if (!commit) return reply(ErrorCode::none);
  owner.when_durable(*commit, [reply = std::move(reply)](Result<broker::Durable> result) mutable {
    reply(result ? ErrorCode::none : error_code(result.error().code));
  });
}

}  // namespace

void handle_delete_records(const Call& call, const wire::DeleteRecordsRequest& request) {
  auto answer = gather_answer<wire::DeleteRecordsResponse>(call.reply);
  answer->response.topics.resize(request.topics.size());
  for (std::size_t place = 0; place < request.topics.size(); ++place) {
    const auto& topic = request.topics[place];
    Asked asked{std::string(topic.name), {}};
    answer->response.topics[place].name = asked.name;
    for (const auto& partition : topic.partitions) {
      asked.partitions.push_back({partition.index, partition.offset});
    }
    answer->expect();
    call.service.broker().at(topic.name, [answer, place, asked = std::move(asked),
                                          home = call.service.home()](broker::Broker& owner) {
      delete_asked(owner, answer, place, asked, home);
    });
  }
  answer->done();
}

}  // namespace trv::kafka
