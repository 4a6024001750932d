"""Topics that want one codec (compression.type): whatever producers send, all clients read the same records, and the broker
keeps them in that codec."""

import pytest
import rawkafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from kafka import KafkaConsumer

pytestmark = pytest.mark.own

CODECS = {"uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
SENT = ["none", "gzip", "snappy", "lz4", "zstd"]


def create(broker, name, **config):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic(name, 1, 1, config={key.replace("_", "."): value for key, value in config.items()})])[name].result(10)
    return admin


def produce(broker, topic, codec, count=20, **config):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "compression.codec": codec, "linger.ms": 50, **config})
    failed = []
    for index in range(count):
        producer.produce(topic, f"{codec} {index} " + "v" * 200, key=f"k{index}", headers=[("h", b"x"), ("none", None)],
                         timestamp=1_700_000_000_000 + index, on_delivery=lambda error, _: error and failed.append(error))
    producer.flush(20)
    return failed


def expected(codecs, count=20):
    return [(f"k{index}".encode(), f"{codec} {index} ".encode() + b"v" * 200, 1_700_000_000_000 + index)
            for codec in codecs for index in range(count)]


def consume(broker, topic, count, **config):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": f"{topic}.g", "check.crcs": True, **config})
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = []
    while len(records) < count:
        message = consumer.poll(10)
        assert message is not None and message.error() is None, (len(records), message and message.error())
        assert message.offset() == len(records)
        assert message.headers() == [("h", b"x"), ("none", None)]
        records.append((message.key(), message.value(), message.timestamp()[1]))
    consumer.close()
    return records


def codecs_stored(broker, topic):
    reader = rawkafka.Kafka(broker.kafka_port)
    found, offset = set(), 0
    while True:
        _, _, _, batches = reader.fetch({(topic, 0): offset})[topic, 0]
        if not batches:
            reader.close()
            return found
        for base, count, _, attributes, _ in batches:
            if not attributes & rawkafka.CONTROL:
                found.add(attributes & 7)
            offset = base + count


@pytest.mark.parametrize("wanted", CODECS)
def test_every_codec_becomes_the_topics_own(broker, name, wanted):
    create(broker, name, compression_type=wanted)
    for codec in SENT:
        assert produce(broker, name, codec, **{"enable.idempotence": codec != "gzip"}) == []
    assert codecs_stored(broker, name) == {CODECS[wanted]}
    assert consume(broker, name, 20 * len(SENT)) == expected(SENT)
    if wanted in ("uncompressed", "gzip", "snappy", "lz4"):  # kafka-python has no zstd here
        reader = KafkaConsumer(name, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000)
        records = [(message.key, message.value, message.timestamp) for _, message in zip(range(20 * len(SENT)), reader)]
        reader.close()
        assert records == expected(SENT)


def test_transactions_in_another_codec(broker, name):
    create(broker, name, compression_type="zstd", compression_zstd_level="10")
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": name, "compression.codec": "lz4"})
    producer.init_transactions(10)
    for commit in (True, False, True):
        producer.begin_transaction()
        for index in range(10):
            producer.produce(name, f"{commit} {index}")
        producer.commit_transaction(10) if commit else producer.abort_transaction(10)
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": name, "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(name, 0, 0)])
    values = []
    while len(values) < 20:
        message = consumer.poll(10)
        assert message is not None, values
        values.append(message.value())
    consumer.close()
    assert values == [f"True {index}".encode() for index in range(10)] * 2
    assert codecs_stored(broker, name) == {4}


def test_the_setting_changes_and_outlives_a_kill(own_broker, name):
    admin = create(own_broker, name)
    produce(own_broker, name, "snappy")
    change = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("compression.type", "gzip", incremental_operation=AlterConfigOpType.SET)])
    admin.incremental_alter_configs([change])[change].result(10)
    own_broker.restart(kill=True)
    produce(own_broker, name, "snappy")
    assert codecs_stored(own_broker, name) == {1, 2}
    own_broker.restart(kill=True)
    assert consume(own_broker, name, 40) == expected(["snappy"] * 2)
    resource = ConfigResource(ResourceType.TOPIC, name)
    anew = AdminClient({"bootstrap.servers": own_broker.bootstrap})  # The other one waits before it connects again.
    assert anew.describe_configs([resource])[resource].result(10)["compression.type"].value == "gzip"


def test_a_batch_that_is_too_large_when_unpacked(broker, name):
    create(broker, name, compression_type="uncompressed", max_message_bytes="2000")
    assert produce(broker, name, "gzip", count=5) == []
    failed = produce(broker, name, "gzip", count=100)
    assert failed and {error.code() for error in failed} == {KafkaError.MSG_SIZE_TOO_LARGE}
    assert consume(broker, name, 5) == expected(["gzip"], 5)


@pytest.mark.parametrize("key, value, words", [
    ("compression.type", "zip", "Invalid value zip for configuration compression.type: String must be one of: uncompressed, zstd, "
                                "lz4, snappy, gzip, producer"),
    ("compression.gzip.level", "10", "Value must be between 1 and 9 or equal to -1"),
    ("compression.zstd.level", "23", "Value must be no more than 22"),
    ("compression.lz4.level", "fast", "Not a number of type INT")])
def test_bad_values(broker, name, key, value, words):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    with pytest.raises(KafkaException) as info:
        admin.create_topics([NewTopic(name, 1, 1, config={key: value})])[name].result(10)
    assert info.value.args[0].code() == KafkaError.INVALID_CONFIG
    assert words in info.value.args[0].str()
