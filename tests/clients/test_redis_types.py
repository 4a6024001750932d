"""Hashes, lists, sets and sorted sets with redis-py: replies in both protocols, waiting clients, restarts.

The `client` tests also run against redis-server with PEERS set.
"""

import threading
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, broker):
    with redis.Redis(broker.host, broker.redis_port, protocol=request.param, socket_timeout=20) as client:
        yield client


def connect(broker, **options):
    return redis.Redis(broker.host, broker.redis_port, socket_timeout=20, **options)


def near(client, name, count):
    """Keys that one command may name together, also with several shards."""
    names, number = [name], 0
    while len(names) < count:
        number += 1
        try:
            client.exists(name, f"{name}.{number}")
            names.append(f"{name}.{number}")
        except redis.ResponseError:
            pass
    return names


def plain(reply):
    """redis-py makes tuples of some lists."""
    return [plain(one) for one in reply] if isinstance(reply, (list, tuple)) else reply


class Blocked:
    """A command that waits, on a connection of its own."""

    def __init__(self, broker, *command):
        self.client = connect(broker, single_connection_client=True)
        self.id = self.client.client_id()
        self.watcher = connect(broker)
        self.result = None
        self.thread = threading.Thread(target=self._run, args=command)
        self.thread.start()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.thread.is_alive():
            if "b" in {row["id"]: row["flags"] for row in self.watcher.client_list()}.get(str(self.id), "b"):
                break

    def _run(self, *command):
        try:
            self.result = self.client.execute_command(*command)
        except redis.RedisError as error:
            self.result = error

    def join(self):
        self.thread.join(15)
        assert not self.thread.is_alive(), "still blocked"
        self.client.close()
        self.watcher.close()
        return plain(self.result)


# -- replies


def test_the_idle_time_of_keys(broker, client, name):
    """TTL, TYPE, EXISTS and OBJECT do not use a key, nor does a client with NO-TOUCH."""
    keys = [f"{name}{number}" for number in range(4)]
    for key in keys:
        client.set(key, "x")
    client.xadd(f"{name}s", {"f": "v"})
    with redis.Redis(broker.host, broker.redis_port, single_connection_client=True) as quiet:
        quiet.execute_command("CLIENT", "NO-TOUCH", "ON")
        time.sleep(2.1)
        client.get(keys[0])
        client.touch(keys[1])
        quiet.get(keys[2])
        client.ttl(keys[3]), client.type(keys[3]), client.exists(keys[3])
        idle = [client.object("IDLETIME", key) for key in keys]
        assert idle[0] < 2 and idle[1] < 2 and 2 <= idle[2] < 20 and 2 <= idle[3] < 20
        quiet.touch(keys[2])
        assert client.object("IDLETIME", keys[2]) < 2
    client.append(keys[3], "y")
    assert client.object("IDLETIME", keys[3]) < 2
    assert client.object("IDLETIME", f"{name}none") is None
    with pytest.raises(redis.ResponseError, match="stream"):
        client.object("IDLETIME", f"{name}s")


def test_hash(client, name):
    assert client.hset(name, mapping={"a": "1", "b": "2"}) == 2
    assert client.hset(name, "a", "3") == 0
    assert client.hgetall(name) == {b"a": b"3", b"b": b"2"}
    assert client.hmget(name, "b", "x") == [b"2", None]
    assert client.hincrby(name, "a", 4) == 7 and client.hincrbyfloat(name, "b", 0.5) == 2.5
    assert sorted(client.hkeys(name)) == [b"a", b"b"] and client.hlen(name) == 2
    assert client.hexists(name, "a") and not client.hexists(name, "x")
    assert client.hsetnx(name, "a", "9") in (0, False)
    assert client.hstrlen(name, "a") == 1
    assert client.hrandfield(name, 5, True) is not None
    assert client.hdel(name, "a", "b", "x") == 2
    assert client.exists(name) == 0 and client.type(name) == b"none"


def test_list(client, name):
    assert client.rpush(name, "a", "b", "c") == 3 and client.lpush(name, "z") == 4
    assert client.lrange(name, 0, -1) == [b"z", b"a", b"b", b"c"]
    assert client.lrange(name, -2, 100) == [b"b", b"c"] and client.lrange(name, 3, 1) == []
    assert client.lset(name, 1, "A") and client.lindex(name, -3) == b"A"
    assert client.linsert(name, "before", "b", "x") == 5
    assert client.lpos(name, "b") == 3
    assert client.lrem(name, 0, "x") == 1 and client.ltrim(name, 1, -1)
    assert client.lpop(name) == b"A" and client.rpop(name, 5) == [b"c", b"b"]
    assert client.lpop(name) is None and client.exists(name) == 0


def test_set(client, name):
    keys = near(client, name, 3)
    assert client.sadd(keys[0], "a", "b", "c", "a") == 3 and client.sadd(keys[1], "b", "c", "d") == 3
    assert client.smembers(keys[0]) in ({b"a", b"b", b"c"}, [b"a", b"b", b"c"])
    assert set(client.sinter(keys[:2])) == {b"b", b"c"} and set(client.sdiff(keys[:2])) == {b"a"}
    assert client.sunionstore(keys[2], keys[:2]) == 4 and client.scard(keys[2]) == 4
    assert client.sintercard(2, keys[:2], limit=1) == 1
    assert client.smove(keys[0], keys[1], "a") and client.smismember(keys[1], ["a", "x"]) == [1, 0]
    assert len(client.spop(keys[2], 3)) == 3 and client.scard(keys[2]) == 1
    assert client.srem(keys[2], client.srandmember(keys[2])) == 1 and client.exists(keys[2]) == 0
    client.delete(*keys)


def test_sorted_set(client, name):
    keys = near(client, name, 3)
    assert client.zadd(keys[0], {"a": 1, "b": 2.5, "c": 3}) == 3
    assert client.zscore(keys[0], "b") == 2.5 and client.zrank(keys[0], "c") == 2
    assert client.zrange(keys[0], 0, -1) == [b"a", b"b", b"c"]
    assert [member for member, _ in map(tuple, client.zrange(keys[0], 0, -1, withscores=True))] == [b"a", b"b", b"c"]
    assert client.zrangebyscore(keys[0], "(1", "+inf") == [b"b", b"c"]
    assert client.zrevrange(keys[0], 0, 0) == [b"c"] and client.zcount(keys[0], 2, 3) == 2
    assert client.zincrby(keys[0], 10, "a") == 11 and client.zrank(keys[0], "a") == 2
    assert client.zadd(keys[0], {"a": 5}, gt=True, ch=True) == 0
    assert client.zadd(keys[1], {"a": 1, "x": 1}) == 2
    assert client.zunionstore(keys[2], keys[:2]) == 4 and client.zscore(keys[2], "a") == 12
    assert client.zinter(keys[:2]) == [b"a"] and client.zdiff(keys[:2]) == [b"b", b"c"]
    assert client.zremrangebyrank(keys[2], 0, 0) == 1
    assert client.zpopmax(keys[2])[0] in ((b"a", 12.0), [b"a", 12.0], b"a")
    client.delete(*keys)


def test_wrong_types(client, name):
    client.rpush(name, "a")
    for command in (("GET", name), ("HGET", name, "f"), ("SADD", name, "m"), ("ZADD", name, 1, "m"), ("INCR", name),
                    ("XADD", name, "*", "f", "v"), ("APPEND", name, "x")):
        with pytest.raises(redis.ResponseError) as error:
            client.execute_command(*command)
        assert str(error.value).startswith(("WRONGTYPE", "Operation against a key holding the wrong kind"))
    assert client.mget(name) == [None] and client.type(name) == b"list"
    assert client.set(name, "text") and client.get(name) == b"text"
    client.delete(name)


def test_expiry_of_a_collection(client, name):
    client.hset(name, "f", "v")
    assert client.pexpire(name, 40)
    deadline = time.monotonic() + 10
    while client.exists(name) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert client.hgetall(name) == {}
    assert client.sadd(name, "m") == 1 and client.ttl(name) == -1
    client.delete(name)


def test_scans_see_everything(client, name):
    expected = {f"member{number}".encode() for number in range(1000)}
    client.sadd(name, *expected)
    assert set(client.sscan_iter(name, count=7)) == expected
    client.delete(name)
    client.hset(name, mapping={member: "v" for member in expected})
    assert {field for field, _ in client.hscan_iter(name)} == expected
    client.delete(name)


# -- waiting


def test_pops_are_served_in_order(broker, name):
    with connect(broker) as client:
        first, second = Blocked(broker, "BLPOP", name, 0), Blocked(broker, "BRPOP", name, 0)
        assert client.rpush(name, "a", "b", "c") == 3
        assert first.join() == [name.encode(), b"a"]
        assert second.join() == [name.encode(), b"c"]
        assert client.lrange(name, 0, -1) == [b"b"]
        client.delete(name)


def test_who_waits_longest_is_served_first(broker, name):
    with connect(broker) as client:
        waiting = [Blocked(broker, "BLPOP", name, 0) for _ in range(3)]
        assert client.rpush(name, "a", "b") == 2
        assert [one.join() for one in waiting[:2]] == [[name.encode(), b"a"], [name.encode(), b"b"]]
        client.rpush(name, "c")
        assert waiting[2].join() == [name.encode(), b"c"]


def test_a_transaction_wakes_at_its_end(broker, name):
    with connect(broker) as client:
        waiting = Blocked(broker, "BLPOP", name, 0)
        pipe = client.pipeline()
        pipe.rpush(name, "gone")
        pipe.delete(name)
        pipe.rpush(name, "stays")
        assert pipe.execute() == [1, 1, 1]
        assert waiting.join() == [name.encode(), b"stays"]
        assert client.exists(name) == 0


def test_a_move_wakes_the_next(broker, name):
    with connect(broker) as client:
        source, target = near(client, name, 2)
        last = Blocked(broker, "BLPOP", target, 0)
        move = Blocked(broker, "BLMOVE", source, target, "LEFT", "RIGHT", 0)
        client.rpush(source, "x")
        assert move.join() == b"x" and last.join() == [target.encode(), b"x"]


def test_waiting_for_a_sorted_set(broker, name):
    with connect(broker) as client:
        waiting = Blocked(broker, "BZPOPMAX", name, 0)
        client.zadd(name, {"a": 1, "b": 2})
        assert waiting.join() == [name.encode(), b"b", 2.0]
        waiting = Blocked(broker, "BZMPOP", 0, 1, name, "MIN", "COUNT", 5)
        assert waiting.join() == [name.encode(), [[b"a", b"1"]]]


def test_another_type_does_not_wake(broker, name):
    with connect(broker) as client:
        waiting = Blocked(broker, "BLPOP", name, 0)
        client.set(name, "text")
        client.delete(name)
        client.zadd(name, {"m": 1})
        client.delete(name)
        client.rpush(name, "a")
        assert waiting.join() == [name.encode(), b"a"]


def test_timeout_and_unblock(broker, name):
    with connect(broker) as client:
        assert client.blpop(name, timeout=0.05) is None
        waiting = Blocked(broker, "BLPOP", name, 0)
        assert client.client_unblock(waiting.id)
        assert waiting.join() is None
        waiting = Blocked(broker, "BLPOP", name, 0)
        assert client.client_unblock(waiting.id, error=True)
        assert "UNBLOCKED" in str(waiting.join())
        client.rpush(name, "a")
        assert client.lpop(name) == b"a"


def test_nothing_is_lost_or_given_twice(broker, name):
    """Clients that pop, block and are unblocked while others push."""
    pushed, taken, threads = 400, [], []

    def take():
        with connect(broker) as own:
            while (got := own.blpop(name, timeout=1)) is not None:
                taken.append(int(got[1]))

    for _ in range(4):
        threads.append(threading.Thread(target=take))
        threads[-1].start()
    with connect(broker) as client:
        for number in range(pushed):
            client.rpush(name, number)
    for thread in threads:
        thread.join(30)
    assert sorted(taken) == list(range(pushed))


# -- restarts


def fill(client, name):
    client.hset(f"{name}.hash", mapping={f"f{number}": "v" * number for number in range(300)})
    client.hdel(f"{name}.hash", "f7")
    client.rpush(f"{name}.list", *range(3000))
    client.ltrim(f"{name}.list", 10, -10)
    client.lrem(f"{name}.list", 0, "500")
    client.linsert(f"{name}.list", "AFTER", "600", "inserted")
    client.sadd(f"{name}.set", *range(1000))
    client.spop(f"{name}.set", 100)
    client.zadd(f"{name}.sorted", {f"m{number}": number % 17 / 4 for number in range(1000)})
    client.zremrangebyscore(f"{name}.sorted", 1, 2)
    client.hset(f"{name}.expires", "f", "v")
    client.expire(f"{name}.expires", 1000)
    client.rpush(f"{name}.gone", "a")
    client.lpop(f"{name}.gone")


def state(client, name):
    return (client.hgetall(f"{name}.hash"), client.lrange(f"{name}.list", 0, -1), set(client.smembers(f"{name}.set")),
            client.zrange(f"{name}.sorted", 0, -1, withscores=True), client.hgetall(f"{name}.expires"),
            client.ttl(f"{name}.expires") > 900, client.exists(f"{name}.gone"))


@pytest.mark.own
@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_collections_survive(own_broker, name, kill):
    with connect(own_broker) as client:
        fill(client, name)
        before = state(client, name)
    assert before[5] and not before[6]
    for _ in range(2):  # The second time from the checkpoint of the first, when it was stopped.
        own_broker.restart(kill=kill)
        with connect(own_broker) as client:
            assert state(client, name) == before


@pytest.mark.own
def test_what_was_popped_stays_popped(own_broker, name):
    with connect(own_broker) as client:
        client.rpush(name, *range(100))
        client.zadd(f"{name}.z", {str(number): number for number in range(100)})
        taken = [int(client.blpop(name, timeout=5)[1]) for _ in range(37)]
        client.zpopmin(f"{name}.z", 21)
    own_broker.restart(kill=True)
    with connect(own_broker) as client:
        assert taken == list(range(37))
        assert [int(one) for one in client.lrange(name, 0, -1)] == list(range(37, 100))
        assert client.zcard(f"{name}.z") == 79


@pytest.mark.own
def test_what_spop_gave_is_gone(own_broker, name):
    """And nothing else, also when the broker replays it: which members go is decided once."""
    with connect(own_broker) as client:
        client.sadd(name, *range(200))
        taken = [client.spop(name) for _ in range(60)] + client.spop(name, 40)
        left = client.smembers(name)
        assert len(set(taken)) == 100 and not left & set(taken)
    for kill in (True, False, True):
        own_broker.restart(kill=kill)
        with connect(own_broker) as client:
            assert client.smembers(name) == left


@pytest.mark.own
def test_a_kill_leaves_moves_whole(own_broker, name):
    """An element that moves between keys is in exactly one of them, whenever the broker dies."""
    with connect(own_broker) as client:
        lists = near(client, f"{name}.l", 2)
        sets = near(client, f"{name}.s", 2)
        client.rpush(lists[0], *range(50))
        client.sadd(sets[0], *range(50))
    for _ in range(3):
        batches = []

        def move():
            try:
                with connect(own_broker, retry=Retry(NoBackoff(), 0)) as client:
                    while True:
                        pipe = client.pipeline(transaction=False)
                        for number in range(25):
                            pipe.lmove(lists[0], lists[1], "LEFT", "RIGHT")
                            pipe.lmove(lists[1], lists[0], "RIGHT", "LEFT")
                            pipe.smove(sets[number % 2], sets[1 - number % 2], number)
                            pipe.rename(lists[1], lists[1])
                        pipe.execute(raise_on_error=False)
                        batches.append(number)
            except redis.RedisError:
                pass  # It was killed.

        mover = threading.Thread(target=move)
        mover.start()
        deadline = time.monotonic() + 20
        while len(batches) < 5 and time.monotonic() < deadline:
            time.sleep(0.001)
        own_broker.kill()
        mover.join(20)
        own_broker.start()
        with connect(own_broker) as client:
            elements = [int(one) for key in lists for one in client.lrange(key, 0, -1)]
            assert sorted(elements) == list(range(50))
            assert sorted(int(one) for key in sets for one in client.smembers(key)) == list(range(50))
