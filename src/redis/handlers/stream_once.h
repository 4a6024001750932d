// Adding an entry once: the options of XADD by which a producer names what it adds (IDMP), or has
// it named by its content (IDMPAUTO), and XCFGSET, which says how long names are remembered.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "redis/handlers/stream_trim.h"

namespace trv::redis {

struct EntryName {
  enum class Kind : std::uint8_t { none, chosen, content } kind = Kind::none;
  ByteView producer;
  std::string name;

  bool wanted() const { return kind != Kind::none; }
};

// Takes the option at `i`, which moves to its last argument. No: it is another one. Refused: there
// is an error reply.
Parsed parse_name_option(Call& call, std::size_t& i, EntryName& name);
// Names the entry by its fields, whatever their order, unless its producer has done so.
void name_by_content(std::span<const ByteView> fields, EntryName& name);

// Whether that is all there is to do: the entry was added before under its name, and the reply is
// its id; or nothing more can be remembered, and the reply says so.
bool answered_by_name(Call& call, broker::Topic& topic, const EntryName& name);
// Sets room aside in the journal for remembering a name. Result: how much, to be taken back before
// remember_added(). Errors: no_space, io_error.
Result<std::uint64_t> promise_name(Call& call, const EntryName& name);
// The entry was added under its name. False after an error reply.
bool remember_added(Call& call, broker::Topic& topic, const EntryName& name, RecordId id);

void xcfgset(Call& call);

}  // namespace trv::redis
