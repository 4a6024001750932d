"""Queues of type stream, and settlements that must come in time, with pika: declaring, reading from a place, what is
refused, and what is kept over kill -9."""

import time

import pika
import pytest
import redis
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

STREAM = {"x-queue-type": "stream"}
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def connect(broker):
    return pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.amqp_port, heartbeat=0))


def confirming(broker):
    channel = connect(broker).channel()
    channel.confirm_delivery()
    return channel


def read(broker, name, count, offset="first"):
    channel = connect(broker).channel()
    channel.basic_qos(prefetch_count=3)
    seen = []
    for method, properties, body in channel.consume(name, arguments={"x-stream-offset": offset},
                                                    inactivity_timeout=10):
        assert method is not None, seen
        channel.basic_ack(method.delivery_tag)
        seen.append((properties.headers["x-stream-offset"], body))
        if len(seen) == count:
            break
    channel.connection.close()
    return seen


def test_stream_is_read_again_and_again(broker, name):
    channel = confirming(broker)
    channel.exchange_declare(f"{name}.x", "topic", durable=True)
    channel.queue_declare(name, durable=True, arguments={**STREAM, "x-max-age": "1h"})
    channel.queue_bind(name, f"{name}.x", "a.#")
    for index in range(10):
        channel.basic_publish(f"{name}.x", "a.b", b"%d" % index, PERSISTENT)
    expected = [(index, b"%d" % index) for index in range(10)]
    assert read(broker, name, 10) == expected
    assert read(broker, name, 10) == expected
    assert read(broker, name, 4, 6) == expected[6:]
    assert read(broker, name, 10, "1h") == expected
    again = channel.queue_declare(name, durable=True, arguments={**STREAM, "x-max-age": "1h"}).method
    assert again.message_count == 10
    with pytest.raises(ChannelClosedByBroker, match="inequivalent arg 'x-max-age'"):
        connect(broker).channel().queue_declare(name, durable=True, arguments={**STREAM, "x-max-age": "2h"})
    with pytest.raises(ChannelClosedByBroker, match="current is the value 'stream' of type 'longstr'"):
        connect(broker).channel().queue_declare(name, durable=True)
    channel.queue_delete(name)
    channel.queue_declare(name, durable=True)
    channel.basic_publish(f"{name}.x", "a.b", b"unbound", PERSISTENT)
    assert channel.basic_get(name)[0] is None  # Its bindings went with it.


@pytest.mark.parametrize("how", ["nack", "reject"])
def test_stream_takes_nothing_back(broker, name, how):
    channel = confirming(broker)
    channel.queue_declare(name, durable=True, arguments=STREAM)
    channel.basic_publish("", name, b"x", PERSISTENT)
    channel.basic_qos(prefetch_count=1)
    method, _, _ = next(channel.consume(name, arguments={"x-stream-offset": "first"}, inactivity_timeout=10))
    with pytest.raises(ConnectionClosedByBroker, match="basic.nack and basic.reject not supported by stream queues"):
        getattr(channel, f"basic_{how}")(method.delivery_tag)
        channel.queue_declare(name, passive=True)


@pytest.mark.parametrize("arguments, properties, words", [
    ({"x-max-age": "1Q"}, {}, "invalid arg 'x-max-age' for queue '.*' in vhost '/': invalid_max_age"),
    ({"x-max-age": 5}, {}, "{unacceptable_type,signedint}"),
    ({"x-stream-max-segment-size-bytes": 1 << 40}, {}, "Exceeded max value for x-stream-max-segment-size-bytes"),
    ({"x-message-ttl": 1}, {}, "of queue type rabbit_stream_queue"),
    ({}, {"durable": False}, "invalid property 'non-durable'"),
    ({}, {"exclusive": True}, "invalid property 'exclusive-owner'"),
    ({}, {"auto_delete": True}, "invalid property 'auto-delete'"),
    ({}, {"queue": ""}, "Cannot declare a server-named queue for type rabbit_stream_queue"),
])
def test_stream_refusals(broker, name, arguments, properties, words):
    with pytest.raises(ChannelClosedByBroker, match=words):
        connect(broker).channel().queue_declare(
            **{"queue": name, "durable": True, "arguments": {**STREAM, **arguments}, **properties})


@pytest.mark.own
def test_stream_outlives_a_kill(own_broker, name):
    channel = confirming(own_broker)
    channel.queue_declare(name, durable=True, arguments=STREAM)
    for index in range(5):
        channel.basic_publish("", name, b"%d" % index, PERSISTENT)
    own_broker.restart(kill=True)
    assert [body for _, body in read(own_broker, name, 5)] == [b"%d" % index for index in range(5)]
    confirming(own_broker).queue_declare(name, durable=True, arguments=STREAM)
    with pytest.raises(ChannelClosedByBroker, match="inequivalent arg 'x-queue-type'"):
        confirming(own_broker).queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})


@pytest.mark.own
def test_the_time_to_settle_is_the_one_at_the_delivery(broker, name):
    """The queue is made anew without the argument, while a delivery of the old one waits for its settlement."""
    channel, slow = confirming(broker), connect(broker).channel()
    channel.queue_declare(name, durable=True, arguments={"x-consumer-timeout": 1000})
    channel.basic_publish("", name, b"late", PERSISTENT)
    assert slow.basic_get(name)[2] == b"late"
    channel.queue_delete(name)
    channel.queue_declare(name, durable=True)
    assert slow.basic_get(name) == (None, None, None)
    with pytest.raises(ChannelClosedByBroker, match="Timeout value used: 1000 ms"):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.05)
            slow.queue_declare(name, passive=True)
    channel.queue_declare(name, passive=True)


@pytest.mark.own
@pytest.mark.parametrize("pull", [False, True], ids=["consume", "get"])
def test_what_is_not_settled_in_time(broker, name, pull):
    channel = confirming(broker)
    channel.queue_declare(name, durable=True, arguments={"x-consumer-timeout": 400})
    for body in (b"settled", b"late"):
        channel.basic_publish("", name, body, PERSISTENT)
    slow = connect(broker).channel()
    if pull:
        tags = [slow.basic_get(name)[0].delivery_tag for _ in range(2)]
    else:
        consumed = slow.consume(name, inactivity_timeout=10)
        tags = [next(consumed)[0].delivery_tag for _ in range(2)]
    slow.basic_ack(tags[0])
    began = time.monotonic()
    with pytest.raises(ChannelClosedByBroker) as caught:
        while time.monotonic() < began + 10:
            time.sleep(0.05)
            slow.queue_declare(name, passive=True)
    assert caught.value.reply_code == 406
    assert caught.value.reply_text == (
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 400 ms. "
        "This timeout value can be configured, see consumers doc guide to learn more")
    method, _, body = channel.basic_get(name)
    assert (body, method.redelivered) == (b"late", True)
    channel.basic_ack(method.delivery_tag)


def read_filtered(broker, name, count, **arguments):
    """The offsets and bodies of the first so many that the filter lets through."""
    channel = connect(broker).channel()
    channel.basic_qos(prefetch_count=2)
    seen = []
    for method, properties, body in channel.consume(name, arguments={"x-stream-offset": "first", **arguments},
                                                    inactivity_timeout=60):
        assert method is not None, seen
        channel.basic_ack(method.delivery_tag)
        seen.append((properties.headers["x-stream-offset"], body))
        if len(seen) == count:
            break
    channel.connection.close()
    return seen


def test_filters(broker, name):
    channel = confirming(broker)
    channel.queue_declare(name, durable=True, arguments={**STREAM, "x-stream-filter-size-bytes": 64})
    values = ["a", "b", None, "c", "a", None, "b"]
    for index, value in enumerate(values):
        headers = {} if value is None else {"x-stream-filter-value": value}
        channel.basic_publish("", name, b"%d" % index, pika.BasicProperties(delivery_mode=2, headers=headers))

    def expected(*wanted):
        return [(index, b"%d" % index) for index, value in enumerate(values) if value in wanted]

    assert read_filtered(broker, name, 2, **{"x-stream-filter": "a"}) == expected("a")
    assert read_filtered(broker, name, 3, **{"x-stream-filter": ["c", "b"]}) == expected("b", "c")
    assert read_filtered(broker, name, 4, **{"x-stream-filter": "b", "x-stream-match-unfiltered": True}) == expected("b", None)
    channel.basic_publish("", name, b"late", pika.BasicProperties(delivery_mode=2, headers={"x-stream-filter-value": "d"}))
    assert read_filtered(broker, name, 1, **{"x-stream-filter": "d"}) == [(7, b"late")]


def test_a_filter_passes_over_many_without_keeping_others_waiting(broker, name):
    publisher = connect(broker).channel()
    publisher.queue_declare(name, durable=True, arguments=STREAM)
    count = 60_000
    unwanted = pika.BasicProperties(headers={"x-stream-filter-value": "unwanted"})
    for _ in range(count):
        publisher.basic_publish("", name, b"", unwanted)
    publisher.confirm_delivery()
    publisher.basic_publish("", name, b"wanted", pika.BasicProperties(headers={"x-stream-filter-value": "wanted"}))
    assert read_filtered(broker, name, 1, **{"x-stream-filter": "wanted"}) == [(count, b"wanted")]
    # Many at once, and others are heard between their steps.
    readers = [connect(broker) for _ in range(4)]
    for reader in readers:
        reader.channel()
    seen = []
    for reader in readers:
        channel = reader.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(name, lambda *delivery: seen.append(delivery[3]), arguments={
            "x-stream-offset": "first", "x-stream-filter": "wanted"})
    slowest = 0.0
    until = time.monotonic() + 60
    while len(seen) < len(readers) and time.monotonic() < until:
        asked = time.monotonic()
        publisher.queue_declare(name, passive=True)
        slowest = max(slowest, time.monotonic() - asked)
        for reader in readers:
            reader.process_data_events(time_limit=0)
    assert seen == [b"wanted"] * len(readers)
    assert slowest < 1, slowest


def test_filters_know_what_other_protocols_write(broker, name):
    log = redis.Redis(host=broker.host, port=broker.redis_port)
    for value in (b"a", b"b", b"a"):
        log.xadd(name, {"x-stream-filter-value": value, "value": b"of " + value})
    log.xadd(name, {"value": b"without"})

    def offsets(count, **arguments):
        return [offset for offset, _ in read_filtered(broker, name, count, **arguments)]

    assert offsets(2, **{"x-stream-filter": "a"}) == [0, 2]
    assert offsets(2, **{"x-stream-filter": "b", "x-stream-match-unfiltered": True}) == [1, 3]
