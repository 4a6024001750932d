#include "redis/access/denial_log.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace trv::redis {

namespace {

constexpr std::int64_t alike_ms = 60'000;
constexpr std::size_t looked_at = 10;  // entries among which one that is alike is looked for

}  // namespace

void DenialLog::Counts::add(Reason reason) {
  switch (reason) {
    case Reason::command:
      ++command;
      break;
    case Reason::key:
      ++key;
      break;
    case Reason::channel:
      ++channel;
      break;
    case Reason::login:
      ++login;
      break;
  }
}

void DenialLog::Counts::add(const Counts& other) {
  command += other.command;
  key += other.key;
  channel += other.channel;
  login += other.login;
}

void DenialLog::add(Event event, WallTime now) {
  if (event.object.size() > object_size_max) event.object.resize(object_size_max);
  if (event.user.size() > object_size_max) event.user.resize(object_size_max);
  for (std::size_t i = 0; i < std::min(entries_.size(), looked_at); ++i) {
    const Event& known = entries_[i].event;
    const bool alike = known.reason == event.reason && known.context == event.context &&
                       known.object == event.object && known.user == event.user &&
                       now.ms - entries_[i].updated.ms <= alike_ms;
    if (!alike) continue;
    Entry entry = std::move(entries_[i]);
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
    entry.event.client = std::move(event.client);
    entry.updated = now;
    ++entry.count;
    entries_.push_front(std::move(entry));
    return;
  }
  entries_.push_front({std::move(event), 1, next_id_++, now, now});
  if (entries_.size() > size_max_) entries_.resize(size_max_);
}

void DenialLog::set_size_max(std::size_t size_max) {
  size_max_ = size_max;
  if (entries_.size() > size_max_) entries_.resize(size_max_);
}

DenialLog::Reason reason_of(Lacks lacks) {
  switch (lacks) {
    case Lacks::command:
      return DenialLog::Reason::command;
    case Lacks::key:
      return DenialLog::Reason::key;
    case Lacks::channel:
      return DenialLog::Reason::channel;
    case Lacks::nothing:
      break;
  }
  TRV_ASSERT(lacks != Lacks::nothing);
  return DenialLog::Reason::command;
}

std::string_view text_of(DenialLog::Reason reason) {
  switch (reason) {
    case DenialLog::Reason::command:
      return "command";
    case DenialLog::Reason::key:
      return "key";
    case DenialLog::Reason::channel:
      return "channel";
    case DenialLog::Reason::login:
      return "auth";
  }
  return "unknown";
}

std::string_view text_of(DenialLog::Context context) {
  switch (context) {
    case DenialLog::Context::toplevel:
      return "toplevel";
    case DenialLog::Context::transaction:
      return "multi";
    case DenialLog::Context::script:
      return "lua";
  }
  return "unknown";
}

}  // namespace trv::redis
