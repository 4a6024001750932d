#include "frames.h"

#include <charconv>

#include "amqp/wire/frame.h"
#include "amqp/wire/properties.h"
#include "text.h"

namespace trv::amqp::golden {

namespace {

constexpr std::size_t random_size = 22;

// Which file the bad disk struck first is a matter of time.
std::string without_file(std::string text) {
  constexpr std::string_view fault = "injected fault";
  const std::size_t at = text.find(fault);
  if (at == std::string::npos) return text;
  const std::size_t begin = at + fault.size();
  return text.erase(begin, text.find('"', begin) - begin);
}

std::string encode_content(std::string_view text) {
  std::uint64_t size = 0;
  const auto after = std::from_chars(text.data(), text.data() + text.size(), size).ptr;
  text.remove_prefix(static_cast<std::size_t>(after - text.data()));
  std::string payload;
  ByteWriter w(payload);
  w.u16(60);
  w.u16(0);
  w.u64(size);
  w.bytes(parse_properties_text(text));
  return payload;
}

void replace(std::string& line, std::string_view name, const std::string& value) {
  const std::size_t at = line.find(name);
  if (at != std::string::npos) line.replace(at, name.size(), value);
}

}  // namespace

std::string encode_line(std::string_view text) {
  if (text.starts_with("header ")) return parse_hex(text.substr(7));
  unsigned channel = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), channel).ptr;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  wire::FrameType type = wire::FrameType::method;
  std::string payload;
  if (text.starts_with("content ")) {
    type = wire::FrameType::header;
    payload = encode_content(text.substr(8));
  } else if (text.starts_with("body ")) {
    type = wire::FrameType::body;
    payload = parse_string(text.substr(5));
  } else if (text.starts_with("heartbeat")) {
    type = wire::FrameType::heartbeat;
  } else {
    payload = parse_method(text);
  }
  std::string out;
  wire::write_frame_head(out, type, static_cast<std::uint16_t>(channel), payload.size());
  out += payload;
  wire::write_frame_end(out);
  return out;
}

void Transcript::remember(std::string_view payload) {
  for (const auto& [prefix, name] :
       {std::pair("amq.gen-", &queue_), std::pair("amq.ctag-", &tag_)}) {
    const std::size_t at = payload.find(prefix);
    if (at != std::string_view::npos) {
      *name = payload.substr(at, std::string_view(prefix).size() + random_size);
    }
  }
}

std::string Transcript::print_frame(std::uint16_t channel, char type, std::string_view payload) {
  const std::string out = std::to_string(channel) + " ";
  wire::ContentHeader header;
  wire::Properties properties;
  switch (static_cast<wire::FrameType>(type)) {
    case wire::FrameType::method:
      remember(payload);
      return out + print_method(payload);
    case wire::FrameType::header:
      if (!wire::parse_content_header(payload, header)) return out + "content MALFORMED";
      if (wire::parse_properties(header.properties, properties) &&
          properties.has(wire::Property::reply_to)) {
        reply_to_ = properties.reply_to;
      }
      return out + "content " + std::to_string(header.body_size) +
             print_properties(header.properties);
    case wire::FrameType::body:
      return out + "body " +
             (payload.size() > 200 ? std::to_string(payload.size()) + " bytes"
                                   : print_string(payload));
    case wire::FrameType::heartbeat:
      return out + "heartbeat";
  }
  return out;
}

void Transcript::print(const std::string& peer, std::string& bytes, std::vector<std::string>& out) {
  while (!bytes.empty()) {
    wire::Frame frame;
    if (bytes.starts_with("AMQP")) {
      if (bytes.size() < wire::protocol_header.size()) return;
      out.push_back(peer + "< header " + print_string(bytes.substr(0, 8)));
      bytes.erase(0, 8);
      continue;
    }
    const wire::FrameStatus status = wire::parse_frame(bytes, 1u << 24, frame);
    if (status == wire::FrameStatus::need_more) return;
    if (status != wire::FrameStatus::complete) {
      out.push_back(peer + "< MALFORMED");
      bytes.clear();
      return;
    }
    out.push_back(
        peer + "< " +
        without_file(print_frame(frame.channel, static_cast<char>(frame.type), frame.payload)));
    bytes.erase(0, frame.size);
  }
}

std::string Transcript::fill(std::string line) const {
  replace(line, "$queue", queue_);
  replace(line, "$reply_to", reply_to_);
  replace(line, "$tag", tag_);
  return line;
}

}  // namespace trv::amqp::golden
