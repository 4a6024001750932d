#include "kafka_program.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "kafka/api_table.h"

namespace trv::fuzz {

namespace {

struct Row {
  std::int16_t key;
  Value (*ask)(Asking&);
};

// New ones go to the end, so that programs stay what they are. What is asked more often stands
// there more than once.
constexpr std::array rows{
    Row{0, ask_produce},
    Row{1, ask_fetch},
    Row{0, ask_produce},
    Row{2, ask_list_offsets},
    Row{3, ask_metadata},
    Row{19, ask_create_topics},
    Row{37, ask_create_partitions},
    Row{20, ask_delete_topics},
    Row{21, ask_delete_records},
    Row{44, ask_alter_configs},
    Row{33, ask_alter_configs},
    Row{22, ask_init_producer_id},
    Row{24, ask_add_partitions},
    Row{0, ask_produce},
    Row{26, ask_end_txn},
    Row{25, ask_add_offsets},
    Row{28, ask_txn_offset_commit},
    Row{11, ask_join},
    Row{14, ask_sync},
    Row{12, ask_heartbeat},
    Row{13, ask_leave},
    Row{8, ask_offset_commit},
    Row{9, ask_offset_fetch},
    Row{47, ask_offset_delete},
    Row{42, ask_delete_groups},
    Row{68, ask_consumer_heartbeat},
    Row{76, ask_share_heartbeat},
    Row{78, ask_share_fetch},
    Row{79, ask_share_acknowledge},
    Row{78, ask_share_fetch},
    Row{91, ask_alter_share_offsets},
    Row{92, ask_delete_share_offsets},
    Row{1, ask_fetch},
    Row{76, ask_share_heartbeat},
};

// Fields of requests that have no row above, by their names.
class AnyRequest {
 public:
  explicit AnyRequest(Asking& asking) : asking_(asking) {}

  Value fields(SchemaFields place) {
    Value out;
    for (const SchemaField& field : fields_of(place)) {
      if (field.in(asking_.version)) out.set(field.name, any(field));
    }
    return out;
  }

 private:
  Value any(const SchemaField& field) {
    if (!field.is_array) return element(field);
    const std::uint8_t choice = asking_.byte();
    if (choice == 255 && field.nullable_in(asking_.version)) return {};
    std::vector<Value> items;
    for (int left = choice % 8 == 0 ? 0 : choice % 8 == 1 ? 2 : 1; left > 0; --left) {
      items.push_back(element(field));
    }
    return items;
  }
  Value element(const SchemaField& field) {
    using Kind = SchemaField::Kind;
    if (field.kind == Kind::record) return fields(field.fields());
    if (field.kind == Kind::uuid) return asking_.facts.topic_id(asking_.topic());
    if (field.kind >= Kind::string) return text(field.name);
    static constexpr std::array<std::int64_t, 12> numbers{0, 1, 2, -1, 3, 4, 5, 32, 16, 8, 100, -2};
    return asking_.program.pick(numbers);
  }
  Value text(std::string_view name) {
    const KafkaFacts& facts = asking_.facts;
    if (name.find("transactional") != name.npos) {
      return facts.producers[2 + asking_.program.below(2)].transactional_id;
    }
    if (name.find("group") != name.npos) return facts.groups[asking_.byte() % facts.groups.size()];
    const std::uint8_t choice = asking_.byte();
    if (name == "entity_type" || name == "key") {
      static constexpr std::array words{"user", "client-id", "ip", "producer_byte_rate"};
      return words[choice % words.size()];
    }
    if (choice % 8 < 4) return facts.topics[choice % facts.topics.size()];
    if (choice % 8 < 6) return facts.groups[choice % facts.groups.size()];
    static constexpr std::array words{"", "1", "Empty", "classic", "no.such", "retention.ms"};
    return words[choice / 8 % words.size()];
  }

  Asking& asking_;
};

}  // namespace

LogName Asking::log() {
  const std::uint8_t choice = byte();
  // Few, so that much happens in each.
  if (choice < 160) return {facts.topics[choice % 2], 0};
  return {facts.topics[choice % facts.topics.size()],
          static_cast<std::int32_t>(choice / facts.topics.size() % 3)};
}

const SchemaApi& schema_api(std::int16_t key) {
  const auto apis = schema_apis();
  const auto found =
      std::lower_bound(apis.begin(), apis.end(), key,
                       [](const SchemaApi& api, std::int16_t wanted) { return api.key < wanted; });
  TRV_ASSERT(found != apis.end());
  TRV_ASSERT(found->key == key);
  return *found;
}

std::size_t asking_count() { return rows.size() + 1; }

Asked pick_request(std::size_t kind, std::size_t peer, Program& program, KafkaFacts& facts) {
  const auto table = kafka::api_table();
  const bool any = kind >= rows.size();
  const kafka::ApiRow* api = any ? &table[program.below(table.size())] : nullptr;
  if (!api) api = kafka::find_api(rows[kind].key);
  TRV_ASSERT(api);
  const int versions = api->version_max - api->version_served_min + 1;
  // The newest one most often.
  const int choice = program.byte();
  const int lower = choice < 128 ? 0 : choice % versions;
  Asked asked;
  asked.version = static_cast<std::int16_t>(api->version_max - lower);
  asked.api = &schema_api(api->key);
  Asking asking{program, facts, peer, asked.version};
  asked.request = any ? AnyRequest(asking).fields(asked.api->request) : rows[kind].ask(asking);
  return asked;
}

Value topic_value(const KafkaFacts& facts, const std::string& topic) {
  return Value().set("name", topic).set("topic_id", facts.topic_id(topic));
}

Value one_partition(const KafkaFacts& facts, const LogName& log, Value partition) {
  return std::vector<Value>{
      topic_value(facts, log.topic).set("partitions", std::vector<Value>{std::move(partition)})};
}

}  // namespace trv::fuzz
