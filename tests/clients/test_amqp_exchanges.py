"""Exchanges of type x-consistent-hash and x-delayed-message, with pika: which queue gets what and when, the words of
refusals, and what is kept over kill -9."""

import time
from collections import Counter

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

PERSISTENT = 2


def connect(broker):
    return pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.amqp_port, heartbeat=0))


def confirming(broker):
    channel = connect(broker).channel()
    channel.confirm_delivery()
    return channel


def refused(broker, words, call):
    channel = connect(broker).channel()
    with pytest.raises(ChannelClosedByBroker) as caught:
        call(channel)
    assert (caught.value.reply_code, words in caught.value.reply_text) == (406, True), caught.value.reply_text
    channel.connection.close()


def count_of(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def wait_for_count(channel, queue, count, seconds=10):
    deadline = time.monotonic() + seconds
    while count_of(channel, queue) < count:
        assert time.monotonic() < deadline, f"{count_of(channel, queue)} of {count}"
        time.sleep(0.02)


def hash_exchange(channel, name, weights, **arguments):
    channel.exchange_declare(name, "x-consistent-hash", durable=True, arguments=arguments)
    for queue, weight in weights.items():
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, name, weight)


def bodies(channel, queue):
    return [channel.basic_get(queue, auto_ack=True)[2] for _ in range(count_of(channel, queue))]


def test_hash_by_routing_key(broker, name):
    channel = confirming(broker)
    queues = {f"{name}.{n}": weight for n, weight in enumerate(["1", "1", "4"])}
    hash_exchange(channel, name, queues)
    for index in range(600):
        channel.basic_publish(name, f"key-{index}", b"%d" % index)
    counts = [count_of(channel, queue) for queue in queues]
    assert sum(counts) == 600
    assert 50 < counts[0] < 160 and 50 < counts[1] < 160 and 320 < counts[2] < 480, counts
    homes = {body: queue for queue in queues for body in bodies(channel, queue)}
    for index in range(600):
        channel.basic_publish(name, f"key-{index}", b"%d" % index)
    assert {body: queue for queue in queues for body in bodies(channel, queue)} == homes


def test_hash_moves_only_what_it_must(broker, name):
    channel = confirming(broker)
    queues = {f"{name}.{n}": "10" for n in range(4)}
    hash_exchange(channel, name, queues)

    def homes():
        for index in range(200):
            channel.basic_publish(name, f"key-{index}", b"%d" % index)
        return {body: queue for queue in queues for body in bodies(channel, queue)}

    before = homes()
    gone = f"{name}.3"
    channel.queue_unbind(gone, name, "10")
    after = homes()
    assert gone not in after.values() and len(after) == 200
    if not broker.is_peer:  # RabbitMQ moves a few others too.
        assert all(after[body] == queue for body, queue in before.items() if queue != gone)
    channel.queue_bind(gone, name, "10")
    if not broker.is_peer:
        assert homes() == before


@pytest.mark.parametrize("arguments, properties", [
    ({"hash-header": "user"}, lambda user: {"headers": {"user": user}}),
    ({"hash-property": "message_id"}, lambda user: {"message_id": user}),
    ({"hash-property": "correlation_id"}, lambda user: {"correlation_id": user}),
    ({"hash-property": "timestamp"}, lambda user: {"timestamp": int(user[1:])}),
], ids=["header", "message_id", "correlation_id", "timestamp"])
def test_hash_by_what_the_message_says(broker, name, arguments, properties):
    channel = confirming(broker)
    queues = {f"{name}.{n}": "1" for n in range(3)}
    hash_exchange(channel, name, queues, **arguments)
    for index in range(120):
        channel.basic_publish(name, f"key-{index}", b"u%d" % (index % 30),
                              pika.BasicProperties(**properties(f"u{index % 30}")))
    homes = [Counter(bodies(channel, queue)) for queue in queues]
    assert sum(sum(home.values()) for home in homes) == 120
    assert all(set(home.values()) == {4} for home in homes if home)
    assert sum(bool(home) for home in homes) > 1
    for index in range(6):  # Without it, all go the same way.
        channel.basic_publish(name, f"key-{index}", b"none")
    assert sorted(count_of(channel, queue) for queue in queues) == [0, 0, 6]


def test_hash_refusals(broker, name):
    both = {"hash-header": "a", "hash-property": "message_id"}
    refused(broker, "hash-header and hash-property are mutually exclusive",
            lambda channel: channel.exchange_declare(name, "x-consistent-hash", arguments=both))
    refused(broker, "Unsupported property: type",
            lambda channel: channel.exchange_declare(name, "x-consistent-hash", arguments={"hash-property": "type"}))
    channel = connect(broker).channel()
    hash_exchange(channel, name, {f"{name}.q": "007"})
    for key, words in {"abc": 'The binding key must be an integer: <<"abc">>',
                       "": "The binding key must be an integer: <<>>",
                       "1.5": 'The binding key must be an integer: <<"1.5">>',
                       "0": "The binding key must be greater than 0",
                       "-3": "The binding key must be greater than 0"}.items():
        refused(broker, words, lambda channel, key=key: channel.queue_bind(f"{name}.q", name, key))
    refused(broker, "received 'fanout' but current is ''x-consistent-hash''",
            lambda channel: channel.exchange_declare(name, "fanout", durable=True))
    channel.queue_unbind(f"{name}.q", name, "abc")  # What is not there may go.


@pytest.mark.own
def test_hash_is_the_same_after_a_kill(own_broker, name):
    channel = confirming(own_broker)
    queues = {f"{name}.{n}": "1" for n in range(3)}
    hash_exchange(channel, name, queues, **{"hash-header": "user"})

    def homes(channel):
        for index in range(60):
            channel.basic_publish(name, "", b"%d" % index, pika.BasicProperties(headers={"user": index}))
        return {body: queue for queue in queues for body in bodies(channel, queue)}

    before = homes(channel)
    own_broker.restart(kill=True)
    assert homes(confirming(own_broker)) == before


# -- delays. RabbitMQ has them in a plugin that Debian does not package.

def delayed_exchange(channel, name, kind="direct", **more):
    channel.exchange_declare(name, "x-delayed-message", durable=True, arguments={"x-delayed-type": kind, **more})


def late(milliseconds, **more):
    return pika.BasicProperties(headers={"x-delay": milliseconds, "n": 1}, delivery_mode=PERSISTENT, **more)


@pytest.mark.own
def test_delays_come_in_time_and_order(broker, name):
    channel = confirming(broker)
    delayed_exchange(channel, name)
    channel.queue_declare(name, durable=True)
    channel.queue_bind(name, name, "k")
    began = time.monotonic()
    for body, delay in ((b"third", 600), (b"second", 400), (b"second too", 400), (b"at once", 0), (b"past", -5)):
        channel.basic_publish(name, "k", body, late(delay), mandatory=True)
    assert [channel.basic_get(name, auto_ack=True)[2] for _ in range(2)] == [b"at once", b"past"]
    seen = []
    for method, properties, body in channel.consume(name, auto_ack=True, inactivity_timeout=10):
        assert method is not None, seen
        seen.append((body, properties.headers["x-delay"], time.monotonic() - began))
        assert (method.exchange, method.routing_key, properties.headers["n"]) == (name, "k", 1)
        if len(seen) == 3:
            break
    assert [(body, delay) for body, delay, _ in seen] == [(b"second", -400), (b"second too", -400), (b"third", -600)]
    assert seen[0][2] >= 0.39 and seen[2][2] >= 0.59


@pytest.mark.own
@pytest.mark.parametrize("delay", ["300", 300], ids=["text", "integer"])
def test_delays_of_all_types(broker, name, delay):
    channel = confirming(broker)
    delayed_exchange(channel, name, "topic")
    channel.queue_declare(name, durable=True)
    channel.queue_bind(name, name, "a.#")
    channel.basic_publish(name, "a.b.c", b"x", late(delay))
    assert channel.basic_get(name)[0] is None
    wait_for_count(channel, name, 1)
    assert channel.basic_get(name)[1].headers["x-delay"] == -300


@pytest.mark.own
def test_delays_that_are_none(broker, name):
    channel = confirming(broker)
    delayed_exchange(channel, name, "fanout")
    channel.queue_declare(name, durable=True)
    channel.queue_bind(name, name)
    for delay in (0, -1, "soon", True, None, 4294967296):
        channel.basic_publish(name, "", b"x", late(delay))
    channel.basic_publish(name, "", b"no headers")
    assert count_of(channel, name) == 7


@pytest.mark.own
def test_delayed_by_an_exchange_behind_another(broker, name):
    channel = confirming(broker)
    delayed_exchange(channel, f"{name}.late", "direct")
    channel.exchange_declare(f"{name}.first", "fanout", durable=True)
    channel.exchange_bind(f"{name}.late", f"{name}.first")
    for queue in ("now", "late"):
        channel.queue_declare(f"{name}.{queue}", durable=True)
    channel.queue_bind(f"{name}.now", f"{name}.first")
    channel.queue_bind(f"{name}.late", f"{name}.late", "k")
    channel.basic_publish(f"{name}.first", "k", b"x", late(300))
    assert channel.basic_get(f"{name}.now")[1].headers["x-delay"] == 300
    assert count_of(channel, f"{name}.late") == 0
    wait_for_count(channel, f"{name}.late", 1)
    assert channel.basic_get(f"{name}.late")[1].headers["x-delay"] == -300


@pytest.mark.own
def test_delayed_carbon_copies_hashes_and_dead_letters(broker, name):
    channel = confirming(broker)
    delayed_exchange(channel, name, "direct")
    for queue in ("a", "b"):
        channel.queue_declare(f"{name}.{queue}", durable=True, arguments={
            "x-dead-letter-exchange": f"{name}.dlx"} if queue == "a" else None)
        channel.queue_bind(f"{name}.{queue}", name, queue)
    properties = pika.BasicProperties(headers={"x-delay": 200, "CC": ["b"]}, delivery_mode=PERSISTENT)
    channel.basic_publish(name, "a", b"x", properties)
    wait_for_count(channel, f"{name}.a", 1)
    wait_for_count(channel, f"{name}.b", 1)
    # A dead letter that asks for it waits as well; one that has waited does not again.
    delayed_exchange(channel, f"{name}.dlx", "fanout")
    channel.queue_declare(f"{name}.dead", durable=True)
    channel.queue_bind(f"{name}.dead", f"{name}.dlx")
    channel.basic_reject(channel.basic_get(f"{name}.a")[0].delivery_tag, requeue=False)
    wait_for_count(channel, f"{name}.dead", 1)
    assert channel.basic_get(f"{name}.dead", auto_ack=True)[1].headers["x-delay"] == -200
    channel.basic_publish("", f"{name}.a", b"y", late(300))
    channel.basic_reject(channel.basic_get(f"{name}.a")[0].delivery_tag, requeue=False)
    assert count_of(channel, f"{name}.dead") == 0
    wait_for_count(channel, f"{name}.dead", 1)
    delayed_exchange(channel, f"{name}.h", "x-consistent-hash")
    channel.queue_bind(f"{name}.b", f"{name}.h", "1")
    before = count_of(channel, f"{name}.b")
    channel.basic_publish(f"{name}.h", "any", b"x", late(100))
    wait_for_count(channel, f"{name}.b", before + 1)


@pytest.mark.own
def test_delays_in_a_transaction(broker, name):
    setup = confirming(broker)
    delayed_exchange(setup, name)
    setup.queue_declare(name, durable=True)
    setup.queue_bind(name, name, "k")
    channel = connect(broker).channel()
    channel.tx_select()
    channel.basic_publish(name, "k", b"rolled back", late(100))
    channel.tx_rollback()
    channel.basic_publish(name, "k", b"committed", late(300), mandatory=True)
    channel.tx_commit()
    assert count_of(setup, name) == 0
    wait_for_count(setup, name, 1)
    assert setup.basic_get(name)[2] == b"committed"


@pytest.mark.own
def test_delay_refusals(broker, name):
    for arguments, words in (
            ({}, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
            ({"x-delayed-type": 5}, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
            ({"x-delayed-type": "x-delayed-message"}, "'x-delayed-message' can't be used for 'x-delayed-type'"),
            ({"x-delayed-type": "zz"}, "unknown exchange type 'zz'")):
        refused(broker, words, lambda channel, arguments=arguments: channel.exchange_declare(
            name, "x-delayed-message", arguments=arguments))
    channel = connect(broker).channel()
    delayed_exchange(channel, name)
    delayed_exchange(channel, name)
    refused(broker, "received 'direct' but current is ''x-delayed-message''",
            lambda channel: channel.exchange_declare(name, "direct", durable=True))
    channel.exchange_delete(name)


@pytest.mark.own
@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_delays_outlive_the_broker(own_broker, name, kill):
    channel = confirming(own_broker)
    delayed_exchange(channel, name)
    for queue in range(4):  # On all shards.
        channel.queue_declare(f"{name}.{queue}", durable=True)
        channel.queue_bind(f"{name}.{queue}", name, "k")
    for index in range(20):
        channel.basic_publish(name, "k", b"%d" % index, late(300 if index < 10 else 4000))
    for queue in range(4):
        wait_for_count(channel, f"{name}.{queue}", 10)
    own_broker.restart(kill=kill)
    channel = confirming(own_broker)
    for queue in range(4):
        first = bodies(channel, f"{name}.{queue}")
        wait_for_count(channel, f"{name}.{queue}", 20 - len(first))
        both = first + bodies(channel, f"{name}.{queue}")
        assert [int(body) for body in both] == list(range(20))
    own_broker.restart(kill=kill)  # What was given out does not come again.
    time.sleep(0.3)
    assert [count_of(confirming(own_broker), f"{name}.{queue}") for queue in range(4)] == [0] * 4


@pytest.mark.own
def test_delays_of_an_exchange_that_goes(own_broker, name):
    channel = confirming(own_broker)
    delayed_exchange(channel, name)
    channel.queue_declare(name, durable=True)
    channel.queue_bind(name, name, "k")
    channel.basic_publish(name, "k", b"x", late(200))
    channel.exchange_delete(name)
    time.sleep(0.5)
    assert count_of(channel, name) == 0
    own_broker.restart(kill=True)
