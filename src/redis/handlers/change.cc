#include "redis/handlers/change.h"

#include <algorithm>

namespace trv::redis {

std::string& Change::command(Op op, ByteView key) {
  if (!steps_.empty()) {
    Step& last = steps_.back();
    if (last.op == op && last.key == key && last.command.size() < command_size_max) {
      return last.command;
    }
  }
  return fresh(op, key);
}

std::string& Change::fresh(Op op, ByteView key) {
  steps_.push_back({std::string(key), {}, op});
  model::begin_command(steps_.back().command, op, key);
  return steps_.back().command;
}

void Change::remove(ByteView key) { fresh(Op::remove, key); }

void Change::put(ByteView key, ByteView value) {
  steps_.push_back({std::string(key), {}, Op::put});
  model::Keyspace::encode_put(steps_.back().command, key, value, std::nullopt);
}

void Change::copy(const KeyEntry& entry, ByteView key) {
  model::Keyspace::encode_copy(entry, key, [&](ByteView command) {
    steps_.push_back({std::string(key), std::string(command), Op::put});
  });
}

bool Change::replace_stream(ByteView key) {
  broker::Topic* topic = call_.broker.topics().find(key);
  if (!topic) return true;
  if (has_queues(*topic)) {
    call_.reply.error(queue_stays);
    return false;
  }
  if (std::find(streams_.begin(), streams_.end(), key) == streams_.end()) {
    streams_.emplace_back(key);
  }
  return true;
}

bool Change::store(broker::Space space) {
  if (steps_.size() > 1 || !streams_.empty()) {
    std::uint64_t size = 0;
    for (const Step& step : steps_) size += step.command.size() + put_overhead_max;
    if (Status room = call_.broker.promise(space, size); !room) {
      write_error(call_.reply, room.error());
      return false;
    }
    call_.broker.take_back(size);
  }
  for (const std::string& stream : streams_) {
    if (!redis::replace_stream(call_, stream, 0)) return false;
  }
  for (const Step& step : steps_) {
    if (!execute(call_, space, step.key, step.command)) return false;
  }
  return true;
}

bool replace_key(Call& call, Change& change, ByteView key) {
  if (call.broker.keyspaces().of(key).find(key, call.now)) {
    change.remove(key);
    return true;
  }
  return change.replace_stream(key);
}

}  // namespace trv::redis
