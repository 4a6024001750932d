"""Topics with cleanup.policy=compact: what librdkafka and kafka-python read after the broker has compacted them."""

import time

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from kafka import KafkaConsumer

from harness import wait_for

pytestmark = [pytest.mark.own, pytest.mark.timeout(240)]
KEYS = 10
SECONDS = 40


def create(broker, name, partitions=1, **config):
    settings = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01",
                **{key.replace("_", "."): value for key, value in config.items()}}
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(10)
    return admin


def produce(broker, name, rows, **options):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 1, "batch.num.messages": 7, **options})
    failed = []
    for key, value in rows:
        producer.produce(name, value, key, partition=0, on_delivery=lambda error, _: error and failed.append(error))
    assert producer.flush(20) == 0
    return failed


def read(broker, name, start=0):
    """All of partition 0 as (offset, key, value), until its end as the client sees it."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.partition.eof": True,
                         "enable.auto.commit": False})
    consumer.assign([TopicPartition(name, 0, start)])
    rows = []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF
            consumer.close()
            return rows
        rows.append((message.offset(), message.key(), message.value()))
    raise AssertionError(f"no end of {name}: {rows[-3:]}")


def updates(rounds):
    return [(b"k%d" % (n % KEYS), b"v%d" % n) for n in range(rounds * KEYS)]


def assert_newest(rows, written):
    """Nothing is lost: the newest of each key is there, at its own offset."""
    at = {offset: (key, value) for offset, key, value in rows}
    newest = {key: (offset, value) for offset, (key, value) in enumerate(written)}
    for key, (offset, value) in newest.items():
        assert at.get(offset) == (key, value)
    assert all(written[offset] == row for offset, row in at.items())


def test_one_record_of_each_key(own_broker, name):
    written = updates(30) + [(b"end", b"end")]
    topics = {f"{name}.{codec}": codec for codec in ("none", "gzip", "snappy", "lz4", "zstd")}
    for topic, codec in topics.items():
        create(own_broker, topic)
        assert not produce(own_broker, topic, written[:-1], **{"compression.type": codec})
        assert not produce(own_broker, topic, written[-1:])
    for topic in topics:
        wait_for(lambda: len(read(own_broker, topic)) == KEYS + 1, SECONDS, "a compacted topic")
        assert_newest(read(own_broker, topic), written)
        # A start inside a hole goes on at the next record.
        assert read(own_broker, topic, 3) == read(own_broker, topic)
        other = KafkaConsumer(topic, bootstrap_servers=own_broker.bootstrap, auto_offset_reset="earliest",
                              consumer_timeout_ms=20_000, group_id=None)
        assert [(m.offset, m.key, m.value) for _, m in zip(range(KEYS + 1), other)] == read(own_broker, topic)
        other.close()
    own_broker.restart(kill=True)
    assert all(len(read(own_broker, topic)) == KEYS + 1 for topic in topics)


def test_tombstones_vanish(own_broker, name):
    create(own_broker, name, delete_retention_ms="100")
    produce(own_broker, name, [(b"a", b"1"), (b"b", b"1")])
    produce(own_broker, name, [(b"a", None)])
    produce(own_broker, name, [(b"end", b"1")])
    wait_for(lambda: read(own_broker, name) == [(1, b"b", b"1"), (3, b"end", b"1")], SECONDS, "tombstones gone")


def test_settings_are_described_and_checked(own_broker, name):
    admin = create(own_broker, name, min_compaction_lag_ms="60000", max_compaction_lag_ms="70000")
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    values = {key: entry.value for key, entry in admin.describe_configs([resource])[resource].result(10).items()}
    assert values["cleanup.policy"] == "compact"
    assert values["min.cleanable.dirty.ratio"] == "0.01"
    assert values["min.compaction.lag.ms"] == "60000" and values["max.compaction.lag.ms"] == "70000"
    with pytest.raises(KafkaException) as refused:
        create(own_broker, f"{name}.lags", min_compaction_lag_ms="2", max_compaction_lag_ms="1")
    assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG
    errors = produce(own_broker, name, [(None, b"no key")])
    assert [error.code() for error in errors] == [KafkaError.INVALID_RECORD]
    # Too young to be compacted.
    written = updates(5)
    assert not produce(own_broker, name, written)
    time.sleep(6)
    assert len(read(own_broker, name)) == len(written)


def test_killed_while_compacting(own_broker, name):
    create(own_broker, name)
    written = []
    for _ in range(4):
        batch = [(key, value * 300) for key, value in updates(60)]
        assert not produce(own_broker, name, batch)
        written += batch
        time.sleep(1.7)  # Somewhere in, before or behind a pass.
        own_broker.restart(kill=True)
        assert_newest(read(own_broker, name), written)
    written.append((b"end", b"end"))
    assert not produce(own_broker, name, written[-1:])
    wait_for(lambda: len(read(own_broker, name)) == KEYS + 1, SECONDS, "a compacted topic")
    assert_newest(read(own_broker, name), written)
    own_broker.restart(kill=False)
    assert_newest(read(own_broker, name), written)


def test_written_to_while_compacted(own_broker, name):
    create(own_broker, name)
    written = []
    stop = time.monotonic() + 12
    while time.monotonic() < stop:
        batch = [(key, b"%d" % (len(written) + n)) for n, (key, _) in enumerate(updates(20))]
        assert not produce(own_broker, name, batch)
        written += batch
        assert_newest(read(own_broker, name), written)
    assert len(read(own_broker, name)) < len(written)
