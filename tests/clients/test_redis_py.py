"""RESP2 and RESP3 with redis-py: streams, groups, claims, blocking, SET options, MULTI, pub/sub, error texts.

Every test runs in both protocol versions, and against redis-server with PEERS set.
"""

import re
import socket
import threading
import time

import pytest
import redis


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, broker):
    with redis.Redis(broker.host, broker.redis_port, protocol=request.param, socket_timeout=20) as client:
        yield client


@pytest.fixture
def raw(broker):
    """Sends bytes, returns what comes back: for what a client library would not send or hides."""
    connection = socket.create_connection((broker.host, broker.redis_port), timeout=10)
    reader = connection.makefile("rb")

    class Raw:
        def send(self, data):
            connection.sendall(data)

        def line(self):
            return reader.readline()

        def read(self, size):
            return reader.read(size)

        def command(self, *parts):
            parts = [part.encode() if isinstance(part, str) else part for part in parts]
            self.send(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))

    yield Raw()
    connection.close()


def pairs(reply):
    """XREAD answers a list of pairs in RESP2 and a map in RESP3: [[key, entries]] for both."""
    if not reply:
        return []
    if isinstance(reply, dict):
        return [[key, entries[0] if entries and isinstance(entries[0], list) else entries]
                for key, entries in reply.items()]
    return [[key, entries] for key, entries in reply]


SEVERAL_SHARDS = "the keys of this command or transaction lie on several shards of this server"


def together(client, name, count):
    """Names that one command may use together. With one shard, and on Redis, these are simply the first ones."""
    names = [name]
    suffix = 0
    while len(names) < count:
        suffix += 1
        try:
            client.exists(name, f"{name}.{suffix}")
            names.append(f"{name}.{suffix}")
        except redis.ResponseError as error:
            assert str(error) == SEVERAL_SHARDS
    return names


def fails(text, action, kind=redis.ResponseError):
    with pytest.raises(kind) as error:
        action()
    assert str(error.value) == text


# -- connection


def test_ping_echo_select(client):
    assert client.ping() is True
    assert client.echo("å") == "å".encode()
    assert client.execute_command("SELECT", 0) in (True, b"OK")


def test_hello(raw):
    raw.command("HELLO", "3")
    assert raw.line() == b"%7\r\n"
    fields = {}
    for _ in range(7):
        key = raw.read(int(raw.line()[1:]) + 2)[:-2]
        head = raw.line()
        fields[key] = raw.read(int(head[1:]) + 2)[:-2] if head[:1] == b"$" else head.strip()
    assert fields[b"server"] == b"redis" and fields[b"proto"] == b":3"
    assert (fields[b"mode"], fields[b"role"], fields[b"modules"]) == (b"standalone", b"master", b"*0")
    assert re.fullmatch(rb"\d+\.\d+\.\d+", fields[b"version"])
    raw.command("GET", "missing-key")
    assert raw.line() == b"_\r\n"
    raw.command("HELLO", "2")
    assert raw.line() == b"*14\r\n"


def test_hello_unknown_version(raw):
    raw.command("HELLO", "4")
    assert raw.line() == b"-NOPROTO unsupported protocol version\r\n"
    raw.command("PING")
    assert raw.line() == b"+PONG\r\n"


def test_client_commands(client, name):
    assert client.client_setname(name)
    assert client.client_getname() in (name, name.encode())
    assert client.client_id() > 0
    assert client.client_info()["name"] == name
    assert any(row["name"] == name for row in client.client_list())


@pytest.mark.own  # Redis 7.0 does not know CLIENT SETINFO yet.
def test_first_commands_of_newer_clients(raw):
    raw.command("CLIENT", "SETINFO", "LIB-NAME", "x")
    assert raw.line() == b"+OK\r\n"
    raw.command("CLIENT", "SETINFO", "LIB-VER", "1.2.3")
    assert raw.line() == b"+OK\r\n"
    raw.command("CLIENT", "MAINT_NOTIFICATIONS", "ON")
    assert raw.line() == b"-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n"


def test_info_and_config(client):
    info = client.info()
    for field in ("redis_version", "redis_mode", "tcp_port", "uptime_in_seconds", "connected_clients", "used_memory",
                  "role", "loading", "maxmemory_policy", "cluster_enabled"):
        assert field in info, field
    assert (info["role"], info["loading"], info["cluster_enabled"]) == ("master", 0, 0)
    assert set(client.config_get("maxmemory*")) >= {"maxmemory", "maxmemory-policy"}
    assert client.config_get("no-such-option") == {}


def test_command_table(client):
    assert client.command_count() > 40
    table = client.command()
    for command in ("xadd", "xreadgroup", "set", "get", "publish", "multi"):
        assert command in table, command


def test_inline_and_pipelined_raw_input(raw, name):
    raw.send(b"PING\r\n\r\nSET %s \"a b\"\r\nGET %s\r\nECHO 'x'\n" % (name.encode(), name.encode()))
    assert [raw.line() for _ in range(4)] == [b"+PONG\r\n", b"+OK\r\n", b"$3\r\n", b"a b\r\n"]
    assert [raw.line() for _ in range(2)] == [b"$1\r\n", b"x\r\n"]


@pytest.mark.parametrize("sent, reason", [
    (b"*1\r\n:1\r\n", b"expected '$', got ':'"),
    (b"*1\r\n$-5\r\n", b"invalid bulk length"),
    (b"*1\r\n$99999999999999\r\n", b"invalid bulk length"),
    (b"*99999999999\r\n", b"invalid multibulk length"),
    (b"*x\r\n", b"invalid multibulk length"),
    (b"SET a \"b\r\n", b"unbalanced quotes in request"),
])
def test_protocol_errors_close(raw, sent, reason):
    raw.send(sent)
    assert raw.line() == b"-ERR Protocol error: " + reason + b"\r\n"
    assert raw.line() == b""


def test_byte_by_byte(raw, name):
    for byte in b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$2\r\n\r\n\r\n" % (len(name), name.encode()):
        raw.send(bytes([byte]))
    assert raw.line() == b"+OK\r\n"
    raw.command("GET", name)
    assert raw.line() + raw.line() + raw.line() == b"$2\r\n\r\n\r\n"


def test_unknown_command_and_arity(client, raw, name):
    raw.command("NOSUCH", "a", "b")
    assert raw.line() == b"-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"
    fails("wrong number of arguments for 'get' command", lambda: client.execute_command("GET"))
    fails("wrong number of arguments for 'xadd' command", lambda: client.execute_command("XADD", name, "*"))
    fails("wrong number of arguments for 'xgroup|create' command",
          lambda: client.execute_command("XGROUP", "CREATE", name))


def test_pipeline_of_many(client, name):
    pipe = client.pipeline(transaction=False)
    for index in range(2000):
        pipe.xadd(name, {"n": index})
    ids = pipe.execute()
    assert len(set(ids)) == 2000
    assert [fields[b"n"] for _, fields in client.xrange(name)] == [str(index).encode() for index in range(2000)]


def test_big_values(client, name):
    for size in (0, 1, 16384, 65536, 1 << 20, 8 << 20):
        value = bytes(range(256)) * (size // 256 + 1)
        value = value[:size]
        client.set(name, value)
        assert client.get(name) == value
        entry = client.xadd(f"{name}.s", {"v": value})
        assert client.xrange(f"{name}.s", entry, entry)[0][1] == {b"v": value}


def test_pipelined_reads_see_the_writes_before_them(client, name):
    """Mixed appends and reads in one write, many times on one connection: replies in order, each command run once."""
    client.xgroup_create(name, "g", "0", mkstream=True)
    client.response_callbacks.clear()
    added = 0
    for round_ in range(40):
        commands = "ar" if round_ % 2 else "raarrxa"
        pipe = client.pipeline(transaction=False)
        for index, kind in enumerate(commands):
            if kind == "a":
                pipe.execute_command("XADD", name, "*", "n", f"{round_}.{index}")
            elif kind == "r":
                pipe.execute_command("XREADGROUP", "GROUP", "g", "c", "STREAMS", name, ">")
            else:
                pipe.execute_command("XLEN", name)
        seen = 0
        for kind, reply in zip(commands, pipe.execute()):
            if kind == "a":
                assert isinstance(reply, bytes)
                added += 1
                seen += 1
            elif kind == "r":
                entries = (list(reply.values())[0] if isinstance(reply, dict) else reply[0][1]) if reply else []
                if entries and len(entries) == 1 and isinstance(entries[0][0], list):
                    entries = entries[0]
                assert len(entries) >= seen, "a read does not see the append before it"
                seen = 0
            else:
                assert reply == added
    assert client.execute_command("XLEN", name) == added


# -- keys


def test_pipelined_reads_see_a_stream_that_was_made_anew(client, name):
    """Once in some hundred rounds it was not visible yet, on a busy machine."""
    for number in range(300):
        pipeline = client.pipeline(transaction=False)
        pipeline.xadd(f"{name}other", {"a": "1"})
        pipeline.xlen(f"{name}other")
        for index in range(number % 5):
            pipeline.set(f"{name}{index}", "x")
        pipeline.delete(name)
        pipeline.xadd(name, {"a": "1"}, id="1-0")
        pipeline.xread({name: "0"})
        assert pipeline.execute()[-1], f"round {number}"


def test_pipelined_deletions_find_the_entries_before_them(client, name):
    pipeline = client.pipeline(transaction=False)
    for number in range(1, 20):
        pipeline.xadd(name, {"a": "1"}, id=f"{number}-0")
        pipeline.xdel(name, f"{number}-0")
    assert pipeline.execute()[1::2] == [1] * 19
    assert client.xlen(name) == 0


def test_set_options(client, name):
    assert client.set(name, "1", nx=True) is True
    assert client.set(name, "2", nx=True) is None
    assert client.set(f"{name}.x", "1", xx=True) is None
    assert client.set(name, "3", xx=True) is True
    assert client.set(name, "4", get=True) == b"3"
    assert client.set(f"{name}.g", "4", get=True) is None
    assert client.set(name, "5", ex=100) is True
    assert 98 <= client.ttl(name) <= 100
    assert client.set(name, "6", keepttl=True) is True
    assert 98 <= client.ttl(name) <= 100
    assert client.set(name, "7") is True
    assert client.ttl(name) == -1
    assert client.set(name, "8", px=100000) is True
    assert 99000 <= client.pttl(name) <= 100000
    assert client.ttl(f"{name}.missing") == -2
    fails("syntax error", lambda: client.execute_command("SET", name, "1", "NX", "XX"))
    fails("syntax error", lambda: client.execute_command("SET", name, "1", "EX", "1", "PX", "1"))
    fails("invalid expire time in 'set' command", lambda: client.execute_command("SET", name, "1", "EX", "0"))
    fails("value is not an integer or out of range", lambda: client.execute_command("SET", name, "1", "EX", "x"))


def test_expiry(client, name):
    name, lasting, missing = together(client, name, 3)
    client.set(name, "1", px=500)
    client.set(lasting, "1")
    assert client.expire(lasting, 100) is True
    assert client.expire(missing, 100) is False
    assert client.get(name) == b"1"
    deadline = time.monotonic() + 3
    while client.get(name) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert client.exists(name, missing, lasting, lasting) == 2
    client.set(lasting, "2")
    assert client.ttl(lasting) == -1, "a key that is set anew has no time of the old one"
    assert client.expire(lasting, -1) is True
    assert client.exists(lasting) == 0


def test_del_exists_type_incr(client, name):
    name, stream, none, text = together(client, name, 4)
    assert client.incr(name) == 1
    assert client.incr(name) == 2
    assert client.get(name) == b"2"
    client.xadd(stream, {"a": 1})
    assert (client.type(name), client.type(stream), client.type(none)) == (b"string", b"stream", b"none")
    client.set(text, "text")
    fails("value is not an integer or out of range", lambda: client.incr(text))
    client.set(text, str((1 << 63) - 1))
    fails("increment or decrement would overflow", lambda: client.incr(text))
    assert client.delete(name, stream, none) == 2
    assert client.exists(name, stream) == 0
    assert client.xlen(stream) == 0


def test_keys_of_several_shards_work_or_are_refused_whole(client, name):
    """A command over many keys does all or, with more than one shard, is refused before it does anything."""
    names = [f"{name}.{index}" for index in range(40)]
    for key in names:
        client.set(key, "1")
    try:
        assert client.exists(*names) == 40
        assert client.delete(*names) == 40
    except redis.ResponseError as error:
        assert str(error) == SEVERAL_SHARDS
        assert [client.get(key) for key in names] == [b"1"] * 40
        pipe = client.pipeline(transaction=True)
        for key in names:
            pipe.delete(key)
        with pytest.raises(redis.ResponseError, match=SEVERAL_SHARDS):
            pipe.execute()
        assert [client.get(key) for key in names] == [b"1"] * 40


def test_wrong_type(client, name):
    client.set(name, "text")
    text = "Operation against a key holding the wrong kind of value"
    fails(f"WRONGTYPE {text}", lambda: client.xadd(name, {"a": 1}))
    fails(f"WRONGTYPE {text}", lambda: client.xlen(name))
    client.xadd(f"{name}.s", {"a": 1})
    fails(f"WRONGTYPE {text}", lambda: client.get(f"{name}.s"))
    fails(f"WRONGTYPE {text}", lambda: client.incr(f"{name}.s"))


# -- streams


def test_xadd_ids(client, name):
    before = int(time.time() * 1000)
    auto = client.xadd(name, {"a": 1})
    assert abs(int(auto.split(b"-")[0]) - before) < 5000
    explicit = f"{name}.e"
    assert client.xadd(explicit, {"a": 1}, id="5-3") == b"5-3"
    assert client.xadd(explicit, {"a": 1}, id="5-*") == b"5-4"
    assert client.xadd(explicit, {"a": 1}, id="6") == b"6-0"
    assert client.xadd(explicit, {"a": 1}, id="7-*") == b"7-0"
    equal = "The ID specified in XADD is equal or smaller than the target stream top item"
    fails(equal, lambda: client.xadd(explicit, {"a": 1}, id="7-0"))
    fails(equal, lambda: client.xadd(explicit, {"a": 1}, id="1-1"))
    fails("The ID specified in XADD must be greater than 0-0", lambda: client.xadd(explicit, {"a": 1}, id="0-0"))
    fails("Invalid stream ID specified as stream command argument",
          lambda: client.xadd(explicit, {"a": 1}, id="x"))
    top = f"{(1 << 64) - 1}-{(1 << 64) - 1}"
    assert client.xadd(explicit, {"a": 1}, id=top) == top.encode()
    with pytest.raises(redis.ResponseError):
        client.xadd(explicit, {"a": 1})
    assert client.xadd(f"{name}.none", {"a": 1}, nomkstream=True) is None
    assert client.exists(f"{name}.none") == 0


def test_xadd_keeps_fields_as_sent(client, name):
    client.execute_command("XADD", name, "1-1", "b", "1", "a", "", "b", "2", b"\x00\xff", "bin")
    client.response_callbacks.pop("XRANGE", None)
    entries = client.execute_command("XRANGE", name, "-", "+")
    assert entries == [[b"1-1", [b"b", b"1", b"a", b"", b"b", b"2", b"\x00\xff", b"bin"]]]


def fill(client, name, count=10, start=1):
    for index in range(start, start + count):
        client.xadd(name, {"n": index}, id=f"{index}-0")


def ids(entries):
    return [entry_id.decode() for entry_id, _ in entries]


def test_xrange(client, name):
    fill(client, name)
    client.xadd(name, {"n": 10.5}, id="10-5")
    assert ids(client.xrange(name, "3", "5")) == ["3-0", "4-0", "5-0"]
    assert ids(client.xrange(name, "(3-0", "(5-0")) == ["4-0"]
    assert ids(client.xrange(name, "9", "10")) == ["9-0", "10-0", "10-5"]
    assert ids(client.xrange(name, count=2)) == ["1-0", "2-0"]
    assert ids(client.xrevrange(name, count=3)) == ["10-5", "10-0", "9-0"]
    assert ids(client.xrevrange(name, "4", "3")) == ["4-0", "3-0"]
    assert client.xrange(name, "5", "4") == []
    assert client.xrange(f"{name}.none") == []
    fails("Invalid stream ID specified as stream command argument", lambda: client.xrange(name, "x"))


def test_xlen_xdel_xtrim(client, name):
    fill(client, name)
    assert client.xlen(name) == 10
    assert client.xdel(name, "3-0", "4-0", "99-0") == 2
    assert client.xdel(name, "3-0") == 0
    assert ids(client.xrange(name, count=4)) == ["1-0", "2-0", "5-0", "6-0"]
    assert client.xtrim(name, maxlen=5, approximate=False) == 3
    assert ids(client.xrange(name)) == ["6-0", "7-0", "8-0", "9-0", "10-0"]
    assert client.xtrim(name, minid="9", approximate=False) == 3
    assert client.xtrim(name, maxlen=0, approximate=False) == 2
    assert client.xlen(name) == 0
    assert client.exists(name) == 1
    fails("The ID specified in XADD is equal or smaller than the target stream top item",
          lambda: client.xadd(name, {"a": 1}, id="5-0"))


def test_xadd_trims(client, name):
    fill(client, name)
    client.xadd(name, {"n": 11}, id="11-0", maxlen=3, approximate=False)
    assert ids(client.xrange(name)) == ["9-0", "10-0", "11-0"]
    client.xadd(name, {"n": 12}, id="12-0", minid="11-0", approximate=False)
    assert ids(client.xrange(name)) == ["11-0", "12-0"]
    for index in range(13, 1513):
        client.xadd(name, {"n": index}, id=f"{index}-0", maxlen=1000, approximate=True)
    assert 1000 <= client.xlen(name) <= 1502
    fails("syntax error, LIMIT cannot be used without the special ~ option",
          lambda: client.execute_command("XADD", name, "MAXLEN", "=", "5", "LIMIT", "5", "*", "a", "1"))
    fails("The MAXLEN argument must be >= 0.",
          lambda: client.execute_command("XADD", name, "MAXLEN", "-1", "*", "a", "1"))
    fails("syntax error, MAXLEN and MINID options at the same time are not compatible",
          lambda: client.execute_command("XADD", name, "MAXLEN", "5", "MINID", "5", "*", "a", "1"))


def test_xread(client, name):
    name, other, none = together(client, name, 3)
    fill(client, name, 5)
    fill(client, other, 2)
    reply = pairs(client.xread({name: "3", other: "0", none: "0"}))
    assert [(key.decode(), ids(entries)) for key, entries in reply] == [
        (name, ["4-0", "5-0"]), (other, ["1-0", "2-0"])]
    assert ids(pairs(client.xread({name: "0"}, count=2))[0][1]) == ["1-0", "2-0"]
    assert pairs(client.xread({name: "$"})) == []
    assert pairs(client.xread({name: "5-0"})) == []
    # The wording changed between Redis versions; its beginning and end did not.
    with pytest.raises(redis.ResponseError, match="(?i)^unbalanced '?xread'? list of streams: .* must be specified"):
        client.execute_command("XREAD", "STREAMS", name, other, "0")


def later(action, seconds=0.15):
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_xread_blocks_and_wakes(broker, client, name):
    name, none = together(client, name, 2)
    began = time.monotonic()
    assert pairs(client.xread({name: "$"}, block=200)) == []
    assert 0.18 < time.monotonic() - began < 2
    other = redis.Redis(broker.host, broker.redis_port)
    timer = later(lambda: other.xadd(name, {"n": 1}))
    began = time.monotonic()
    ((key, entries),) = pairs(client.xread({none: "$", name: "$"}, block=10000))
    assert time.monotonic() - began < 3
    assert (key.decode(), entries[0][1]) == (name, {b"n": b"1"})
    timer.join()
    other.close()


def test_group_life(client, name):
    fails("The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM "
          "option to create an empty stream automatically.", lambda: client.xgroup_create(name, "g"))
    assert client.xgroup_create(name, "g", "0", mkstream=True)
    fails("BUSYGROUP Consumer Group name already exists", lambda: client.xgroup_create(name, "g", "0"))
    assert client.xgroup_createconsumer(name, "g", "c1") == 1
    assert client.xgroup_createconsumer(name, "g", "c1") == 0
    fill(client, name, 3)
    assert len(pairs(client.xreadgroup("g", "c1", {name: ">"}))[0][1]) == 3
    assert client.xgroup_delconsumer(name, "g", "c1") == 3
    assert client.xpending(name, "g")["pending"] == 0
    assert client.xgroup_setid(name, "g", "1")
    assert ids(pairs(client.xreadgroup("g", "c1", {name: ">"}))[0][1]) == ["2-0", "3-0"]
    assert client.xgroup_destroy(name, "g") == 1
    assert client.xgroup_destroy(name, "g") == 0
    fails(f"NOGROUP No such key '{name}' or consumer group 'g' in XREADGROUP with GROUP option",
          lambda: client.xreadgroup("g", "c", {name: ">"}))


def test_group_reads_acks_and_history(client, name):
    fill(client, name, 6)
    client.xgroup_create(name, "g", "0")
    assert ids(pairs(client.xreadgroup("g", "a", {name: ">"}, count=2))[0][1]) == ["1-0", "2-0"]
    assert ids(pairs(client.xreadgroup("g", "b", {name: ">"}, count=3))[0][1]) == ["3-0", "4-0", "5-0"]
    assert client.xack(name, "g", "1-0", "3-0", "99-0") == 2
    assert client.xack(name, "g", "1-0") == 0
    assert client.xack(name, "none", "1-0") == 0
    summary = client.xpending(name, "g")
    assert (summary["pending"], summary["min"], summary["max"]) == (3, b"2-0", b"5-0")
    assert summary["consumers"] == [{"name": b"a", "pending": 1}, {"name": b"b", "pending": 2}]
    # Its own history: pending entries again, count raised, but not of deleted ones, which have no fields; then an
    # empty list.
    assert ids(pairs(client.xreadgroup("g", "b", {name: "0"}))[0][1]) == ["4-0", "5-0"]
    client.xdel(name, "4-0")
    history = pairs(client.xreadgroup("g", "b", {name: "0"}))[0][1]
    assert [(entry_id, fields or None) for entry_id, fields in history] == [(b"4-0", None), (b"5-0", {b"n": b"5"})]
    assert pairs(client.xreadgroup("g", "c", {name: "0"}))[0][1] == []
    rows = client.xpending_range(name, "g", "-", "+", 10)
    assert [(row["message_id"], row["consumer"], row["times_delivered"]) for row in rows] == [
        (b"2-0", b"a", 1), (b"4-0", b"b", 2), (b"5-0", b"b", 3)]
    assert client.xpending_range(name, "g", "-", "+", 10, consumername="a")[0]["message_id"] == b"2-0"
    assert client.xpending_range(name, "g", "-", "+", 10, idle=60000) == []
    assert ids(pairs(client.xreadgroup("g", "c", {name: ">"}, noack=True))[0][1]) == ["6-0"]
    assert client.xpending(name, "g")["pending"] == 3
    assert pairs(client.xreadgroup("g", "c", {name: ">"})) == []


def test_group_blocking_serves_one(broker, client, name):
    client.xgroup_create(name, "g", "$", mkstream=True)
    results = {}

    def wait(consumer):
        with redis.Redis(broker.host, broker.redis_port, socket_timeout=20) as own:
            results[consumer] = pairs(own.xreadgroup("g", consumer, {name: ">"}, block=1500))

    threads = [threading.Thread(target=wait, args=(consumer,)) for consumer in ("a", "b")]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    client.xadd(name, {"n": 1})
    for thread in threads:
        thread.join()
    served = [consumer for consumer, reply in results.items() if reply]
    assert len(served) == 1
    assert client.xpending(name, "g")["consumers"] == [{"name": served[0].encode(), "pending": 1}]


def test_blocked_reader_hears_of_a_destroyed_group(broker, client, name):
    client.xgroup_create(name, "g", "$", mkstream=True)
    other = redis.Redis(broker.host, broker.redis_port)
    timer = later(lambda: other.xgroup_destroy(name, "g"))
    with pytest.raises(redis.ResponseError, match="NOGROUP|-NOGROUP|consumer group"):
        client.xreadgroup("g", "c", {name: ">"}, block=5000)
    timer.join()
    other.close()


def test_xclaim_and_xautoclaim(client, name):
    fill(client, name, 5)
    client.xgroup_create(name, "g", "0")
    client.xreadgroup("g", "a", {name: ">"})
    assert client.xclaim(name, "g", "b", 60000, ["1-0"]) == []
    assert ids(client.xclaim(name, "g", "b", 0, ["1-0", "2-0"])) == ["1-0", "2-0"]
    assert client.xclaim(name, "g", "b", 0, ["3-0"], justid=True) == [b"3-0"]
    rows = {row["message_id"]: row for row in client.xpending_range(name, "g", "-", "+", 10)}
    assert [rows[entry]["consumer"] for entry in (b"1-0", b"3-0", b"4-0")] == [b"b", b"b", b"a"]
    assert [rows[entry]["times_delivered"] for entry in (b"1-0", b"3-0", b"4-0")] == [2, 1, 1]
    client.xclaim(name, "g", "c", 0, ["4-0"], idle=90000, retrycount=7)
    (row,) = client.xpending_range(name, "g", "4-0", "4-0", 1)
    assert row["times_delivered"] == 7 and row["time_since_delivered"] >= 90000
    assert ids(client.xautoclaim(name, "g", "d", 60000)[1]) == ["4-0"]
    client.xdel(name, "5-0")
    next_id, entries, deleted = client.xautoclaim(name, "g", "d", 0, "0", count=3)
    assert ids(entries) == ["1-0", "2-0", "3-0"] and deleted == []
    # Redis 7.0 counts the id where it stopped, newer ones too: the rest from there is 4-0, and 5-0 is gone.
    next_id, entries, deleted = client.xautoclaim(name, "g", "d", 0, next_id)
    assert (next_id, ids(entries), deleted) == (b"0-0", ["4-0"], [b"5-0"])
    assert client.xpending(name, "g")["pending"] == 4
    assert client.execute_command("XCLAIM", name, "g", "z", 0, "99-0") == []
    fails(f"NOGROUP No such key '{name}' or consumer group 'none'",
          lambda: client.xpending_range(name, "none", "-", "+", 1))


def test_xinfo(client, name):
    fill(client, name, 4)
    client.xdel(name, "2-0")
    client.xgroup_create(name, "g", "0")
    client.xreadgroup("g", "c", {name: ">"}, count=1)
    stream = client.xinfo_stream(name)
    assert (stream["length"], stream["groups"], stream["last-generated-id"]) == (3, 1, b"4-0")
    assert stream["first-entry"] == (b"1-0", {b"n": b"1"}) and stream["last-entry"] == (b"4-0", {b"n": b"4"})
    assert (stream["max-deleted-entry-id"], stream["entries-added"]) == (b"2-0", 4)
    (group,) = client.xinfo_groups(name)
    assert (group["name"], group["consumers"], group["pending"], group["last-delivered-id"]) == (b"g", 1, 1, b"1-0")
    (consumer,) = client.xinfo_consumers(name, "g")
    assert (consumer["name"], consumer["pending"]) == (b"c", 1) and consumer["idle"] < 10000
    fails("no such key", lambda: client.xinfo_stream(f"{name}.none"))
    full = client.xinfo_stream(name, full=True)
    assert full["length"] == 3 and len(full["entries"]) == 3


def test_lag(client, name):
    fill(client, name, 5)
    client.xgroup_create(name, "g", "0")
    assert client.xinfo_groups(name)[0]["lag"] == 5
    client.xreadgroup("g", "c", {name: ">"}, count=2)
    assert (client.xinfo_groups(name)[0]["entries-read"], client.xinfo_groups(name)[0]["lag"]) == (2, 3)


# -- transactions


def test_multi_exec(client, name):
    name, stream = together(client, name, 2)
    with client.pipeline(transaction=True) as pipe:
        pipe.set(name, "1").incr(name).get(name).xadd(stream, {"a": 1}, id="1-1")
        assert pipe.execute() == [True, 2, b"2", b"1-1"]


def test_multi_errors(raw, name):
    raw.command("EXEC")
    assert raw.line() == b"-ERR EXEC without MULTI\r\n"
    raw.command("DISCARD")
    assert raw.line() == b"-ERR DISCARD without MULTI\r\n"
    raw.command("MULTI")
    assert raw.line() == b"+OK\r\n"
    raw.command("MULTI")
    assert raw.line() == b"-ERR MULTI calls can not be nested\r\n"
    raw.command("SET", name, "1")
    assert raw.line() == b"+QUEUED\r\n"
    raw.command("DISCARD")
    assert raw.line() == b"+OK\r\n"
    raw.command("GET", name)
    assert raw.line() == b"$-1\r\n"
    raw.command("MULTI")
    raw.line()
    raw.command("NOSUCH")
    assert raw.line().startswith(b"-ERR unknown command 'NOSUCH'")
    raw.command("EXEC")
    assert raw.line() == b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    raw.command("MULTI")
    raw.line()
    raw.command("SET", name, "x")
    raw.command("INCR", name)
    raw.command("GET", name)
    raw.command("EXEC")
    assert [raw.line() for _ in range(3)] == [b"+QUEUED\r\n"] * 3
    assert [raw.line() for _ in range(5)] == [
        b"*3\r\n", b"+OK\r\n", b"-ERR value is not an integer or out of range\r\n", b"$1\r\n", b"x\r\n"]


def test_xread_inside_multi_does_not_block(client, name):
    with client.pipeline(transaction=True) as pipe:
        pipe.xread({name: "$"}, block=5000)
        began = time.monotonic()
        (reply,) = pipe.execute()
    assert pairs(reply) == [] and time.monotonic() - began < 2


# -- pub/sub


def messages(pubsub, count, seconds=5):
    got = []
    deadline = time.monotonic() + seconds
    while len(got) < count:
        assert time.monotonic() < deadline, got
        message = pubsub.get_message(timeout=0.2)
        if message is not None:
            got.append((message["type"], message["pattern"], message["channel"], message["data"]))
    return got


def test_pubsub(client, name):
    channel = name.encode()
    with client.pubsub() as pubsub:
        pubsub.subscribe(name)
        pubsub.psubscribe(f"{name}*")
        assert messages(pubsub, 2) == [("subscribe", None, channel, 1), ("psubscribe", None, channel + b"*", 2)]
        assert client.publish(name, "hello") == 2
        assert sorted(messages(pubsub, 2)) == [
            ("message", None, channel, b"hello"), ("pmessage", channel + b"*", channel, b"hello")]
        assert client.publish(f"{name}.more", b"\x00\xff") == 1
        assert messages(pubsub, 1) == [("pmessage", channel + b"*", channel + b".more", b"\x00\xff")]
        pubsub.unsubscribe(name)
        pubsub.punsubscribe(f"{name}*")
        assert messages(pubsub, 2) == [("unsubscribe", None, channel, 1), ("punsubscribe", None, channel + b"*", 0)]
    assert client.publish(name, "nobody") == 0


def test_pubsub_order(client, name):
    with client.pubsub() as pubsub:
        pubsub.subscribe(name)
        messages(pubsub, 1)
        pipe = client.pipeline(transaction=False)
        for index in range(500):
            pipe.publish(name, index)
        assert pipe.execute() == [1] * 500
        assert [data for *_, data in messages(pubsub, 500)] == [str(index).encode() for index in range(500)]


def test_resp2_subscriber_is_limited(raw, name):
    raw.command("SUBSCRIBE", name)
    assert b"".join(raw.line() for _ in range(6)).endswith(b":1\r\n")
    raw.command("GET", name)
    assert raw.line() == (b"-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                          b"are allowed in this context\r\n")
    raw.command("PING")
    assert [raw.line() for _ in range(5)] == [b"*2\r\n", b"$4\r\n", b"pong\r\n", b"$0\r\n", b"\r\n"]


def test_resp3_push_and_commands_mix(raw, name):
    raw.command("HELLO", "3")
    head = raw.line()
    assert head == b"%7\r\n"
    while raw.line() != b"*0\r\n":  # modules, the last field
        pass
    raw.command("SUBSCRIBE", name)
    assert raw.line() == b">3\r\n"
    for _ in range(5):
        raw.line()
    raw.command("SET", name, "1")
    assert raw.line() == b"+OK\r\n"
    raw.command("PUBLISH", name, "x")
    lines = [raw.line() for _ in range(8)]
    assert b">3\r\n" in lines and b":1\r\n" in lines
