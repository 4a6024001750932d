#include "redis/handlers/stream_moves.h"

#include <utility>
#include <vector>

#include "base/mutant.h"
#include "broker/added_once.h"
#include "redis/handlers/change.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

namespace {

// What is copied must fit into one round; its bytes, and what each piece takes besides.
constexpr std::uint64_t copied_bytes_max = std::uint64_t{48} << 20;
constexpr std::uint64_t entry_overhead = 128;
constexpr std::uint64_t pending_overhead = 64;

constexpr std::string_view of_other_protocols =
    "ERR a stream with records of other protocols can not be renamed or copied";
constexpr std::string_view too_large_to_move =
    "ERR the stream is too large to be renamed or copied";
constexpr std::string_view being_written =
    "ERR the stream has entries that are not stored yet; it can not be renamed or copied here";

struct Entry {
  RecordId id;
  Slice fields;
  std::string partition_key;
};

// A stream as it is taken along.
struct Baggage {
  std::vector<Entry> entries;
  std::vector<std::string> groups;  // commands that make them
  std::vector<std::string> names;   // the same of model::AddedOnce
  std::uint64_t size = 0;
};

std::string partition_key_of(ByteView fields) {
  std::string key;
  model::read_fields(fields, [&key](ByteView name, ByteView value) {
    if (name == "key" && key.empty()) key = value;
  });
  return key;
}

// Nothing after an error reply.
std::optional<Baggage> pack(Call& call, broker::Topic& from) {
  Baggage baggage;
  bool foreign = false;
  Status read =
      each_record(call.broker, from, RecordId{}, RecordId::max(), no_count,
                  [&](const model::StoredRecord& record) {
                    foreign = record.origin != model::Origin::fields;
                    if (foreign) return false;
                    baggage.size += record.value->size() + entry_overhead;
                    baggage.entries.push_back({record.id, record.owner.share(*record.value),
                                               partition_key_of(*record.value)});
                    return baggage.size <= copied_bytes_max;
                  });
  if (!read) {
    write_error(call.reply, read.error());
    return std::nullopt;
  }
  if (foreign) {
    call.reply.error(of_other_protocols);
    return std::nullopt;
  }
  call.broker.claim_groups().of(from).snapshot([&baggage](ByteView command) {
    baggage.size += command.size() + pending_overhead;
    baggage.groups.emplace_back(command);
  });
  if (const model::AddedOnce* once = broker::AddedOnce(call.broker).find(from)) {
    once->snapshot([&baggage](ByteView command) {
      baggage.size += command.size() + pending_overhead;
      baggage.names.emplace_back(command);
    });
  }
  if (baggage.size <= copied_bytes_max) return baggage;
  call.reply.error(too_large_to_move);
  return std::nullopt;
}

// Everything but the entries, and the facts that they do not tell.
Status unpack_rest(Call& call, broker::Topic& from, broker::Topic& to, const Baggage& baggage) {
  const model::Topic& state = call.broker.topics().state(from);
  std::optional<RecordId> max_erased;
  if (state.max_erased_id() != RecordId{}) max_erased = state.max_erased_id();
  Result<broker::Commit> set =
      call.broker.topics().set_id(to, state.last_id(), state.added_count(), max_erased);
  if (!set) return set.error();
  call.wait_for(*set);
  for (const std::string& command : baggage.groups) {
    if (TRV_MUTANT(renamed_stream_loses_its_groups)) break;
    Result<broker::Commit> made = call.broker.claim_groups().execute(to, command);
    if (!made) return made.error();
    call.wait_for(*made);
  }
  for (const std::string& command : baggage.names) {
    Result<broker::Commit> made =
        broker::AddedOnce(call.broker).execute(to, broker::Space::more, command);
    if (!made) return made.error();
    call.wait_for(*made);
  }
  return {};
}

Status unpack(Call& call, broker::Topic& from, broker::Topic& to, const Baggage& baggage) {
  for (const Entry& entry : baggage.entries) {
    model::NewRecord record;
    record.origin = model::Origin::fields;
    record.value = entry.fields.view();
    record.partition_key = entry.partition_key;
    record.id = entry.id;
    Result<broker::Appended> appended = call.broker.topics().append(to, record);
    if (!appended) return appended.error();
    call.wait_for(appended->commit);
  }
  return unpack_rest(call, from, to, baggage);
}

// The new topic, with everything in it. Null after an error reply; then there is none.
broker::Topic* make_copy(Call& call, broker::Topic& from, const Baggage& baggage) {
  const std::string name(call.args[2]);
  auto created = call.broker.topics().create(name, broker::Topics::settings(from));
  if (!created) {
    write_error(call.reply, created.error());
    return nullptr;
  }
  call.wait_for(created->commit);
  Status done = unpack(call, from, *created->topic, baggage);
  if (done) return created->topic;
  // What was made of it can go: there is room for that always.
  static_cast<void>(call.broker.topics().remove(name));
  write_error(call.reply, done.error());
  return nullptr;
}

// Entries that are not stored yet could not be read. The client waits for them, where it may.
bool all_stored(Call& call, broker::Topic& from) {
  broker::Topics& topics = call.broker.topics();
  if (topics.visible_end(from) >= topics.state(from).end()) return true;
  if (!call.may_block() || call.scripted) {
    call.reply.error(being_written);
    return false;
  }
  BlockRequest request;
  request.names.emplace_back(call.args[1]);
  request.args.assign(call.args.begin(), call.args.end());
  request.look_again_in = std::chrono::milliseconds(50);
  call.block = std::move(request);
  return false;
}

void tell(Call& call, bool move) {
  KeyEvents& events = call.service.key_events();
  events.note(call, key_event::created, "new", call.args[2]);
  if (move) events.note(call, key_event::generic, "rename_from", call.args[1]);
  events.note(call, key_event::generic, move ? "rename_to" : "copy_to", call.args[2]);
}

}  // namespace

bool copy_stream(Call& call, broker::Topic& from, bool move) {
  if (has_queues(from)) {
    call.reply.error(queue_stays);
    return false;
  }
  if (added_in_transaction(call, &from) || !all_stored(call, from)) return false;
  std::optional<Baggage> baggage = pack(call, from);
  if (!baggage) return false;
  if (Status room = call.broker.promise(broker::Space::more, baggage->size); !room) {
    write_error(call.reply, room.error());
    return false;
  }
  call.broker.take_back(baggage->size);
  Change change(call);
  if (!replace_key(call, change, call.args[2]) || !change.store(broker::Space::more)) return false;
  broker::Topic* copy = make_copy(call, from, *baggage);
  if (!copy) return false;
  if (call.transaction) call.transaction->added.open(*copy);
  if (move && !call.wait_for(call.broker.topics().remove(call.args[1]))) return false;
  tell(call, move);
  return true;
}

}  // namespace trv::redis
