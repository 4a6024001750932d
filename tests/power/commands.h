// The command lines of pldisk, read from standard input. Owned by the server, for all its life.
//
//   cut WHEN SURVIVORS SEED | release | counts
//
// Whoever starts pldisk is the only one who writes them, so a line that is none of these is
// answered by the end of the program (std::runtime_error), not by a guess.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "volatile_disk.h"

namespace trv::power {

enum class Moment {
  now,
  write,  // the next write is the last that the disk takes
  flush,  // the next flush that has something to do does not happen
};

struct CutOrder {
  Moment moment = Moment::now;
  Survivors survivors = Survivors::none;
  std::uint64_t seed = 0;
};

struct Command {
  enum class Kind { cut, release, counts };
  Kind kind = Kind::counts;
  CutOrder order;  // of a cut
};

// Throws std::runtime_error when `line` is no command.
Command parse_command(const std::string& line);

class CommandInput {
 public:
  // The next command that has arrived whole; nothing when there is none yet.
  std::optional<Command> next();
  // Waits for more input and takes it. False: standard input has ended.
  bool fill();

 private:
  std::string buffer_;
};

}  // namespace trv::power
