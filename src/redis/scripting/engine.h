// ScriptEngine: the Lua 5.1 interpreter of one core: compiled scripts by their SHA-1, and the
// sandbox in which they run (README.md, "Scripts").
//
// Owner: the core's Service. Nothing suspends: a script runs from its beginning to its end, and
// what it asks of the server it asks of its ScriptHost, at once. One script runs at a time.
//
// Invariants:
//   - a script leaves nothing behind that a later one can see but what Redis leaves, too: the seed
//     of random numbers and the settings of cjson;
//   - memory of the interpreter is bounded (Limits), and so is the recursion of the native stack by
//     whatever a script calls;
//   - a script ends when its host says so, even if it catches errors. Only a call of one of Lua's
//     own functions (a pattern that backtracks) is not interrupted.
//
// What only grows: the scripts that SCRIPT LOAD brought, up to a limit, until flush().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "redis/wire/reply_writer.h"

namespace trv::redis {

// What a script can reach of the server while it runs.
class ScriptHost {
 public:
  virtual ~ScriptHost() = default;
  // Runs a command; its reply, or an error's, is appended to `out` in that protocol.
  virtual void call(std::span<const ByteView> args, Protocol protocol, std::string& out) = 0;
  // Whether there is such a command.
  virtual bool knows(std::span<const ByteView> args) = 0;
  // Whether the user may run it. Requires: knows().
  virtual bool may(std::span<const ByteView> args) = 0;
  // Asked now and then: why the script must end; empty when it may go on.
  virtual std::string stop_reason() = 0;
  virtual void log(int level, ByteView text) = 0;
};

class ScriptEngine {
 public:
  struct Limits {
    std::size_t memory_size_max = std::size_t{256} << 20;  // of the interpreter
    std::size_t source_size_max = std::size_t{8} << 20;    // of all scripts together
    std::size_t evaluated_count_max = 500;  // scripts that EVAL brought; the oldest goes
    std::size_t reply_size_max = std::size_t{64} << 20;
  };
  struct Script {
    bool read_only = false;  // says so itself (#!lua flags=no-writes)
    bool names_streams = false;
    std::size_t source_size = 0;
    int reference = 0;  // of its compiled form
  };

  ScriptEngine(const Limits& limits, std::uint64_t seed);
  ~ScriptEngine();
  ScriptEngine(const ScriptEngine&) = delete;
  ScriptEngine& operator=(const ScriptEngine&) = delete;

  // What a script is called: 40 digits.
  static std::string digest_of(ByteView source);
  // Compiles what is not there yet. Evaluated scripts make way for others, loaded ones stay.
  // Result: the error, as a reply.
  std::optional<std::string> load(const std::string& digest, ByteView source, bool evaluated);
  // By its digest in any case; null when there is none. Valid until the next load() or flush().
  const Script* find(ByteView digest) const;
  // Whether the text names a command that shows records of a log. A script that does not need not
  // wait for what its client has added to logs.
  static bool names_streams(ByteView source);
  // Appends exactly one reply. Requires: `script` is of this engine; not within another run().
  void run(const Script& script, const std::string& digest, std::span<const ByteView> keys,
           std::span<const ByteView> args, ScriptHost& host, ReplyWriter& reply);
  void flush();

  std::size_t script_count() const;
  std::size_t source_size() const;
  std::size_t memory_size() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trv::redis
