"""Keyspace notifications with redis-py: which events commands have, when keys expire, over several shards.

The `client` tests also run against redis-server with PEERS set.
"""

import pytest
import redis

import harness


@pytest.fixture
def client(broker):
    with redis.Redis(broker.host, broker.redis_port, socket_timeout=20, decode_responses=True) as client:
        before = client.config_get("notify-keyspace-events")["notify-keyspace-events"]
        yield client
        client.config_set("notify-keyspace-events", before)


class Listener:
    """Hears the events of keys that begin with `name`."""

    def __init__(self, client, name, flags="KEAn"):
        client.config_set("notify-keyspace-events", flags)
        self.client, self.name = client, name
        self.pubsub = client.pubsub()
        self.pubsub.psubscribe("__key*@0__:*")
        assert self.pubsub.get_message(timeout=10)["type"] == "psubscribe"

    def until(self, event, key):
        """All (event, key) up to that one, as told on the channels of events."""
        seen = []
        while not seen or seen[-1] != (event, key):
            message = self.pubsub.get_message(timeout=10)
            assert message, f"no {event} of {key} after {seen}"
            kind, channel = message["channel"].split("@0__:", 1)
            if kind == "__keyevent" and message["data"].startswith(self.name):
                seen.append((channel, message["data"]))
        return seen

    def of(self, run, last):
        """The events that `run()` causes on keys, whose last one is `last`."""
        run()
        return self.until(*last)


CASES = [
    ("set", [("set", 0)], [("SET", "{0}", "x")]),
    ("set expiry", [("set", 0), ("expire", 0)], [("SET", "{0}", "x", "EX", "100")]),
    ("setex", [("set", 0), ("expire", 0)], [("SETEX", "{0}", "100", "x")]),
    ("getset", [("set", 0), ("set", 0)], [("SET", "{0}", "x"), ("GETSET", "{0}", "y")]),
    ("incr", [("incrby", 0), ("incrby", 0)], [("INCR", "{0}"), ("DECRBY", "{0}", "2")]),
    ("incrbyfloat", [("incrbyfloat", 0)], [("INCRBYFLOAT", "{0}", "1.5")]),
    ("append", [("append", 0), ("setrange", 0)], [("APPEND", "{0}", "x"), ("SETRANGE", "{0}", "3", "y")]),
    ("setbit", [("setbit", 0)], [("SETBIT", "{0}", "3", "1")]),
    ("getdel", [("set", 0), ("del", 0)], [("SET", "{0}", "x"), ("GETDEL", "{0}")]),
    ("getex", [("set", 0), ("expire", 0), ("persist", 0)],
     [("SET", "{0}", "x"), ("GETEX", "{0}", "EX", "9"), ("GETEX", "{0}", "PERSIST")]),
    ("expire", [("set", 0), ("expire", 0), ("persist", 0), ("del", 0)],
     [("SET", "{0}", "x"), ("EXPIRE", "{0}", "9"), ("PERSIST", "{0}"), ("EXPIRE", "{0}", "-1")]),
    ("rename", [("set", 0), ("rename_from", 0), ("rename_to", 1)], [("SET", "{0}", "x"), ("RENAME", "{0}", "{1}")]),
    ("rename over", [("set", 0), ("set", 1), ("rename_from", 0), ("rename_to", 1)],
     [("SET", "{0}", "x"), ("SET", "{1}", "x"), ("RENAME", "{0}", "{1}")]),
    ("copy", [("rpush", 0), ("copy_to", 1)], [("RPUSH", "{0}", "x"), ("COPY", "{0}", "{1}")]),
    ("list", [("lpush", 0), ("rpush", 0), ("linsert", 0), ("lset", 0), ("lrem", 0), ("rpop", 0), ("lpop", 0), ("del", 0)],
     [("LPUSH", "{0}", "a"), ("RPUSH", "{0}", "b"), ("LINSERT", "{0}", "BEFORE", "b", "c"), ("LSET", "{0}", "0", "d"),
      ("LREM", "{0}", "0", "c"), ("RPOP", "{0}"), ("LPOP", "{0}")]),
    ("ltrim all", [("rpush", 0), ("ltrim", 0), ("del", 0)], [("RPUSH", "{0}", "a"), ("LTRIM", "{0}", "5", "6")]),
    ("lmove", [("rpush", 0), ("rpush", 1), ("lpop", 0), ("del", 0)],
     [("RPUSH", "{0}", "a"), ("LMOVE", "{0}", "{1}", "LEFT", "RIGHT")]),
    ("rotate", [("rpush", 0), ("lpush", 0), ("rpop", 0)], [("RPUSH", "{0}", "a"), ("RPOPLPUSH", "{0}", "{0}")]),
    ("lmpop", [("rpush", 0), ("rpop", 0), ("del", 0)], [("RPUSH", "{0}", "a"), ("LMPOP", "1", "{0}", "RIGHT")]),
    ("sort", [("rpush", 0), ("sortstore", 1)], [("RPUSH", "{0}", "2", "1"), ("SORT", "{0}", "STORE", "{1}")]),
    ("set type", [("sadd", 0), ("srem", 0), ("spop", 0), ("del", 0)],
     [("SADD", "{0}", "a", "b", "c"), ("SREM", "{0}", "a"), ("SPOP", "{0}", "9")]),
    ("smove", [("sadd", 0), ("srem", 0), ("del", 0), ("sadd", 1)], [("SADD", "{0}", "a"), ("SMOVE", "{0}", "{1}", "a")]),
    ("sunionstore", [("sadd", 0), ("sunionstore", 1)], [("SADD", "{0}", "a"), ("SUNIONSTORE", "{1}", "{0}")]),
    ("sinterstore empty", [("sadd", 0), ("sadd", 1), ("del", 1)],
     [("SADD", "{0}", "a"), ("SADD", "{1}", "b"), ("SINTERSTORE", "{1}", "{1}", "{0}")]),
    ("hash", [("hset", 0), ("hincrby", 0), ("hincrbyfloat", 0), ("hdel", 0), ("del", 0)],
     [("HSET", "{0}", "a", "1"), ("HINCRBY", "{0}", "a", "1"), ("HINCRBYFLOAT", "{0}", "a", "1.5"), ("HDEL", "{0}", "a")]),
    ("sorted", [("zadd", 0), ("zincr", 0), ("zincr", 0), ("zrem", 0), ("del", 0)],
     [("ZADD", "{0}", "1", "a"), ("ZADD", "{0}", "INCR", "1", "a"), ("ZINCRBY", "{0}", "1", "a"), ("ZREM", "{0}", "a")]),
    ("zpop", [("zadd", 0), ("zpopmin", 0), ("zpopmax", 0), ("del", 0)],
     [("ZADD", "{0}", "1", "a", "2", "b"), ("ZPOPMIN", "{0}"), ("ZPOPMAX", "{0}")]),
    ("zmpop", [("zadd", 0), ("zpopmax", 0), ("del", 0)], [("ZADD", "{0}", "1", "a"), ("ZMPOP", "1", "{0}", "MAX")]),
    ("zremrange", [("zadd", 0), ("zremrangebyscore", 0), ("del", 0)],
     [("ZADD", "{0}", "1", "a", "2", "b"), ("ZREMRANGEBYSCORE", "{0}", "-inf", "inf")]),
    ("zunionstore", [("zadd", 0), ("zunionstore", 1)], [("ZADD", "{0}", "1", "a"), ("ZUNIONSTORE", "{1}", "1", "{0}")]),
    ("zrangestore", [("zadd", 0), ("zrangestore", 1)], [("ZADD", "{0}", "1", "a"), ("ZRANGESTORE", "{1}", "{0}", "0", "-1")]),
    ("geo", [("zadd", 0), ("geosearchstore", 1)],
     [("GEOADD", "{0}", "1", "1", "a"),
      ("GEOSEARCHSTORE", "{1}", "{0}", "FROMLONLAT", "1", "1", "BYRADIUS", "1", "km")]),
    ("counting", [("pfadd", 0), ("pfadd", 1)], [("PFADD", "{0}", "a"), ("PFMERGE", "{1}", "{0}")]),
    ("stream", [("xadd", 0), ("xadd", 0), ("xtrim", 0), ("xdel", 0), ("xsetid", 0), ("expire", 0), ("persist", 0), ("del", 0)],
     [("XADD", "{0}", "1-1", "a", "1"), ("XADD", "{0}", "MAXLEN", "1", "2-1", "a", "1"), ("XDEL", "{0}", "2-1"),
      ("XSETID", "{0}", "9-1"), ("EXPIRE", "{0}", "9"), ("PERSIST", "{0}"), ("DEL", "{0}")]),
    ("group", [("xgroup-create", 0), ("xgroup-createconsumer", 0), ("xgroup-setid", 0), ("xgroup-delconsumer", 0),
               ("xgroup-destroy", 0)],
     [("XGROUP", "CREATE", "{0}", "g", "$", "MKSTREAM"), ("XGROUP", "CREATECONSUMER", "{0}", "g", "c"),
      ("XGROUP", "SETID", "{0}", "g", "0"), ("XGROUP", "DELCONSUMER", "{0}", "g", "c"), ("XGROUP", "DESTROY", "{0}", "g")]),
    ("nothing", [("set", 0)], [("DEL", "{0}"), ("SREM", "{1}", "x"), ("SETNX", "{0}", "x"), ("SETNX", "{0}", "y")]),
]


# A transaction must not read a stream that it has added to.
WAYS = [(case, way) for case in CASES for way in ("plain", "multi", "script") if (case[0], way) != ("stream", "multi")]


@pytest.mark.parametrize(("events", "commands", "way"), [(*case[1:], way) for case, way in WAYS],
                         ids=[f"{case[0]}-{way}" for case, way in WAYS])
def test_events_of_commands(client, name, events, commands, way):
    keys = [f"{{{name}}}a", f"{{{name}}}b"]
    client.delete(*keys)
    listener = Listener(client, f"{{{name}}}", "KEA")
    run = [[part.replace("{0}", keys[0]).replace("{1}", keys[1]) for part in command] for command in commands]
    if way == "plain":
        for command in run:
            client.execute_command(*command)
    elif way == "multi":
        with client.pipeline(transaction=True) as pipe:
            for command in run:
                pipe.execute_command(*command)
            pipe.execute()
    else:
        for command in run:
            client.eval("return redis.call(unpack(ARGV))", 2, *keys, *command)
    client.set(keys[0] + "end", "x")
    expected = [(event, keys[index]) for event, index in events]
    assert listener.until("set", keys[0] + "end")[:-1] == expected


def test_new_keys(client, name):
    listener = Listener(client, name, "KEn$")
    client.set(name, "a")
    client.set(name, "b")
    client.lpush(name + "l", "x")
    client.lpush(name + "l", "x")
    client.set(name + "end", "x")
    assert listener.until("set", name + "end") == [
        ("new", name), ("set", name), ("set", name), ("new", name + "l"), ("new", name + "end"), ("set", name + "end")]


def test_misses(client, name):
    listener = Listener(client, name, "KEm$")
    client.get(name)
    client.exists(name)
    client.xrange(name)
    client.lpush(name, "x")
    client.lrange(name, 0, -1)
    client.set(name + "end", "x")
    assert listener.until("set", name + "end")[:-1] == [("keymiss", name)] * 3


def test_what_expires_is_told_once(client, name):
    """What has expired by the same tick of the broker (100 ms) is told in any order."""
    listener = Listener(client, name, "Ex$g")
    client.set(name + "s", "x", px=30)
    client.xadd(name + "t", {"a": "1"})
    client.pexpire(name + "t", 120)
    client.set(name + "last", "x", px=2000)
    events = listener.until("expired", name + "last")
    told = [key for event, key in events if event == "expired"]
    assert sorted(told[:-1]) == [name + "s", name + "t"] and told[-1] == name + "last"


def test_flags_choose(client, name):
    for flags, shown in (("KEA", "AKE"), ("EKx", "xKE"), ("Kg$lshz", "g$lshzK"), ("", ""), ("KEAn", None), ("Em", "Em")):
        client.config_set("notify-keyspace-events", flags)
        got = client.config_get("notify-keyspace-events")["notify-keyspace-events"]
        assert shown is None or got == shown
    with pytest.raises(redis.ResponseError, match="Invalid event class character"):
        client.config_set("notify-keyspace-events", "KEq")
    listener = Listener(client, name, "El")
    client.set(name, "x")
    client.lpush(name + "l", "x")
    assert listener.until("lpush", name + "l") == [("lpush", name + "l")]


def test_the_channels_of_keys(client, name):
    client.config_set("notify-keyspace-events", "K$")
    pubsub = client.pubsub()
    pubsub.subscribe(f"__keyspace@0__:{name}")
    pubsub.get_message(timeout=10)
    client.set(name, "x")
    assert pubsub.get_message(timeout=10)["data"] == "set"


def test_a_waiting_pop_is_told(client, broker, name):
    listener = Listener(client, name)
    with redis.Redis(broker.host, broker.redis_port, single_connection_client=True) as waiting:
        connection = waiting.connection
        connection.send_command("BLPOP", name, 0)
        harness.wait_for(lambda: any("b" in row["flags"] for row in client.client_list()), 10, "it waits")
        client.lpush(name, "x")
        events = listener.until("del", name)
        assert [event for event, _ in events if event != "new"] == ["lpush", "lpop", "del"]
        assert connection.read_response()


@pytest.mark.own
@pytest.mark.parametrize("shards", [1, 2])
def test_the_option(tmp_path, shards):
    broker = harness.Broker(shards=shards, root=tmp_path, arguments=["--redis-notify-keyspace-events", "Kx"]).start()
    try:
        with redis.Redis(broker.host, broker.redis_port, decode_responses=True) as client:
            assert client.config_get("notify-keyspace-events") == {"notify-keyspace-events": "xK"}
            for number in range(20):
                client.set(f"key{number}", "x", px=30)
            pubsub = client.pubsub()
            pubsub.psubscribe("__keyspace@0__:late*")
            assert pubsub.get_message(timeout=10)
            for number in range(20):
                client.set(f"late{number}", "x", px=30)
            told = {pubsub.get_message(timeout=10)["channel"] for _ in range(20)}
            assert len(told) == 20
    finally:
        broker.close()
