// What clients ask of topics and of records, and of transactions.
#include <array>

#include "kafka_batches.h"
#include "kafka_program.h"

namespace trv::fuzz {

namespace {

using List = std::vector<Value>;

constexpr std::size_t repeated = 250;  // of 256, and above: something is wrong on purpose

struct Setting {
  const char* name;
  const char* value;
};
constexpr std::array settings{
    Setting{"cleanup.policy", "compact"},
    Setting{"cleanup.policy", "compact,delete"},
    Setting{"cleanup.policy", "delete"},
    Setting{"retention.ms", "1000"},
    Setting{"retention.ms", "3600000"},
    Setting{"retention.bytes", "200"},
    Setting{"message.timestamp.type", "LogAppendTime"},
    Setting{"compression.type", "zstd"},
    Setting{"compression.type", "gzip"},
    Setting{"compression.type", "lz4"},
    Setting{"compression.type", "snappy"},
    Setting{"compression.type", "uncompressed"},
    Setting{"compression.type", "producer"},
    Setting{"max.message.bytes", "150"},
    Setting{"min.cleanable.dirty.ratio", "0"},
    Setting{"delete.retention.ms", "0"},
    Setting{"min.compaction.lag.ms", "60000"},
    Setting{"retention.ms", "-1"},
    Setting{"no.such", "1"},
    Setting{"retention.ms", "much"},
};

Value config(std::uint8_t choice) {
  const Setting& setting = settings[choice % settings.size()];
  return Value().set("name", setting.name).set("value", setting.value);
}

struct Pick {
  const Producer& producer;
  std::int16_t epoch;
};
// Whose epoch is at times an older or a newer one.
Pick pick_producer(Asking& asking) {
  const std::uint8_t choice = asking.byte();
  const Producer& producer = asking.facts.producers[2 + choice % 2];
  const int off = choice < repeated ? 0 : choice % 2 == 0 ? 1 : -1;
  return {producer, static_cast<std::int16_t>(producer.epoch + off)};
}

Value transactional(Asking& asking) {
  const Pick pick = pick_producer(asking);
  return Value()
      .set("transactional_id", pick.producer.transactional_id)
      .set("producer_id", pick.producer.id)
      .set("producer_epoch", pick.epoch);
}

}  // namespace

Value ask_create_topics(Asking& asking) {
  const std::string& name = asking.topic();
  const std::uint8_t how = asking.byte();
  List configs;
  for (int i = 0; i < how / 64; ++i) configs.push_back(config(asking.byte()));
  return Value()
      .set("topics", List{Value()
                              .set("name", name)
                              .set("num_partitions", how % 16 == 15 ? -1 : 1 + how % 3)
                              .set("replication_factor", how % 16 == 14 ? 0 : 1)
                              .set("configs", std::move(configs))})
      .set("timeout_ms", 1000)
      .set("validate_only", how % 16 == 13);
}

Value ask_create_partitions(Asking& asking) {
  const std::uint8_t how = asking.byte();
  return Value()
      .set("topics", List{Value().set("name", asking.topic()).set("count", 1 + how % 4)})
      .set("timeout_ms", 1000)
      .set("validate_only", how > repeated);
}

Value ask_delete_topics(Asking& asking) {
  const std::uint8_t how = asking.byte();
  // Rarely the others, so that they grow old enough.
  const std::string& name = asking.facts.topics[how < 208 ? 2 : how % asking.facts.topics.size()];
  Value topic;
  if (how % 2 == 0) {
    topic.set("name", name);
  } else {
    topic.set("topic_id", asking.facts.topic_id(name));
  }
  return Value().set("topics", List{topic}).set("topic_names", List{name}).set("timeout_ms", 1000);
}

Value ask_delete_records(Asking& asking) {
  const LogName log = asking.log();
  const std::uint8_t how = asking.byte();
  const std::int64_t end = asking.facts.ends[log];
  const std::int64_t offset = how % 4 == 0   ? -1
                              : how % 4 == 1 ? end
                              : how % 4 == 2 ? end / 2
                                             : how / 4;
  return Value()
      .set("topics", one_partition(asking.facts, log,
                                   Value().set("index", log.partition).set("offset", offset)))
      .set("timeout_ms", 1000);
}

// Of one topic, or of a group; in the form that replaces all, too.
Value ask_alter_configs(Asking& asking) {
  const std::uint8_t how = asking.byte();
  constexpr std::int8_t of_topic = 2;
  constexpr std::int8_t of_group = 32;
  static constexpr std::array group_settings{
      Setting{"share.auto.offset.reset", "earliest"},
      Setting{"share.isolation.level", "read_committed"},
      Setting{"share.record.lock.duration.ms", "15000"},
      Setting{"share.renew.acknowledge.enable", "true"},
      Setting{"share.auto.offset.reset", "latest"},
      Setting{"share.isolation.level", "read_uncommitted"},
      Setting{"share.session.timeout.ms", "60000"},
  };
  const bool is_group = how % 4 == 0;
  Value one = config(asking.byte());
  if (is_group) {
    const Setting& setting = group_settings[how / 4 % group_settings.size()];
    one = Value().set("name", setting.name).set("value", setting.value);
  }
  one.set("operation", how > repeated ? how % 4 : 0);
  return Value().set("resources",
                     List{Value()
                              .set("type", is_group ? of_group : of_topic)
                              .set("name", is_group ? asking.facts.groups[asking.group(share_group)]
                                                    : asking.topic())
                              .set("configs", List{one})});
}

Value ask_metadata(Asking& asking) {
  const std::uint8_t how = asking.byte();
  Value topic = topic_value(asking.facts, asking.facts.topics[how % 3]);
  if (how % 8 == 7) topic.set("name", Value());
  if (how % 8 != 7) topic.set("topic_id", no_uuid());
  return Value()
      .set("topics", List{topic})
      .set("allow_auto_topic_creation", how >= repeated)
      .set("include_topic_authorized_operations", how % 2 == 0);
}

namespace {

using Damage = BatchSpec::Damage;

// What a record of a sequence holds is always the same, so that who repeats it says the same.
BatchSpec::Record record_of(const Producer& producer, std::int16_t epoch, std::int32_t sequence) {
  BatchSpec::Record record;
  record.key = "k" + std::to_string(sequence % 3);
  record.value = "p" + std::to_string(producer.id) + "." + std::to_string(epoch) + "." +
                 std::to_string(sequence);
  return record;
}

BatchSpec::Record record_of(Asking& asking, std::uint8_t how) {
  BatchSpec::Record record;
  if (how % 8 != 7) record.key = "k" + std::to_string(how % 3);
  if (how % 16 != 14) record.value = "n" + std::to_string(++asking.facts.last_value);
  // Of some size, so that limits are met and codecs have something to do.
  if (how % 16 == 13) *record.value += std::string(200, 'v');
  return record;
}

void say_producer(BatchSpec& spec, Asking& asking, const LogName& log, std::uint8_t how) {
  Producer& producer = asking.facts.producers[how % 4];
  std::int32_t& next = producer.next[log];
  auto count = static_cast<std::int32_t>(1 + how / 4 % 3);
  std::int32_t first = next;
  std::int16_t epoch = producer.epoch;
  // At times it repeats its last batch, leaves a gap, or has an older or a newer epoch.
  const std::uint8_t what = asking.byte();
  if (what >= 240 && next > 0) {
    count = producer.last_count[log];
    first = next - count;
  }
  if (what == 239) first = next + 1;
  if (what == 238 || what == 237) epoch = static_cast<std::int16_t>(epoch - 1);
  if (what == 236) {
    epoch = static_cast<std::int16_t>(epoch + 1);
    first = 0;
  }
  for (std::int32_t i = 0; i < count; ++i) {
    spec.records.push_back(record_of(producer, epoch, first + i));
  }
  spec.producer = {ProducerId(producer.id), epoch, first};
  spec.transactional = !producer.transactional_id.empty() && what != 235;
  const bool goes_on = first == next && epoch == producer.epoch;
  if (!goes_on || spec.damage != Damage::none) return;
  next = first + count;
  producer.last_count[log] = count;
}

}  // namespace

Value ask_produce(Asking& asking) {
  const LogName log = asking.log();
  const std::uint8_t how = asking.byte();
  BatchSpec spec;
  spec.codec = static_cast<model::Compression>(how % 5);
  spec.timestamp_ms = asking.facts.now_ms;
  const std::uint8_t what = asking.byte();
  if (what >= 232) spec.damage = static_cast<Damage>(what % 10);
  if (what == 231) spec.timestamp_ms += 7'200'000;
  if (what == 230) spec.timestamp_ms = -1;
  if (what == 229) spec.timestamp_ms -= 7'200'000;
  Value request;
  const std::uint8_t who = asking.byte();
  Producer& producer = asking.facts.producers[who % 4];
  if (how < 150 && producer.id >= 0) {
    say_producer(spec, asking, log, who);
    if (spec.transactional) request.set("transactional_id", producer.transactional_id);
  } else {
    for (int i = 0; i <= who % 3; ++i) {
      spec.records.push_back(record_of(asking, static_cast<std::uint8_t>(who / 4 + i)));
    }
  }
  const int acks = how == 255 ? 5 : how >= 248 ? 0 : how >= 235 ? 1 : -1;
  return request.set("acks", acks)
      .set("timeout_ms", 1000)
      .set("topics",
           one_partition(asking.facts, log,
                         Value().set("index", log.partition).set("records", make_batch(spec))));
}

Value ask_fetch(Asking& asking) {
  const LogName log = asking.log();
  const std::uint8_t how = asking.byte();
  const std::uint8_t where = asking.byte();
  const std::int64_t end = asking.facts.ends[log];
  const std::int64_t offset = where % 8 < 4    ? 0
                              : where % 8 == 4 ? end
                              : where % 8 == 5 ? end + 1
                              : where % 8 == 6 ? end / 2
                                               : where / 8;
  static constexpr std::array<std::int32_t, 4> waits{0, 0, 100, 5000};
  static constexpr std::array<std::int32_t, 4> sizes_min{1, 0, 100, 1 << 20};
  static constexpr std::array<std::int32_t, 4> sizes_max{1 << 20, 1, 300, 1 << 20};
  FetchSession& session = asking.facts.fetch_sessions[asking.peer];
  Value request;
  // Without a session, a new one, the next of it, its end, another epoch.
  const std::uint8_t kind = asking.byte() % 8;
  if (kind == 1) request.set("session_epoch", 0);
  if (kind >= 2 && kind < 6 && session.id != 0) {
    request.set("session_id", session.id)
        .set("session_epoch", kind == 4   ? -1
                              : kind == 5 ? session.epoch + 1
                                          : session.epoch);
    if (kind < 4) ++session.epoch;
  }
  Value partition;
  partition.set("index", log.partition).set("fetch_offset", offset);
  partition.set("max_bytes", sizes_max[where / 16 % 4]);
  if (how == 255) partition.set("current_leader_epoch", 1);
  List forgotten;
  if (kind == 3) {
    forgotten.push_back(
        topic_value(asking.facts, log.topic).set("partitions", List{log.partition}));
  }
  return request.set("max_wait_ms", waits[how % 4])
      .set("min_bytes", sizes_min[how / 4 % 4])
      .set("max_bytes", sizes_max[how / 16 % 4])
      .set("isolation_level", how / 64 % 2)
      .set("topics", one_partition(asking.facts, log, partition))
      .set("forgotten_topics", std::move(forgotten));
}

Value ask_list_offsets(Asking& asking) {
  const LogName log = asking.log();
  const std::uint8_t how = asking.byte();
  const std::int64_t timestamp = how % 4 == 3 ? asking.facts.now_ms - how / 8 : -1 - how % 4;
  return Value()
      .set("replica_id", -1)
      .set("isolation_level", how / 4 % 2)
      .set("topics",
           one_partition(asking.facts, log,
                         Value().set("index", log.partition).set("timestamp", timestamp)));
}

Value ask_init_producer_id(Asking& asking) {
  const std::uint8_t how = asking.byte();
  const Producer& producer = asking.facts.producers[how % 4];
  static constexpr std::array<std::int32_t, 4> timeouts{60'000, 1000, 900'000, 10'000};
  Value request;
  request.set("producer", how % 4);  // no field of it: for who learns from the answer
  if (!producer.transactional_id.empty()) {
    request.set("transactional_id", producer.transactional_id);
  }
  if (how % 8 >= 6) request.set("producer_id", producer.id).set("producer_epoch", producer.epoch);
  return request.set("transaction_timeout_ms", how == 255 ? 0 : timeouts[how / 16 % 4]);
}

Value ask_add_partitions(Asking& asking) {
  const LogName log = asking.log();
  return transactional(asking).set("topics", one_partition(asking.facts, log, log.partition));
}

Value ask_add_offsets(Asking& asking) {
  return transactional(asking).set("group_id", asking.facts.groups[asking.group(consumer_group)]);
}

Value ask_txn_offset_commit(Asking& asking) {
  const LogName log = asking.log();
  const std::size_t group = asking.group(classic_group);
  const std::uint8_t how = asking.byte();
  const Member& member = asking.member(group);
  Value request = transactional(asking);
  request.set("group_id", asking.facts.groups[group]).set("member_id", "");
  if (how % 8 == 7) {
    request.set("member_id", member.classic_id).set("generation_id", member.generation);
  }
  return request.set("topics",
                     one_partition(asking.facts, log,
                                   Value()
                                       .set("index", log.partition)
                                       .set("committed_offset", how / 8)
                                       .set("committed_metadata",
                                            "m" + std::to_string(++asking.facts.last_value))));
}

Value ask_end_txn(Asking& asking) {
  const std::uint8_t how = asking.byte();
  return transactional(asking).set("committed", how % 3 != 0);
}

}  // namespace trv::fuzz
