// What the HTTP API takes and keeps under arbitrary bytes: requests, and the journaled commands
// about users, policies and quotas: refused or applied, never a crash, and a state survives its own
// snapshot.
#include <cstdint>
#include <string>

#include "auth/directory.h"
#include "base/assert.h"
#include "model/policies.h"
#include "model/quotas.h"
#include "runtime/http.h"

namespace {

using namespace trv;

// The input as a list of length-prefixed commands, applied one after the other.
template <class State>
void run(ByteView input) {
  State state;
  ByteReader reader(input);
  while (reader.ok() && reader.remaining() > 0) {
    const State before = state;
    if (!state.apply(reader.sized())) TRV_ASSERT(state == before);
  }
  State restored;
  for (const std::string& command : state.snapshot()) TRV_ASSERT(restored.apply(command).ok());
  TRV_ASSERT(restored == state);
}

// In two pieces, as sockets cut it.
void parse(ByteView input, std::size_t cut) {
  constexpr std::size_t body_size_max = 4096;
  runtime::HttpParser parser({body_size_max});
  std::string buffer;
  for (const ByteView part : {input.substr(0, cut), input.substr(std::min(cut, input.size()))}) {
    buffer += part;
    while (true) {
      const auto used = parser.feed(buffer);
      if (!used) return;
      TRV_ASSERT(*used <= buffer.size());
      buffer.erase(0, *used);
      if (!parser.complete()) break;
      TRV_ASSERT(parser.take().body.size() <= body_size_max);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView input(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 4) {
    case 0:
      run<auth::Directory>(input);
      break;
    case 1:
      run<model::Policies>(input);
      break;
    case 3:
      run<model::Quotas>(input);
      break;
    default:
      parse(input, data[1]);
  }
  return 0;
}
