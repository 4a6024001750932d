#include "model/transaction.h"

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "model/transaction_codec.h"

namespace trv::model {

namespace {

using State = Transaction::State;

// First byte of each command; numbers are never used again for something else.
enum class Kind : std::uint8_t {
  reserve_ids = 1,
  init = 2,
  join = 3,
  prepare = 4,
  complete = 5,
  forget = 6,
  feed = 7,
};

// A producer never holds the last epoch: it is left for fencing it.
constexpr std::int16_t producer_epoch_max = 32766;

bool is_legal_move(State from, State to) {
  switch (to) {
    case State::empty:
      return from == State::empty || from == State::complete_commit ||
             from == State::complete_abort;
    case State::ongoing:
      return from != State::prepare_commit && from != State::prepare_abort;
    case State::prepare_commit:
    case State::prepare_abort:
      return from == State::ongoing;
    case State::complete_commit:
      return from == State::prepare_commit;
    case State::complete_abort:
      return from == State::prepare_abort;
  }
  return false;
}

ByteWriter begin(std::string& bytes, Kind kind, std::string_view transactional_id) {
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(kind));
  out.sized(transactional_id);
  return out;
}

std::string encode_reserve(std::uint64_t until) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::reserve_ids, "");
  out.varint(until);
  return bytes;
}

std::string encode_init(std::string_view transactional_id, ProducerIdentity producer,
                        std::int16_t last_epoch, std::chrono::milliseconds timeout) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::init, transactional_id);
  write_producer(out, producer);
  out.varint_signed(last_epoch);
  out.varint_signed(timeout.count());
  return bytes;
}

std::string encode_join(std::string_view transactional_id,
                        const std::vector<TransactionPartition>& partitions,
                        const std::vector<std::string_view>& groups) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::join, transactional_id);
  out.varint(partitions.size());
  for (const TransactionPartition& partition : partitions) {
    out.sized(partition.topic);
    out.varint_signed(partition.partition.value);
  }
  out.varint(groups.size());
  for (std::string_view group : groups) out.sized(group);
  return bytes;
}

// `epoch` is the one that the markers carry from here on.
std::string encode_prepare(std::string_view transactional_id, bool commit, std::int16_t epoch,
                           std::int16_t last_epoch) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::prepare, transactional_id);
  out.u8(commit ? 1 : 0);
  out.varint_signed(epoch);
  out.varint_signed(last_epoch);
  return bytes;
}

TransactionDecision refuse(TransactionError error) {
  TransactionDecision decision;
  decision.error = error;
  return decision;
}

// The coordinator ends the transaction against the producer's will and fences it.
TransactionDecision fence(std::string_view transactional_id, const Transaction& transaction,
                          std::int16_t last_epoch) {
  TransactionDecision decision;
  auto epoch = static_cast<std::int16_t>(transaction.producer.epoch + 1);
  decision.commands.push_back(encode_prepare(transactional_id, false, epoch, last_epoch));
  decision.ends = true;
  return decision;
}

}  // namespace

struct Transactions::Command {
  Kind kind{};
  std::string id;
  ProducerIdentity producer;
  std::int16_t last_epoch = -1;
  std::chrono::milliseconds timeout{0};
  std::uint64_t until = 0;
  bool commit = false;
  std::vector<TransactionPartition> partitions;
  std::vector<std::string> groups;
  FeedStep step;
};

std::string_view transaction_state_name(Transaction::State state) {
  switch (state) {
    case State::empty:
      return "Empty";
    case State::ongoing:
      return "Ongoing";
    case State::prepare_commit:
      return "PrepareCommit";
    case State::prepare_abort:
      return "PrepareAbort";
    case State::complete_commit:
      return "CompleteCommit";
    case State::complete_abort:
      return "CompleteAbort";
  }
  return "Empty";
}

// --- decisions ----------------------------------------------------------------------------------

ProducerId Transactions::take_id(TransactionDecision& decision) {
  if (next_ >= block_end_) {
    // What an earlier life had reserved and not used is lost: nobody knows how far it came.
    next_ = TRV_MUTANT(producer_id_given_twice) ? block_end_ : std::max(reserved_, block_end_);
    block_end_ = next_ + id_block;
    decision.commands.push_back(encode_reserve(block_end_));
  }
  return ProducerId{static_cast<std::int64_t>(next_++ << 8 | shard_.value)};
}

TransactionDecision Transactions::init_idempotent() {
  TransactionDecision decision;
  decision.producer = {take_id(decision), 0};
  return decision;
}

TransactionDecision Transactions::init(std::string_view transactional_id,
                                       std::chrono::milliseconds timeout,
                                       std::optional<ProducerIdentity> expected) {
  if (transactional_id.empty()) return refuse(TransactionError::invalid_request);
  if (timeout.count() <= 0 || timeout > limits_.timeout_max) {
    return refuse(TransactionError::invalid_timeout);
  }
  const Transaction* known = find(transactional_id);
  if (known != nullptr) return init_known(transactional_id, *known, timeout, expected);
  if (transactions_.size() >= limits_.ids_max) return refuse(TransactionError::too_many_ids);
  TransactionDecision decision;
  decision.producer = {take_id(decision), 0};
  decision.commands.push_back(encode_init(transactional_id, decision.producer, -1, timeout));
  return decision;
}

TransactionDecision Transactions::init_known(std::string_view transactional_id,
                                             const Transaction& transaction,
                                             std::chrono::milliseconds timeout,
                                             std::optional<ProducerIdentity> expected) {
  const ProducerIdentity& current = transaction.producer;
  bool repeated = false;
  if (expected) {
    if (expected->id != current.id) return refuse(TransactionError::fenced);
    repeated = expected->epoch != current.epoch;
    if (repeated && expected->epoch != transaction.last_epoch) {
      return refuse(TransactionError::fenced);
    }
  }
  if (transaction.is_preparing()) return refuse(TransactionError::concurrent);
  if (transaction.state == State::ongoing) {
    // A repeated request cannot be told from a delayed one here, and must not end what its
    // successor began.
    if (repeated) return refuse(TransactionError::fenced);
    auto decision =
        fence(transactional_id, transaction, expected ? expected->epoch : std::int16_t{-1});
    decision.error = TransactionError::concurrent;
    return decision;
  }
  TransactionDecision decision;
  if (repeated) {
    decision.producer = current;
    return decision;
  }
  if (current.epoch >= producer_epoch_max) {
    decision.producer = {take_id(decision), 0};
  } else {
    decision.producer = {current.id, static_cast<std::int16_t>(current.epoch + 1)};
  }
  std::int16_t last_epoch = expected ? expected->epoch : std::int16_t{-1};
  decision.commands.push_back(
      encode_init(transactional_id, decision.producer, last_epoch, timeout));
  return decision;
}

TransactionError Transactions::check_producer(std::string_view transactional_id,
                                              ProducerIdentity producer,
                                              const Transaction** transaction) const {
  if (transactional_id.empty()) return TransactionError::invalid_request;
  *transaction = find(transactional_id);
  if (*transaction == nullptr || (*transaction)->producer.id != producer.id) {
    return TransactionError::wrong_producer;
  }
  if ((*transaction)->producer.epoch != producer.epoch &&
      !TRV_MUTANT(transaction_epoch_not_checked))
    return TransactionError::fenced;
  return TransactionError::none;
}

TransactionDecision Transactions::add_partitions(
    std::string_view transactional_id, ProducerIdentity producer,
    const std::vector<TransactionPartition>& partitions) const {
  const Transaction* transaction = nullptr;
  TransactionError error = check_producer(transactional_id, producer, &transaction);
  if (error != TransactionError::none) return refuse(error);
  if (transaction->is_preparing()) return refuse(TransactionError::concurrent);
  std::vector<TransactionPartition> added;
  bool ongoing = transaction->state == State::ongoing;
  for (const TransactionPartition& partition : partitions) {
    if (!ongoing || !transaction->partitions.contains(partition)) added.push_back(partition);
  }
  TransactionDecision decision;
  if (added.empty()) return decision;
  std::size_t present = ongoing ? transaction->partitions.size() + transaction->groups.size() : 0;
  if (present + added.size() > limits_.partitions_max) {
    return refuse(TransactionError::too_many_partitions);
  }
  decision.commands.push_back(encode_join(transactional_id, added, {}));
  return decision;
}

TransactionDecision Transactions::add_group(std::string_view transactional_id,
                                            ProducerIdentity producer,
                                            std::string_view group) const {
  const Transaction* transaction = nullptr;
  TransactionError error = check_producer(transactional_id, producer, &transaction);
  if (error != TransactionError::none) return refuse(error);
  if (transaction->is_preparing()) return refuse(TransactionError::concurrent);
  TransactionDecision decision;
  bool ongoing = transaction->state == State::ongoing;
  if (ongoing && transaction->groups.contains(std::string(group))) return decision;
  std::size_t present = ongoing ? transaction->partitions.size() + transaction->groups.size() : 0;
  if (present >= limits_.partitions_max) return refuse(TransactionError::too_many_partitions);
  decision.commands.push_back(encode_join(transactional_id, {}, {group}));
  return decision;
}

TransactionDecision Transactions::end(std::string_view transactional_id, ProducerIdentity producer,
                                      bool commit) const {
  const Transaction* transaction = nullptr;
  TransactionError error = check_producer(transactional_id, producer, &transaction);
  if (error != TransactionError::none) return refuse(error);
  TransactionDecision decision;
  switch (transaction->state) {
    case State::ongoing:
      decision.commands.push_back(encode_prepare(transactional_id, commit, producer.epoch, -1));
      decision.ends = true;
      return decision;
    case State::empty:
      return refuse(TransactionError::invalid_state);
    case State::prepare_commit:
      return refuse(commit ? TransactionError::concurrent : TransactionError::invalid_state);
    case State::prepare_abort:
      return refuse(commit ? TransactionError::invalid_state : TransactionError::concurrent);
    case State::complete_commit:
      return commit ? decision : refuse(TransactionError::invalid_state);
    case State::complete_abort:
      return commit ? refuse(TransactionError::invalid_state) : decision;
  }
  return refuse(TransactionError::invalid_state);
}

TransactionDecision Transactions::end_raising(std::string_view transactional_id,
                                              ProducerIdentity producer, bool commit) const {
  if (transactional_id.empty()) return refuse(TransactionError::invalid_request);
  const Transaction* transaction = find(transactional_id);
  if (transaction == nullptr || transaction->producer.id != producer.id) {
    return refuse(TransactionError::wrong_producer);
  }
  State state = transaction->state;
  bool preparing = transaction->is_preparing();
  bool ended = preparing || state == State::complete_commit || state == State::complete_abort;
  bool repeated = ended && producer.epoch == transaction->last_epoch &&
                  producer.epoch + 1 == transaction->producer.epoch;
  // With the raised epoch comes the end of the next transaction, which cannot have begun yet.
  if (!repeated && (preparing || producer.epoch != transaction->producer.epoch)) {
    return refuse(TransactionError::fenced);
  }
  TransactionDecision decision;
  if (repeated) {
    bool committed = state == State::prepare_commit || state == State::complete_commit;
    if (commit != committed) return refuse(TransactionError::invalid_state);
    if (preparing) return refuse(TransactionError::concurrent);
    decision.producer = transaction->producer;
    return decision;
  }
  if (state != State::ongoing) {
    if (commit) return refuse(TransactionError::invalid_state);
    decision.commands.push_back(encode_join(transactional_id, {}, {}));
  }
  auto raised = static_cast<std::int16_t>(producer.epoch + 1);
  decision.producer = {producer.id, raised};
  decision.commands.push_back(encode_prepare(transactional_id, commit, raised, producer.epoch));
  decision.ends = true;
  return decision;
}

bool Transactions::is_spent(ProducerIdentity producer) {
  return producer.epoch > producer_epoch_max;
}

TransactionDecision Transactions::renew(std::string_view transactional_id) {
  const Transaction* transaction = find(transactional_id);
  TRV_ASSERT(transaction != nullptr);
  if (transaction->is_preparing()) return refuse(TransactionError::concurrent);
  TransactionDecision decision;
  decision.producer = {take_id(decision), 0};
  decision.commands.push_back(
      encode_init(transactional_id, decision.producer, -1, transaction->timeout));
  return decision;
}

TransactionDecision Transactions::complete(std::string_view transactional_id,
                                           ProducerIdentity producer) const {
  const Transaction* transaction = nullptr;
  TransactionError error = check_producer(transactional_id, producer, &transaction);
  if (error != TransactionError::none) return refuse(error);
  if (!transaction->is_preparing()) return refuse(TransactionError::invalid_state);
  TransactionDecision decision;
  begin(decision.commands.emplace_back(), Kind::complete, transactional_id);
  return decision;
}

std::optional<Transactions::Timeout> Transactions::tick(WallTime now) const {
  if (deadlines_.empty() || deadlines_.begin()->first > now) return std::nullopt;
  const std::string& id = deadlines_.begin()->second;
  return Timeout{id, fence(id, *find(id), -1)};
}

std::optional<WallTime> Transactions::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

std::vector<std::string> Transactions::expire(WallTime now) const {
  std::vector<std::string> commands;
  for (const auto& [id, transaction] : transactions_) {
    bool idle = !transaction.is_preparing() && transaction.state != State::ongoing;
    if (!idle || transaction.updated.ms + limits_.id_expiration.count() > now.ms) continue;
    begin(commands.emplace_back(), Kind::forget, id);
  }
  return commands;
}

// --- state --------------------------------------------------------------------------------------

const Transaction* Transactions::find(std::string_view transactional_id) const {
  auto it = transactions_.find(transactional_id);
  return it == transactions_.end() ? nullptr : &it->second;
}

void Transactions::become(const std::string& transactional_id, Transaction& transaction,
                          State next) {
  TRV_ASSERT(is_legal_move(transaction.state, next));
  if (transaction.state == State::ongoing) {
    deadlines_.erase({transaction.deadline(), transactional_id});
  }
  transaction.state = next;
  if (next == State::ongoing) deadlines_.emplace(transaction.deadline(), transactional_id);
}

Result<Transactions::Command> Transactions::decode(ByteView bytes) {
  ByteReader in(bytes);
  Command command;
  command.kind = static_cast<Kind>(in.u8());
  command.id = in.sized();
  switch (command.kind) {
    case Kind::reserve_ids:
      command.until = in.varint();
      break;
    case Kind::init:
      command.producer = read_producer(in);
      command.last_epoch = static_cast<std::int16_t>(in.varint_signed());
      command.timeout = read_timeout(in);
      break;
    case Kind::join:
      for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
        std::string topic(in.sized());
        auto partition = static_cast<std::int32_t>(in.varint_signed());
        command.partitions.push_back({std::move(topic), PartitionIndex{partition}});
      }
      for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
        command.groups.emplace_back(in.sized());
      }
      break;
    case Kind::prepare:
      command.commit = in.u8() != 0;
      command.producer.epoch = static_cast<std::int16_t>(in.varint_signed());
      command.last_epoch = static_cast<std::int16_t>(in.varint_signed());
      break;
    case Kind::complete:
    case Kind::forget:
      break;
    case Kind::feed:
      command.step = read_feed_step(in);
      break;
    default:
      in.fail();
  }
  if (!in.done()) return Error{Errc::corrupt, "transaction: damaged or unknown command"};
  return command;
}

std::string Transactions::encode_feed(FeedStep step) {
  std::string bytes;
  ByteWriter out = begin(bytes, Kind::feed, "");
  write_feed_step(out, step);
  return bytes;
}

Status Transactions::apply(ByteView bytes, WallTime now) {
  auto decoded = decode(bytes);
  if (!decoded) return decoded.error();
  const Command& command = *decoded;
  switch (command.kind) {
    case Kind::reserve_ids:
      reserved_ = std::max(reserved_, command.until);
      return {};
    case Kind::feed:
      apply_feed(command.step);
      return {};
    default:
      break;
  }
  Status applied = apply_to_transaction(command, now);
  if (applied && !TRV_MUTANT(step_of_transaction_not_told)) changes_.note(command.id);
  return applied;
}

void Transactions::apply_feed(FeedStep step) {
  changes_.apply(step);
  if (step.kind != FeedStep::Kind::begin) return;
  for (const auto& [id, transaction] : transactions_) changes_.note(id);
}

Status Transactions::apply_to_transaction(const Command& command, WallTime now) {
  auto it = transactions_.find(command.id);
  if (command.kind == Kind::init && it == transactions_.end()) {
    it = transactions_.emplace(command.id, Transaction{}).first;
  }
  if (it == transactions_.end() ||
      !is_legal_move(it->second.state, target_of(command, it->second))) {
    return Error{Errc::corrupt, "transaction: command does not fit the state of " + command.id};
  }
  Transaction& transaction = it->second;
  switch (command.kind) {
    case Kind::init:
      become(command.id, transaction, State::empty);
      transaction.producer = command.producer;
      transaction.last_epoch = command.last_epoch;
      transaction.timeout = command.timeout;
      transaction.partitions.clear();
      transaction.groups.clear();
      break;
    case Kind::join:
      apply_join(command, transaction, now);
      break;
    case Kind::prepare:
      become(command.id, transaction, target_of(command, transaction));
      transaction.producer.epoch = command.producer.epoch;
      transaction.last_epoch = command.last_epoch;
      break;
    case Kind::complete:
      become(command.id, transaction, target_of(command, transaction));
      transaction.partitions.clear();
      transaction.groups.clear();
      break;
    case Kind::forget:
      transactions_.erase(it);
      return {};
    case Kind::reserve_ids:
    case Kind::feed:
      break;  // of no transaction
  }
  transaction.updated = now;
  return {};
}

// The state that the command leads to.
State Transactions::target_of(const Command& command, const Transaction& transaction) {
  switch (command.kind) {
    case Kind::join:
      return State::ongoing;
    case Kind::prepare:
      return command.commit ? State::prepare_commit : State::prepare_abort;
    case Kind::complete:
      return transaction.state == State::prepare_commit ? State::complete_commit
                                                        : State::complete_abort;
    case Kind::init:
    case Kind::forget:  // may be forgotten where it may start anew
    case Kind::reserve_ids:
    case Kind::feed:
      return State::empty;
  }
  return State::empty;
}

void Transactions::apply_join(const Command& command, Transaction& transaction, WallTime now) {
  if (transaction.state != State::ongoing) {
    transaction.partitions.clear();
    transaction.groups.clear();
    transaction.started = now;
    become(command.id, transaction, State::ongoing);
  }
  transaction.partitions.insert(command.partitions.begin(), command.partitions.end());
  transaction.groups.insert(command.groups.begin(), command.groups.end());
}

std::optional<TransactionMarkers> Transactions::markers(std::string_view transactional_id) const {
  const Transaction* transaction = find(transactional_id);
  if (transaction == nullptr || !transaction->is_preparing()) return std::nullopt;
  TransactionMarkers markers;
  markers.transactional_id = transactional_id;
  markers.producer = transaction->producer;
  markers.commit = transaction->state == State::prepare_commit;
  markers.partitions.assign(transaction->partitions.begin(), transaction->partitions.end());
  markers.groups.assign(transaction->groups.begin(), transaction->groups.end());
  return markers;
}

std::vector<std::string> Transactions::preparing() const {
  std::vector<std::string> ids;
  for (const auto& [id, transaction] : transactions_) {
    if (transaction.is_preparing()) ids.push_back(id);
  }
  return ids;
}

std::vector<std::string> Transactions::ongoing() const {
  std::vector<std::string> ids;
  for (const auto& [id, transaction] : transactions_) {
    if (transaction.state == State::ongoing) ids.push_back(id);
  }
  return ids;
}

}  // namespace trv::model
