// XPENDING, XCLAIM, XAUTOCLAIM: looking at pending entries and taking them over.
#include <algorithm>
#include <limits>

#include "base/mutant.h"
#include "redis/handlers/families.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

namespace {

using Groups = model::ClaimGroups;
using Pending = model::ClaimGroup::Pending;

struct FoundGroup {
  broker::Topic* topic = nullptr;
  const model::ClaimGroup* group = nullptr;
};

// Null, and an error reply, when the key or the group is missing.
FoundGroup group_arg(Call& call) {
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return {};
  const model::ClaimGroup* group =
      found.topic ? call.broker.claim_groups().of(*found.topic).find(call.args[2]) : nullptr;
  if (!group) call.reply.error(no_group_for(call.args[1], call.args[2]));
  return {found.topic, group};
}

std::int64_t idle_of(const Call& call, WallTime since) {
  return std::max<std::int64_t>(call.now.ms - since.ms, 0);
}

// What was released has waited for long enough, whatever is asked for.
bool idle_for(const Call& call, const Pending& pending, std::int64_t min_idle) {
  return !pending.owner || idle_of(call, pending.delivered) >= min_idle;
}

// --- XPENDING ------------------------------------------------------------------------------------

void pending_summary(Call& call, const model::ClaimGroup& group) {
  const auto& pending = group.pending();
  call.reply.array(4);
  call.reply.count(pending.size());
  if (pending.empty()) {
    call.reply.null();
    call.reply.null();
    return call.reply.null_array();
  }
  call.reply.id(pending.begin()->first);
  call.reply.id(pending.rbegin()->first);
  std::size_t owners = 0;
  for (const auto& [name, consumer] : group.consumers()) owners += consumer.pending.empty() ? 0 : 1;
  call.reply.array(owners);
  for (const auto& [name, consumer] : group.consumers()) {
    if (consumer.pending.empty()) continue;
    call.reply.array(2);
    call.reply.bulk(name);
    call.reply.bulk_integer(static_cast<std::int64_t>(consumer.pending.size()));
  }
}

struct PendingRange {
  std::int64_t min_idle = 0;
  RecordId first;
  RecordId last;
  std::size_t count = 0;
  std::optional<ByteView> consumer;
};

bool parse_pending_range(Call& call, PendingRange& range) {
  std::size_t size = call.args.size();
  std::size_t at = 3;
  bool with_idle = is_word(call.args[3], "idle");
  if (with_idle) at += 2;
  if (size < at + 3 || size > at + 4) {
    call.reply.error(text::syntax);
    return false;
  }
  if (with_idle) {
    std::optional<std::int64_t> idle = integer_arg(call, 4);
    if (!idle) return false;
    range.min_idle = *idle;
  }
  std::optional<std::int64_t> count = integer_arg(call, at + 2);
  if (!count) return false;
  range.count = *count < 0 ? 0 : static_cast<std::size_t>(*count);
  std::optional<RecordId> first = range_start(call, call.args[at]);
  if (!first) return false;
  std::optional<RecordId> last = range_end(call, call.args[at + 1]);
  if (!last) return false;
  range.first = *first;
  range.last = *last;
  if (size == at + 4) range.consumer = call.args[at + 3];
  return true;
}

bool write_pending(Call& call, const PendingRange& range, RecordId id, const Pending& pending) {
  if (!idle_for(call, pending, range.min_idle)) return false;
  call.reply.array(4);
  call.reply.id(id);
  call.reply.bulk(pending.owner ? ByteView(pending.owner->first) : ByteView());
  call.reply.integer(pending.owner ? idle_of(call, pending.delivered) : -1);
  call.reply.count(pending.count);
  return true;
}

void pending_range(Call& call, const model::ClaimGroup& group, const PendingRange& range) {
  std::size_t start = call.reply.open_array();
  std::size_t written = 0;
  if (range.consumer) {
    const model::ClaimGroup::Consumer* consumer = group.find_consumer(*range.consumer);
    if (!consumer) return call.reply.array(0);
    for (auto at = consumer->pending.lower_bound(range.first);
         at != consumer->pending.end() && *at <= range.last && written < range.count; ++at) {
      written += write_pending(call, range, *at, *group.find_pending(*at)) ? 1 : 0;
    }
  } else {
    for (auto at = group.pending().lower_bound(range.first);
         at != group.pending().end() && at->first <= range.last && written < range.count; ++at) {
      written += write_pending(call, range, at->first, at->second) ? 1 : 0;
    }
  }
  if (too_large(call, start)) return;
  call.reply.close_array(start, written);
}

void xpending(Call& call) {
  bool summary = call.args.size() == 3;
  PendingRange range;
  if (!summary && !parse_pending_range(call, range)) return;
  FoundGroup found = group_arg(call);
  if (!found.group) return;
  if (summary) {
    pending_summary(call, *found.group);
  } else {
    pending_range(call, *found.group, range);
  }
}

// --- taking over ---------------------------------------------------------------------------------

// What one claim does; executed as two commands at most.
struct Takeover {
  std::vector<RecordId> claimed;
  std::vector<RecordId> gone;  // pending, but no longer in the stream
};

Status execute(Call& call, const FoundGroup& found, const Takeover& takeover, Groups::Claim claim) {
  std::string& command = call.service.scratch();
  if (!takeover.gone.empty()) {
    Groups::encode_settle(command, call.args[2], takeover.gone);
    Result<broker::Commit> settled = call.broker.claim_groups().execute(*found.topic, command);
    if (!settled) return settled.error();
    call.wait_for(*settled);
    command.clear();
  }
  if (!found.group->find_consumer(claim.consumer)) {
    call.service.key_events().note(call, key_event::stream, key_event::consumer_made, call.args[1]);
  }
  claim.ids = takeover.claimed;
  Groups::encode_claim(command, call.args[2], claim);
  Result<broker::Commit> claimed = call.broker.claim_groups().execute(*found.topic, command);
  if (!claimed) return claimed.error();
  call.wait_for(*claimed);
  return {};
}

// One claimed entry in the reply: its id, or the entry. False after an error reply.
bool write_claimed(Call& call, std::size_t start, bool just_id, const broker::Topic& topic,
                   const model::StoredRecord& record) {
  if (just_id) {
    call.reply.id(record.id);
  } else {
    write_entry(call, call.reply, topic, record);
  }
  return !too_large(call, start);
}

struct ClaimOptions {
  std::int64_t min_idle = 0;
  std::size_t id_end = 5;
  bool force = false;
  bool just_id = false;
  std::optional<WallTime> delivered;
  std::optional<std::uint64_t> count;
  RecordId last_id;
};

bool claim_number(Call& call, std::size_t index, const char* what, std::int64_t& value) {
  std::optional<std::int64_t> number = parse_integer(call.args[index]);
  if (!number) {
    call.reply.error("ERR Invalid " + std::string(what) + " argument for XCLAIM");
    return false;
  }
  value = *number;
  return true;
}

bool parse_claim_option(Call& call, std::size_t& i, ClaimOptions& options) {
  ByteView arg = call.args[i];
  bool more = i + 1 < call.args.size();
  std::int64_t value = 0;
  if (is_word(arg, "force")) {
    options.force = true;
  } else if (is_word(arg, "justid")) {
    options.just_id = true;
  } else if (is_word(arg, "idle") && more) {
    if (!claim_number(call, ++i, "IDLE option", value)) return false;
    options.delivered = WallTime{call.now.ms - value};
  } else if (is_word(arg, "time") && more) {
    if (!claim_number(call, ++i, "TIME option", value)) return false;
    options.delivered = WallTime{value};
  } else if (is_word(arg, "retrycount") && more) {
    if (!claim_number(call, ++i, "RETRYCOUNT option", value)) return false;
    if (value >= 0) options.count = static_cast<std::uint64_t>(value);
  } else if (is_word(arg, "lastid") && more) {
    std::optional<RecordId> id = id_arg(call, ++i);
    if (!id) return false;
    options.last_id = *id;
  } else {
    call.reply.error("ERR Unrecognized XCLAIM option '" + std::string(arg) + "'");
    return false;
  }
  return true;
}

bool parse_claim(Call& call, ClaimOptions& options) {
  if (!claim_number(call, 4, "min-idle-time", options.min_idle)) return false;
  options.min_idle = std::max<std::int64_t>(options.min_idle, 0);
  while (options.id_end < call.args.size() &&
         parse_id_strict(call.args[options.id_end], MissingSeq::zero)) {
    ++options.id_end;
  }
  for (std::size_t i = options.id_end; i < call.args.size(); ++i) {
    if (!parse_claim_option(call, i, options)) return false;
  }
  // A time that is yet to come, or none, is now.
  if (options.delivered && (*options.delivered > call.now || options.delivered->ms < 0)) {
    options.delivered = call.now;
  }
  return true;
}

void xclaim(Call& call) {
  FoundGroup found = group_arg(call);
  if (!found.group) return;
  ClaimOptions options;
  if (!parse_claim(call, options)) return;
  if (options.force && added_in_transaction(call, found.topic)) return;
  Takeover takeover;
  std::size_t start = call.reply.open_array();
  for (std::size_t i = 5; i < options.id_end; ++i) {
    RecordId id = *parse_id_strict(call.args[i], MissingSeq::zero);
    const Pending* pending = found.group->find_pending(id);
    bool twice =
        std::find(takeover.claimed.begin(), takeover.claimed.end(), id) != takeover.claimed.end();
    if (twice && options.min_idle > 0) continue;
    if (!pending && !options.force) continue;
    auto record = record_with_id(call.broker, *found.topic, id);
    if (!record && looks_on(call)) continue;
    if (!record) {
      call.reply.out().resize(start);
      return write_error(call.reply, record.error());
    }
    if (!*record) {
      if (pending) takeover.gone.push_back(id);
      continue;
    }
    const bool busy = pending && !idle_for(call, *pending, options.min_idle);
    if (busy && !TRV_MUTANT(claim_of_what_is_not_idle)) continue;
    takeover.claimed.push_back(id);
    if (!write_claimed(call, start, options.just_id, *found.topic, **record)) return;
  }
  if (met_cold(call) && !TRV_MUTANT(claims_before_all_is_there)) return;
  std::size_t count = takeover.claimed.size();
  Groups::Claim claim;
  claim.consumer = call.args[3];
  claim.delivered = options.delivered.value_or(call.now);
  claim.mode = options.count     ? Groups::CountMode::set
               : options.just_id ? Groups::CountMode::keep
                                 : Groups::CountMode::raise;
  claim.count = options.count.value_or(0);
  claim.position_at_least = options.last_id;
  if (Status done = execute(call, found, takeover, claim); !done) {
    call.reply.out().resize(start);
    return write_error(call.reply, done.error());
  }
  call.reply.close_array(start, count);
}

struct AutoClaimOptions {
  std::int64_t min_idle = 0;
  RecordId start;
  std::size_t count = 100;
  bool just_id = false;
};

bool parse_auto_claim(Call& call, AutoClaimOptions& options) {
  constexpr std::int64_t count_max = 1'000'000;
  // What Redis could still take memory for.
  constexpr std::int64_t count_limit = std::numeric_limits<std::int64_t>::max() / 16;
  std::optional<std::int64_t> idle = parse_integer(call.args[4]);
  if (!idle) {
    call.reply.error("ERR Invalid min-idle-time argument for XAUTOCLAIM");
    return false;
  }
  options.min_idle = std::max<std::int64_t>(*idle, 0);
  std::optional<RecordId> start = range_start(call, call.args[5]);
  if (!start) return false;
  options.start = *start;
  for (std::size_t i = 6; i < call.args.size(); ++i) {
    if (is_word(call.args[i], "justid")) {
      options.just_id = true;
    } else if (is_word(call.args[i], "count") && i + 1 < call.args.size()) {
      std::optional<std::int64_t> count = parse_integer(call.args[++i]);
      if (!count || *count <= 0 || *count > count_limit) {
        call.reply.error("ERR COUNT must be > 0");
        return false;
      }
      options.count = static_cast<std::size_t>(std::min(*count, count_max));
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  return true;
}

void xautoclaim(Call& call) {
  // A look at that many pending entries for each one that is asked for.
  constexpr std::size_t attempts_each = 10;
  AutoClaimOptions options;
  if (!parse_auto_claim(call, options)) return;
  FoundGroup found = group_arg(call);
  if (!found.group) return;
  Takeover takeover;
  std::string entries;
  ReplyWriter writer(entries, call.reply.protocol());
  std::size_t attempts = options.count * attempts_each;
  std::size_t left = options.count;
  auto at = found.group->pending().lower_bound(options.start);
  for (; at != found.group->pending().end() && attempts > 0 && left > 0 &&
         entries.size() <= reply_size_max;
       ++at, --attempts) {
    bool idle_enough = idle_for(call, at->second, options.min_idle);
    auto record = record_with_id(call.broker, *found.topic, at->first);
    if (!record && looks_on(call)) {
      // As if it were taken.
      if (idle_enough) --left;
      continue;
    }
    if (!record) return write_error(call.reply, record.error());
    if (!*record) {
      takeover.gone.push_back(at->first);
      --left;
      continue;
    }
    if (!idle_enough) continue;
    takeover.claimed.push_back(at->first);
    --left;
    if (options.just_id) {
      writer.id(at->first);
    } else {
      write_entry(call, writer, *found.topic, **record);
    }
  }
  if (met_cold(call)) return;
  RecordId next = at == found.group->pending().end() ? RecordId{} : at->first;
  Groups::Claim claim;
  claim.consumer = call.args[3];
  claim.delivered = call.now;
  claim.mode = options.just_id ? Groups::CountMode::keep : Groups::CountMode::raise;
  if (Status done = execute(call, found, takeover, claim); !done) {
    return write_error(call.reply, done.error());
  }
  call.reply.array(3);
  call.reply.id(next);
  call.reply.array(takeover.claimed.size());
  call.reply.out() += entries;
  call.reply.array(takeover.gone.size());
  for (RecordId id : takeover.gone) call.reply.id(id);
}

constexpr std::uint32_t claims = flag::write | flag::reads_log | flag::tries;

constexpr Command rows[] = {
    {"xpending", -3, flag::read_only, Where::keys, KeyRule::range, 1, 1, 1, "stream", "5.0.0",
     "Tells about the pending entries of a consumer group.", xpending},
    {"xclaim", -6, claims | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "stream", "5.0.0",
     "Takes over pending entries by id.", xclaim},
    {"xautoclaim", -6, claims | flag::fast, Where::keys, KeyRule::range, 1, 1, 1, "stream", "6.2.0",
     "Takes over pending entries that have been idle.", xautoclaim},
};

}  // namespace

std::span<const Command> claim_commands() { return rows; }

}  // namespace trv::redis
