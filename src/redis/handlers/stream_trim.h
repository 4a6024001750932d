// Trimming: the options of XADD and XTRIM that cut a stream from its beginning, and what they do.
#pragma once

#include <cstdint>
#include <optional>

#include "redis/handlers/stream_refs.h"

namespace trv::redis {

struct Trim {
  enum class Kind : std::uint8_t { none, max_length, min_id } kind = Kind::none;
  bool approximate = false;
  std::uint64_t length = 0;
  RecordId min_id;
  std::optional<std::uint64_t> limit;  // 0: none
  std::optional<References> references;

  bool wanted() const { return kind != Kind::none; }
};

enum class Parsed : std::uint8_t { no, yes, refused };

// Takes an option of trimming at `i`, which moves to its last argument. No: it is none of them.
// Refused: there is an error reply.
Parsed parse_trim_option(Call& call, std::size_t& i, Trim& trim);
// Whether the options go together. False after an error reply.
bool check_trim(Call& call, const Trim& trim);

// Cuts and tells of it. Result: how many entries went.
// Errors: no_space, io_error: then some may be gone, and the reply says so.
Result<std::uint64_t> run_trim(Call& call, broker::Topic& topic, const Trim& trim);

}  // namespace trv::redis
