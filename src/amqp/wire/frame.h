// Frames of AMQP 0-9-1.
//
//   octet   0      1..2      3..6     7..7+size-1   7+size
//         +------+---------+--------+-------------+--------+
//         | type | channel |  size  |   payload   |  0xCE  |     integers are big endian
//         +------+---------+--------+-------------+--------+
//
//   type: 1 method, 2 content header, 3 content body, 8 heartbeat (channel 0, no payload)
//   content header payload: class u16, weight u16 (0), body size u64, properties (properties.h)
#pragma once

#include <cstdint>
#include <string>

#include "amqp/wire/methods.gen.h"
#include "base/bytes.h"

namespace trv::amqp::wire {

inline constexpr std::size_t frame_head_size = 7;
inline constexpr std::size_t frame_overhead = 8;  // head and end octet
// What a content header frame holds beside the properties.
inline constexpr std::size_t content_overhead = frame_overhead + 12;
inline constexpr std::uint8_t frame_end = 0xce;

// The eight octets that open a connection, and that answer a header we do not speak.
inline constexpr ByteView protocol_header{"AMQP\0\0\x09\x01", 8};
// The form that some early 0-9-1 clients send.
inline constexpr ByteView protocol_header_early{"AMQP\x01\x01\0\x09", 8};

enum class FrameType : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };

struct Frame {
  FrameType type = FrameType::method;
  std::uint16_t channel = 0;
  ByteView payload;      // inside the buffer that was parsed
  std::size_t size = 0;  // bytes of the whole frame
};

enum class FrameStatus : std::uint8_t {
  complete,
  need_more,
  unknown_type,
  too_large,  // the payload is larger than allowed; known from the head alone
  bad_end,    // the last octet is not 0xCE
};

// Looks for one frame at the start of `buffer`.
FrameStatus parse_frame(ByteView buffer, std::uint32_t payload_size_max, Frame& out);

struct ContentHeader {
  std::uint16_t class_id = 0;
  std::uint64_t body_size = 0;
  ByteView properties;
};
// False when the payload is too short.
bool parse_content_header(ByteView payload, ContentHeader& out);

// Appends a whole method frame.
template <class M>
void write_method_frame(std::string& out, std::uint16_t channel, const M& method);

// Appends the head of a frame whose payload of `size` bytes and end octet follow.
void write_frame_head(std::string& out, FrameType type, std::uint16_t channel, std::size_t size);
inline void write_frame_end(std::string& out) { out.push_back(static_cast<char>(frame_end)); }

// Appends a whole content header frame.
void write_content_header(std::string& out, std::uint16_t channel, std::uint64_t body_size,
                          ByteView properties);

void write_heartbeat(std::string& out);

template <class M>
void write_method_frame(std::string& out, std::uint16_t channel, const M& method) {
  const std::size_t start = out.size();
  write_frame_head(out, FrameType::method, channel, 0);
  ByteWriter w(out);
  encode(w, method);
  w.patch_u32(start + 3, static_cast<std::uint32_t>(out.size() - start - frame_head_size));
  write_frame_end(out);
}

}  // namespace trv::amqp::wire
