// For tests: an answer as its client gets it.
#pragma once

#include <string>

#include "kafka/wire/codec.h"

namespace trv::kafka::wire {

inline std::string flat(const EncodedMessage& message) {
  std::string out;
  std::size_t begin = 0;
  for (const EncodedMessage::Splice& splice : message.splices) {
    out += message.text.substr(begin, splice.position - begin);
    out += splice.bytes.view();
    begin = splice.position;
  }
  return out + message.text.substr(begin);
}

}  // namespace trv::kafka::wire
