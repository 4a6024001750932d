// XGROUP, XREADGROUP, XACK: groups whose readers own what they were given.
#include <algorithm>

#include "redis/handlers/families.h"
#include "redis/handlers/keyed.h"
#include "redis/handlers/read_options.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

namespace {

using Groups = model::ClaimGroups;

constexpr std::string_view needs_key =
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use "
    "the MKSTREAM option to create an empty stream automatically.";

// Which records a delivery was about is worth knowing after a crash of the process; when the
// machine loses power, a delivery that was not synced yet has simply not happened, and is made
// again.
Status wait_for_delivery(Call& call, const Result<broker::Commit>& commit) {
  if (!commit) return commit.error();
  call.wait_for(broker::Commit{commit->round, std::min(commit->level, Durability::os)});
  return {};
}

struct CreateOptions {
  bool make_stream = false;
  std::optional<std::uint64_t> entries_read;
};

bool parse_create(Call& call, bool with_make_stream, CreateOptions& options) {
  for (std::size_t i = 5; i < call.args.size(); ++i) {
    if (with_make_stream && is_word(call.args[i], "mkstream")) {
      options.make_stream = true;
    } else if (is_word(call.args[i], "entriesread") && i + 1 < call.args.size()) {
      std::optional<std::int64_t> read = integer_arg(call, ++i);
      if (!read) return false;
      if (*read < -1) {
        call.reply.error("ERR value for ENTRIESREAD must be positive or -1");
        return false;
      }
      options.entries_read.reset();
      if (*read >= 0) options.entries_read = static_cast<std::uint64_t>(*read);
    } else {
      call.reply.error("ERR unknown subcommand or wrong number of arguments for '" +
                       std::string(call.args[1]) + "'. Try XGROUP HELP.");
      return false;
    }
  }
  return true;
}

std::optional<RecordId> position_arg(Call& call, broker::Topic* topic, ByteView text) {
  if (text == "$") {
    return topic ? call.broker.topics().last_visible_id(*topic) : RecordId{};
  }
  std::optional<RecordId> id = parse_id(text, MissingSeq::zero);
  if (!id) call.reply.error(text::invalid_id);
  return id;
}

constexpr std::string_view consumer_made = "xgroup-createconsumer";

void told(Call& call, std::string_view event) {
  call.service.key_events().note(call, key_event::stream, event, call.args[2]);
}

void xgroup_create(Call& call) {
  CreateOptions options;
  if (!parse_create(call, true, options)) return;
  ByteView key = call.args[2];
  FoundStream found = find_stream(call, key);
  if (found.refused || added_in_transaction(call, key)) return;
  if (!found.topic && !options.make_stream) return call.reply.error(needs_key);
  std::optional<RecordId> id = position_arg(call, found.topic, call.args[4]);
  if (!id || !may_write(call)) return;
  if (!found.topic) {
    model::TopicSettings settings;
    settings.partition_count = call.broker.options().auto_partition_count;
    settings.durability = call.broker.options().durability;
    auto created = call.broker.topics().create(std::string(key), settings);
    if (!created) return write_error(call.reply, created.error());
    call.wait_for(created->commit);
    call.service.key_events().note(call, key_event::created, "new", key);
    found.topic = created->topic;
  }
  if (call.broker.claim_groups().of(*found.topic).find(call.args[3])) {
    return call.reply.error("BUSYGROUP Consumer Group name already exists");
  }
  std::string& command = call.service.scratch();
  Groups::encode_create(command, call.args[3], {*id, options.entries_read});
  if (!call.wait_for(call.broker.claim_groups().execute(*found.topic, command))) return;
  told(call, "xgroup-create");
  call.reply.ok();
}

struct FoundGroup {
  broker::Topic* topic = nullptr;
  const model::ClaimGroup* group = nullptr;
};

// For XGROUP: null, and an error reply, when the key or the group is missing.
FoundGroup group_arg(Call& call) {
  FoundStream found = find_stream(call, call.args[2]);
  if (found.refused) return {};
  if (!found.topic) {
    call.reply.error(needs_key);
    return {};
  }
  const model::ClaimGroup* group = call.broker.claim_groups().of(*found.topic).find(call.args[3]);
  if (!group) call.reply.error(no_consumer_group(call.args[2], call.args[3]));
  return {found.topic, group};
}

void xgroup_setid(Call& call) {
  CreateOptions options;
  if (!parse_create(call, false, options)) return;
  FoundGroup found = group_arg(call);
  if (!found.group) return;
  std::optional<RecordId> id = position_arg(call, found.topic, call.args[4]);
  if (!id) return;
  std::string& command = call.service.scratch();
  Groups::encode_set_position(command, call.args[3], {*id, options.entries_read});
  if (!call.wait_for(call.broker.claim_groups().execute(*found.topic, command))) return;
  told(call, "xgroup-setid");
  call.broker.topics().notify(std::string(call.args[2]));
  call.reply.ok();
}

void xgroup_destroy(Call& call) {
  FoundStream found = find_stream(call, call.args[2]);
  if (found.refused) return;
  if (!found.topic) return call.reply.error(needs_key);
  if (!call.broker.claim_groups().of(*found.topic).find(call.args[3])) {
    return call.reply.integer(0);
  }
  std::string& command = call.service.scratch();
  Groups::encode_destroy(command, call.args[3]);
  if (!call.wait_for(call.broker.claim_groups().execute(*found.topic, command))) return;
  told(call, "xgroup-destroy");
  call.reply.integer(1);
}

void xgroup_createconsumer(Call& call) {
  FoundGroup found = group_arg(call);
  if (!found.group) return;
  if (found.group->find_consumer(call.args[4])) return call.reply.integer(0);
  std::string& command = call.service.scratch();
  Groups::encode_create_consumer(command, call.args[3], call.args[4]);
  if (!call.wait_for(call.broker.claim_groups().execute(*found.topic, command))) return;
  told(call, consumer_made);
  call.reply.integer(1);
}

void xgroup_delconsumer(Call& call) {
  FoundGroup found = group_arg(call);
  if (!found.group) return;
  const model::ClaimGroup::Consumer* consumer = found.group->find_consumer(call.args[4]);
  if (!consumer) return call.reply.integer(0);
  std::size_t pending = consumer->pending.size();
  std::string& command = call.service.scratch();
  Groups::encode_delete_consumer(command, call.args[3], call.args[4]);
  if (!call.wait_for(call.broker.claim_groups().execute(*found.topic, command))) return;
  told(call, "xgroup-delconsumer");
  call.reply.count(pending);
}

void xack(Call& call) {
  std::vector<RecordId> ids;
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    std::optional<RecordId> id = id_arg(call, i);
    if (!id) return;
    ids.push_back(*id);
  }
  const model::ClaimGroup* group =
      found.topic ? call.broker.claim_groups().of(*found.topic).find(call.args[2]) : nullptr;
  if (!group) return call.reply.integer(0);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::erase_if(ids, [&](RecordId id) { return !group->find_pending(id); });
  if (!ids.empty()) {
    std::string& command = call.service.scratch();
    Groups::encode_settle(command, call.args[2], ids);
    if (!call.wait_for(call.broker.claim_groups().execute(*found.topic, command))) return;
  }
  call.reply.count(ids.size());
}

// --- XREADGROUP ----------------------------------------------------------------------------------

struct GroupRead {
  ByteView key;
  broker::Topic* topic;
  const model::ClaimGroup* group;
  bool news;       // `>`
  RecordId after;  // else
};

// What the group's count of read entries is after `ids` were delivered from `position` on. Erased
// entries behind the position make it unknown, until an entry comes whose number can be told.
std::optional<std::uint64_t> read_after(Call& call, const GroupRead& read, RecordId position,
                                        const std::vector<RecordId>& ids) {
  std::optional<std::uint64_t> count = read.group->entries_read();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (count && !erased_since(call.broker, *read.topic, position)) {
      return *count + (ids.size() - i);
    }
    count = added_up_to(call.broker, *read.topic, ids[i]);
    position = ids[i];
  }
  return count;
}

Status ensure_consumer(Call& call, const GroupRead& read, const ReadOptions& options) {
  if (read.group->find_consumer(options.consumer)) {
    call.broker.claim_groups().note_seen(*read.topic, options.group, options.consumer);
    return {};
  }
  std::string command;
  Groups::encode_create_consumer(command, options.group, options.consumer);
  call.service.key_events().note(call, key_event::stream, consumer_made, read.key);
  return wait_for_delivery(call, call.broker.claim_groups().execute(*read.topic, command));
}

// Writes new entries and makes them pending. Result: how many.
Result<std::size_t> deliver(Call& call, const GroupRead& read, const ReadOptions& options,
                            ReplyWriter& writer) {
  RecordId position = read.group->position();
  if (position == RecordId::max() ||
      position >= call.broker.topics().last_visible_id(*read.topic)) {
    return std::size_t{0};
  }
  std::vector<RecordId> ids;
  Status done = each_record(call.broker, *read.topic, position.next(), RecordId::max(),
                            options.count, [&](const model::StoredRecord& record) {
                              write_entry(call, writer, *read.topic, record);
                              ids.push_back(record.id);
                              return writer.out().size() <= reply_size_max;
                            });
  if (!done) return done.error();
  if (ids.empty()) return std::size_t{0};
  Groups::Delivery delivery;
  delivery.consumer = options.consumer;
  delivery.time = call.now;
  delivery.position = {ids.back(), read_after(call, read, position, ids)};
  delivery.keep_pending = !options.no_ack;
  delivery.ids = ids;
  std::string& command = call.service.scratch();
  Groups::encode_deliver(command, options.group, delivery);
  done = wait_for_delivery(call, call.broker.claim_groups().execute(*read.topic, command));
  if (!done) return done.error();
  return ids.size();
}

// Writes the consumer's own pending entries again.
Result<std::size_t> deliver_again(Call& call, const GroupRead& read, const ReadOptions& options,
                                  ReplyWriter& writer) {
  const model::ClaimGroup::Consumer* consumer = read.group->find_consumer(options.consumer);
  std::vector<RecordId> sent;
  std::size_t written = 0;
  if (!consumer) return written;
  for (auto at = consumer->pending.upper_bound(read.after);
       at != consumer->pending.end() && written < options.count; ++at, ++written) {
    auto record = record_with_id(call.broker, *read.topic, *at);
    if (!record) return record.error();
    if (*record) {
      write_entry(call, writer, *read.topic, **record);
      sent.push_back(*at);
    } else {
      writer.array(2);
      writer.id(*at);
      writer.null_array();
    }
    if (writer.out().size() > reply_size_max) break;
  }
  if (!sent.empty()) {
    std::string& command = call.service.scratch();
    Groups::encode_redeliver(command, options.group, options.consumer, call.now, sent);
    Status done = wait_for_delivery(call, call.broker.claim_groups().execute(*read.topic, command));
    if (!done) return done.error();
  }
  return written;
}

// Deliveries of one call: their ids must fit into one journal entry.
constexpr std::size_t delivered_max = 1'000'000;

bool parse_group_reads(Call& call, const ReadOptions& options, std::vector<GroupRead>& reads) {
  for (std::size_t i = 0; i < options.stream_count; ++i) {
    ByteView key = call.args[options.keys_at + i];
    ByteView text = call.args[options.keys_at + options.stream_count + i];
    FoundStream found = find_stream(call, key);
    if (found.refused || added_in_transaction(call, key)) return false;
    const model::ClaimGroup* group =
        found.topic ? call.broker.claim_groups().of(*found.topic).find(options.group) : nullptr;
    if (!group) {
      call.reply.error(no_group_for(key, options.group) + " in XREADGROUP with GROUP option");
      return false;
    }
    GroupRead read{key, found.topic, group, text == ">", {}};
    if (text == "$") {
      call.reply.error(
          "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history "
          "of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ "
          "ID would just return an empty result set.");
      return false;
    }
    if (!read.news) {
      std::optional<RecordId> after = parse_id_strict(text, MissingSeq::zero);
      if (!after) {
        call.reply.error(text::invalid_id);
        return false;
      }
      read.after = *after;
    }
    reads.push_back(read);
  }
  return true;
}

void block_group_read(Call& call, const ReadOptions& options, const std::vector<GroupRead>& reads) {
  BlockRequest request;
  request.timeout = *options.block;
  request.args.assign(call.args.begin(), call.args.end());
  for (const GroupRead& read : reads) request.names.emplace_back(read.key);
  if (reads.size() == 1) request.tag = options.group;
  call.block = std::move(request);
}

void xreadgroup(Call& call) {
  ReadOptions options;
  std::vector<GroupRead> reads;
  if (!parse_read_options(call, true, options) || !parse_group_reads(call, options, reads)) return;
  options.count = std::min(options.count, delivered_max);
  std::string body;
  ReplyWriter writer(body, call.reply.protocol());
  std::size_t found = 0;
  for (const GroupRead& read : reads) {
    std::size_t begin = body.size();
    if (call.reply.protocol() == Protocol::resp2) writer.array(2);
    writer.bulk(read.key);
    std::size_t entries = writer.open_array();
    Status there = ensure_consumer(call, read, options);
    if (!there) return write_error(call.reply, there.error());
    Result<std::size_t> count = read.news ? deliver(call, read, options, writer)
                                          : deliver_again(call, read, options, writer);
    if (!count) return write_error(call.reply, count.error());
    if (*count == 0 && read.news) {
      body.resize(begin);
      continue;
    }
    writer.close_array(entries, *count);
    ++found;
  }
  if (found > 0) {
    call.reply.map_of_streams(found);
    call.reply.out() += body;
  } else if (options.block && call.may_block()) {
    block_group_read(call, options, reads);
  } else {
    call.reply.null_array();
  }
}

constexpr std::uint32_t group_flags = flag::write | flag::reads_log;

constexpr Command rows[] = {
    {"xgroup", -2, flag::container | flag::reads_log, Where::session, KeyRule::none, 0, 0, 0,
     "stream", "5.0.0", "A container for consumer group commands.", nullptr},
    {"xgroup|create", -5, group_flags | flag::deny_oom, Where::keys, KeyRule::range, 2, 2, 1,
     "stream", "5.0.0", "Creates a consumer group.", xgroup_create},
    {"xgroup|setid", -5, group_flags, Where::keys, KeyRule::range, 2, 2, 1, "stream", "5.0.0",
     "Sets the last delivered id of a consumer group.", xgroup_setid},
    {"xgroup|destroy", 4, group_flags, Where::keys, KeyRule::range, 2, 2, 1, "stream", "5.0.0",
     "Destroys a consumer group.", xgroup_destroy},
    {"xgroup|createconsumer", 5, group_flags | flag::deny_oom, Where::keys, KeyRule::range, 2, 2, 1,
     "stream", "6.2.0", "Creates a consumer in a consumer group.", xgroup_createconsumer},
    {"xgroup|delconsumer", 5, group_flags, Where::keys, KeyRule::range, 2, 2, 1, "stream", "5.0.0",
     "Deletes a consumer from a consumer group.", xgroup_delconsumer},
    {"xreadgroup", -7, group_flags | flag::blocking, Where::keys, KeyRule::streams, 0, 0, 0,
     "stream", "5.0.0", "Returns new or pending entries to a consumer of a group.", xreadgroup},
    {"xack", -4, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "stream", "5.0.0",
     "Tells that entries were processed; they are no longer pending.", xack},
};

}  // namespace

std::span<const Command> group_commands() { return rows; }

}  // namespace trv::redis
