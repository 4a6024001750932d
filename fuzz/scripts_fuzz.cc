// Scripts, and what their libraries unpack, under arbitrary bytes. The first byte says which: the
// rest is a script, or what cmsgpack, struct or cjson are to read. Whatever it is, one whole reply
// comes of it, nothing crashes, and the next script finds the sandbox as it was.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "redis/scripting/engine.h"

namespace {

using namespace trv::redis;
using trv::ByteView;

class FuzzHost final : public ScriptHost {
 public:
  void call(std::span<const ByteView> args, Protocol protocol, std::string& out) override {
    // The words come back, as an array, so that values go both ways.
    ReplyWriter reply(out, protocol);
    reply.array(args.size());
    for (ByteView arg : args) reply.bulk(arg);
  }
  bool knows(std::span<const ByteView>) override { return true; }
  bool may(std::span<const ByteView>) override { return true; }
  std::string stop_reason() override { return ++questions_ > 20 ? "Script killed" : ""; }
  void log(int, ByteView) override {}

 private:
  int questions_ = 0;
};

std::string run(ScriptEngine& engine, ByteView source, std::span<const ByteView> args) {
  std::string out;
  ReplyWriter reply(out, Protocol::resp3);
  std::string digest = ScriptEngine::digest_of(source);
  if (auto why = engine.load(digest, source, true)) {
    reply.error(*why);
    return out;
  }
  FuzzHost host;
  engine.run(*engine.find(digest), digest, {}, args, host, reply);
  return out;
}

constexpr ByteView readers[] = {
    "return {cmsgpack.unpack(ARGV[1])}",
    "return cmsgpack.unpack(cmsgpack.pack(cmsgpack.unpack(ARGV[1])))",
    "return {struct.unpack(ARGV[1], ARGV[2])}",
    "return struct.pack(ARGV[1], 1, 2, ARGV[2], 3)",
    "return struct.size(ARGV[1])",
    "return cjson.encode(cjson.decode(ARGV[1]))",
    "return redis.call(ARGV[1], ARGV[2])",
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static ScriptEngine* engine = new ScriptEngine({.memory_size_max = 32u << 20}, 1);
  ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t kind = data[0] % (std::size(readers) + 1);
  ByteView source = kind < std::size(readers) ? readers[kind] : input;
  ByteView args[] = {input.substr(0, input.size() / 2), input.substr(input.size() / 2)};
  if (kind == 0 || kind == 1 || kind == 5) args[0] = input;
  TRV_ASSERT(!run(*engine, source, args).empty());
  TRV_ASSERT(run(*engine, "return {type(redis), #ARGV, tostring(rawget(_G, 'x'))}", args) ==
             "*3\r\n$5\r\ntable\r\n:2\r\n$3\r\nnil\r\n");
  return 0;
}
