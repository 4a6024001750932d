"""Lua scripts with redis-py and with what others built on them: locks, RQ, Celery, BullMQ.

What it proves: scripts run as a whole on the core that owns their keys, with one shard and with several; every core
knows every script; what a script changed is there after a kill -9 as a whole or not at all; a script that does not
end does not keep its core. The `client` tests also run against redis-server with PEERS set.
"""

import hashlib
import socket
import threading
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.lock import Lock
from redis.retry import Retry


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, broker):
    with redis.Redis(broker.host, broker.redis_port, protocol=request.param, socket_timeout=20) as client:
        yield client


def connect(broker, **options):
    return redis.Redis(broker.host, broker.redis_port, socket_timeout=20, **options)


def on_every_shard(count):
    """Names of which, with few shards, every one has some."""
    return [f"script-key-{i}" for i in range(count)]


def test_registered_scripts_run_where_their_keys_are(client):
    script = client.register_script("return {KEYS[1], redis.call('incrby', KEYS[1], ARGV[1])}")
    for name in on_every_shard(20):
        client.delete(name)
        assert script(keys=[name], args=[5]) == [name.encode(), 5]
    assert client.script_exists(script.sha, "0" * 40) == [True, False]
    client.script_flush()
    with pytest.raises(redis.exceptions.NoScriptError):
        client.evalsha(script.sha, 1, "script-key-1")
    assert script(keys=["script-key-1"], args=[1]) == [b"script-key-1", 6]


def test_what_eval_brought_evalsha_finds_on_every_shard(client):
    source = f"return redis.call('set', KEYS[1], '{time.monotonic_ns()}')"
    sha = hashlib.sha1(source.encode()).hexdigest()
    pipeline = client.pipeline(transaction=False)
    pipeline.eval(source, 1, "script-key-0")
    for name in on_every_shard(20):
        pipeline.evalsha(sha, 1, name)
    assert {bytes(reply) for reply in pipeline.execute()} == {b"OK"}


def test_scripts_in_transactions_and_pipelines(client):
    client.delete("script-list")
    pipeline = client.pipeline(transaction=True)
    for i in range(5):
        pipeline.eval("return redis.call('rpush', KEYS[1], ARGV[1])", 1, "script-list", i)
    pipeline.eval("return redis.call('lrange', KEYS[1], 0, -1)", 1, "script-list")
    assert pipeline.execute() == [1, 2, 3, 4, 5, [b"0", b"1", b"2", b"3", b"4"]]


def test_a_script_wakes_waiting_clients_after_it_has_ended(broker):
    client, waiting = connect(broker), connect(broker)
    client.delete("script-wake")
    results = []
    thread = threading.Thread(target=lambda: results.append(waiting.blpop("script-wake", 10)))
    thread.start()
    while client.info("clients")["blocked_clients"] == 0:
        time.sleep(0.01)
    client.eval("redis.call('rpush', KEYS[1], 'a') redis.call('lset', KEYS[1], 0, 'b')", 1, "script-wake")
    thread.join(10)
    assert results == [(b"script-wake", b"b")]


def test_streams_in_scripts(client):
    client.delete("script-stream")
    add = "return redis.call('xadd', KEYS[1], '*', 'f', ARGV[1])"
    pipeline = client.pipeline(transaction=False)
    for i in range(10):
        pipeline.eval(add, 1, "script-stream", i)
    pipeline.eval("return #redis.call('xrange', KEYS[1], '-', '+')", 1, "script-stream")
    pipeline.xlen("script-stream")
    assert pipeline.execute()[-2:] == [10, 10]


def test_keys_of_another_shard_are_refused(broker):
    client = connect(broker)
    names = on_every_shard(40)
    refused = 0
    for name in names[1:]:
        try:
            client.eval("redis.call('set', KEYS[1], 1) redis.call('set', ARGV[1], 2)", 1, names[0], name)
            assert client.get(name) == b"2"
        except redis.ResponseError as error:
            assert "several shards" in str(error)
            refused += 1
    assert (refused > 0) == (broker.shards > 1)


def test_locks(broker):
    client = connect(broker)
    counter, rounds = [0], 25
    ended = []

    def work():
        mine = connect(broker)
        for _ in range(rounds):
            with Lock(mine, "script-lock", timeout=10, sleep=0.001):
                before = counter[0]
                mine.ping()
                counter[0] = before + 1
        ended.append(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ended) == 4 and counter[0] == 4 * rounds
    lock = Lock(client, "script-lock", timeout=10)
    assert lock.acquire() and lock.extend(5) and lock.reacquire()
    assert not Lock(connect(broker), "script-lock", timeout=1).acquire(blocking=False)
    lock.release()
    with pytest.raises(redis.exceptions.LockError):
        lock.release()


def test_a_script_that_does_not_end_ends(broker):
    client = connect(broker)
    client.config_set("lua-time-limit", 100)
    assert client.config_get("busy-reply-threshold") == {"busy-reply-threshold": "100"}
    try:
        for source in ("while true do end", "while true do pcall(function() while true do end end) end",
                       "while true do redis.call('ping') end"):
            with pytest.raises(redis.ResponseError, match="Script killed"):
                client.eval(source, 1, "script-slow")
        # One that has changed something may take longer; what it changed stays, as after any error.
        with pytest.raises(redis.ResponseError, match="Script killed"):
            client.eval("redis.call('set', KEYS[1], 1) while true do end", 1, "script-slow")
        assert client.get("script-slow") == b"1"
        assert client.eval("return 1", 0) == 1
        with pytest.raises(redis.ResponseError, match="NOTBUSY"):
            client.script_kill()
    finally:
        client.config_set("lua-time-limit", 5000)


def test_greedy_scripts_leave_the_broker_alive(broker):
    client = connect(broker)
    for source in ("local t = {} while true do t[#t + 1] = ('x'):rep(1000000) .. #t end",
                   "return ('x'):rep(2 ^ 30)",
                   "local t = {1} for i = 1, 40 do t = {t, t} end return t",
                   "local t = {1} for i = 1, 40 do t = {t, t} end return cjson.encode(t)",
                   "return string.find(('a'):rep(300000), ('a?'):rep(300000) .. 'b')",
                   "for i = 1, 1000 do redis.call('set', KEYS[1], ('x'):rep(1000000)) end"):
        with pytest.raises(redis.ResponseError):
            client.eval(source, 1, "script-greedy")
        assert client.eval("return 1", 0) == 1
    client.delete("script-greedy")
    assert client.info("memory")["used_memory_lua"] < 64 << 20


QUEUE_OF_FIVE = """
local number = redis.call('incr', KEYS[1])
redis.call('xadd', KEYS[2], number .. '-0', 'n', number)
local entries = redis.call('xrange', KEYS[2], '-', '+')
if redis.call('xlen', KEYS[2]) > 5 then redis.call('xdel', KEYS[2], entries[1][1]) end
local newest = redis.call('xrevrange', KEYS[2], '+', '-', 'COUNT', 1)[1]
return {number, #entries, newest[1], newest[2][2]}
"""


def test_scripts_read_what_they_have_added(client, name):
    for number in range(8):
        keys = [f"{{{name}{number}}}n", f"{{{name}{number}}}s"]
        for call in range(1, 9):
            text = str(call).encode()
            assert client.eval(QUEUE_OF_FIVE, 2, *keys) == [call, min(call, 6), text + b"-0", text]
        assert [entry for entry, _ in client.xrange(keys[1])] == [b"4-0", b"5-0", b"6-0", b"7-0", b"8-0"]
        assert client.xinfo_stream(keys[1])["max-deleted-entry-id"] == b"3-0"


def test_transactions_read_what_they_have_added(client, name):
    for number in range(8):
        stream = f"{name}{number}"
        pipeline = client.pipeline(transaction=True)
        pipeline.xadd(stream, {"a": "1"}, id="1-0").xlen(stream).xrange(stream).xadd(stream, {"b": "2"}, id="2-0")
        pipeline.xdel(stream, "1-0").xrevrange(stream).xinfo_stream(stream).xread({stream: "0"}).xtrim(stream, maxlen=0)
        pipeline.xrange(stream)
        replies = pipeline.execute()
        assert replies[:4] == [b"1-0", 1, [(b"1-0", {b"a": b"1"})], b"2-0"]
        assert replies[4:6] == [1, [(b"2-0", {b"b": b"2"})]]
        assert replies[6]["length"] == 1 and replies[6]["first-entry"] == replies[6]["last-entry"] == (b"2-0", {b"b": b"2"})
        assert replies[8:] == [1, []] and client.xlen(stream) == 0


def test_what_scripts_have_added_and_read_is_whole_after_a_kill(own_broker):
    """The counter, the entries that are there and the deleted ones say the same after each kill."""
    keys = ["{queue}n", "{queue}s"]
    answered = 0
    for _ in range(4):
        client = connect(own_broker)
        failed = []

        def work():
            nonlocal answered
            try:
                while True:
                    answered = client.eval(QUEUE_OF_FIVE, 2, *keys)[0]
            except redis.ResponseError as error:
                failed.append(error)
            except (redis.RedisError, OSError):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.5)
        own_broker.restart(kill=True)
        thread.join()
        client = connect(own_broker)
        number = int(client.get(keys[0]))
        assert not failed and number >= answered > 0
        expected = [b"%d-0" % one for one in range(max(number - 4, 1), number + 1)]
        assert [entry for entry, _ in client.xrange(keys[1])] == expected
        facts = client.xinfo_stream(keys[1])
        assert facts["entries-added"] == number and facts["length"] == len(expected)
        assert facts["max-deleted-entry-id"] == (b"%d-0" % max(number - 5, 0))


def test_a_script_is_there_whole_after_a_kill(own_broker):
    """Each script moves one unit between counters that lie together; their sum never changes."""
    broker = own_broker
    move = ("redis.call('hincrby', KEYS[1], 'a', -1) redis.call('hincrby', KEYS[1], 'b', 1) "
            "redis.call('rpush', KEYS[2], ARGV[1]) return redis.call('xadd', KEYS[3], '*', 'n', ARGV[1])")
    client = connect(broker)
    candidates = iter(range(100000))

    def together(first):
        for number in candidates:
            name = f"{first}.{number}"
            try:
                client.exists(first, name)
                return name
            except redis.ResponseError:
                continue
        raise AssertionError("no name of the same shard")

    keys = ["moved", together("moved"), together("moved")]
    for _ in range(3):
        client = connect(broker, retry=Retry(NoBackoff(), 0))
        answered = []

        def work():
            number = 0
            try:
                while True:
                    client.eval(move, 3, *keys, number)
                    answered.append(number)
                    number += 1
            except (redis.RedisError, OSError):
                pass

        before = client.llen(keys[1])
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.4)
        broker.kill()
        thread.join(20)
        broker.start()
        after = connect(broker)
        counters = {key: int(value) for key, value in after.hgetall(keys[0]).items()}
        count = after.llen(keys[1])
        assert counters == {b"a": -count, b"b": count}
        assert after.xlen(keys[2]) == count
        assert len(answered) <= count - before <= len(answered) + 1
    with socket.create_connection((broker.host, broker.redis_port), 5) as plain:
        plain.sendall(b"PING\r\n")
        assert plain.recv(100) == b"+PONG\r\n"
