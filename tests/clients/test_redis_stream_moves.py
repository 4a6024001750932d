"""RENAME and COPY of streams, as redis-server does where it can be asked; with other writers, kills and other protocols."""

import threading
import time

import pika
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from confluent_kafka import Producer

import harness


@pytest.fixture
def client(broker):
    with redis.Redis(broker.host, broker.redis_port, socket_timeout=30) as client:
        yield client


@pytest.fixture
def names(name):
    return f"{{{name}}}from", f"{{{name}}}to"


def connect(broker, **options):
    return redis.Redis(broker.host, broker.redis_port, socket_timeout=30, **options)


def test_a_blocked_reader_finds_what_comes_under_its_name(broker, client, names):
    source, target = names
    client.xadd(source, {"f": "1"}, id="1-0")
    client.xgroup_create(source, "g", "0")
    got = []

    def wait():
        with connect(broker) as other:
            got.append(other.xread({target: "0"}, block=20_000))

    thread = threading.Thread(target=wait)
    thread.start()
    harness.wait_for(lambda: any("b" in row["flags"] for row in client.client_list()), 10, "it waits")
    client.rename(source, target)
    thread.join()
    assert got[0][0][1] == [(b"1-0", {b"f": b"1"})]
    assert client.exists(source) == 0 and client.xinfo_groups(target)[0]["name"] == b"g"


def test_a_blocked_group_reader_hears_that_its_stream_is_gone(broker, client, names):
    source, target = names
    client.xgroup_create(source, "g", "$", mkstream=True)
    got = []

    def wait():
        with connect(broker) as other:
            try:
                got.append(other.xreadgroup("g", "c", {source: ">"}, block=20_000))
            except redis.ResponseError as error:
                got.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    harness.wait_for(lambda: any("b" in row["flags"] for row in client.client_list()), 10, "it waits")
    client.rename(source, target)
    thread.join()
    assert "NOGROUP" in got[0]


def test_pipelined_entries_go_along(client, names):
    source, target = names
    for _ in range(20):
        pipeline = client.pipeline(transaction=False)
        for number in range(30):
            pipeline.xadd(source, {"n": number})
        pipeline.rename(source, target)
        pipeline.xlen(target)
        pipeline.xrange(target)
        pipeline.delete(target)
        replies = pipeline.execute()[-4:]
        assert (replies[0], replies[1], len(replies[2]), replies[3]) == (True, 30, 30, 1)


@pytest.mark.parametrize("move", [True, False], ids=["rename", "copy"])
def test_nothing_that_was_answered_is_lost_to_other_writers(broker, client, names, move):
    source, target = names
    added, stop = [], threading.Event()

    def write(writer):
        with connect(broker) as other:
            while not stop.is_set():
                added.append((writer, other.xadd(source, {"w": writer})))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    kept = set()
    for number in range(10):
        time.sleep(0.05)
        try:
            if move:
                client.rename(source, f"{target}{number}")
            else:
                client.copy(source, f"{target}{number}")
        except redis.ResponseError as error:
            assert "no such key" in str(error)
            continue
        kept |= {(int(fields[b"w"]), one) for one, fields in client.xrange(f"{target}{number}")}
    stop.set()
    for thread in threads:
        thread.join()
    left = {(int(fields[b"w"]), one) for one, fields in client.xrange(source)}
    assert set(added) == kept | left
    if not move:
        assert left == set(added)


def test_records_of_other_protocols_are_refused(broker, client, names):
    source, target = names[0].strip("{}").replace("}", "."), names[1]
    client.xadd(source, {"value": "1"})
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(source, b"2")
    assert producer.flush(20) == 0
    for command in ("RENAME", "COPY"):
        with pytest.raises(redis.ResponseError, match="other protocols|several shards"):
            client.execute_command(command, source, target)
    assert client.xlen(source) == 2


def test_queues_are_refused(broker, client, name):
    connection = pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.amqp_port))
    channel = connection.channel()
    channel.queue_declare(f"{{{name}}}q", durable=True)
    channel.confirm_delivery()
    client.xadd(f"{{{name}}}s", {"f": "1"})
    for one, other in ((f"{{{name}}}q", f"{{{name}}}s"), (f"{{{name}}}s", f"{{{name}}}q")):
        with pytest.raises(redis.ResponseError, match="queue"):
            client.rename(one, other)
    assert client.xlen(f"{{{name}}}s") == 1
    channel.queue_delete(f"{{{name}}}q")
    connection.close()


def test_what_is_too_large_is_refused(client, names):
    source, target = names
    for _ in range(60):
        client.xadd(source, {"f": b"x" * (1 << 20)})
    with pytest.raises(redis.ResponseError, match="too large"):
        client.rename(source, target)
    assert client.xlen(source) == 60 and client.exists(target) == 0
    client.xtrim(source, maxlen=30, approximate=False)
    client.rename(source, target)
    assert client.xlen(target) == 30 and client.exists(source) == 0
    client.delete(target)


@pytest.mark.own
def test_over_kills_it_has_one_name(own_broker, name):
    """The stream is renamed to and fro while the broker is killed: each time all of it is under one name."""
    names = [f"{{{name}}}a", f"{{{name}}}b"]
    with connect(own_broker) as client:
        for number in range(1, 201):
            client.xadd(names[0], {"n": number}, id=f"{number}-0")
        client.xgroup_create(names[0], "g", "0")
        client.xreadgroup("g", "c", {names[0]: ">"}, count=50)
    for _ in range(5):
        stop = threading.Event()

        def rename():
            try:
                with connect(own_broker, retry=Retry(NoBackoff(), 0)) as other:
                    while not stop.is_set():
                        for one, two in (names, names[::-1]):
                            try:
                                other.rename(one, two)
                            except redis.ResponseError as error:
                                assert "no such key" in str(error)
            except (redis.RedisError, OSError):
                pass

        thread = threading.Thread(target=rename)
        thread.start()
        time.sleep(0.4)
        own_broker.kill()
        stop.set()
        thread.join()
        own_broker.start()
        with connect(own_broker) as client:
            there = [one for one in names if client.exists(one)]
            assert len(there) == 1
            assert [one for one, _ in client.xrange(there[0])] == [b"%d-0" % number for number in range(1, 201)]
            assert client.xpending(there[0], "g")["pending"] == 50
