// Channel: what a session keeps per channel: the message being assembled, confirms, consumers and
// unsettled deliveries. Plain state and its own bookkeeping; handlers/ act on it.
//
// Owner: the Session. `serial` tells a channel from a later one of the same number, for replies
// that arrive late.
//
// Invariants:
//   - delivery tags ascend from 1 without gaps over deliver and get;
//   - unsettled() holds tags in ascending order; a settled one leaves at once or as a blank;
//   - confirm numbers ascend from 1; a number is answered once all before it were.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "amqp/subscription.h"
#include "amqp/traffic.h"
#include "amqp/wire/properties.h"
#include "broker/broker.h"
#include "broker/publisher.h"
#include "runtime/input_buffer.h"

namespace trv::amqp {

struct ChannelRef {
  std::uint16_t number = 0;
  std::uint64_t serial = 0;
};

// A message on its way in: the method came, then the header, then the body in parts.
struct Content {
  enum class Stage : std::uint8_t { none, header, body };
  Stage stage = Stage::none;
  bool mandatory = false;
  std::string exchange;  // as the client names it
  std::string routing_key;
  std::string routed_by;   // the exchange, as the broker knows it
  std::string routed_key;  // kept for its capacity
  std::string properties;
  std::uint64_t body_size = 0;
  runtime::InputBuffer body;  // what came of it, when it comes in parts
  std::string envelope;       // kept for its capacity

  explicit Content(runtime::InputBlockPool& pool) : body(pool) {}
};

// Numbers of published messages and which of them may be confirmed.
class Confirms {
 public:
  bool on() const { return on_; }
  void turn_on() { on_ = true; }
  // The number of the message being published now. Requires: on().
  std::uint64_t next() { return ++last_; }
  std::uint64_t last() const { return last_; }

  // Begins waiting for everything numbered up to `last` that no other group covers. Ascending.
  void open_group(std::uint64_t last);
  void close_group(std::uint64_t last, bool ok);
  // The next answer that is due: all numbers after the last answer up to `last`.
  struct Answer {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    bool ok = true;
  };
  bool take_answer(Answer& answer);
  // The last number that a group covers.
  std::uint64_t grouped() const { return grouped_; }
  // Published, and not answered yet.
  std::uint64_t open_count() const { return last_ - answered_; }

 private:
  struct Group {
    std::uint64_t last;
    bool done = false;
    bool ok = true;
  };
  bool on_ = false;
  std::uint64_t last_ = 0;
  std::uint64_t grouped_ = 0;
  std::uint64_t answered_ = 0;
  std::deque<Group> groups_;
};

struct Unsettled {
  std::uint64_t tag = 0;
  Subscription* from = nullptr;  // null: settled already
  Sequence sequence;
  runtime::SteadyTime deadline{};        // for its settlement; none when it is zero
  std::chrono::milliseconds time_max{};  // from its delivery to there
};

// What a transaction of this channel has gathered. It ends with commit, rollback, or the channel.
struct Transaction {
  struct Message {
    ByteView body() const { return unit.value; }
    broker::Unit::Publication unit;
    bool mandatory = false;
    std::string exchange;
    std::string routing_key;
    std::string properties;
  };
  struct Settling {
    How how;
    std::vector<Unsettled> entries;
  };
  std::vector<Message> messages;
  std::vector<Settling> settlings;
  std::size_t bytes = 0;  // of the messages, as reserved with the session
};

class Channel {
 public:
  enum class State : std::uint8_t {
    open,
    closing,  // we sent a close and wait for its answer; everything else is passed over
  };

  // `pool` outlives it.
  Channel(std::uint16_t number, std::uint64_t serial, runtime::InputBlockPool& pool)
      : ref{number, serial}, content(pool) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Adds a delivery that waits for its settlement, or just numbers it. Result: its tag.
  std::uint64_t add_delivery(Subscription& from, Sequence sequence,
                             runtime::SteadyTime deadline = {},
                             std::chrono::milliseconds time_max = {});
  // The one whose settlement is due first; null when none has a deadline.
  const Unsettled* first_due() const;
  // Takes out one tag, or it and all before it (tag 0: all). Appends to `out` in order.
  // False when the tag is not there.
  bool take_unsettled(std::uint64_t tag, bool multiple, std::vector<Unsettled>& out);
  void take_all_unsettled(std::vector<Unsettled>& out);
  // What was taken counts as unsettled until let_go(), or is put back as if it had not been taken.
  void keep_taken(const std::vector<Unsettled>& entries);
  void let_go(const std::vector<Unsettled>& entries);
  void put_back(std::vector<Unsettled> entries);
  // That count against limits: of consumers, not of gets.
  std::uint32_t unsettled_count() const { return unsettled_count_; }
  // All that wait for their settlement.
  std::size_t open_delivery_count() const { return unsettled_.size() - blanks_; }

  Subscription& add_consumer(std::uint64_t key, std::string tag);
  // Of direct replies, of which a channel has at most one.
  Subscription& add_reply_consumer(std::uint64_t key, std::string tag);
  // It stays until the channel ends.
  Subscription& add_get_holder(std::uint64_t key, std::string queue, bool no_ack);
  Subscription* find_subscription(std::uint64_t key);
  // The consumer of this tag that has not been cancelled.
  Subscription* find_consumer(std::string_view tag);
  Subscription* find_reply_consumer() { return find_subscription(reply_key_); }
  Subscription* find_get_holder(const std::string& queue, bool no_ack);
  // The first one after held_turn, round and round, that has held deliveries; null without any.
  Subscription* next_with_held();
  void remove(Subscription& subscription);
  // Forgets it when it is gone and nothing of it is unsettled.
  void drop_if_done(Subscription& subscription);
  // A flush concerns only the few of which something was settled, however many there are.
  void touch(Subscription& subscription);
  bool is_touched() const { return !touched_.empty(); }
  // Keys; some may be gone. None is left.
  std::vector<std::uint64_t> take_touched();

  ChannelRef ref;
  State state = State::open;
  Content content;
  Confirms confirms;
  std::unique_ptr<Transaction> transaction;  // null unless the channel is transactional
  // Of this reading's publishes: what their confirm waits for.
  broker::Commit publish_commit;
  bool dirty = false;  // entered in the session's list for the end of this reading
  // Of what was settled since the last flush, something must be told before the next publish.
  bool settle_first = false;
  std::string last_queue;
  std::uint32_t default_limit = 0;  // qos for consumers to come
  std::uint32_t channel_limit = 0;  // qos for all consumers together
  std::map<std::uint64_t, std::unique_ptr<Subscription>> subscriptions;
  std::uint64_t held_turn = 0;  // whose held delivery was sent last
  MessageCounts counts;

 private:
  using GetKey = std::pair<std::string, bool>;  // queue, no_ack

  Subscription& add_subscription(std::uint64_t key);
  void note_taken(const Unsettled& entry);
  void drop_blanks();

  std::map<std::string, std::uint64_t, std::less<>> keys_by_tag_;
  std::map<GetKey, std::uint64_t> keys_of_gets_;
  std::uint64_t reply_key_ = 0;  // 0 is nobody's
  std::vector<std::uint64_t> touched_;

  std::uint64_t last_tag_ = 0;
  std::deque<Unsettled> unsettled_;
  std::size_t blanks_ = 0;
  std::uint32_t unsettled_count_ = 0;
};

}  // namespace trv::amqp
