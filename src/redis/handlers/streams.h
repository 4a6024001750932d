// What the stream and group commands share: finding streams and groups, ranges of ids, and writing
// entries. A stream is a topic; its entries are the topic's records, whoever wrote them.
#pragma once

#include <limits>
#include <optional>

#include "broker/claim_groups.h"
#include "broker/keyspaces.h"
#include "broker/topics.h"
#include "redis/convert.h"
#include "redis/service.h"
#include "redis/wire/number.h"

namespace trv::redis {

struct FoundStream {
  broker::Topic* topic = nullptr;
  bool refused = false;  // the key holds a string, and the reply says so
};
FoundStream find_stream(Call& call, ByteView key);

// True, after an error reply, when the transaction that is being run has added to the stream: it
// may read that, but not make it pending in a group, where others would miss the entry until the
// transaction is durable, nor copy it.
bool added_in_transaction(Call& call, const broker::Topic* topic);

// Writes [id, [field, value, ...]] of a record of the topic.
void write_entry(Call& call, ReplyWriter& reply, const broker::Topic& topic,
                 const model::StoredRecord& record);
// The same as [id, [field, value, ...], idle ms, deliveries before this one].
struct EntryDelivery {
  std::int64_t idle_ms = 0;
  std::uint64_t count = 0;
};
void write_delivered_entry(Call& call, ReplyWriter& reply, const broker::Topic& topic,
                           const model::StoredRecord& record, EntryDelivery delivery);

// `-`, `+`, `id`, `(id`. Nothing, and an error reply, when it is none of them.
std::optional<RecordId> range_start(Call& call, ByteView text);
std::optional<RecordId> range_end(Call& call, ByteView text);
// An id without `-` and `+`, `seq` 0 when it is missing.
std::optional<RecordId> id_arg(Call& call, std::size_t index);

// The record with that id, if it may be read.
Result<std::optional<model::StoredRecord>> record_with_id(broker::Broker& broker,
                                                          broker::Topic& topic, RecordId id);

// In a broker::Trial: something that was to be read is not in memory, so the command must change
// nothing, and its answer goes nowhere.
bool met_cold(const Call& call);
// The same, and it is of use to look at what comes next: it will be wanted, too.
bool looks_on(const Call& call);

// Visits the records that may be read from `first` to `last`, at most `count`.
Status each_record(broker::Broker& broker, broker::Topic& topic, RecordId first, RecordId last,
                   std::size_t count, const broker::Topics::Visit& visit);

// How many records were added up to `id`, when that can be told without reading: nothing is erased
// among those that count.
std::optional<std::uint64_t> added_up_to(broker::Broker& broker, broker::Topic& topic, RecordId id);
// Records behind the group's position; nothing when erased ones make that unknown.
std::optional<std::uint64_t> lag_of(broker::Broker& broker, broker::Topic& topic,
                                    const model::ClaimGroup& group);
// What is erased lies at or after `id`.
bool erased_since(broker::Broker& broker, broker::Topic& topic, RecordId id);

// Up to the end of what may be read.
inline constexpr Sequence to_the_end{std::numeric_limits<std::int64_t>::max()};

// The first id that is there; nothing when the stream is empty.
std::optional<RecordId> first_id(broker::Broker& broker, broker::Topic& topic);

inline constexpr std::size_t reply_size_max = std::size_t{256} << 20;  // bytes
inline constexpr std::size_t no_count = static_cast<std::size_t>(-1);

// True when a reply has become too large; it is replaced by an error.
bool too_large(Call& call, std::size_t start);

// The entries of one or several streams, written apart from the reply: room for as much as the last
// ones took, and then all of it as the reply, without a copy where that is worth while.
std::string room_for_entries(const Call& call);
void reply_with_entries(Call& call, std::string&& body);

// Reading a group: NOGROUP texts.
std::string no_group_for(ByteView key, ByteView group);       // XREADGROUP, XPENDING, ...
std::string no_consumer_group(ByteView key, ByteView group);  // XGROUP, XINFO

}  // namespace trv::redis
