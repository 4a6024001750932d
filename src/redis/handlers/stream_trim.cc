#include "redis/handlers/stream_trim.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/mutant.h"

namespace trv::redis {

namespace {

// An approximate trim looks at this many blocks unless told otherwise.
constexpr std::uint64_t blocks_usual = 100;

// Takes MAXLEN or MINID at `i`, which moves to its last argument. False after an error reply.
bool parse_threshold(Call& call, std::size_t& i, Trim& trim) {
  bool max_length = is_word(call.args[i], "maxlen");
  auto kind = max_length ? Trim::Kind::max_length : Trim::Kind::min_id;
  if (trim.kind != Trim::Kind::none && trim.kind != kind) {
    call.reply.error(
        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    return false;
  }
  trim.kind = kind;
  trim.approximate = false;
  ++i;
  if (i + 1 < call.args.size() && (call.args[i] == "~" || call.args[i] == "=")) {
    trim.approximate = call.args[i] == "~";
    ++i;
  }
  if (!max_length) {
    std::optional<RecordId> id = id_arg(call, i);
    if (id) trim.min_id = *id;
    return id.has_value();
  }
  std::optional<std::int64_t> length = integer_arg(call, i);
  if (!length) return false;
  if (*length < 0) {
    call.reply.error("ERR The MAXLEN argument must be >= 0.");
    return false;
  }
  trim.length = static_cast<std::uint64_t>(*length);
  return true;
}

bool parse_limit(Call& call, std::size_t& i, Trim& trim) {
  std::optional<std::int64_t> limit = integer_arg(call, ++i);
  if (!limit) return false;
  if (*limit < 0) {
    call.reply.error("ERR The LIMIT argument must be >= 0.");
    return false;
  }
  trim.limit = static_cast<std::uint64_t>(*limit);
  return true;
}

std::uint64_t live_before(broker::Broker& broker, broker::Topic& topic, Sequence end) {
  std::uint64_t count = 0;
  const model::Topic& state = broker.topics().state(topic);
  // Erased entries do not count; without any, the difference does.
  if (!state.has_holes()) {
    return end <= state.start() ? 0 : static_cast<std::uint64_t>(end - state.start());
  }
  auto counted = broker.topics().read(topic, state.start(), [&](const model::StoredRecord& record) {
    if (record.sequence >= end) return false;
    ++count;
    return true;
  });
  return counted ? count : 0;
}

// What is to go: at most so many of the oldest entries, of those before an id.
struct Cut {
  std::uint64_t count = 0;
  std::optional<RecordId> before;  // none: of all
  // Only whole blocks go, as the nodes of Redis's streams; the last one only when nothing stays.
  bool whole_blocks = false;
};

std::uint64_t removed_by_limit(const Trim& trim, std::uint64_t block) {
  const std::uint64_t limit = trim.limit.value_or(blocks_usual * block);
  return limit == 0 ? std::numeric_limits<std::uint64_t>::max() : limit;
}

Result<Cut> choose_cut(Call& call, broker::Topic& topic, const Trim& trim) {
  const std::uint64_t live = call.broker.topics().live_count(topic);
  Cut cut;
  cut.whole_blocks = trim.approximate;
  if (trim.kind == Trim::Kind::max_length) {
    cut.count = live > trim.length ? live - trim.length : 0;
  } else {
    cut.before = trim.min_id;
    cut.count = std::numeric_limits<std::uint64_t>::max();
    if (!trim.approximate) return cut;
    Result<Sequence> at = call.broker.topics().sequence_of(topic, trim.min_id);
    if (!at) return at.error();
    cut.count = live_before(call.broker, topic, *at);
  }
  if (trim.approximate) {
    cut.count = std::min(cut.count, removed_by_limit(trim, call.service.settings().trim_block));
  }
  return cut;
}

// Where the block begins that `at` lies in. Blocks are counted from the stream's first entry ever.
Sequence block_start(const Call& call, Sequence at) {
  const auto block = static_cast<std::int64_t>(call.service.settings().trim_block);
  return Sequence(at.value / block * block);
}

// Errors: as run_trim().
Result<std::uint64_t> cut_off(Call& call, broker::Topic& topic, const Cut& cut) {
  if (cut.count == 0) return std::uint64_t{0};
  broker::Topics& topics = call.broker.topics();
  const model::Topic& state = topics.state(topic);
  const std::uint64_t live = topics.live_count(topic);
  const bool all = cut.count >= live;
  if (cut.whole_blocks && !all && !state.has_holes()) {
    // Cheap, as it is asked for with every append.
    const Sequence most = state.start() + static_cast<std::int64_t>(std::min(cut.count, live));
    if (block_start(call, most) <= state.start()) return std::uint64_t{0};
  }
  Sequence at = state.trim_point(live - std::min(cut.count, live), false);
  if (cut.before) {
    Result<Sequence> before = topics.sequence_of(topic, *cut.before);
    if (!before) return before.error();
    at = std::min(at, *before);
  }
  if (cut.whole_blocks && !all) at = block_start(call, at);
  Result<broker::Topics::Removed> removed = topics.trim_to(topic, at);
  if (!removed) return removed.error();
  if (removed->count > 0) call.wait_for(removed->commit);
  return removed->count;
}

Result<std::uint64_t> erase(Call& call, broker::Topic& topic, std::span<const RecordId> ids) {
  Result<broker::Topics::Removed> removed = call.broker.topics().erase(topic, ids);
  if (!removed) return removed.error();
  if (removed->count > 0) call.wait_for(removed->commit);
  return removed->count;
}

// The last id that every group has read.
RecordId read_by_all(const model::ClaimGroups& groups) {
  RecordId last = RecordId::max();
  for (const auto& [name, group] : groups.all()) last = std::min(last, group.position());
  return last;
}

// Takes out entries from `from` on that no group refers to.
Result<std::uint64_t> pick_out(Call& call, broker::Topic& topic, RecordId from, const Cut& cut) {
  constexpr std::uint64_t ids_max = 10'000;  // erased at once
  const model::ClaimGroups& groups = call.broker.claim_groups().of(topic);
  const RecordId last = read_by_all(groups);
  std::uint64_t erased = 0;
  for (;;) {
    std::vector<RecordId> ids;
    const std::uint64_t wanted = std::min(ids_max, cut.count - erased);
    Status read = each_record(call.broker, topic, from, last, no_count,
                              [&](const model::StoredRecord& record) {
                                if (cut.before && record.id >= *cut.before) return false;
                                if (!is_referenced(groups, record.id)) ids.push_back(record.id);
                                return ids.size() < wanted;
                              });
    if (!read) return read.error();
    if (ids.empty()) return erased;
    Result<std::uint64_t> count = erase(call, topic, ids);
    if (!count) return count;
    erased += *count;
    if (ids.size() < wanted || erased >= cut.count || ids.back() == RecordId::max()) return erased;
    from = ids.back().next();
  }
}

// What no group refers to any more, wherever it lies: up to the first entry that one does refer to
// it is cut off as usual.
Result<std::uint64_t> cut_acknowledged(Call& call, broker::Topic& topic, const Cut& cut) {
  const auto first = first_referenced(call.broker.claim_groups().of(topic));
  if (!first || (cut.before && *first >= *cut.before)) return cut_off(call, topic, cut);
  Result<std::uint64_t> before = cut_off(call, topic, {cut.count, *first, cut.whole_blocks});
  if (!before || *before >= cut.count) return before;
  Result<std::uint64_t> behind =
      pick_out(call, topic, *first, {cut.count - *before, cut.before, false});
  if (!behind) return behind;
  return *before + *behind;
}

// And nothing of what went is pending any more.
Result<std::uint64_t> cut_with_references(Call& call, broker::Topic& topic, const Cut& cut) {
  const RecordId first = first_id(call.broker, topic).value_or(RecordId{});
  Result<std::uint64_t> removed = cut_off(call, topic, cut);
  if (!removed || *removed == 0) return removed;
  const std::optional<RecordId> next = first_id(call.broker, topic);
  const RecordId last = next ? next->previous() : call.broker.topics().last_id(topic);
  if (Status dropped = drop_references(call, topic, first, last); !dropped) return dropped.error();
  return removed;
}

}  // namespace

Parsed parse_trim_option(Call& call, std::size_t& i, Trim& trim) {
  const bool more = i + 1 < call.args.size();
  const auto parsed = [](bool done) { return done ? Parsed::yes : Parsed::refused; };
  if (more && (is_word(call.args[i], "maxlen") || is_word(call.args[i], "minid"))) {
    return parsed(parse_threshold(call, i, trim));
  }
  if (more && is_word(call.args[i], "limit")) return parsed(parse_limit(call, i, trim));
  const std::optional<References> references = references_word(call.args[i]);
  if (!references) return Parsed::no;
  if (trim.references) {
    call.reply.error(text::syntax);
    return Parsed::refused;
  }
  trim.references = references;
  return Parsed::yes;
}

bool check_trim(Call& call, const Trim& trim) {
  if (!trim.limit || (trim.kind != Trim::Kind::none && trim.approximate)) return true;
  if (trim.kind == Trim::Kind::none) {
    call.reply.error(
        "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
  } else {
    call.reply.error("ERR syntax error, LIMIT cannot be used without the special ~ option");
  }
  return false;
}

Result<std::uint64_t> run_trim(Call& call, broker::Topic& topic, const Trim& trim) {
  Result<Cut> cut = choose_cut(call, topic, trim);
  if (!cut) return cut.error();
  Result<std::uint64_t> removed = std::uint64_t{0};
  switch (trim.references.value_or(References::keep)) {
    case References::keep:
      removed = cut_off(call, topic, *cut);
      break;
    case References::drop:
      removed = cut_with_references(call, topic, *cut);
      break;
    case References::acked:
      removed = cut_acknowledged(call, topic, *cut);
      break;
  }
  if (removed && *removed > 0) {
    call.service.key_events().note(call, key_event::stream, "xtrim", call.args[1]);
  }
  return removed;
}

}  // namespace trv::redis
