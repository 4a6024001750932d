#include "amqp/stream_queue.h"

#include "amqp/wire/table.h"
#include "base/age.h"
#include "model/topic.h"

namespace trv::amqp {

namespace {

// Under which the declaration's bytes are among the log's settings as given.
constexpr std::string_view given_name = "amqp.stream";

}  // namespace

model::TopicSettings stream_log(const broker::QueueSettings& wanted) {
  model::TopicSettings log;
  if (const auto age = wire::find_field(wanted.arguments, "x-max-age")) {
    log.retention_ms = parse_age(age->raw).value_or(-1);
  }
  if (const auto size = wire::find_field(wanted.arguments, "x-max-length-bytes")) {
    log.retention_bytes = size->integer().value_or(-1);
  }
  log.given.emplace_back(given_name, wanted.arguments);
  return log;
}

std::optional<ByteView> stream_arguments(const model::TopicSettings& log) {
  for (const auto& [name, value] : log.given) {
    if (name == given_name) return value;
  }
  return std::nullopt;
}

void govern_streams(broker::Topics& topics) {
  topics.let_policies_bear_on(
      [](const model::TopicSettings& log) { return stream_arguments(log).has_value(); });
}

std::optional<Failure> stream_difference(std::string_view name, const model::TopicSettings& log,
                                         const WantedQueue& wanted) {
  if (const auto arguments = stream_arguments(log)) {
    broker::QueueSettings current;
    current.arguments = *arguments;
    return queue_difference(name, current, wanted.settings);
  }
  if (wanted.refusal) return wanted.refusal;
  const model::TopicSettings same = stream_log(wanted.settings);
  const bool equal = same.retention_ms == log.retention_ms &&
                     same.retention_bytes == log.retention_bytes && !log.transient;
  if (equal) return std::nullopt;
  return precondition(queue_resource(name) + " is a log with other limits of age and size");
}

}  // namespace trv::amqp
