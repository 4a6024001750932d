// QueueSettings: how a queue was declared, in neutral words, and their form in the journal
// (docs/formats/entries.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/queue_limits.h"

namespace trv::broker {

struct QueueSettings {
  bool durable = true;
  bool exclusive = false;      // usable by `owner` only, gone with it
  bool auto_delete = false;    // gone with its last consumer
  bool single_active = false;  // one consumer gets all, the others wait for its end
  // Every record waits for the queue's own durability, and failed deliveries are counted durably.
  bool strict = false;
  ConnectionId owner;  // of an exclusive queue
  std::string source;  // empty: the queue's own log
  std::optional<std::int64_t> message_ttl_ms;
  std::optional<std::int64_t> unused_ms_max;  // gone when nobody used it for so long
  model::QueueLimits limits;
  std::uint8_t level_max = 0;  // records of higher priority first; 0: in their order
  // More failed deliveries of a record of a strict queue make it a dead letter.
  std::optional<std::uint32_t> failures_max;
  std::optional<std::string> dead_letter_exchange;
  std::optional<std::string> dead_letter_key;
  // A record stays until its dead letter is in some queue; else one that no queue takes is dropped.
  // Holds while what is full refuses, instead of dropping its oldest. Nothing: as false, unless a
  // policy says otherwise.
  std::optional<bool> dead_letters_stay;
  std::string arguments;  // the declaration's own bytes, for telling equal from different
};

void encode(const QueueSettings& settings, std::string& out);
Result<QueueSettings> decode_queue_settings(ByteView bytes);

}  // namespace trv::broker
