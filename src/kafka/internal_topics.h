// Topics in which Kafka keeps what groups, transactions and share groups have come to, and which
// its clients know by name. Here they are copies (state_topics.h) of what is kept elsewhere, so
// only the broker writes to them.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace trv::kafka {

inline constexpr std::string_view offsets_topic = "__consumer_offsets";
inline constexpr std::string_view transactions_topic = "__transaction_state";
inline constexpr std::string_view share_state_topic = "__share_group_state";

inline constexpr std::array<std::string_view, 3> internal_topics{offsets_topic, transactions_topic,
                                                                 share_state_topic};

inline bool is_internal_topic(std::string_view name) {
  return std::find(internal_topics.begin(), internal_topics.end(), name) != internal_topics.end();
}

}  // namespace trv::kafka
