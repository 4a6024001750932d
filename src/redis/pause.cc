#include "redis/pause.h"

#include <algorithm>
#include <vector>

#include "base/mutant.h"
#include "redis/script_run.h"
#include "redis/session.h"

namespace trv::redis {

void Pause::begin(Kind kind, std::chrono::milliseconds time) {
  constexpr std::chrono::hours time_max{24 * 365 * 100};
  const auto within = std::min<std::chrono::milliseconds>(time, time_max);
  until_ = std::max(until_, service_.broker().core().now() + within);
  kind_ = std::max(kind_, kind);
  arm();
}

void Pause::arm() {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until_ - service_.broker().core().now());
  timer_ = service_.broker().core().schedule(
      std::clamp<std::chrono::milliseconds>(left, std::chrono::milliseconds(1),
                                            std::chrono::hours(24)),
      [this] { service_.broker().core().now() < until_ ? arm() : end(); });
}

void Pause::end() {
  timer_.cancel();
  kind_ = Kind::none;
  until_ = {};
  service_.resume_held();
}

bool Pause::may_write(const Command& command, std::span<const ByteView> args) const {
  if (command.has(flag::script)) return script_may_write(service_, command, args);
  return command.has(flag::write | flag::may_write);
}

bool Pause::holds(const Command& command, const Session& session,
                  std::span<const ByteView> args) const {
  if (kind_ == Kind::none || TRV_MUTANT(pause_holds_nothing)) return false;
  if (kind_ == Kind::all) return true;
  if (command.where != Where::transaction) return may_write(command, args);
  return std::any_of(session.queue.begin(), session.queue.end(), [this](const QueuedCommand& one) {
    const std::vector<ByteView> words(one.args.begin(), one.args.end());
    return may_write(*one.command, words);
  });
}

bool Pause::holds_blocked(const Command& command) const {
  return kind_ == Kind::all || (kind_ == Kind::writes && command.has(flag::write));
}

}  // namespace trv::redis
