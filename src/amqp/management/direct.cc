#include "amqp/management/direct.h"

#include <boost/json/object.hpp>

#include "base/assert.h"

namespace trv::amqp {

using broker::OperationResult;

Direct::Direct(Services& services, ConnectionId id, const SessionOptions& options,
               const std::string& user, const std::string& vhost, Listener listener, Done done,
               std::function<void()> wake)
    : listener_(std::move(listener)),
      done_(std::move(done)),
      wake_(std::move(wake)),
      session_(services, id, *this, options, true) {
  session_.open_directly(user, vhost);
  say(wire::ChannelOpen{});
}

Direct::~Direct() = default;

void Direct::say_content(ByteView properties, ByteView body) {
  wire::write_content_header(said_, channel, body.size(), properties);
  const std::size_t part_max = session_.frame_max() - wire::frame_overhead;
  while (!body.empty()) {
    const ByteView part = body.substr(0, part_max);
    wire::write_frame_head(said_, wire::FrameType::body, channel, part.size());
    said_ += part;
    wire::write_frame_end(said_);
    body.remove_prefix(part.size());
  }
  wake_();
}

void Direct::finish(OperationResult result) {
  if (std::exchange(finished_, true)) return;
  wake_();
  done_(std::move(result));
}

void Direct::write(std::string_view bytes) {
  heard_ += bytes;
  wake_();
}

void Direct::write(Slice slice) { write(std::string_view(slice.view())); }

void Direct::run() {
  while (!finished_) {
    if (!session_.waiting() && !said_.empty()) {
      // Not all when the session begins to wait; what is said meanwhile comes behind.
      const std::string bytes = std::exchange(said_, {});
      const std::size_t taken = session_.on_bytes(bytes);
      said_.insert(0, bytes, taken);
    }
    const std::size_t before = heard_.size();
    hear();
    if (heard_.size() == before) return;  // nothing, or a frame that is not whole
  }
}

void Direct::hear() {
  const std::string bytes = std::exchange(heard_, {});
  std::size_t done = 0;
  wire::Frame frame;
  while (!finished_ && wire::parse_frame(ByteView(bytes).substr(done), session_.frame_max(),
                                         frame) == wire::FrameStatus::complete) {
    done += frame.size;
    on_frame(frame);
  }
  heard_.insert(0, bytes, done);
}

void Direct::on_frame(const wire::Frame& frame) {
  if (frame.type == wire::FrameType::method) {
    const auto id = static_cast<wire::MethodId>(ByteReader(frame.payload).u32());
    if (id == wire::MethodId::basic_return || id == wire::MethodId::basic_get_ok) {
      method_ = frame.payload;
      body_.clear();
      return;
    }
    on_said(frame.payload, {}, {});
    return;
  }
  wire::ContentHeader header;
  if (frame.type == wire::FrameType::header && wire::parse_content_header(frame.payload, header)) {
    properties_ = header.properties;
    body_size_ = header.body_size;
  } else if (frame.type == wire::FrameType::body) {
    body_ += frame.payload;
  }
  if (body_.size() >= body_size_) on_said(method_, properties_, body_);
}

void Direct::on_said(ByteView bytes, ByteView properties, ByteView body) {
  const auto method = wire::decode(bytes);
  TRV_ASSERT(method.ok());
  if (const auto* closed = std::get_if<wire::ChannelClose>(&*method)) {
    on_closed(closed->reply_code, closed->reply_text);
  } else if (const auto* ended = std::get_if<wire::ConnectionClose>(&*method)) {
    on_closed(ended->reply_code, ended->reply_text);
  } else if (!std::holds_alternative<wire::ChannelOpenOk>(*method)) {
    listener_(*this, {*method, properties, body});
  }
}

void Direct::on_closed(std::uint16_t code, ByteView text) {
  // "NAME - detail"
  const std::size_t dash = text.find(" - ");
  OperationResult result;
  result.reason = text.substr(dash == ByteView::npos ? 0 : dash + 3);
  result.value = {{"code", code}, {"text", std::string(text)}};
  switch (static_cast<ReplyCode>(code)) {
    case ReplyCode::not_found:
      result.kind = OperationResult::Kind::not_found;
      break;
    case ReplyCode::access_refused:
      result.kind = OperationResult::Kind::access_refused;
      break;
    default:
      result.kind = OperationResult::Kind::refused;
  }
  finish(std::move(result));
}

}  // namespace trv::amqp
