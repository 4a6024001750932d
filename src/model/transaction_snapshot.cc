// The state of all transactions as bytes, for checkpoints.
#include "model/transaction_codec.h"

namespace trv::model {
namespace {

constexpr std::uint8_t snapshot_version = 2;
// Without the changes.
constexpr std::uint8_t snapshot_version_unfollowed = 1;

}  // namespace

using State = Transaction::State;

std::string Transactions::snapshot() const {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(snapshot_version);
  out.varint(reserved_);
  out.varint(transactions_.size());
  for (const auto& [id, transaction] : transactions_) {
    out.sized(id);
    out.u8(static_cast<std::uint8_t>(transaction.state));
    write_producer(out, transaction.producer);
    out.varint_signed(transaction.last_epoch);
    out.varint_signed(transaction.timeout.count());
    out.varint_signed(transaction.started.ms);
    out.varint_signed(transaction.updated.ms);
    out.varint(transaction.partitions.size());
    for (const TransactionPartition& partition : transaction.partitions) {
      out.sized(partition.topic);
      out.varint_signed(partition.partition.value);
    }
    out.varint(transaction.groups.size());
    for (const std::string& group : transaction.groups) out.sized(group);
  }
  changes_.write(out, [](ByteWriter& to, const Key& key) { to.sized(key); });
  return bytes;
}

Status Transactions::restore(ByteView snapshot) {
  ByteReader in(snapshot);
  const std::uint8_t version = in.u8();
  if (version != snapshot_version && version != snapshot_version_unfollowed) {
    return Error{Errc::corrupt, "transaction: unknown snapshot version"};
  }
  Transactions fresh(shard_, limits_);
  fresh.reserved_ = in.varint();
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    std::string id(in.sized());
    Transaction transaction;
    std::uint8_t state = in.u8();
    if (state > static_cast<std::uint8_t>(State::complete_abort)) in.fail();
    transaction.state = static_cast<State>(state);
    transaction.producer = read_producer(in);
    transaction.last_epoch = static_cast<std::int16_t>(in.varint_signed());
    transaction.timeout = read_timeout(in);
    transaction.started = WallTime{in.varint_signed()};
    transaction.updated = WallTime{in.varint_signed()};
    if (!in.ok()) break;
    for (std::uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
      std::string topic(in.sized());
      auto partition = static_cast<std::int32_t>(in.varint_signed());
      transaction.partitions.insert({std::move(topic), PartitionIndex{partition}});
    }
    for (std::uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
      transaction.groups.emplace(in.sized());
    }
    if (!in.ok()) break;
    if (transaction.state == State::ongoing) fresh.deadlines_.emplace(transaction.deadline(), id);
    fresh.transactions_.insert_or_assign(std::move(id), std::move(transaction));
  }
  if (version == snapshot_version) {
    fresh.changes_.read(in, [](ByteReader& from) { return Key(from.sized()); });
  }
  if (!in.done()) return Error{Errc::corrupt, "transaction: damaged snapshot"};
  *this = std::move(fresh);
  return {};
}

}  // namespace trv::model
