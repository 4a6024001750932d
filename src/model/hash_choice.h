// Which of several weighted targets a message goes to: rendezvous hashing. Every target draws a
// number from its name and the message; the highest wins, with odds by weight. So the choice
// depends on nothing but the targets there are, and when one goes only its own messages move.
//
// Owner: a call of Router::route(). The numbers must stay what they are: after a restart or an
// upgrade the same message goes to the same target.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/router.h"

namespace trv::model {

// What of a message is hashed. What is not there hashes as nothing, always to the same target.
std::string hashed_bytes(const HashSource& source, std::span<const std::string_view> keys,
                         const HeaderLookup* headers);

class HashChoice {
 public:
  explicit HashChoice(std::string_view hashed);
  // True when this one is chosen among those offered so far. A weight of 0 is never chosen.
  bool offer(std::string_view target, bool to_exchange, std::uint32_t weight);

 private:
  std::uint64_t seed_;
  double best_ = 0;
};

}  // namespace trv::model
