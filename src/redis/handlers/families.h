// The command families, as listed in the command table. Each is defined in the file of its name.
#pragma once

#include <array>
#include <span>

#include "redis/command.h"

namespace trv::redis {

std::span<const Command> connection_commands();
std::span<const Command> client_commands();
std::span<const Command> client_pause_commands();
std::span<const Command> client_tracking_commands();
std::span<const Command> string_commands();
std::span<const Command> key_commands();
std::span<const Command> stream_write_commands();
std::span<const Command> stream_read_commands();
std::span<const Command> stream_info_commands();
std::span<const Command> group_commands();
std::span<const Command> group_read_commands();
std::span<const Command> claim_commands();
std::span<const Command> stream_reference_commands();
std::span<const Command> pubsub_commands();
std::span<const Command> transaction_commands();
std::span<const Command> server_commands();
std::span<const Command> config_commands();
std::span<const Command> introspection_commands();
std::span<const Command> scan_commands();
std::span<const Command> hash_commands();
std::span<const Command> list_commands();
std::span<const Command> list_move_commands();
std::span<const Command> set_commands();
std::span<const Command> set_algebra_commands();
std::span<const Command> sorted_commands();
std::span<const Command> sorted_range_commands();
std::span<const Command> sorted_pop_commands();
std::span<const Command> sorted_algebra_commands();
std::span<const Command> string_part_commands();
std::span<const Command> key_move_commands();
std::span<const Command> bit_commands();
std::span<const Command> bitfield_commands();
std::span<const Command> sorting_commands();
std::span<const Command> script_commands();
std::span<const Command> hyper_log_commands();
std::span<const Command> geo_commands();
std::span<const Command> slow_log_commands();
std::span<const Command> latency_commands();
std::span<const Command> geo_search_commands();
std::span<const Command> acl_commands();
std::span<const Command> acl_change_commands();

// All of them.
inline constexpr std::size_t family_count = 41;
std::array<std::span<const Command>, family_count> families();

}  // namespace trv::redis
