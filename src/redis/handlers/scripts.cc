// EVAL and its kin, and SCRIPT. A script runs on the core that owns its keys; every core knows
// every script.
#include "redis/handlers/families.h"
#include "redis/script_run.h"

namespace trv::redis {

namespace {

constexpr std::string_view no_script_text = "NOSCRIPT No matching script. Please use EVAL.";

// The number of keys that the command tells. Nothing after an error reply.
std::optional<std::size_t> key_count_arg(Call& call) {
  std::optional<std::int64_t> count = integer_arg(call, 2);
  if (!count) return std::nullopt;
  if (*count > static_cast<std::int64_t>(call.args.size()) - 3) {
    call.reply.error("ERR Number of keys can't be greater than number of args");
    return std::nullopt;
  }
  if (*count < 0) {
    call.reply.error("ERR Number of keys can't be negative");
    return std::nullopt;
  }
  return static_cast<std::size_t>(*count);
}

void run(Call& call, const std::string& digest, std::size_t key_count, bool read_only) {
  const ScriptEngine::Script* script = call.service.scripts().find(digest);
  if (!script) return call.reply.error(no_script_text);
  ScriptRun host(call, read_only || script->read_only);
  std::span<const ByteView> rest = call.args.subspan(3);
  call.service.scripts().run(*script, digest, rest.first(key_count), rest.subspan(key_count), host,
                             call.reply);
}

void evaluate(Call& call, bool read_only) {
  std::optional<std::size_t> key_count = key_count_arg(call);
  if (!key_count) return;
  learn_script(call.service, call.command, call.args);
  std::string digest = ScriptEngine::digest_of(call.args[1]);
  if (auto why = call.service.scripts().load(digest, call.args[1], true)) {
    return call.reply.error(*why);
  }
  run(call, digest, *key_count, read_only);
}
void eval(Call& call) { evaluate(call, false); }
void eval_ro(Call& call) { evaluate(call, true); }

void evaluate_known(Call& call, bool read_only) {
  constexpr std::size_t digest_size = 40;
  if (call.args[1].size() != digest_size) return call.reply.error(no_script_text);
  std::optional<std::size_t> key_count = key_count_arg(call);
  if (!key_count) return;
  std::string digest(call.args[1]);
  for (char& c : digest) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  run(call, digest, *key_count, read_only);
}
void evalsha(Call& call) { evaluate_known(call, false); }
void evalsha_ro(Call& call) { evaluate_known(call, true); }

void script_load(Call& call) {
  std::string digest = ScriptEngine::digest_of(call.args[2]);
  using Answer = std::optional<std::string>;
  call.service.gather(
      call,
      [digest, source = std::string(call.args[2])](Service& service) {
        return service.scripts().load(digest, source, false);
      },
      [digest](const std::vector<Answer>& answers, ReplyWriter& reply) {
        for (const Answer& why : answers) {
          if (why) return reply.error(*why);
        }
        reply.bulk(digest);
      });
}

void script_exists(Call& call) {
  std::vector<std::string> digests(call.args.begin() + 2, call.args.end());
  call.service.gather(
      call,
      [digests](Service& service) {
        std::vector<bool> there;
        for (const std::string& digest : digests) {
          there.push_back(service.scripts().find(digest) != nullptr);
        }
        return there;
      },
      [count = digests.size()](const std::vector<std::vector<bool>>& parts, ReplyWriter& reply) {
        reply.array(count);
        for (std::size_t i = 0; i < count; ++i) {
          bool everywhere = true;
          for (const std::vector<bool>& part : parts) everywhere = everywhere && part[i];
          reply.integer(everywhere ? 1 : 0);
        }
      });
}

void script_flush(Call& call) {
  bool way =
      call.args.size() == 3 && (is_word(call.args[2], "sync") || is_word(call.args[2], "async"));
  if (call.args.size() > 2 && !way) {
    return call.reply.error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  }
  call.service.gather(
      call,
      [](Service& service) {
        service.scripts().flush();
        return 0;
      },
      [](const std::vector<int>&, ReplyWriter& reply) { reply.ok(); });
}

// Commands are heard between scripts, never during one: a script that is slow ends by itself.
void script_kill(Call& call) { call.reply.error("NOTBUSY No scripts in execution right now."); }

constexpr std::uint32_t runs = flag::no_script | flag::stale | flag::script;
constexpr std::uint32_t any = flag::no_script;

constexpr Command rows[] = {
    {"eval", -3, runs, Where::keys, KeyRule::counted, 2, 0, 1, "scripting", "2.6.0",
     "Runs a Lua script.", eval},
    {"eval_ro", -3, runs | flag::read_only, Where::keys, KeyRule::counted, 2, 0, 1, "scripting",
     "7.0.0", "Runs a Lua script that changes nothing.", eval_ro},
    {"evalsha", -3, runs, Where::keys, KeyRule::counted, 2, 0, 1, "scripting", "2.6.0",
     "Runs a Lua script that is known.", evalsha},
    {"evalsha_ro", -3, runs | flag::read_only, Where::keys, KeyRule::counted, 2, 0, 1, "scripting",
     "7.0.0", "Runs a Lua script that is known and changes nothing.", evalsha_ro},
    {"script", -2, flag::container | any, Where::session, KeyRule::none, 0, 0, 0, "scripting",
     "2.6.0", "A container for Lua scripts management commands.", nullptr},
    {"script|load", 3, any, Where::every_core, KeyRule::none, 0, 0, 0, "scripting", "2.6.0",
     "Makes a script known.", script_load},
    {"script|exists", -3, any, Where::every_core, KeyRule::none, 0, 0, 0, "scripting", "2.6.0",
     "Tells which scripts are known.", script_exists},
    {"script|flush", -2, any, Where::every_core, KeyRule::none, 0, 0, 0, "scripting", "2.6.0",
     "Forgets all scripts.", script_flush},
    {"script|kill", 2, any, Where::anywhere, KeyRule::none, 0, 0, 0, "scripting", "2.6.0",
     "Tells that no script is running.", script_kill},
};

}  // namespace

std::span<const Command> script_commands() { return rows; }

}  // namespace trv::redis
