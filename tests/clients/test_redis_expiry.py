"""Streams that expire, as other keys do: deadlines that survive restarts, what becomes of what waited.

The `client` tests also run against redis-server with PEERS set.
"""

import time

import pytest
import redis
from confluent_kafka.admin import AdminClient

import harness


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, broker):
    with redis.Redis(broker.host, broker.redis_port, protocol=request.param, socket_timeout=20,
                     decode_responses=True) as client:
        yield client


def gone(client, key, seconds=10):
    harness.wait_for(lambda: not client.exists(key), seconds, f"{key} expires")


def test_a_stream_has_a_deadline_like_any_key(client, name):
    client.xadd(name, {"a": "1"})
    assert client.ttl(name) == -1 and client.pttl(name) == -1 and client.expiretime(name) == -1
    assert client.expire(name, 100) and 98 <= client.ttl(name) <= 100
    assert client.pexpire(name, 50_000) and 49_000 <= client.pttl(name) <= 50_000
    assert client.pexpireat(name, 4_000_000_000_123) and client.pexpiretime(name) == 4_000_000_000_123
    assert client.expiretime(name) == 4_000_000_000
    assert client.persist(name) and client.ttl(name) == -1 and not client.persist(name)


def test_conditions(client, name):
    client.xadd(name, {"a": "1"})
    assert not client.expire(name, 100, xx=True) and not client.expire(name, 100, gt=True)
    assert client.expire(name, 100, lt=True) and not client.expire(name, 200, nx=True)
    assert client.expire(name, 200, gt=True) and not client.expire(name, 300, lt=True)
    assert 198 <= client.ttl(name) <= 200
    assert client.persist(name) and client.expire(name, 100, nx=True)


def test_changes_keep_the_deadline(client, name):
    client.xadd(name, {"a": "1"})
    client.expire(name, 100)
    client.xadd(name, {"a": "2"})
    client.xgroup_create(name, "g", 0)
    client.xtrim(name, maxlen=1, approximate=False)
    assert 90 < client.ttl(name) <= 100 and client.xlen(name) == 1


def test_it_is_gone_and_begins_anew(client, name):
    first = client.xadd(name, {"a": "1"}, id="9000000000000000-5")
    client.xgroup_create(name, "g", 0)
    client.pexpire(name, 30)
    gone(client, name)
    assert client.type(name) == "none" and client.ttl(name) == -2 and client.xlen(name) == 0
    assert client.xrange(name) == [] and not client.delete(name) and not client.expire(name, 10)
    assert name not in client.keys(name) and name not in list(client.scan_iter(name))
    second = client.xadd(name, {"b": "1"}, id="1-1")
    assert second == "1-1" and first != second
    assert client.xrange(name) == [("1-1", {"b": "1"})] and client.ttl(name) == -1
    assert client.xinfo_groups(name) == []


def test_another_type_takes_the_place(client, name):
    client.xadd(name, {"a": "1"})
    client.pexpire(name, 1)
    gone(client, name)
    assert client.rpush(name, "x") == 1 and client.type(name) == "list"


def test_a_deadline_in_the_past_deletes(client, name):
    client.xadd(name, {"a": "1"})
    assert client.expire(name, -1) and not client.exists(name)
    client.xadd(name, {"a": "1"})
    assert client.expireat(name, 1) and client.xlen(name) == 0


def test_exec_sees_that_a_watched_stream_got_a_deadline(client, name):
    client.xadd(name, {"a": "1"})
    with client.pipeline() as pipe:
        pipe.watch(name)
        client.expire(name, 100)
        pipe.multi()
        pipe.xlen(name)
        with pytest.raises(redis.WatchError):
            pipe.execute()
        pipe.xadd(name, {"a": "2"})
        pipe.expire(name, 50)
        pipe.ttl(name)
        assert pipe.execute()[1:] == [True, 50]


def test_a_waiting_group_reader_hears_of_the_end(client, broker, name):
    client.xadd(name, {"a": "1"})
    client.xgroup_create(name, "g", "$")
    client.pexpire(name, 100)
    with redis.Redis(broker.host, broker.redis_port, socket_timeout=20) as other:
        with pytest.raises(redis.ResponseError, match="NOGROUP|UNBLOCKED"):
            other.xreadgroup("g", "c", {name: ">"}, block=10_000)


@pytest.mark.own
def test_a_queue_does_not_expire(broker, name):
    import pika

    with pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.ports["amqp"])) as connection:
        connection.channel().queue_declare(name, durable=True)
        with redis.Redis(broker.host, broker.redis_port) as client:
            with pytest.raises(redis.ResponseError, match="queue"):
                client.expire(name, 1)
            assert client.ttl(name) == -1


@pytest.mark.own
def test_kafka_does_not_see_it_either(broker, name):
    with redis.Redis(broker.host, broker.redis_port) as client:
        client.xadd(name, {"a": "1"})
        admin = AdminClient({"bootstrap.servers": f"{broker.host}:{broker.ports['kafka']}"})
        assert name in admin.list_topics(timeout=20).topics
        client.pexpire(name, 1)
        gone(client, name)
        assert name not in admin.list_topics(timeout=20).topics


@pytest.mark.parametrize("kill", [True, False], ids=["kill", "stop"])
def test_deadlines_survive(own_broker, kill):
    broker = own_broker
    with redis.Redis(broker.host, broker.redis_port, decode_responses=True) as client:
        for key in ("stays", "later", "soon"):
            client.xadd(key, {"a": "1"})
        client.expireat("later", 4_000_000_000)
        client.xadd("persisted", {"a": "1"})
        client.expire("persisted", 100)
        client.persist("persisted")
        client.pexpire("soon", 300)
    broker.restart(kill=kill)
    with redis.Redis(broker.host, broker.redis_port, decode_responses=True) as client:
        assert client.expiretime("later") == 4_000_000_000
        assert client.ttl("stays") == -1 and client.ttl("persisted") == -1
        gone(client, "soon")
        assert client.xadd("soon", {"b": "2"}, id="1-1") == "1-1"
    broker.restart(kill=True)
    with redis.Redis(broker.host, broker.redis_port, decode_responses=True) as client:
        assert client.xrange("soon") == [("1-1", {"b": "2"})] and client.ttl("soon") == -1
        assert client.expiretime("later") == 4_000_000_000


def test_what_expires_while_nothing_runs_is_gone(own_broker):
    broker = own_broker
    with redis.Redis(broker.host, broker.redis_port) as client:
        client.xadd("short", {"a": "1"})
        client.set("string", "x")
        client.pexpire("short", 50)
        client.pexpire("string", 50)
        deadline = time.time() + 0.05
    broker.kill()
    harness.wait_for(lambda: time.time() > deadline, 5, "the deadline passes")
    broker.start()
    with redis.Redis(broker.host, broker.redis_port) as client:
        assert not client.exists("short") and not client.exists("string")
