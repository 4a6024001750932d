"""Random commands over few keys, for comparing two servers (redis_diff.py --random).

Arguments are mostly sound, and sometimes of the wrong type, missing or absurd. What is random in the reply is not
asked for; what has no order is compared as a bag.
"""

import random
import re

KEYS = [b"k%d" % number for number in range(12)]
MEMBERS = [b"m%d" % number for number in range(20)] + [b"%d" % number for number in range(-5, 30)]
# What Redis says otherwise since: which consumers there are when nothing was given to them, how many entries a group has read
# when some behind its position are deleted, and the words of one error.
SINCE_7_2 = [(re.compile(rb"\$9\r\nconsumers\r\n:\d+"), b"$9\r\nconsumers\r\n:N"),
             (re.compile(rb"(entries-read|lag)\r\n(:-?\d+|\$-1|_)"), rb"\1\r\n:N"),
             (re.compile(rb"-ERR Unbalanced .*\r\n"), b"-ERR Unbalanced\r\n")]
UNORDERED = {"SMEMBERS", "SUNION", "SINTER", "SDIFF", "HGETALL", "HKEYS", "HVALS", "HSCAN", "SSCAN", "ZSCAN", "KEYS"}
# Answers with what came of each command, an error told as a text. It reads streams, and says so in its text: where one hides
# that it does, it may not see what its client has added just before.
RUN_ALL = """
-- XREAD
local replies = {}
for i = 1, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[i], "%S+") do words[#words + 1] = word end
  local reply = redis.pcall(unpack(words))
  if type(reply) == "table" and reply.err then reply = "error " .. reply.err end
  replies[i] = reply
end
return replies
"""
NOT_BEHIND_XADD = {"XREADGROUP", "RENAME", "RENAMENX", "COPY"}


def normal(command, reply):
    """The reply, as far as it must be the same on both servers."""
    if command[0] == b"TTL" and re.fullmatch(rb":(99\d|1000)\r\n", reply):
        return b"about 1000"
    if command[0].decode().upper() in UNORDERED:
        return sorted(reply.split(b"\r\n"))
    if command[0][:1] in b"Xx" or command[0] == b"EVAL":
        for pattern, text in SINCE_7_2:
            reply = pattern.sub(text, reply)
    return reply


class Source:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *choices):
        return self.random.choice(choices)

    def many(self, make, most=4):
        return [make() for _ in range(self.random.randint(1, most))]

    def key(self):
        return self.random.choice(KEYS)

    def member(self):
        return self.random.choice(MEMBERS)

    def number(self):
        return self.one(0, 1, -1, 2, 3, 5, -3, 10, 100, -100, 2**31, "x", "", 9223372036854775807, "-0", "1.5")

    def index(self):
        return self.random.randint(-8, 8) if self.random.random() < 0.95 else self.number()

    def count(self):
        return self.random.randint(0, 5) if self.random.random() < 0.95 else self.number()

    def score(self):
        return self.one("1", "2", "2.5", "-1", "3", "10", "0", "inf", "-inf", "+inf", "1e3", "-0.5", "nan", "x", "(1")

    def bound(self):
        return self.one("-inf", "+inf", "1", "(1", "2", "(2.5", "3", "(x", "0")

    def name_bound(self):
        return self.one("-", "+", "[m1", "(m1", "[m5", "(5", "[", "m3", "[z")

    def value(self):
        return self.one(b"a", b"bb", b"", b"10", b"-7", b"3.25", b"text" * 20, bytes(range(256)), b"9223372036854775807")

    def fields(self):
        return [part for _ in range(self.random.randint(1, 3)) for part in (self.member(), self.value())]

    def scored(self):
        return [part for _ in range(self.random.randint(1, 3)) for part in (self.score(), self.member())]

    def counted_keys(self):
        keys = self.many(self.key, 3)
        return [len(keys) if self.random.random() < 0.95 else self.number(), *keys]

    def maybe(self, *words):
        return list(words) if self.random.random() < 0.3 else []

    # -- commands by family

    def strings(self):
        key = self.key()
        return self.one(
            lambda: ["SET", key, self.value(), *self.maybe(self.one("NX", "XX", "GET", "KEEPTTL"))],
            lambda: ["GET", key], lambda: ["GETRANGE", key, self.index(), self.index()],
            lambda: ["SETRANGE", key, self.one(0, 1, 5, -1, 40), self.value()], lambda: ["APPEND", key, self.value()],
            lambda: ["INCRBY", key, self.number()], lambda: ["DECR", key], lambda: ["INCRBYFLOAT", key, self.score()],
            lambda: ["STRLEN", key], lambda: ["GETDEL", key], lambda: ["GETSET", key, self.value()],
            lambda: ["GETEX", key, *self.maybe("PERSIST")], lambda: ["SETNX", key, self.value()],
            lambda: ["MSET", key, self.value(), self.key(), self.value()], lambda: ["MGET", *self.many(self.key)],
            lambda: ["MSETNX", key, self.value(), self.key(), self.value()],
            lambda: ["LCS", key, self.key(), *self.maybe(self.one("LEN", "IDX"))])()

    def bits(self):
        key = self.key()
        offset = self.one(0, 1, 7, 8, 9, 63, 100, -1, "x")
        return self.one(
            lambda: ["SETBIT", key, offset, self.one(0, 1, 1, 2)], lambda: ["GETBIT", key, offset],
            lambda: ["BITCOUNT", key, *self.maybe(self.index(), self.index(), *self.maybe(self.one("BIT", "BYTE", "X")))],
            lambda: ["BITPOS", key, self.one(0, 1, 1, 2), *self.maybe(self.index(), *self.maybe(
                self.index(), *self.maybe(self.one("BIT", "BYTE"))))],
            lambda: ["BITOP", self.one("AND", "OR", "XOR", "NOT"), key, *self.many(self.key, 3)],
            lambda: ["BITFIELD", key, *self.maybe("OVERFLOW", self.one("WRAP", "SAT", "FAIL", "BAD")), "INCRBY",
                     self.one("u2", "i8", "u63", "i64", "u64", "i5"), self.one("0", "#1", "3", "#2", "-1"), self.number(),
                     *self.maybe("GET", "u8", 0), *self.maybe("SET", "i5", "#1", self.number())],
            lambda: ["BITFIELD_RO", key, "GET", self.one("u4", "i9"), self.one(0, 5, "#3")])()

    def hashes(self):
        key = self.key()
        return self.one(
            lambda: ["HSET", key, *self.fields()], lambda: ["HMSET", key, *self.fields()],
            lambda: ["HDEL", key, *self.many(self.member)], lambda: ["HGET", key, self.member()],
            lambda: ["HMGET", key, *self.many(self.member)], lambda: ["HGETALL", key], lambda: ["HLEN", key],
            lambda: ["HINCRBY", key, self.member(), self.number()], lambda: ["HKEYS", key], lambda: ["HVALS", key],
            lambda: ["HINCRBYFLOAT", key, self.member(), self.score()], lambda: ["HSETNX", key, self.member(), self.value()],
            lambda: ["HEXISTS", key, self.member()], lambda: ["HSTRLEN", key, self.member()],
            lambda: ["HSCAN", key, 0, "COUNT", 1000, *self.maybe("MATCH", "m1*")])()

    def lists(self):
        key, end = self.key(), lambda: self.one("LEFT", "RIGHT")
        return self.one(
            lambda: [self.one("LPUSH", "RPUSH", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX"), key, *self.many(self.member)],
            lambda: [self.one("LPOP", "RPOP"), key, *self.maybe(self.count())], lambda: ["LLEN", key],
            lambda: ["LRANGE", key, self.index(), self.index()], lambda: ["LINDEX", key, self.index()],
            lambda: ["LSET", key, self.index(), self.member()], lambda: ["LREM", key, self.index(), self.member()],
            lambda: ["LINSERT", key, self.one("BEFORE", "AFTER", "BAD"), self.member(), self.member()],
            lambda: ["LTRIM", key, self.index(), self.index()],
            lambda: ["LPOS", key, self.member(), *self.maybe("RANK", self.index()), *self.maybe("COUNT", self.count()),
                     *self.maybe("MAXLEN", self.count())],
            lambda: ["LMOVE", key, self.key(), end(), end()], lambda: ["RPOPLPUSH", key, self.key()],
            lambda: ["LMPOP", *self.counted_keys(), end(), *self.maybe("COUNT", self.count())])()

    def sets(self):
        key = self.key()
        return self.one(
            lambda: ["SADD", key, *self.many(self.member)], lambda: ["SREM", key, *self.many(self.member)],
            lambda: ["SISMEMBER", key, self.member()], lambda: ["SMISMEMBER", key, *self.many(self.member)],
            lambda: ["SCARD", key], lambda: ["SMEMBERS", key], lambda: ["SMOVE", key, self.key(), self.member()],
            lambda: [self.one("SUNION", "SINTER", "SDIFF"), *self.many(self.key)],
            lambda: [self.one("SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"), key, *self.many(self.key)],
            lambda: ["SINTERCARD", *self.counted_keys(), *self.maybe("LIMIT", self.count())],
            lambda: ["SSCAN", key, 0, "COUNT", 1000])()

    def sorted_sets(self):
        key = self.key()
        return self.one(
            lambda: ["ZADD", key, *self.maybe(self.one("NX", "XX", "GT", "LT")), *self.maybe("CH"), *self.scored()],
            lambda: ["ZADD", key, *self.maybe(self.one("NX", "XX", "GT", "LT")), "INCR", self.score(), self.member()],
            lambda: ["ZADD", key, *self.scored()], lambda: ["ZINCRBY", key, self.score(), self.member()],
            lambda: ["ZREM", key, *self.many(self.member)], lambda: ["ZCARD", key], lambda: ["ZSCORE", key, self.member()],
            lambda: ["ZMSCORE", key, *self.many(self.member)], lambda: [self.one("ZRANK", "ZREVRANK"), key, self.member()],
            lambda: [self.one("ZRANGE", "ZREVRANGE"), key, self.index(), self.index(), *self.maybe("WITHSCORES")],
            lambda: ["ZRANGE", key, self.bound(), self.bound(), "BYSCORE", *self.maybe("REV"), *self.maybe("WITHSCORES"),
                     *self.maybe("LIMIT", self.index(), self.index())],
            lambda: ["ZRANGESTORE", key, self.key(), self.index(), self.index(), *self.maybe("REV")],
            lambda: [self.one("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), key, self.bound(), self.bound(),
                     *self.maybe("LIMIT", self.index(), self.index()), *self.maybe("WITHSCORES")],
            lambda: ["ZCOUNT", key, self.bound(), self.bound()],
            lambda: ["ZREMRANGEBYRANK", key, self.index(), self.index()],
            lambda: ["ZREMRANGEBYSCORE", key, self.bound(), self.bound()],
            lambda: [self.one("ZPOPMIN", "ZPOPMAX"), key, *self.maybe(self.count())],
            lambda: ["ZMPOP", *self.counted_keys(), self.one("MIN", "MAX"), *self.maybe("COUNT", self.count())],
            lambda: [self.one("ZUNION", "ZINTER"), *self.counted_keys(), *self.maybe("WEIGHTS", 2),
                     *self.maybe("AGGREGATE", self.one("MIN", "MAX", "SUM")), *self.maybe("WITHSCORES")],
            lambda: ["ZDIFF", *self.counted_keys(), *self.maybe("WITHSCORES")],
            lambda: [self.one("ZUNIONSTORE", "ZINTERSTORE"), key, *self.counted_keys(),
                     *self.maybe("AGGREGATE", self.one("MIN", "MAX", "SUM"))],
            lambda: ["ZDIFFSTORE", key, *self.counted_keys()],
            lambda: ["ZINTERCARD", *self.counted_keys(), *self.maybe("LIMIT", self.count())],
            lambda: ["ZSCAN", key, 0, "COUNT", 1000])()

    def names(self):
        """Lexical ranges, on keys of their own, whose members have one score."""
        key = self.one(b"lex1", b"lex2")
        return self.one(
            lambda: ["ZADD", key, *[part for member in self.many(self.member) for part in ("0", member)]],
            lambda: ["ZREM", key, self.member()],
            lambda: ["ZRANGEBYLEX", key, self.name_bound(), self.name_bound(), *self.maybe("LIMIT", self.index(), self.index())],
            lambda: ["ZREVRANGEBYLEX", key, self.name_bound(), self.name_bound()],
            lambda: ["ZRANGE", key, self.name_bound(), self.name_bound(), "BYLEX", *self.maybe("REV")],
            lambda: ["ZLEXCOUNT", key, self.name_bound(), self.name_bound()],
            lambda: ["ZREMRANGEBYLEX", key, self.name_bound(), self.name_bound()])()

    def place(self, member):
        """Each member has few places of its own, so that no two are equally far from a third."""
        number = MEMBERS.index(member) * 3 + self.random.randint(0, 2)
        return [f"{(number * 47.3137 + 3) % 360 - 180:.6f}", f"{(number * 23.7713 + 5) % 170 - 85:.6f}"]

    def shape(self):
        size = self.one(0, 1, 10, 500, 3000.5, 9000, 40000, "-1", "x")
        unit = self.one("km", "km", "M", "mi", "ft", "yd")
        return self.one(["BYRADIUS", size, unit], ["BYBOX", size, self.one(1, 2000, 30000), unit])

    def center(self, members):
        return self.one(["FROMMEMBER", members()], ["FROMLONLAT", self.one("0", "15.5", "179.9", "-179.99", "-180", "181"),
                                                    self.one("0", "37", "-84.5", "85", "86")])

    def places(self):
        key, other = self.one((b"geo1", b"geo2"), (b"geo2", b"geo1"), (b"geo1", b"geo3"))
        member, order = lambda: self.random.choice(MEMBERS), self.one(["ASC"], ["DESC"], ["COUNT", self.one(1, 3, 0, "x")], [], ["COUNT", 2, "ANY"])
        withs = [*self.maybe("WITHDIST"), *self.maybe("WITHCOORD"), *self.maybe("WITHHASH")]
        made = self.many(member)
        return self.one(
            lambda: ["GEOADD", key, *self.maybe(self.one("NX", "XX", "CH")),
                     *[part for one in made for part in (*self.place(one), one)]],
            lambda: ["GEOADD", key, *self.place(made[0]), made[0]], lambda: ["GEOPOS", key, *made],
            lambda: ["GEODIST", key, member(), member(), *self.maybe(self.one("m", "km", "FT", "mi", "x"))],
            lambda: ["GEOHASH", key, *made], lambda: ["ZREM", key, member()],
            lambda: ["GEOSEARCH", key, *self.center(member), *self.shape(), *order, *withs],
            lambda: ["GEOSEARCHSTORE", other, key, *self.center(member), *self.shape(), *order, *self.maybe("STOREDIST")],
            lambda: ["GEORADIUS", key, "10", "20", self.one(1, 5000, 20000), "km", *order, *withs,
                     *self.maybe("STORE", other)],
            lambda: ["GEORADIUSBYMEMBER", key, member(), self.one(1, 5000), "km", *order, *self.maybe("STOREDIST", other)],
            lambda: ["GEORADIUS_RO", key, "-170", "60", self.one(3000, 12000), "km"],
            lambda: ["ZRANGE", key, 0, -1], lambda: ["DEL", key])()

    def counters(self):
        """On keys of their own: PFCOUNT stores what it counted in Redis's string, and Redis adds to a damaged string where
        it does not come upon the damage."""
        key, other = self.one((b"pf1", b"pf2"), (b"pf2", b"pf3"), (b"pf3", b"pf1"))
        return self.one(
            lambda: ["PFADD", key, *self.many(self.member)], lambda: ["PFADD", key],
            lambda: ["PFADD", key, *[b"%d" % self.random.randint(0, 3000) for _ in range(60)]],
            lambda: ["PFCOUNT", key], lambda: ["PFCOUNT", key, other, self.key()],
            lambda: ["PFMERGE", key, other], lambda: ["STRLEN", key], lambda: ["DEL", key],
            lambda: ["PFCOUNT", self.key()], lambda: ["PFMERGE", key, self.key()])()

    def stream_id(self):
        return f"{self.random.randint(0, 60)}-{self.random.randint(0, 3)}"

    def range_bound(self):
        return self.one("-", "+", self.stream_id(), self.stream_id(), "(" + self.stream_id(), self.random.randint(0, 60), "x")

    def streams(self):
        """On keys of their own; without what the clock says, and what depends on how a server stores entries."""
        key, other = self.one((b"s1", b"s2"), (b"s2", b"s3"), (b"s3", b"s1"))
        group, consumer = self.one("g1", "g2"), self.one("c1", "c2", "c3")
        ids, count = lambda: self.many(self.stream_id, 3), lambda: self.maybe("COUNT", self.count())
        newer = lambda: f"{self.random.randint(1, 900)}-{self.one('*', '*', 0, 1, 2)}"
        return self.one(
            lambda: ["XADD", key, *self.maybe("NOMKSTREAM"), self.one(newer(), self.stream_id(), "0-0", "x"), *self.fields()],
            lambda: ["XADD", key, *self.maybe("MAXLEN", self.count()), f"{self.random.randint(1, 60)}-*", *self.fields()],
            lambda: ["XADD", key, f"{self.random.randint(1, 60)}-*", *self.fields()], lambda: ["XLEN", key],
            lambda: [self.one("XRANGE", "XREVRANGE"), key, self.range_bound(), self.range_bound(), *count()],
            lambda: ["XDEL", key, *ids()],
            lambda: ["XTRIM", key, *self.one(["MAXLEN", self.count()], ["MINID", self.stream_id()], ["MAXLEN", "=", 3])],
            lambda: ["XREAD", *count(), "STREAMS", key, other, self.stream_id(), self.one("0", "$", self.stream_id())],
            lambda: ["XGROUP", "CREATE", key, group, self.one("0", "$", self.stream_id()), *self.maybe("MKSTREAM")],
            lambda: ["XGROUP", "SETID", key, group, self.one("0", "$", self.stream_id())],
            lambda: ["XGROUP", "DELCONSUMER", key, group, consumer],
            lambda: ["XGROUP", "DESTROY", key, group] if self.random.random() < 0.3 else ["XINFO", "GROUPS", key],
            lambda: ["XREADGROUP", "GROUP", group, consumer, *count(), *self.maybe("NOACK"), "STREAMS", key,
                     self.one(">", ">", "0", self.stream_id())],
            lambda: ["XREADGROUP", "GROUP", group, consumer, "COUNT", 2, "STREAMS", key, ">"],
            lambda: ["XACK", key, group, *ids()], lambda: ["XPENDING", key, group], lambda: ["XINFO", "GROUPS", key],
            lambda: ["XCLAIM", key, group, consumer, 0, *ids(), *self.maybe("JUSTID"), *self.maybe("FORCE"),
                     *self.maybe("RETRYCOUNT", self.count()), *self.maybe("LASTID", self.stream_id())],
            lambda: ["XAUTOCLAIM", key, group, consumer, 0, self.one("0", "-", self.stream_id()), *count(), *self.maybe("JUSTID")],
            lambda: ["DEL", key] if self.random.random() < 0.2 else ["XINFO", "STREAM", self.one("missing", "k1")],
            lambda: [self.one("RENAME", "RENAMENX"), key, other], lambda: ["COPY", key, other, *self.maybe("REPLACE")],
            lambda: ["TYPE", key])()

    def stream_script(self):
        """One that adds to streams and looks at what is there then; without what may not be done with what was just added."""
        made = [["XADD", self.one("s1", "s2", "s3"), f"{self.random.randint(1, 900)}-*", "f", self.random.randint(0, 9)]]
        while len(made) < 7:
            one = self.streams()
            words = [part.decode("latin-1") if isinstance(part, bytes) else str(part) for part in one]
            if words[0] in NOT_BEHIND_XADD or "FORCE" in words or any(not re.fullmatch(r"[!-~]+", word) for word in words):
                continue
            made.append(words)
        return ["EVAL", RUN_ALL, 0, *(" ".join(map(str, words)) for words in made)]

    def keys(self):
        key = self.key()
        return self.one(
            lambda: ["DEL", key], lambda: ["UNLINK", *self.many(self.key, 2)], lambda: ["EXISTS", *self.many(self.key)],
            lambda: ["TYPE", key], lambda: ["RENAME", key, self.key()], lambda: ["RENAMENX", key, self.key()],
            lambda: ["COPY", key, self.key(), *self.maybe("REPLACE")], lambda: ["EXPIRE", key, self.one(1000, -1, 0, "x")],
            lambda: ["PERSIST", key], lambda: ["TTL", key], lambda: ["TOUCH", *self.many(self.key)],
            lambda: ["SORT", key, *self.maybe("ALPHA"), *self.maybe("DESC"), *self.maybe("LIMIT", self.index(), self.index())],
            lambda: ["SORT", key, "ALPHA", *self.maybe("STORE", self.key())],
            lambda: ["SORT", key, "ALPHA", "GET", "#", "GET", "k*"], lambda: ["DBSIZE"], lambda: ["KEYS", "*"])()

    def command(self):
        family = self.random.choice([self.strings, self.bits, self.hashes, self.lists, self.lists, self.sets, self.sorted_sets,
                                     self.sorted_sets, self.names, self.keys, self.places, self.counters, self.streams, self.streams,
                                     self.stream_script])
        made = [part if isinstance(part, bytes) else str(part).encode() for part in family()]
        if self.random.random() < 0.01:  # an argument too few, or too many
            made = made[:-1] if self.random.random() < 0.5 and len(made) > 1 else [*made, b"extra"]
        return made
