"""Bugs that others had and we must not have, by their numbers (docs/reliability/named-bugs.md), each seen by a real client
after a restart: once from the journal alone (kill -9), once from a checkpoint (a clean stop after enough work).
"""

import pika
import pytest
import redis
from confluent_kafka import OFFSET_INVALID, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SECONDS_MAX = 20

pytestmark = [pytest.mark.own, pytest.mark.timeout(120)]


@pytest.fixture(params=["journal", "checkpoint"])
def restarted(request, own_broker):
    """Restarts the broker so that its state comes from where the parameter says."""
    return lambda: own_broker.restart(kill=request.param == "journal")


def redis_of(broker):
    return redis.Redis(port=broker.redis_port)


# -- Redis


def delivered_stream(broker, name, entries, delivered):
    """A stream of entries 1-1, 1-2, ..., the first of them delivered to consumer c of group g."""
    client = redis_of(broker)
    for index in range(1, entries + 1):
        client.xadd(name, {"n": index}, id=f"1-{index}")
    client.xgroup_create(name, "g", id="0")
    client.xreadgroup("g", "c", {name: ">"}, count=delivered)
    return client


def test_nb24_a_groups_position_does_not_go_back(own_broker, name, restarted):
    client = delivered_stream(own_broker, name, 10, 6)
    client.xack(name, "g", *(f"1-{index}" for index in range(1, 7)))
    for _ in range(2):
        restarted()
        client = redis_of(own_broker)
        [group] = client.xinfo_groups(name)
        assert (group["last-delivered-id"], group["pending"]) == (b"1-6", 0)
    [(_, entries)] = client.xreadgroup("g", "c", {name: ">"})
    assert [entry for entry, _ in entries] == [b"1-%d" % index for index in range(7, 11)]


def test_nb25_pending_entries_outlive_their_payload(own_broker, name, restarted):
    client = delivered_stream(own_broker, name, 4, 4)
    client.xdel(name, "1-2")
    client.xtrim(name, maxlen=1, approximate=False)
    restarted()
    client = redis_of(own_broker)
    pending = client.xpending_range(name, "g", "-", "+", 10)
    assert [entry["message_id"] for entry in pending] == [b"1-%d" % index for index in range(1, 5)]


def test_nb26_what_is_empty_is_there(own_broker, name, restarted):
    client = redis_of(own_broker)
    client.xadd(name, {"n": 1}, id="5-5")
    client.xgroup_create(name, "g", id="$")
    client.xgroup_createconsumer(name, "g", "idle")
    client.xdel(name, "5-5")
    client.xgroup_create(f"{name}.made", "g", id="0", mkstream=True)
    for _ in range(2):
        restarted()
        client = redis_of(own_broker)
        info = client.xinfo_stream(name)
        assert (info["length"], info["last-generated-id"], info["max-deleted-entry-id"], info["entries-added"]) == (
            0, b"5-5", b"5-5", 1)
        assert [consumer["name"] for consumer in client.xinfo_consumers(name, "g")] == [b"idle"]
        assert client.xlen(f"{name}.made") == 0 and len(client.xinfo_groups(f"{name}.made")) == 1
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        client.xadd(name, {"n": 2}, id="5-5")


def test_nb27_history_and_claims_after_a_trim(own_broker, name, restarted):
    client = delivered_stream(own_broker, name, 4, 4)
    client.xtrim(name, minid="1-3", approximate=False)
    restarted()
    client = redis_of(own_broker)
    [(_, history)] = client.xreadgroup("g", "c", {name: "0"})
    assert [entry for entry, _ in history] == [b"1-%d" % index for index in range(1, 5)]  # Each once.
    assert [bool(fields) for _, fields in history] == [False, False, True, True]
    cursor, claimed, gone = client.xautoclaim(name, "g", "d", 0, "0")
    assert (cursor, [entry for entry, _ in claimed], gone) == (b"0-0", [b"1-3", b"1-4"], [b"1-1", b"1-2"])
    assert [entry["message_id"] for entry in client.xpending_range(name, "g", "-", "+", 10)] == [b"1-3", b"1-4"]


# -- Kafka


def kafka_topic(broker, name):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in admin.create_topics([NewTopic(name, 1)]).values():
        done.result(SECONDS_MAX)


def delete_records(broker, name, before):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in admin.delete_records([TopicPartition(name, 0, before)]).values():
        assert done.result(SECONDS_MAX).low_watermark == before


def produce(broker, name, count):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True})
    for index in range(count):
        producer.produce(name, b"%d" % index)
    assert producer.flush(SECONDS_MAX) == 0


def consumer_of(broker, name):
    return Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"{name}.g", "enable.auto.commit": False})


def test_nb07_an_offset_that_was_never_committed_is_none(own_broker, name, restarted):
    kafka_topic(own_broker, name)
    produce(own_broker, name, 3)
    for _ in range(2):
        consumer = consumer_of(own_broker, name)
        [committed] = consumer.committed([TopicPartition(name, 0)], SECONDS_MAX)
        assert committed.offset == OFFSET_INVALID
        consumer.close()
        restarted()


def test_nb32_starts_ends_and_positions_stay_and_never_go_back(own_broker, name, restarted):
    kafka_topic(own_broker, name)
    produce(own_broker, name, 10)
    delete_records(own_broker, name, 4)
    consumer = consumer_of(own_broker, name)
    consumer.commit(offsets=[TopicPartition(name, 0, 7)], asynchronous=False)
    consumer.close()
    for _ in range(2):
        restarted()
        consumer = consumer_of(own_broker, name)
        assert consumer.get_watermark_offsets(TopicPartition(name, 0), SECONDS_MAX) == (4, 10)
        [committed] = consumer.committed([TopicPartition(name, 0)], SECONDS_MAX)
        assert committed.offset == 7
        consumer.close()
    # All of them gone: the next offset is still the next.
    delete_records(own_broker, name, 10)
    restarted()
    consumer = consumer_of(own_broker, name)
    assert consumer.get_watermark_offsets(TopicPartition(name, 0), SECONDS_MAX) == (10, 10)
    consumer.close()


# -- AMQP


@pytest.mark.parametrize("length", [254, 255])
def test_nb34_the_longest_names_and_keys(own_broker, name, restarted, length):
    queue, key, header = ((letter + name).ljust(length, "x") for letter in "qkh")
    channel = pika.BlockingConnection(pika.ConnectionParameters(port=own_broker.amqp_port)).channel()
    channel.confirm_delivery()
    exchange = ("e" + name).ljust(length, "x")
    channel.exchange_declare(exchange, "topic", durable=True)
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, exchange, key)
    channel.basic_publish(exchange, key, b"body", pika.BasicProperties(
        delivery_mode=2, headers={header: header}, correlation_id=key, message_id=key, type=key), mandatory=True)
    restarted()
    channel = pika.BlockingConnection(pika.ConnectionParameters(port=own_broker.amqp_port)).channel()
    channel.basic_publish(exchange, key, b"again", mandatory=True)
    method, properties, body = channel.basic_get(queue, auto_ack=True)
    assert (method.exchange, method.routing_key, body) == (exchange, key, b"body")
    assert properties.headers == {header: header} and properties.type == properties.message_id == key
    assert channel.basic_get(queue, auto_ack=True)[2] == b"again"
