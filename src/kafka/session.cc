#include "kafka/session.h"

#include "base/mutant.h"
#include "broker/catalog.h"
#include "kafka/api_table.h"
#include "kafka/reply.h"
#include "kafka/wire/frame.h"

namespace trv::kafka {
namespace {

// As Kafka's connection.failed.authentication.delay.ms and sasl.server.max.receive.size.
constexpr std::chrono::milliseconds refusal_delay(100);
constexpr std::size_t stranger_frame_size_max = 512u << 10;

}  // namespace

Session::Session(Service& service, ConnectionId id, Peer peer, Output output,
                 std::function<void()> changed)
    : service_(service),
      id_(id),
      peer_(std::move(peer)),
      output_(std::move(output)),
      changed_(std::move(changed)),
      login_(service.options().login_required) {
  service_.add(id_, *this);
}

Session::~Session() { service_.remove(id_); }

std::size_t Session::frame_size_max() const {
  bool known = login_.state() == Login::State::unneeded || login_.state() == Login::State::done;
  return known ? wire::frame_size_max : stranger_frame_size_max;
}

bool Session::must_wait_for(ByteView frame) const {
  if (held_ || muted_.armed()) return true;
  if (!in_order_) return false;
  ByteReader in(frame);
  const wire::RequestHeader header = wire::read_header_begin(in);
  const ApiRow* row = in.ok() ? find_api(header.key) : nullptr;
  return row != nullptr && row->in_order && !TRV_MUTANT(kafka_requests_overtake);
}

void Session::mute(std::chrono::milliseconds duration) {
  runtime::Core& core = service_.broker().core();
  const runtime::SteadyTime until = core.now() + duration;
  if (duration.count() <= 0 || until <= muted_until_ || TRV_MUTANT(quota_told_and_not_kept)) return;
  muted_until_ = until;
  muted_ = core.schedule(duration, [this] { changed_(); });
}

void Session::refuse_login(std::function<void()> answer) {
  login_.refuse();
  hold(first_slot_ + slots_.size() - 1);
  refusal_ = service_.broker().core().schedule(
      refusal_delay, [&service = service_, id = id_, answer = std::move(answer)] {
        Session* session = service.find(id);
        if (session == nullptr) return;
        answer();
        session->end();
      });
}

// The answer is a frame around an empty token; a token that is not good enough has none.
bool Session::on_bare_token(ByteView token) {
  std::uint64_t slot = first_slot_ + slots_.size();
  slots_.emplace_back();
  std::string refusal = login_.prove(*service_.broker().catalog().access(), token, peer_.near);
  if (!refusal.empty()) {
    refuse_login([] {});
    return true;
  }
  wire::EncodedMessage message;
  message.text.assign(wire::frame_size_field, '\0');
  finish(slot, std::move(message));
  return !ended_;
}

bool Session::on_frame(ByteView frame) {
  if (ended_) return false;
  if (login_.state() == Login::State::proving_bare) return on_bare_token(frame);
  ByteReader in(frame);
  wire::RequestHeader header = wire::read_header_begin(in);
  if (!in.ok() || !login_.admits(header.key)) return false;
  const ApiRow* row = find_api(header.key);
  if (row == nullptr) return false;
  std::uint64_t slot = first_slot_ + slots_.size();
  if (header.key == wire::ApiVersionsApi::key &&
      (header.version > row->version_max || header.version < 0)) {
    // The one question that is answered in a version that both know: which versions there are.
    header.version = 0;
    slots_.emplace_back();
    refuse_api_versions(Reply(service_, id_, slot, header, false, false), *row);
    return true;
  }
  if (header.version < row->version_served_min || header.version > row->version_max) return false;
  bool flexible = header.version >= row->flexible_from;
  wire::read_header_end(in, flexible, header);
  if (!in.ok()) return false;
  // The answer to ApiVersions never has tagged fields in its header.
  bool tagged_header = flexible && header.key != wire::ApiVersionsApi::key;
  Call call{service_,  *this,    header,
            in.rest(), flexible, Reply(service_, id_, slot, header, flexible, tagged_header)};
  slots_.emplace_back();
  if (row->in_order) in_order_ = slot;
  return row->run(call) && !ended_;
}

void Session::finish(std::uint64_t slot, wire::EncodedMessage message) {
  TRV_ASSERT(slot >= first_slot_ && slot - first_slot_ < slots_.size());
  std::optional<wire::EncodedMessage>& place = slots_[slot - first_slot_];
  TRV_ASSERT(!place);
  place = std::move(message);
  bool changed = in_order_ == slot || held_ == slot;
  if (in_order_ == slot) in_order_.reset();
  if (held_ == slot) held_.reset();
  if (slot == first_slot_ && release()) changed = true;
  if (changed) changed_();
}

// Whether full() has become false.
bool Session::release() {
  bool was_full = full();
  while (!slots_.empty() && slots_.front()) {
    wire::EncodedMessage message = std::move(*slots_.front());
    slots_.pop_front();
    ++first_slot_;
    if (!message.text.empty() && !ended_) output_(std::move(message));
  }
  return was_full && !full();
}

void Session::end() {
  if (ended_) return;
  ended_ = true;
  changed_();
}

}  // namespace trv::kafka
