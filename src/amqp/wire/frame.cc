#include "amqp/wire/frame.h"

#include "base/mutant.h"

namespace trv::amqp::wire {

namespace {
constexpr std::uint16_t basic_class = 60;

bool known(std::uint8_t type) { return (type >= 1 && type <= 3) || type == 8; }
}  // namespace

FrameStatus parse_frame(ByteView buffer, std::uint32_t payload_size_max, Frame& out) {
  if (buffer.empty()) return FrameStatus::need_more;
  // Whatever else arrives, an unknown type is never going to become a frame.
  if (!known(static_cast<std::uint8_t>(buffer[0]))) return FrameStatus::unknown_type;
  if (buffer.size() < frame_head_size) return FrameStatus::need_more;
  const auto size = load_be<std::uint32_t>(buffer.data() + 3);
  if (size > payload_size_max && !TRV_MUTANT(frame_max_unchecked)) return FrameStatus::too_large;
  if (buffer.size() < frame_overhead + size) return FrameStatus::need_more;
  const bool ended = static_cast<std::uint8_t>(buffer[frame_head_size + size]) == frame_end;
  if (!ended && !TRV_MUTANT(frame_end_unchecked)) {
    return FrameStatus::bad_end;
  }
  out.type = static_cast<FrameType>(buffer[0]);
  out.channel = load_be<std::uint16_t>(buffer.data() + 1);
  out.payload = buffer.substr(frame_head_size, size);
  out.size = frame_overhead + size;
  return FrameStatus::complete;
}

bool parse_content_header(ByteView payload, ContentHeader& out) {
  ByteReader r(payload);
  out.class_id = r.u16();
  r.u16();
  out.body_size = r.u64();
  out.properties = r.rest();
  return r.ok();
}

void write_frame_head(std::string& out, FrameType type, std::uint16_t channel, std::size_t size) {
  ByteWriter w(out);
  w.u8(static_cast<std::uint8_t>(type));
  w.u16(channel);
  w.u32(static_cast<std::uint32_t>(size));
}

void write_content_header(std::string& out, std::uint16_t channel, std::uint64_t body_size,
                          ByteView properties) {
  write_frame_head(out, FrameType::header, channel, 12 + properties.size());
  ByteWriter w(out);
  w.u16(basic_class);
  w.u16(0);
  w.u64(body_size);
  w.bytes(properties);
  write_frame_end(out);
}

void write_heartbeat(std::string& out) {
  write_frame_head(out, FrameType::heartbeat, 0, 0);
  write_frame_end(out);
}

}  // namespace trv::amqp::wire
