// Feeds bytes to everything that reads AMQP before a session believes it: frames, methods, tables,
// content headers, properties, envelopes. Whatever decodes must encode to the same bytes.
#include <cstdint>
#include <string>

#include "amqp/envelope.h"
#include "amqp/text.h"
#include "amqp/wire/frame.h"
#include "amqp/wire/methods.gen.h"
#include "amqp/wire/properties.h"
#include "amqp/wire/table.h"
#include "base/assert.h"

namespace {

using namespace trv;
using namespace trv::amqp;

void check_table(ByteView table) {
  wire::TableReader reader(table);
  for (wire::Field field; reader.next(field);) {
    if (field.value.type != 'V') value_text(field.value);
  }
  TRV_ASSERT(reader.ok());
  TRV_ASSERT(wire::sorted_table(table).size() == table.size());
}

void check_method(ByteView payload) {
  const auto method = wire::decode(payload);
  if (!method) return;
  std::string again;
  ByteWriter w(again);
  std::visit([&](const auto& m) { encode(w, m); }, *method);
  // Reserved fields and unused bits are not kept, but nothing changes the size.
  const auto second = wire::decode(again);
  TRV_ASSERT(second.ok());
  TRV_ASSERT(second->index() == method->index());
  if (const auto* declare = std::get_if<wire::QueueDeclare>(&*method)) {
    check_table(declare->arguments);
  }
}

void check_properties(ByteView bytes) {
  wire::Properties p;
  if (!wire::parse_properties(bytes, p)) return;
  std::string again;
  ByteWriter w(again);
  wire::encode_properties(w, p);
  TRV_ASSERT(again == bytes);
  check_table(p.headers);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView all(reinterpret_cast<const char*>(data), size);
  ByteView rest = all;
  wire::Frame frame;
  while (wire::parse_frame(rest, 131072, frame) == wire::FrameStatus::complete) {
    rest.remove_prefix(frame.size);
    wire::ContentHeader header;
    if (frame.type == wire::FrameType::method) check_method(frame.payload);
    if (frame.type == wire::FrameType::header &&
        wire::parse_content_header(frame.payload, header)) {
      check_properties(header.properties);
    }
  }
  // The parts by themselves, so that mutations reach them without a valid frame around.
  check_method(all);
  check_properties(all);
  if (wire::well_formed_table(all)) check_table(all);
  Envelope envelope;
  if (parse_envelope(all, envelope)) check_properties(envelope.properties);
  return 0;
}
