#include "amqp/session.h"

#include <variant>

#include "amqp/handlers/handlers.h"
#include "base/assert.h"
#include "base/mutant.h"

namespace trv::amqp {

using wire::MethodId;

namespace {

// Bodies that have come in part: of one connection, and of all connections of a core.
constexpr std::size_t assembly_bytes_max = 128u << 20;
constexpr std::size_t assembly_bytes_core_max = 512u << 20;

MethodId id_of(const wire::Method& method) {
  return std::visit([](const auto& m) { return m.id; }, method);
}

}  // namespace

Session::Session(Services& services, ConnectionId id, Output& output, const SessionOptions& options,
                 bool peer_is_loopback)
    : services_(services),
      id_(id),
      output_(output),
      options_(options),
      peer_is_loopback_(peer_is_loopback),
      frame_max_(options.frame_max),
      channel_max_(options.channel_max) {
  services_.sessions.add(id_, *this);
}

Session::~Session() {
  end();
  services_.sessions.remove(id_);
}

std::size_t Session::on_bytes(ByteView bytes) {
  std::size_t done = 0;
  if (state_ == State::header) {
    if (bytes.size() < wire::protocol_header.size()) return 0;
    on_header(bytes.substr(0, wire::protocol_header.size()));
    done = wire::protocol_header.size();
  }
  while (!waiting() && state_ != State::finished) {
    wire::Frame frame;
    const wire::FrameStatus status = wire::parse_frame(bytes.substr(done), frame_max_, frame);
    if (status == wire::FrameStatus::need_more) break;
    if (status != wire::FrameStatus::complete) {
      on_frame_refused(status, bytes.substr(done));
      // What follows cannot be told apart any more.
      done = bytes.size();
      break;
    }
    done += frame.size;
    on_frame(frame);
  }
  end_reading();
  return done;
}

void Session::on_header(ByteView header) {
  if (header != wire::protocol_header && header != wire::protocol_header_early) {
    output_.write(std::string_view(wire::protocol_header));
    finish();
    return;
  }
  state_ = State::starting;
  send_start();
}

void Session::on_frame_refused(wire::FrameStatus status, ByteView bytes) {
  if (state_ == State::closing) {
    finish();
    return;
  }
  Failure failure{ReplyCode::frame_error, ""};
  switch (status) {
    case wire::FrameStatus::too_large:
      failure.detail =
          "frame too large: " + std::to_string(load_be<std::uint32_t>(bytes.data() + 3)) +
          " bytes, max " + std::to_string(frame_max_);
      break;
    case wire::FrameStatus::bad_end:
      failure.detail = "invalid frame end marker";
      break;
    case wire::FrameStatus::unknown_type:
      failure.detail =
          "unknown frame type " + std::to_string(static_cast<std::uint8_t>(bytes.front()));
      break;
    case wire::FrameStatus::complete:
    case wire::FrameStatus::need_more:
      TRV_ASSERT(false);
  }
  fail_connection(MethodId{}, failure);
  finish();  // nothing is read after this, not even the answer to the close
}

void Session::on_frame(const wire::Frame& frame) {
  if (frame.type == wire::FrameType::heartbeat) return;
  if (frame.channel == 0) {
    on_connection_frame(frame);
  } else if (state_ == State::running) {
    on_channel_frame(frame);
  } else if (state_ != State::closing) {
    fail_connection(MethodId{},
                    {ReplyCode::channel_error, "unexpected frame before connection.open"});
  }
}

void Session::on_connection_frame(const wire::Frame& frame) {
  if (frame.type != wire::FrameType::method) {
    if (state_ == State::closing) return;
    fail_connection(MethodId{}, {ReplyCode::unexpected_frame,
                                 "expected method frame, got non method frame instead"});
    return;
  }
  const auto method = wire::decode(frame.payload);
  if (method) {
    on_connection_method(*method, id_of(*method));
    return;
  }
  if (state_ == State::closing) return;
  const bool unknown = method.error().code == Errc::unsupported;
  fail_connection(MethodId{},
                  {unknown ? ReplyCode::command_invalid : ReplyCode::frame_error,
                   unknown ? "unimplemented method" : "cannot decode method arguments"});
}

void Session::on_connection_method(const wire::Method& method, MethodId id) {
  if (const auto* close = std::get_if<wire::ConnectionClose>(&method)) {
    on_close(*close);
    return;
  }
  if (id == MethodId::connection_close_ok) {
    if (state_ == State::closing) finish();
    return;
  }
  if (state_ == State::closing) return;
  if (const auto* start_ok = std::get_if<wire::ConnectionStartOk>(&method);
      start_ok && state_ == State::starting) {
    on_start_ok(*start_ok);
  } else if (const auto* tune_ok = std::get_if<wire::ConnectionTuneOk>(&method);
             tune_ok && state_ == State::tuning) {
    on_tune_ok(*tune_ok);
  } else if (const auto* open = std::get_if<wire::ConnectionOpen>(&method);
             open && state_ == State::opening) {
    on_open(*open);
  } else if (id == MethodId::connection_update_secret && state_ == State::running) {
    send(0, wire::ConnectionUpdateSecretOk{});
  } else {
    static constexpr const char* names[] = {"starting", "starting", "tuning", "opening", "running"};
    fail_connection(
        id, {ReplyCode::channel_error, std::string("unexpected method in connection state ") +
                                           names[static_cast<std::size_t>(state_)]});
  }
}

void Session::on_channel_frame(const wire::Frame& frame) {
  const auto found = channels_.find(frame.channel);
  Channel* channel = found == channels_.end() ? nullptr : found->second.get();
  if (channel && channel->state == Channel::State::open) {
    if (frame.type != wire::FrameType::method || channel->content.stage != Content::Stage::none) {
      on_content_frame(*channel, frame);
      return;
    }
  } else if (frame.type != wire::FrameType::method) {
    if (channel) return;
    fail_connection(MethodId{}, {ReplyCode::channel_error, "expected 'channel.open'"});
    return;
  }
  const auto method = wire::decode(frame.payload);
  if (method) {
    on_channel_method(channel, frame, *method, id_of(*method));
    return;
  }
  const bool unknown = method.error().code == Errc::unsupported;
  fail_connection(static_cast<MethodId>(ByteReader(frame.payload).u32()),
                  {unknown ? ReplyCode::command_invalid : ReplyCode::frame_error,
                   unknown ? "unimplemented method" : "cannot decode method arguments"});
}

void Session::on_channel_method(Channel* channel, const wire::Frame& frame,
                                const wire::Method& method, MethodId id) {
  if (!channel) {
    if (id == MethodId::channel_open) {
      open_channel(frame.channel);
    } else if (id != MethodId::channel_close_ok) {
      fail_connection(id, {ReplyCode::channel_error, "expected 'channel.open'"});
    }
    return;
  }
  if (id == MethodId::channel_open && channel->state == Channel::State::open) {
    fail_connection(id, {ReplyCode::channel_error, "second 'channel.open' seen"});
    return;
  }
  if (channel->state == Channel::State::closing) {
    if (id == MethodId::channel_close_ok) channels_.erase(frame.channel);
    if (id == MethodId::channel_close) send(frame.channel, wire::ChannelCloseOk{});
    return;
  }
  settle_before(*channel, id);
  const Call call{*channel, id};
  std::visit(
      [&](const auto& m) {
        if constexpr (requires { handle(*this, call, m); }) {
          handle(*this, call, m);
        } else {
          fail_connection(id, {ReplyCode::command_invalid, "unimplemented method"});
        }
      },
      method);
}

void Session::on_content_frame(Channel& channel, const wire::Frame& frame) {
  const auto unexpected = [&](std::string text) {
    const bool publishing = channel.content.stage != Content::Stage::none;
    fail_connection(publishing ? MethodId::basic_publish : MethodId{},
                    {ReplyCode::unexpected_frame, std::move(text)});
  };
  switch (channel.content.stage) {
    case Content::Stage::none:
      unexpected("expected method frame, got non method frame instead");
      return;
    case Content::Stage::header: {
      wire::ContentHeader header;
      if (frame.type != wire::FrameType::header) {
        unexpected("expected content header for class 60, got non content header frame instead");
      } else if (!wire::parse_content_header(frame.payload, header)) {
        fail_connection(MethodId{}, {ReplyCode::frame_error, "cannot decode content header"});
      } else if (header.class_id != 60) {
        unexpected("expected content header for class 60, got one for class " +
                   std::to_string(header.class_id) + " instead");
      } else {
        on_publish_header(*this, channel, header);
      }
      return;
    }
    case Content::Stage::body:
      if (frame.type != wire::FrameType::body) {
        unexpected("expected content body, got non content body frame instead");
      } else {
        on_publish_body(*this, channel, frame.payload);
      }
      return;
  }
}

void Session::open_channel(std::uint16_t number) {
  if (channel_max_ != 0 && channels_.size() >= channel_max_) {
    fail_connection(MethodId{}, {ReplyCode::not_allowed,
                                 "number of channels opened (" + std::to_string(channels_.size()) +
                                     ") has reached the negotiated channel_max (" +
                                     std::to_string(channel_max_) + ")"});
    return;
  }
  if (counted_) {
    open_counted_channel(number);
  } else {
    add_channel(number);
  }
}

void Session::add_channel(std::uint16_t number) {
  channels_[number] =
      std::make_unique<Channel>(number, ++last_serial_, broker().core().input_blocks());
  count(ChurnEvent::channel_created);
  send(number, wire::ChannelOpenOk{});
}

Channel* Session::find_open(ChannelRef ref) {
  const auto found = channels_.find(ref.number);
  if (found == channels_.end()) return nullptr;
  Channel& channel = *found->second;
  const bool same = channel.ref.serial == ref.serial && channel.state == Channel::State::open;
  return same ? &channel : nullptr;
}

void Session::fail(Channel& channel, MethodId method, const Failure& failure) {
  if (closes_connection(failure.code)) {
    fail_connection(method, failure);
    return;
  }
  if (channel.state == Channel::State::closing) return;
  end_channel(channel);
  channel.state = Channel::State::closing;
  const std::string text = reply_text(failure);
  const auto id = static_cast<std::uint32_t>(method);
  send(channel.ref.number,
       wire::ChannelClose{.reply_code = static_cast<std::uint16_t>(failure.code),
                          .reply_text = text,
                          .class_id = static_cast<std::uint16_t>(id >> 16),
                          .method_id = static_cast<std::uint16_t>(id)});
}

void Session::fail_connection(MethodId method, const Failure& failure) {
  if (state_ == State::closing || state_ == State::finished) return;
  end();
  const std::string text = reply_text(failure);
  const auto id = static_cast<std::uint32_t>(method);
  send(0, wire::ConnectionClose{.reply_code = static_cast<std::uint16_t>(failure.code),
                                .reply_text = text,
                                .class_id = static_cast<std::uint16_t>(id >> 16),
                                .method_id = static_cast<std::uint16_t>(id)});
  state_ = State::closing;
  output_.expect_end();
}

void Session::shut_down() {
  if (state_ == State::running) {
    fail_connection(MethodId{}, {ReplyCode::connection_forced,
                                 "broker forced connection closure with reason 'shutdown'"});
  }
  finish();
}

void Session::finish() {
  end();
  state_ = State::finished;
  output_.resume();
}

void Session::close_channel(std::uint16_t number) { channels_.erase(number); }

void Session::mark_dirty(Channel& channel) {
  if (std::exchange(channel.dirty, true)) return;
  dirty_.push_back(channel.ref);
}

void Session::end_reading() {
  for (const ChannelRef ref : std::exchange(dirty_, {})) {
    Channel* channel = find_open(ref);
    if (!channel) continue;
    channel->dirty = false;
    settle_flush(*channel);
    confirm_flush(*channel, channel->confirms.last());
  }
}

void Session::end_wait() {
  TRV_ASSERT(waiting_ > 0);
  if (--waiting_ == 0) output_.resume();
}

void Session::await_space() {
  if (!broker().short_of_space() || TRV_MUTANT(publisher_not_blocked)) return;
  if (client_takes_blocked_) send(0, wire::ConnectionBlocked{.reason = "low on disk"});
  wait_for([this](UniqueFunction<void()> done) { broker().when_space(std::move(done)); },
           [](Session& session) {
             if (session.client_takes_blocked_) session.send(0, wire::ConnectionUnblocked{});
           });
}

bool Session::reserve_assembly(std::size_t size) {
  if (assembling_bytes_ + size > assembly_bytes_max ||
      services_.assembling_bytes + size > assembly_bytes_core_max) {
    return false;
  }
  assembling_bytes_ += size;
  services_.assembling_bytes += size;
  return true;
}

void Session::release_assembly(std::size_t size) {
  TRV_ASSERT(size <= assembling_bytes_);
  assembling_bytes_ -= size;
  services_.assembling_bytes -= size;
}

void Session::publish_pending_end() {
  --pending_publishes_;
  run_deferred();
}

void Session::after_publishes(UniqueFunction<void()> work) {
  if (pending_publishes_ == 0 && broker().is_durable(published_)) {
    work();
    return;
  }
  deferred_.push_back(std::move(work));
  run_deferred();
}

void Session::run_deferred() {
  if (deferred_.empty() || deferred_waits_ || pending_publishes_ > 0) return;
  deferred_waits_ = true;
  broker().when_durable(published_,
                        [link = link(), &core = broker().core()](Result<broker::Durable>) {
                          // Not durable means that the journal has failed: the questions themselves
                          // will tell. In a later handler: what makes the records visible waits for
                          // the same commit as this does.
                          core.post([link] {
                            if (Session* session = link.find()) session->ask_deferred();
                          });
                        });
}

void Session::ask_deferred() {
  deferred_waits_ = false;
  for (auto& work : std::exchange(deferred_, {})) work();
}

}  // namespace trv::amqp
