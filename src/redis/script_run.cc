#include "redis/script_run.h"

#include "base/log.h"
#include "base/mutant.h"
#include "redis/handlers/scan.h"
#include "redis/session.h"

namespace trv::redis {

void learn_script(Service& service, const Command& command, std::span<const ByteView> args) {
  if (service.single_core() || (command.name != "eval" && command.name != "eval_ro")) return;
  std::string digest = ScriptEngine::digest_of(args[1]);
  // An error is the reply of who runs it.
  if (service.scripts().find(digest) || service.scripts().load(digest, args[1], true)) return;
  broker::Broker& broker = service.broker();
  for (int i = 0; i < broker.core_count(); ++i) {
    CoreIndex core(static_cast<std::uint16_t>(i));
    if (core == broker.core().index()) continue;
    Service& there = service.peer(core);
    broker.post(core, [&there, digest, source = std::string(args[1])] {
      // It compiled here, so it does there, unless there is no room: then it is not known there.
      if (auto why = there.scripts().load(digest, source, true)) {
        log::warn("redis: a script is not known to every core: {}", *why);
      }
    });
  }
}

bool script_may_write(Service& service, const Command& command, std::span<const ByteView> args) {
  if (command.has(flag::read_only)) return false;
  const bool has_source = command.name == "eval";
  std::string digest = has_source ? ScriptEngine::digest_of(args[1]) : std::string(args[1]);
  // One that does not compile is told so at once.
  if (has_source && service.scripts().load(digest, args[1], true)) return false;
  const ScriptEngine::Script* script = service.scripts().find(digest);
  return !script || !script->read_only;
}

ScriptRun::ScriptRun(Call& outer, bool read_only)
    : outer_(outer), read_only_(read_only), scope_(outer.broker) {
  const bool here = outer.session && outer.session->account;
  account_ = here ? outer.session->account : outer.service.accounts().find(outer.caller.user);
  // Removed while its script was on its way.
  if (!account_) {
    account_ = std::make_shared<const Account>(outer.caller.user, UserRules(outer.service.table()),
                                               std::nullopt);
  }
}

void ScriptRun::call(std::span<const ByteView> args, Protocol protocol, std::string& out) {
  ReplyWriter reply(out, protocol);
  Service& service = outer_.service;
  const Command* command = find_command(service.table(), args);
  const std::size_t start = out.size();
  if (!command) {
    reply.error("ERR Unknown Redis command called from script");
    return refuse(out, start);
  }
  if (std::string why = why_refused(*command, args); !why.empty()) {
    reply.error(why);
    service.command_stats().note_rejected(*command);
    return refuse(out, start);
  }
  if (command->has(flag::write)) wrote_ = true;
  Caller caller = outer_.caller;
  caller.protocol = protocol;
  Call inner{service, outer_.broker, *command, args, reply, caller, outer_.now};
  inner.session = outer_.session;
  inner.client = outer_.client;
  inner.transaction = outer_.transaction ? outer_.transaction : &scope_;
  inner.scripted = true;
  inner.script = &outer_;
  service.run(inner);
  keep_error(out, start);
  TRV_ASSERT(!inner.block);
  TRV_ASSERT(!inner.deferred);
  if (!inner.waits) return;
  outer_.wait_for(inner.commit);
  outer_.appended = outer_.appended || command->has(flag::appends);
}

void ScriptRun::refuse(const std::string& out, std::size_t start) {
  outer_.service.counters().note_reply(ByteView(out).substr(start));
  keep_error(out, start);
}

void ScriptRun::keep_error(const std::string& out, std::size_t start) {
  ByteView said = ByteView(out).substr(start);
  if (said.starts_with('-')) outer_.inner_error = said.substr(0, said.find('\r'));
}

bool ScriptRun::knows(std::span<const ByteView> args) {
  return find_command(outer_.service.table(), args) != nullptr;
}

std::string ScriptRun::why_refused(const Command& command, std::span<const ByteView> args) {
  if (!has_arity(command, args)) {
    return "ERR Wrong number of args calling Redis command from script";
  }
  // What is about the connection is out of reach where the script runs on another core.
  bool of_session = command.where == Where::session && !outer_.session;
  if (command.has(flag::no_script) || command.where == Where::transaction || of_session) {
    return "ERR This Redis command is not allowed from script";
  }
  bool writes = command.has(flag::write);
  if (read_only_ && (writes || command.name == "publish")) {
    return "ERR Write commands are not allowed from read-only scripts.";
  }
  if (std::string why = why_denied(command, args); !why.empty()) return why;
  if (lies_elsewhere(command, args)) return std::string(text::several_cores);
  if (!writes) return {};
  for (ByteView arg : args) written_bytes_ += arg.size() + sizeof(ByteView);
  if (written_bytes_ > written_bytes_max) return "ERR the script changes too much at once";
  return {};
}

std::string ScriptRun::why_denied(const Command& command, std::span<const ByteView> args) {
  if (!account_->limited() || TRV_MUTANT(scripts_check_no_rules)) return {};
  const Denial denial = account_->check(outer_.service.table(), command, args);
  if (!denial) return {};
  outer_.service.accounts().note(outer_.caller, denial, DenialLog::Context::script);
  return "ERR ACL failure in script: " + denial.text;
}

bool ScriptRun::may(std::span<const ByteView> args) {
  const Command* command = find_command(outer_.service.table(), args);
  return command && !account_->check(outer_.service.table(), *command, args);
}

bool ScriptRun::lies_elsewhere(const Command& command, std::span<const ByteView> args) const {
  if (outer_.service.single_core()) return false;
  const broker::Broker& broker = outer_.broker;
  CoreIndex here = broker.core().index();
  if (command.where == Where::cursor) return scan_owner(outer_.broker, args[1]) != here;
  bool elsewhere = false;
  CommandTable::each_key(command, args, [&](std::size_t i) {
    elsewhere = elsewhere || broker.owner_of(args[i]) != here;
  });
  return elsewhere;
}

std::string ScriptRun::stop_reason() {
  auto limit = outer_.service.settings().script_time_max;
  if (wrote_) limit *= writer_patience;
  if (watch_.elapsed() < limit) return {};
  log::warn("redis: ended a script that ran for more than {} ms{}", limit.count(),
            wrote_ ? "; the changes that it had made stay" : "");
  return "Script killed: it ran longer than lua-time-limit allows";
}

void ScriptRun::log(int level, ByteView text) {
  constexpr int notice = 2;
  if (level < notice) {
    trv::log::debug("redis script: {}", text);
  } else if (level == notice) {
    trv::log::info("redis script: {}", text);
  } else {
    trv::log::warn("redis script: {}", text);
  }
}

}  // namespace trv::redis
