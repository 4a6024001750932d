"""What is new in Redis 8.6 to 8.10: entries that are added once (IDMP), entries given back (XNACK), limits over all streams of a
read. There is no such server to compare with: the model is the documentation. Restarts are clean ones, with a checkpoint, and kills."""

import random
import threading
import time

import pytest
import redis

import harness

LLONG_MAX = 2**63 - 1


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, broker):
    with redis.Redis(broker.host, broker.redis_port, protocol=request.param, socket_timeout=30) as client:
        yield client


def connect(broker):
    return redis.Redis(broker.host, broker.redis_port, socket_timeout=30)


def facts(client, stream):
    reply = client.execute_command("XINFO STREAM", stream)
    return {k.decode() if isinstance(k, bytes) else k: v for k, v in reply.items()}


def test_with_the_client_s_own_methods(client, name):
    first = client.xadd(name, {"f": "1"}, idmp=("producer", b"name\x00\xff"))
    assert client.xadd(name, {"f": "2"}, idmp=("producer", b"name\x00\xff")) == first
    auto = client.xadd(name, {"a": "1", "b": "2"}, idmpauto="producer")
    assert client.xadd(name, {"b": "2", "a": "1"}, idmpauto="producer") == auto != first
    assert client.xlen(name) == 2
    assert client.xcfgset(name, idmp_duration=7, idmp_maxsize=3)
    info = facts(client, name)
    assert (info["idmp-duration"], info["idmp-maxsize"]) == (7, 3)
    assert (info["iids-tracked"], info["iids-added"], info["iids-duplicates"]) == (0, 2, 2)


def test_names_end_with_their_time(client, name):
    client.xadd(name, {"f": "0"})
    client.xcfgset(name, idmp_duration=1)
    first = client.xadd(name, {"f": "1"}, idmp=("p", "a"))
    assert client.xadd(name, {"f": "1"}, idmp=("p", "a")) == first
    time.sleep(1.1)
    assert facts(client, name)["iids-tracked"] == 0
    assert client.xadd(name, {"f": "1"}, idmp=("p", "a")) != first


def test_an_id_ahead_of_the_clock_does_not_keep_names(client, name):
    """In Redis 8.8 they are kept for ever then (its issue 15836)."""
    client.xadd(name, {"f": "0"}, id="99999999999999-0")
    client.xcfgset(name, idmp_duration=1)
    first = client.xadd(name, {"f": "1"}, idmp=("p", "a"))
    time.sleep(1.1)
    assert client.xadd(name, {"f": "1"}, idmp=("p", "a")) != first


def test_names_that_are_too_long_or_too_many(client, name):
    long = b"x" * 65536
    first = client.xadd(name, {"f": "1"}, idmp=("p", long))
    assert client.xadd(name, {"f": "1"}, idmp=("p", long)) == first
    with pytest.raises(redis.ResponseError, match="too long"):
        client.xadd(name, {"f": "1"}, idmp=("p", long * 3))
    client.xcfgset(name, idmp_maxsize=10000)
    added = 0
    with pytest.raises(redis.ResponseError, match="no more idempotent IDs"):
        for added in range(2000):
            client.xadd(name, {"f": "1"}, idmp=("p", b"%d" % added + long))
    assert 900 < added < 1100 and client.xlen(name) == added + 1
    assert client.xadd(name, {"f": "1"}, idmp=("p", b"7" + long))  # What is known is still answered.
    assert client.xlen(name) == added + 1
    client.xadd(name, {"f": "1"})
    client.delete(name)


@pytest.mark.own
@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_names_survive(own_broker, name, kill):
    client = connect(own_broker)
    ids = {}
    client.xadd(name, {"f": "0"})
    client.xcfgset(name, idmp_duration=300, idmp_maxsize=50)
    for number in range(60):
        producer = f"p{number % 2}"
        ids[producer, number] = client.xadd(name, {"n": number}, idmp=(producer, str(number)))
    client.xadd(name, {"n": 59}, idmp=("p1", "59"))
    client.xdel(name, ids["p1", 59])
    before = facts(client, name)
    own_broker.restart(kill=kill)
    client = connect(own_broker)
    after = facts(client, name)
    for fact in ("length", "idmp-duration", "idmp-maxsize", "pids-tracked", "iids-tracked", "iids-added", "iids-duplicates"):
        assert before[fact] == after[fact], fact
    for (producer, number), one in ids.items():
        assert client.xadd(name, {"n": number}, idmp=(producer, str(number))) == one
    assert client.xlen(name) == 60


@pytest.mark.own
def test_retries_over_kills_add_nothing_twice(own_broker, name):
    """Producers that try again until they are answered, while the broker is killed: each entry is there once."""
    stop, done, failures = threading.Event(), {}, []

    def produce(producer):
        number = 0
        while not stop.is_set() and number < 100000:
            try:
                with connect(own_broker) as client:
                    while not stop.is_set():
                        one = client.xadd(name, {"p": producer, "n": number}, idmp=(producer, str(number)))
                        if random.random() < 0.2 and client.xadd(name, {"again": "1"}, idmp=(producer, str(number))) != one:
                            failures.append((producer, number))
                        done[producer, number] = one
                        number += 1
            except (redis.RedisError, OSError):
                time.sleep(0.02)

    with connect(own_broker) as client:
        client.xadd(name, {"first": "1"})
        client.xcfgset(name, idmp_duration=300, idmp_maxsize=10000)
    threads = [threading.Thread(target=produce, args=(f"p{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        time.sleep(0.6)
        own_broker.kill()
        own_broker.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and len(done) > 50
    with connect(own_broker) as client:
        entries = client.xrange(name)[1:]
        seen = [(fields[b"p"].decode(), int(fields[b"n"])) for _, fields in entries]
        assert len(seen) == len(set(seen))
        there = {(fields[b"p"].decode(), int(fields[b"n"])): one for one, fields in entries}
        assert all(there[key] == one for key, one in done.items())


def pending(client, stream):
    return {row["message_id"].decode(): (row["consumer"].decode(), row["time_since_delivered"], row["times_delivered"])
            for row in client.xpending_range(stream, "g", "-", "+", 100)}


@pytest.mark.own
@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_what_was_given_back_survives(own_broker, name, kill):
    client = connect(own_broker)
    for number in (1, 2, 3, 4):
        client.xadd(name, {"f": number}, id=f"{number}-0")
    client.xgroup_create(name, "g", "0")
    client.xreadgroup("g", "one", {name: ">"})
    assert client.execute_command("XNACK", name, "g", "FAIL", "IDS", 1, "3-0") == 1
    assert client.execute_command("XNACK", name, "g", "SILENT", "IDS", 1, "1-0") == 1
    assert client.execute_command("XNACK", name, "g", "FATAL", "IDS", 1, "2-0") == 1
    own_broker.restart(kill=kill)
    client = connect(own_broker)
    got = pending(client, name)
    assert got.pop("4-0")[0] == "one"
    full = client.execute_command("XINFO STREAM", name, "FULL", full=True)
    assert b"nacked-count" in str(full).encode()
    assert got == {"1-0": ("", -1, 0), "2-0": ("", -1, LLONG_MAX), "3-0": ("", -1, 1)}
    client.set_response_callback("XREADGROUP", lambda reply, **_: reply)
    reply = client.execute_command("XREADGROUP", "GROUP", "g", "two", "CLAIM", 3_600_000, "STREAMS", name, ">")
    assert [entry[0] for entry in reply[0][1]] == [b"3-0", b"1-0", b"2-0"]


def test_who_waits_with_claim_gets_what_is_given_back(broker, client, name):
    client.xadd(name, {"f": "1"}, id="1-0")
    client.xgroup_create(name, "g", "0")
    client.xreadgroup("g", "one", {name: ">"})
    got = []

    def wait():
        with connect(broker) as other:
            other.set_response_callback("XREADGROUP", lambda reply, **_: reply)
            got.append(other.execute_command("XREADGROUP", "GROUP", "g", "two", "BLOCK", 20_000, "CLAIM", 3_600_000,
                                             "STREAMS", name, ">"))

    thread = threading.Thread(target=wait)
    thread.start()
    harness.wait_for(lambda: any("b" in row["flags"] for row in client.client_list()), 10, "it waits")
    start = time.monotonic()
    assert client.execute_command("XNACK", name, "g", "FAIL", "IDS", 1, "1-0") == 1
    thread.join()
    assert time.monotonic() - start < 10
    assert got[0][0][1][0][0] == b"1-0" and got[0][0][1][0][3] == 1
    assert pending(client, name)["1-0"][0] == "two"


def test_limits_over_all_streams(client, name):
    keys = [f"{{{name}}}{number}" for number in range(3)]
    for key in keys:
        for number in range(1, 5):
            client.xadd(key, {"f": "x" * 100}, id=f"{number}-0")
    client.set_response_callback("XREAD", lambda reply, **_: dict(reply) if isinstance(reply, list) else reply)

    def counts(*options):
        reply = client.execute_command("XREAD", *options, "STREAMS", *keys, 0, 0, 0)
        return [len((reply or {}).get(key.encode(), [])) for key in keys]

    assert counts("COUNT", 2) == [2, 2, 2]
    assert counts("COUNT", 2, "MAXCOUNT", 3) == [2, 1, 0]
    assert counts("MAXCOUNT", 6) == [4, 2, 0]
    assert counts("MAXSIZE", 1) == [1, 0, 0]
    assert counts("MAXSIZE", 900) == [4, 2, 0]
    assert counts("COUNT", 1, "MAXSIZE", 1_000_000) == [1, 1, 1]
