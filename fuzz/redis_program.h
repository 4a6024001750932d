// Makes the requests of one step of a program of redis_session_fuzz.cc: commands of the table with
// keys, numbers and words from small pools, and bytes as they are.
#pragma once

#include <string>
#include <vector>

#include "program.h"
#include "redis/command_table.h"

namespace trv::fuzz {

using Words = std::vector<std::string>;

class RedisProgram {
 public:
  explicit RedisProgram(const redis::CommandTable& table);

  // Takes two octets for the command, so that one more in the table leaves others what they are,
  // and one for each argument.
  Words pick_request(Program& program) const;
  // Null when what it does outlives the connection or takes too long; else what it asks for.
  const redis::Command* find_allowed(const Words& words) const;

 private:
  struct Row {
    std::uint16_t place;
    const redis::Command* command;
  };
  const redis::CommandTable& table_;
  std::vector<Row> rows_;  // by their places
};

// As clients send it.
std::string encode_request(const Words& words);

}  // namespace trv::fuzz
