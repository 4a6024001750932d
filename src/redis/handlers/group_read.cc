// XREADGROUP: reading as a member of a group.
#include <algorithm>
#include <set>

#include "base/mutant.h"
#include "broker/cold_reads.h"
#include "broker/trial.h"
#include "redis/handlers/families.h"
#include "redis/handlers/keyed.h"
#include "redis/handlers/read_options.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

namespace {

using Groups = model::ClaimGroups;

// Which records a delivery was about is worth knowing after a crash of the process; when the
// machine loses power, a delivery that was not synced yet has simply not happened, and is made
// again.
Status wait_for_delivery(Call& call, const Result<broker::Commit>& commit) {
  if (!commit) return commit.error();
  call.wait_for(broker::Commit{commit->round, std::min(commit->level, Durability::os)});
  return {};
}

struct GroupRead {
  ByteView key;
  broker::Topic* topic;
  const model::ClaimGroup* group;
  bool news;       // `>`
  RecordId after;  // else
};

// What is to be changed when all that is to be given has been found: until then nothing is, so that
// a command that finds something on the disk only can begin anew.
class GroupChanges {
 public:
  explicit GroupChanges(Call& call) : call_(call), commands_(call.service.scratch()) {}

  // Where the next command is appended. Nothing appended: the consumer was there, and is seen.
  std::string& add(broker::Topic& topic) {
    changes_.push_back({&topic, commands_.size()});
    return commands_;
  }

  Status make(const ReadOptions& options) {
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      broker::Topic& topic = *changes_[i].topic;
      const std::size_t begin = changes_[i].begin;
      const std::size_t end = i + 1 < changes_.size() ? changes_[i + 1].begin : commands_.size();
      if (begin == end) {
        call_.broker.claim_groups().note_seen(topic, options.group, options.consumer);
        continue;
      }
      const ByteView command = ByteView(commands_).substr(begin, end - begin);
      Status done = wait_for_delivery(call_, call_.broker.claim_groups().execute(topic, command));
      if (!done) return done;
    }
    changes_.clear();
    commands_.clear();
    return {};
  }

 private:
  struct Change {
    broker::Topic* topic;
    std::size_t begin;  // in commands_
  };
  Call& call_;
  std::string& commands_;
  std::vector<Change> changes_;
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

void ensure_consumer(Call& call, const GroupRead& read, const ReadOptions& options,
                     GroupChanges& changes) {
  std::string& command = changes.add(*read.topic);
  if (read.group->find_consumer(options.consumer)) return;
  Groups::encode_create_consumer(command, options.group, options.consumer);
  call.service.key_events().note(call, key_event::stream, key_event::consumer_made, read.key);
}

// What is pending and may be taken over: what was released, and then what has been idle for long
// enough. `visit` gets id, idle time and count, and answers whether to go on.
template <class Visit>
Status each_claimable(const Call& call, const GroupRead& read, const ReadOptions& options,
                      Visit&& visit) {
  for (const auto& [release, id] : read.group->released()) {
    // No time has passed since there was an owner.
    Result<bool> more = visit(id, EntryDelivery{-1, read.group->find_pending(id)->count});
    if (!more) return more.error();
    if (!*more) return {};
  }
  for (const auto& [delivered, id] : read.group->pending_by_time()) {
    const std::int64_t idle = std::max<std::int64_t>(call.now.ms - delivered.ms, 0);
    if (idle < options.claim_idle->count()) break;
    Result<bool> more = visit(id, EntryDelivery{idle, read.group->find_pending(id)->count});
    if (!more) return more.error();
    if (!*more) break;
  }
  return {};
}

// Takes over what may be taken, whoever has it, and writes it. Result: how many.
Result<std::size_t> take_over(Call& call, const GroupRead& read, const ReadOptions& options,
                              ReadBudget& budget, ReplyWriter& writer, GroupChanges& changes) {
  std::vector<RecordId> taken;
  std::vector<RecordId> gone;  // pending, but no longer in the stream
  const std::size_t count = budget.of_stream();
  Status looked =
      each_claimable(call, read, options, [&](RecordId id, EntryDelivery delivery) -> Result<bool> {
        auto record = record_with_id(call.broker, *read.topic, id);
        if (!record && looks_on(call)) {
          taken.push_back(id);
          return taken.size() < count;
        }
        if (!record) return record.error();
        if (!*record) {
          gone.push_back(id);
          return true;
        }
        write_delivered_entry(call, writer, *read.topic, **record, delivery);
        taken.push_back(id);
        return budget.took_one() && taken.size() < count && writer.out().size() <= reply_size_max;
      });
  if (!looked) return looked.error();
  if (!gone.empty()) Groups::encode_settle(changes.add(*read.topic), options.group, gone);
  if (taken.empty()) return std::size_t{0};
  Groups::Claim claim;
  claim.consumer = options.consumer;
  claim.delivered = call.now;
  claim.ids = taken;
  Groups::encode_claim(changes.add(*read.topic), options.group, claim);
  return taken.size();
}

// Writes at most `count` new entries and makes them pending. Result: how many.
Result<std::size_t> deliver_new(Call& call, const GroupRead& read, const ReadOptions& options,
                                std::size_t count, ReadBudget& budget, ReplyWriter& writer,
                                GroupChanges& changes) {
  RecordId position = read.group->position();
  if (position == RecordId::max() ||
      position >= call.broker.topics().last_visible_id(*read.topic)) {
    return std::size_t{0};
  }
  std::vector<RecordId> ids;
  Status done = each_record(call.broker, *read.topic, position.next(), RecordId::max(), count,
                            [&](const model::StoredRecord& record) {
                              if (options.claim_idle) {
                                write_delivered_entry(call, writer, *read.topic, record, {});
                              } else {
                                write_entry(call, writer, *read.topic, record);
                              }
                              ids.push_back(record.id);
                              return budget.took_one() && writer.out().size() <= reply_size_max;
                            });
  if (!done) return done.error();
  if (ids.empty()) return std::size_t{0};
  Groups::Delivery delivery;
  delivery.consumer = options.consumer;
  delivery.time = call.now;
  delivery.position = {ids.back(), read_after(call, read, position, ids)};
  delivery.keep_pending = !options.no_ack;
  delivery.ids = ids;
  Groups::encode_deliver(changes.add(*read.topic), options.group, delivery);
  return ids.size();
}

// Writes what a reader of `>` gets. Result: how many entries.
Result<std::size_t> deliver(Call& call, const GroupRead& read, const ReadOptions& options,
                            ReadBudget& budget, ReplyWriter& writer, GroupChanges& changes) {
  const std::size_t count = budget.of_stream();
  std::size_t taken = 0;
  if (options.claim_idle) {
    Result<std::size_t> taken_over = take_over(call, read, options, budget, writer, changes);
    if (!taken_over) return taken_over;
    taken = *taken_over;
  }
  if (taken == count || budget.spent() || writer.out().size() > reply_size_max) return taken;
  Result<std::size_t> fresh =
      deliver_new(call, read, options, count - taken, budget, writer, changes);
  if (!fresh) return fresh;
  return taken + *fresh;
}

// Writes the consumer's own pending entries again.
Result<std::size_t> deliver_again(Call& call, const GroupRead& read, const ReadOptions& options,
                                  ReadBudget& budget, ReplyWriter& writer, GroupChanges& changes) {
  const model::ClaimGroup::Consumer* consumer = read.group->find_consumer(options.consumer);
  std::vector<RecordId> sent;
  std::size_t written = 0;
  if (!consumer) return written;
  const std::size_t count = budget.of_stream();
  for (auto at = consumer->pending.upper_bound(read.after);
       at != consumer->pending.end() && written < count; ++at) {
    auto record = record_with_id(call.broker, *read.topic, *at);
    if (!record && looks_on(call)) {
      ++written;
      continue;
    }
    if (!record) return record.error();
    if (*record) {
      write_entry(call, writer, *read.topic, **record);
      sent.push_back(*at);
    } else {
      writer.array(2);
      writer.id(*at);
      writer.null_array();
    }
    ++written;
    if (!budget.took_one() || writer.out().size() > reply_size_max) break;
  }
  if (!sent.empty()) {
    Groups::encode_redeliver(changes.add(*read.topic), options.group, options.consumer, call.now,
                             sent);
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
    if (found.refused || added_in_transaction(call, found.topic)) return false;
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

// In how long something will have been pending for long enough.
std::optional<std::chrono::milliseconds> next_take_over(const Call& call,
                                                        const ReadOptions& options,
                                                        const std::vector<GroupRead>& reads) {
  std::optional<std::chrono::milliseconds> next;
  for (const GroupRead& read : reads) {
    const auto& by_time = read.group->pending_by_time();
    if (by_time.empty()) continue;
    const std::int64_t idle = std::max<std::int64_t>(call.now.ms - by_time.begin()->first.ms, 0);
    const std::chrono::milliseconds left(
        std::max<std::int64_t>(options.claim_idle->count() - idle, 0));
    next = next ? std::min(*next, left) : left;
  }
  return next;
}

void block_group_read(Call& call, const ReadOptions& options, const std::vector<GroupRead>& reads) {
  BlockRequest request;
  request.timeout = *options.block;
  request.args.assign(call.args.begin(), call.args.end());
  for (const GroupRead& read : reads) request.names.emplace_back(read.key);
  if (options.claim_idle) {
    request.look_again_in = next_take_over(call, options, reads);
  } else if (reads.size() == 1) {
    request.tag = options.group;
  }
  call.block = std::move(request);
}

// What a stream that is named twice gives the second time is what comes behind the first.
bool names_twice(const std::vector<GroupRead>& reads) {
  if (reads.size() == 1) return false;
  std::set<ByteView> keys;
  return !std::all_of(reads.begin(), reads.end(),
                      [&keys](const GroupRead& read) { return keys.insert(read.key).second; });
}

// Writes one stream, if there is anything to give. Result: whether there is.
Result<bool> read_group(Call& call, const GroupRead& read, const ReadOptions& options,
                        ReadBudget& budget, ReplyWriter& writer, GroupChanges& changes) {
  const std::size_t begin = writer.out().size();
  if (writer.protocol() == Protocol::resp2) writer.array(2);
  writer.bulk(read.key);
  const ReplyWriter::Guess entries = writer.guess_array(budget.of_stream());
  if (!TRV_MUTANT(guessed_line_counts_in_group)) budget.leave_out(entries.size);
  ensure_consumer(call, read, options, changes);
  Result<std::size_t> count = read.news
                                  ? deliver(call, read, options, budget, writer, changes)
                                  : deliver_again(call, read, options, budget, writer, changes);
  if (!count && !looks_on(call)) return count.error();
  budget.leave_out(0);
  if (!count || (*count == 0 && read.news)) {
    writer.out().resize(begin);
    return false;
  }
  writer.correct(entries, *count);
  return true;
}

void xreadgroup(Call& call) {
  ReadOptions options;
  std::vector<GroupRead> reads;
  if (!parse_read_options(call, true, options) || !parse_group_reads(call, options, reads)) return;
  options.count = std::min(options.count, delivered_max);
  const bool one_by_one = names_twice(reads);
  if (broker::Trial* trial = call.broker.cold_reads().trial(); trial && one_by_one) trial->stop();
  std::string body = room_for_entries(call);
  ReplyWriter writer(body, call.reply.protocol());
  const ReplyWriter::Guess streams = writer.guess_map_of_streams(reads.size());
  ReadBudget budget(options, body);
  GroupChanges changes(call);
  std::size_t found = 0;
  for (const GroupRead& read : reads) {
    if (budget.spent()) break;
    Result<bool> any = read_group(call, read, options, budget, writer, changes);
    if (!any) return write_error(call.reply, any.error());
    if (*any) ++found;
    if (!one_by_one) continue;
    if (Status made = changes.make(options); !made) {
      return write_error(call.reply, made.error());
    }
  }
  if (met_cold(call) && !TRV_MUTANT(delivers_before_all_is_there)) return;
  if (Status made = changes.make(options); !made) {
    return write_error(call.reply, made.error());
  }
  if (found > 0) {
    writer.correct(streams, found);
    reply_with_entries(call, std::move(body));
  } else if (options.block && call.may_block()) {
    block_group_read(call, options, reads);
  } else {
    call.reply.null_array();
  }
}

constexpr Command rows[] = {
    {"xreadgroup", -7, flag::write | flag::reads_log | flag::blocking | flag::tries, Where::keys,
     KeyRule::streams, 0, 0, 0, "stream", "5.0.0",
     "Returns new or pending entries to a consumer of a group.", xreadgroup},
};

}  // namespace

std::span<const Command> group_read_commands() { return rows; }

}  // namespace trv::redis
