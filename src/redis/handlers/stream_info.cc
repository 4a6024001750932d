// XINFO: a stream, its groups and their consumers.
#include <algorithm>

#include "broker/added_once.h"
#include "redis/handlers/families.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

namespace {

constexpr std::size_t full_count_usual = 10;

broker::Topic* stream_arg(Call& call) {
  FoundStream found = find_stream(call, call.args[2]);
  if (found.refused) return nullptr;
  if (!found.topic) call.reply.error(text::no_such_key);
  return found.topic;
}

void write_count(ReplyWriter& reply, std::optional<std::uint64_t> value) {
  if (value) {
    reply.count(*value);
  } else {
    reply.null();
  }
}

// What is remembered of records that are not to be added twice: six pairs.
void write_added_once(Call& call, broker::Topic& topic) {
  const model::AddedOnce* once = broker::AddedOnce(call.broker).find(topic);
  const model::AddedOnce::Window window = once ? once->window() : model::AddedOnce::Window{};
  ReplyWriter& reply = call.reply;
  reply.bulk("idmp-duration");
  reply.integer(window.keep.count());
  reply.bulk("idmp-maxsize");
  reply.count(window.per_producer);
  reply.bulk("pids-tracked");
  reply.count(once ? once->producer_count() : 0);
  reply.bulk("iids-tracked");
  reply.count(once ? once->name_count() : 0);
  reply.bulk("iids-added");
  reply.count(once ? once->added_count() : 0);
  reply.bulk("iids-duplicates");
  reply.count(once ? once->repeated_count() : 0);
}

// The fields that the short and the full form share: 13 pairs.
constexpr std::size_t common_pairs = 13;
void write_common(Call& call, broker::Topic& topic) {
  const model::Topic& state = call.broker.topics().state(topic);
  ReplyWriter& reply = call.reply;
  reply.bulk("length");
  reply.count(state.live_count());
  // What the log keeps instead of a radix tree: stored batches.
  reply.bulk("radix-tree-keys");
  reply.count(state.batch_count());
  reply.bulk("radix-tree-nodes");
  reply.count(state.batch_count() + 1);
  reply.bulk("last-generated-id");
  reply.id(state.last_id());
  reply.bulk("max-deleted-entry-id");
  reply.id(state.max_erased_id());
  reply.bulk("entries-added");
  reply.count(state.added_count());
  reply.bulk("recorded-first-entry-id");
  reply.id(first_id(call.broker, topic).value_or(RecordId{}));
  write_added_once(call, topic);
}

// The first visible entry in either direction, or null.
void write_edge(Call& call, broker::Topic& topic, bool last) {
  bool written = false;
  auto visit = [&](const model::StoredRecord& record) {
    write_entry(call, call.reply, topic, record);
    written = true;
    return false;
  };
  // An edge that can not be read is not there; reading the entry itself tells the error.
  if (last) {
    Status read = call.broker.topics().read_back(topic, to_the_end, visit);
    if (!read) written = false;
  } else {
    Status read = each_record(call.broker, topic, RecordId{}, RecordId::max(), 1, visit);
    if (!read) written = false;
  }
  if (!written) call.reply.null();
}

void write_pending_of_group(Call& call, const model::ClaimGroup& group, std::size_t count) {
  std::size_t shown = std::min(group.pending().size(), count);
  call.reply.array(shown);
  auto at = group.pending().begin();
  for (std::size_t i = 0; i < shown; ++i, ++at) {
    call.reply.array(4);
    call.reply.id(at->first);
    call.reply.bulk(at->second.owner ? ByteView(at->second.owner->first) : ByteView());
    call.reply.integer(at->second.delivered.ms);
    call.reply.count(at->second.count);
  }
}

void write_full_consumers(Call& call, const model::ClaimGroup& group, std::size_t count) {
  call.reply.array(group.consumers().size());
  for (const auto& [name, consumer] : group.consumers()) {
    call.reply.map(5);
    call.reply.bulk("name");
    call.reply.bulk(name);
    call.reply.bulk("seen-time");
    call.reply.integer(consumer.seen.ms);
    call.reply.bulk("active-time");
    call.reply.integer(consumer.active ? consumer.active->ms : -1);
    call.reply.bulk("pel-count");
    call.reply.count(consumer.pending.size());
    call.reply.bulk("pending");
    std::size_t shown = std::min(consumer.pending.size(), count);
    call.reply.array(shown);
    auto at = consumer.pending.begin();
    for (std::size_t i = 0; i < shown; ++i, ++at) {
      const model::ClaimGroup::Pending* pending = group.find_pending(*at);
      call.reply.array(3);
      call.reply.id(*at);
      call.reply.integer(pending->delivered.ms);
      call.reply.count(pending->count);
    }
  }
}

void write_full(Call& call, broker::Topic& topic, std::size_t count) {
  ReplyWriter& reply = call.reply;
  std::size_t begin = reply.out().size();
  reply.map(common_pairs + 2);
  write_common(call, topic);
  reply.bulk("entries");
  std::size_t start = reply.open_array();
  std::size_t written = 0;
  Status read = each_record(call.broker, topic, RecordId{}, RecordId::max(), count,
                            [&](const model::StoredRecord& record) {
                              write_entry(call, reply, topic, record);
                              ++written;
                              return reply.out().size() - start <= reply_size_max;
                            });
  if (!read) {
    reply.out().resize(begin);
    return write_error(reply, read.error());
  }
  reply.close_array(start, written);
  const model::ClaimGroups& groups = call.broker.claim_groups().of(topic);
  reply.bulk("groups");
  reply.array(groups.all().size());
  for (const auto& [name, group] : groups.all()) {
    reply.map(8);
    reply.bulk("name");
    reply.bulk(name);
    reply.bulk("last-delivered-id");
    reply.id(group.position());
    reply.bulk("entries-read");
    write_count(reply, group.entries_read());
    reply.bulk("lag");
    write_count(reply, lag_of(call.broker, topic, group));
    reply.bulk("pel-count");
    reply.count(group.pending().size());
    reply.bulk("pending");
    write_pending_of_group(call, group, count);
    reply.bulk("consumers");
    write_full_consumers(call, group, count);
    reply.bulk("nacked-count");
    reply.count(group.released().size());
  }
  too_large(call, begin);
}

void xinfo_stream(Call& call) {
  broker::Topic* topic = stream_arg(call);
  if (!topic) return;
  if (call.args.size() > 3) {
    bool full = is_word(call.args[3], "full");
    bool with_count = call.args.size() == 6 && is_word(call.args[4], "count");
    if (!full || (call.args.size() != 4 && !with_count)) {
      return call.reply.error(wrong_subcommand("XINFO", call.args[1]));
    }
    std::size_t count = full_count_usual;
    if (with_count) {
      std::optional<std::int64_t> value = integer_arg(call, 5);
      if (!value) return;
      if (*value == 0) count = no_count;
      if (*value > 0) count = static_cast<std::size_t>(*value);
    }
    return write_full(call, *topic, count);
  }
  call.reply.map(common_pairs + 3);
  write_common(call, *topic);
  call.reply.bulk("groups");
  call.reply.count(call.broker.claim_groups().of(*topic).all().size());
  call.reply.bulk("first-entry");
  write_edge(call, *topic, false);
  call.reply.bulk("last-entry");
  write_edge(call, *topic, true);
}

void xinfo_groups(Call& call) {
  broker::Topic* topic = stream_arg(call);
  if (!topic) return;
  const model::ClaimGroups& groups = call.broker.claim_groups().of(*topic);
  call.reply.array(groups.all().size());
  for (const auto& [name, group] : groups.all()) {
    call.reply.map(6);
    call.reply.bulk("name");
    call.reply.bulk(name);
    call.reply.bulk("consumers");
    call.reply.count(group.consumers().size());
    call.reply.bulk("pending");
    call.reply.count(group.pending().size());
    call.reply.bulk("last-delivered-id");
    call.reply.id(group.position());
    call.reply.bulk("entries-read");
    write_count(call.reply, group.entries_read());
    call.reply.bulk("lag");
    write_count(call.reply, lag_of(call.broker, *topic, group));
  }
}

void xinfo_consumers(Call& call) {
  broker::Topic* topic = stream_arg(call);
  if (!topic) return;
  const model::ClaimGroup* group = call.broker.claim_groups().of(*topic).find(call.args[3]);
  if (!group) return call.reply.error(no_consumer_group(call.args[2], call.args[3]));
  call.reply.array(group->consumers().size());
  for (const auto& [name, consumer] : group->consumers()) {
    call.reply.map(4);
    call.reply.bulk("name");
    call.reply.bulk(name);
    call.reply.bulk("pending");
    call.reply.count(consumer.pending.size());
    call.reply.bulk("idle");
    call.reply.integer(std::max<std::int64_t>(call.now.ms - consumer.seen.ms, 0));
    call.reply.bulk("inactive");
    call.reply.integer(
        consumer.active ? std::max<std::int64_t>(call.now.ms - consumer.active->ms, 0) : -1);
  }
}

constexpr std::uint32_t reads = flag::read_only | flag::reads_log | flag::tries;

constexpr Command rows[] = {
    {"xinfo", -2, flag::container | flag::reads_log, Where::session, KeyRule::none, 0, 0, 0,
     "stream", "5.0.0", "A container for stream introspection commands.", nullptr},
    {"xinfo|stream", -3, reads, Where::keys, KeyRule::range, 2, 2, 1, "stream", "5.0.0",
     "Tells about a stream.", xinfo_stream},
    {"xinfo|groups", 3, reads, Where::keys, KeyRule::range, 2, 2, 1, "stream", "5.0.0",
     "Tells about the consumer groups of a stream.", xinfo_groups},
    {"xinfo|consumers", 4, reads, Where::keys, KeyRule::range, 2, 2, 1, "stream", "5.0.0",
     "Tells about the consumers of a group.", xinfo_consumers},
};

}  // namespace

std::span<const Command> stream_info_commands() { return rows; }

}  // namespace trv::redis
