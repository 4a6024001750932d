#include "redis_witness.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/assert.h"

namespace trv::fuzz {
namespace {

constexpr std::array<std::string_view, 4> confirmations{"subscribe", "psubscribe", "unsubscribe",
                                                        "punsubscribe"};

bool is_confirmation(std::string_view kind) {
  return std::find(confirmations.begin(), confirmations.end(), kind) != confirmations.end();
}

std::int64_t to_number(ByteView line) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  TRV_ASSERT(error == std::errc());
  TRV_ASSERT(end == line.data() + line.size());
  return number;
}

bool is_real(std::string_view line) {
  if (line == "inf" || line == "-inf" || line == "nan") return true;
  double number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  return error == std::errc() && end == line.data() + line.size();
}

bool take_line(ByteView& bytes, ByteView& line) {
  const std::size_t end = bytes.find("\r\n");
  if (end == ByteView::npos) return false;
  line = bytes.substr(0, end);
  TRV_ASSERT(line.find('\n') == ByteView::npos);
  bytes.remove_prefix(end + 2);
  return true;
}

// What is behind the line of a value that has a size.
bool take_bulk(ByteView& bytes, Reply& out) {
  TRV_ASSERT(out.number >= -1);
  if (out.number < 0) return true;
  const auto size = static_cast<std::size_t>(out.number);
  if (bytes.size() < size + 2) return false;
  out.text = bytes.substr(0, size);
  TRV_ASSERT(bytes.substr(size, 2) == "\r\n");
  bytes.remove_prefix(size + 2);
  return true;
}

bool take_items(ByteView& bytes, Reply& out) {
  TRV_ASSERT(out.number >= (out.kind == '*' ? -1 : 0));
  const std::int64_t count = out.kind == '%' ? 2 * out.number : out.number;
  for (std::int64_t i = 0; i < count; ++i) {
    out.items.emplace_back();
    if (!take_reply(bytes, out.items.back())) return false;
    TRV_ASSERT(out.items.back().kind != '>');
  }
  return true;
}

// With TRV_FUZZ_SHOW set: what is said, for whoever looks at a finding.
void show(const void* connection, char side, std::string_view bytes) {
  static const bool wanted = std::getenv("TRV_FUZZ_SHOW") != nullptr;
  if (!wanted) return;
  std::string text;
  for (const char c : bytes.substr(0, 300)) text += c >= ' ' && c <= '~' ? c : '.';
  std::fprintf(stderr, "%p %c %s\n", connection, side, text.c_str());
}

}  // namespace

bool take_reply(ByteView& bytes, Reply& out) {
  ByteView line;
  if (bytes.empty()) return false;
  out.kind = bytes.front();
  if (!take_line(bytes, line)) return false;
  line.remove_prefix(1);
  out.text = line;
  switch (out.kind) {
    case '+':
    case '-':
      TRV_ASSERT(line.find('\r') == ByteView::npos);
      TRV_ASSERT(out.kind == '+' || !line.empty());
      return true;
    case ':':
      out.number = to_number(line);
      return true;
    case ',':
      TRV_ASSERT(is_real(line));
      return true;
    case '#':
      TRV_ASSERT(line == "t" || line == "f");
      return true;
    case '_':
      TRV_ASSERT(line.empty());
      return true;
    case '$':
    case '=':
      out.number = to_number(line);
      return take_bulk(bytes, out);
    case '*':
    case '%':
    case '~':
    case '>':
      out.number = to_number(line);
      return take_items(bytes, out);
    default:
      TRV_ASSERT(false);
  }
}

void RedisWitness::hear_client(Asked asked) {
  show(this, '>', asked.command);
  if (asked.command == "multi") queueing_ = true;
  if (asked.command == "exec" || asked.command == "discard" || asked.command == "reset") {
    queueing_ = false;
  }
  if (asked.command == "monitor") has_monitored_ = true;
  if (asked.confirmations > 0) has_subscribed_ = true;
  if (asked.command == "quit") knows_ = false;
  asked_.push_back(std::move(asked));
}

void RedisWitness::hear_server(ByteView bytes) {
  show(this, '<', bytes);
  TRV_ASSERT(!ended_);
  bytes_ += bytes;
  ByteView rest = bytes_;
  for (;;) {
    ByteView after = rest;
    Reply reply;
    if (!take_reply(after, reply)) break;
    rest = after;
    on_reply(reply);
  }
  bytes_ = std::string(rest);
}

bool RedisWitness::is_aside(const Reply& reply) const {
  const std::string_view kind = reply.items.empty() ? "" : std::string_view(reply.items[0].text);
  if (reply.kind == '>') return !is_confirmation(kind);
  // What is told to monitors: +1700000000.000000 [0 address] "word" ...
  if (reply.kind == '+') {
    return has_monitored_ && reply.text.size() > 20 && reply.text[10] == '.' &&
           reply.text.find(" [") != std::string::npos;
  }
  return reply.kind == '*' && has_subscribed_ && (kind == "message" || kind == "pmessage");
}

bool RedisWitness::take_confirmation(const Reply& reply) {
  if ((reply.kind != '>' && reply.kind != '*') || reply.items.size() != 3) return false;
  const std::string& kind = reply.items[0].text;
  if (!is_confirmation(kind)) return false;
  if (asked_.empty() || asked_.front().command != kind) {
    TRV_ASSERT(reply.kind != '>' || left_all_ == kind);
    return left_all_ == kind;
  }
  Asked& asked = asked_.front();
  TRV_ASSERT(asked.confirmations > 0);
  if (asked.of_all) left_all_ = kind;
  if (--asked.confirmations == 0) asked_.pop_front();
  return true;
}

void RedisWitness::on_reply(const Reply& reply) {
  if (!knows_ || is_aside(reply) || take_confirmation(reply)) return;
  left_all_.clear();
  TRV_ASSERT(!asked_.empty());
  const Asked asked = std::move(asked_.front());
  asked_.pop_front();
  const bool queued = reply.kind == '+' && reply.text == "QUEUED";
  if (asked.confirmations > 0) TRV_ASSERT(reply.kind == '-' || queued);
  if (queued) ++queued_;
  if (asked.command == "multi" && reply.kind == '+' && !queued) queued_ = 0;
  if (asked.command == "exec" && reply.kind == '*' && reply.number >= 0) {
    TRV_ASSERT(reply.number == queued_);
    queued_ = 0;
  }
}

void RedisWitness::hear_end() {
  // Not in the middle of a value, either.
  TRV_ASSERT(!knows_);
  ended_ = true;
}

void RedisWitness::check_settled() const {
  if (ended_) return;
  TRV_ASSERT(bytes_.empty());
  TRV_ASSERT(!waits());
}

}  // namespace trv::fuzz
