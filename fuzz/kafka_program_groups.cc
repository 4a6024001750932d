// What clients ask of groups: of those whose members assign partitions, of those that the broker
// assigns, and of those whose members share records.
#include <algorithm>
#include <array>

#include "kafka_program.h"

namespace trv::fuzz {

namespace {

using List = std::vector<Value>;

constexpr std::uint8_t strange = 248;  // and above: something is wrong on purpose

// Of whom it is known, at times somebody else.
const Member& speaker(Asking& asking, std::size_t group, std::uint8_t how) {
  const std::size_t peer = how < strange ? asking.peer : (asking.peer + 1) % peers_max;
  return asking.facts.members[peer][group];
}

std::string fresh_member_id(const Asking& asking, std::size_t group) {
  // Kafka's clients make a UUID, and that is looked at.
  std::string id = "AAAAAAAAAAAAAAAAAAAAAA";
  id[0] = static_cast<char>('A' + asking.peer);
  id[1] = static_cast<char>('A' + group);
  return id;
}

Value subscription(Asking& asking, std::uint8_t how) {
  List names{asking.facts.topics[how % 3]};
  if (how % 2 == 0) names.push_back(asking.facts.topics[(how + 1) % 3]);
  return names;
}

// Some of what the member has out, with one outcome for all or one for each.
List acknowledgements(Asking& asking, std::size_t group) {
  List topics;
  const std::uint8_t how = asking.byte();
  // At times of what another one has.
  const Member& holder = speaker(asking, group, how);
  std::size_t place = 0;
  for (const Member::Acquired& range : holder.acquired) {
    if (++place > 3) break;
    if ((how >> place & 1) != 0) continue;
    const std::uint8_t choice = asking.byte();
    const std::int64_t last = choice % 16 == 15                               ? range.last + 1
                              : choice % 16 == 14 && range.last > range.first ? range.last - 1
                                                                              : range.last;
    List types;
    const std::int64_t count = choice >= 128 ? last - range.first + 1 : 1;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t type = (choice + i) % 5;
      types.push_back(type == 4 && choice % 16 != 13 ? 1 : type);
    }
    Value batch;
    batch.set("first_offset", range.first)
        .set("last_offset", last)
        .set("acknowledge_types", std::move(types));
    Value partition;
    partition.set("index", range.log.partition).set("acknowledgement_batches", List{batch});
    topics.push_back(topic_value(asking.facts, range.log.topic).set("partitions", List{partition}));
  }
  return topics;
}

}  // namespace

Value ask_join(Asking& asking) {
  const std::size_t group = asking.group(classic_group);
  const std::uint8_t how = asking.byte();
  Value request;
  request.set("group_id", asking.facts.groups[group])
      .set("session_timeout_ms", how == 255 ? 1 : 10'000)
      .set("rebalance_timeout_ms", how % 2 == 0 ? 5000 : 60'000)
      .set("member_id", speaker(asking, group, how).classic_id)
      .set("protocol_type", "consumer");
  if (how % 8 == 7) request.set("group_instance_id", "i" + std::to_string(how / 8 % 2));
  List protocols{Value().set("name", "range").set("metadata", how % 4 < 2 ? "a" : "b")};
  if (how % 4 == 1) protocols.push_back(Value().set("name", "other").set("metadata", "c"));
  return request.set("protocols", std::move(protocols));
}

Value ask_sync(Asking& asking) {
  const std::size_t group = asking.group(classic_group);
  const std::uint8_t how = asking.byte();
  const Member& member = speaker(asking, group, how);
  List assignments;
  for (const auto& members : asking.facts.members) {
    if (members[group].classic_id.empty()) continue;
    assignments.push_back(Value()
                              .set("member_id", members[group].classic_id)
                              .set("assignment", "for " + members[group].classic_id));
  }
  return Value()
      .set("group_id", asking.facts.groups[group])
      .set("generation_id", member.generation)
      .set("member_id", member.classic_id)
      .set("protocol_type", "consumer")
      .set("protocol_name", "range")
      .set("assignments", how % 4 == 3 ? Value(List{}) : Value(std::move(assignments)));
}

Value ask_heartbeat(Asking& asking) {
  const std::size_t group = asking.group(classic_group);
  const std::uint8_t how = asking.byte();
  const Member& member = speaker(asking, group, how);
  return Value()
      .set("group_id", asking.facts.groups[group])
      .set("generation_id", member.generation - how % 16 / 15)
      .set("member_id", member.classic_id);
}

Value ask_leave(Asking& asking) {
  const std::size_t group = asking.group(classic_group);
  const Member& member = speaker(asking, group, asking.byte());
  return Value()
      .set("group_id", asking.facts.groups[group])
      .set("member_id", member.classic_id)
      .set("members", List{Value().set("member_id", member.classic_id)});
}

Value ask_offset_commit(Asking& asking) {
  const std::size_t group = asking.group(classic_group);
  const LogName log = asking.log();
  const std::uint8_t how = asking.byte();
  const Member& member = speaker(asking, group, how);
  Value request;
  request.set("group_id", asking.facts.groups[group]).set("member_id", "");
  // As a member of either kind, or as nobody.
  if (how % 4 == 1) {
    request.set("generation_id", member.generation).set("member_id", member.classic_id);
  } else if (how % 4 == 2) {
    request.set("generation_id", member.epoch).set("member_id", member.id);
  }
  Value partition;
  partition.set("index", log.partition)
      .set("committed_offset", how / 4)
      .set("committed_metadata", "m" + std::to_string(++asking.facts.last_value));
  if (how == 251) partition.set("committed_metadata", std::string(4097, 'm'));
  return request.set("topics", one_partition(asking.facts, log, partition));
}

Value ask_offset_fetch(Asking& asking) {
  const std::size_t group = asking.group(classic_group);
  const LogName log = asking.log();
  const std::uint8_t how = asking.byte();
  const Value topics = how % 4 == 3 ? Value() : one_partition(asking.facts, log, log.partition);
  Value one;
  one.set("group_id", asking.facts.groups[group]).set("topics", topics);
  if (how % 4 == 1) {
    const Member& member = asking.member(group);
    one.set("member_id", member.id).set("member_epoch", member.epoch);
  }
  return Value()
      .set("group_id", asking.facts.groups[group])
      .set("topics", topics)
      .set("groups", List{one})
      .set("require_stable", how % 8 >= 4);
}

Value ask_offset_delete(Asking& asking) {
  const std::size_t group = asking.group(classic_group);
  const LogName log = asking.log();
  return Value()
      .set("group_id", asking.facts.groups[group])
      .set("topics", one_partition(asking.facts, log, Value().set("index", log.partition)));
}

Value ask_delete_groups(Asking& asking) {
  return Value().set("groups", List{asking.facts.groups[asking.group(classic_group)]});
}

Value ask_consumer_heartbeat(Asking& asking) {
  const std::size_t group = asking.group(consumer_group);
  const std::uint8_t how = asking.byte();
  const Member& member = speaker(asking, group, how);
  const bool joins = member.epoch <= 0 || how % 16 == 15;
  Value request;
  std::string id = member.id.empty() ? fresh_member_id(asking, group) : member.id;
  request.set("group_id", asking.facts.groups[group])
      .set("member_id", std::move(id))
      .set("member_epoch", how % 16 == 14 ? -1
                           : joins        ? 0
                                          : member.epoch - how / 128 * (how % 2));
  if (joins) {
    request.set("rebalance_timeout_ms", 10'000)
        .set("subscribed_topic_names", subscription(asking, how))
        .set("topic_partitions", List{});
    if (how % 32 == 9) request.set("server_assignor", "range");
    if (how % 32 == 10) request.set("instance_id", "i0");
    if (how % 32 == 11) request.set("subscribed_topic_regex", "t.*");
  } else if (how % 8 == 7) {
    request.set("subscribed_topic_names", subscription(asking, how));
  } else if (how % 8 == 6) {
    request.set("topic_partitions", List{});
  }
  return request;
}

Value ask_share_heartbeat(Asking& asking) {
  const std::size_t group = asking.group(share_group);
  const std::uint8_t how = asking.byte();
  const Member& member = speaker(asking, group, how);
  const bool joins = member.epoch <= 0 || how % 16 == 15;
  Value request;
  request.set("group_id", asking.facts.groups[group])
      .set("member_id", member.id.empty() ? fresh_member_id(asking, group) : member.id)
      .set("member_epoch", how % 16 == 14 ? -1
                           : joins        ? 0
                                          : member.epoch);
  if (joins || how % 8 == 7) request.set("subscribed_topic_names", subscription(asking, how));
  return request;
}

Value ask_share_fetch(Asking& asking) {
  const std::size_t group = asking.group(share_group);
  const LogName log = asking.log();
  const std::uint8_t how = asking.byte();
  Member& member = asking.member(group);
  const bool first = member.share_session_epoch == 0 || how % 32 == 31;
  const std::int32_t epoch = how % 32 == 30   ? -1
                             : how % 32 == 29 ? member.share_session_epoch + 1
                             : first          ? 0
                                              : member.share_session_epoch;
  const bool renews = how % 32 == 28;
  Value request;
  request.set("group_id", asking.facts.groups[group])
      .set("member_id", member.id.empty() ? fresh_member_id(asking, group) : member.id)
      .set("share_session_epoch", epoch)
      .set("is_renew_ack", renews);
  if (!renews) {
    request.set("max_wait_ms", how % 4 == 3 ? 500 : 0)
        .set("min_bytes", 1)
        .set("max_bytes", 1 << 20)
        .set("max_records", 1 + how / 4 % 4)
        .set("batch_size", 1 + how / 4 % 4)
        .set("share_acquire_mode", how / 64 % 2);
  }
  List topics;
  if (!first) topics = acknowledgements(asking, group);
  const bool named = std::any_of(topics.begin(), topics.end(), [&](const Value& topic) {
    return topic["name"].text() == log.topic;
  });
  if (!named) {
    Value partition;
    partition.set("index", log.partition);
    topics.push_back(topic_value(asking.facts, log.topic).set("partitions", List{partition}));
  }
  return request.set("topics", std::move(topics));
}

Value ask_share_acknowledge(Asking& asking) {
  const std::size_t group = asking.group(share_group);
  const std::uint8_t how = asking.byte();
  const Member& member = asking.member(group);
  return Value()
      .set("group_id", asking.facts.groups[group])
      .set("member_id", member.id.empty() ? fresh_member_id(asking, group) : member.id)
      .set("share_session_epoch", how % 32 == 30   ? -1
                                  : how % 32 == 29 ? member.share_session_epoch + 1
                                                   : member.share_session_epoch)
      .set("is_renew_ack", how % 32 == 28)
      .set("topics", acknowledgements(asking, group));
}

Value ask_alter_share_offsets(Asking& asking) {
  const std::size_t group = asking.group(share_group);
  const LogName log = asking.log();
  Value partition;
  partition.set("index", log.partition).set("start_offset", asking.byte() % 8);
  Value topic = topic_value(asking.facts, log.topic);
  return Value()
      .set("group_id", asking.facts.groups[group])
      .set("topics", List{topic.set("partitions", List{partition})});
}

Value ask_delete_share_offsets(Asking& asking) {
  const std::size_t group = asking.group(share_group);
  const std::string& name = asking.topic();
  return Value()
      .set("group_id", asking.facts.groups[group])
      .set("topics", List{Value().set("name", name)});
}

}  // namespace trv::fuzz
