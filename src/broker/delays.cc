#include "broker/delays.h"

#include <algorithm>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/mutant.h"
#include "broker/catalog.h"
#include "broker/entry.h"
#include "broker/shard_state.h"

namespace trv::broker {
namespace {

constexpr std::uint8_t version_now = 1;
constexpr std::chrono::seconds retry_delay{1};
// Published at once, so that others get their turn.
constexpr int due_count_max = 256;
// What a publication takes besides its texts, with the name of the exchange, generously.
constexpr std::uint64_t overhead_max = 512;
constexpr std::size_t key_size = 16;

std::string encode_key(model::DelayKey key) {
  std::string out;
  ByteWriter writer(out);
  writer.i64_le(key.due_ms);
  writer.u64_le(key.number);
  return out;
}

// All but the body, which follows.
std::string encode_head(const Publication& publication, std::string_view exchange) {
  std::string out;
  ByteWriter writer(out);
  writer.u8(version_now);
  writer.u8(static_cast<std::uint8_t>(publication.record.level));
  writer.sized(exchange);
  writer.sized(publication.routing_key);
  writer.varint(publication.more_keys.size());
  for (std::string_view key : publication.more_keys) writer.sized(key);
  writer.sized(publication.record.partition_key);
  writer.sized(publication.record.envelope);
  return out;
}

// A publication as it was kept. Views point into the bytes that it was read from, or into itself.
struct Kept {
  ByteView exchange;
  ByteView routing_key;
  std::vector<std::string_view> more_keys;
  ByteView partition_key;
  ByteView envelope;
  ByteView body;
  Durability level = Durability::fsync;
};

bool decode(ByteView payload, Kept& out) {
  ByteReader reader(payload);
  reader.skip(key_size);
  const std::uint32_t checksum = reader.u32_le();
  if (!reader.ok() || crc32c(0, reader.rest()) != checksum) return false;
  reader = ByteReader(payload.substr(key_size + 4));
  if (reader.u8() != version_now) return false;
  const std::uint8_t level = reader.u8();
  if (level > static_cast<std::uint8_t>(Durability::fsync)) return false;
  out.level = static_cast<Durability>(level);
  out.exchange = reader.sized();
  out.routing_key = reader.sized();
  for (std::uint64_t n = reader.varint(); n > 0 && reader.ok(); --n) {
    out.more_keys.push_back(reader.sized());
  }
  out.partition_key = reader.sized();
  out.envelope = reader.sized();
  out.body = reader.rest();
  return reader.ok();
}

}  // namespace

Delays::Delays(Broker& broker) : broker_(broker) {}
Delays::~Delays() { *self_ = nullptr; }

std::uint64_t Delays::added_size(const Publication& publication) {
  std::uint64_t size = overhead_max + publication.routing_key.size() +
                       publication.record.partition_key.size() +
                       publication.record.envelope.size() + publication.record.value.size();
  for (std::string_view key : publication.more_keys) size += key.size() + 2;
  return size;
}

Result<Commit> Delays::add(const Publication& publication, std::string_view exchange,
                           std::int64_t delay_ms) {
  const ShardId home(static_cast<std::uint8_t>(broker_.core().index().value));
  TRV_DCHECK(broker_.owner_of(home) == broker_.core().index());
  if (publication.record.value.size() > broker_.options().message_size_max) {
    return Error{Errc::too_large, "record is larger than the configured maximum"};
  }
  model::Delays& delays = broker_.shard(home).delays;
  const model::DelayKey key{broker_.wall_now().ms + delay_ms, delays.next_number()};
  const std::string head = encode_head(publication, exchange);
  std::string prefix = encode_key(key);
  ByteWriter(prefix).u32_le(crc32c(crc32c(0, head), publication.record.value));
  const ByteView parts[] = {prefix, head, publication.record.value};
  auto kept = broker_.journal(Space::more, entry::delay_added, home, parts);
  if (!kept) return kept.error();
  delays.apply_add(key, *kept);
  if (!timer_.armed() || key.due_ms < armed_for_ms_) arm();
  const Commit all = broker_.tail();
  return Commit{all.round, std::min(all.level, publication.record.level)};
}

std::optional<Delays::Due> Delays::first() const {
  std::optional<Due> found;
  broker_.each_shard([&found](ShardState& shard) {
    const auto one = shard.delays.first();
    if (one && (!found || one->key < found->delayed.key)) found = Due{shard.id, *one};
  });
  return found;
}

void Delays::arm() {
  timer_.cancel();
  const auto next = first();
  if (!next || stopped_) return;
  armed_for_ms_ = next->delayed.key.due_ms;
  // The clock may be set: what is far ahead is looked at again now and then.
  constexpr std::int64_t look_ms_max = 60'000;
  const std::int64_t left =
      std::clamp<std::int64_t>(armed_for_ms_ - broker_.wall_now().ms, 0, look_ms_max);
  timer_ = broker_.core().schedule(std::chrono::milliseconds(left), [this] { publish_due(); });
}

void Delays::publish_due() {
  const std::int64_t now = broker_.wall_now().ms;
  for (int count = 0; count < due_count_max; ++count) {
    const auto due = first();
    if (!due || due->delayed.key.due_ms > now) break;
    broker_.shard(due->shard).delays.take(due->delayed.key);
    publish(*due);
  }
  arm();
}

void Delays::publish(const Due& due) {
  auto blob = broker_.read_blob(due.delayed.where);
  if (!blob) {
    log::error("a delayed message cannot be read, and is kept: {}", blob.error().message);
    return;
  }
  Kept kept;
  if (!decode(blob->bytes.view(), kept) || !broker_.codecs().message) {
    log::error("a delayed message is damaged, and is kept");
    return;
  }
  const MessageCodec& codec = *broker_.codecs().message;
  const std::string envelope = codec.after_delay(kept.envelope);
  const auto headers = codec.header_lookup(envelope);
  Publication publication;
  publication.exchange = kept.exchange;
  publication.routing_key = kept.routing_key;
  publication.more_keys = kept.more_keys;
  publication.headers = headers.get();
  publication.waited = true;
  publication.record.origin = model::Origin::message;
  publication.record.value = kept.body;
  publication.record.envelope = envelope;
  publication.record.partition_key = kept.partition_key;
  publication.record.level = kept.level;
  auto outcome = broker_.publisher().publish(publication, [self = self_, due](Published published) {
    if (*self) (*self)->end(due, published.status);
  });
  if (!outcome) {
    end(due, {});  // the exchange is gone
  } else if (!outcome->pending) {
    end(due, outcome->published.status);  // in the same round
  }
}

void Delays::end(const Due& due, const Status& published) {
  if (stopped_) return;
  if (!published) {
    const Errc code = published.error().code;
    if (code != Errc::too_large && code != Errc::out_of_range) return put_back_later(due);
    log::error("a delayed message has no place where it goes, and is kept: {}",
               published.error().message);
    return;
  }
  auto kept =
      broker_.journal(Space::less, entry::delay_ended, due.shard, encode_key(due.delayed.key));
  // Unwritten, a restart publishes it again; that is the lesser evil.
  if (!kept) log::warn("a delayed message was published, which a restart may not know");
  broker_.shard(due.shard).delays.apply_end(due.delayed.key);
}

void Delays::put_back_later(const Due& due) {
  retries_.push_back(due);
  if (retry_timer_.armed()) return;
  retry_timer_ = broker_.core().schedule(retry_delay, [this] {
    for (const Due& one : std::exchange(retries_, {})) {
      broker_.shard(one.shard).delays.put_back(one.delayed.key);
    }
    arm();
  });
}

Result<bool> Delays::move(ShardId shard, const model::Delayed& delayed) {
  auto blob = broker_.read_blob(delayed.where);
  Kept kept;
  if (!blob || !decode(blob->bytes.view(), kept)) {
    log::warn("a delayed message cannot be moved: {}",
              blob ? "it is damaged" : blob.error().message);
    return false;
  }
  auto moved = broker_.journal(Space::more, entry::delay_added, shard, blob->bytes.view());
  if (!moved && moved.error().code == Errc::too_large) return false;
  if (!moved) return moved.error();
  if (TRV_MUTANT(moved_delay_keeps_its_segment)) return true;
  broker_.shard(shard).delays.apply_add(delayed.key, *moved);
  return true;
}

void Delays::start() { arm(); }

void Delays::stop() {
  stopped_ = true;
  timer_.cancel();
  retry_timer_.cancel();
}

}  // namespace trv::broker
