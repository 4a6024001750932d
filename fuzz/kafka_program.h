// Makes the requests of one step of a program of kafka_session_fuzz.cc: what clients ask of topics,
// records, transactions and groups, mostly as it goes on from what they know, at times not.
#pragma once

#include <optional>

#include "kafka_facts.h"
#include "program.h"

namespace trv::fuzz {

// Which groups are used how, mostly.
inline constexpr std::size_t classic_group = 0;
inline constexpr std::size_t consumer_group = 1;
inline constexpr std::size_t share_group = 2;

// A request that is about to be said.
struct Asked {
  const SchemaApi* api = nullptr;
  std::int16_t version = 0;
  Value request;
};

struct Asking {
  Program& program;
  KafkaFacts& facts;
  std::size_t peer;
  std::int16_t version;  // of the request

  std::uint8_t byte() { return program.byte(); }
  LogName log();
  const std::string& topic() { return facts.topics[program.below(facts.topics.size())]; }
  // Mostly the one of their kind.
  std::size_t group(std::size_t usual) {
    const std::uint8_t choice = byte();
    return choice < 208 ? usual : choice % facts.groups.size();
  }
  Member& member(std::size_t group) { return facts.members[peer][group]; }
};

// How many kinds of requests there are.
std::size_t asking_count();
// Takes an octet for the version and some for what is asked.
Asked pick_request(std::size_t kind, std::size_t peer, Program& program, KafkaFacts& facts);

const SchemaApi& schema_api(std::int16_t key);

// A struct that names a topic as each version does.
Value topic_value(const KafkaFacts& facts, const std::string& topic);
// The one partition of the one topic of a request.
Value one_partition(const KafkaFacts& facts, const LogName& log, Value partition);

// By subject: in files of their own.
Value ask_create_topics(Asking& asking);
Value ask_create_partitions(Asking& asking);
Value ask_delete_topics(Asking& asking);
Value ask_delete_records(Asking& asking);
Value ask_alter_configs(Asking& asking);
Value ask_metadata(Asking& asking);
Value ask_produce(Asking& asking);
Value ask_fetch(Asking& asking);
Value ask_list_offsets(Asking& asking);
Value ask_init_producer_id(Asking& asking);
Value ask_add_partitions(Asking& asking);
Value ask_add_offsets(Asking& asking);
Value ask_txn_offset_commit(Asking& asking);
Value ask_end_txn(Asking& asking);
Value ask_join(Asking& asking);
Value ask_sync(Asking& asking);
Value ask_heartbeat(Asking& asking);
Value ask_leave(Asking& asking);
Value ask_offset_commit(Asking& asking);
Value ask_offset_fetch(Asking& asking);
Value ask_offset_delete(Asking& asking);
Value ask_delete_groups(Asking& asking);
Value ask_consumer_heartbeat(Asking& asking);
Value ask_share_heartbeat(Asking& asking);
Value ask_share_fetch(Asking& asking);
Value ask_share_acknowledge(Asking& asking);
Value ask_alter_share_offsets(Asking& asking);
Value ask_delete_share_offsets(Asking& asking);

}  // namespace trv::fuzz
