// The session file: says which session is the current one, and where the lanes of the sessions
// before it end. Its place in the start of a process: docs/formats/journal.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "storage/format.h"

namespace trv::storage {

// What recovery accepted of one lane of an ended session. Nothing behind it will ever be read, and
// everything before it was synced before the next session began.
struct LaneSeal {
  std::uint32_t session = 0;
  std::uint8_t lane = 0;
  LanePlace end;
  std::uint64_t entries = 0;
  bool operator==(const LaneSeal&) const = default;
};

struct SessionRecord {
  std::uint32_t session = 0;
  std::vector<LaneSeal> seals;
};

std::string session_name(std::uint32_t session);
std::string encode_session(const SessionRecord& record);
std::optional<SessionRecord> parse_session(ByteView bytes);

}  // namespace trv::storage
