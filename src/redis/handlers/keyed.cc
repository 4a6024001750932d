#include "redis/handlers/keyed.h"

#include "base/mutant.h"
#include "redis/handlers/member_scan.h"
#include "redis/wire/number.h"

namespace trv::redis {

std::string_view type_name(model::ValueType type) {
  switch (type) {
    case model::ValueType::string:
      return "string";
    case model::ValueType::list:
      return "list";
    case model::ValueType::set:
      return "set";
    case model::ValueType::hash:
      return "hash";
    case model::ValueType::sorted_set:
      return "zset";
  }
  return "none";
}

FoundString find_string(Call& call, ByteView key) {
  model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  const KeyEntry* entry = keyspace.find(key, call.now);
  if (entry ? !entry->value.is_string() : call.broker.topics().find(key) != nullptr) {
    call.reply.error(text::wrong_type);
    return {nullptr, true};
  }
  shows(call, keyspace, key, entry);
  note_use(call, entry);
  return {entry, false};
}

namespace {

// How the key is before the command; a name without a kind is found from it afterwards.
std::optional<KeyTouch> begin_touch(Call& call, const model::Keyspace& keyspace, ByteView key,
                                    ByteView command) {
  if (!call.service.key_events().wants_any()) return std::nullopt;
  KeyTouch touch;
  touch.key = key;
  touch.op = static_cast<model::KeyspaceOp>(command[0]);
  touch.existed = keyspace.find(key, call.now) != nullptr;
  return touch;
}

void end_touch(Call& call, const model::Keyspace& keyspace, KeyTouch touch) {
  const KeyEntry* entry = keyspace.find(touch.key, call.now);
  touch.exists = entry != nullptr;
  touch.expires = entry && entry->expires;
  call.touches.push_back(std::move(touch));
}

}  // namespace

bool execute(Call& call, broker::Space space, ByteView key, ByteView command) {
  const model::Keyspace& keyspace = call.broker.keyspaces().of(key);
  std::optional<KeyTouch> touch = begin_touch(call, keyspace, key, command);
  Result<broker::Commit> kept = call.broker.keyspaces().execute(space, key, command);
  if (TRV_MUTANT(key_change_answered_early) && kept) kept = broker::Commit();
  if (!call.wait_for(kept)) return false;
  if (touch) end_touch(call, keyspace, std::move(*touch));
  call.service.waiters().on_changed(key);
  call.service.tracking().on_changed(key, call.caller.connection);
  return true;
}

bool put_string(Call& call, ByteView key, ByteView value, std::optional<WallTime> expires) {
  std::string& command = call.service.scratch();
  model::Keyspace::encode_put(command, key, value, expires);
  return execute(call, broker::Space::more, key, command);
}

bool remove_key(Call& call, ByteView key) {
  std::string& command = call.service.scratch();
  model::Keyspace::encode_remove(command, key);
  return execute(call, broker::Space::less, key, command);
}

bool may_write(Call& call) {
  Status writable = call.broker.writable();
  if (writable) return true;
  call.reply.error(error_text(writable.error()));
  return false;
}

bool has_queues(const broker::Topic& topic) {
  return broker::Topics::settings(topic).owned_by_queue;
}

bool replace_stream(Call& call, ByteView key, std::uint64_t size) {
  broker::Topic* topic = call.broker.topics().find(key);
  if (!topic) return true;
  if (has_queues(*topic)) {
    call.reply.error(queue_stays);
    return false;
  }
  if (Status room = call.broker.promise(broker::Space::more, size); !room) {
    write_error(call.reply, room.error());
    return false;
  }
  call.broker.take_back(size);
  return call.wait_for(call.broker.topics().remove(key));
}

bool reply_too_large(Call& call, std::size_t start) {
  if (call.reply.out().size() - start <= reply_bytes_max) return false;
  call.reply.out().resize(start);
  call.reply.error(text::reply_too_large);
  return true;
}

std::optional<std::int64_t> positive_arg(Call& call, std::size_t index) {
  std::optional<std::int64_t> value = parse_integer(call.args[index]);
  if (value && *value >= 0) return value;
  call.reply.error(text::not_positive);
  return std::nullopt;
}

std::optional<double> real_arg(Call& call, std::size_t index) {
  std::optional<double> value = parse_real(call.args[index]);
  if (!value) call.reply.error(text::not_real);
  return value;
}

std::optional<std::int64_t> random_count_arg(Call& call, std::size_t index) {
  std::optional<std::int64_t> count = integer_arg(call, index);
  constexpr std::int64_t least = -std::numeric_limits<std::int64_t>::max();
  if (!count || *count >= least) return count;
  call.reply.error("ERR value is out of range, value must between " + std::to_string(least) +
                   " and " + std::to_string(-least));
  return std::nullopt;
}

bool parse_member_scan(Call& call, MemberScanOptions& options) {
  for (std::size_t i = 3; i < call.args.size(); i += 2) {
    bool more = i + 1 < call.args.size();
    if (more && is_word(call.args[i], "match")) {
      options.pattern = call.args[i + 1];
    } else if (more && is_word(call.args[i], "count")) {
      std::optional<std::int64_t> count = integer_arg(call, i + 1);
      if (!count) return false;
      if (*count < 1) {
        call.reply.error(text::syntax);
        return false;
      }
      options.count = static_cast<std::size_t>(*count);
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

}  // namespace trv::redis
