// What a command does with each key among its arguments, as far as rules about keys tell it apart.
#pragma once

#include <cstdint>
#include <span>

#include "redis/command_table.h"

namespace trv::redis {

namespace need {
inline constexpr std::uint8_t nothing = 0;  // it tells that the key is there, or how large
inline constexpr std::uint8_t read = 1;     // it shows something of the value
inline constexpr std::uint8_t write = 2;
inline constexpr std::uint8_t remove = 4;  // the key goes, as a whole and for all protocols
}  // namespace need

struct KeyUse {
  std::size_t index = 0;  // among the arguments
  std::uint8_t needs = need::nothing;
};

// Calls `visit(KeyUse)` for each key. Nothing when the arguments have not the command's shape: it
// refuses them itself.
template <class Visit>
void each_key_use(const Command& command, std::span<const ByteView> args, Visit&& visit);

struct ChannelUse {
  std::size_t index = 0;
  bool is_pattern = false;
};
// The same for channels that the command tells or listens to.
template <class Visit>
void each_channel_use(const Command& command, std::span<const ByteView> args, Visit&& visit);

struct KeyNeeds {
  std::uint8_t first;  // of the key at Command::first_key, or of the result's among counted keys
  std::uint8_t rest;
};
KeyNeeds key_needs(const Command& command, std::span<const ByteView> args);

template <class Visit>
void each_key_use(const Command& command, std::span<const ByteView> args, Visit&& visit) {
  if (command.key_rule == KeyRule::none) return;
  const KeyNeeds needs = key_needs(command, args);
  const bool counted = command.key_rule == KeyRule::counted;
  // Without a result, counted keys are all alike.
  const auto first = static_cast<std::size_t>(counted ? command.last_key : command.first_key);
  CommandTable::each_key(command, args, [&](std::size_t index) {
    const bool streams = command.key_rule == KeyRule::streams;
    visit(KeyUse{index, !streams && index == first ? needs.first : needs.rest});
  });
}

template <class Visit>
void each_channel_use(const Command& command, std::span<const ByteView> args, Visit&& visit) {
  if (!command.has(flag::pubsub)) return;
  if (command.name == "publish") return visit(ChannelUse{1, false});
  const bool patterns = command.name == "psubscribe";
  if (!patterns && command.name != "subscribe") return;
  for (std::size_t i = 1; i < args.size(); ++i) visit(ChannelUse{i, patterns});
}

}  // namespace trv::redis
