// Topics in which Kafka keeps what groups, transactions and share groups have come to, and which
// its clients know by name. Here that is not in topics: a topic of such a name would stay empty for
// ever, so none is made.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace trv::kafka {

inline constexpr std::array<std::string_view, 3> reserved_topics{
    "__consumer_offsets", "__share_group_state", "__transaction_state"};

inline bool is_reserved_topic(std::string_view name) {
  return std::find(reserved_topics.begin(), reserved_topics.end(), name) != reserved_topics.end();
}

}  // namespace trv::kafka
