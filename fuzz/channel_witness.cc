#include "channel_witness.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <variant>

#include "amqp/wire/properties.h"
#include "amqp/wire/table.h"
#include "base/assert.h"

namespace trv::fuzz {

using namespace trv::amqp;
using wire::FrameType;
using wire::MethodId;

namespace {

// With TRV_FUZZ_SHOW set: what is said, for whoever looks at a finding.
void show(const void* connection, char side, const wire::Frame& frame) {
  static const bool wanted = std::getenv("TRV_FUZZ_SHOW") != nullptr;
  if (!wanted) return;
  const char* name = frame.type == FrameType::header ? "header"
                     : frame.type == FrameType::body ? "body"
                                                     : "heartbeat";
  if (frame.type == FrameType::method) {
    const auto* row = wire::find_method(static_cast<MethodId>(ByteReader(frame.payload).u32()));
    name = row ? row->name : "unknown method";
  }
  std::string text;
  for (const char c : frame.payload.substr(0, 200)) text += c >= ' ' && c <= '~' ? c : '.';
  std::fprintf(stderr, "%p %c %d %s %s\n", connection, side, frame.channel, name, text.c_str());
}

template <class M>
bool waits_for_answer(const M& method) {
  if constexpr (requires { method.no_wait; }) {
    return !method.no_wait;
  } else {
    return true;
  }
}

// What the server answers to a method that it carries out; the method itself when nothing.
MethodId answer_to(MethodId id) {
  switch (id) {
    case MethodId::channel_open:
    case MethodId::channel_flow:
    case MethodId::channel_close:
    case MethodId::access_request:
    case MethodId::exchange_declare:
    case MethodId::exchange_delete:
    case MethodId::exchange_bind:
    case MethodId::queue_declare:
    case MethodId::queue_bind:
    case MethodId::queue_purge:
    case MethodId::queue_delete:
    case MethodId::queue_unbind:
    case MethodId::basic_qos:
    case MethodId::basic_consume:
    case MethodId::basic_cancel:
    case MethodId::basic_get:
    case MethodId::basic_recover:
    case MethodId::confirm_select:
    case MethodId::tx_select:
    case MethodId::tx_commit:
    case MethodId::tx_rollback:
      return static_cast<MethodId>(static_cast<std::uint32_t>(id) + 1);
    case MethodId::exchange_unbind:
      return MethodId::exchange_unbind_ok;
    default:
      return id;
  }
}

template <class M>
std::string consumer_tag(const M& method) {
  if constexpr (requires { method.consumer_tag; }) {
    return std::string(method.consumer_tag);
  } else {
    return {};
  }
}

}  // namespace

void Witness::hear_client(ByteView bytes) {
  if (gibberish_ || ended_) return;
  client_bytes_ += bytes;
  ByteView rest = client_bytes_;
  if (!greeted_) {
    if (rest.size() < wire::protocol_header.size()) return;
    greeted_ = true;
    const ByteView header = rest.substr(0, wire::protocol_header.size());
    gibberish_ = header != wire::protocol_header && header != wire::protocol_header_early;
    rest.remove_prefix(wire::protocol_header.size());
  }
  wire::Frame frame;
  // A frame that is too large for what was agreed ends the connection, and so is seen there.
  while (!ended_ && !gibberish_) {
    const auto status = wire::parse_frame(rest, 131072, frame);
    if (status == wire::FrameStatus::need_more) break;
    gibberish_ = status != wire::FrameStatus::complete;
    if (gibberish_) return;
    rest.remove_prefix(frame.size);
    on_client_frame(frame);
  }
  client_bytes_ = std::string(rest);
}

void Witness::on_client_frame(const wire::Frame& frame) {
  show(this, '>', frame);
  if (frame.type == FrameType::heartbeat) return;
  if (frame.channel != 0 && frame.type != FrameType::method) {
    on_client_content(channels_[frame.channel], frame);
    return;
  }
  const auto method = wire::decode(frame.payload);
  if (frame.channel == 0) {
    if (method && frame.type == FrameType::method &&
        std::holds_alternative<wire::ConnectionClose>(*method)) {
      ended_ = true;
      close_ok_due_ = true;
    }
    return;
  }
  Channel& channel = channels_[frame.channel];
  channel.publishing = false;
  if (!method) return;
  if (const auto* publish = std::get_if<wire::BasicPublish>(&*method)) {
    channel.publishing = !publish->immediate;
    channel.has_header = false;
    return;
  }
  std::visit(
      [&channel](const auto& m) {
        const bool answered = answer_to(m.id) != m.id;
        note(channel, {m.id, answered && waits_for_answer(m), consumer_tag(m)});
      },
      *method);
}

void Witness::on_client_content(Channel& channel, const wire::Frame& frame) {
  if (!channel.publishing) return;
  wire::ContentHeader header;
  if (!channel.has_header) {
    channel.publishing =
        frame.type == FrameType::header && wire::parse_content_header(frame.payload, header);
    channel.has_header = true;
    channel.missing = header.body_size;
  } else if (frame.type == FrameType::body && frame.payload.size() <= channel.missing) {
    channel.missing -= frame.payload.size();
  } else {
    channel.publishing = false;
  }
  if (!channel.publishing || channel.missing > 0) return;
  channel.publishing = false;
  note(channel, {MethodId::basic_publish, false, {}});
}

void Witness::note(Channel& channel, Said said) {
  if (channel.closed_by_server) {
    if (said.id == MethodId::channel_close) ++channel.close_oks_due;
    if (said.id == MethodId::channel_close_ok) {
      const int due = channel.close_oks_due;
      channel = {};
      channel.close_oks_due = due;
    }
    return;
  }
  switch (said.id) {
    case MethodId::confirm_select:
      channel.confirming = true;
      break;
    case MethodId::basic_publish:
      if (channel.confirming) ++channel.published;
      break;
    case MethodId::basic_consume:
      if (said.wants_answer) break;
      if (said.tag.empty()) {
        channel.has_unnamed_consumer = true;
      } else {
        channel.consumers.insert(said.tag);
      }
      break;
    default:
      break;
  }
  channel.said.push_back(std::move(said));
}

void Witness::hear_server(ByteView bytes, std::uint32_t frame_max) {
  // The answer to another protocol's header.
  if (bytes.starts_with("AMQP")) {
    ended_ = true;
    silent_ = true;
    bytes.remove_prefix(wire::protocol_header.size());
  }
  wire::Frame frame;
  while (!bytes.empty()) {
    TRV_ASSERT(wire::parse_frame(bytes, frame_max, frame) == wire::FrameStatus::complete);
    TRV_ASSERT(frame.size <= frame_max);
    bytes.remove_prefix(frame.size);
    on_server_frame(frame);
  }
}

void Witness::on_server_frame(const wire::Frame& frame) {
  show(this, '<', frame);
  TRV_ASSERT(!silent_);
  if (frame.channel == 0) {
    TRV_ASSERT(frame.type == FrameType::method);
    const auto method = wire::decode(frame.payload);
    TRV_ASSERT(method.ok());
    on_connection_method(std::visit([](const auto& m) { return m.id; }, *method));
    return;
  }
  const auto found = channels_.find(frame.channel);
  TRV_ASSERT(found != channels_.end());
  Channel& channel = found->second;
  if (frame.type == FrameType::method) {
    const auto method = wire::decode(frame.payload);
    TRV_ASSERT(method.ok());
    TRV_ASSERT(!channel.expects_header);
    TRV_ASSERT(channel.body_missing == 0);
    on_server_method(frame.channel, *method);
  } else if (frame.type == FrameType::header) {
    TRV_ASSERT(std::exchange(channel.expects_header, false));
    wire::ContentHeader header;
    wire::Properties properties;
    TRV_ASSERT(wire::parse_content_header(frame.payload, header));
    TRV_ASSERT(header.class_id == 60);
    TRV_ASSERT(wire::parse_properties(header.properties, properties));
    TRV_ASSERT(wire::well_formed_table(properties.headers));
    channel.body_missing = header.body_size;
  } else {
    TRV_ASSERT(frame.type == FrameType::body);
    TRV_ASSERT(!channel.expects_header);
    TRV_ASSERT(!frame.payload.empty());
    TRV_ASSERT(frame.payload.size() <= channel.body_missing);
    channel.body_missing -= frame.payload.size();
  }
}

void Witness::on_connection_method(MethodId id) {
  if (id == MethodId::connection_close_ok) {
    // Closes may cross.
    TRV_ASSERT(std::exchange(close_ok_due_, false) || closed_by_server_);
    silent_ = true;
  } else if (id == MethodId::connection_close) {
    TRV_ASSERT(!std::exchange(closed_by_server_, true));
    ended_ = true;
    channels_.clear();
  } else {
    TRV_ASSERT(!closed_by_server_);
  }
}

void Witness::on_closed_by_server(Channel& channel) {
  auto said = std::exchange(channel.said, {});
  const bool publishing = channel.publishing;
  const bool has_header = channel.has_header;
  const std::uint64_t missing = channel.missing;
  channel = {};
  channel.closed_by_server = true;
  for (Said& one : said) note(channel, std::move(one));
  channel.publishing = publishing && !channel.closed_by_server;
  channel.has_header = has_header;
  channel.missing = missing;
}

void Witness::pass(Channel& channel, const Said& said) {
  if (said.id != MethodId::basic_cancel) return;
  const auto found = channel.consumers.find(said.tag);
  if (found != channel.consumers.end()) channel.consumers.erase(found);
}

Witness::Said Witness::take_answered(Channel& channel, MethodId answer) {
  while (!channel.said.empty()) {
    Said said = std::move(channel.said.front());
    channel.said.pop_front();
    if (said.wants_answer) {
      TRV_ASSERT(answer_to(said.id) == answer);
      return said;
    }
    pass(channel, said);
  }
  TRV_ASSERT(false);  // an answer to nothing
}

void Witness::note_delivery(Channel& channel, std::uint64_t tag) {
  TRV_ASSERT(channel.open);
  TRV_ASSERT(tag == channel.last_tag + 1);
  channel.last_tag = tag;
  channel.expects_header = true;
}

void Witness::note_confirm(Channel& channel, std::uint64_t tag, bool multiple) {
  TRV_ASSERT(channel.open);
  TRV_ASSERT(tag > channel.confirmed);
  TRV_ASSERT(multiple || tag == channel.confirmed + 1);
  TRV_ASSERT(tag <= channel.published);
  channel.confirmed = tag;
}

void Witness::on_server_method(std::uint16_t number, const wire::Method& method) {
  Channel& channel = channels_[number];
  const MethodId id = std::visit([](const auto& m) { return m.id; }, method);
  if (const auto* deliver = std::get_if<wire::BasicDeliver>(&method)) {
    note_delivery(channel, deliver->delivery_tag);
    TRV_ASSERT(channel.has_unnamed_consumer || channel.consumers.contains(deliver->consumer_tag));
  } else if (const auto* ack = std::get_if<wire::BasicAck>(&method)) {
    note_confirm(channel, ack->delivery_tag, ack->multiple);
  } else if (const auto* nack = std::get_if<wire::BasicNack>(&method)) {
    note_confirm(channel, nack->delivery_tag, nack->multiple);
  } else if (std::holds_alternative<wire::BasicReturn>(method)) {
    TRV_ASSERT(channel.open);
    channel.expects_header = true;
  } else if (const auto* cancel = std::get_if<wire::BasicCancel>(&method)) {
    TRV_ASSERT(channel.open);
    const auto found = channel.consumers.find(cancel->consumer_tag);
    TRV_ASSERT(channel.has_unnamed_consumer || found != channel.consumers.end());
    if (found != channel.consumers.end()) channel.consumers.erase(found);
  } else if (id == MethodId::channel_close) {
    TRV_ASSERT(!channel.closed_by_server);
    on_closed_by_server(channel);
  } else if (id == MethodId::channel_close_ok) {
    if (channel.close_oks_due > 0) {
      --channel.close_oks_due;
      return;
    }
    TRV_ASSERT(!channel.closed_by_server);
    take_answered(channel, id);
    // What was said behind it is about the next channel of the number.
    auto said = std::exchange(channel.said, {});
    channel = {};
    for (Said& one : said) note(channel, std::move(one));
  } else if (id == MethodId::channel_open_ok) {
    take_answered(channel, id);
    TRV_ASSERT(!std::exchange(channel.open, true));
  } else {
    TRV_ASSERT(channel.open);
    const auto* got = std::get_if<wire::BasicGetOk>(&method);
    const bool is_get = got || id == MethodId::basic_get_empty;
    const Said said = take_answered(channel, is_get ? MethodId::basic_get_ok : id);
    if (got) note_delivery(channel, got->delivery_tag);
    if (const auto* consume = std::get_if<wire::BasicConsumeOk>(&method)) {
      channel.consumers.insert(std::string(consume->consumer_tag));
    }
    pass(channel, said);
  }
}

void Witness::check_settled() {
  TRV_ASSERT(!close_ok_due_ || closed_by_server_);
  TRV_ASSERT(!gibberish_ || ended_);
  if (ended_) return;
  for (auto& [number, channel] : channels_) {
    TRV_ASSERT(!channel.expects_header);
    TRV_ASSERT(channel.body_missing == 0);
    TRV_ASSERT(channel.close_oks_due == 0);
    for (const Said& said : std::exchange(channel.said, {})) {
      TRV_ASSERT(!said.wants_answer);
      pass(channel, said);
    }
  }
  TRV_ASSERT(!awaits_confirms());
}

bool Witness::awaits_confirms() const {
  if (ended_) return false;
  return std::any_of(channels_.begin(), channels_.end(), [](const auto& entry) {
    const Channel& channel = entry.second;
    return channel.open && channel.confirming && channel.confirmed != channel.published;
  });
}

bool Witness::is_closed_by_server(std::uint16_t channel) const {
  const auto found = channels_.find(channel);
  return found != channels_.end() && found->second.closed_by_server;
}

bool Witness::is_open(std::uint16_t channel) const {
  const auto found = channels_.find(channel);
  return found != channels_.end() && found->second.open;
}

}  // namespace trv::fuzz
