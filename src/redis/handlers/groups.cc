// XGROUP, XACK: groups whose readers own what they were given.
#include <algorithm>

#include "redis/handlers/families.h"
#include "redis/handlers/keyed.h"
#include "redis/handlers/stream_refs.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

namespace {

using Groups = model::ClaimGroups;

constexpr std::string_view needs_key =
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use "
    "the MKSTREAM option to create an empty stream automatically.";

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
      call.reply.error(wrong_subcommand("XGROUP", call.args[1]));
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

void told(Call& call, std::string_view event) {
  call.service.key_events().note(call, key_event::stream, event, call.args[2]);
}

void xgroup_create(Call& call) {
  CreateOptions options;
  if (!parse_create(call, true, options)) return;
  ByteView key = call.args[2];
  FoundStream found = find_stream(call, key);
  if (found.refused) return;
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
  told(call, key_event::consumer_made);
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
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  const model::ClaimGroup* group =
      found.topic ? call.broker.claim_groups().of(*found.topic).find(call.args[2]) : nullptr;
  if (!group) return call.reply.integer(0);
  std::vector<RecordId> ids;
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    std::optional<RecordId> id = id_arg(call, i);
    if (!id) return;
    ids.push_back(*id);
  }
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

struct ReleaseOptions {
  Groups::Release release;
  std::vector<RecordId> ids;
  bool force = false;
};

bool parse_release_mode(Call& call, Groups::Release& release) {
  if (is_word(call.args[3], "silent")) {
    release.mode = Groups::CountMode::lower;
  } else if (is_word(call.args[3], "fail")) {
    release.mode = Groups::CountMode::keep;
  } else if (is_word(call.args[3], "fatal")) {
    release.mode = Groups::CountMode::set;
    release.count = model::ClaimGroup::delivery_count_max;
  } else {
    call.reply.error(text::syntax);
    return false;
  }
  return true;
}

// SILENT | FAIL | FATAL IDS n id... [RETRYCOUNT n] [FORCE], the last three in any order.
bool parse_release(Call& call, ReleaseOptions& options) {
  if (!parse_release_mode(call, options.release)) return false;
  std::size_t i = 4;
  while (i < call.args.size()) {
    if (is_word(call.args[i], "ids") && options.ids.empty()) {
      if (!parse_ids(call, i, options.ids)) return false;
    } else if (is_word(call.args[i], "force")) {
      options.force = true;
      ++i;
    } else if (is_word(call.args[i], "retrycount") && i + 1 < call.args.size()) {
      std::optional<std::int64_t> count = integer_arg(call, i + 1);
      if (!count) return false;
      if (*count < 0) {
        call.reply.error("ERR RETRYCOUNT must be >= 0");
        return false;
      }
      options.release.mode = Groups::CountMode::set;
      options.release.count = static_cast<std::uint64_t>(*count);
      i += 2;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  if (options.ids.empty()) call.reply.error(text::syntax);
  return !options.ids.empty();
}

// Leaves the ids that are pending and, with FORCE, those of entries that are there.
Status keep_releasable(Call& call, broker::Topic& topic, const model::ClaimGroup& group,
                       ReleaseOptions& options) {
  std::vector<RecordId> kept;
  for (RecordId id : options.ids) {
    bool releasable = group.find_pending(id) != nullptr;
    if (!releasable && options.force) {
      auto record = record_with_id(call.broker, topic, id);
      if (!record) return record.error();
      releasable = record->has_value();
    }
    if (releasable) kept.push_back(id);
  }
  options.ids = std::move(kept);
  return {};
}

void xnack(Call& call) {
  ReleaseOptions options;
  if (!parse_release(call, options)) return;
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  const model::ClaimGroup* group =
      found.topic ? call.broker.claim_groups().of(*found.topic).find(call.args[2]) : nullptr;
  if (!group) return call.reply.error(no_group_for(call.args[1], call.args[2]));
  if (options.force && added_in_transaction(call, found.topic)) return;
  if (Status done = keep_releasable(call, *found.topic, *group, options); !done) {
    return write_error(call.reply, done.error());
  }
  if (!options.ids.empty()) {
    options.release.ids = options.ids;
    std::string& command = call.service.scratch();
    Groups::encode_release(command, call.args[2], options.release);
    if (!call.wait_for(call.broker.claim_groups().execute(*found.topic, command))) return;
    // Who waits with CLAIM may have it at once.
    call.broker.topics().notify(std::string(call.args[1]));
  }
  call.reply.count(options.ids.size());
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
    {"xack", -4, flag::write | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "stream", "5.0.0",
     "Tells that entries were processed; they are no longer pending.", xack},
    {"xnack", -7, flag::write | flag::fast | flag::reads_log, Where::keys, KeyRule::range, 1, 1, 1,
     "stream", "8.8.0", "Gives pending entries back to the group, for any consumer to claim.",
     xnack},
};

}  // namespace

std::span<const Command> group_commands() { return rows; }

}  // namespace trv::redis
