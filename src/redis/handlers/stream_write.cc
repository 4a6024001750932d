// XADD, XTRIM, XDEL, XSETID: what changes the entries of a stream.
#include <algorithm>

#include "base/mutant.h"
#include "redis/handlers/families.h"
#include "redis/handlers/keyed.h"
#include "redis/handlers/stream_once.h"
#include "redis/handlers/stream_trim.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

namespace {

constexpr std::size_t payload_field_size_max = 255;
constexpr std::size_t field_list_size_max = 100'000;  // pairs in one entry

enum class IdForm : std::uint8_t { automatic, automatic_seq, chosen };

struct AddOptions {
  Trim trim;
  EntryName name;
  bool create = true;
  IdForm form = IdForm::automatic;
  RecordId id;
  std::size_t fields_at = 0;
};

bool parse_new_id(Call& call, ByteView text, AddOptions& options) {
  if (text == "*") {
    options.form = IdForm::automatic;
    return true;
  }
  std::optional<RecordId> id;
  if (text.ends_with("-*")) {
    options.form = IdForm::automatic_seq;
    id = parse_id_strict(text.substr(0, text.size() - 2), MissingSeq::zero);
    if (id && text.find('-') != text.size() - 2) id.reset();
  } else {
    options.form = IdForm::chosen;
    id = parse_id_strict(text, MissingSeq::zero);
  }
  if (id) options.id = *id;
  if (!id) call.reply.error(text::invalid_id);
  return id.has_value();
}

bool parse_add(Call& call, AddOptions& options) {
  std::size_t i = 2;
  for (; i < call.args.size(); ++i) {
    if (is_word(call.args[i], "nomkstream")) {
      options.create = false;
      continue;
    }
    Parsed option = parse_trim_option(call, i, options.trim);
    if (option == Parsed::no) option = parse_name_option(call, i, options.name);
    if (option == Parsed::refused) return false;
    if (option == Parsed::yes) continue;
    if (!parse_new_id(call, call.args[i], options)) return false;
    break;
  }
  if (!check_trim(call, options.trim)) return false;
  if (options.name.wanted() && options.form != IdForm::automatic) {
    call.reply.error("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs");
    return false;
  }
  options.fields_at = i + 1;
  if (options.fields_at >= call.args.size() || (call.args.size() - options.fields_at) % 2 != 0) {
    call.reply.error(wrong_arity("xadd"));
    return false;
  }
  if (options.form == IdForm::chosen && options.id == RecordId{}) {
    call.reply.error("ERR The ID specified in XADD must be greater than 0-0");
    return false;
  }
  return true;
}

// The stream to add to, made when it is missing. Null after a reply.
broker::Topic* stream_for_add(Call& call, ByteView key, bool create) {
  FoundStream found = find_stream(call, key);
  if (found.refused || found.topic) return found.topic;
  if (!create) {
    call.reply.null();
    return nullptr;
  }
  model::TopicSettings settings;
  settings.partition_count = call.broker.options().auto_partition_count;
  settings.durability = call.broker.options().durability;
  auto created = call.broker.topics().create(std::string(key), settings);
  if (!created) {
    write_error(call.reply, created.error());
    return nullptr;
  }
  call.wait_for(created->commit);
  call.service.key_events().note(call, key_event::created, "new", key);
  return created->topic;
}

// Readers of a stream whose writers put everything into one field look for that field in every
// entry: remembers its name for the entries of other origins (docs/view-contract.md).
void note_payload_field(Call& call, broker::Topic& topic, std::span<const ByteView> fields) {
  if (fields.size() != 2 || fields[0] == "value") return;
  const model::TopicSettings& current = broker::Topics::settings(topic);
  if (!current.payload_field.empty() || fields[0].size() > payload_field_size_max) return;
  model::TopicSettings settings = current;
  settings.payload_field = fields[0];
  Result<broker::Commit> changed = call.broker.topics().change_settings(topic, settings);
  if (changed) call.wait_for(*changed);
}

// The id to ask the log for; nothing for one of the clock's. False after an error reply.
bool choose_id(Call& call, RecordId last, const AddOptions& options, std::optional<RecordId>& id) {
  if (last == RecordId::max()) {
    call.reply.error("ERR The stream has exhausted the last possible ID, unable to add more items");
    return false;
  }
  if (options.form == IdForm::automatic) return true;
  RecordId wanted = options.id;
  bool follows = wanted > last || TRV_MUTANT(stream_id_goes_back);
  if (options.form == IdForm::automatic_seq) {
    wanted.seq = wanted.ms == last.ms ? last.seq + 1 : 0;
    if (wanted == RecordId{}) wanted.seq = 1;
    // Behind the greatest number there is none.
    follows = wanted.ms > last.ms || (wanted.ms == last.ms && wanted.seq != 0);
  }
  if (!follows) {
    call.reply.error(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item");
    return false;
  }
  id = wanted;
  return true;
}

void told(Call& call, std::string_view event) {
  call.service.key_events().note(call, key_event::stream, event, call.args[1]);
}

// The record of an entry; it looks at the fields and at the service's scratch space.
model::NewRecord record_of(Call& call, std::span<const ByteView> fields) {
  std::string& list = call.service.scratch();
  ByteWriter writer(list);
  writer.varint(fields.size() / 2);
  model::NewRecord record;
  for (std::size_t i = 0; i < fields.size(); i += 2) {
    writer.sized(fields[i]);
    writer.sized(fields[i + 1]);
    if (fields[i] == "key" && record.partition_key.empty()) record.partition_key = fields[i + 1];
  }
  record.origin = model::Origin::fields;
  record.value = list;
  return record;
}

// Appends the entry and, in the same round, remembers its name. Nothing after an error reply.
std::optional<RecordId> append_entry(Call& call, broker::Topic& topic, const EntryName& name,
                                     std::span<const ByteView> fields, std::optional<RecordId> id) {
  std::uint64_t promised = 0;
  if (name.wanted()) {
    Result<std::uint64_t> room = promise_name(call, name);
    if (!room) {
      write_error(call.reply, room.error());
      return std::nullopt;
    }
    promised = *room;
  }
  model::NewRecord record = record_of(call, fields);
  record.id = id;
  Result<broker::Appended> appended = call.broker.topics().append(topic, record);
  call.broker.take_back(promised);
  if (!appended) {
    write_error(call.reply, appended.error());
    return std::nullopt;
  }
  if (!TRV_MUTANT(xadd_answered_early)) call.wait_for(appended->commit);
  if (name.wanted() && !remember_added(call, topic, name, appended->first_id)) return std::nullopt;
  return appended->first_id;
}

void xadd(Call& call) {
  AddOptions options;
  if (!parse_add(call, options) || !may_write(call)) return;
  std::span<const ByteView> fields = call.args.subspan(options.fields_at);
  if (fields.size() / 2 > field_list_size_max) return call.reply.error("ERR too many fields");
  name_by_content(fields, options.name);
  ByteView key = call.args[1];
  // Nothing is created for an id that can not be.
  broker::Topic* topic = call.broker.topics().find(key);
  std::optional<RecordId> id;
  RecordId last = topic ? call.broker.topics().last_id(*topic) : RecordId{};
  if (!choose_id(call, last, options, id)) return;
  if (!topic) topic = stream_for_add(call, key, options.create);
  if (!topic) return;

  if (options.name.wanted() && answered_by_name(call, *topic, options.name)) return;
  const std::optional<RecordId> added = append_entry(call, *topic, options.name, fields, id);
  if (!added) return;
  if (call.transaction) call.transaction->added.open(*topic);
  note_payload_field(call, *topic, fields);
  told(call, "xadd");
  if (options.trim.wanted()) {
    Result<std::uint64_t> removed = run_trim(call, *topic, options.trim);
    if (!removed) return write_error(call.reply, removed.error());
  }
  call.reply.id(*added);
}

void xtrim(Call& call) {
  Trim trim;
  for (std::size_t i = 2; i < call.args.size(); ++i) {
    const Parsed option = parse_trim_option(call, i, trim);
    if (option == Parsed::refused) return;
    if (option == Parsed::no) return call.reply.error(text::syntax);
  }
  if (!check_trim(call, trim)) return;
  if (!trim.wanted()) {
    return call.reply.error("ERR syntax error, XTRIM must be called with at least one strategy");
  }
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  if (!found.topic) return call.reply.integer(0);
  Result<std::uint64_t> removed = run_trim(call, *found.topic, trim);
  if (!removed) return write_error(call.reply, removed.error());
  call.reply.count(*removed);
}

void xdel(Call& call) {
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  if (!found.topic) return call.reply.integer(0);
  std::vector<RecordId> ids;
  for (std::size_t i = 2; i < call.args.size(); ++i) {
    std::optional<RecordId> id = id_arg(call, i);
    if (!id) return;
    ids.push_back(*id);
  }
  Result<broker::Topics::Removed> removed = call.broker.topics().erase(*found.topic, ids);
  if (!removed) return write_error(call.reply, removed.error());
  if (removed->count > 0) {
    call.wait_for(removed->commit);
    told(call, "xdel");
  }
  call.reply.count(removed->count);
}

struct SetIdOptions {
  RecordId id;
  std::optional<std::uint64_t> added;
  std::optional<RecordId> max_erased;
};

bool parse_set_id(Call& call, SetIdOptions& options) {
  std::optional<RecordId> id = id_arg(call, 2);
  if (!id) return false;
  options.id = *id;
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    bool more = i + 1 < call.args.size();
    if (more && is_word(call.args[i], "entriesadded")) {
      std::optional<std::int64_t> added = integer_arg(call, ++i);
      if (!added) return false;
      if (*added < 0) {
        call.reply.error("ERR entries_added must be positive");
        return false;
      }
      options.added = static_cast<std::uint64_t>(*added);
    } else if (more && is_word(call.args[i], "maxdeletedid")) {
      options.max_erased = id_arg(call, ++i);
      if (!options.max_erased) return false;
      if (options.id < *options.max_erased) {
        call.reply.error(
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
        return false;
      }
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

void xsetid(Call& call) {
  SetIdOptions options;
  if (!parse_set_id(call, options)) return;
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  if (!found.topic) return call.reply.error(text::no_such_key);
  const model::Topic& state = call.broker.topics().state(*found.topic);
  if (options.id < state.max_erased_id()) {
    return call.reply.error(
        "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
  }
  // Without entries the id may go back.
  if (options.id < state.last_id() && state.batch_count() > 0) {
    return call.reply.error(
        "ERR The ID specified in XSETID is smaller than the target stream top item");
  }
  if (options.added && *options.added < state.live_count()) {
    return call.reply.error(
        "ERR The entries_added specified in XSETID is smaller than the target stream length");
  }
  bool done = call.wait_for(
      call.broker.topics().set_id(*found.topic, options.id, options.added, options.max_erased));
  if (!done) return;
  told(call, "xsetid");
  call.reply.ok();
}

void xlen(Call& call) {
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  call.reply.count(found.topic ? call.broker.topics().live_count(*found.topic) : 0);
}

constexpr Command rows[] = {
    {"xadd", -5, flag::write | flag::deny_oom | flag::fast | flag::appends, Where::keys,
     KeyRule::range, 1, 1, 1, "stream", "5.0.0", "Appends an entry to a stream.", xadd},
    {"xtrim", -4, flag::write, Where::keys, KeyRule::range, 1, 1, 1, "stream", "5.0.0",
     "Removes entries from the beginning of a stream.", xtrim},
    {"xdel", -3, flag::write | flag::fast | flag::reads_log, Where::keys, KeyRule::range, 1, 1, 1,
     "stream", "5.0.0", "Removes entries from a stream.", xdel},
    {"xsetid", -3, flag::write | flag::deny_oom | flag::fast, Where::keys, KeyRule::range, 1, 1, 1,
     "stream", "5.0.0", "Sets the last id and the counters of a stream.", xsetid},
    {"xcfgset", -2, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "stream",
     "8.6.0", "Says how long a stream remembers what its producers call their entries.", xcfgset},
    {"xlen", 2, flag::read_only | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "stream",
     "5.0.0", "Returns the number of entries in a stream.", xlen},
};

}  // namespace

std::span<const Command> stream_write_commands() { return rows; }

}  // namespace trv::redis
