// Makes the frames of one step of a program of channel_fuzz.cc: methods with names, arguments and
// flags from small pools, contents, and bytes as they are.
#pragma once

#include <cstdint>
#include <string>

#include "program.h"

namespace trv::fuzz {

// Which of the frames above a step says.
enum class Saying : std::uint8_t {
  channel_open,
  channel_close,
  channel_close_ok,
  channel_flow,
  exchange_declare,
  exchange_delete,
  exchange_bind,
  exchange_unbind,
  queue_declare,
  queue_bind,
  queue_unbind,
  queue_purge,
  queue_delete,
  qos,
  consume,
  cancel,
  publish,
  publish_many,
  publish_part,
  get,
  ack,
  reject,
  nack,
  recover,
  recover_async,
  confirm_select,
  tx_select,
  tx_commit,
  tx_rollback,
  connection,
  handshake,
  raw_method,
  raw_frame,
  raw_bytes,
  count_
};

// Appends what is said on `channel`. `flags` holds five bits.
void say(std::string& out, Saying saying, std::uint16_t channel, std::uint8_t flags,
         Program& program);
// What a client says to be let in.
void say_handshake(std::string& out, std::uint8_t flags);

}  // namespace trv::fuzz
