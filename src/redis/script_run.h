// ScriptRun: one run of a script, on the core that owns its keys: the commands that it calls, and
// what its reply must wait for.
//
// Owner: the handler, for the time of the run. As in a transaction, nothing comes between its
// commands, and all changes are of one round: there after a crash as a whole or not at all.
#pragma once

#include "redis/scripting/engine.h"
#include "redis/service.h"
#include "runtime/stopwatch.h"

namespace trv::redis {

// Makes the script of an EVAL known to every core, this one first, if it is new here. Called before
// the command is sent to another core: what this core sends on, an EVALSHA, finds it everywhere.
void learn_script(Service& service, const Command& command, std::span<const ByteView> args);

// Whether the script that the command runs may change anything, as far as can be told before.
bool script_may_write(Service& service, const Command& command, std::span<const ByteView> args);

class ScriptRun final : public ScriptHost {
 public:
  // A script that has changed something is not left half done for being slow, but neither may it
  // hold its core for ever: it has this many times as long.
  static constexpr int writer_patience = 12;
  static constexpr std::size_t written_bytes_max = std::size_t{64} << 20;  // by one script

  // `outer`: the command that runs the script; it gets the commits.
  ScriptRun(Call& outer, bool read_only);

  void call(std::span<const ByteView> args, Protocol protocol, std::string& out) override;
  bool knows(std::span<const ByteView> args) override;
  bool may(std::span<const ByteView> args) override;
  std::string stop_reason() override;
  void log(int level, ByteView text) override;

 private:
  // Why the command can not be called; empty when it can.
  std::string why_refused(const Command& command, std::span<const ByteView> args);
  // The same as far as the user's rules forbid it; that is noted.
  std::string why_denied(const Command& command, std::span<const ByteView> args);
  // Counts the error that was written from `start` on, of a command that did not run.
  void refuse(const std::string& out, std::size_t start);
  // Such an error may become the script's own; it is not counted twice.
  void keep_error(const std::string& out, std::size_t start);
  bool lies_elsewhere(const Command& command, std::span<const ByteView> args) const;

  Call& outer_;
  bool read_only_;
  Accounts::Ref account_;  // the caller's; never null
  bool wrote_ = false;
  std::size_t written_bytes_ = 0;
  TransactionScope scope_;
  runtime::Stopwatch watch_;
};

}  // namespace trv::redis
