// GroupsWitness: what groups have committed and what their members have out. Sources: KAFKA.md
// sections 9 and 10, KIP-932.
//
//   - OffsetFetch says what was committed last, also after a restart; where several commits were
//     under way together or were lost, one of theirs;
//   - no offset is in force that a transaction has not committed;
//   - a record that a member of a share group has acquired is not acquired by another one before
//     the first has said something of it, has gone, or its time is up;
//   - nobody acknowledges for another member;
//   - each time that a record is acquired it was delivered as often as before or more, as long as
//     the broker lives, and at most as often as there is a limit to;
//   - in a round of a classic group there is one leader, and only it is told who the members are.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "kafka_exchange.h"
#include "kafka_transactions_witness.h"

namespace trv::fuzz {

// Offset and metadata; -1 and nothing when there is none.
struct CommittedOffset {
  std::int64_t offset = -1;
  std::string metadata;
  auto operator<=>(const CommittedOffset&) const = default;
};

class GroupsWitness {
 public:
  GroupsWitness(KafkaFacts& facts, TransactionsWitness& transactions)
      : facts_(facts), transactions_(transactions) {}

  void on_said(Exchange& exchange);
  void on_answered(const Exchange& exchange, const Value& answer, std::uint64_t now);
  void on_lost(const Exchange& exchange);
  // Somebody asked when nothing else happened.
  void on_found(const std::string& group, const LogName& log, const CommittedOffset& found);
  // What is out under locks comes back.
  void on_time_passed(std::int64_t now_ms) { now_ms_ = now_ms; }
  void on_peer_left(std::size_t peer);
  void on_restart();
  // Of every group, offsets may be gone.
  void on_long_time();

 private:
  struct OffsetKey {
    std::string group;
    LogName log;
    auto operator<=>(const OffsetKey&) const = default;
  };
  struct Offsets {
    std::set<CommittedOffset> possible{CommittedOffset{}};
    int under_way = 0;
    std::uint64_t churn = 0;
  };
  // Within a transaction.
  struct Pending {
    OffsetKey key;
    CommittedOffset offset;
    std::uint64_t said_at = 0;
    std::uint64_t churn = 0;
    bool acknowledged = false;
  };
  struct Hold {
    std::size_t peer = 0;
    std::string member;
    bool out = false;
    std::uint64_t since = 0;
    std::int64_t until_ms = 0;
    std::int64_t deliveries = 0;
  };
  struct HoldKey {
    std::string group;
    LogName log;
    std::int64_t offset;
    auto operator<=>(const HoldKey&) const = default;
  };

  static CommittedOffset said_offset(const Value& partition);
  template <class F>
  void each_offset(const Exchange& exchange, F&& visit);
  void on_commit_answered(const Exchange& exchange, const Value& answer);
  void on_pending_answered(const Exchange& exchange, const Value& answer);
  void on_transaction_ended(const Exchange& exchange, const Value& answer);
  void forget_offsets(const Exchange& exchange);
  void forget_holds(const Exchange& exchange);
  void note_others(Exchange& exchange) const;
  void on_acknowledged(const Exchange& exchange, const Value& answer);
  void release(const Exchange& exchange);
  void forget_share_group(const std::string& group);
  void on_acquired(const Exchange& exchange, const Value& answer, std::uint64_t now);
  void on_joined(const Exchange& exchange, const Value& answer);

  KafkaFacts& facts_;
  TransactionsWitness& transactions_;
  std::map<OffsetKey, Offsets> offsets_;
  std::map<std::string, std::vector<Pending>> pending_;  // by transactional id
  std::map<HoldKey, Hold> holds_;
  std::map<std::pair<std::string, std::int64_t>, std::string> leaders_;  // of group and round
  std::int64_t now_ms_ = 0;
};

}  // namespace trv::fuzz
