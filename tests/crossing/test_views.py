"""One record, three views: every direction of docs/view-contract.md with real clients.

Written over AMQP (default exchange, binding), Redis (XADD) and Kafka (produce); read over the other two by a Kafka
consumer group, XREAD, XREADGROUP, an AMQP consumer on the log as a stream and an AMQP queue over it
(x-trivium-source). Tests with `own_broker` kill the broker between writing and reading.
"""

import json
import time

import pika
import pytest
from pamqp.commands import Queue
from pika.exceptions import ChannelClosedByBroker

from harness import Broker
from rawclients import Amqp, Redis
from views import Views, headers_without

pytestmark = pytest.mark.own

ODD_BYTES = b"\x00\xff\r\n\xc3\x28"


@pytest.fixture
def views(broker):
    views = Views(broker)
    yield views
    views.close()


def pairs(flat):
    return list(zip(flat[::2], flat[1::2]))


def ordered_ids(entries):
    ids = [tuple(int(part) for part in entry.split(b"-")) for entry, _ in entries]
    assert ids == sorted(set(ids)), "ids must ascend"
    return ids


# -- 1. AMQP -> Kafka and Redis


def check_default_exchange(views, name):
    records = views.kafka(name, 3)
    assert [(key, value) for _, _, key, value, _ in records] == [(None, b"one"), (None, b""), (None, ODD_BYTES)]
    assert [offset for _, offset, *_ in records] == [0, 1, 2]
    assert all(headers == [("amqp.delivery-mode", b"2")] for *_, headers in records)
    entries = views.xread(name)
    assert [fields for _, fields in entries] == [
        [b"value", body, b"amqp.delivery-mode", b"2"] for body in (b"one", b"", ODD_BYTES)]
    assert views.xreadgroup(name) == entries
    ordered_ids(entries)


def test_amqp_default_exchange(views, name):
    views.channel.queue_declare(name, durable=True)
    for body in (b"one", b"", ODD_BYTES):
        views.publish(body, name)
    check_default_exchange(views, name)
    # Read by others, the queue still holds all three, exactly as they were published.
    got = views.amqp_queue(name, 3)
    assert [(method.exchange, method.routing_key, body) for method, _, body in got] == [
        ("", name, body) for body in (b"one", b"", ODD_BYTES)]
    assert all(properties.headers is None and properties.delivery_mode == 2 for _, properties, _ in got)


def test_amqp_default_exchange_survives_a_kill(own_broker, name):
    views = Views(own_broker)
    views.channel.queue_declare(name, durable=True)
    for body in (b"one", b"", ODD_BYTES):
        views.publish(body, name)
    own_broker.restart(kill=True)
    views = Views(own_broker)
    check_default_exchange(views, name)
    views.close()


def check_binding(views, name):
    (record,) = views.kafka(name, 1)
    _, offset, key, value, headers = record
    assert (offset, key, value) == (0, b"order.created.premium", b'{"n": 1}')
    expected = [("text", "å".encode()), ("int", b"7"), ("negative", b"-3"), ("yes", b"true"), ("no", b"false"),
                ("nothing", None), ("bytes", ODD_BYTES), ("list", b'[1,"two"]'), ("table", b'{"a":1}'),
                ("amqp.content-type", b"application/json"), ("amqp.delivery-mode", b"2"), ("amqp.priority", b"4"),
                ("amqp.correlation-id", b"c"), ("amqp.reply-to", b"r"), ("amqp.message-id", b"m"),
                ("amqp.timestamp", b"1700000000"), ("amqp.type", b"t"), ("amqp.app-id", b"a")]
    shown = [(header, json.dumps(json.loads(text), separators=(",", ":")).encode() if header in ("list", "table")
              else text) for header, text in headers]
    assert headers_without(shown, "amqp.exchange") == expected
    assert dict(headers)["amqp.exchange"] == f"{name}.x".encode()
    ((_, fields),) = views.xread(name)
    shown = pairs(fields)
    assert shown[:2] == [(b"key", b"order.created.premium"), (b"value", b'{"n": 1}')]
    assert (b"amqp.exchange", f"{name}.x".encode()) in shown and (b"int", b"7") in shown
    assert (b"nothing", b"") in shown and shown[-1] == (b"trivium.null-headers", b"nothing")
    assert len(shown) == 2 + len(headers) + 1


def publish_through_binding(views, name):
    views.channel.exchange_declare(f"{name}.x", "topic", durable=True)
    views.channel.queue_bind(name, f"{name}.x", "order.created.*")
    views.publish(b'{"n": 1}', "order.created.premium", f"{name}.x", content_type="application/json", priority=4,
                  correlation_id="c", reply_to="r", message_id="m", timestamp=1700000000, type="t", app_id="a",
                  headers={"text": "å", "int": 7, "negative": -3, "yes": True, "no": False, "nothing": None,
                           "bytes": ODD_BYTES, "list": [1, "two"], "table": {"a": 1}})


def test_amqp_through_a_binding(views, name):
    views.channel.queue_declare(name, durable=True)
    publish_through_binding(views, name)
    check_binding(views, name)


def test_amqp_binding_to_a_kafka_topic(views, name):
    """Any topic can be the destination of a binding."""
    views.create_topic(name)
    publish_through_binding(views, name)
    check_binding(views, name)


def test_amqp_binding_to_a_redis_stream(views, name):
    views.redis.execute_command("XGROUP", "CREATE", name, "other", "0", "MKSTREAM")
    publish_through_binding(views, name)
    check_binding(views, name)


def test_amqp_default_exchange_reaches_a_redis_stream(views, name):
    first = views.xadd(name, "value", "before")
    views.publish(b"after", name)
    entries = views.xread(name)
    assert entries[0] == (first, [b"value", b"before"])
    assert entries[1][1] == [b"value", b"after", b"amqp.delivery-mode", b"2"]
    ordered_ids(entries)
    assert [value for _, _, _, value, _ in views.kafka(name, 2)] == [b"before", b"after"]


def test_amqp_large_body(views, name):
    views.channel.queue_declare(name, durable=True)
    body = bytes(range(256)) * 2000
    views.publish(body, name)
    assert views.kafka(name, 1)[0][3] == body
    assert views.xread(name)[0][1][1] == body


def test_acked_queue_messages_leave_and_the_rest_stays(views, name):
    views.channel.queue_declare(name, durable=True)
    for index in range(10):
        views.publish(str(index).encode(), name)
    for _ in range(4):
        method, _, _ = views.channel.basic_get(name)
        views.channel.basic_ack(method.delivery_tag)
    assert views.channel.queue_declare(name, passive=True).method.message_count == 6
    # Settled records may be reclaimed at any time; those that are not settled must all be there, in order.
    shown = [int(dict(pairs(fields))[b"value"]) for _, fields in views.xread(name)]
    assert shown[-6:] == [4, 5, 6, 7, 8, 9] and shown == sorted(shown)


# -- 2. Redis -> Kafka and AMQP


def check_redis_entries(views, name, ids):
    records = views.kafka(name, 5)
    assert [offset for _, offset, *_ in records] == [0, 1, 2, 3, 4]
    assert [(key, value) for _, _, key, value, _ in records] == [
        (None, b"plain"), (b"k", b"v"), (None, records[2][3]), (None, records[3][3]), (None, records[4][3])]
    assert [headers for *_, headers in records] == [
        [("redis.id", ids[0])],
        [("h", b"1"), ("h", b"2"), ("value", b"again"), ("redis.id", ids[1])],
        [("redis.id", ids[2])],
        [("redis.id", ids[3])],
        [("bin", ODD_BYTES), ("redis.id", ids[4])],
    ]
    assert json.loads(records[2][3]) == {"data": '{"order_id": "123"}'}
    assert json.loads(records[3][3], object_pairs_hook=list) == [("b", ["1", "3"]), ("a", "2")]
    assert json.loads(records[4][3]) == {"text": "å", "bin": None}
    messages = views.amqp_stream(name, 5)
    assert [body for _, _, body in messages] == [value for _, _, _, value, _ in records]
    assert [method.routing_key for method, _, _ in messages] == [name, "k", name, name, name]
    for index, (_, properties, _) in enumerate(messages):
        headers = properties.headers
        assert headers["redis.id"] == ids[index].decode()
        assert headers["x-stream-offset"] == index
        assert headers.get("trivium.null-key", False) is (index != 1)
        assert abs(headers["trivium.timestamp-ms"] - time.time() * 1000) < 120000
        assert properties.delivery_mode == 2
    assert messages[1][1].headers["h"] == ["1", "2"]
    assert messages[4][1].headers["bin"] == ODD_BYTES


def write_redis_entries(views, name):
    return [views.xadd(name, "value", "plain"),
            views.xadd(name, "h", "1", "key", "k", "h", "2", "value", "v", "value", "again"),
            views.xadd(name, "data", '{"order_id": "123"}'),
            views.xadd(name, "b", "1", "a", "2", "b", "3"),
            views.xadd(name, "text", "å", "bin", ODD_BYTES)]


def test_xadd(views, name):
    ids = write_redis_entries(views, name)
    check_redis_entries(views, name, ids)
    assert [entry for entry, _ in views.xread(name)] == ids


def test_xadd_survives_a_kill(own_broker, name):
    views = Views(own_broker)
    ids = write_redis_entries(views, name)
    own_broker.restart(kill=True)
    views = Views(own_broker)
    check_redis_entries(views, name, ids)
    views.close()


def test_xadd_wakes_waiting_readers_of_the_others(views, name):
    views.xadd(name, "value", "0")
    channel = views.amqp.channel()
    channel.basic_qos(prefetch_count=10)
    got = []
    channel.basic_consume(name, lambda _, method, properties, body: (
        got.append(body), channel.basic_ack(method.delivery_tag)), arguments={"x-stream-offset": "next"})
    views.xadd(name, "value", "1")
    deadline = time.monotonic() + 5
    while not got and time.monotonic() < deadline:
        views.amqp.process_data_events(0.05)
    assert got == [b"1"]


def test_xdel_hides_from_all(views, name):
    ids = [views.xadd(name, "value", str(index)) for index in range(4)]
    assert views.redis.execute_command("XDEL", name, ids[1]) == 1
    assert [value for _, _, _, value, _ in views.kafka(name, 3)] == [b"0", b"2", b"3"]
    assert [body for _, _, body in views.amqp_stream(name, 3)] == [b"0", b"2", b"3"]


def test_kafka_passes_over_any_number_of_deleted_entries(views, name):
    """More than one fetch takes, each entry in a batch of its own."""
    ids = [views.xadd(name, "value", "x" * 1000) for _ in range(40)]
    assert views.redis.execute_command("XDEL", name, *ids) == 40
    views.xadd(name, "value", "last")
    records = views.kafka(name, 1, **{"max.partition.fetch.bytes": 4000, "fetch.max.bytes": 4000, "message.max.bytes": 1000})
    assert [(offset, value) for _, offset, _, value, _ in records] == [(40, b"last")]


# -- 3. Kafka -> Redis and AMQP


def write_kafka_records(views, name):
    assert views.produce(name, b"v0", b"k0") == (0, 0)
    views.produce(name, b"v1", None, [("h", b"1"), ("h", b"2"), ("empty", b""), ("null", None), ("bin", ODD_BYTES),
                                      ("key", b"hk"), ("value", b"hv")])
    views.produce(name, None, b"tombstone")
    views.produce(name, None, None)
    views.produce(name, b"", ODD_BYTES, timestamp=1700000000123)


def check_kafka_records(views, name):
    entries = views.xread(name)
    assert [fields for _, fields in entries] == [
        [b"key", b"k0", b"value", b"v0"],
        [b"value", b"v1", b"h", b"1", b"h", b"2", b"empty", b"", b"null", b"", b"bin", ODD_BYTES, b"header.key", b"hk",
         b"header.value", b"hv", b"trivium.null-headers", b"null"],
        [b"key", b"tombstone"],
        [b"trivium.null-value", b"1"],
        [b"key", ODD_BYTES, b"value", b""],
    ]
    assert views.xreadgroup(name) == entries
    assert views.redis.execute_command("XLEN", name) == 5
    ordered_ids(entries)
    messages = views.amqp_stream(name, 5)
    assert [(method.exchange, method.routing_key, body) for method, _, body in messages] == [
        ("", "k0", b"v0"), ("", name, b"v1"), ("", "tombstone", b""), ("", name, b""), ("", name, b"")]
    headers = [properties.headers for _, properties, _ in messages]
    assert [row["x-stream-offset"] for row in headers] == [0, 1, 2, 3, 4]
    assert [row.get("trivium.null-key", False) for row in headers] == [False, True, False, True, False]
    assert [row.get("trivium.null-value", False) for row in headers] == [False, False, True, True, False]
    assert headers[4]["trivium.key"] == ODD_BYTES and headers[4]["trivium.timestamp-ms"] == 1700000000123
    row = headers[1]
    assert (row["h"], row["empty"], row["null"], row["bin"]) == (["1", "2"], "", None, ODD_BYTES)
    assert (row["key"], row["value"]) == ("hk", "hv")
    assert all(properties.delivery_mode == 2 for _, properties, _ in messages)


def test_kafka_produce(views, name):
    views.create_topic(name)
    write_kafka_records(views, name)
    check_kafka_records(views, name)


def test_kafka_produce_survives_a_kill(own_broker, name):
    views = Views(own_broker)
    views.create_topic(name)
    write_kafka_records(views, name)
    own_broker.restart(kill=True)
    views = Views(own_broker)
    check_kafka_records(views, name)
    views.close()


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_are_read_by_the_others(broker, views, name, codec):
    from confluent_kafka import Producer
    views.create_topic(name)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "compression.type": codec, "linger.ms": 50})
    for index in range(200):
        producer.produce(name, f"value-{index}".encode() * 10, str(index))
    assert producer.flush(15) == 0
    expected = [f"value-{index}".encode() * 10 for index in range(200)]
    assert [dict(pairs(fields))[b"value"] for _, fields in views.xread(name)] == expected
    assert [body for _, _, body in views.amqp_stream(name, 200)] == expected


def test_kafka_headers_become_amqp_properties(views, name):
    views.create_topic(name)
    views.produce(name, b"v", b"k", [("amqp.content-type", b"text/plain"), ("amqp.priority", b"3"),
                                     ("amqp.message-id", b"m"), ("amqp.timestamp", b"1700000001"),
                                     ("amqp.priority-of-mine", b"x")])
    ((_, properties, _),) = views.amqp_stream(name, 1)
    assert (properties.content_type, properties.priority, properties.message_id, properties.timestamp) == (
        "text/plain", 3, "m", 1700000001)
    assert properties.headers["amqp.priority-of-mine"] == "x"
    assert "trivium.timestamp-ms" not in properties.headers


def test_only_committed_records_are_shown(broker, views, name):
    from confluent_kafka import Producer
    views.create_topic(name)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": f"{name}.t"})
    producer.init_transactions(15)
    for value, commit in ((b"no-1", False), (b"yes-1", True), (b"no-2", False), (b"yes-2", True)):
        producer.begin_transaction()
        producer.produce(name, value)
        producer.flush(10)
        (producer.commit_transaction if commit else producer.abort_transaction)(15)
    producer.begin_transaction()
    producer.produce(name, b"open")
    producer.flush(10)
    assert [dict(pairs(fields))[b"value"] for _, fields in views.xread(name)] == [b"yes-1", b"yes-2"]
    assert [body for _, _, body in views.amqp_stream(name, 2)] == [b"yes-1", b"yes-2"]
    producer.commit_transaction(15)
    assert [dict(pairs(fields))[b"value"] for _, fields in views.xread(name)] == [b"yes-1", b"yes-2", b"open"]


# -- more than one partition


def test_many_partitions_read_in_append_order(views, name):
    views.create_topic(name, 3)
    for index in range(12):
        views.produce(name, str(index).encode(), b"k", partition=index % 3)
    entries = views.xread(name)
    assert [dict(pairs(fields))[b"value"] for _, fields in entries] == [str(index).encode() for index in range(12)]
    ordered_ids(entries)
    assert [body for _, _, body in views.amqp_stream(name, 12)] == [str(index).encode() for index in range(12)]
    # And written by the others: every record is in exactly one partition, offsets stay dense.
    views.xadd(name, "key", "k1", "value", "x1")
    views.xadd(name, "key", "k1", "value", "x2")
    views.publish(b"p1", name)
    records = views.kafka(name, 15)
    by_partition = {}
    for partition, offset, _, value, _ in records:
        by_partition.setdefault(partition, []).append((offset, value))
    for rows in by_partition.values():
        assert [offset for offset, _ in sorted(rows)] == list(range(len(rows)))
    places = {value: partition for partition, _, _, value, _ in records}
    assert places[b"x1"] == places[b"x2"]
    assert {b"x1", b"x2", b"p1"} <= set(places)


def test_the_same_key_finds_the_same_partition(broker, name):
    """XADD with a key and a Java-compatible producer (murmur2) choose the same partition."""
    from confluent_kafka import Producer
    views = Views(broker)
    views.create_topic(name, 6)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "partitioner": "murmur2_random"})
    for index in range(20):
        producer.produce(name, f"k{index}".encode(), f"k{index}")
    assert producer.flush(15) == 0
    for index in range(20):
        views.xadd(name, "key", f"k{index}", "value", f"x{index}")
    places = {}
    for partition, _, key, _, _ in views.kafka(name, 40):
        places.setdefault(key, set()).add(partition)
    views.close()
    assert len(places) == 20 and all(len(partitions) == 1 for partitions in places.values())


# -- AMQP consumers on logs that are not queues


def test_stream_offsets(views, name):
    views.create_topic(name)
    for index in range(10):
        views.produce(name, str(index).encode())
    assert [body for _, _, body in views.amqp_stream(name, 10, "first")] == [str(index).encode() for index in range(10)]
    assert [body for _, _, body in views.amqp_stream(name, 4, 6)] == [b"6", b"7", b"8", b"9"]
    assert [body for _, _, body in views.amqp_stream(name, 10, "first")][0] == b"0", "reading takes nothing away"
    assert views.amqp_stream(name, 0, "next") == []


def test_stream_needs_prefetch(views, name):
    views.create_topic(name)
    channel = views.amqp.channel()
    with pytest.raises(ChannelClosedByBroker) as error:
        channel.basic_consume(name, lambda *_: None, arguments={"x-stream-offset": "first"})
    assert error.value.reply_code == 406
    assert "consumer prefetch count is not set for" in error.value.reply_text


def test_queue_over_an_existing_log(views, name):
    """x-trivium-source: competing consumers with per-message ack over data that others keep reading."""
    views.create_topic(name)
    for index in range(6):
        views.produce(name, str(index).encode(), b"k")
    queue = f"{name}.q"
    views.channel.queue_declare(queue, durable=True, arguments={"x-trivium-source": name})
    seen = {"a": [], "b": []}
    for consumer in seen:
        channel = views.amqp.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, lambda own, method, _, body, consumer=consumer: (
            seen[consumer].append(body), own.basic_ack(method.delivery_tag)))
    views.produce(name, b"6", b"k")
    deadline = time.monotonic() + 10
    while sum(map(len, seen.values())) < 7 and time.monotonic() < deadline:
        views.amqp.process_data_events(0.05)
    assert sorted(seen["a"] + seen["b"]) == [str(index).encode() for index in range(7)]
    assert seen["a"] and seen["b"]
    # The log itself is whole.
    assert len(views.kafka(name, 7)) == 7
    assert len(views.xread(name)) == 7
    assert len(views.amqp_stream(name, 7)) == 7


def test_queue_over_a_log_redelivers_and_survives_a_kill(own_broker, name):
    views = Views(own_broker)
    for index in range(4):
        views.xadd(name, "value", str(index))
    queue = f"{name}.q"
    views.channel.queue_declare(queue, durable=True, arguments={"x-trivium-source": name})
    deadline = time.monotonic() + 5
    while views.channel.queue_declare(queue, passive=True).method.message_count != 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first, _, body = views.channel.basic_get(queue)
    second, _, _ = views.channel.basic_get(queue)
    assert body == b"0"
    views.channel.basic_nack(second.delivery_tag, requeue=True)
    views.channel.basic_ack(first.delivery_tag)
    method, _, body = views.channel.basic_get(queue)
    assert (body, method.redelivered) == (b"1", True)
    views.channel.queue_declare(queue, passive=True)  # Answered after the ack, so the ack is known.
    own_broker.restart(kill=True)
    views = Views(own_broker)
    assert [body for _, _, body in views.amqp_queue(queue, 3)] == [b"1", b"2", b"3"]
    assert len(views.xread(name)) == 4
    views.close()


@pytest.fixture
def quick_broker():
    """Nobody has to wait for the disk."""
    broker = Broker(shards=2, durability="os").start()
    yield broker
    broker.close()


def test_queue_over_a_log_is_found_at_once_wherever_it_lives(quick_broker, name):
    """The requests come together: each is answered as if the one before had reached all cores."""
    redis = Redis(quick_broker.redis_port)
    clients = [Amqp(quick_broker.amqp_port) for _ in range(4)]
    for index in range(100):
        log = f"{name}.{index}"
        redis.call("XADD", log, "*", "value", "x")
        queue = Queue.Declare(queue=f"{log}.q", durable=True, nowait=True, arguments={"x-trivium-source": log})
        plain = Queue.Declare(queue=f"{log}.q", durable=True, nowait=True)
        found = Queue.Declare(queue=f"{log}.q", passive=True)
        amqp = clients[index % len(clients)]
        amqp.stream.send(b"".join(map(Amqp.frame, (queue, found, Queue.Delete(queue=f"{log}.q", nowait=True), plain, found))))
        assert amqp.wait(Queue.DeclareOk).queue == f"{log}.q"
        assert amqp.wait(Queue.DeclareOk).message_count == 0


def test_queue_over_a_missing_log_is_refused(views, name):
    with pytest.raises(ChannelClosedByBroker) as error:
        views.channel.queue_declare(f"{name}.q", durable=True, arguments={"x-trivium-source": name})
    assert error.value.reply_code in (404, 406)


# -- cursors of the three kinds side by side


def test_readers_do_not_disturb_each_other(own_broker, name):
    views = Views(own_broker)
    views.create_topic(name)
    for index in range(5):
        views.produce(name, str(index).encode())
    views.kafka(name, 5)
    assert len(views.xreadgroup(name)) == 5
    views.xadd(name, "value", "5")
    own_broker.restart(kill=True)
    views = Views(own_broker)
    # Group offsets and acknowledgements survived: each group sees only what is new.
    assert [value for _, _, _, value, _ in views.kafka(name, 1)] == [b"5"]
    assert [fields for _, fields in views.xreadgroup(name)] == [[b"value", b"5"]]
    assert len(views.amqp_stream(name, 6)) == 6
    views.close()


def test_unnameable_topics_are_not_shown_to_kafka(views, name):
    from confluent_kafka.admin import AdminClient
    odd = f"{name} with spaces"
    views.xadd(odd, "value", "1")
    views.channel.queue_declare(f"{name}/slash", durable=True)
    topics = AdminClient({"bootstrap.servers": views.broker.bootstrap}).list_topics(timeout=10).topics
    assert odd not in topics and f"{name}/slash" not in topics
    assert [body for _, _, body in views.amqp_stream(odd, 1)] == [b"1"]


def test_pika_sees_foreign_messages_in_a_queue(views, name):
    """A declared queue also takes what the other protocols append to it."""
    views.channel.queue_declare(name, durable=True)
    views.publish(b"a", name)
    views.xadd(name, "value", "b", "h", "1")
    views.produce(name, b"c", b"k")
    got = views.amqp_queue(name, 3)
    assert [(method.routing_key, body) for method, _, body in got] == [(name, b"a"), (name, b"b"), ("k", b"c")]
    assert got[0][1].headers is None
    assert got[1][1].headers["h"] == "1" and isinstance(got[1][1], pika.BasicProperties)
    assert views.channel.queue_declare(name, passive=True).method.message_count == 0
