#include "model/added_once.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/mutant.h"

namespace trv::model {

namespace {

enum Op : std::uint8_t {
  op_added = 1,
  op_repeated = 2,
  op_window = 3,
  op_counts = 4,
  op_restore = 5,
};

// What a remembered name takes besides its bytes, and those of its producer, generously.
constexpr std::size_t name_overhead = 256;

constexpr std::uint64_t keep_seconds_max = std::uint64_t{1} << 32;

Error corrupt(const char* what) { return {Errc::corrupt, std::string("names: ") + what}; }

RecordId read_id(ByteReader& reader) {
  std::uint64_t ms = reader.varint();
  return {ms, reader.varint()};
}

void write_id(ByteWriter& writer, RecordId id) {
  writer.varint(id.ms);
  writer.varint(id.seq);
}

std::size_t size_of(ByteView producer, ByteView name) {
  return name_overhead + producer.size() + name.size();
}

}  // namespace

bool AddedOnce::expired(const Remembered& one, WallTime now) const {
  return now.ms - one.at.ms >= std::chrono::milliseconds(window_.keep).count();
}

std::optional<RecordId> AddedOnce::find(ByteView producer, ByteView name, WallTime now) const {
  auto owner = producers_.find(producer);
  if (owner == producers_.end()) return std::nullopt;
  auto turn = owner->second.turns.find(name);
  if (turn == owner->second.turns.end()) return std::nullopt;
  const Remembered& one = by_turn_.at(turn->second);
  if (expired(one, now) && !TRV_MUTANT(names_of_records_never_expire)) return std::nullopt;
  return one.id;
}

bool AddedOnce::takes(ByteView producer, ByteView name) const {
  return bytes_ + size_of(producer, name) <= remembered_bytes_max;
}

void AddedOnce::forget_expired(WallTime now) {
  while (!by_turn_.empty() && expired(by_turn_.begin()->second, now)) forget(by_turn_.begin());
}

void AddedOnce::forget(ByTurn::iterator at) {
  auto producer = at->second.producer;
  bytes_ -= size_of(producer->first, at->second.name);
  producer->second.turns.erase(at->second.name);
  producer->second.order.erase(at->first);
  if (producer->second.order.empty()) producers_.erase(producer);
  by_turn_.erase(at);
}

void AddedOnce::forget_all() {
  by_turn_.clear();
  producers_.clear();
  bytes_ = 0;
}

void AddedOnce::remember(ByteView producer, ByteView name, RecordId id, WallTime at) {
  auto owner = producers_.find(producer);
  if (owner != producers_.end()) {
    // One that has expired goes for its successor of the same name.
    auto same = owner->second.turns.find(name);
    if (same != owner->second.turns.end()) forget(by_turn_.find(same->second));
    owner = producers_.find(producer);
  }
  while (owner != producers_.end() && owner->second.order.size() >= window_.per_producer &&
         !TRV_MUTANT(names_of_records_unbounded)) {
    forget(by_turn_.find(*owner->second.order.begin()));
    owner = producers_.find(producer);
  }
  if (owner == producers_.end())
    owner = producers_.emplace(std::string(producer), Producer{}).first;
  const std::uint64_t turn = next_turn_++;
  auto made =
      by_turn_.emplace_hint(by_turn_.end(), turn, Remembered{owner, std::string(name), id, at});
  owner->second.turns.emplace(made->second.name, turn);
  owner->second.order.insert(owner->second.order.end(), turn);
  bytes_ += size_of(producer, name);
}

void AddedOnce::encode_added(std::string& out, ByteView producer, ByteView name, RecordId id) {
  ByteWriter writer(out);
  writer.u8(op_added);
  writer.sized(producer);
  writer.sized(name);
  write_id(writer, id);
}

void AddedOnce::encode_repeated(std::string& out) { ByteWriter(out).u8(op_repeated); }

void AddedOnce::encode_window(std::string& out, const Window& window) {
  ByteWriter writer(out);
  writer.u8(op_window);
  writer.varint(static_cast<std::uint64_t>(window.keep.count()));
  writer.varint(window.per_producer);
}

Status AddedOnce::apply(ByteView command, WallTime now) {
  ByteReader reader(command);
  switch (reader.u8()) {
    case op_added:
      return apply_added(reader, now);
    case op_repeated:
      if (!reader.done()) return corrupt("bad repeated");
      ++repeated_count_;
      return {};
    case op_window:
      return apply_window(reader);
    case op_counts: {
      std::uint64_t added = reader.varint();
      std::uint64_t repeated = reader.varint();
      if (!reader.done()) return corrupt("bad counts");
      added_count_ = added;
      repeated_count_ = repeated;
      return {};
    }
    case op_restore:
      return apply_restore(reader);
    default:
      return corrupt("unknown operation");
  }
}

Status AddedOnce::apply_added(ByteReader& reader, WallTime now) {
  ByteView producer = reader.sized();
  ByteView name = reader.sized();
  RecordId id = read_id(reader);
  if (!reader.done()) return corrupt("bad added");
  forget_expired(now);
  remember(producer, name, id, now);
  ++added_count_;
  return {};
}

Status AddedOnce::apply_window(ByteReader& reader) {
  std::uint64_t seconds = reader.varint();
  std::uint64_t names = reader.varint();
  const bool sound = seconds > 0 && seconds <= keep_seconds_max && names > 0 &&
                     names <= std::numeric_limits<std::uint32_t>::max();
  if (!reader.done() || !sound) return corrupt("bad window");
  window_.keep = std::chrono::seconds(seconds);
  window_.per_producer = static_cast<std::uint32_t>(names);
  forget_all();
  return {};
}

Status AddedOnce::apply_restore(ByteReader& reader) {
  constexpr auto ms_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  WallTime at{static_cast<std::int64_t>(std::min(reader.varint(), ms_max))};
  ByteView producer = reader.sized();
  ByteView name = reader.sized();
  RecordId id = read_id(reader);
  if (!reader.done()) return corrupt("bad restore");
  remember(producer, name, id, at);
  return {};
}

void AddedOnce::snapshot(const std::function<void(ByteView)>& sink) const {
  std::string command;
  encode_window(command, window_);
  sink(command);
  for (const auto& [turn, one] : by_turn_) {
    if (TRV_MUTANT(names_of_records_dropped_in_snapshot)) break;
    command.clear();
    ByteWriter writer(command);
    writer.u8(op_restore);
    writer.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(one.at.ms, 0)));
    writer.sized(one.producer->first);
    writer.sized(one.name);
    write_id(writer, one.id);
    sink(command);
  }
  command.clear();
  ByteWriter writer(command);
  writer.u8(op_counts);
  writer.varint(added_count_);
  writer.varint(repeated_count_);
  sink(command);
}

}  // namespace trv::model
