// XDELEX, XACKDEL: deleting entries with regard to the groups that refer to them.
#include "redis/handlers/stream_refs.h"

#include <algorithm>
#include <vector>

#include "base/mutant.h"
#include "redis/handlers/families.h"

namespace trv::redis {

std::optional<References> references_word(ByteView arg) {
  if (is_word(arg, "keepref")) return References::keep;
  if (is_word(arg, "delref")) return References::drop;
  if (is_word(arg, "acked")) return References::acked;
  return std::nullopt;
}

bool is_referenced(const model::ClaimGroups& groups, RecordId id) {
  return std::any_of(groups.all().begin(), groups.all().end(), [id](const auto& named) {
    const model::ClaimGroup& group = named.second;
    const bool unread = group.position() < id && !TRV_MUTANT(unread_entries_count_as_acked);
    return unread || group.find_pending(id);
  });
}

std::optional<RecordId> first_referenced(const model::ClaimGroups& groups) {
  std::optional<RecordId> first;
  const auto add = [&first](RecordId id) { first = first ? std::min(*first, id) : id; };
  for (const auto& [name, group] : groups.all()) {
    if (group.position() != RecordId::max()) add(group.position().next());
    if (!group.pending().empty()) add(group.pending().begin()->first);
  }
  return first;
}

Status drop_references(Call& call, broker::Topic& topic, RecordId first, RecordId last) {
  constexpr std::size_t ids_max = 100'000;  // of one command
  std::string command;
  for (const auto& [name, group] : call.broker.claim_groups().of(topic).all()) {
    for (;;) {
      std::vector<RecordId> ids;
      for (auto at = group.pending().lower_bound(first);
           at != group.pending().end() && at->first <= last && ids.size() < ids_max; ++at) {
        ids.push_back(at->first);
      }
      if (ids.empty()) break;
      command.clear();
      model::ClaimGroups::encode_settle(command, name, ids);
      Result<broker::Commit> settled = call.broker.claim_groups().execute(topic, command);
      if (!settled) return settled.error();
      call.wait_for(*settled);
    }
  }
  return {};
}

bool parse_ids(Call& call, std::size_t& i, std::vector<RecordId>& ids) {
  const std::size_t left = call.args.size() - i - 1;
  const std::optional<std::int64_t> count =
      left > 0 ? parse_integer(call.args[i + 1]) : std::nullopt;
  if (!count || *count <= 0) {
    call.reply.error("ERR Number of IDs must be a positive integer");
    return false;
  }
  if (static_cast<std::uint64_t>(*count) > left - 1) {
    call.reply.error("ERR The `numids` parameter must match the number of arguments");
    return false;
  }
  const std::size_t end = i + 2 + static_cast<std::size_t>(*count);
  for (i += 2; i < end; ++i) {
    const std::optional<RecordId> id = id_arg(call, i);
    if (!id) return false;
    ids.push_back(*id);
  }
  return true;
}

namespace {

// What is answered for each id.
constexpr std::int64_t gone = -1;     // not there, or not pending
constexpr std::int64_t deleted = 1;   // for XACKDEL: acknowledged and deleted
constexpr std::int64_t referred = 2;  // not deleted, since a group refers to it

struct Selection {
  References references = References::keep;
  std::vector<RecordId> ids;
};

// [KEEPREF | DELREF | ACKED] IDS n id..., in any order, from `i` on. False after an error reply.
bool parse_selection(Call& call, std::size_t i, Selection& out) {
  bool with_mode = false;
  while (i < call.args.size()) {
    const std::optional<References> mode = references_word(call.args[i]);
    if (mode && !with_mode) {
      out.references = *mode;
      with_mode = true;
      ++i;
    } else if (is_word(call.args[i], "ids") && out.ids.empty()) {
      if (!parse_ids(call, i, out.ids)) return false;
    } else {
      call.reply.error(text::syntax);
      return false;
    }
  }
  if (out.ids.empty()) call.reply.error(text::syntax);
  return !out.ids.empty();
}

// One command's work on one stream.
struct Deletion {
  Call& call;
  broker::Topic& topic;
  References references;
  bool any_erased = false;

  const model::ClaimGroups& groups() const { return call.broker.claim_groups().of(topic); }
};

// True when it was there.
Result<bool> erase(Deletion& deletion, RecordId id) {
  Call& call = deletion.call;
  if (deletion.references == References::drop) {
    Status dropped = drop_references(call, deletion.topic, id, id);
    if (!dropped) return dropped.error();
  }
  auto removed = call.broker.topics().erase(deletion.topic, std::span(&id, 1));
  if (!removed) return removed.error();
  if (removed->count == 0) return false;
  call.wait_for(removed->commit);
  deletion.any_erased = true;
  return true;
}

bool must_stay(const Deletion& deletion, RecordId id) {
  return deletion.references == References::acked && is_referenced(deletion.groups(), id);
}

Result<std::int64_t> erase_selected(Deletion& deletion, RecordId id) {
  if (must_stay(deletion, id)) {
    auto record = record_with_id(deletion.call.broker, deletion.topic, id);
    if (!record) return record.error();
    return *record ? referred : gone;
  }
  Result<bool> erased = erase(deletion, id);
  if (!erased) return erased.error();
  return *erased ? deleted : gone;
}

Result<std::int64_t> settle_and_erase(Deletion& deletion, const model::ClaimGroup& group,
                                      ByteView name, RecordId id) {
  if (!group.find_pending(id)) return gone;
  std::string& command = deletion.call.service.scratch();
  model::ClaimGroups::encode_settle(command, name, std::span(&id, 1));
  Result<broker::Commit> settled =
      deletion.call.broker.claim_groups().execute(deletion.topic, command);
  if (!settled) return settled.error();
  deletion.call.wait_for(*settled);
  if (must_stay(deletion, id)) return referred;
  Result<bool> erased = erase(deletion, id);
  if (!erased) return erased.error();
  return deleted;
}

void answer(Call& call, std::span<const std::int64_t> outcomes) {
  call.reply.array(outcomes.size());
  for (std::int64_t outcome : outcomes) call.reply.integer(outcome);
}

// Answers with what `one` says of each id.
template <class One>
void delete_each(Deletion& deletion, const std::vector<RecordId>& ids, One&& one) {
  Call& call = deletion.call;
  std::vector<std::int64_t> outcomes;
  for (RecordId id : ids) {
    Result<std::int64_t> outcome = one(id);
    if (!outcome) return write_error(call.reply, outcome.error());
    outcomes.push_back(*outcome);
  }
  if (deletion.any_erased) {
    call.service.key_events().note(call, key_event::stream, "xdel", call.args[1]);
  }
  answer(call, outcomes);
}

void xdelex(Call& call) {
  Selection selection;
  if (!parse_selection(call, 2, selection)) return;
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  if (!found.topic) return answer(call, std::vector(selection.ids.size(), gone));
  Deletion deletion{call, *found.topic, selection.references};
  delete_each(deletion, selection.ids, [&](RecordId id) { return erase_selected(deletion, id); });
}

void xackdel(Call& call) {
  Selection selection;
  if (!parse_selection(call, 3, selection)) return;
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  const ByteView name = call.args[2];
  const model::ClaimGroup* group =
      found.topic ? call.broker.claim_groups().of(*found.topic).find(name) : nullptr;
  if (!group) return answer(call, std::vector(selection.ids.size(), gone));
  Deletion deletion{call, *found.topic, selection.references};
  delete_each(deletion, selection.ids,
              [&](RecordId id) { return settle_and_erase(deletion, *group, name, id); });
}

constexpr Command rows[] = {
    {"xdelex", -5, flag::write | flag::fast | flag::reads_log, Where::keys, KeyRule::range, 1, 1, 1,
     "stream", "8.2.0", "Removes entries from a stream, with regard to its groups.", xdelex},
    {"xackdel", -6, flag::write | flag::fast | flag::reads_log, Where::keys, KeyRule::range, 1, 1,
     1, "stream", "8.2.0", "Acknowledges entries and removes them from the stream.", xackdel},
};

}  // namespace

std::span<const Command> stream_reference_commands() { return rows; }

}  // namespace trv::redis
