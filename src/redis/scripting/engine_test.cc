// Scripts against a host that answers from a table: conversions, the sandbox and its bounds, the
// libraries. Texts are those of redis-server 7.0 unless a case says otherwise.
#include "redis/scripting/engine.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <vector>

namespace trv::redis {
namespace {

class TestHost final : public ScriptHost {
 public:
  void call(std::span<const ByteView> args, Protocol protocol, std::string& out) override {
    std::vector<std::string> words(args.begin(), args.end());
    calls.push_back(words);
    protocols.push_back(protocol);
    auto at = replies.find(words[0]);
    out += at == replies.end() ? "-ERR Unknown Redis command called from script\r\n" : at->second;
  }
  bool knows(std::span<const ByteView> args) override {
    return replies.contains(std::string(args[0]));
  }
  bool may(std::span<const ByteView> args) override { return args[0] != "forbidden"; }
  std::string stop_reason() override {
    ++questions;
    return patience-- > 0 ? "" : "Script killed by the test";
  }
  void log(int level, ByteView text) override {
    logged += std::to_string(level) + ":" + std::string(text) + "\n";
  }

  std::map<std::string, std::string> replies;
  std::vector<std::vector<std::string>> calls;
  std::vector<Protocol> protocols;
  std::string logged;
  int patience = 1000;
  int questions = 0;
};

class ScriptEngineTest : public testing::Test {
 protected:
  // The reply without the "script: <digest>, on" of errors' ends.
  std::string run(const std::string& source, Protocol protocol = Protocol::resp2,
                  std::vector<ByteView> keys = {}, std::vector<ByteView> args = {}) {
    std::string digest = ScriptEngine::digest_of(source);
    std::string out;
    ReplyWriter reply(out, protocol);
    if (auto why = engine.load(digest, source, true)) {
      reply.error(*why);
    } else {
      engine.run(*engine.find(digest), digest, keys, args, host, reply);
    }
    std::size_t at = out.find(" script: " + digest);
    if (at != std::string::npos) out.erase(at, (" script: " + digest).size());
    return out;
  }

  TestHost host;
  ScriptEngine engine{
      ScriptEngine::Limits{.memory_size_max = 64u << 20, .reply_size_max = 1u << 20}, 1};
};

struct Case {
  const char* source;
  const char* reply;
};

TEST_F(ScriptEngineTest, Values_become_replies) {
  constexpr Case cases[] = {
      {"return 'hello'", "$5\r\nhello\r\n"},
      {"return 3.99", ":3\r\n"},
      {"return -3.99", ":-3\r\n"},
      {"return true", ":1\r\n"},
      {"return false", "$-1\r\n"},
      {"return nil", "$-1\r\n"},
      {"return function() end", "$-1\r\n"},
      {"return {1,nil,2}", "*1\r\n:1\r\n"},
      {"return {1,{2,{3}}}", "*2\r\n:1\r\n*2\r\n:2\r\n*1\r\n:3\r\n"},
      {"return {a=1}", "*0\r\n"},
      {"return {ok='a\\nb'}", "+a b\r\n"},
      {"return {err='My a\\nb'}", "-My a b\r\n"},
      {"return {err=1}", "*0\r\n"},
      {"return {double=1.5}", "$3\r\n1.5\r\n"},
      {"return {big_number='123'}", "$3\r\n123\r\n"},
      {"return {map={a=1}}", "*2\r\n$1\r\na\r\n:1\r\n"},
      {"return {set={a=true}}", "*1\r\n$1\r\na\r\n"},
      {"return {verbatim_string={format='txt',string='abc'}}", "$3\r\nabc\r\n"},
      {"return {verbatim_string={format='txt'}}", "*0\r\n"},
      {"return _G", "*0\r\n"},
      {"return setmetatable({}, {__index = function() error('asked') end})", "*0\r\n"},
      {"return {KEYS[1], ARGV[1], #KEYS, #ARGV}", "*4\r\n$1\r\nk\r\n$1\r\na\r\n:1\r\n:2\r\n"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(run(one.source, Protocol::resp2, {"k"}, {"a", "b"}), one.reply) << one.source;
  }
}

TEST_F(ScriptEngineTest, Values_become_replies_of_the_newer_protocol) {
  constexpr Case cases[] = {
      {"return nil", "_\r\n"},
      {"return true", ":1\r\n"},
      {"redis.setresp(3) return true", "#t\r\n"},
      {"return {double=1.5}", ",1.5\r\n"},
      {"return {big_number='123'}", "(123\r\n"},
      {"return {map={a=1}}", "%1\r\n$1\r\na\r\n:1\r\n"},
      {"return {set={a=true}}", "~1\r\n$1\r\na\r\n"},
      {"return {verbatim_string={format='txt',string='abc'}}", "=7\r\ntxt:abc\r\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(run(one.source, Protocol::resp3), one.reply);
}

TEST_F(ScriptEngineTest, Replies_become_values) {
  host.replies = {{"status", "+OK\r\n"},
                  {"integer", ":-7\r\n"},
                  {"bulk", "$4\r\na\r\nb\r\n"},
                  {"null", "$-1\r\n"},
                  {"nulls", "*-1\r\n"},
                  {"array", "*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n"},
                  {"error", "-WRONGTYPE no\r\n"},
                  {"map", "%1\r\n$1\r\na\r\n,1.5\r\n"},
                  {"set", "~1\r\n$1\r\na\r\n"},
                  {"none", "_\r\n"},
                  {"bool", "#t\r\n"},
                  {"verbatim", "=7\r\ntxt:abc\r\n"}};
  constexpr Case cases[] = {
      {"return redis.call('status').ok", "$2\r\nOK\r\n"},
      {"return redis.call('integer') - 1", ":-8\r\n"},
      {"return redis.call('bulk')", "$4\r\na\r\nb\r\n"},
      {"return tostring(redis.call('null'))", "$5\r\nfalse\r\n"},
      {"return tostring(redis.call('nulls'))", "$5\r\nfalse\r\n"},
      {"local a = redis.call('array') return {a[1], tostring(a[2]), a[3][1].ok, #a}",
       "*4\r\n:1\r\n$5\r\nfalse\r\n$1\r\nx\r\n:3\r\n"},
      {"return redis.pcall('error').err", "$12\r\nWRONGTYPE no\r\n"},
      {"return redis.call('error')", "-WRONGTYPE no, on @user_script:1.\r\n"},
      {"\n\nredis.call('error')", "-WRONGTYPE no, on @user_script:3.\r\n"},
      {"return {pcall(redis.call, 'error')}", "*2\r\n$-1\r\n$12\r\nWRONGTYPE no\r\n"},
      {"return tostring(redis.call('map').map.a.double)", "$3\r\n1.5\r\n"},
      {"return tostring(redis.call('set').set.a)", "$4\r\ntrue\r\n"},
      {"return tostring(redis.call('none'))", "$3\r\nnil\r\n"},
      {"return tostring(redis.call('bool'))", "$4\r\ntrue\r\n"},
      {"return redis.call('verbatim').verbatim_string.string", "$3\r\nabc\r\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(run(one.source), one.reply) << one.source;
}

TEST_F(ScriptEngineTest, Arguments_of_commands) {
  host.replies = {{"x", "+OK\r\n"}};
  run("redis.call('x', 1, 0.1, 1e15, 'a\\0b')");
  EXPECT_EQ(host.calls.back(),
            (std::vector<std::string>{"x", "1", "0.10000000000000001", "1000000000000000",
                                      std::string("a\0b", 3)}));
  EXPECT_EQ(host.protocols.back(), Protocol::resp2);
  run("redis.setresp(3) redis.call('x')");
  EXPECT_EQ(host.protocols.back(), Protocol::resp3);
  run("redis.call('x')");
  EXPECT_EQ(host.protocols.back(), Protocol::resp2);
  EXPECT_EQ(run("redis.call()"),
            "-ERR Please specify at least one argument for this redis lib call, on "
            "@user_script:1.\r\n");
  EXPECT_EQ(run("return redis.pcall({})"),
            "-ERR Lua redis lib command arguments must be strings or integers\r\n");
}

TEST_F(ScriptEngineTest, Errors_are_told_as_by_Redis) {
  constexpr Case cases[] = {
      {"error('x')", "-ERR user_script:1: x, on @user_script:1.\r\n"},
      {"error({err='hi'})", "-hi, on @user_script:1.\r\n"},
      {"error(nil)", "-ERR nil, on @user_script:1.\r\n"},
      {"error({})", "-ERR unknown error, on @user_script:1.\r\n"},  // Redis crashes
      {"error(redis)", "-ERR unknown error\r\n"},
      {"local x; x.y = 1",
       "-ERR user_script:1: attempt to index local 'x' (a nil value), on @user_script:1.\r\n"},
      {"return 1 2",
       "-ERR Error compiling script (new function): user_script:1: '<eof>' expected near '2'\r\n"},
      {"\x1bLua", "-ERR Error compiling script (new function): bytecode is not loaded\r\n"},
      {"return a",
       "-ERR user_script:1: Script attempted to access nonexistent global variable 'a', on "
       "@user_script:1.\r\n"},
      {"return redis.error_reply('a')", "-ERR a\r\n"},
      {"return redis.error_reply('My a')", "-My a\r\n"},
      {"return redis.error_reply(1)", "-ERR wrong number or type of arguments\r\n"},
      {"return redis.status_reply('fine')", "+fine\r\n"},
      {"redis.setresp(4)", "-ERR RESP version must be 2 or 3., on @user_script:1.\r\n"},
      {"redis.log(9, 'b')", "-ERR Invalid debug level., on @user_script:1.\r\n"},
      {"string.find()",
       "-ERR user_script:1: bad argument #1 to 'find' (string expected, got no value), on "
       "@user_script:1.\r\n"},
      {"coroutine.yield()",
       "-ERR attempt to yield across metamethod/C-call boundary, on @user_script:1.\r\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(run(one.source), one.reply) << one.source;
}

TEST_F(ScriptEngineTest, Nothing_of_the_globals_can_be_changed) {
  for (const char* source :
       {"a = 1", "KEYS = 1", "_G = {}", "string.foo = 1", "redis.call = nil", "cjson.encode = 1",
        "bit.band = 1", "rawset(_G, 'a', 1)", "rawset(redis, 'a', 1)", "setmetatable(_G, {})",
        "getmetatable(_G).__index = {}", "table.insert(string, 1)", "table.insert(string, 1, 2)",
        "table.remove(math)", "table.sort(_G)", "getmetatable('').__index = 1",
        "getmetatable('').__index.rep = 1"}) {
    EXPECT_NE(run(source).find("Attempt to modify a readonly table"), std::string::npos) << source;
  }
  for (const char* name :
       {"print", "dofile", "loadfile", "require", "package", "io", "debug", "module", "newproxy"}) {
    std::string why = std::string("nonexistent global variable '") + name + "'";
    EXPECT_NE(run(std::string("return ") + name).find(why), std::string::npos) << name;
  }
  constexpr Case cases[] = {
      {"return {type(os.clock()), type(os.time), type(os.execute)}",
       "*3\r\n$6\r\nnumber\r\n$3\r\nnil\r\n$3\r\nnil\r\n"},
      {"local n = 0 for k in pairs(redis) do n = n + 1 end return n > 10 and next(math) ~= nil",
       ":1\r\n"},
      {"return type(rawget(_G, 'redis'))", "$5\r\ntable\r\n"},
      {"setfenv(0, {}) setfenv(1, {}) x = 1 return x", ":1\r\n"},
      {"setfenv(0, {}) setfenv(1, {}) x = 1 return x", ":1\r\n"},
      {"return type(redis)", "$5\r\ntable\r\n"},
      {"return {loadstring('\\27Lua')}", "*0\r\n"},
      {"return loadstring('return 1 + 1')()", ":2\r\n"},
      {"local n = 0 return load(function() n = n + 1 return ({'return ', '7'})[n] end)()",
       ":7\r\n"},
      {"return {pcall(load, function() return string.dump(function() end) end)}", "*1\r\n:1\r\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(run(one.source), one.reply) << one.source;
}

TEST_F(ScriptEngineTest, A_script_that_takes_too_long_ends) {
  for (const char* source :
       {"while true do end", "while true do pcall(function() while true do end end) end",
        "local f = coroutine.wrap(function() while true do end end) while true do pcall(f) end",
        "while true do coroutine.wrap(function() pcall(function() while true do end end) end)() "
        "end",
        "local function f() return f() end f()", "return load(function() return ' ' end)",
        "table.sort({1,2,3}, function() while true do end end)",
        "string.gsub('a', 'a', function() while true do end end)"}) {
    host.patience = 3;
    EXPECT_NE(run(source).find("-ERR Script killed by the test"), std::string::npos) << source;
  }
  host.patience = 1000;
  EXPECT_EQ(run("return 1"), ":1\r\n");
}

TEST_F(ScriptEngineTest, Memory_and_the_native_stack_are_bounded) {
  for (const char* source :
       {"local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
        "return ('x'):rep(2^30)", "local s = 'x' while true do s = s .. s end"}) {
    EXPECT_NE(run(source).find("not enough memory"), std::string::npos) << source;
  }
  EXPECT_LT(engine.memory_size(), 40u << 20);
  EXPECT_EQ(run("return (''):rep(2^31 - 1)"), "$0\r\n\r\n");
  // An end, whatever it is.
  for (const char* source :
       {"local function f() return 1 + f() end f()",
        "return string.find(('a'):rep(300000), ('a?'):rep(300000) .. 'b')",
        "return ('a'):rep(300000):gsub(('a?'):rep(300000), '')",
        "local t = {} t[1] = t return cmsgpack.pack(t)",
        "local t = {} t[1] = t return cjson.encode(t)", "return cjson.decode(('['):rep(100000))",
        "return cmsgpack.unpack(('\\145'):rep(100000))",
        "local t = {1} for i = 1, 40 do t = {t, t} end return cjson.encode(t)",
        "local t = {} for i = 1, 15 do local u = {} for j = 1, 100 do u[j] = t end t = u end "
        "return cmsgpack.pack(t)",
        "cjson.encode_sparse_array(true, 0) return cjson.encode({[1] = 1, [2^31] = 2})",
        "local t = {} for i = 1, 100000 do t = {t} end return t",
        "local t = {1} for i = 1, 40 do t = {t, t} end return t",
        "return struct.pack('!1073741824 b i32', 1, 1)", "table.insert({}, -2^31, 1)",
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255')", "cjson.decode_max_depth(1e9)",
        "local s = ('('):rep(100000) .. ('a')  return loadstring('return ' .. s)",
        "setmetatable({}, {__index = function(t, k) return t[k] end}).x = nil",
        "return tostring(setmetatable({}, {__tostring = function(t) return tostring(t) end}))"}) {
    host.patience = 1000;
    EXPECT_FALSE(run(source).empty()) << source;
  }
  EXPECT_EQ(run("local t = {} t[1] = t return t").find("*1\r\n*1\r\n"), 0u);
  EXPECT_EQ(run("return 1"), ":1\r\n");
}

TEST_F(ScriptEngineTest, Libraries) {
  constexpr Case cases[] = {
      {"return cjson.encode({1,2,3.5,'x',true,cjson.null})",
       "$23\r\n[1,2,3.5,\"x\",true,null]\r\n"},
      {"return cjson.encode({a={}})", "$8\r\n{\"a\":{}}\r\n"},
      {"return cjson.decode('{\"a\":[1,{\"b\":2}]}').a[2].b", ":2\r\n"},
      {"return cjson.decode('{\"a\":null}').a == cjson.null", ":1\r\n"},
      {"return cjson.encode({[1]=1,[2000]=2})",
       "-ERR user_script:1: Cannot serialise table: excessively sparse array, on "
       "@user_script:1.\r\n"},
      {"return cjson.decode('[')",
       "-ERR user_script:1: Expected value but found T_END at character 2, on @user_script:1.\r\n"},
      {"return cmsgpack.pack({1,2,3,{a='b'},0.5,-70000,2^63,2^53,true})",
       "$34\r\n\x99\x01\x02\x03\x81\xa1"
       "a\xa1"
       "b\xca?"},
      {"local a = {nil, 1, -1, -33, -200, -40000, -2^40, 2^40, 70000, 300, 200, 0.1, 'x', true} "
       "local b = cmsgpack.unpack(cmsgpack.pack(a)) for i = 2, 14 do assert(a[i] == b[i], i) end "
       "return #cmsgpack.pack(('x'):rep(70000))",
       ":70005\r\n"},
      {"return {cmsgpack.unpack_one(cmsgpack.pack(1,2),1)}", "*2\r\n:-1\r\n:2\r\n"},
      {"return {cmsgpack.unpack_limit(cmsgpack.pack(1,2,3),2,0)}", "*3\r\n:2\r\n:1\r\n:2\r\n"},
      {"return {cmsgpack.unpack(cmsgpack.pack(1,2,'x'))}", "*3\r\n:1\r\n:2\r\n$1\r\nx\r\n"},
      {"return cmsgpack.unpack('\\217')",
       "-ERR user_script:1: Missing bytes in input., on @user_script:1.\r\n"},
      {"return cmsgpack.unpack('\\193')",
       "-ERR user_script:1: Bad data format in input., on @user_script:1.\r\n"},
      {"return cmsgpack.pack()",
       "-ERR user_script:1: bad argument #0 to 'pack' (MessagePack pack needs input.), on "
       "@user_script:1.\r\n"},
      {"return {struct.unpack('>I2i4s', struct.pack('>I2i4s', 1, -2, 'abc'))}",
       "*4\r\n:1\r\n:-2\r\n$3\r\nabc\r\n:11\r\n"},
      {"return {struct.unpack('bc0', '\\3abcd')}", "*2\r\n$3\r\nabc\r\n:5\r\n"},
      {"return {struct.unpack('<hHlLfdbB', struct.pack('<hHlLfdbB', -2, 65535, -5, 6, 7, 8, -1, "
       "255))}",
       "*9\r\n:-2\r\n:65535\r\n:-5\r\n:6\r\n:7\r\n:8\r\n:-1\r\n:255\r\n:35\r\n"},
      {"return struct.size('!8bi')", ":8\r\n"},
      {"return struct.pack('Q', 1)",
       "-ERR user_script:1: bad argument #1 to 'pack' (invalid format option 'Q'), on "
       "@user_script:1.\r\n"},
      {"return struct.unpack('i', 'a')",
       "-ERR user_script:1: bad argument #2 to 'unpack' (data string too short), on "
       "@user_script:1.\r\n"},
      {"return bit.tohex(bit.band(0xff, 0x0f), 4)", "$4\r\n000f\r\n"},
      {"math.randomseed(5) return {math.random(100), math.random(3, 9)}", "*2\r\n:53\r\n:4\r\n"},
      {"math.randomseed(5) return tostring(math.random())", "$16\r\n0.52483957937213\r\n"},
      {"return redis.sha1hex('Pizza & Mandolino')",
       "$40\r\n74822d82031af7493c20eefa13bd07ec4fada82f\r\n"},
      {"redis.log(redis.LOG_NOTICE, 'a', 1) return redis.replicate_commands()", ":1\r\n"},
      {"redis.set_repl(redis.REPL_NONE)",
       "-ERR redis.set_repl() without REPL_AOF is not supported: all changes are stored, on "
       "@user_script:1.\r\n"},
  };
  for (const Case& one : cases)
    EXPECT_EQ(run(one.source).find(one.reply), 0u) << one.source << run(one.source);
  EXPECT_EQ(host.logged.substr(0, 6), "2:a 1\n");
}

TEST_F(ScriptEngineTest, Known_scripts) {
  const std::string digest = "a27e7e8a43702b7046d4f6a7ccf5b60cef6b9bd9";
  EXPECT_EQ(ScriptEngine::digest_of("return 1+1"), digest);
  EXPECT_EQ(engine.find(digest), nullptr);
  EXPECT_EQ(run("return 1+1"), ":2\r\n");
  EXPECT_NE(engine.find("A27E7E8A43702B7046D4F6A7CCF5B60CEF6B9BD9"), nullptr);
  // Those that EVAL brought make way for others; those of SCRIPT LOAD stay.
  std::string loaded = ScriptEngine::digest_of("return 'loaded'");
  EXPECT_FALSE(engine.load(loaded, "return 'loaded'", false));
  for (int i = 0; i < 500; ++i) run("return " + std::to_string(i));
  EXPECT_EQ(engine.find(digest), nullptr);
  EXPECT_NE(engine.find(loaded), nullptr);
  EXPECT_EQ(engine.script_count(), 501u);
  engine.flush();
  EXPECT_EQ(engine.script_count(), 0u);
  EXPECT_EQ(engine.source_size(), 0u);
  EXPECT_EQ(engine.find(loaded), nullptr);
  std::string large = "return 1 --" + std::string(5u << 20, 'x');
  EXPECT_FALSE(engine.load(ScriptEngine::digest_of(large), large, false));
  large += "y";
  EXPECT_EQ(engine.load(ScriptEngine::digest_of(large), large, false),
            "ERR the scripts take too much memory, use SCRIPT FLUSH");
}

TEST_F(ScriptEngineTest, First_lines) {
  constexpr Case cases[] = {
      {"#!lua\nreturn 1", ":1\r\n"},
      {"#!lua flags=allow-oom,no-writes\nreturn 1", ":1\r\n"},
      {"#!lua", "-ERR Invalid script shebang\r\n"},
      {"#!foo x\nreturn 1", "-ERR Unexpected engine in script shebang: #!foo\r\n"},
      {"#!lua flags=x\nreturn 1", "-ERR Unexpected flag in script shebang: x\r\n"},
      {"#!lua opt=1\nreturn 1", "-ERR Unknown lua shebang option: opt=1\r\n"},
      {"#!lua\nerror('x')", "-ERR user_script:2: x, on @user_script:2.\r\n"},
  };
  for (const Case& one : cases) EXPECT_EQ(run(one.source), one.reply) << one.source;
  std::string promised = "#!lua flags=no-writes\nreturn 1";
  run(promised);
  EXPECT_TRUE(engine.find(ScriptEngine::digest_of(promised))->read_only);
  EXPECT_TRUE(ScriptEngine::names_streams("redis.call('XRange', 'a')"));
  EXPECT_FALSE(ScriptEngine::names_streams("redis.call('xadd', 'a')"));
}

}  // namespace
}  // namespace trv::redis
