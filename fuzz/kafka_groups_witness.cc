#include "kafka_groups_witness.h"

#include "base/assert.h"

namespace trv::fuzz {

namespace {

enum Key : std::int16_t {
  offset_commit = 8,
  join_group = 11,
  delete_topics = 20,
  delete_records = 21,
  end_txn = 26,
  init_producer_id = 22,
  txn_offset_commit = 28,
  delete_groups = 42,
  offset_delete = 47,
  share_heartbeat = 76,
  share_fetch = 78,
  share_acknowledge = 79,
  alter_share_offsets = 91,
  delete_share_offsets = 92
};

// KIP-932: group.share.delivery.count.limit and group.share.min.record.lock.duration.ms.
constexpr std::int64_t deliveries_max = 5;
constexpr std::int64_t lock_min_ms = 15'000;

// Said once only, by its metadata.
bool is_unique(const CommittedOffset& offset) {
  return offset.metadata.size() > 1 && offset.metadata[0] == 'm' && offset.metadata[1] >= '0' &&
         offset.metadata[1] <= '9';
}

}  // namespace

CommittedOffset GroupsWitness::said_offset(const Value& partition) {
  return {partition["committed_offset"].number(), partition["committed_metadata"].text()};
}

template <class F>
void GroupsWitness::each_offset(const Exchange& exchange, F&& visit) {
  const std::string& group = exchange.request["group_id"].text();
  each_partition(facts_, exchange.request, [&](const LogName& log, auto&, const Value& partition) {
    visit(OffsetKey{group, log}, partition);
  });
}

// --- committed offsets
// ----------------------------------------------------------------------------

void GroupsWitness::on_said(Exchange& exchange) {
  switch (exchange.api->key) {
    case offset_commit:
      each_offset(exchange, [&](const OffsetKey& key, const Value& partition) {
        Offsets& offsets = offsets_[key];
        offsets.possible.insert(said_offset(partition));
        exchange.offset_churn[key.log] = ++offsets.churn;
        ++offsets.under_way;
      });
      break;
    case txn_offset_commit:
      each_offset(exchange, [&](const OffsetKey& key, const Value& partition) {
        pending_[exchange.request["transactional_id"].text()].push_back(
            {key, said_offset(partition), exchange.said_at, ++offsets_[key].churn, false});
      });
      break;
    case end_txn:
      for (const Pending& one : pending_[exchange.request["transactional_id"].text()]) {
        const bool commits = exchange.request["committed"].number() != 0;
        if (commits) offsets_[one.key].possible.insert(one.offset);
      }
      break;
    case delete_groups:
    case offset_delete:
    case delete_topics:
      forget_offsets(exchange);
      break;
    case delete_records:
      forget_holds(exchange);
      break;
    case share_heartbeat:
      if (exchange.request["member_epoch"].number() == -1) release(exchange);
      break;
    case share_fetch:
    case share_acknowledge:
      note_others(exchange);
      release(exchange);
      break;
    case alter_share_offsets:
    case delete_share_offsets:
      forget_share_group(exchange.request["group_id"].text());
      break;
    default:
      break;
  }
}

void GroupsWitness::on_answered(const Exchange& exchange, const Value& answer, std::uint64_t now) {
  switch (exchange.api->key) {
    case offset_commit:
      on_commit_answered(exchange, answer);
      break;
    case txn_offset_commit:
      on_pending_answered(exchange, answer);
      break;
    case end_txn:
      on_transaction_ended(exchange, answer);
      break;
    case init_producer_id:
      // It may also have completed a commit.
      if (answer["error_code"].number() == 0 && transactions_.is_clear(exchange)) {
        pending_.erase(exchange.request["transactional_id"].text());
      }
      break;
    case delete_groups:
    case offset_delete:
    case delete_topics:
      forget_offsets(exchange);
      break;
    case alter_share_offsets:
    case delete_share_offsets:
      forget_share_group(exchange.request["group_id"].text());
      break;
    case delete_records:
      forget_holds(exchange);
      break;
    case share_acknowledge:
      on_acknowledged(exchange, answer);
      break;
    case share_fetch:
      on_acknowledged(exchange, answer);
      on_acquired(exchange, answer, now);
      break;
    case join_group:
      on_joined(exchange, answer);
      break;
    default:
      break;
  }
}

void GroupsWitness::on_lost(const Exchange& exchange) {
  if (exchange.api->key == offset_commit) {
    each_offset(exchange, [&](const OffsetKey& key, auto&) { --offsets_[key].under_way; });
  } else {
    forget_offsets(exchange);
  }
}

void GroupsWitness::on_commit_answered(const Exchange& exchange, const Value& answer) {
  std::map<LogName, std::int64_t> errors;
  each_partition(facts_, answer, [&](const LogName& log, auto&, const Value& partition) {
    errors[log] = partition["error_code"].number();
  });
  each_offset(exchange, [&](const OffsetKey& key, const Value& partition) {
    Offsets& offsets = offsets_[key];
    --offsets.under_way;
    const auto error = errors.find(key.log);
    TRV_ASSERT(error != errors.end());
    const bool alone = offsets.under_way == 0 && exchange.offset_churn.at(key.log) == offsets.churn;
    if (!alone) return;
    if (error->second == 0) offsets.possible = {said_offset(partition)};
    // 14 and 15: it is not known whether.
    const bool refused = error->second != 0 && error->second != 14 && error->second != 15;
    if (refused && is_unique(said_offset(partition))) {
      offsets.possible.erase(said_offset(partition));
    }
  });
}

void GroupsWitness::on_pending_answered(const Exchange& exchange, const Value& answer) {
  each_partition(facts_, answer, [&](const LogName& log, auto&, const Value& partition) {
    for (Pending& one : pending_[exchange.request["transactional_id"].text()]) {
      if (one.said_at != exchange.said_at || one.key.log != log) continue;
      one.acknowledged = partition["error_code"].number() == 0;
    }
  });
}

void GroupsWitness::on_transaction_ended(const Exchange& exchange, const Value& answer) {
  if (answer["error_code"].number() != 0 || !exchange.by_present_producer) return;
  std::vector<Pending>& pending = pending_[exchange.request["transactional_id"].text()];
  const bool commits = exchange.request["committed"].number() != 0;
  const bool clear = transactions_.is_clear(exchange) && exchange.was_open;
  for (const Pending& one : pending) {
    Offsets& offsets = offsets_[one.key];
    if (!commits) continue;
    if (one.said_at > exchange.said_at) offsets.possible.insert(one.offset);
    // What is committed in between beside the transaction may be what counts.
    const bool last = offsets.churn == one.churn && offsets.under_way == 0;
    if (clear && last && one.acknowledged) offsets.possible = {one.offset};
  }
  std::erase_if(pending, [&](const Pending& one) { return one.said_at < exchange.said_at; });
}

void GroupsWitness::forget_offsets(const Exchange& exchange) {
  std::set<std::string> groups;
  for (const Value& group : exchange.request["groups"].items()) groups.insert(group.text());
  groups.insert(exchange.request["group_id"].text());
  const bool of_topic = exchange.api->key == delete_topics;
  for (auto& [key, offsets] : offsets_) {
    const bool is_meant = of_topic || groups.contains(key.group);
    if (!is_meant) continue;
    offsets.possible.insert(CommittedOffset{});
    ++offsets.churn;
  }
  if (exchange.api->key == delete_groups) {
    for (const std::string& group : groups) forget_share_group(group);
  }
  if (!of_topic) return;
  std::erase_if(holds_, [&](const auto& entry) {
    for (const std::string& topic : exchange.changing) {
      if (entry.first.log.topic == topic) return true;
    }
    return false;
  });
}

void GroupsWitness::on_found(const std::string& group, const LogName& log,
                             const CommittedOffset& found) {
  Offsets& offsets = offsets_[{group, log}];
  TRV_ASSERT(offsets.possible.contains(found));
  if (offsets.under_way == 0) offsets.possible = {found};
}

void GroupsWitness::on_long_time() {
  for (auto& [key, offsets] : offsets_) offsets.possible.insert(CommittedOffset{});
}

// --- share groups
// ---------------------------------------------------------------------------------

// What the member says of its records ends, or renews, what it holds; so does the end of its
// session, and a new one.
void GroupsWitness::release(const Exchange& exchange) {
  const std::string& group = exchange.request["group_id"].text();
  const std::string& member = exchange.request["member_id"].text();
  const std::int64_t epoch = exchange.request["share_session_epoch"].number();
  const bool all = exchange.api->key == share_heartbeat || epoch <= 0;
  std::map<LogName, std::vector<std::pair<std::int64_t, std::int64_t>>> said;
  each_partition(facts_, exchange.request, [&](const LogName& log, auto&, const Value& partition) {
    for (const Value& batch : partition["acknowledgement_batches"].items()) {
      said[log].emplace_back(batch["first_offset"].number(), batch["last_offset"].number());
    }
  });
  for (auto& [key, hold] : holds_) {
    if (key.group != group || hold.member != member) continue;
    bool about = all;
    for (const auto& [first, last] : said[key.log]) {
      about = about || (key.offset >= first && key.offset <= last);
    }
    if (about) hold.out = false;
  }
}

// Of records that are gone anybody may say anything.
void GroupsWitness::forget_holds(const Exchange& exchange) {
  each_partition(facts_, exchange.request, [&](const LogName& log, auto&, auto&) {
    std::erase_if(holds_, [&](const auto& entry) { return entry.first.log == log; });
  });
}

void GroupsWitness::note_others(Exchange& exchange) const {
  const std::string& group = exchange.request["group_id"].text();
  const std::string& member = exchange.request["member_id"].text();
  each_partition(facts_, exchange.request, [&](const LogName& log, auto&, const Value& partition) {
    for (const Value& batch : partition["acknowledgement_batches"].items()) {
      const std::int64_t last = batch["last_offset"].number();
      for (auto it = holds_.lower_bound({group, log, batch["first_offset"].number()});
           it != holds_.end() && it->first.log == log && it->first.offset <= last; ++it) {
        const Hold& hold = it->second;
        const bool holds = hold.out && now_ms_ < hold.until_ms && it->first.group == group;
        if (holds && hold.member != member && !facts_.expiring.contains(log.topic)) {
          exchange.others.insert(log);
        }
      }
    }
  });
}

void GroupsWitness::on_acknowledged(const Exchange& exchange, const Value& answer) {
  if (answer["error_code"].number() != 0) return;
  const bool fetches = exchange.api->key == share_fetch;
  each_partition(facts_, answer, [&](const LogName& log, auto&, const Value& partition) {
    if (!exchange.others.contains(log)) return;
    const char* field = fetches ? "acknowledge_error_code" : "error_code";
    TRV_ASSERT(partition[field].number() != 0);
  });
}

void GroupsWitness::forget_share_group(const std::string& group) {
  std::erase_if(holds_, [&](const auto& entry) { return entry.first.group == group; });
}

void GroupsWitness::on_peer_left(std::size_t peer) {
  for (auto& [key, hold] : holds_) {
    if (hold.peer == peer) hold.out = false;
  }
}

void GroupsWitness::on_restart() {
  // How often something was delivered is not judged over a restart: what was out then is not
  // counted.
  for (auto& [key, hold] : holds_) {
    hold.out = false;
    hold.deliveries = 0;
  }
  leaders_.clear();
}

void GroupsWitness::on_acquired(const Exchange& exchange, const Value& answer, std::uint64_t now) {
  const std::string& group = exchange.request["group_id"].text();
  const std::string& member = exchange.request["member_id"].text();
  each_partition(facts_, answer, [&](const LogName& log, auto&, const Value& partition) {
    if (log.topic.empty()) return;  // it was deleted meanwhile
    std::int64_t end = -1;
    const std::vector<ReadBatch> batches = read_batches(partition["records"].text());
    for (const Value& range : partition["acquired_records"].items()) {
      const std::int64_t first = range["first_offset"].number();
      const std::int64_t last = range["last_offset"].number();
      const std::int64_t deliveries = range["delivery_count"].number();
      TRV_ASSERT(first > end);
      TRV_ASSERT(last >= first);
      end = last;
      TRV_ASSERT(deliveries >= 1);
      TRV_ASSERT(deliveries <= deliveries_max);
      for (std::int64_t offset = first; offset <= last; ++offset) {
        const HoldKey key{group, log, offset};
        const auto [place, is_new] = holds_.try_emplace(key);
        Hold& hold = place->second;
        const bool before = !is_new && hold.since < exchange.said_at;
        if (before) {
          TRV_ASSERT(!hold.out || now_ms_ >= hold.until_ms);
          TRV_ASSERT(deliveries >= hold.deliveries);
        }
        // Its lock may have begun at once, though the answer had to wait for that to another
        // request.
        hold = {exchange.peer, member, true, now, exchange.said_ms + lock_min_ms, deliveries};
      }
    }
  });
}

// --- classic groups
// -------------------------------------------------------------------------------

void GroupsWitness::on_joined(const Exchange& exchange, const Value& answer) {
  if (answer["error_code"].number() != 0) return;
  const std::string& group = exchange.request["group_id"].text();
  const std::string& leader = answer["leader"].text();
  const bool leads = leader == answer["member_id"].text();
  TRV_ASSERT(leads || answer["members"].items().empty());
  const auto [place, is_new] =
      leaders_.try_emplace({group, answer["generation_id"].number()}, leader);
  TRV_ASSERT(place->second == leader);
}

}  // namespace trv::fuzz
