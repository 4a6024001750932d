"""Policies: made over the HTTP API, their effect seen by pika, on queues that are there and on those to come."""

import contextlib
import time

import harness
import pika
import pytest
from httpapi import Api

pytestmark = pytest.mark.own


@pytest.fixture
def api(own_broker):
    return Api(own_broker.management_port)


@pytest.fixture
def channel(own_broker):
    connection = pika.BlockingConnection(pika.ConnectionParameters(own_broker.host, own_broker.amqp_port))
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    with contextlib.suppress(pika.exceptions.AMQPError):  # A test may have killed the broker.
        connection.close()


def put(api, name, pattern, definition, status=201, kind="policies", **more):
    api.put(f"{kind}/%2F/{name}", {"pattern": pattern, "definition": definition, **more}, status)


def count(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def bodies(channel, queue):
    found = []
    while (got := channel.basic_get(queue, auto_ack=True))[0]:
        found.append(got[2])
    return found


def test_lengths_of_queues_that_are_there(api, channel):
    for queue in ("old", "other"):
        channel.queue_declare(queue, durable=True)
        for index in range(6):
            channel.basic_publish("", queue, b"%d" % index)
    put(api, "short", "^old$", {"max-length": 3}, **{"apply-to": "queues"})
    harness.wait_for(lambda: count(channel, "old") == 3, 5, "the oldest go")
    assert api.get("queues/%2F/old")["policy"] == "short" and api.get("queues/%2F/other")["policy"] is None
    channel.basic_publish("", "old", b"6")
    harness.wait_for(lambda: count(channel, "old") == 3, 5, "the oldest goes")
    # By bytes, with deliveries under way and others settled.
    first = channel.basic_get("old")
    put(api, "short", "^old$", {"max-length-bytes": 2}, 204)
    harness.wait_for(lambda: count(channel, "old") == 2, 5, "two bytes are left")
    channel.basic_nack(first[0].delivery_tag, requeue=True)
    harness.wait_for(lambda: count(channel, "old") == 2, 5, "what came back is one too many")
    api.delete("policies/%2F/short")
    for index in range(5):
        channel.basic_publish("", "old", b"x")
    assert count(channel, "old") == 7 and bodies(channel, "old") == [b"5", b"6", *[b"x"] * 5]
    assert count(channel, "other") == 6
    assert api.get("queues/%2F/old")["policy"] is None


def test_what_is_out_comes_back_when_a_policy_came_meanwhile(api, channel):
    channel.queue_declare("q", durable=True)
    for index in range(4):
        channel.basic_publish("", "q", b"%d" % index)
    tags = [channel.basic_get("q")[0].delivery_tag for _ in range(2)]
    put(api, "bytes", "q", {"max-length-bytes": 1000})
    channel.basic_nack(tags[0], requeue=True)
    channel.basic_ack(tags[1])
    assert bodies(channel, "q") == [b"0", b"2", b"3"]
    channel.basic_publish("", "q", b"4")
    tag = channel.basic_get("q")[0].delivery_tag
    api.delete("policies/%2F/bytes")
    channel.basic_nack(tag, requeue=True)
    assert bodies(channel, "q") == [b"4"]


def test_time_to_live_and_dead_letters(api, channel):
    channel.queue_declare("q", durable=True)
    channel.queue_declare("dead", durable=True)
    for index in range(3):
        channel.basic_publish("", "q", b"%d" % index)
    put(api, "ttl", "^q$", {"message-ttl": 50, "dead-letter-exchange": "", "dead-letter-routing-key": "dead"})
    harness.wait_for(lambda: count(channel, "dead") == 3, 5, "they expire")
    method, properties, body = channel.basic_get("dead", auto_ack=True)
    assert body == b"0" and properties.headers["x-first-death-reason"] == "expired"
    assert count(channel, "q") == 0


def test_arguments_and_policies_together(api, channel):
    """Of limits the smaller counts; the declaration's dead-letter exchange wins."""
    channel.queue_declare("small", arguments={"x-max-length": 2})
    channel.queue_declare("large", arguments={"x-max-length": 50})
    put(api, "len", "^(small|large)$", {"max-length": 5})
    for queue in ("small", "large"):
        for index in range(8):
            channel.basic_publish("", queue, b"%d" % index)
    harness.wait_for(lambda: (count(channel, "small"), count(channel, "large")) == (2, 5), 5, "limits")
    # And the declaration is the same as it was.
    channel.queue_declare("large", arguments={"x-max-length": 50})
    put(api, "cap", "^large$", {"max-length": 4}, kind="operator-policies")
    harness.wait_for(lambda: count(channel, "large") == 4, 5, "the operator's limit")
    queue = api.get("queues/%2F/large")
    assert (queue["policy"], queue["operator_policy"]) == ("len", "cap")
    assert queue["arguments"] == {"x-max-length": 50}


def test_priorities_of_policies(api, channel):
    put(api, "a", "^q", {"max-length": 1}, priority=1)
    put(api, "b", "^q1", {"max-length": 2}, priority=2)
    put(api, "c", "^q", {"max-length": 3}, priority=9, **{"apply-to": "quorum_queues"})
    channel.queue_declare("q1")
    channel.queue_declare("q2")
    channel.queue_declare("q3", durable=True, arguments={"x-queue-type": "quorum"})
    for queue in ("q1", "q2", "q3"):
        for index in range(5):
            channel.basic_publish("", queue, b"m")
    harness.wait_for(lambda: [count(channel, queue) for queue in ("q1", "q2", "q3")] == [2, 1, 3], 5, "limits")
    api.delete("policies/%2F/b")
    harness.wait_for(lambda: count(channel, "q1") == 1, 5, "the next policy counts")


def test_refusing_publishers(api, channel):
    channel.queue_declare("q")
    put(api, "full", "^q$", {"max-length": 1, "overflow": "reject-publish"})
    channel.basic_publish("", "q", b"1")
    with pytest.raises(pika.exceptions.NackError):
        channel.basic_publish("", "q", b"2")
    api.delete("policies/%2F/full")
    channel.basic_publish("", "q", b"3")
    assert bodies(channel, "q") == [b"1", b"3"]


def test_unused_queues_go(api, channel):
    channel.queue_declare("brief")
    channel.queue_declare("kept")
    put(api, "exp", "^(brief|kept)$", {"expires": 300})
    channel.basic_consume("kept", lambda *_: None)
    channel.connection.process_data_events(time_limit=0.1)
    harness.wait_for(lambda: api.ask("GET", "queues/%2F/brief")[0] == 404, 5, "unused")
    assert api.get("queues/%2F/kept")["consumers"] == 1


def test_delivery_limit(api, channel):
    put(api, "limit", "^q$", {"delivery-limit": 2, "dead-letter-exchange": "", "dead-letter-routing-key": "dead"})
    channel.queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_declare("dead")
    channel.basic_publish("", "q", b"poison")
    for _ in range(3):
        channel.basic_reject(channel.basic_get("q")[0].delivery_tag, requeue=True)
    harness.wait_for(lambda: count(channel, "dead") == 1, 5, "too many deliveries")


def test_dead_letter_strategy(own_broker, api, channel):
    """On a queue that is there; a declaration's own word counts, and what waits goes with the policy."""
    quorum = {"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("q", durable=True, arguments=quorum)
    channel.queue_declare("said", durable=True, arguments={**quorum, "x-dead-letter-strategy": "at-most-once"})
    definition = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}
    put(api, "p", ".*", definition, **{"apply-to": "quorum_queues"})
    put(api, "cap", "^q$", {"max-length": 9, "overflow": "reject-publish"}, kind="operator-policies")
    for queue in ("q", "said"):
        channel.basic_publish("", queue, b"m", pika.BasicProperties(delivery_mode=2))
        channel.basic_reject(channel.basic_get(queue)[0].delivery_tag, requeue=False)

    def waiting(api):
        harness.wait_for(lambda: [api.get(f"queues/%2F/{queue}")["messages"] for queue in ("q", "said")] == [1, 0],
                         5, "one waits")

    waiting(api)
    assert api.get("queues/%2F/q")["effective_policy_definition"] == {**definition, "max-length": 9}
    assert api.get("queues/%2F/said")["effective_policy_definition"] == definition
    assert api.get("policies/%2F/p")["definition"] == definition
    time.sleep(1.2)
    waiting(api)
    own_broker.kill()
    own_broker.start()
    api = Api(own_broker.management_port)
    connection = pika.BlockingConnection(pika.ConnectionParameters(own_broker.host, own_broker.amqp_port))
    channel = connection.channel()
    channel.basic_reject(channel.basic_get("q")[0].delivery_tag, requeue=False)
    waiting(api)
    channel.queue_declare("dead", durable=True)
    harness.wait_for(lambda: count(channel, "dead") == 1, 5, "it has come")
    channel.queue_delete("dead")
    put(api, "p", ".*", {**definition, "dead-letter-strategy": "at-most-once"}, 204)
    channel.basic_publish("", "q", b"m", pika.BasicProperties(delivery_mode=2))
    harness.wait_for(lambda: count(channel, "q") == 1, 5, "published")
    channel.basic_reject(channel.basic_get("q")[0].delivery_tag, requeue=False)
    harness.wait_for(lambda: api.get("queues/%2F/q")["messages"] == 0, 5, "nobody takes it")
    api.delete("policies/%2F/p")
    assert api.get("queues/%2F/said")["effective_policy_definition"] == {}
    connection.close()


def test_policies_outlive_kill(own_broker, api, channel):
    channel.queue_declare("q", durable=True)
    put(api, "len", "^q$", {"max-length": 2, "overflow": "reject-publish"}, priority=-3)
    put(api, "cap", ".*", {"message-ttl": 600000, "delivery-limit": -1}, kind="operator-policies", **{"apply-to": "queues"})
    before = api.get("definitions")
    assert before["policies"] == [{"vhost": "/", "name": "len", "pattern": "^q$", "apply-to": "all", "priority": -3,
                                   "definition": {"max-length": 2, "overflow": "reject-publish"}}]
    assert before["parameters"][0]["component"] == "operator_policy"
    channel.basic_publish("", "q", b"1", pika.BasicProperties(delivery_mode=2))
    for stop in (own_broker.kill, own_broker.stop_with_checkpoint, own_broker.kill):
        stop()
        own_broker.start()
        again = Api(own_broker.management_port)
        assert again.get("definitions") == before
        queue = again.get("queues/%2F/q")
        assert (queue["policy"], queue["operator_policy"], queue["arguments"]) == ("len", "cap", {})
    connection = pika.BlockingConnection(pika.ConnectionParameters(own_broker.host, own_broker.amqp_port))
    fresh = connection.channel()
    fresh.confirm_delivery()
    fresh.basic_publish("", "q", b"2", pika.BasicProperties(delivery_mode=2))
    with pytest.raises(pika.exceptions.NackError):
        fresh.basic_publish("", "q", b"3", pika.BasicProperties(delivery_mode=2))
    again.delete("policies/%2F/len")
    fresh.basic_publish("", "q", b"4", pika.BasicProperties(delivery_mode=2))
    assert count(fresh, "q") == 3
    other = harness.Broker().start()
    try:
        target = Api(other.management_port)
        target.post("definitions", before, 204)
        found = target.get("definitions")
        assert (found["policies"], found["parameters"]) == (before["policies"], before["parameters"])
    finally:
        other.close()


def test_refusals(api):
    for definition in ({}, {"foo": 1}, {"max-length": "x"}, {"max-length": -1}, {"message-ttl": 1.5}, {"expires": 0},
                       {"overflow": "up"}, {"dead-letter-exchange": 5}, {"alternate-exchange": 1}, {"max-age": "7"}, {"max-age": 7},
                       {"dead-letter-strategy": "exactly-once"}, {"dead-letter-strategy": True}, []):
        put(api, "bad", "x", definition, 400)
    put(api, "bad", "(", {"max-length": 1}, 400)
    put(api, "bad", "x", {"max-length": 1}, 400, priority="high")
    put(api, "bad", "x", {"max-length": 1}, 400, **{"apply-to": "shovels"})
    for definition in ({"dead-letter-exchange": "x"}, {"alternate-exchange": "x"}, {"max-age": "7D"},
                       {"dead-letter-strategy": "at-least-once"}):
        put(api, "bad", "x", definition, 400, kind="operator-policies")
    api.delete("policies/%2F/bad", 404)
    api.get("policies/%2F/bad", 404)
    assert api.get("policies") == [] and api.get("operator-policies/%2F") == []
    api.put("users/maker", {"password": "p", "tags": "policymaker"})
    api.put("permissions/%2F/maker", {"configure": "", "write": "", "read": ""})
    maker = Api(api.address[1], "maker", "p")
    put(maker, "fine", "x", {"max-length": 1})
    put(maker, "no", "x", {"max-length": 1}, 401, kind="operator-policies")


def test_alternate_exchanges(own_broker, api, channel):
    for exchange in ("a", "b", "own", "rest", "own-rest"):
        arguments = {"alternate-exchange": "own-rest"} if exchange == "own" else None
        channel.exchange_declare(exchange, "fanout", durable=True, arguments=arguments)
    for queue in ("rest", "own-rest"):
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, queue)
    definition = {"alternate-exchange": "rest"}
    put(api, "ae", "^(a|own|q)$", definition, **{"apply-to": "exchanges"})
    assert api.get("exchanges/%2F/a")["policy"] == "ae" and "policy" not in api.get("exchanges/%2F/b")
    assert api.get("policies/%2F/ae")["definition"] == definition
    for exchange in ("a", "own"):
        channel.basic_publish(exchange, "", exchange.encode(), pika.BasicProperties(delivery_mode=2), mandatory=True)
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("b", "", b"b", mandatory=True)
    own_broker.kill()
    own_broker.start()
    api = Api(own_broker.management_port)
    connection = pika.BlockingConnection(pika.ConnectionParameters(own_broker.host, own_broker.amqp_port))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("a", "", b"again", mandatory=True)
    assert (bodies(channel, "rest"), bodies(channel, "own-rest")) == ([b"a", b"again"], [b"own"])
    api.delete("policies/%2F/ae")
    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("a", "", b"a", mandatory=True)
    connection.close()


def test_age_and_size_of_streams(api, channel):
    for stream in ("old", "large", "free"):
        channel.queue_declare(stream, durable=True, arguments={"x-queue-type": "stream", "x-max-age": "1h"})
        for _ in range(5):
            channel.basic_publish("", stream, b"x" * 1000)
    put(api, "age", "^old$", {"max-age": "1s"}, **{"apply-to": "streams"})
    put(api, "size", "^large$", {"max-length-bytes": 1500})
    assert api.get("queues/%2F/old")["policy"] == "age" and api.get("queues/%2F/free")["policy"] is None
    assert api.get("policies/%2F/age")["definition"] == {"max-age": "1s"}

    def lengths():
        return [api.get(f"queues/%2F/{stream}")["messages"] for stream in ("old", "large", "free")]

    harness.wait_for(lambda: lengths() == [0, 1, 5], 15, "retention has looked at them")


def test_many_changes_of_policy_lose_nothing(api, channel):
    """Indexes come and go under traffic."""
    channel.queue_declare("q", durable=True)
    sent, got = [], []
    until = time.monotonic() + 20
    for index in range(120):
        body = b"%d" % index
        channel.basic_publish("", "q", body, pika.BasicProperties(delivery_mode=2, priority=index % 3))
        sent.append(body)
        if index % 5 == 0:
            put(api, "p", "^q$", {"max-length-bytes": 10_000_000} if index % 10 else {"message-ttl": 600_000},
                204 if index else 201)
        if index % 3 == 0:
            method, _, body = channel.basic_get("q")
            if index % 2:
                channel.basic_nack(method.delivery_tag, requeue=True)
            else:
                channel.basic_ack(method.delivery_tag)
                got.append(body)
        assert time.monotonic() < until
    assert sorted(got + bodies(channel, "q")) == sorted(sent)
