// The bytes and names of shared objects: docs/formats/objects.md.
//
// A parser accepts whole objects only and returns nothing for damage.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "objects/identity.h"

namespace trv::objects {

enum class SlotKind : std::uint32_t {
  frame = 1,  // one group commit
  seal = 2,   // the chain ends here, for ever
};

struct SlotContent {
  SlotKind kind = SlotKind::frame;
  SessionId session;
  Slot slot;
  WriterId writer;
  ByteView payload;  // of what was parsed
};

std::string slot_name(SessionId session, Slot slot);
// What the names of a session's slots begin with.
std::string slot_prefix(SessionId session);
std::string encode_slot(const SlotContent& content);
std::optional<SlotContent> parse_slot(ByteView bytes);

struct CellContent {
  std::uint64_t revision = 0;
  WriterId writer;
  std::uint64_t nonce = 0;
  ByteView value;  // of what was parsed
};

std::string encode_cell(const CellContent& content);
std::optional<CellContent> parse_cell(ByteView bytes);

enum class SessionState : std::uint32_t {
  open = 1,     // its process may append
  sealing = 2,  // somebody walks its slots; its process will find one taken
  sealed = 3,   // ends at `end`; a closed book
};

struct SessionRecord {
  SessionState state = SessionState::open;
  Slot trim;
  Slot end;
  bool operator==(const SessionRecord&) const = default;
};

std::string session_cell_name(SessionId session);
std::string encode_session(const SessionRecord& record);
std::optional<SessionRecord> parse_session(ByteView value);

// An immutable blob.
struct BlobRef {
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t checksum = 0;  // CRC-32C
  bool operator==(const BlobRef&) const = default;
};

// Who owns a shard, and where its state is.
struct Root {
  Epoch epoch;
  NodeId node;
  SessionId session;
  Slot first;
  std::optional<BlobRef> checkpoint;
  bool operator==(const Root&) const = default;
};

std::string root_cell_name(ShardId shard);
std::string encode_root(const Root& root);
std::optional<Root> parse_root(ByteView value);

}  // namespace trv::objects
