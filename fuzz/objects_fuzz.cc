// Shared objects under arbitrary bytes: slots, cells, and the two kinds of values in cells. The
// input is taken as it is, and again with its checksum made right, so that what is behind it is
// reached. What is accepted is written back to the same bytes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/crc32c.h"
#include "objects/format.h"

namespace {

using namespace trv;
using namespace trv::objects;

void parse_all(ByteView bytes) {
  if (auto slot = parse_slot(bytes)) TRV_ASSERT(encode_slot(*slot) == bytes);
  if (auto session = parse_session(bytes)) TRV_ASSERT(encode_session(*session) == bytes);
  // A length can be written in more than one way, so only what was understood is compared.
  if (auto root = parse_root(bytes)) TRV_ASSERT(parse_root(encode_root(*root)) == root);
  if (auto cell = parse_cell(bytes)) {
    TRV_ASSERT(encode_cell(*cell) == bytes);
    parse_all(cell->value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  parse_all(bytes);
  if (size >= 12) {
    store_le(bytes.data() + 8, crc32c(0, ByteView(bytes).substr(12)));
    parse_all(bytes);
  }
  return 0;
}
