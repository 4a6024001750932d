// What the server says it is compatible with. Clients and frameworks enable features by it.
#pragma once

#include <string_view>

namespace trv::redis {

inline constexpr std::string_view reported_version = "7.4.0";
inline constexpr int reported_version_number = 0x070400;  // as scripts read it

}  // namespace trv::redis
