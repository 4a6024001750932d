"""What a kept data directory holds: written once by the version that made it, read by every later one.

write_first() and write_second() are two lives of the broker that makes the directory; check() must hold for ever after, so
what it expects may be added to, under new names, but never changed.
"""

import time

import confluent_kafka
import confluent_kafka.admin
import content_format_2
import pika
import redis

CLASSIC, QUORUM, PRIORITY, SHORT_LIVED, DEAD = "golden.classic", "golden.quorum", "golden.priority", "golden.ttl", "golden.dead"
STREAM_QUEUE, LATE = "golden.stream", "golden.late"
ENTRIES, TEXT, NUMBER, LASTING, MANY = "golden:entries", "golden:text", "golden:number", "golden:lasting", "golden:many"
PLAIN, PAID, LATEST = "golden.plain", "golden.paid", "golden.latest"
GROUP = "golden-group"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LATE_AFTER_MS = 30 * 86_400_000
MANY_COUNT = 20_000
SECONDS_MAX = 20

HEADERS = {"text": "ä", "number": -7, "large": 2**40, "flag": True, "none": None, "list": [1, "two"], "table": {"a": {"b": 1}}}


def body(index):
    return b"body %d " % index + bytes(range(256))


# -- AMQP


def _channel(ports):
    connection = pika.BlockingConnection(pika.ConnectionParameters(port=ports["amqp"]))
    channel = connection.channel()
    channel.confirm_delivery()
    return connection, channel


def _publish(channel, exchange, key, index, **properties):
    channel.basic_publish(exchange, key, body(index), pika.BasicProperties(delivery_mode=2, **properties), mandatory=False)


def _publish_classic(channel, indexes):
    for index in indexes:
        _publish(channel, "golden.topic", "order.new", index, content_type="application/octet-stream", headers=HEADERS,
                 correlation_id=str(index), priority=3, message_id=f"id-{index}", timestamp=1_700_000_000 + index)


def _write_amqp_first(ports):
    connection, channel = _channel(ports)
    channel.exchange_declare("golden.topic", "topic", durable=True)
    channel.exchange_declare("golden.direct", "direct", durable=True)
    channel.exchange_declare("golden.delayed", "x-delayed-message", durable=True, arguments={"x-delayed-type": "fanout"})
    channel.queue_declare(CLASSIC, durable=True)
    channel.exchange_bind("golden.direct", "golden.topic", "order.*")
    channel.queue_bind(CLASSIC, "golden.direct", "order.new")
    channel.queue_declare(QUORUM, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 5})
    channel.queue_declare(PRIORITY, durable=True, arguments={"x-max-priority": 10})
    channel.queue_declare(DEAD, durable=True)
    channel.queue_declare(SHORT_LIVED, durable=True, arguments={
        "x-message-ttl": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD})
    channel.queue_declare(STREAM_QUEUE, durable=True, arguments={"x-queue-type": "stream"})
    channel.queue_declare(LATE, durable=True)
    channel.queue_bind(LATE, "golden.delayed", "")
    _publish_classic(channel, range(10))
    for index, priority in enumerate((1, 9, 5)):
        _publish(channel, "", PRIORITY, index, priority=priority)
    _publish(channel, "", QUORUM, 0)
    _publish(channel, "", SHORT_LIVED, 0)
    for index in range(3):
        _publish(channel, "", STREAM_QUEUE, index)
    _publish(channel, "golden.delayed", "", 0, headers={"x-delay": LATE_AFTER_MS})
    for _ in range(5):
        method, _, _ = channel.basic_get(CLASSIC)
        channel.basic_ack(method.delivery_tag)
    connection.close()


def _write_amqp_second(ports):
    connection, channel = _channel(ports)
    _publish_classic(channel, range(10, 20))
    for index in range(3, 5):
        _publish(channel, "", STREAM_QUEUE, index)
    for _ in range(2):
        method, _, _ = channel.basic_get(QUORUM)
        channel.basic_reject(method.delivery_tag, requeue=True)
    connection.close()


def _get_all(channel, queue):
    found = []
    while True:
        method, properties, content = channel.basic_get(queue)
        if method is None:
            return found
        found.append((method, properties, content))


def _check_amqp(ports, made):
    connection, channel = _channel(ports)
    classic = _get_all(channel, CLASSIC)
    assert [content for _, _, content in classic] == [body(index) for index in range(5, 20)]
    for index, (method, properties, _) in enumerate(classic, 5):
        assert (method.exchange, method.routing_key, method.redelivered) == ("golden.topic", "order.new", False)
        assert properties.headers == HEADERS and properties.correlation_id == str(index)
        assert (properties.message_id, properties.timestamp, properties.priority) == (f"id-{index}", 1_700_000_000 + index, 3)
    assert [content for _, _, content in _get_all(channel, PRIORITY)] == [body(1), body(2), body(0)]
    [(method, properties, content)] = _get_all(channel, QUORUM)
    assert content == body(0) and method.redelivered and properties.headers["x-delivery-count"] == 2
    [(_, properties, content)] = _get_all(channel, DEAD)
    death = properties.headers["x-death"][0]
    assert (content, death["queue"], death["reason"], death["count"]) == (body(0), SHORT_LIVED, "expired", 1)
    late = 1 if time.time() * 1000 > made["late_due_ms"] else 0
    assert len(_get_all(channel, LATE)) == late
    assert _stream_bodies(channel) == [body(index) for index in range(5)]
    channel.basic_publish("golden.topic", "order.new", b"new", mandatory=True)  # Unroutable would raise.
    connection.close()


def _stream_bodies(channel):
    channel.basic_qos(prefetch_count=10)
    found = []
    for method, _, content in channel.consume(STREAM_QUEUE, arguments={"x-stream-offset": "first"}, inactivity_timeout=SECONDS_MAX):
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
        found.append(content)
        if len(found) == 5:
            break
    channel.cancel()
    return found


# -- Redis


def _write_redis_first(ports):
    client = redis.Redis(port=ports["redis"])
    for index in range(1, 16):
        client.xadd(ENTRIES, {"n": index, b"\xff\x00": body(index)}, id=f"1-{index}")
    client.xgroup_create(ENTRIES, "g", id="0")
    client.xreadgroup("g", "c1", {ENTRIES: ">"}, count=5)
    client.xack(ENTRIES, "g", "1-1", "1-2")
    client.set(TEXT, body(1))
    client.set(LASTING, "x", ex=100 * 365 * 86_400)
    for _ in range(5):
        client.incr(NUMBER)
    # So much that a clean stop writes a checkpoint.
    pipeline = client.pipeline(transaction=False)
    for _ in range(MANY_COUNT):
        pipeline.incr(MANY)
    pipeline.execute()


def _write_redis_second(ports):
    client = redis.Redis(port=ports["redis"])
    for index in range(16, 21):
        client.xadd(ENTRIES, {"n": index}, id=f"1-{index}")
    client.xdel(ENTRIES, "1-7")
    client.xtrim(ENTRIES, minid="1-2", approximate=False)
    client.xreadgroup("g", "c2", {ENTRIES: ">"}, count=3)
    client.incrby(NUMBER, 2)


def _check_redis(ports):
    client = redis.Redis(port=ports["redis"])
    entries = client.xrange(ENTRIES)
    assert [entry for entry, _ in entries] == [b"1-%d" % index for index in range(2, 21) if index != 7]
    assert all(fields[b"n"] == entry.split(b"-")[1] for entry, fields in entries)
    assert entries[0][1][b"\xff\x00"] == body(2)
    info = client.xinfo_stream(ENTRIES)
    assert (info["length"], info["entries-added"], info["max-deleted-entry-id"]) == (18, 20, b"1-7")
    [group] = client.xinfo_groups(ENTRIES)
    assert (group["pending"], group["last-delivered-id"]) == (6, b"1-9")
    pending = client.xpending_range(ENTRIES, "g", "-", "+", 100)
    assert [(entry["message_id"], entry["consumer"], entry["times_delivered"]) for entry in pending] == [
        *((b"1-%d" % index, b"c1", 1) for index in (3, 4, 5)), *((b"1-%d" % index, b"c2", 1) for index in (6, 8, 9))]
    assert client.get(TEXT) == body(1) and client.get(NUMBER) == b"7" and client.get(MANY) == b"%d" % MANY_COUNT
    assert client.ttl(LASTING) > 50 * 365 * 86_400 and client.ttl(TEXT) == -1


# -- what came later: collections, and a backlog whose index lies in page files

BACKLOG, HASH, LIST, SET, ZSET = "golden:backlog", "golden:hash", "golden:list", "golden:set", "golden:zset"
BACKLOG_COUNT, BACKLOG_DELETED, BACKLOG_TRIMMED = 400, (150, 151, 250), 60


def _write_later_first(ports):
    client = redis.Redis(port=ports["redis"])
    for index in range(1, BACKLOG_COUNT + 1):
        client.xadd(BACKLOG, {"n": index}, id=f"{index}-0")  # each is a batch of its own
    client.hset(HASH, mapping={"a": "1", "b": body(1), "gone": "x"})
    client.rpush(LIST, "gone", "one", "two", body(2))
    client.sadd(SET, "1", "2", "x", "gone")
    client.zadd(ZSET, {"low": -1.5, "high": 2.25, "gone": 0, "infinite": "inf"})


def _write_later_second(ports):
    client = redis.Redis(port=ports["redis"])
    client.xdel(BACKLOG, *(f"{index}-0" for index in BACKLOG_DELETED))
    client.xtrim(BACKLOG, minid=f"{BACKLOG_TRIMMED}-0", approximate=False)
    client.hdel(HASH, "gone")
    assert client.lpop(LIST) == b"gone"
    client.srem(SET, "gone")
    client.zrem(ZSET, "gone")


def _check_later(ports):
    client = redis.Redis(port=ports["redis"])
    entries = client.xrange(BACKLOG)
    left = [index for index in range(BACKLOG_TRIMMED, BACKLOG_COUNT + 1) if index not in BACKLOG_DELETED]
    assert entries == [(b"%d-0" % index, {b"n": b"%d" % index}) for index in left]
    assert client.xlen(BACKLOG) == len(left)
    assert client.hgetall(HASH) == {b"a": b"1", b"b": body(1)}
    assert client.lrange(LIST, 0, -1) == [b"one", b"two", body(2)]
    assert client.smembers(SET) == {b"1", b"2", b"x"}
    assert client.zrange(ZSET, 0, -1, withscores=True) == [(b"low", -1.5), (b"high", 2.25), (b"infinite", float("inf"))]


# -- Kafka


def _producer(ports, **settings):
    return confluent_kafka.Producer({"bootstrap.servers": f"127.0.0.1:{ports['kafka']}", "broker.address.family": "v4",
                                     "enable.idempotence": True, **settings})


def _consumer(ports):
    return confluent_kafka.Consumer({"bootstrap.servers": f"127.0.0.1:{ports['kafka']}", "broker.address.family": "v4",
                                     "group.id": GROUP, "enable.auto.commit": False, "isolation.level": "read_committed",
                                     "enable.partition.eof": True})


def _write_kafka_first(ports):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": f"127.0.0.1:{ports['kafka']}"})
    topics = [confluent_kafka.admin.NewTopic(PLAIN, 3, config={"retention.bytes": "1000000000", "retention.ms": "-1"}),
              confluent_kafka.admin.NewTopic(PAID, 1, config={"retention.ms": "-1"}),
              confluent_kafka.admin.NewTopic(LATEST, 1, config={"cleanup.policy": "compact"})]
    for done in admin.create_topics(topics).values():
        done.result(SECONDS_MAX)
    for partition in range(3):
        for index, codec in enumerate(CODECS):
            producer = _producer(ports, **{"compression.type": codec})
            producer.produce(PLAIN, body(index) * 4, key=codec, partition=partition, headers=[("codec", codec), ("none", None)],
                             timestamp=1_700_000_000_000 + index)
            assert producer.flush(SECONDS_MAX) == 0
    producer = _producer(ports)
    for round_ in range(4):
        for key in ("a", "b", "c"):
            producer.produce(LATEST, f"{key}{round_}", key=key)
    assert producer.flush(SECONDS_MAX) == 0
    consumer = _consumer(ports)
    consumer.commit(offsets=[confluent_kafka.TopicPartition(PLAIN, 1, 4, metadata="noted")], asynchronous=False)
    consumer.close()


def _write_kafka_second(ports):
    producer = _producer(ports, **{"transactional.id": "golden"})
    producer.init_transactions(SECONDS_MAX)
    for index, commit in enumerate((True, False, True)):
        producer.begin_transaction()
        for part in range(2):
            producer.produce(PAID, f"{index}.{part}")
        assert producer.flush(SECONDS_MAX) == 0
        (producer.commit_transaction if commit else producer.abort_transaction)(SECONDS_MAX)
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": f"127.0.0.1:{ports['kafka']}"})
    for done in admin.delete_records([confluent_kafka.TopicPartition(PLAIN, 2, 2)]).values():
        done.result(SECONDS_MAX)


def _read_partition(consumer, topic, partition):
    consumer.assign([confluent_kafka.TopicPartition(topic, partition, confluent_kafka.OFFSET_BEGINNING)])
    found = []
    while True:
        message = consumer.poll(SECONDS_MAX)
        assert message is not None, f"nothing came of {topic} {partition}"
        if message.error() is None:
            found.append(message)
        elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
            return found
        else:
            raise confluent_kafka.KafkaException(message.error())


def _check_kafka(ports):
    consumer = _consumer(ports)
    for partition, first in ((0, 0), (1, 0), (2, 2)):
        messages = _read_partition(consumer, PLAIN, partition)
        assert [(m.offset(), m.key(), m.value(), m.timestamp()[1]) for m in messages] == [
            (index, CODECS[index].encode(), body(index) * 4, 1_700_000_000_000 + index) for index in range(first, 5)]
        assert all(m.headers() == [("codec", m.key()), ("none", None)] for m in messages)
    assert [m.value() for m in _read_partition(consumer, PAID, 0)] == [b"0.0", b"0.1", b"2.0", b"2.1"]
    latest = {m.key(): m.value() for m in _read_partition(consumer, LATEST, 0)}
    assert latest == {b"a": b"a3", b"b": b"b3", b"c": b"c3"}
    [committed] = consumer.committed([confluent_kafka.TopicPartition(PLAIN, 1)], SECONDS_MAX)
    assert (committed.offset, committed.metadata) == (4, "noted")
    consumer.close()


# -- all of it


def write_first(ports):
    """Returns what check() must know of it."""
    _write_amqp_first(ports)
    _write_redis_first(ports)
    _write_kafka_first(ports)
    _write_later_first(ports)
    content_format_2.write_first(ports)
    return {"late_due_ms": int(time.time() * 1000) + LATE_AFTER_MS, "later": True, "format_2": True}


def write_second(ports):
    _write_amqp_second(ports)
    _write_redis_second(ports)
    _write_kafka_second(ports)
    _write_later_second(ports)
    content_format_2.write_second(ports)


def check(ports, made):
    _check_amqp(ports, made)
    _check_redis(ports)
    _check_kafka(ports)
    if made.get("later"):
        _check_later(ports)
    if made.get("format_2"):
        content_format_2.check(ports)
